#include "cluster/nodes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/time.h"
#include "cluster/nodes_int.h"

#define LOAD_MAX	1e9	/* percent; also sorts out what is no number */

typedef unsigned long long ull;

static const char *const set_words[] = {
	[NODES_UP] = "up", [NODES_DOWN] = "down", [NODES_DRAIN] = "drain",
};
#define NSETS (sizeof(set_words) / sizeof(set_words[0]))

int
nodes_polls_path(const struct conf *c, char out[FILE_PATH_MAX])
{
	return str_fmt(out, FILE_PATH_MAX, "%s/run/nodes", c->node->state);
}

int
nodes_sets_path(const struct conf *c, char out[FILE_PATH_MAX])
{
	return str_fmt(out, FILE_PATH_MAX, "%s/nodes", c->node->state);
}

const char *
nodes_set_word(enum nodes_set set)
{
	return (size_t)set < NSETS ? set_words[set] : "?";
}

int
nodes_set_parse(struct span word, enum nodes_set *out)
{
	for (size_t i = 0; i < NSETS; i++)
		if (span_is(word, set_words[i])) {
			*out = (enum nodes_set)i;
			return 0;
		}
	return CM_EDATA;
}

struct nodes_node *
nodes_find(const struct nodes *ns, const char *name, size_t len)
{
	for (size_t i = 0; i < ns->n; i++) {
		const char *s = ns->node[i].conf->name;

		if (strlen(s) == len && memcmp(s, name, len) == 0)
			return &ns->node[i];
	}
	return NULL;
}

/* --- lines; fields with blanks between them */

struct fields {
	struct span	 rest;
	bool		 bad;
};

static struct span
field(struct fields *f)
{
	struct span	 s = { "", 0 };

	if (!str_field(&f->rest, ' ', &s) || s.len == 0)
		f->bad = true;
	return s;
}

static uint64_t
number(struct fields *f, uint64_t max)
{
	struct span	 s = field(f);
	uint64_t	 v = 0;

	if (str_u64(s.p, s.len, max, &v) != 0)
		f->bad = true;
	return v;
}

/* "-": never */
static int64_t
when(struct fields *f)
{
	struct span	 s = field(f);
	int64_t		 ms = 0;

	if (!span_is(s, "-") && (time_parse_iso(s.p, s.len, &ms) != 0 ||
	    ms <= 0))
		f->bad = true;
	return ms;
}

static double
percent(struct fields *f)
{
	struct span	 s = field(f);
	char		 text[32], *end;
	double		 v = 0;

	if (str_ncopy(text, sizeof(text), s.p, s.len) != 0 ||
	    text[strspn(text, "0123456789.")] != '\0') {
		f->bad = true;
		return 0;
	}
	v = strtod(text, &end);
	if (end == text || *end != '\0' || !(v >= 0 && v <= LOAD_MAX))
		f->bad = true;
	return v;
}

static void
add_when(struct buf *b, int64_t ms)
{
	char	 text[TIME_ISO_SIZE] = "-";

	if (ms > 0)
		time_iso(text, ms);
	buf_addf(b, " %s", text);
}

void
nodes_said_write(struct buf *b, const char *node, const struct nodes_said *s)
{
	buf_addf(b, "%s %s", node, nodes_set_word(s->set));
	add_when(b, s->set_ms);
	buf_addf(b, " %u", s->pref);
	add_when(b, s->pref_ms);
}

int
nodes_said_parse(struct span line, struct span *node, struct nodes_said *s)
{
	struct fields	 f = { .rest = line };

	*node = field(&f);
	memset(s, 0, sizeof(*s));
	if (nodes_set_parse(field(&f), &s->set) != 0)
		return CM_EDATA;
	s->set_ms = when(&f);
	s->pref = (unsigned)number(&f, NODES_PREF_MAX);
	s->pref_ms = when(&f);
	return f.bad || f.rest.p != NULL ? CM_EDATA : 0;
}

void
nodes_poll_write(struct buf *b, const struct nodes_node *n)
{
	double	 load = n->load >= 0 && n->load <= LOAD_MAX ? n->load :
		    LOAD_MAX;

	buf_addf(b, "%s %s %u %u %.1f %llu %llu", n->conf->name,
	    n->down ? "down" : "up", n->misses, n->answers, load,
	    (ull)n->free, (ull)n->sessions);
	add_when(b, n->asked_ms);
	add_when(b, n->answered_ms);
	add_when(b, n->since_ms);
	buf_addc(b, '\n');
}

