/* The ways between agents: frames go out on one of our own, and come in on
 * those of the others.  See format/frame.h. */
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
#define SILENT_MS	10000	/* one that says nothing too */
#define COMPLAIN_MS	1000	/* about the same node, or strangers */

/* The queue's lock is held. */
static bool
has_room(struct replica_link *l, size_t len)
{
	if (l->up && l->queue.len + len <= REPLICA_QUEUE)
		return true;
	l->dropped++;
	return false;
}

void
replica_link_data(struct replica_link *l, struct span control,
    struct span rec)
{
	pthread_mutex_lock(&l->mu);
	if (has_room(l, 16 + control.len + rec.len)) {
		frame_add_data(&l->queue, control, rec);
		pthread_cond_signal(&l->more);
	}
	pthread_mutex_unlock(&l->mu);
}

void
replica_link_state(struct replica_link *l, const struct replica_state *s)
{
	struct frame_state	 f = { .role = (uint8_t)s->role,
		.joined = s->joined, .stands = s->stands, .ballot = s->ballot,
		.data = s->data, .end = { s->end.file, s->end.offset },
		.generation = s->generation,
		.at = { s->lsn.file, s->lsn.offset }, .alone = s->alone,
		.seen = s->seen, .offer = s->offer, .level = s->level,
		.changes = s->changes };

	pthread_mutex_lock(&l->mu);
	if (has_room(l, sizeof(f))) {
		frame_add_state(&l->queue, &f);
		pthread_cond_signal(&l->more);
	}
	pthread_mutex_unlock(&l->mu);
}

void
replica_link_lead(struct replica_link *l, struct kv_lsn end)
{
	struct frame_place	 f = { end.file, end.offset };

	pthread_mutex_lock(&l->mu);
	if (has_room(l, 16)) {
		frame_add_lead(&l->queue, f);
		pthread_cond_signal(&l->more);
	}
	pthread_mutex_unlock(&l->mu);
}

void
replica_link_witness(struct replica_link *l, const struct frame_witness *w)
{
	pthread_mutex_lock(&l->mu);
	if (has_room(l, sizeof(*w))) {
		frame_add_witness(&l->queue, w);
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

/* All frames that are whole; what is left is moved to the front. */
static int
take_frames(struct replica *r, int node, struct buf *b, bool *said)
{
	struct frame	 f;
	size_t		 at = 0, used;
	int		 rc;

	while ((rc = frame_parse(b->p + at, b->len - at, &f, &used)) == 0 &&
	    used > 0) {
		/* messages count when it is known what the other one is */
		*said = *said || f.kind == 'S';
		if (*said || f.kind != 'D')
			r->take(r, node, &f);
		at += used;
	}
	memmove(b->p, b->p + at, b->len - at);
	b->len -= at;
	return rc;
}

/* One connection of each node counts, the last one.  Its number, or 0. */
static uint64_t
take_seat(struct replica *r, int node, int fd)
{
	struct replica_peer	*p = &r->peer[node - 1];
	uint64_t		 seat;

	pthread_mutex_lock(&r->mu);
	if (p->seat != p->left)
		shutdown(p->fd, SHUT_RDWR);
	p->fd = fd;
	p->left = p->seat;
	seat = ++p->seat;
	pthread_mutex_unlock(&r->mu);
	return seat;
}

static bool
has_seat(struct replica *r, int node, uint64_t seat)
{
	bool	 has;

	pthread_mutex_lock(&r->mu);
	has = r->peer[node - 1].seat == seat;
	pthread_mutex_unlock(&r->mu);
	return has;
}

/* From here on nobody else uses its descriptor. */
static void
leave_seat(struct replica *r, int node, uint64_t seat)
{
	struct replica_peer	*p = &r->peer[node - 1];

	pthread_mutex_lock(&r->mu);
	if (p->seat == seat)
		p->left = seat;
	pthread_mutex_unlock(&r->mu);
}

/* Nobody fills the log. */
static bool
may_complain(struct replica *r, int64_t *last_ms)
{
	int64_t	 now = time_mono_ms();
	bool	 may;

	pthread_mutex_lock(&r->mu);
	if ((may = *last_ms == 0 || now - *last_ms > COMPLAIN_MS))
		*last_ms = now;
	pthread_mutex_unlock(&r->mu);
	return may;
}

/* What comes, until the end; 0 at a good one. */
static int
read_frames(struct replica *r, int node, uint64_t seat, int fd,
    struct buf *b)
{
	struct pollfd	 p = { .fd = fd, .events = POLLIN };
	bool		 said = false;
	ssize_t		 n;
	int		 rc;

	for (;;) {
		if (r->stop || !has_seat(r, node, seat))
			return 0;
		if (b->len > 0 && (rc = take_frames(r, node, b,
		    &said)) != 0)
			return rc;
		if ((rc = buf_room(b, 65536)) != 0)
			return rc;
		if (poll(&p, 1, SILENT_MS) == 0)
			return CM_ETIMEOUT;
		n = read(fd, b->p + b->len, 65536);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		b->len += (size_t)n;
	}
}

void
replica_serve(struct replica *r, const char *name, struct stream *s)
{
	struct buf	 b;
	uint64_t	 seat;
	int		 node, rc = 0;

	if ((node = replica_node(r, name)) == 0) {
		if (may_complain(r, &r->complained_ms))
			log_warn(r->log, "node %s has no part in the catalog",
			    name);
		return;
	}
	seat = take_seat(r, node, s->fd);
	buf_init(&b, r->frames_max);
	/* what came behind the request already */
	if (s->in.len > s->at)
		rc = buf_add(&b, s->in.p + s->at, s->in.len - s->at);
	if (rc == 0)
		rc = read_frames(r, node, seat, s->fd, &b);
	leave_seat(r, node, seat);
	if (rc != 0 && may_complain(r, &r->peer[node - 1].complained_ms))
		log_fail(r->log, rc, "frames of node %s", name);
	buf_free(&b);
}
