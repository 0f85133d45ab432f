#include "cluster/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "cluster/copy.h"
#include "cluster/host.h"
#include "cluster/segment.h"

#define OPEN_MAX_SEGS	8
#define WINDOW_MAX	(1024u * 1024)
#define AHEAD_MIN	(64u * 1024)	/* the first read ahead */
#define NEAR		(64u * 1024)	/* a gap that reading in order has */
#define KEEP_MAX	(16u * 1024 * 1024) /* of memory for the next one */
#define TOLD_MAX	256
#define SOURCES_MAX	(CONF_COPIES_MAX + 1)

/* A folder that should have the volume, here or on another node. */
struct source {
	const char	*dir;		/* NULL: on another node */
	struct host	*host;
	int		 index;		/* as copy_label */
	char		 label[COPY_LABEL_MAX];
	struct seg_meta	 meta;
	bool		 known;		/* meta was read */
};

struct volume_sources {
	struct source	*v;		/* NULL: not looked for yet */
	size_t		 n;
	size_t		 nlocal;	/* of them on this node: the first */
};

/* An open segment with a window onto it. */
struct open_seg {
	struct source	*src;		/* NULL: free */
	uint32_t	 segment;
	int		 fd;		/* -1: on another node */
	uint64_t	 used;
	char		*win;
	size_t		 cap;
	uint32_t	 at;		/* offset of win[0] */
	size_t		 len;
	size_t		 ahead;		/* bytes to read when read in order */
	uint32_t	 end;		/* of the record before */
};

struct reader {
	const struct log *log;
	const struct conf *conf;
	struct hosts	*hosts;
	bool		 urgent;	/* the second round of reader_get */
	struct volume_sources *volumes;	/* as conf->volumes */
	const struct conf_volume *last;
	struct open_seg	 open[OPEN_MAX_SEGS];
	uint64_t	 tick;
	char		*big;		/* a record larger than a window */
	size_t		 big_cap;
	uint64_t	 told[TOLD_MAX];	/* what was logged, a ring */
	size_t		 ntold;
};

int
reader_open(const struct log *log, const struct conf *conf,
    struct reader **out)
{
	struct reader	*r;

	*out = NULL;
	if ((r = calloc(1, sizeof(*r))) == NULL)
		return log_fail(log, CM_ENOMEM, "reader");
	r->log = log;
	r->conf = conf;
	r->volumes = calloc(conf->nvolumes + 1, sizeof(*r->volumes));
	if (r->volumes == NULL || hosts_open(log, conf, &r->hosts) != 0) {
		free(r->volumes);
		free(r);
		return log_fail(log, CM_ENOMEM, "reader");
	}
	*out = r;
	return 0;
}

/* Closes it, but keeps the memory. */
static void
shut(struct open_seg *o)
{
	if (o->src == NULL)
		return;
	if (o->fd != -1)
		close(o->fd);
	o->src = NULL;
	o->len = o->ahead = 0;
	o->at = o->end = 0;
	o->used = 0;
}

void
reader_close(struct reader *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < OPEN_MAX_SEGS; i++) {
		shut(&r->open[i]);
		free(r->open[i].win);
	}
	for (size_t i = 0; i < r->conf->nvolumes; i++)
		free(r->volumes[i].v);
	free(r->volumes);
	hosts_close(r->hosts);
	free(r->big);
	free(r);
}

static void
add_source(struct reader *r, const struct conf_volume *cv, int index,
    struct volume_sources *vs)
{
	struct source	*s = &vs->v[vs->n];
	const char	*node = index < 0 ? cv->home : cv->copies[index].node;
	bool		 here = strcmp(node, r->conf->self) == 0;

	s->index = index;
	copy_label(cv, index, s->label);
	if (here)
		s->dir = index < 0 ? cv->path : cv->copies[index].path;
	else if ((s->host = hosts_find(r->hosts, node)) == NULL)
		return;
	vs->n++;
	vs->nlocal += here;
}

/* First those on this node. */
static int
find_sources(struct reader *r, const struct conf_volume *cv,
    struct volume_sources *vs)
{
	const char	*node;
	int		 n = (int)cv->ncopies;

	vs->v = calloc(cv->ncopies + 1, sizeof(*vs->v));
	if (vs->v == NULL)
		return CM_ENOMEM;
	for (int here = 1; here >= 0; here--)
		for (int i = -1; i < n && vs->n < SOURCES_MAX; i++) {
			node = i < 0 ? cv->home : cv->copies[i].node;
			if ((strcmp(node, r->conf->self) == 0) == here)
				add_source(r, cv, i, vs);
		}
	return 0;
}

