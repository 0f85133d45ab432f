/* The shipper of one volume: a thread for each copy, one for who waits. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/file.h"
#include "base/time.h"
#include "cluster/acks.h"
#include "cluster/mirror.h"
#include "cluster/reconcile.h"
#include "cluster/service.h"
#include "cluster/volume.h"

#define BATCH		(4u << 20)	/* bytes sent at a time */
#define TICK_MS		200
#define BACKOFF_MIN_MS	100
#define BACKOFF_MAX_MS	5000
#define LOOK_MS		1000
#define GRACE_MS	1000		/* a copy that fails is waited for */
#define CLIENTS_MAX	500
#define LINE_MAX_LEN	256
#define WAITS_MAX	1024		/* of one client, not yet answered */

/* One copy and its thread. */
struct sender {
	struct shipper	*sh;
	size_t		 index;
	char		 label[COPY_LABEL_MAX];
	pthread_t	 thread;
	struct volume	*v;		/* a handle of its own */
	unsigned	 generation;	/* of v, when c was settled with it */
	struct copy	*c;
	char		*batch;
	_Atomic uint64_t end;		/* it has all before; segment << 32 */
	atomic_bool	 up;
	_Atomic int64_t	 level_ms;	/* when it last had everything */
	_Atomic int64_t	 failed_ms;	/* since when it fails; or 0 */
	atomic_bool	 again;		/* what it has is to be looked at */
};

struct wait {
	struct vol_end	 end;
	unsigned	 copies;
	int64_t		 until_ms;
};

struct waiter {
	struct stream	 s;
	struct wait	 wait[WAITS_MAX];
	size_t		 first, n;
	bool		 broken;
};

struct shipper {
	const struct log *log;
	const struct conf *conf;
	const struct conf_volume *cv;
	struct sender	*senders;
	_Atomic size_t	 n;
	atomic_bool	 stop;
	_Atomic uint64_t committed;	/* as a sender saw it last */
	int		 efd;		/* a copy moved on */
	atomic_bool	 asked;		/* a client waits for that */
	struct waiter	*waiters[CLIENTS_MAX];
	size_t		 nwaiters;
	int64_t		 last_ms;
	int64_t		 checked_ms;	/* service_is_current */
	int64_t		 looked_ms;	/* look_at_home */
	pthread_mutex_t	 mu;		/* guards v; only the main thread
					 * changes what it is */
	struct volume	*v;
	unsigned	 generation;
	unsigned	 asks;		/* acks_asked, when last looked at */
	uint32_t	 copies;	/* acks_copies */
	struct stat	 file;		/* cluster.xml when it was read */
};

static uint64_t
pack(struct vol_end e)
{
	return (uint64_t)e.segment << 32 | e.offset;
}

/* What its thread knows of the copy. */
static struct vol_end
sender_at(struct sender *s)
{
	uint64_t v = atomic_load(&s->end);

	return (struct vol_end){ (uint32_t)(v >> 32), (uint32_t)v };
}

/* What others may rely on. */
static struct vol_end
sender_end(struct sender *s)
{
	return s->again ? (struct vol_end){ 0, 0 } : sender_at(s);
}

static unsigned
reached(struct shipper *sh, struct vol_end e)
{
	unsigned n = 0;

	for (size_t i = 0; i < sh->n; i++)
		n += !vol_end_before(sender_end(&sh->senders[i]), e);
	return n;
}

/* Before anybody is told: from here these records cannot be taken back. */
static void
note_acked(struct shipper *sh)
{
	unsigned	 want = conf_copies_wanted(sh->conf, sh->cv);
	struct vol_end	 end = { 0, 0 }, e;

	if (sh->v == NULL || want == 0)
		return;
	for (size_t i = 0; i < sh->n; i++) {
		e = sender_end(&sh->senders[i]);
		if (vol_end_before(end, e) && reached(sh, e) >= want)
			end = e;
	}
	vol_acked(sh->v, end);
}

