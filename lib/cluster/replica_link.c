/*
 * Frames between agents: four bytes of length, highest first, of what follows:
 * a byte of kind, and the rest.
 *	S  role, joined, stands (a byte each); ballot, data, end of its log
 *	   (file, offset), generation, place (file, offset): u32; alone, seen,
 *	   offer, level: u64; changes: u32
 *	D  length of the control part (u32), that part, the record
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/peer.h"
#include "cluster/replica_int.h"

#define DIAL_MS		300	/* between two tries */
#define TICK_MS		200
#define SEND_S		3	/* a node that takes nothing is left */
#define STATE_LEN	68

static void
add_u32(struct buf *b, uint32_t v)
{
	char	 p[4];

	key_u32(p, v);
	buf_add(b, p, sizeof(p));
}

static void
add_u64(struct buf *b, uint64_t v)
{
	add_u32(b, (uint32_t)(v >> 32));
	add_u32(b, (uint32_t)v);
}

static uint64_t
get_u64(const char *p)
{
	return (uint64_t)get_u32(p) << 32 | get_u32(p + 4);
}

/* The queue's lock is held. */
static bool
begin(struct replica_link *l, size_t len, char kind)
{
	if (!l->up || l->queue.len + len + 5 > REPLICA_QUEUE) {
		l->dropped++;
		return false;
	}
	add_u32(&l->queue, (uint32_t)len + 1);
	buf_addc(&l->queue, kind);
	return true;
}

void
replica_link_data(struct replica_link *l, struct span control,
    struct span rec)
{
	pthread_mutex_lock(&l->mu);
	if (begin(l, 4 + control.len + rec.len, 'D')) {
		add_u32(&l->queue, (uint32_t)control.len);
		buf_add(&l->queue, control.p, control.len);
		if (rec.len > 0)
			buf_add(&l->queue, rec.p, rec.len);
		pthread_cond_signal(&l->more);
	}
	pthread_mutex_unlock(&l->mu);
}

void
replica_link_state(struct replica_link *l, const struct replica_state *s)
{
	pthread_mutex_lock(&l->mu);
	if (begin(l, STATE_LEN - 1, 'S')) {
		buf_addc(&l->queue, (char)s->role);
		buf_addc(&l->queue, s->joined);
		buf_addc(&l->queue, s->stands);
		add_u32(&l->queue, s->ballot);
		add_u32(&l->queue, s->data);
		add_u32(&l->queue, s->end.file);
		add_u32(&l->queue, s->end.offset);
		add_u32(&l->queue, s->generation);
		add_u32(&l->queue, s->lsn.file);
		add_u32(&l->queue, s->lsn.offset);
		add_u64(&l->queue, s->alone);
		add_u64(&l->queue, s->seen);
		add_u64(&l->queue, s->offer);
		add_u64(&l->queue, s->level);
		add_u32(&l->queue, s->changes);
		pthread_cond_signal(&l->more);
	}
	pthread_mutex_unlock(&l->mu);
}

/* Nothing ever comes this way but the end. */
static bool
has_ended(int fd)
{
	struct pollfd	 p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Waits for something to send; out gets it. */
static bool
next(struct replica_link *l, struct buf *out)
{
	struct timespec	 ts;

	pthread_mutex_lock(&l->mu);
	if (l->queue.len == 0 && !l->stop) {
		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_nsec += (long)TICK_MS * 1000000;
		if (ts.tv_nsec >= 1000000000) {
			ts.tv_sec++;
			ts.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&l->more, &l->mu, &ts);
	}
	struct buf was = l->queue;
	l->queue = *out;
	*out = was;
	buf_reset(&l->queue);
	pthread_mutex_unlock(&l->mu);
	return !l->stop;
}

static void
set_up(struct replica_link *l, bool up)
{
	pthread_mutex_lock(&l->mu);
	l->up = up;
	buf_reset(&l->queue);
	pthread_mutex_unlock(&l->mu);
}

static void
serve(struct replica_link *l, int fd)
{
	struct timeval	 tv = { SEND_S, 0 };
	struct buf	 out;

	buf_init(&out, 2 * (size_t)REPLICA_QUEUE);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == -1)
		log_errno(l->r->log, "link to %s", l->name);
	set_up(l, true);
	while (next(l, &out) && l->wanted && !has_ended(fd)) {
		if (out.len > 0 && file_write(fd, out.p, out.len) != 0)
			break;
		buf_reset(&out);
	}
	set_up(l, false);
	buf_free(&out);
}

static bool
is_stopped(struct replica_link *l)
{
	bool	 stop;

	pthread_mutex_lock(&l->mu);
	stop = l->stop;
	pthread_mutex_unlock(&l->mu);
	return stop;
}

