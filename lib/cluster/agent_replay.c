/* The journals of all nodes, for a catalog that is made anew. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/agent_int.h"
#include "cluster/catdump.h"
#include "cluster/peer.h"

#define WAIT_MS		10000	/* for a line */
#define FLUSH		(1u << 20)
#define SAID_MAX	(1u << 28)

void
agent_replay_begin(struct agent *a, struct replay *r)
{
	memset(r, 0, sizeof(*r));
	r->log = a->log;
	r->conf = a->conf;
	r->db = &a->db;
	buf_init(&r->said, SAID_MAX);
}

static int
add_source(struct agent *a, struct replay *r, const char *node,
    struct replay_source **out)
{
	struct replay_source	*s;
	int			 rc;

	if ((s = reallocarray(r->source, r->nsources + 1,
	    sizeof(*s))) == NULL)
		return CM_ENOMEM;
	r->source = s;
	s = &r->source[r->nsources++];
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	if ((rc = str_copy(s->node, sizeof(s->node), node)) != 0)
		return rc;
	*out = s;
	return agent_spool(a, &s->fd);
}

static int
map_source(struct agent *a, struct replay_source *s)
{
	struct stat	 st;
	void		*p;

	if (fstat(s->fd, &st) == -1)
		return log_errno(a->log, "journal of %s", s->node);
	if (st.st_size == 0)
		return 0;
	if ((p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
	    s->fd, 0)) == MAP_FAILED)
		return log_errno(a->log, "journal of %s", s->node);
	s->text = p;
	s->len = (size_t)st.st_size;
	return 0;
}

int
agent_replay_own(struct agent *a, struct replay *r)
{
	const struct conf	*conf = a->conf;
	struct replay_source	*s;
	int			 rc;

	if ((rc = add_source(a, r, conf->self, &s)) != 0 ||
	    (rc = journal_copy(a->journal, s->fd)) != 0)
		return rc;
	return map_source(a, s);
}

/* Its lines have a "=" in front; ".0" is the end. */
static int
receive(struct stream *in, int fd)
{
	struct span	 l;
	struct buf	 b;
	int		 rc;

	buf_init(&b, FLUSH + CATDUMP_LINE_MAX);
	while ((rc = stream_line(in, &l)) == 0) {
		if (l.len == 0 || l.p[0] != '=') {
			rc = l.len > 1 && memcmp(l.p, ".0", 2) == 0 ? 0 :
			    CM_EAWAY;
			break;
		}
		buf_add(&b, l.p + 1, l.len - 1);
		if ((rc = buf_addc(&b, '\n')) != 0)
			break;
		if (b.len < FLUSH)
			continue;
		if ((rc = file_write(fd, b.p, b.len)) != 0)
			break;
		buf_reset(&b);
	}
	if (rc == 0 && b.len > 0)
		rc = file_write(fd, b.p, b.len);
	buf_free(&b);
	return rc;
}

static int
fetch(struct agent *a, const char *node, int to)
{
	struct stream	 in;
	int		 fd, rc;

	if ((rc = peer_tunnel(NULL, a->conf, node, "/v1/catalog", &fd)) != 0)
		return rc;
	stream_init(&in, fd, CATDUMP_LINE_MAX, WAIT_MS);
	buf_adds(&in.out, "journal\n");
	if ((rc = stream_flush(&in, 1)) == 0)
		rc = receive(&in, to);
	stream_close(&in);
	return rc;
}

int
agent_replay_others(struct agent *a, struct replay *r)
{
	const struct conf	*conf = a->conf;
	struct replay_source	*s;
	const char		*node;
	int			 rc;

	for (size_t i = 0; i < conf->ncatalogs; i++) {
		node = conf->catalogs[i];
		if (strcmp(node, conf->self) == 0)
			continue;
		if ((rc = add_source(a, r, node, &s)) != 0)
			return rc;
		if (fetch(a, node, s->fd) != 0)
			buf_addf(&r->said, "=away\t%s\n", node);
		/* what came of it counts, too */
		if ((rc = map_source(a, s)) != 0)
			return rc;
	}
	return 0;
}
