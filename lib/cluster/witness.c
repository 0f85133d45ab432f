#include "cluster/witness.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/replica_int.h"
#include "cluster/service.h"

#define TICK_MS		50
#define SAY_MS		100
#define FRESH_MS	1000	/* what both nodes said, to join */
#define FIRST_MS	5000	/* for the first line of a connection */
#define LINE_LEN	256
#define KEPT		"/witness"	/* in the state folder */
#define STACK		(256u << 10)
#define GUESTS_MAX	64
#define FRAMES_MAX	(256u << 10)	/* of a connection; it needs few */

/* What replica_link.c needs of a replica is all that is used of it. */
struct witness {
	struct replica	 r;
	char		 path[FILE_PATH_MAX];
	/* r.mu is held: what is on disk */
	struct frame_witness kept;
	unsigned	 guests;
};

struct guest {
	struct witness	*w;
	int		 fd;
};

static struct witness *
of(struct replica *r)
{
	return (struct witness *)(void *)r;
}

/* --- on disk: "BALLOT BY NUMBER NAME", the name is - for none --- */

/* Not said before it is kept; without it nothing changes.  r.mu is held. */
static int
keep(struct witness *w, const struct frame_witness *new)
{
	char	 text[128 + FRAME_NAME_MAX];
	int	 rc;

	if ((rc = str_fmt(text, sizeof(text), "%u %u %u %s\n", new->ballot,
	    new->by, new->number, new->name[0] != '\0' ? new->name :
	    "-")) != 0 ||
	    (rc = file_commit(w->r.log, w->path, text, strlen(text),
	    0600)) != 0)
		return rc;
	w->kept = *new;
	w->kept.joined = true;
	return 0;
}

static int
parse(struct span text, struct frame_witness *k)
{
	uint32_t	*to[3] = { &k->ballot, &k->by, &k->number };
	struct span	 f;
	uint64_t	 v;

	if (text.len == 0 || text.p[--text.len] != '\n')
		return CM_EDATA;
	for (int i = 0; i < 3; i++) {
		if (!str_field(&text, ' ', &f) ||
		    str_u64(f.p, f.len, UINT32_MAX, &v) != 0)
			return CM_EDATA;
		*to[i] = (uint32_t)v;
	}
	if (!str_field(&text, ' ', &f) || text.p != NULL || f.len == 0 ||
	    str_ncopy(k->name, sizeof(k->name), f.p, f.len) != 0)
		return CM_EDATA;
	if (strcmp(k->name, "-") == 0)
		k->name[0] = '\0';
	k->joined = true;
	return 0;
}

static int
load(struct witness *w)
{
	struct buf	 b;
	int		 rc;

	if (!file_exists(w->path))
		return 0;
	buf_init(&b, 4096);
	if ((rc = file_read(w->r.log, w->path, &b)) == 0 &&
	    (rc = parse((struct span){ b.p, b.len }, &w->kept)) != 0)
		log_fail(w->r.log, rc, "%s: cannot be read; without it this "
		    "witness votes again when both nodes are there", w->path);
	buf_free(&b);
	return rc;
}

/* --- what it says, and hears; r.mu is held --- */

static void
say_to(struct witness *w, int only)
{
	struct replica_state	 s = { .role = REPLICA_NONE,
		.joined = w->kept.joined, .ballot = w->kept.ballot };
	struct frame_witness	 f = w->kept;

	f.alone = f.name[0] != '\0';
	for (size_t i = 0; i < w->r.npeers; i++) {
		struct replica_link *l = w->r.peer[i].link;

		if (l == NULL || (only != 0 && only != (int)i + 1))
			continue;
		replica_link_witness(l, &f);
		replica_link_state(l, &s);
	}
}

static bool
is_member(const struct witness *w, const char *name)
{
	for (size_t i = 0; i < w->r.npeers; i++)
		if (w->r.peer[i].member &&
		    strcmp(w->r.peer[i].name, name) == 0)
			return true;
	return false;
}

/*
 * It never had a memory, or has lost it, and what it promised.  Each leader
 * but it had a promise of one of the two, who both are there and know of no
 * higher ballot than the leader's.  That the other has all is not known.
 */
static void
join(struct witness *w, int64_t now)
{
	const struct replica_peer *lead = NULL, *p;
	struct frame_witness	   new = { .joined = true };
	uint32_t		   most = 0;
	unsigned		   n = 0;

	for (size_t i = 0; i < w->r.npeers; i++) {
		p = &w->r.peer[i];
		if (!p->member || p->heard_ms == 0 ||
		    now - p->heard_ms > FRESH_MS)
			continue;
		n++;
		if (p->said.ballot > most)
			most = p->said.ballot;
		if (p->said.role == REPLICA_LEADER && (lead == NULL ||
		    p->said.ballot > lead->said.ballot))
			lead = p;
	}
	if (n != w->r.members || n != 2 || lead == NULL ||
	    lead->said.ballot < most)
		return;
	new.ballot = new.by = lead->said.ballot;
	if (str_copy(new.name, sizeof(new.name), lead->name) == 0 &&
	    keep(w, &new) == 0)
		log_info(w->r.log, "the witness has joined: node %s leads",
		    lead->name);
}

