/* cm-rebuild drain -p: the next cluster.xml. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adapter/xml.h"
#include "base/file.h"
#include "base/str.h"
#include "cluster/drain.h"

#define LINES_MAX	(4u << 20)

struct plan {
	const struct log *log;
	const struct conf *conf;
	const char	*node;		/* that is to leave */
	struct xml	*x;
	bool		 changed;
};

/* A place of a volume: its own element (the home), or a copy's. */
static const char *
node_of(const struct xml_elem *e)
{
	const char	*s = xml_attr(e, strcmp(xml_name(e), "volume") == 0 ?
			    "home" : "node");

	return s != NULL ? s : "";
}

static const char *
path_of(const struct xml_elem *e)
{
	const char	*s = xml_attr(e, "path");

	return s != NULL ? s : "";
}

static bool
is_a(const struct xml_elem *e, const char *name)
{
	return strcmp(xml_name(e), name) == 0;
}

/* The place behind this one in the volume; NULL for the volume itself. */
static const struct xml_elem *
next_place(const struct xml_elem *v, const struct xml_elem *at)
{
	at = at == NULL ? xml_child(v) : xml_next(at);
	while (at != NULL && !is_a(at, "copy"))
		at = xml_next(at);
	return at;
}

/* The first place on the node, in the volume or in any; NULL for none. */
static const struct xml_elem *
place_on(const struct xml_elem *v, const char *node)
{
	const struct xml_elem	*c = NULL;

	if (strcmp(node_of(v), node) == 0)
		return v;
	while ((c = next_place(v, c)) != NULL)
		if (strcmp(node_of(c), node) == 0)
			return c;
	return NULL;
}

static const struct xml_elem *
any_place_on(const struct plan *p, const char *node)
{
	const struct xml_elem	*v, *c;

	for (v = xml_child(xml_root(p->x)); v != NULL; v = xml_next(v))
		if (is_a(v, "volume") && (c = place_on(v, node)) != NULL)
			return c;
	return NULL;
}

static bool
stays(const struct plan *p, const char *node)
{
	return !conf_drains(p->conf, node);
}

/* Places of the volume on nodes that stay. */
static size_t
staying(const struct plan *p, const struct xml_elem *v)
{
	const struct xml_elem	*c = NULL;
	size_t			 n = stays(p, node_of(v));

	while ((c = next_place(v, c)) != NULL)
		n += stays(p, node_of(c));
	return n;
}

static size_t
count_on(const struct plan *p, const char *node)
{
	const struct xml_elem	*v, *c;
	size_t			 n = 0;

	for (v = xml_child(xml_root(p->x)); v != NULL; v = xml_next(v)) {
		if (!is_a(v, "volume"))
			continue;
		n += strcmp(node_of(v), node) == 0;
		for (c = NULL; (c = next_place(v, c)) != NULL;)
			n += strcmp(node_of(c), node) == 0;
	}
	return n;
}

/* One that stays and has nothing of the volume, with the fewest places. */
static const struct conf_node *
choose_node(const struct plan *p, const struct xml_elem *v)
{
	const struct conf_node	*best = NULL;
	size_t			 n, least = SIZE_MAX;

	for (size_t i = 0; i < p->conf->nnodes; i++) {
		const struct conf_node *cn = &p->conf->nodes[i];

		if (cn->drain || place_on(v, cn->name) != NULL ||
		    (n = count_on(p, cn->name)) >= least)
			continue;
		least = n;
		best = cn;
	}
	return best;
}

/* Is one of them the other, or in it? */
static bool
overlap(const char *a, const char *b)
{
	size_t	 n = strlen(a), m = strlen(b);

	if (n > m)
		return strncmp(a, b, m) == 0 && a[m] == '/';
	return strncmp(a, b, n) == 0 && (b[n] == '/' || b[n] == '\0');
}

static bool
is_taken(const struct plan *p, const struct conf_node *cn, const char *path)
{
	static const char *const own[] = { "catalog", "run", "spool", "tls" };
	const struct xml_elem	*v, *c;
	char			 dir[CONF_PATH_MAX + 16];

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (str_fmt(dir, sizeof(dir), "%s/%s", cn->state,
		    own[i]) != 0 || overlap(dir, path))
			return true;
	if (overlap(cn->tls, path))
		return true;
	for (v = xml_child(xml_root(p->x)); v != NULL; v = xml_next(v)) {
		if (!is_a(v, "volume"))
			continue;
		if (strcmp(node_of(v), cn->name) == 0 &&
		    overlap(path_of(v), path))
			return true;
		for (c = NULL; (c = next_place(v, c)) != NULL;)
			if (strcmp(node_of(c), cn->name) == 0 &&
			    overlap(path_of(c), path))
				return true;
	}
	return false;
}