static int
sources(struct reader *r, const char *name, struct volume_sources **out)
{
	int	 rc;

	if (r->last == NULL || strcmp(r->last->name, name) != 0)
		r->last = conf_volume(r->conf, name, strlen(name));
	if (r->last == NULL)
		return CM_ENOINPUT;
	*out = &r->volumes[r->last - r->conf->volumes];
	if ((*out)->v == NULL &&
	    (rc = find_sources(r, r->last, *out)) != 0)
		return log_fail(r->log, rc, "volume %s", name);
	return 0;
}

static int
grow(char **p, size_t *cap, size_t n)
{
	char	*q;

	if (n <= *cap)
		return 0;
	if ((q = realloc(*p, n)) == NULL)
		return CM_ENOMEM;
	*p = q;
	*cap = n;
	return 0;
}

static struct open_seg *
find_open(struct reader *r, const struct source *s, uint32_t segment)
{
	for (size_t i = 0; i < OPEN_MAX_SEGS; i++)
		if (r->open[i].src == s && r->open[i].segment == segment)
			return &r->open[i];
	return NULL;
}

/* The segment, opened in place of the one not used for longest. */
static int
use(struct reader *r, struct source *s, uint32_t segment,
    struct open_seg **out)
{
	struct open_seg	*o = find_open(r, s, segment);
	int		 fd = -1, rc;

	if (o == NULL) {
		if (s->dir != NULL && (rc = seg_open(NULL, s->dir, segment,
		    O_RDONLY, &fd)) != 0)
			return rc;
		o = &r->open[0];
		for (size_t i = 1; i < OPEN_MAX_SEGS; i++)
			if (r->open[i].used < o->used)
				o = &r->open[i];
		shut(o);
		o->src = s;
		o->segment = segment;
		o->fd = fd;
	}
	o->used = ++r->tick;
	*out = o;
	return 0;
}

/*
 * Reads up to want bytes, and at least need: a bad sector or the file's end
 * behind the record is no matter.
 */
static int
read_file(int fd, char *p, size_t need, size_t want, off_t at, size_t *got)
{
	ssize_t	 n;

	for (*got = 0; *got < want; *got += (size_t)n) {
		n = pread(fd, p + *got, want - *got, at + (off_t)*got);
		if (n == -1 && errno == EINTR) {
			n = 0;
			continue;
		}
		if (n <= 0 && *got >= need)
			break;
		if (n == -1)
			return cm_errno(errno);
		if (n == 0)
			return CM_ENOINPUT;
	}
	return 0;
}

/* The same from wherever the segment is. */
static int
read_some(struct reader *r, struct open_seg *o, char *p, size_t need,
    size_t want, uint32_t at, size_t *got)
{
	struct source	*s = o->src;
	struct peer	*peer;
	int		 rc;

	if (s->dir != NULL)
		return read_file(o->fd, p, need, want, at, got);
	if ((rc = host_peer(s->host, r->urgent, &peer)) != 0)
		return rc;
	return host_note(s->host, peer_read(peer, s->meta.name, s->index,
	    o->segment, at, p, need, want, got));
}

/* One record's bytes alone, or more behind it when they are read in order. */
static int
fill(struct reader *r, struct open_seg *o, const struct place *p)
{
	size_t	 want = p->length;
	int	 rc;

	if (p->offset < o->end || p->offset - o->end > NEAR)
		o->ahead = 0;
	else if (o->ahead == 0)
		o->ahead = AHEAD_MIN;
	else if (o->ahead < WINDOW_MAX)
		o->ahead *= 2;
	if (want < o->ahead)
		want = o->ahead;
	o->len = 0;
	if ((rc = grow(&o->win, &o->cap, want)) != 0)
		return rc;
	if ((rc = read_some(r, o, o->win, p->length, want, p->offset,
	    &o->len)) != 0) {
		o->len = 0;
		return rc;
	}
	o->at = p->offset;
	return 0;
}

/* Memory for a large record is got only when its header line bears it out. */
static int
read_big(struct reader *r, struct open_seg *o, const struct place *p,
    const char **out)
{
	struct record_spot	 spot = { o->src->meta.salt, p->segment,
				    p->offset };
	struct record_head	 h;
	char			 head[RECORD_HEAD];
	size_t			 got;
	int			 rc;

	if ((rc = read_some(r, o, head, sizeof(head), sizeof(head),
	    p->offset, &got)) != 0)
		return rc;
	if (record_head_parse(head, &spot, &h) != 0 ||
	    record_len(&h) != p->length)
		return CM_ECORRUPT;
	if ((rc = grow(&r->big, &r->big_cap, p->length)) != 0)
		return rc;
	*out = r->big;
	return read_some(r, o, r->big, p->length, p->length, p->offset, &got);
}