/* A node asks for the lead.  Not when the other one has what it may lack. */
static void
promise(struct witness *w, int node, uint32_t ballot)
{
	struct frame_witness	 new = w->kept;
	const char		*name = w->r.peer[node - 1].name;

	if (!w->kept.joined || ballot <= w->kept.ballot)
		return;
	if (new.name[0] != '\0' && strcmp(new.name, name) != 0 &&
	    is_member(w, new.name)) {
		log_info(w->r.log, "node %s may not lead: node %s alone has "
		    "the newest", name, new.name);
		return;
	}
	new.ballot = ballot;
	if (keep(w, &new) == 0)
		say_to(w, node);
}

/* The leader's order; an older lead's, or one from an older connection, is
 * none. */
static void
order(struct witness *w, int node, const struct frame_witness *f)
{
	struct frame_witness	 new = w->kept;

	if (w->kept.joined && f->ballot >= w->kept.ballot &&
	    (f->ballot > w->kept.by || (f->ballot == w->kept.by &&
	    f->number > w->kept.number))) {
		new.ballot = new.by = f->ballot;
		new.number = f->number;
		memcpy(new.name, f->alone ? w->r.peer[node - 1].name : "",
		    f->alone ? sizeof(new.name) : 1);
		if (keep(w, &new) != 0)
			return;
	}
	say_to(w, node);
}

static void
take(struct replica *r, int node, const struct frame *f)
{
	struct replica_peer	*p = &r->peer[node - 1];
	struct witness		*w = of(r);

	pthread_mutex_lock(&r->mu);
	if (f->kind == 'S') {
		p->heard_ms = time_mono_ms();
		p->said = (struct replica_state){
			.role = (enum replica_role)f->state.role,
			.joined = f->state.joined, .stands = f->state.stands,
			.ballot = f->state.ballot };
		if (f->state.stands)
			promise(w, node, f->state.ballot);
		else if (!w->kept.joined)
			join(w, p->heard_ms);
	} else if (f->kind == 'W') {
		order(w, node, &f->witness);
	}
	pthread_mutex_unlock(&r->mu);
}

/* --- connections --- */

static void *
guest_main(void *arg)
{
	struct guest	 g = *(struct guest *)arg;
	struct witness	*w = g.w;
	char		 name[CONF_NAME_MAX + 1];
	struct stream	 s;
	struct span	 l, f;

	free(arg);
	stream_init(&s, g.fd, LINE_LEN, FIRST_MS);
	if (stream_line(&s, &l) == 0 && str_field(&l, '\t', &f) &&
	    span_is(f, "replicate") && l.p != NULL &&
	    str_ncopy(name, sizeof(name), l.p, l.len) == 0)
		replica_serve(&w->r, name, &s);
	pthread_mutex_lock(&w->r.mu);
	w->guests--;
	pthread_mutex_unlock(&w->r.mu);
	stream_close(&s);
	return NULL;
}

static void
admit(struct witness *w, int fd, const pthread_attr_t *attr)
{
	struct guest	*g;
	pthread_t	 t;
	bool		 room;

	pthread_mutex_lock(&w->r.mu);
	if ((room = w->guests < GUESTS_MAX))
		w->guests++;
	pthread_mutex_unlock(&w->r.mu);
	if (room && (g = malloc(sizeof(*g))) != NULL) {
		*g = (struct guest){ w, fd };
		if (pthread_create(&t, attr, guest_main, g) == 0)
			return;
		free(g);
	}
	close(fd);
	pthread_mutex_lock(&w->r.mu);
	w->guests -= room;
	pthread_mutex_unlock(&w->r.mu);
}

static struct replica_peer *
find_peer(struct replica *r, const char *name)
{
	for (size_t i = 0; i < r->npeers; i++)
		if (strcmp(r->peer[i].name, name) == 0)
			return &r->peer[i];
	if (r->npeers == REPLICA_NODES_MAX || str_copy(
	    r->peer[r->npeers].name, sizeof(r->peer[0].name), name) != 0)
		return NULL;
	return &r->peer[r->npeers++];
}