/* Beside what that node has already, else where the home has it. */
static int
choose_path(const struct plan *p, const struct xml_elem *v,
    const struct conf_node *cn, char out[CONF_PATH_MAX + 1])
{
	const struct xml_elem	*like = any_place_on(p, cn->name);
	const char		*path = path_of(like != NULL ? like : v);
	const char		*slash = strrchr(path, '/');
	int			 len = slash != NULL ? (int)(slash - path) : 0;
	char			 more[16] = "";

	for (int i = 2; i < 1000; i++) {
		if (str_fmt(out, CONF_PATH_MAX + 1, "%.*s/%s%s", len, path,
		    xml_attr(v, "name"), more) != 0)
			break;
		if (!is_taken(p, cn, out))
			return 0;
		snprintf(more, sizeof(more), "-%d", i);
	}
	return log_fail(p->log, CM_ETOOBIG, "a folder for volume %s on node "
	    "%s", xml_attr(v, "name"), cn->name);
}

static int
add_copy(struct plan *p, const struct xml_elem *v)
{
	const struct conf_node	*cn = choose_node(p, v);
	const struct xml_elem	*c;
	char			 path[CONF_PATH_MAX + 1];
	int			 rc;

	if (cn == NULL)
		return log_fail(p->log, CM_ECONF, "volume %s: there is no node "
		    "left for a copy", xml_attr(v, "name"));
	if ((rc = choose_path(p, v, cn, path)) != 0)
		return rc;
	p->changed = true;
	if ((rc = xml_add(p->x, v, "copy", &c)) != 0 ||
	    (rc = xml_set(p->x, c, "node", cn->name)) != 0 ||
	    (rc = xml_set(p->x, c, "path", path)) != 0)
		return log_fail(p->log, rc, "%s", p->conf->file);
	return 0;
}

/* The copy's folder becomes the home, and the home's a copy. */
static int
swap(struct plan *p, const struct xml_elem *v, const struct xml_elem *c)
{
	char	 node[CONF_NAME_MAX + 1], path[CONF_PATH_MAX + 1];
	int	 rc;

	p->changed = true;
	if ((rc = str_copy(node, sizeof(node), node_of(v))) != 0 ||
	    (rc = str_copy(path, sizeof(path), path_of(v))) != 0 ||
	    (rc = xml_set(p->x, v, "home", node_of(c))) != 0 ||
	    (rc = xml_set(p->x, v, "path", path_of(c))) != 0 ||
	    (rc = xml_set(p->x, c, "node", node)) != 0 ||
	    (rc = xml_set(p->x, c, "path", path)) != 0)
		return log_fail(p->log, rc, "%s", p->conf->file);
	return 0;
}

static int
move_home(struct plan *p, const struct xml_elem *v)
{
	const struct xml_elem	*c = NULL;

	while ((c = next_place(v, c)) != NULL)
		if (stays(p, node_of(c)))
			return swap(p, v, c);
	/* its first copy: it becomes the home when this is run again */
	return add_copy(p, v);
}

/* How many places it had is kept: those of now are more than that soon. */
static int
note_places(struct plan *p, const struct conf_volume *cv,
    const struct xml_elem *v)
{
	char	 text[16];
	int	 rc;

	if (cv->places > 0)
		return 0;
	snprintf(text, sizeof(text), "%zu", cv->ncopies + 1);
	p->changed = true;
	rc = xml_set(p->x, v, "places", text);
	return rc == 0 ? 0 : log_fail(p->log, rc, "%s", p->conf->file);
}

static int
plan_volume(struct plan *p, const struct xml_elem *v)
{
	const struct conf_volume *cv;
	const char		 *name = xml_attr(v, "name");
	int			  rc = 0;

	if (name == NULL || place_on(v, p->node) == NULL ||
	    (cv = conf_volume(p->conf, name, strlen(name))) == NULL)
		return 0;
	if ((rc = note_places(p, cv, v)) != 0)
		return rc;
	if (strcmp(node_of(v), p->node) == 0)
		rc = move_home(p, v);
	while (rc == 0 && staying(p, v) < drain_need(p->conf, cv))
		rc = add_copy(p, v);
	return rc;
}