static void *
link_main(void *arg)
{
	struct replica_link	*l = arg;
	const struct conf	*conf;
	bool			 said = false;
	int			 fd, rc;

	while (!is_stopped(l)) {
		if (!l->wanted) {
			time_sleep_ms(DIAL_MS);
			continue;
		}
		conf = confwatch_get(l->r->conf);
		rc = peer_tunnel(said ? NULL : l->r->log, conf, l->name,
		    "/v1/replica", &fd);
		confwatch_put(l->r->conf, conf);
		if (rc == 0) {
			said = false;
			serve(l, fd);
			close(fd);
		} else {
			said = true;
		}
		if (!is_stopped(l))
			time_sleep_ms(DIAL_MS);
	}
	return NULL;
}

int
replica_link_open(struct replica *r, const char *name,
    struct replica_link **out)
{
	struct replica_link	*l;

	*out = NULL;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return CM_ENOMEM;
	l->r = r;
	l->wanted = true;
	buf_init(&l->queue, 2 * (size_t)REPLICA_QUEUE);
	pthread_mutex_init(&l->mu, NULL);
	pthread_cond_init(&l->more, NULL);
	if (str_copy(l->name, sizeof(l->name), name) != 0 ||
	    pthread_create(&l->thread, NULL, link_main, l) != 0) {
		free(l);
		return CM_EAGAIN;
	}
	*out = l;
	return 0;
}

void
replica_link_close(struct replica_link *l)
{
	if (l == NULL)
		return;
	pthread_mutex_lock(&l->mu);
	l->stop = true;
	pthread_cond_signal(&l->more);
	pthread_mutex_unlock(&l->mu);
	pthread_join(l->thread, NULL);
	buf_free(&l->queue);
	free(l);
}

static int
take_state(struct replica *r, int node, const char *p, size_t len)
{
	struct replica_state	 s;

	if (len != STATE_LEN - 1 || p[0] < 0 || p[0] > REPLICA_LEADER)
		return CM_EPROTO;
	s.role = (enum replica_role)p[0];
	s.joined = p[1] != 0;
	s.stands = p[2] != 0;
	s.ballot = get_u32(p + 3);
	s.data = get_u32(p + 7);
	s.end = (struct kv_lsn){ get_u32(p + 11), get_u32(p + 15) };
	s.generation = get_u32(p + 19);
	s.lsn = (struct kv_lsn){ get_u32(p + 23), get_u32(p + 27) };
	s.alone = get_u64(p + 31);
	s.seen = get_u64(p + 39);
	s.offer = get_u64(p + 47);
	s.level = get_u64(p + 55);
	s.changes = get_u32(p + 63);
	replica_heard(r, node, &s);
	return 0;
}

/* Messages count when it is known what the other one is: said tells. */
static int
take_frame(struct replica *r, int node, const char *p, size_t len, bool *said)
{
	uint32_t	 control;

	if (p[0] == 'S') {
		*said = true;
		return take_state(r, node, p + 1, len - 1);
	}
	if (p[0] == 'D' && !*said)
		return 0;
	if (p[0] != 'D' || len < 5 || (control = get_u32(p + 1)) > len - 5)
		return CM_EPROTO;
	replica_got(r, node, (struct span){ p + 5, control },
	    (struct span){ p + 5 + control, len - 5 - control });
	return 0;
}

/* All frames that are whole; what is left is moved to the front. */
static int
take_frames(struct replica *r, int node, struct buf *b, bool *said)
{
	size_t	 at = 0;
	uint32_t len;
	int	 rc = 0;

	while (rc == 0 && b->len - at >= 4) {
		len = get_u32(b->p + at);
		if (len == 0 || len > REPLICA_FRAME_MAX)
			return CM_EPROTO;
		if (b->len - at - 4 < len)
			break;
		rc = take_frame(r, node, b->p + at + 4, len, said);
		at += 4 + len;
	}
	memmove(b->p, b->p + at, b->len - at);
	b->len -= at;
	return rc;
}

void
replica_serve(struct replica *r, const char *name, struct stream *s)
{
	struct buf	 b;
	bool		 said = false;
	ssize_t		 n;
	int		 node, rc = 0;

	if ((node = replica_node(r, name)) == 0) {
		log_warn(r->log, "node %s has no part in the catalog", name);
		return;
	}
	buf_init(&b, REPLICA_FRAME_MAX + (1u << 20));
	/* what came behind the request already */
	if (s->in.len > s->at)
		rc = buf_add(&b, s->in.p + s->at, s->in.len - s->at);
	while (rc == 0 && !r->stop) {
		if (b.len > 0 &&
		    (rc = take_frames(r, node, &b, &said)) != 0)
			break;
		if ((rc = buf_room(&b, 65536)) != 0)
			break;
		n = read(s->fd, b.p + b.len, 65536);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		b.len += (size_t)n;
	}
	if (rc != 0)
		log_fail(r->log, rc, "frames of node %s", name);
	buf_free(&b);
}
