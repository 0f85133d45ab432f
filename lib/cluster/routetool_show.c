/* The routing table. */
#include <string.h>

#include "base/file.h"
#include "cluster/routetool_int.h"

#define COLUMNS_MAX	8
#define GAP		2		/* blanks between columns */

/* Columns a field takes: bytes that go on a UTF-8 character take none. */
static size_t
width(struct span f)
{
	size_t	 w = 0;

	for (size_t i = 0; i < f.len; i++)
		w += ((unsigned char)f.p[i] & 0xc0) != 0x80;
	return w;
}

/* Adds lines of tab-separated fields to out, as columns. */
static void
align(const struct buf *in, struct buf *out)
{
	struct span	 rest = { in->p, in->len }, copy = rest, l, f;
	size_t		 most[COLUMNS_MAX] = { 0 }, i, w;

	while (in->len > 0 && str_field(&copy, '\n', &l))
		for (i = 0; i < COLUMNS_MAX && str_field(&l, '\t', &f); i++)
			if ((w = width(f)) > most[i])
				most[i] = w;
	while (in->len > 0 && str_field(&rest, '\n', &l) && rest.p != NULL) {
		for (i = 0; i < COLUMNS_MAX && str_field(&l, '\t', &f); i++) {
			buf_addf(out, "%*s", GAP, "");
			buf_add(out, f.p, f.len);
			for (w = width(f); w < most[i] && l.len > 0; w++)
				buf_addc(out, ' ');
		}
		buf_addc(out, '\n');
	}
}

/* One section: a title, and the columns of what was put into rows. */
static void
section(struct buf *out, const char *title, struct buf *rows)
{
	if (rows->len > 0) {
		buf_addf(out, "%s%s\n", out->len > 0 ? "\n" : "", title);
		align(rows, out);
	}
	if (rows->err)
		out->err = rows->err;
	buf_reset(rows);
}

/* In words as cluster.xml has them, with the largest unit that fits. */
static void
add_size(struct buf *b, uint64_t v)
{
	const char	*units = "\0KMG";
	int		 i = 0;

	while (i < 3 && v != 0 && v % 1024 == 0) {
		v /= 1024;
		i++;
	}
	buf_addf(b, "%llu", (unsigned long long)v);
	if (i > 0)
		buf_addc(b, units[i]);
}

/* For a person: one digit behind the point. */
void
routetool_space(struct buf *b, uint64_t v)
{
	const char	*units = "BKMGTPE";
	double		 d = (double)v;

	while (d >= 1024 && units[1] != '\0') {
		d /= 1024;
		units++;
	}
	buf_addf(b, *units == 'B' ? "%.0f B" : "%.1f %ciB", d, *units);
}

/* The folder is made at the first append: until then its parent tells. */
static uint64_t
space_at(const char *path)
{
	char	 at[CONF_PATH_MAX + 1];
	char	*slash;

	if (str_copy(at, sizeof(at), path) != 0)
		return 0;
	while (!file_exists(at)) {
		if ((slash = strrchr(at, '/')) == NULL || at[1] == '\0')
			return 0;
		slash[slash == at] = '\0';
	}
	return file_space(at);
}

static void
show_nodes(const struct conf *c, struct buf *rows)
{
	for (size_t i = 0; i < c->nnodes; i++) {
		const struct conf_node *n = &c->nodes[i];

		buf_addf(rows, "%s\t%s\t%s%s%s\n", n->name,
		    n->address != NULL ? n->address : "-", n->state,
		    n == c->node ? "\tthis node" : "",
		    n->drain ? "\tdrained" : "");
	}
}

static void
show_volume(const struct conf *c, const struct conf_volume *v,
    struct buf *rows)
{
	buf_addf(rows, "%s\thome %s\t%s\t%s\t", v->name, v->home, v->path,
	    v->closed ? "closed" : conf_takes_mail(c, v) ? "open" :
	    "drained");
	if (conf_is_home(c, v)) {
		routetool_space(rows, space_at(v->path));
		buf_adds(rows, " free");
	} else {
		buf_adds(rows, "not here");
	}
	for (size_t i = 0; i < v->nlabels; i++)
		buf_addf(rows, "%s%s", i == 0 ? "\t" : " ", v->labels[i]);
	buf_addc(rows, '\n');
	for (size_t i = 0; i < v->ncopies; i++)
		buf_addf(rows, "\tcopy %s\t%s\n", v->copies[i].node,
		    v->copies[i].path);
}

static void
show_rule(const struct conf_rule *u, size_t number, struct buf *rows)
{
	buf_addf(rows, "%zu\t", number);
	if (u->min_size == 0 && u->max_size == UINT64_MAX)
		buf_adds(rows, "any size");
	if (u->min_size > 0) {
		buf_adds(rows, "from ");
		add_size(rows, u->min_size);
	}
	if (u->max_size != UINT64_MAX) {
		buf_adds(rows, u->min_size > 0 ? " to " : "up to ");
		add_size(rows, u->max_size);
	}
	buf_addf(rows, "\t%s priority\t", u->any_priority ? "any" :
	    priority_word(u->priority));
	for (size_t i = 0; i < u->nvolumes; i++)
		buf_addf(rows, "%s%s", i > 0 ? " " : "", u->volumes[i]);
	buf_addc(rows, '\n');
}

static void
show_policy(const struct conf *c, struct buf *rows)
{
	static const char *const selects[] = {
		[CONF_ROUND_ROBIN] = "round-robin",
		[CONF_RANDOM] = "random",
		[CONF_LEAST_LOAD] = "least-load",
		[CONF_WEIGHTED] = "weighted",
		[CONF_STATIC] = "static",
	};

	buf_addf(rows, "select\t%s\ncopies\t%u\n", selects[c->select],
	    c->copies);
	buf_addf(rows, "timeout\t%g s\n", c->timeout_ms / 1000.0);
	buf_addf(rows, "short\t%s\nsize\t",
	    c->on_short == CONF_REFUSE ? "refuse" : "degrade");
	add_size(rows, c->max_size);
	buf_addc(rows, '\n');
}

int
routetool_show(struct tool *t, int argc, char **argv)
{
	const struct conf	*c = t->conf;
	struct buf		 out, rows;
	int			 rc;

	(void)argc;
	(void)argv;
	buf_init(&out, OUT_MAX);
	buf_init(&rows, OUT_MAX);
	buf_addf(&rows, "%s\t%s\n", c->name != NULL ? c->name : "-",
	    c->file != NULL ? c->file : "embedded default, no cluster.xml");
	section(&out, "cluster", &rows);
	for (size_t i = 0; i < c->ndomains; i++)
		buf_addf(&rows, "%s\n", c->domains[i]);
	if (conf_is_open(c))
		buf_adds(&rows, "those of the mailboxes\n");
	section(&out, "domains", &rows);
	show_nodes(c, &rows);
	section(&out, "nodes", &rows);
	rc = routetool_loads(t, &rows);
	section(&out, "loads", &rows);
	for (size_t i = 0; i < c->nvolumes; i++)
		show_volume(c, &c->volumes[i], &rows);
	section(&out, "volumes", &rows);
	for (size_t i = 0; i < c->nrules; i++)
		show_rule(&c->rules[i], i + 1, &rows);
	section(&out, "rules", &rows);
	show_policy(c, &rows);
	section(&out, "policy", &rows);
	if (rc == 0)
		rc = routetool_flush(t, &out);
	buf_free(&rows);
	buf_free(&out);
	return rc;
}