/* How far the copies are, to all who wait. */
static void
tell(struct shipper *sh)
{
	struct vol_end	 e[CONF_COPIES_MAX];
	uint64_t	 failing = 0;

	pthread_mutex_lock(&sh->mu);
	note_acked(sh);
	for (size_t i = 0; i < sh->n; i++) {
		e[i] = sender_end(&sh->senders[i]);
		if (atomic_load(&sh->senders[i].failed_ms) != 0)
			failing |= (uint64_t)1 << i;
	}
	acks_tell(sh->v != NULL ? vol_control(sh->v) : NULL, e, sh->n,
	    failing);
	pthread_mutex_unlock(&sh->mu);
}

static void
moved(struct sender *s, struct vol_end e)
{
	uint64_t one = 1;

	atomic_store(&s->end, pack(e));
	tell(s->sh);
	if (s->sh->asked && write(s->sh->efd, &one, sizeof(one)) == -1)
		return;		/* the counter is full: it is awake anyway */
}

static struct control *
sender_control(const struct sender *s)
{
	return s->v != NULL ? vol_control(s->v) : NULL;
}

static int
sender_open(struct sender *s)
{
	struct shipper	*sh = s->sh;
	struct reconcile r = { .tails = true };
	struct vol_end	 next, committed;
	int		 rc;

	if (s->v == NULL &&
	    (rc = vol_open(sh->log, sh->conf, sh->cv, &s->v)) != 0)
		return rc;
	if ((rc = vol_refresh(s->v)) != 0)
		return rc;
	s->generation = vol_generation(s->v);
	committed = vol_committed(s->v);
	r.v = s->v;
	if ((rc = copy_open(sh->log, sh->conf, sh->cv, s->index,
	    vol_meta(s->v), &s->c)) != 0 ||
	    (rc = reconcile(sh->log, sh->cv->path, vol_meta(s->v), s->c,
	    &r)) != 0 ||
	    (rc = reconcile_next(sh->log, sh->cv->path, committed, s->c, 0,
	    &next)) != 0)
		return rc;
	s->up = true;
	atomic_store(&s->failed_ms, 0);
	moved(s, next);
	return 0;
}

static void
sender_close(struct sender *s)
{
	copy_close(s->c);
	s->c = NULL;
	s->up = false;
	atomic_store(&s->end, 0);	/* nobody may rely on what it had */
	tell(s->sh);
}

/* Sends the next batch; *more when there was one. */
static int
send_batch(struct sender *s, bool *more)
{
	const char	*dir = s->sh->cv->path;
	struct vol_end	 at = sender_at(s), committed;
	uint32_t	 size, n;
	int		 fd, rc;

	*more = false;
	if ((rc = vol_refresh(s->v)) != 0)
		return rc;
	/* the home was mended or replaced: settle the two again */
	if (vol_generation(s->v) != s->generation)
		return CM_ESTALE;
	if (vol_end_before(at, vol_committed(s->v)))
		vol_gather();
	committed = vol_committed(s->v);
	atomic_store(&s->sh->committed, pack(committed));
	if (!vol_end_before(at, committed)) {
		atomic_store(&s->level_ms, time_mono_ms());
		return 0;
	}
	if ((rc = home_size(s->sh->log, dir, committed, at.segment,
	    &size)) != 0)
		return rc;
	if (at.offset >= size) {
		if ((rc = reconcile_next(s->sh->log, dir, committed, s->c,
		    at.segment + 1, &at)) == 0)
			moved(s, at);
		*more = rc == 0;
		return rc;
	}
	n = size - at.offset < BATCH ? size - at.offset : BATCH;
	if ((rc = seg_open(s->sh->log, dir, at.segment, O_RDONLY, &fd)) != 0)
		return rc;
	rc = file_pread(fd, s->batch, n, at.offset);
	close(fd);
	if (rc != 0)
		return log_fail(s->sh->log, rc, "%s: segment %08u", dir,
		    at.segment);
	if ((rc = copy_append(s->c, at.segment, at.offset, s->batch, n)) != 0)
		return rc;
	at.offset += n;
	moved(s, at);
	*more = true;
	return 0;
}

