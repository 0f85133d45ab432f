/* For a terminal. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/status_int.h"

#define COLUMNS_MAX	9
#define CELL_MAX	64
#define TABLES		2
#define OTHER_LINES	8	/* headings, empty lines, the catalog */

typedef unsigned long long ull;

struct row {
	enum level	 level;
	char		 cell[COLUMNS_MAX][CELL_MAX];
};

/* Cells are filled in first, so that columns are as wide as they must be. */
struct table {
	const char	*align;		/* of each column: l or r */
	struct row	*row;		/* the heading first */
	size_t		 nrows;
	bool		 fold;		/* leave out what is well */
};

struct page {
	const struct status *st;
	const struct status_view *view;
	struct buf	*out;
	struct table	 table[TABLES];
};

static const char *const	 nodes_head[] = { "NODE", "STATE", "LOAD",
				    "SESSIONS", "FREE", "USED", "WAITING",
				    "FAILED", "LAST CHECK" };
static const char *const	 places_head[] = { "VOLUME", "PLACE", "STATE",
				    "EPOCH", "SEGMENTS", "BYTES", "BEHIND",
				    "FOR" };

static void
set_head(struct row *r, const char *const words[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(r->cell[i], CELL_MAX, "%s", words[i]);
}

__attribute__((format(printf, 3, 4)))
static void
set(struct row *r, int column, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(r->cell[column], CELL_MAX, fmt, ap);
	va_end(ap);
}

static void
node_row(struct row *r, const struct status *st, const struct node_status *n)
{
	const struct load_disk	*d = words_disk(&n->load);
	char			 text[3 * STATUS_SIZE];
	uint64_t		 waiting, failed;

	r->level = n->level;
	set(r, 0, "%s", n->cn->name);
	set(r, 1, "%s", n->rc == 0 ? "up" : "down");
	if (n->rc != 0)
		return;
	set(r, 2, "%.2f/%llu", n->load.load, (ull)n->load.processors);
	set(r, 3, "%llu", (ull)n->load.sessions);
	if (d != NULL) {
		words_size(text, d->free);
		set(r, 4, "%s", text);
		set(r, 5, "%u%%", words_used(d));
	}
	words_spools(&n->load, &waiting, &failed);
	set(r, 6, "%llu", (ull)waiting);
	set(r, 7, "%llu", (ull)failed);
	words_scrub(text, st, &n->load.scrub);
	set(r, 8, "%s", text);
}

static void
place_row(struct row *r, const struct place_status *p)
{
	char	 text[STATUS_SIZE];

	r->level = p->level;
	if (p->index == -1)
		set(r, 0, "%s", p->cv->name);
	set(r, 1, "%s%s", p->index == -1 ? "" : "  ", p->label);
	set(r, 2, "%s", words_place(p));
	if (p->there != NULL) {
		words_size(text, p->there->bytes);
		set(r, 3, "%u", p->there->epoch);
		set(r, 4, "%u", p->there->segments);
		set(r, 5, "%s", text);
	}
	if (p->index == -1) {
		set(r, 6, "home");
	} else if (p->lag != NULL) {
		words_size(text, p->lag->bytes);
		set(r, 6, "%s", text);
		words_span(text, (uint64_t)p->lag->ms / 1000);
		set(r, 7, "%s", text);
	} else {
		set(r, 6, "?");
	}
}

static int
fill(struct page *g)
{
	const struct status	*st = g->st;
	struct table		*n = &g->table[0], *p = &g->table[1];

	n->align = "llrrrrrrl";
	p->align = "lllrrrrr";
	n->row = calloc(st->nnodes + 1, sizeof(*n->row));
	p->row = calloc(st->nplaces + 1, sizeof(*p->row));
	if (n->row == NULL || p->row == NULL)
		return CM_ENOMEM;
	set_head(&n->row[0], nodes_head,
	    sizeof(nodes_head) / sizeof(nodes_head[0]));
	set_head(&p->row[0], places_head,
	    sizeof(places_head) / sizeof(places_head[0]));
	for (size_t i = 0; i < st->nnodes; i++)
		node_row(&n->row[i + 1], st, &st->node[i]);
	for (size_t i = 0; i < st->nplaces; i++)
		place_row(&p->row[i + 1], &st->place[i]);
	n->nrows = st->nnodes + 1;
	p->nrows = st->nplaces + 1;
	return 0;
}

static void
color(struct page *g, const char *sgr)
{
	if (g->view->color)
		buf_addf(g->out, "\033[%sm", sgr);
}

/* The mark is there without colour too. */
static void
begin_line(struct page *g, enum level level)
{
	if (level == LEVEL_WRONG)
		color(g, "31");
	else if (level == LEVEL_NOTE)
		color(g, "33");
	buf_adds(g->out, level == LEVEL_WRONG ? "!! " :
	    level == LEVEL_NOTE ? " ! " : "   ");
}

static void
end_line(struct page *g, enum level level)
{
	while (g->out->len > 0 && g->out->p[g->out->len - 1] == ' ')
		g->out->len--;
	if (level != LEVEL_WELL)
		color(g, "0");
	buf_addc(g->out, '\n');
}

static void
print_row(struct page *g, const struct table *t, const struct row *r,
    const int width[])
{
	if (r == t->row)
		color(g, "1");
	begin_line(g, r->level);
	for (int i = 0; t->align[i] != '\0'; i++)
		buf_addf(g->out, t->align[i] == 'l' ? "%-*s  " : "%*s  ",
		    width[i], r->cell[i]);
	end_line(g, r->level);
	if (r == t->row)
		color(g, "0");
}

static void
print_table(struct page *g, const struct table *t)
{
	int	 width[COLUMNS_MAX] = { 0 }, n;
	size_t	 left_out = 0;

	for (size_t i = 0; i < t->nrows; i++)
		for (int k = 0; t->align[k] != '\0'; k++) {
			n = (int)strlen(t->row[i].cell[k]);
			if (n > width[k])
				width[k] = n;
		}
	buf_addc(g->out, '\n');
	for (size_t i = 0; i < t->nrows; i++)
		if (i == 0 || !t->fold || t->row[i].level != LEVEL_WELL)
			print_row(g, t, &t->row[i], width);
		else
			left_out++;
	if (left_out > 0)
		buf_addf(g->out, "   and %zu more that %s well\n", left_out,
		    left_out == 1 ? "is" : "are");
}

/* Each volume's home row names it; when rows are left out all must. */
static void
name_all(struct table *t, const struct status *st)
{
	for (size_t i = 0; i < st->nplaces; i++)
		set(&t->row[i + 1], 0, "%s", st->place[i].cv->name);
}

static void
print_title(struct page *g)
{
	const struct status	*st = g->st;
	char			 sum[3 * STATUS_SIZE], when[STATUS_SIZE];

	words_sum(sum, st);
	words_time(when, st->now_ms);
	color(g, st->nwrong > 0 ? "1;31" : "1;32");
	buf_addf(g->out, "%s: %s", words_cluster(st), sum);
	color(g, "0");
	buf_addf(g->out, "  (seen from %s at %s)\n", st->conf->self, when);
}

static void
print_problems(struct page *g, size_t max)
{
	const struct status	*st = g->st;

	if (st->nproblems > 0)
		buf_addc(g->out, '\n');
	for (size_t i = 0; i < st->nproblems && i < max; i++) {
		begin_line(g, st->problem[i].level);
		buf_adds(g->out, st->problem[i].text);
		end_line(g, st->problem[i].level);
	}
	if (st->nproblems > max)
		buf_addf(g->out, "   and %zu more (see cm-status -x)\n",
		    st->nproblems - max);
}

static void
print_catalog(struct page *g)
{
	const struct catalog_status	*c = &g->st->catalog;
	char				 bytes[STATUS_SIZE];
	char				 behind[STATUS_SIZE];

	buf_addc(g->out, '\n');
	color(g, "1");
	buf_adds(g->out, "   CATALOG\n");
	color(g, "0");
	begin_line(g, c->level);
	if (c->rc != 0) {
		buf_adds(g->out, "away");
	} else {
		words_size(bytes, c->bytes);
		words_size(behind, c->behind);
		buf_addf(g->out, "%s on %s%s%s%s%s, %llu mailboxes, %llu "
		    "messages, %s bytes, %llu gaps, %s bytes behind",
		    c->state, c->node,
		    c->leader[0] != '\0' ? ", led by " : "", c->leader,
		    c->witness[0] != '\0' ? ", witness " : "", c->witness,
		    (ull)c->mailboxes, (ull)c->messages, bytes, (ull)c->gaps,
		    behind);
	}
	end_line(g, c->level);
}

/* What does not fit on one screen is folded, places first. */
static size_t
fold(struct page *g)
{
	const struct status	*st = g->st;
	size_t			 max = st->nproblems, rows = g->view->rows;
	size_t			 lines;

	if (rows == 0)
		return max;
	if (max > rows / 3 + 1)
		max = rows / 3 + 1;
	lines = OTHER_LINES + max + st->nnodes + st->nplaces;
	g->table[1].fold = lines > rows;
	if (g->table[1].fold)
		name_all(&g->table[1], st);
	g->table[0].fold = g->table[1].fold &&
	    lines - st->nplaces > rows;
	return max;
}

int
status_text(const struct status *st, const struct status_view *view,
    struct buf *out)
{
	struct page	 g = { .st = st, .view = view, .out = out };
	int		 rc;

	if ((rc = fill(&g)) == 0) {
		print_title(&g);
		print_problems(&g, fold(&g));
		for (int i = 0; i < TABLES; i++)
			print_table(&g, &g.table[i]);
		print_catalog(&g);
		rc = out->err;
	}
	for (int i = 0; i < TABLES; i++)
		free(g.table[i].row);
	return rc;
}
