/* Sending the index entries of this node's volumes to the catalog's node. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/time.h"
#include "cluster/cancel.h"
#include "cluster/catdump.h"
#include "cluster/mirror.h"
#include "cluster/peer.h"
#include "cluster/relay_int.h"
#include "cluster/segment.h"

#define TICK_MS		100	/* how often the volumes are looked at */
#define AWAY_MS		1000
#define WAIT_MS		3000	/* of a client, for what is on disk already */
#define ANSWER_MS	10000
#define SWEEP_MS	10000	/* sealed segments may have grown: repairs */
#define BATCH_RECORDS	1000
#define BATCH_BYTES	(4u << 20)

/* One volume at home here. */
struct relay_volume {
	const struct conf_volume *cv;
	struct volume	*v;
	struct vol_end	 done;		/* indexed up to here */
	struct cancels	 cancels;
	struct mirror_wake wake;
};

struct pusher {
	struct relay	*r;
	const struct conf *conf;
	struct relay_volume *vols;
	size_t		 n;
	struct stream	 s;
	bool		 up;
	int64_t		 swept_ms;
};

/* One segment's entries on their way. */
struct batch {
	const struct cancels *cancels;
	uint32_t	 segment;
	struct buf	 text;
	uint32_t	 from, end;
	uint32_t	 records;
	bool		 full;
};

static void
hang_up(struct pusher *p)
{
	if (p->up)
		stream_close(&p->s);
	p->up = false;
}

static int
dial(struct pusher *p)
{
	int	 fd, rc;

	if (p->up)
		return 0;
	if ((rc = relay_dial(p->r, &fd)) != 0)
		return rc;
	stream_init(&p->s, fd, CATDUMP_LINE_MAX, ANSWER_MS);
	p->up = true;
	return 0;
}

/* The last line of an answer: ".CODE TAB TEXT". */
static int
last_line(struct span l)
{
	struct span	 code;
	uint64_t	 v;

	l.p++;
	l.len--;
	if (!str_field(&l, '\t', &code))
		return CM_EPROTO;
	if (span_is(code, "0"))
		return 0;
	if (code.len < 2 || code.p[0] != '-' ||
	    str_u64(code.p + 1, code.len - 1, 1000, &v) != 0)
		return CM_EPROTO;
	return -(int)v;
}

/* Reads an answer; the lines "=SEGMENT TAB END" tell the cursors. */
static int
answer(struct pusher *p, uint32_t segment, uint32_t *cursor)
{
	struct span	 l, f;
	uint64_t	 seg, end;
	int		 rc;

	while ((rc = stream_line(&p->s, &l)) == 0) {
		if (l.len == 0)
			return CM_EPROTO;
		if (l.p[0] == '.')
			return last_line(l);
		if (l.p[0] != '=')
			return CM_EPROTO;
		l.p++;
		l.len--;
		if (!str_field(&l, '\t', &f) || str_u64(f.p, f.len,
		    UINT32_MAX, &seg) != 0 || !str_field(&l, '\t', &f) ||
		    str_u64(f.p, f.len, UINT32_MAX, &end) != 0)
			return CM_EPROTO;
		if (cursor != NULL && seg == segment)
			*cursor = (uint32_t)end;
	}
	return rc == CM_EEND ? CM_EAWAY : rc;
}

static int
ask_cursor(struct pusher *p, struct relay_volume *rv, uint32_t segment,
    uint32_t *cursor)
{
	const struct seg_meta	*m = vol_meta(rv->v);
	int			 rc;

	*cursor = 0;
	buf_addf(&p->s.out, "cursors\t%s\t%08x\t%u\n", m->name, m->salt,
	    m->epoch);
	if ((rc = stream_flush(&p->s, 1)) != 0)
		return rc;
	return answer(p, segment, cursor);
}

