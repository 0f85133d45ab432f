/* As one page: XHTML, style and pictures in it, no scripts. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/status_chart.h"

typedef unsigned long long ull;

static const char	 head[] =
"<!DOCTYPE html>\n"
"<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\" xml:lang=\"en\">\n"
"<head>\n<meta charset=\"utf-8\"/>\n"
"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
"<meta name=\"color-scheme\" content=\"light dark\"/>\n";

static const char	 style[] =
"<style>\n"
":root { --bg: #f6f7f9; --fg: #1d2433; --dim: #5d6678; --line: #d9dde5;\n"
"  --card: #fff; --well: #2f7d5b; --note: #b07a10; --wrong: #c02f2f; }\n"
"@media (prefers-color-scheme: dark) { :root { --bg: #14171d;\n"
"  --fg: #e4e8ef; --dim: #98a2b3; --line: #303644; --card: #1c212a;\n"
"  --well: #4fb286; --note: #e0a93b; --wrong: #f0716b; } }\n"
"body { margin: 0 auto; max-width: 76rem; padding: 1.5rem;\n"
"  background: var(--bg); color: var(--fg);\n"
"  font: 15px/1.45 system-ui, sans-serif; }\n"
"h1 { margin: 0; font-size: 1.5rem; }\n"
"h2 { margin: 0 0 .5rem; font-size: 1.05rem; }\n"
"header, section, figure { margin: 0 0 1rem; padding: 1rem 1.2rem;\n"
"  background: var(--card); border: 1px solid var(--line);\n"
"  border-radius: 8px; overflow-x: auto; }\n"
"header { border-left: 8px solid var(--well); }\n"
"header.wrong { border-left-color: var(--wrong); }\n"
"header p, figcaption { margin: .2rem 0 .4rem; color: var(--dim); }\n"
"figcaption b { color: var(--fg); }\n"
".charts { display: grid; gap: 0 1rem;\n"
"  grid-template-columns: repeat(auto-fit, minmax(21rem, 1fr)); }\n"
"ul { margin: .6rem 0 0; padding: 0; list-style: none; }\n"
"li { padding: .15rem 0; }\n"
".mark { display: inline-block; min-width: 3em; margin-right: .6em;\n"
"  padding: 0 .5em; border: 1px solid var(--line); border-radius: 4px;\n"
"  text-align: center; font-size: .8em; color: var(--well); }\n"
".mark.note, .mark.wrong { border-color: transparent;\n"
"  font-weight: 600; color: var(--card); }\n"
".mark.note { background: var(--note); }\n"
".mark.wrong { background: var(--wrong); }\n"
"table { border-collapse: collapse; width: 100%; }\n"
"th, td { padding: .3rem .7rem; text-align: left; white-space: nowrap;\n"
"  border-top: 1px solid var(--line); }\n"
"th { border: 0; color: var(--dim); font-weight: 500; }\n"
".n { text-align: right; font-variant-numeric: tabular-nums; }\n"
"svg { display: block; width: 100%; height: auto; }\n"
"svg text { font: 12.5px system-ui, sans-serif; fill: var(--dim); }\n"
"svg .label { fill: var(--fg); }\n"
".track { fill: var(--line); } .tick { fill: var(--fg); }\n"
".bar.well { fill: var(--well); } .bar.note { fill: var(--note); }\n"
".bar.wrong { fill: var(--wrong); }\n"
"</style>\n";

static void
mark(struct buf *b, enum level level)
{
	const char	*s = words_level(level);

	buf_addf(b, "<span class=\"mark %s\">%s</span>", s, s);
}

/* A cell; class "n": a number. */
__attribute__((format(printf, 3, 4)))
static void
cell(struct buf *b, const char *class, const char *fmt, ...)
{
	char	 text[STATUS_WHY_MAX];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_addf(b, "<td class=\"%s\">", class);
	words_xml(b, text);
	buf_adds(b, "</td>");
}

static void
cell_size(struct buf *b, uint64_t bytes)
{
	char	 text[STATUS_SIZE];

	words_size(text, bytes);
	cell(b, "n", "%s", text);
}

static void
begin_row(struct buf *b, enum level level)
{
	buf_adds(b, "<tr><td>");
	mark(b, level);
	buf_adds(b, "</td>");
}

/* Headings: "n" before those of numbers. */
static void
begin_table(struct buf *b, const char *title, const char *const names[])
{
	buf_addf(b, "<section><h2>%s</h2>\n<table>\n<tr><th></th>", title);
	for (int i = 0; names[i] != NULL; i++)
		buf_addf(b, "<th%s>%s</th>", names[i][0] == '#' ?
		    " class=\"n\"" : "", names[i] + (names[i][0] == '#'));
	buf_adds(b, "</tr>\n");
}

