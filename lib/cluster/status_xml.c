/* As XML, for programs. */
#include <string.h>

#include "base/time.h"
#include "cluster/status_int.h"

typedef unsigned long long ull;

static void
attr(struct buf *b, const char *name, const char *value)
{
	buf_addf(b, " %s=\"", name);
	words_xml(b, value);
	buf_addc(b, '"');
}

static void
num(struct buf *b, const char *name, uint64_t value)
{
	buf_addf(b, " %s=\"%llu\"", name, (ull)value);
}

static void
when(struct buf *b, const char *name, int64_t ms)
{
	char	 iso[TIME_ISO_SIZE];

	time_iso(iso, ms);
	attr(b, name, iso);
}

static void
add_scrub(struct buf *b, const struct load_scrub *s)
{
	if (s->end_ms == 0)
		return;
	buf_adds(b, "    <check");
	when(b, "end", s->end_ms);
	num(b, "seconds", s->seconds);
	num(b, "found", s->found);
	num(b, "left", s->left);
	buf_adds(b, ">\n");
	for (size_t i = 0; i < s->nfindings; i++) {
		buf_adds(b, "      <finding>");
		words_xml(b, s->finding[i]);
		buf_adds(b, "</finding>\n");
	}
	buf_adds(b, "    </check>\n");
}

static void
add_load(struct buf *b, const struct load *l)
{
	for (size_t i = 0; i < l->ndisks; i++) {
		buf_adds(b, "    <disk");
		attr(b, "holds", l->disk[i].holds);
		num(b, "free", l->disk[i].free);
		num(b, "total", l->disk[i].total);
		buf_adds(b, "/>\n");
	}
	for (size_t i = 0; i < l->nspools; i++) {
		buf_adds(b, "    <spool");
		attr(b, "name", l->spool[i].name);
		num(b, "waiting", l->spool[i].waiting);
		num(b, "failed", l->spool[i].failed);
		buf_adds(b, "/>\n");
	}
	add_scrub(b, &l->scrub);
}

static void
add_node(struct buf *b, const struct node_status *n)
{
	buf_adds(b, "  <node");
	attr(b, "name", n->cn->name);
	attr(b, "state", n->rc == 0 ? "up" : "down");
	attr(b, "level", words_level(n->level));
	num(b, "answer-ms", (uint64_t)n->ms);
	if (n->rc != 0) {
		attr(b, "why", n->why);
		buf_adds(b, "/>\n");
		return;
	}
	buf_addf(b, " load=\"%.2f\"", n->load.load);
	num(b, "processors", n->load.processors);
	num(b, "sessions", n->load.sessions);
	buf_adds(b, ">\n");
	add_load(b, &n->load);
	buf_adds(b, "  </node>\n");
}

static void
add_place(struct buf *b, const struct place_status *p)
{
	buf_adds(b, p->index == -1 ? "    <home" : "    <copy");
	attr(b, "node", p->node);
	if (p->index != -1)
		attr(b, "label", p->label);
	attr(b, "state", words_place(p));
	attr(b, "level", words_level(p->level));
	if (p->there != NULL) {
		num(b, "epoch", p->there->epoch);
		num(b, "segments", p->there->segments);
		num(b, "bytes", p->there->bytes);
		num(b, "last", p->there->last);
		num(b, "end", p->there->end);
	}
	if (p->lag != NULL) {
		attr(b, "link", p->lag->up ? "up" : "down");
		num(b, "lag-bytes", p->lag->bytes);
		num(b, "lag-seconds", (uint64_t)p->lag->ms / 1000);
	}
	buf_adds(b, "/>\n");
}

static void
add_volumes(struct buf *b, const struct status *st)
{
	for (size_t i = 0; i < st->nplaces; i++) {
		const struct place_status *p = &st->place[i];

		if (p->index == -1) {
			buf_adds(b, i > 0 ? "  </volume>\n  <volume" :
			    "  <volume");
			attr(b, "name", p->cv->name);
			attr(b, "closed", p->cv->closed ? "yes" : "no");
			buf_adds(b, ">\n");
		}
		add_place(b, p);
	}
	if (st->nplaces > 0)
		buf_adds(b, "  </volume>\n");
}

static void
add_catalog(struct buf *b, const struct catalog_status *c)
{
	buf_adds(b, "  <catalog");
	attr(b, "state", c->rc == 0 ? c->state : "away");
	attr(b, "level", words_level(c->level));
	if (c->rc != 0) {
		attr(b, "why", c->why);
	} else {
		attr(b, "node", c->node);
		if (c->leader[0] != '\0')
			attr(b, "leader", c->leader);
		if (c->witness[0] != '\0') {
			attr(b, "witness", c->witness);
			attr(b, "vote", c->vote);
		}
		num(b, "mailboxes", c->mailboxes);
		num(b, "messages", c->messages);
		num(b, "bytes", c->bytes);
		num(b, "gaps", c->gaps);
		num(b, "behind", c->behind);
	}
	buf_adds(b, "/>\n");
}

int
status_xml(const struct status *st, struct buf *b)
{
	buf_adds(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<status");
	attr(b, "cluster", words_cluster(st));
	attr(b, "seen-from", st->conf->self);
	when(b, "time", st->now_ms);
	attr(b, "well", status_is_well(st) ? "yes" : "no");
	buf_adds(b, ">\n");
	for (size_t i = 0; i < st->nproblems; i++) {
		buf_adds(b, "  <problem");
		attr(b, "level", words_level(st->problem[i].level));
		buf_addc(b, '>');
		words_xml(b, st->problem[i].text);
		buf_adds(b, "</problem>\n");
	}
	for (size_t i = 0; i < st->nnodes; i++)
		add_node(b, &st->node[i]);
	add_volumes(b, st);
	add_catalog(b, &st->catalog);
	buf_adds(b, "</status>\n");
	return b->err;
}