/* A node that cluster.xml does not have any more is no mistake. */
static int
poll_parse(struct nodes *ns, struct span line)
{
	struct fields		 f = { .rest = line };
	struct span		 name = field(&f), state = field(&f);
	struct nodes_node	 v = { .pref = 0 }, *n;

	v.down = span_is(state, "down");
	v.misses = (unsigned)number(&f, UINT32_MAX);
	v.answers = (unsigned)number(&f, UINT32_MAX);
	v.load = percent(&f);
	v.free = number(&f, UINT64_MAX);
	v.sessions = number(&f, UINT64_MAX);
	v.asked_ms = when(&f);
	v.answered_ms = when(&f);
	v.since_ms = when(&f);
	if (f.bad || f.rest.p != NULL || (!v.down && !span_is(state, "up")))
		return CM_EDATA;
	if ((n = nodes_find(ns, name.p, name.len)) == NULL)
		return 0;
	v.conf = n->conf;
	v.set = n->set;
	v.pref = n->pref;
	v.set_ms = n->set_ms;
	v.pref_ms = n->pref_ms;
	*n = v;
	return 0;
}

static int
set_parse(struct nodes *ns, struct span line)
{
	struct nodes_said	 s;
	struct nodes_node	*n;
	struct span		 name;

	if (nodes_said_parse(line, &name, &s) != 0)
		return CM_EDATA;
	if ((n = nodes_find(ns, name.p, name.len)) == NULL)
		return 0;
	if (s.set_ms > 0) {
		n->set = s.set;
		n->set_ms = s.set_ms;
	}
	if (s.pref_ms > 0) {
		n->pref = s.pref;
		n->pref_ms = s.pref_ms;
	}
	return 0;
}

/* --- files */

/* One that is not there, or is too long to be ours, has no lines. */
static int
read_lines(const struct log *log, const char *path, struct nodes *ns,
    int (*parse)(struct nodes *, struct span))
{
	struct span	 rest, line;
	struct buf	 b;
	int		 line_number = 0, rc;

	if (!file_exists(path))
		return 0;
	buf_init(&b, NODES_TEXT_MAX);
	rc = file_read(log, path, &b);
	rest = (struct span){ b.p, b.len };
	while (rc == 0 && rest.len > 0 && str_field(&rest, '\n', &line)) {
		line_number++;
		if (line.len > 0 && parse(ns, line) != 0)
			log_warn(log, "%s: line %d is not as it should be and "
			    "is left out", path, line_number);
	}
	buf_free(&b);
	return rc == CM_ETOOBIG || rc == CM_ENOINPUT ? 0 : rc;
}

int
nodes_load(const struct log *log, const struct conf *c, struct nodes *ns)
{
	char	 polls[FILE_PATH_MAX], sets[FILE_PATH_MAX];
	int	 rc;

	ns->n = 0;
	if ((rc = nodes_polls_path(c, polls)) != 0 ||
	    (rc = nodes_sets_path(c, sets)) != 0)
		return log_fail(log, rc, "%s", c->node->state);
	if ((ns->node = calloc(c->nnodes + 1, sizeof(*ns->node))) == NULL)
		return log_fail(log, CM_ENOMEM, "%s", polls);
	for (; ns->n < c->nnodes; ns->n++) {
		ns->node[ns->n].conf = &c->nodes[ns->n];
		ns->node[ns->n].pref = NODES_PREF;
	}
	if ((rc = read_lines(log, polls, ns, poll_parse)) != 0 ||
	    (rc = read_lines(log, sets, ns, set_parse)) != 0)
		nodes_free(ns);
	return rc;
}

void
nodes_free(struct nodes *ns)
{
	free(ns->node);
	ns->node = NULL;
	ns->n = 0;
}

static uint64_t
mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static uint64_t
add_stamp(uint64_t h, const char *path)
{
	struct stat	 st;

	if (stat(path, &st) == -1)
		return mix(h, 0);
	h = mix(h, (uint64_t)st.st_dev);
	h = mix(h, (uint64_t)st.st_ino);
	h = mix(h, (uint64_t)st.st_size);
	h = mix(h, (uint64_t)st.st_mtim.tv_sec);
	h = mix(h, (uint64_t)st.st_mtim.tv_nsec);
	return h | 1;
}

uint64_t
nodes_stamp(const struct conf *c)
{
	char		 polls[FILE_PATH_MAX], sets[FILE_PATH_MAX];

	if (nodes_polls_path(c, polls) != 0 || nodes_sets_path(c, sets) != 0)
		return 0;
	return add_stamp(add_stamp(0, polls), sets);
}

/* --- what it means */

bool
nodes_is_drained(const struct nodes_node *n)
{
	return n->conf->drain || n->set == NODES_DRAIN;
}

bool
nodes_is_in(const struct conf *c, const struct nodes_node *n)
{
	if (n->down || n->set == NODES_DOWN || nodes_is_drained(n) ||
	    (c->witness != NULL && strcmp(c->witness, n->conf->name) == 0))
		return false;
	return n->load < c->dns.overload;
}