static int
add_item(void *arg, const struct seg_item *it)
{
	struct batch	*b = arg;

	/* what ends a segment and is no record may be completed by a copy */
	if (it->what == SEG_TAIL)
		return 1;
	if (cancels_has(b->cancels, b->segment, it->offset)) {
		buf_addf(&b->text, "C\t%u\t%u\n", it->offset, it->length);
	} else if (it->what == SEG_RECORD || it->what == SEG_UNREAD) {
		buf_addf(&b->text, "R\t%u\t%u\t", it->offset, it->length);
		str_pct(&b->text, it->env, it->head.env_len, "");
		buf_addc(&b->text, '\n');
		b->records++;
	} else {
		buf_addf(&b->text, "G\t%u\t%u\n", it->offset, it->length);
	}
	b->end = it->offset + it->length;
	b->full = b->records >= BATCH_RECORDS || b->text.len >= BATCH_BYTES;
	return b->text.err != 0 ? b->text.err : b->full;
}

/* Sends the next entries of a segment. */
static int
push_batch(struct pusher *p, struct relay_volume *rv, uint32_t segment,
    uint32_t from, uint32_t to, struct batch *b)
{
	const struct seg_meta	*m = vol_meta(rv->v);
	struct seg_scan		 s = { .salt = m->salt, .segment = segment,
				    .from = from, .to = to, .fn = add_item,
				    .arg = b };
	int			 rc;

	buf_reset(&b->text);
	b->from = b->end = from;
	b->records = 0;
	b->full = false;
	if ((rc = seg_open(p->r->log, vol_dir(rv->v), segment, O_RDONLY,
	    &s.fd)) != 0)
		return rc;
	rc = seg_scan(p->r->log, &s);
	close(s.fd);
	if (rc < 0 || b->end == from)
		return rc < 0 ? rc : 0;
	buf_addf(&p->s.out, "index\t%s\t%08x\t%u\t%u\t%u\t%u\n", m->name,
	    m->salt, m->epoch, segment, from, b->end);
	buf_add(&p->s.out, b->text.p, b->text.len);
	buf_adds(&p->s.out, ".\n");
	if ((rc = stream_flush(&p->s, 1)) != 0)
		return rc;
	return answer(p, 0, NULL);
}

static int
push_segment(struct pusher *p, struct relay_volume *rv, uint32_t segment,
    uint32_t to)
{
	struct batch	 b = { .cancels = &rv->cancels, .segment = segment };
	uint32_t	 at;
	int		 rc;

	if ((rc = ask_cursor(p, rv, segment, &at)) != 0 || at >= to ||
	    (rc = cancels_cover(p->r->log, vol_dir(rv->v),
	    vol_meta(rv->v)->salt, &rv->cancels,
	    (struct vol_end){ segment, at }, vol_counted(rv->v))) != 0)
		return rc;
	buf_init(&b.text, 64u << 20);
	while (rc == 0 && at < to && !p->r->stop) {
		rc = push_batch(p, rv, segment, at, to, &b);
		if (rc == 0 && b.end == at)
			break;
		at = b.end;
	}
	buf_free(&b.text);
	return rc;
}

/* All segments that have more than was pushed. */
static int
push_volume(struct pusher *p, struct relay_volume *rv)
{
	struct vol_end	 counted = vol_counted(rv->v);
	uint32_t	*list, to;
	size_t		 n;
	int		 rc;

	mirror_wake(&rv->wake, p->r->log, p->conf, rv->v);
	if (!vol_end_before(rv->done, counted))
		return 0;
	if ((rc = dial(p)) != 0 ||
	    (rc = seg_list(p->r->log, vol_dir(rv->v), &list, &n)) != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (list[i] < rv->done.segment || list[i] > counted.segment)
			continue;
		to = counted.offset;
		if (list[i] < counted.segment && (rc = seg_size(p->r->log,
		    vol_dir(rv->v), list[i], &to)) != 0)
			break;
		rc = push_segment(p, rv, list[i], to);
	}
	free(list);
	cancels_free(&rv->cancels);
	if (rc == 0)
		rv->done = counted;
	else if (rc != CM_EAWAY)
		log_fail(p->r->log, rc, "volume %s: sending its index",
		    rv->cv->name);
	return rc;
}