/* Whose witness it is; is it one still? */
static bool
look_at_conf(struct witness *w)
{
	const struct conf	*conf = confwatch_get(w->r.conf);
	struct replica		*r = &w->r;
	bool			 is = conf_is_witness(conf);

	pthread_mutex_lock(&r->mu);
	r->members = (unsigned)conf->ncatalogs;
	for (size_t i = 0; i < r->npeers; i++)
		r->peer[i].member = false;
	for (size_t i = 0; is && i < conf->ncatalogs; i++) {
		struct replica_peer *p = find_peer(r, conf->catalogs[i]);

		if (p == NULL)
			continue;
		p->member = true;
		if (p->link == NULL && replica_link_open(r, p->name,
		    &p->link) != 0)
			log_warn(r->log, "no link to node %s", p->name);
	}
	for (size_t i = 0; i < r->npeers; i++)
		if (r->peer[i].link != NULL)
			r->peer[i].link->wanted = r->peer[i].member;
	pthread_mutex_unlock(&r->mu);
	confwatch_put(r->conf, conf);
	return is;
}

static void
run(struct witness *w, const struct service *s, int lock, int lfd)
{
	struct pollfd	 p = { .fd = lfd, .events = POLLIN };
	pthread_attr_t	 attr;
	int64_t		 said = 0;
	int		 fd;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	while (service_is_current(s, lock) && look_at_conf(w)) {
		if (poll(&p, 1, TICK_MS) == 1 &&
		    (fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC)) != -1)
			admit(w, fd, &attr);
		if (time_mono_ms() - said < SAY_MS)
			continue;
		said = time_mono_ms();
		pthread_mutex_lock(&w->r.mu);
		say_to(w, 0);
		pthread_mutex_unlock(&w->r.mu);
	}
	pthread_attr_destroy(&attr);
	w->r.stop = true;
	for (size_t i = 0; i < w->r.npeers; i++)
		replica_link_close(w->r.peer[i].link);
}

static void
witness_free(struct witness *w)
{
	confwatch_close(w->r.conf);
	free(w);
}

static int
witness_new(const struct log *log, const char *file, const char *node,
    struct witness **out)
{
	const struct conf	*conf;
	struct witness		*w;
	int			 rc;

	if ((*out = w = calloc(1, sizeof(*w))) == NULL)
		return log_fail(log, CM_ENOMEM, "witness");
	w->r.log = log;
	w->r.take = take;
	w->r.frames_max = FRAMES_MAX;
	pthread_mutex_init(&w->r.mu, NULL);
	pthread_cond_init(&w->r.news, NULL);
	if ((rc = confwatch_open(log, file, node, &w->r.conf)) != 0) {
		free(w);
		return rc;
	}
	conf = confwatch_get(w->r.conf);
	if (!conf_is_witness(conf))
		rc = log_fail(log, CM_ECONF, "node %s is not the witness "
		    "(witness= in cluster.xml)", conf->self);
	else if ((rc = str_fmt(w->path, sizeof(w->path), "%s" KEPT,
	    conf->node->state)) != 0 || (rc = str_copy(w->r.self,
	    sizeof(w->r.self), conf->self)) != 0)
		log_fail(log, rc, "%s", conf->node->state);
	confwatch_put(w->r.conf, conf);
	if (rc != 0)
		witness_free(w);
	return rc;
}

/* A guest that is still there uses it as long as the process lives. */
static bool
has_guests(struct witness *w)
{
	bool	 has;

	pthread_mutex_lock(&w->r.mu);
	has = w->guests > 0;
	pthread_mutex_unlock(&w->r.mu);
	return has;
}

int
witness_serve(const struct log *log, const char *file, const char *node)
{
	const struct conf	*conf;
	struct witness		*w;
	struct service		 s;
	int			 lock, lfd, rc;

	if ((rc = witness_new(log, file, node, &w)) != 0)
		return rc;
	conf = confwatch_get(w->r.conf);
	if ((rc = service_init(&s, log, conf, NULL, NULL, "witness",
	    "cm-catalog")) == 0 &&
	    (rc = service_listen(&s, &lock, &lfd)) == 0) {
		if ((rc = load(w)) == 0)
			run(w, &s, lock, lfd);
		service_unlisten(&s, lock);
		close(lfd);
		close(lock);
	} else if (rc == CM_EEXIST) {
		rc = 0;
	}
	confwatch_put(w->r.conf, conf);
	if (!has_guests(w))
		witness_free(w);
	return rc;
}

int
witness_dial(const struct log *log, const struct conf *conf,
    const char *node, int *fd)
{
	struct service	 s;
	int		 rc;

	if ((rc = service_init(&s, log, conf, conf->file, node, "witness",
	    "cm-catalog")) != 0)
		return rc;
	s.argv[0] = "serve";
	s.argv[1] = "-w";
	rc = service_dial(&s, fd);
	service_free(&s);
	return rc;
}