static void *
sender_main(void *arg)
{
	struct sender	*s = arg;
	int		 rc, backoff = BACKOFF_MIN_MS;
	unsigned	 asked;
	bool		 more;

	while (!s->sh->stop) {
		more = false;
		asked = acks_asked(sender_control(s));
		if (s->again) {
			sender_close(s);
			s->again = false;
		}
		rc = s->c == NULL ? sender_open(s) : 0;
		if (rc == 0)
			rc = send_batch(s, &more);
		if (rc == CM_ESTALE && s->up) {
			s->again = true;
			continue;
		}
		if (rc == 0) {
			backoff = BACKOFF_MIN_MS;
			if (!more)
				acks_nap(sender_control(s), asked, TICK_MS);
			continue;
		}
		if (s->up || backoff == BACKOFF_MIN_MS)
			log_fail(s->sh->log, rc, "volume %s: copy %s: tries "
			    "again", s->sh->cv->name, s->label);
		if (rc == CM_EEPOCH && s->v != NULL)
			vol_supersede(s->v);
		if (atomic_load(&s->failed_ms) == 0)
			atomic_store(&s->failed_ms, time_mono_ms());
		sender_close(s);
		/* who asks it to look again knows that something is new */
		for (int ms = 0; ms < backoff && !s->sh->stop && !s->again;
		    ms += 50)
			time_sleep_ms(50);
		if ((backoff *= 2) > BACKOFF_MAX_MS)
			backoff = BACKOFF_MAX_MS;
	}
	sender_close(s);
	vol_close(s->v);
	return NULL;
}

/* "ok" or "short", and the labels of the copies that have it. */
static void
answer(struct shipper *sh, struct waiter *w, const struct wait *x,
    const char *word)
{
	buf_adds(&w->s.out, word);
	for (size_t i = 0; i < sh->n; i++)
		if (!vol_end_before(sender_end(&sh->senders[i]), x->end) &&
		    pack(sender_end(&sh->senders[i])) != 0)
			buf_addf(&w->s.out, " %s", sh->senders[i].label);
	buf_addc(&w->s.out, '\n');
}

/*
 * Do enough copies have it, and for good?  An earlier record that is being
 * taken back may hold up what is acked for a moment, and until it is, another
 * one who has the same receipt could take this one back.
 */
static bool
is_done(struct shipper *sh, const struct wait *x)
{
	unsigned want = conf_copies_wanted(sh->conf, sh->cv);

	if (reached(sh, x->end) < x->copies)
		return false;
	return want == 0 || x->copies < want ||
	    (sh->v != NULL && vol_is_acked(sh->v, x->end));
}

/*
 * May enough copies have it in time?  One that has been failing for a while is
 * not waited for by each message again: the policy, or another node, has it
 * sooner.
 */
static bool
is_hopeless(struct shipper *sh, const struct wait *x, int64_t now)
{
	unsigned n = 0;

	for (size_t i = 0; i < sh->n; i++) {
		int64_t	 since = atomic_load(&sh->senders[i].failed_ms);

		n += !vol_end_before(sender_end(&sh->senders[i]), x->end) ||
		    since == 0 || now - since < GRACE_MS;
	}
	return n < x->copies;
}

/* Answers in order, as far as it can. */
static void
serve_waits(struct shipper *sh, struct waiter *w, int64_t now)
{
	struct wait	*x;
	bool		 any = false;

	for (; w->n > 0; w->n--, w->first = (w->first + 1) % WAITS_MAX) {
		x = &w->wait[w->first];
		if (is_done(sh, x))
			answer(sh, w, x, "ok");
		else if (now >= x->until_ms || is_hopeless(sh, x, now))
			answer(sh, w, x, "short");
		else
			break;
		any = true;
	}
	if (any && stream_flush(&w->s, 1) != 0)
		w->broken = true;
}