static void
forget_volumes(struct pusher *p)
{
	for (size_t i = 0; i < p->n; i++)
		vol_close(p->vols[i].v);
	free(p->vols);
	p->vols = NULL;
	p->n = 0;
	if (p->conf != NULL)
		confwatch_put(p->r->conf, p->conf);
	p->conf = NULL;
}

/* The volumes of the configuration as it is now. */
static int
list_volumes(struct pusher *p)
{
	const struct conf	*conf = confwatch_get(p->r->conf);

	if (conf == p->conf) {
		confwatch_put(p->r->conf, conf);
		return 0;
	}
	forget_volumes(p);
	p->conf = conf;
	p->vols = calloc(conf->nvolumes + 1, sizeof(*p->vols));
	if (p->vols == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < conf->nvolumes; i++)
		if (conf_is_home(conf, &conf->volumes[i]))
			p->vols[p->n++].cv = &conf->volumes[i];
	return 0;
}

/* One look at all volumes; is something left? */
static bool
pass(struct pusher *p)
{
	bool	 left = false;
	int	 rc;

	if (list_volumes(p) != 0)
		return true;
	for (size_t i = 0; i < p->n; i++) {
		struct relay_volume *rv = &p->vols[i];
		unsigned	     was = rv->v ? vol_generation(rv->v) : 0;

		if (rv->v == NULL && !vol_is_made(p->conf, rv->cv))
			continue;
		rc = rv->v != NULL ? vol_refresh(rv->v) :
		    vol_open(p->r->log, p->conf, rv->cv, &rv->v);
		if (rc == 0 && vol_generation(rv->v) != was)
			rv->done = (struct vol_end){ 0, 0 };
		if (rc == 0 && (rc = push_volume(p, rv)) != 0)
			hang_up(p);
		if (rc != 0)
			left = true;
		if (rc != 0 && rv->v != NULL && rc != CM_EAWAY) {
			vol_close(rv->v);
			rv->v = NULL;
		}
	}
	return left;
}

static void
sweep(struct pusher *p)
{
	if (time_mono_ms() - p->swept_ms < SWEEP_MS)
		return;
	p->swept_ms = time_mono_ms();
	for (size_t i = 0; i < p->n; i++)
		p->vols[i].done = (struct vol_end){ 0, 0 };
}

/* Waits on cond, with mu held. */
static void
wait_ms(struct relay *r, pthread_cond_t *cond, int ms)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += (long)ms * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(cond, &r->mu, &ts);
}

void *
relay_pusher(void *arg)
{
	struct pusher	 p = { .r = arg };
	struct relay	*r = arg;
	bool		 left;

	while (!r->stop) {
		pthread_mutex_lock(&r->mu);
		r->begun++;
		pthread_mutex_unlock(&r->mu);
		sweep(&p);
		left = pass(&p);
		pthread_mutex_lock(&r->mu);
		r->behind = left;
		if (!left)
			r->ended = r->begun;
		pthread_cond_broadcast(&r->pushed);
		/* a client that comes pokes it */
		if (!r->want || left)
			wait_ms(r, &r->poke, left ? AWAY_MS / 4 : TICK_MS);
		r->want = false;
		pthread_mutex_unlock(&r->mu);
	}
	hang_up(&p);
	forget_volumes(&p);
	return NULL;
}

void
relay_push_wait(struct relay *r)
{
	uint64_t	 want;
	int64_t		 end = time_mono_ms() + WAIT_MS;

	pthread_mutex_lock(&r->mu);
	want = r->begun + 1;	/* a pass that begins after now */
	r->want = true;
	pthread_cond_signal(&r->poke);
	while (r->ended < want && !r->stop && !atomic_load(&r->away) &&
	    time_mono_ms() < end)
		wait_ms(r, &r->pushed, TICK_MS);
	pthread_mutex_unlock(&r->mu);
}

bool
relay_push_is_done(struct relay *r)
{
	return !r->behind;
}