static int
look(struct reader *r, struct open_seg *o, const struct place *p,
    const char **out)
{
	int	 rc;

	if (p->length > WINDOW_MAX)
		return read_big(r, o, p, out);
	if (r->big_cap > KEEP_MAX) {
		free(r->big);
		r->big = NULL;
		r->big_cap = 0;
	}
	if (p->offset < o->at ||
	    (uint64_t)p->offset + p->length > o->at + (uint64_t)o->len) {
		if ((rc = fill(r, o, p)) != 0)
			return rc;
	}
	o->end = p->offset + p->length;
	*out = o->win + (p->offset - o->at);
	return 0;
}

static int
verify(const struct seg_meta *m, const struct place *p, const char *b,
    const struct ulid *id, struct reader_record *out)
{
	struct record_spot	 spot = { m->salt, p->segment, p->offset };
	struct record_head	 h;

	if (record_head_parse(b, &spot, &h) != 0 ||
	    record_len(&h) != p->length || b[p->length - 1] != '\n')
		return CM_ECORRUPT;
	out->bytes = (struct span){ b, p->length };
	out->env_text = (struct span){ b + RECORD_HEAD, h.env_len };
	out->msg = (struct span){ b + RECORD_HEAD + h.env_len, h.msg_len };
	if (crc32c(0, out->env_text.p, h.env_len) != h.env_crc ||
	    crc32c(0, out->msg.p, h.msg_len) != h.msg_crc ||
	    record_env_parse(out->env_text.p, h.env_len, &out->env) != 0)
		return CM_ECORRUPT;
	if (id != NULL && memcmp(id, &out->env.id, sizeof(*id)) != 0)
		return CM_ECORRUPT;
	return 0;
}

/* What the folder says it is; on another node, what that node says. */
static int
read_meta(struct reader *r, struct source *s, const char *volume)
{
	struct peer_volume	 v;
	struct peer		*peer;
	int			 rc;

	if (s->dir != NULL)
		return seg_meta_read(NULL, s->dir, &s->meta);
	if ((rc = host_peer(s->host, r->urgent, &peer)) != 0 ||
	    (rc = host_note(s->host, peer_volume(peer, volume, s->index,
	    &v))) != 0)
		return rc;
	s->meta = v.meta;
	peer_volume_free(&v);
	return s->meta.epoch == 0 ? CM_ENOINPUT : 0;
}

static int
know(struct reader *r, struct source *s, const char *volume)
{
	int	 rc;

	if (s->known)
		return 0;
	rc = read_meta(r, s, volume);
	if (rc == CM_ECORRUPT || (rc == 0 &&
	    strcmp(s->meta.name, volume) != 0))
		return CM_ECONF;
	s->known = rc == 0;
	return rc;
}

static int
get_once(struct reader *r, struct source *s, const struct place *p,
    const struct ulid *id, struct reader_record *out)
{
	struct open_seg	*o;
	const char	*b;
	int		 rc;

	if ((rc = know(r, s, p->volume)) != 0 ||
	    (rc = use(r, s, p->segment, &o)) != 0 ||
	    (rc = look(r, o, p, &b)) != 0)
		return rc;
	return verify(&s->meta, p, b, id, out);
}

/*
 * What was read before may have been repaired, replaced or written further
 * since: before a copy is called bad, it is looked at afresh.
 */
static int
get(struct reader *r, struct source *s, const struct place *p,
    const struct ulid *id, struct reader_record *out)
{
	struct open_seg	*o = find_open(r, s, p->segment);
	bool		 cached = s->known || o != NULL;
	int		 rc;

	memset(out, 0, sizeof(*out));
	if (p->length < RECORD_HEAD + 1)
		return CM_ECORRUPT;
	rc = get_once(r, s, p, id, out);
	if ((rc == CM_ECORRUPT || rc == CM_ENOINPUT) && cached) {
		if ((o = find_open(r, s, p->segment)) != NULL)
			shut(o);
		s->known = false;
		rc = get_once(r, s, p, id, out);
	}
	return rc;
}

/* Is it wrong with all of the folder, not with one record? */
static bool
is_of_folder(int code)
{
	return code == CM_ECONF || code == CM_EEPOCH || code == CM_EPROTO;
}