/* Bytes between the two, and the time since there were none. */
static void
lag_of(struct shipper *sh, struct sender *s, uint64_t *bytes, int64_t *ms)
{
	uint64_t	 c = atomic_load(&sh->committed);
	struct vol_end	 to = { (uint32_t)(c >> 32), (uint32_t)c };
	struct vol_end	 at = sender_end(s);
	uint32_t	*list, size;
	size_t		 n;

	*bytes = 0;
	*ms = 0;
	if (!vol_end_before(at, to))
		return;
	*ms = time_mono_ms() - atomic_load(&s->level_ms);
	/* numbers have gaps of millions where a home was made anew */
	if (seg_list(NULL, sh->cv->path, &list, &n) != 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (list[i] >= at.segment && list[i] <= to.segment &&
		    home_size(NULL, sh->cv->path, to, list[i], &size) == 0 &&
		    (list[i] != at.segment || size > at.offset))
			*bytes += list[i] == at.segment ? size - at.offset :
			    size;
	free(list);
}

static void
status(struct shipper *sh, struct waiter *w)
{
	uint64_t	 bytes;
	int64_t		 ms;

	for (size_t i = 0; i < sh->n; i++) {
		struct sender *s = &sh->senders[i];
		struct vol_end e = sender_end(s);

		lag_of(sh, s, &bytes, &ms);
		buf_addf(&w->s.out, "=%s %u %u %s %llu %lld\n", s->label,
		    e.segment, e.offset, s->up ? "up" : "down",
		    (unsigned long long)bytes, (long long)ms);
	}
	buf_adds(&w->s.out, ".\n");
	if (stream_flush(&w->s, 1) != 0)
		w->broken = true;
}

/* wait SEGMENT OFFSET COPIES MILLISECONDS */
static int
take_wait(struct waiter *w, struct span rest, int64_t now)
{
	struct wait	*x = &w->wait[(w->first + w->n) % WAITS_MAX];
	struct span	 f;
	uint64_t	 v[4];

	for (int i = 0; i < 4; i++)
		if (!str_field(&rest, ' ', &f) ||
		    str_u64(f.p, f.len, UINT32_MAX, &v[i]) != 0)
			return CM_EPROTO;
	if (rest.p != NULL)
		return CM_EPROTO;
	x->end = (struct vol_end){ (uint32_t)v[0], (uint32_t)v[1] };
	x->copies = (unsigned)v[2];
	x->until_ms = now + (int64_t)v[3];
	w->n++;
	return 0;
}

static void
take_line(struct shipper *sh, struct waiter *w, struct span l, int64_t now)
{
	struct span	 word;

	if (str_field(&l, ' ', &word) && span_is(word, "wait") &&
	    take_wait(w, l, now) == 0)
		return;
	if (span_is(word, "status")) {
		status(sh, w);
	} else if (span_is(word, "again")) {
		for (size_t i = 0; i < sh->n; i++)
			sh->senders[i].again = true;
	} else if (span_is(word, "stop")) {
		sh->stop = true;
	} else {
		w->broken = true;
	}
}

/* Another home than the one the copies were settled with: nothing that was
 * known of them counts. */
static void
look_at_home(struct shipper *sh)
{
	bool	 same;

	pthread_mutex_lock(&sh->mu);
	same = sh->v != NULL ? vol_refresh(sh->v) == 0 :
	    vol_open(sh->log, sh->conf, sh->cv, &sh->v) == 0;
	if (!same || vol_generation(sh->v) != sh->generation) {
		sh->generation = sh->v != NULL ? vol_generation(sh->v) : 0;
		for (size_t i = 0; i < sh->n; i++)
			sh->senders[i].again = true;
		acks_begin(sh->v != NULL ? vol_control(sh->v) : NULL,
		    sh->copies);
	}
	pthread_mutex_unlock(&sh->mu);
}

/* Has anybody asked by way of the control file's memory? */
static void
look_at_asks(struct shipper *sh, int64_t now)
{
	unsigned asks = acks_asked(sh->v != NULL ? vol_control(sh->v) : NULL);

	if (asks == sh->asks)
		return;
	sh->asks = asks;
	sh->last_ms = now;
}

/* Takes what a client has sent; no more than it may have unanswered. */
static void
take_input(struct shipper *sh, struct waiter *w, int64_t now)
{
	struct span	 l;
	int		 rc;

	do {
		if ((rc = stream_line(&w->s, &l)) != 0) {
			w->broken = true;
			return;
		}
		take_line(sh, w, l, now);
		sh->last_ms = now;
	} while (!w->broken && w->n < WAITS_MAX && stream_has_line(&w->s));
}

/* Is there another cluster.xml, and a good one? */
static bool
conf_changed(struct shipper *sh)
{
	struct conf	*new;
	struct stat	 st;

	if (sh->conf->file == NULL || stat(sh->conf->file, &st) == -1 ||
	    (st.st_ino == sh->file.st_ino &&
	    st.st_mtim.tv_sec == sh->file.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == sh->file.st_mtim.tv_nsec))
		return false;
	sh->file = st;
	if (conf_load(sh->log, sh->conf->file, sh->conf->self, &new) != 0)
		return false;
	conf_free(new);
	return true;
}

static void
admit(struct shipper *sh, int lfd)
{
	struct waiter	*w;
	int		 fd;

	if ((fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) ==
	    -1)
		return;
	/* who comes has read the new one: so must who serves him */
	if (conf_changed(sh)) {
		sh->stop = true;
		close(fd);
		return;
	}
	if ((w = calloc(1, sizeof(*w))) == NULL) {
		close(fd);
		return;
	}
	/* a client sends whole lines: a half one waits no longer than this */
	stream_init(&w->s, fd, LINE_MAX_LEN, 1000);
	w->s.tries = true;
	sh->waiters[sh->nwaiters++] = w;
}

static void
drop_broken(struct shipper *sh)
{
	for (size_t i = 0; i < sh->nwaiters;) {
		struct waiter *w = sh->waiters[i];

		if (!w->broken) {
			i++;
			continue;
		}
		stream_close(&w->s);
		free(w);
		sh->waiters[i] = sh->waiters[--sh->nwaiters];
	}
}

/* Nobody asks, and every copy that can be reached has everything. */
static bool
is_idle(struct shipper *sh, int idle_s)
{
	if (idle_s == 0 || sh->nwaiters > 0 ||
	    time_mono_ms() - sh->last_ms <= (int64_t)idle_s * 1000)
		return false;
	for (size_t i = 0; sh->v != NULL && i < sh->n; i++)
		if (sh->senders[i].up && vol_end_before(
		    sender_end(&sh->senders[i]), vol_committed(sh->v)))
			return false;
	return true;
}

/* Does its folder still know this shipper?  Seldom asked. */
static bool
is_current(struct shipper *sh, const struct service *s, int lock)
{
	int64_t	 now = time_mono_ms();

	if (now - sh->checked_ms < TICK_MS / 4)
		return true;
	sh->checked_ms = now;
	/* what is acked is noted in the control file that counts */
	if (sh->v != NULL && now - sh->looked_ms > LOOK_MS) {
		sh->looked_ms = now;
		look_at_home(sh);
	}
	return service_is_current(s, lock);
}

static bool
waits(const struct shipper *sh)
{
	for (size_t i = 0; i < sh->nwaiters; i++)
		if (sh->waiters[i]->n > 0)
			return true;
	return false;
}

static void
turn(struct shipper *sh, int lfd)
{
	struct pollfd	 p[CLIENTS_MAX + 2];
	uint64_t	 count;
	int64_t		 now;
	size_t		 n = sh->nwaiters;
	bool		 any = false;

	p[0] = (struct pollfd){ sh->efd, POLLIN, 0 };
	p[1] = (struct pollfd){ n < CLIENTS_MAX ? lfd : -1, POLLIN, 0 };
	for (size_t i = 0; i < n; i++) {
		struct waiter *w = sh->waiters[i];

		p[i + 2] = (struct pollfd){ w->n < WAITS_MAX ? w->s.fd : -1,
		    POLLIN, 0 };
	}
	if (poll(p, n + 2, TICK_MS / 4) == -1 && errno != EINTR)
		return;
	now = time_mono_ms();
	if (p[0].revents &&
	    read(sh->efd, &count, sizeof(count)) == -1 && errno != EAGAIN)
		return;
	for (size_t i = 0; i < n; i++)
		if (p[i + 2].revents) {
			take_input(sh, sh->waiters[i], now);
			any = true;
		}
	if (any) {
		/* behind the input: what is waited for is in this home */
		look_at_home(sh);
		acks_ask(sh->v != NULL ? vol_control(sh->v) : NULL);
	}
	look_at_asks(sh, now);
	/* before the ends are looked at: who moves on from here says so */
	sh->asked = waits(sh);
	tell(sh);
	for (size_t i = 0; i < n; i++)
		if (!sh->waiters[i]->broken)
			serve_waits(sh, sh->waiters[i], now);
	drop_broken(sh);
	if (p[1].revents)
		admit(sh, lfd);
}

static int
start_senders(struct shipper *sh)
{
	for (size_t i = 0; i < sh->cv->ncopies; i++) {
		struct sender *s = &sh->senders[sh->n];

		s->sh = sh;
		s->index = i;
		s->level_ms = time_mono_ms();
		copy_label(sh->cv, (int)i, s->label);
		if ((s->batch = malloc(BATCH)) == NULL)
			return CM_ENOMEM;
		if (pthread_create(&s->thread, NULL, sender_main, s) != 0) {
			free(s->batch);
			return CM_EAGAIN;
		}
		sh->n++;
	}
	return 0;
}

static void
end_senders(struct shipper *sh)
{
	sh->stop = true;
	acks_ask(sh->v != NULL ? vol_control(sh->v) : NULL);
	for (size_t i = 0; i < sh->n; i++) {
		pthread_join(sh->senders[i].thread, NULL);
		free(sh->senders[i].batch);
	}
}

static int
ship(struct shipper *sh, const struct service *s, int lock, int lfd,
    int idle_s)
{
	int	 rc;

	pthread_mutex_init(&sh->mu, NULL);
	sh->copies = acks_copies(sh->conf, sh->cv);
	sh->last_ms = time_mono_ms();
	if ((sh->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		return log_errno(sh->log, "eventfd");
	if ((sh->senders = calloc(sh->cv->ncopies + 1,
	    sizeof(*sh->senders))) == NULL)
		return log_fail(sh->log, CM_ENOMEM, "shipper");
	look_at_home(sh);
	if ((rc = start_senders(sh)) == 0)
		while (!sh->stop && !is_idle(sh, idle_s) &&
		    is_current(sh, s, lock))
			turn(sh, lfd);
	end_senders(sh);
	acks_begin(sh->v != NULL ? vol_control(sh->v) : NULL, 0);
	vol_close(sh->v);
	for (size_t i = 0; i < sh->nwaiters; i++)
		sh->waiters[i]->broken = true;
	drop_broken(sh);
	free(sh->senders);
	close(sh->efd);
	return rc;
}

int
mirror_serve(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, int idle_s)
{
	struct shipper	*sh;
	struct service	 s;
	char		 name[80];
	int		 lock, lfd, rc;

	if (!conf_is_home(conf, cv))
		return log_fail(log, CM_EAWAY, "volume %s: its home is %s",
		    cv->name, cv->home);
	snprintf(name, sizeof(name), "mirror-%s", cv->name);
	if ((rc = service_init(&s, log, conf, NULL, NULL, name,
	    "cm-mirror")) != 0)
		return rc;
	if ((rc = service_listen(&s, &lock, &lfd)) != 0)
		return rc == CM_EEXIST ? 0 : rc;
	if ((sh = calloc(1, sizeof(*sh))) == NULL) {
		rc = log_fail(log, CM_ENOMEM, "shipper");
	} else {
		sh->log = log;
		sh->conf = conf;
		sh->cv = cv;
		if (conf->file != NULL && stat(conf->file, &sh->file) == -1)
			log_errno(log, "%s", conf->file);
		rc = ship(sh, &s, lock, lfd, idle_s);
		free(sh);
	}
	service_unlisten(&s, lock);
	close(lfd);
	close(lock);
	return rc;
}