static void
add_top(struct buf *b, const struct status *st)
{
	char	 sum[3 * STATUS_SIZE], when[STATUS_SIZE];

	words_sum(sum, st);
	words_time(when, st->now_ms);
	buf_adds(b, head);
	buf_adds(b, "<title>");
	words_xml(b, words_cluster(st));
	buf_addf(b, ": %s</title>\n%s</head>\n<body>\n<header class=\"%s\">"
	    "<h1>", sum, style, st->nwrong > 0 ? "wrong" : "well");
	words_xml(b, words_cluster(st));
	buf_addf(b, ": %s</h1>\n<p>Seen from ", sum);
	words_xml(b, st->conf->self);
	buf_addf(b, " at %s</p>\n", when);
	if (st->nproblems > 0)
		buf_adds(b, "<ul>\n");
	for (size_t i = 0; i < st->nproblems; i++) {
		buf_adds(b, "<li>");
		mark(b, st->problem[i].level);
		words_xml(b, st->problem[i].text);
		buf_adds(b, "</li>\n");
	}
	if (st->nproblems > 0)
		buf_adds(b, "</ul>\n");
	buf_adds(b, "</header>\n");
}

/* The names of one disk of several go into its label. */
static void
add_disk_bar(struct chart *c, const struct node_status *n,
    const struct load_disk *d)
{
	struct bar	*r;
	char		 used[STATUS_SIZE], total[STATUS_SIZE];

	if (d->total == 0 || (r = chart_bar(c)) == NULL)
		return;
	words_size(used, d->total - d->free);
	words_size(total, d->total);
	snprintf(r->label, sizeof(r->label), n->load.ndisks > 1 ? "%s: %s" :
	    "%s", n->cn->name, d->holds);
	snprintf(r->text, sizeof(r->text), "%s of %s, %u%%", used, total,
	    words_used(d));
	r->part = (double)(d->total - d->free) / (double)d->total;
	r->level = r->part > 0.99 ? LEVEL_WRONG : r->part > 0.95 ?
	    LEVEL_NOTE : LEVEL_WELL;
}

static void
add_disks(struct buf *b, const struct status *st)
{
	struct chart	 c = { .title = "Disk use",
			    .note = "of each node's file systems" };

	for (size_t i = 0; i < st->nnodes; i++)
		for (size_t k = 0; k < st->node[i].load.ndisks; k++)
			add_disk_bar(&c, &st->node[i],
			    &st->node[i].load.disk[k]);
	chart_draw(&c, b);
}

static uint64_t
longest_lag(const struct status *st)
{
	uint64_t	 max = 0;

	for (size_t i = 0; i < st->nplaces; i++)
		if (st->place[i].lag != NULL && st->place[i].lag->bytes > max)
			max = st->place[i].lag->bytes;
	return max;
}

static void
add_lag_bar(struct chart *c, const struct place_status *p, uint64_t max)
{
	struct bar	*r;
	char		 bytes[STATUS_SIZE], span[STATUS_SIZE];

	if ((r = chart_bar(c)) == NULL)
		return;
	snprintf(r->label, sizeof(r->label), "%s on %s", p->cv->name,
	    p->label);
	r->level = p->level;
	if (p->lag->bytes == 0) {
		snprintf(r->text, sizeof(r->text), "up to date");
		return;
	}
	words_size(bytes, p->lag->bytes);
	words_span(span, (uint64_t)p->lag->ms / 1000);
	snprintf(r->text, sizeof(r->text), "%s, %s", bytes, span);
	r->part = (double)p->lag->bytes / (double)max;
}

/* Those that are behind first: not all may fit. */
static void
add_lags(struct buf *b, const struct status *st)
{
	struct chart	 c = { .title = "Copies behind",
			    .note = "in bytes, and since when" };
	uint64_t	 max = longest_lag(st);

	for (int level = 0; level <= 1; level++)
		for (size_t i = 0; i < st->nplaces; i++)
			if (st->place[i].lag != NULL &&
			    (st->place[i].lag->bytes == 0) == level)
				add_lag_bar(&c, &st->place[i], max);
	chart_draw(&c, b);
}

static void
add_load_bar(struct chart *c, const struct node_status *n, double max)
{
	struct bar	*r;

	if (n->rc != 0 || (r = chart_bar(c)) == NULL)
		return;
	snprintf(r->label, sizeof(r->label), "%s", n->cn->name);
	snprintf(r->text, sizeof(r->text), "%.2f of %llu", n->load.load,
	    (ull)n->load.processors);
	r->part = n->load.load / max;
	r->tick = (double)n->load.processors / max;
}

static void
add_loads(struct buf *b, const struct status *st)
{
	struct chart	 c = { .title = "Load",
			    .note = "and how many processors there are" };
	double		 max = 1;

	for (size_t i = 0; i < st->nnodes; i++) {
		if (st->node[i].load.load > max)
			max = st->node[i].load.load;
		if ((double)st->node[i].load.processors > max)
			max = (double)st->node[i].load.processors;
	}
	for (size_t i = 0; i < st->nnodes; i++)
		add_load_bar(&c, &st->node[i], max);
	chart_draw(&c, b);
}