/* Was this said before?  Now it was. */
static bool
was_told(struct reader *r, const struct source *s, const struct place *p,
    int code)
{
	uint64_t	 key = crc32c(0, p->volume, strlen(p->volume));

	key = (key << 32 | p->segment) * 0x9e3779b97f4a7c15u;
	/* of a folder that is not the volume's one word is enough */
	key ^= (uintptr_t)s + (uint64_t)(unsigned)code;
	if (!is_of_folder(code))
		key = (key ^ p->offset) * 0x9e3779b97f4a7c15u;
	else
		key = (uintptr_t)s;
	for (size_t i = 0; i < r->ntold && i < TOLD_MAX; i++)
		if (r->told[i] == key)
			return true;
	r->told[r->ntold++ % TOLD_MAX] = key;
	return false;
}

static void
tell(struct reader *r, const struct source *s, const struct place *p,
    int code, bool other)
{
	const char	*then = other ? "; another copy is used" : "";
	const char	*node = s->dir != NULL ? "" : "node ";
	const char	*where = s->dir != NULL ? s->dir : s->label;

	/* that a node is away is told once, by host_note */
	if ((s->dir == NULL && host_is_away(code)) ||
	    was_told(r, s, p, code))
		return;
	if (code == CM_ECONF)
		log_warn(r->log, "%s%s is not a folder of volume %s%s", node,
		    where, p->volume, then);
	else if (code == CM_ECORRUPT || code == CM_EIO)
		log_warn(r->log, "%s:%08u:%u:%u: damaged in %s%s%s",
		    p->volume, p->segment, p->offset, p->length, node, where,
		    then);
	else
		log_warn(r->log, "%s:%08u:%u:%u: %s%s: %s%s", p->volume,
		    p->segment, p->offset, p->length, node, where,
		    cm_strerror(code), then);
}

/* Of two failures the one that says more of what can be hoped for. */
static int
worse(int a, int b)
{
	if (a == CM_EIO)
		a = CM_ECORRUPT;
	if (a == CM_EAWAY || b == CM_EAWAY)
		return CM_EAWAY;
	if (a == CM_ECORRUPT || b == CM_ECORRUPT)
		return CM_ECORRUPT;
	return b != CM_ENOINPUT ? b : a;
}

/* One round over all candidates. */
static int
try_all(struct reader *r, struct volume_sources *vs, const struct place *p,
    const struct ulid *id, struct reader_record *out)
{
	int	 code[SOURCES_MAX];
	int	 rc = CM_ENOINPUT, worst = CM_ENOINPUT;
	size_t	 i;

	for (i = 0; i < vs->n; i++) {
		rc = code[i] = get(r, &vs->v[i], p, id, out);
		if (rc == 0)
			break;
		if (rc == CM_ENOMEM)
			return log_fail(r->log, rc, "a record of %u bytes",
			    p->length);
		if (vs->v[i].dir == NULL && host_is_away(rc))
			worst = CM_EAWAY;
		else
			worst = worse(rc, worst);
	}
	for (size_t j = 0; j < i; j++)
		if (code[j] != CM_ENOINPUT)
			tell(r, &vs->v[j], p, code[j], rc == 0);
	return rc == 0 ? 0 : worst;
}

int
reader_get(struct reader *r, const struct place *p, const struct ulid *id,
    struct reader_record *out)
{
	struct volume_sources	*vs;
	int			 rc;

	if ((rc = sources(r, p->volume, &vs)) != 0)
		return rc;
	r->urgent = false;
	if ((rc = try_all(r, vs, p, id, out)) != CM_EAWAY)
		return rc;
	/* who is left alone may be back, and nobody else is left */
	r->urgent = true;
	rc = try_all(r, vs, p, id, out);
	r->urgent = false;
	return rc;
}

const char *
reader_node(struct reader *r, const char *volume)
{
	struct volume_sources	*vs;
	const struct source	*s;

	if (sources(r, volume, &vs) != 0 || vs->n == 0 || vs->nlocal > 0)
		return NULL;
	s = &vs->v[0];
	return s->index < 0 ? r->last->home : r->last->copies[s->index].node;
}

size_t
reader_candidates(struct reader *r, const char *volume)
{
	struct volume_sources	*vs;

	return sources(r, volume, &vs) == 0 ? vs->nlocal : 0;
}

const char *
reader_path(struct reader *r, const char *volume, size_t i)
{
	struct volume_sources	*vs;

	return sources(r, volume, &vs) == 0 && i < vs->nlocal ?
	    vs->v[i].dir : NULL;
}

int
reader_get_from(struct reader *r, size_t i, const struct place *p,
    const struct ulid *id, struct reader_record *out)
{
	struct volume_sources	*vs;
	int			 rc;

	if ((rc = sources(r, p->volume, &vs)) != 0)
		return rc;
	return i < vs->nlocal ? get(r, &vs->v[i], p, id, out) : CM_ENOINPUT;
}