static int
plan_volumes(struct plan *p)
{
	const struct xml_elem	*v;
	int			 rc = 0;

	for (v = xml_child(xml_root(p->x)); rc == 0 && v != NULL;
	    v = xml_next(v))
		if (is_a(v, "volume"))
			rc = plan_volume(p, v);
	return rc;
}

/* Its copies of a volume; none is at home there. */
static void
remove_copies(struct plan *p, const struct xml_elem *v)
{
	const struct xml_elem	*c, *next;

	if (place_on(v, p->node) == NULL)
		return;
	for (c = next_place(v, NULL); c != NULL; c = next) {
		next = next_place(v, c);
		if (strcmp(node_of(c), p->node) == 0)
			xml_remove(p->x, c);
	}
	xml_unset(p->x, v, "places");
}

static void
remove_node(struct plan *p)
{
	const struct xml_elem	*e, *next;
	const char		*name;

	for (e = xml_child(xml_root(p->x)); e != NULL; e = next) {
		next = xml_next(e);
		if (is_a(e, "volume"))
			remove_copies(p, e);
		else if (is_a(e, "node") && (name = xml_attr(e, "name")) !=
		    NULL && strcmp(name, p->node) == 0)
			xml_remove(p->x, e);
	}
}

/* Are the disks as the file has them?  What is not is told of. */
static int
all_is_there(struct plan *p)
{
	struct buf	 lines;
	struct span	 rest, l;
	int		 rc;

	buf_init(&lines, LINES_MAX);
	rc = drain_look(p->log, p->conf, p->node, &lines);
	rest = (struct span){ lines.p, lines.len };
	while (rc == 0 && rest.len > 0 && str_field(&rest, '\n', &l))
		log_warn(p->log, "%.*s", (int)l.len, l.p);
	if (rc == 0 && lines.len > 0)
		rc = log_fail(p->log, CM_EAGAIN, "node %s is needed still "
		    "(cm-rebuild drain %s)", p->node, p->node);
	buf_free(&lines);
	return rc;
}

/* Would all programs take it, on a node that stays? */
static int
check(struct plan *p, const char *text, size_t len)
{
	const char	*self = NULL;
	struct conf	*c;
	char		 path[32];
	int		 fd, rc;

	for (size_t i = 0; i < p->conf->nnodes; i++)
		if (stays(p, p->conf->nodes[i].name))
			self = p->conf->nodes[i].name;
	fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd == -1)
		return log_errno(p->log, "/tmp");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if ((rc = file_write(fd, text, len)) != 0)
		rc = log_fail(p->log, rc, "/tmp");
	else if ((rc = conf_load(p->log, path, self, &c)) == 0)
		conf_free(c);
	else
		log_fail(p->log, rc, "without node %s, cluster.xml is not "
		    "right", p->node);
	close(fd);
	return rc;
}

static int
print(struct plan *p, int out)
{
	char	*text = NULL;
	size_t	 len;
	int	 rc;

	if ((rc = xml_text(p->log, p->x, &text, &len)) == 0 &&
	    (rc = check(p, text, len)) == 0 &&
	    (rc = file_write(out, text, len)) != 0)
		rc = log_fail(p->log, rc, "output");
	xml_text_free(text);
	return rc;
}

static int
make_plan(struct plan *p)
{
	int	 rc;

	if ((rc = plan_volumes(p)) != 0 || p->changed)
		return rc;
	if ((rc = all_is_there(p)) != 0)
		return rc;
	if (conf_names_catalog(p->conf, p->node))
		return log_fail(p->log, CM_ECONF, "node %s keeps the catalog, "
		    "or is its witness (catalog= or witness= in %s), and "
		    "cannot be taken out", p->node, p->conf->file);
	remove_node(p);
	return 0;
}

int
drain_plan(const struct log *log, const struct conf *conf, const char *node,
    int out)
{
	struct plan	 p = { .log = log, .conf = conf, .node = node };
	int		 rc;

	if (!conf_drains(conf, node) || conf->file == NULL)
		return log_fail(log, CM_ECONF, "node %s has no drain=\"yes\"",
		    node);
	if (drain_stay(conf) == 0)
		return log_fail(log, CM_ECONF, "no node is left that is not "
		    "drained");
	if ((rc = xml_open(log, conf->file, &p.x)) == 0 &&
	    (rc = make_plan(&p)) == 0)
		rc = print(&p, out);
	xml_free(p.x);
	return rc;
}