static void
add_node(struct buf *b, const struct status *st, const struct node_status *n)
{
	const struct load_disk	*d = words_disk(&n->load);
	char			 scrub[3 * STATUS_SIZE];
	uint64_t		 waiting, failed;

	begin_row(b, n->level);
	cell(b, "", "%s", n->cn->name);
	cell(b, "", "%s", n->rc == 0 ? "up" : "down");
	if (n->rc != 0) {
		buf_adds(b, "<td colspan=\"7\">");
		words_xml(b, n->why);
		buf_adds(b, "</td></tr>\n");
		return;
	}
	words_scrub(scrub, st, &n->load.scrub);
	words_spools(&n->load, &waiting, &failed);
	cell(b, "n", "%.2f", n->load.load);
	cell(b, "n", "%llu", (ull)n->load.sessions);
	cell_size(b, d != NULL ? d->free : 0);
	cell(b, "n", "%llu", (ull)waiting);
	cell(b, "n", "%llu", (ull)failed);
	cell(b, "", "%s", scrub);
	cell(b, "n", "%lld ms", (long long)n->ms);
	buf_adds(b, "</tr>\n");
}

static void
add_nodes(struct buf *b, const struct status *st)
{
	static const char *const names[] = { "Node", "State", "#Load",
				    "#Sessions", "#Free", "#Waiting",
				    "#Failed", "Last check", "#Answer in",
				    NULL };

	begin_table(b, "Nodes", names);
	for (size_t i = 0; i < st->nnodes; i++)
		add_node(b, st, &st->node[i]);
	buf_adds(b, "</table></section>\n");
}

static void
add_place(struct buf *b, const struct place_status *p)
{
	char	 span[STATUS_SIZE];

	begin_row(b, p->level);
	cell(b, "", "%s", p->cv->name);
	cell(b, "", "%s", p->label);
	cell(b, "", "%s", p->index == -1 ? "home" : "copy");
	cell(b, "", "%s", words_place(p));
	if (p->there != NULL) {
		cell(b, "n", "%u", p->there->epoch);
		cell(b, "n", "%u", p->there->segments);
		cell_size(b, p->there->bytes);
	} else {
		buf_adds(b, "<td></td><td></td><td></td>");
	}
	if (p->lag != NULL) {
		words_span(span, (uint64_t)p->lag->ms / 1000);
		cell_size(b, p->lag->bytes);
		cell(b, "n", "%s", span);
	} else {
		cell(b, "n", "%s", p->index == -1 ? "" : "?");
		buf_adds(b, "<td></td>");
	}
	buf_adds(b, "</tr>\n");
}

static void
add_places(struct buf *b, const struct status *st)
{
	static const char *const names[] = { "Volume", "Place", "", "State",
				    "#Epoch", "#Segments", "#Bytes",
				    "#Behind", "#For", NULL };

	begin_table(b, "Volumes", names);
	for (size_t i = 0; i < st->nplaces; i++)
		add_place(b, &st->place[i]);
	buf_adds(b, "</table></section>\n");
}

static void
add_catalog(struct buf *b, const struct catalog_status *c)
{
	static const char *const names[] = { "State", "Node", "#Mailboxes",
				    "#Messages", "#Bytes", "#Gaps",
				    "#Behind", NULL };

	begin_table(b, "Catalog", names);
	begin_row(b, c->level);
	if (c->rc != 0) {
		cell(b, "", "away");
		buf_adds(b, "<td colspan=\"6\">");
		words_xml(b, c->why);
		buf_adds(b, "</td>");
	} else {
		cell(b, "", "%s", c->state);
		cell(b, "", "%s%s%s%s%s", c->node, c->leader[0] != '\0' ?
		    ", led by " : "", c->leader, c->witness[0] != '\0' ?
		    ", witness " : "", c->witness);
		cell(b, "n", "%llu", (ull)c->mailboxes);
		cell(b, "n", "%llu", (ull)c->messages);
		cell_size(b, c->bytes);
		cell(b, "n", "%llu", (ull)c->gaps);
		cell_size(b, c->behind);
	}
	buf_adds(b, "</tr>\n</table></section>\n");
}

int
status_html(const struct status *st, struct buf *b)
{
	add_top(b, st);
	buf_adds(b, "<div class=\"charts\">\n");
	add_disks(b, st);
	add_lags(b, st);
	add_loads(b, st);
	buf_adds(b, "</div>\n");
	add_nodes(b, st);
	add_places(b, st);
	add_catalog(b, &st->catalog);
	buf_adds(b, "</body>\n</html>\n");
	return b->err;
}
