/* A node's load as text, and what cm-status finds wrong. */
#include <stdlib.h>
#include <string.h>

#include "cluster/status_int.h"
#include "tap.h"

static int
parse(struct load *l, const char *text)
{
	return load_parse(l, (struct span){ text, strlen(text) });
}

static void
test_round(void)
{
	static const char	 text[] =
	    "node n2\nload 2.83\nprocessors 2\nsessions 4\n"
	    "service smtpd 3 500\nservice smtpd 9 10\ndelay 250\nspace 77\n"
	    "set n1 drain 2026-11-24T08:00:00.000Z 10 -\n"
	    "disk 100 400 state v1 v2\n"
	    "free v2 0\nplace v2 -1 3 2 300 2 100 ok\n"
	    "free v1 0\nplace v1 0 1 1 200 1 200 old\n"
	    "lag v2 n3#1 70 61 down\nspool incoming 5 1\n"
	    "scrub 2026-11-24T08:00:00.000Z 9 2 1\nfinding a b\n";
	struct load		 l;
	struct buf		 b;

	buf_init(&b, LOAD_TEXT_MAX);
	ok(parse(&l, text) == 0, "a load is parsed");
	load_write(&l, &b);
	ok(b.err == 0 && strcmp(b.p, text) == 0, "and written the same");
	ok(l.place[0].index == -1 && l.place[1].index == 0 &&
	    l.place[1].old && !l.place[0].old, "home and copy");
	ok(load_percent(&l) > 256.4 && load_percent(&l) < 256.6 &&
	    load_clients(&l) == 12, "in percent: %f", load_percent(&l));
	ok(l.lag[0].ms == 61000 && !l.lag[0].up, "the lag");
	buf_free(&b);
	load_free(&l);
}

static void
test_bad(void)
{
	static const char *const	 bad[] = {
		"node n1\nload\n", "node n1\nload 1\n", "node n1\nload 1.5\n",
		"node n1\nload -1.50\n", "node n1\nprocessors x\n",
		"node n1\nservice smtpd 3\n", "node n1\ndelay -1\n",
		"node n1\nset n1 away 2026-11-24T08:00:00.000Z 10 -\n",
		"node n1\nset n1 up - 10\n",
		"node n1\ndisk 1 2\n", "node n1\nplace v1 -1 1 1 1 1\n",
		"node n1\nplace v1 9999 1 1 1 1 1 ok\n",
		"node n1\nlag v1 n2 1 99999999999999999999 up\n",
		"node n1\nspool incoming 1\n",
		"node n1\nscrub yesterday 1 1 1\n",
		"node \n",
	};
	char				 big[256];
	struct load			 l;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(parse(&l, bad[i]) == CM_EPROTO && l.place == NULL,
		    "bad line %zu is refused", i);
	ok(parse(&l, "") == CM_EDATA, "nothing is no load");
	ok(parse(&l, "load 1.00\n") == CM_EDATA, "nor without a node");
	ok(parse(&l, "node n1\nfuture 1 2 3\n\n") == 0,
	    "unknown words are skipped");
	load_free(&l);
	memset(big, 'x', sizeof(big));
	memcpy(big, "node ", 5);
	big[255] = '\0';
	ok(parse(&l, big) == CM_EPROTO, "a name that is too long");
	ok(parse(&l, "node n1\nfinding \033[31m<&\x7f\xc3\xa4\n") == 0 &&
	    strcmp(l.scrub.finding[0], "?[31m<&???") == 0,
	    "control characters do not come through");
	load_free(&l);
}

static void
test_many_findings(void)
{
	struct load_scrub	 s = { 0 };

	for (int i = 0; i < 1000; i++)
		load_scrub_add(&s, (struct span){ "x", 1 });
	ok(s.found == 1000 && s.nfindings == LOAD_FINDINGS_MAX,
	    "all are counted, the first are kept");
}

/* Two nodes, one volume at home on a with a copy on b. */
struct world {
	struct conf		 conf;
	struct conf_node	 cn[2];
	struct conf_volume	 cv;
	struct conf_copy	 cc;
	struct load_place	 home, copy;
	struct mirror_lag	 lag;
	struct node_status	 node[2];
	struct place_status	 place[2];
	struct status		 st;
};

static void
world(struct world *w)
{
	static char	 a[] = "a", b[] = "b", v[] = "v1";

	memset(w, 0, sizeof(*w));
	w->cn[0].name = a;
	w->cn[1].name = b;
	w->cc.node = b;
	w->cv = (struct conf_volume){ .name = v, .home = a, .copies = &w->cc,
	    .ncopies = 1 };
	w->conf.self = a;
	w->conf.nodes = w->cn;
	w->home.epoch = w->copy.epoch = 1;
	w->lag.up = true;
	w->node[0].cn = &w->cn[0];
	w->node[1].cn = &w->cn[1];
	w->place[0] = (struct place_status){ .cv = &w->cv, .index = -1,
	    .node = a, .label = "a", .there = &w->home };
	w->place[1] = (struct place_status){ .cv = &w->cv, .index = 0,
	    .node = b, .label = "b", .there = &w->copy, .lag = &w->lag };
	w->st.conf = &w->conf;
	w->st.node = w->node;
	w->st.nnodes = w->st.nplaces = 2;
	w->st.place = w->place;
	memcpy(w->st.catalog.state, "ok", 3);
}

static void
forget(struct world *w)
{
	for (size_t i = 0; i < w->st.nproblems; i++)
		free(w->st.problem[i].text);
	free(w->st.problem);
}

/* What is found is this, and no more. */
static void
finds(struct world *w, enum level level, const char *text, const char *name)
{
	struct status	*st = &w->st;
	bool		 good = status_find(st) == 0 &&
			    status_is_well(st) == (level != LEVEL_WRONG);

	if (level == LEVEL_WELL)
		good = good && st->nproblems == 0;
	else
		good = good && st->nproblems == 1 &&
		    st->problem[0].level == level &&
		    strstr(st->problem[0].text, text) != NULL;
	ok(good, "%s", name);
	for (size_t i = 0; !good && i < st->nproblems; i++)
		printf("# %s\n", st->problem[i].text);
	forget(w);
}

static void
test_copies(void)
{
	struct world	 w;

	world(&w);
	finds(&w, LEVEL_WELL, "", "nothing");
	world(&w);
	w.lag.bytes = 9;
	w.lag.ms = 60000;
	finds(&w, LEVEL_WELL, "", "a copy behind for 60 seconds is well");
	world(&w);
	w.lag.bytes = 9;
	w.lag.ms = 60001;
	finds(&w, LEVEL_WRONG, "copy on b is 9 behind, for 60 s",
	    "for longer it is not");
	world(&w);
	w.lag.up = false;
	finds(&w, LEVEL_NOTE, "cannot send", "one that is down is a note");
	world(&w);
	w.place[1].lag = NULL;
	finds(&w, LEVEL_WRONG, "nobody on a knows", "no lag is known");
}

static void
test_homes(void)
{
	struct world	 w;

	world(&w);
	w.home.epoch = w.copy.epoch = 0;
	w.place[1].lag = NULL;
	finds(&w, LEVEL_WELL, "", "a new cluster is empty, and well");
	world(&w);
	w.home.epoch = 0;
	w.place[1].lag = NULL;
	finds(&w, LEVEL_WRONG, "is gone", "a home that is gone");
	world(&w);
	w.copy.epoch = 2;
	finds(&w, LEVEL_WRONG, "an old one", "an old home by its epoch");
	world(&w);
	w.home.old = true;
	w.place[1].lag = NULL;
	finds(&w, LEVEL_WRONG, "an old one", "and by its mark");
}

static void
test_nodes(void)
{
	struct load_disk	 d = { 10, 100, "state" };
	struct load_spool	 s = { "incoming", 3, 0 };
	struct world		 w;

	world(&w);
	w.node[1].rc = CM_EAWAY;
	w.place[1].there = NULL;
	w.lag.up = false;
	finds(&w, LEVEL_WRONG, "node b does not answer",
	    "a node that is down: one line");
	world(&w);
	d.total = 1000;
	d.free = 60;
	w.node[0].load.disk = &d;
	w.node[0].load.ndisks = 1;
	finds(&w, LEVEL_WELL, "", "six percent free");
	world(&w);
	d.free = 40;
	w.node[0].load.disk = &d;
	w.node[0].load.ndisks = 1;
	finds(&w, LEVEL_NOTE, "only 40 free", "four percent free");
	world(&w);
	d.free = 0;
	w.node[0].load.disk = &d;
	w.node[0].load.ndisks = 1;
	finds(&w, LEVEL_WRONG, "only 0 free", "a full disk");
	world(&w);
	w.node[0].load.spool = &s;
	w.node[0].load.nspools = 1;
	finds(&w, LEVEL_WELL, "", "files that wait");
	world(&w);
	s.failed = 1;
	w.node[0].load.spool = &s;
	w.node[0].load.nspools = 1;
	finds(&w, LEVEL_NOTE, "1 file in", "a file that failed");
}

static void
test_rest(void)
{
	struct world	 w;

	world(&w);
	w.node[0].load.scrub = (struct load_scrub){ .end_ms = 1, .found = 2,
	    .finding = { "x", "y" }, .nfindings = 2 };
	finds(&w, LEVEL_WELL, "", "what was repaired");
	world(&w);
	w.node[0].load.scrub = (struct load_scrub){ .end_ms = 1, .found = 2,
	    .left = 1, .finding = { "x", "y" }, .nfindings = 2 };
	finds(&w, LEVEL_WRONG, "left 1 wrong", "and what was not");
	world(&w);
	w.st.catalog.rc = CM_EAWAY;
	finds(&w, LEVEL_WRONG, "catalog does not", "no catalog");
	world(&w);
	memcpy(w.st.catalog.state, "missing", 8);
	finds(&w, LEVEL_WRONG, "cm-rebuild catalog", "one that is missing");
	world(&w);
	memcpy(w.st.catalog.alone, "n2\tsince", 9);
	finds(&w, LEVEL_NOTE, "by n2 without", "one of two goes on");
	world(&w);
	memcpy(w.st.catalog.state, "being built", 12);
	finds(&w, LEVEL_NOTE, "being built", "one that is being built");
	world(&w);
	w.st.catalog.gaps = 1;
	finds(&w, LEVEL_WRONG, "1 stretch", "one with a gap");
}

static void
test_words(void)
{
	struct buf	 b;
	char		 t[STATUS_SIZE];

	buf_init(&b, 1000);
	words_xml(&b, "<a b='\"&'>\001\033\x7f\xc3\xa4\xff\xed\xa0\x80\xc3");
	ok(strcmp(b.p, "&lt;a b=&#39;&quot;&amp;&#39;&gt;???\xc3\xa4?????")
	    == 0, "whatever it is becomes XML");
	buf_free(&b);
	words_size(t, 1023);
	ok(strcmp(t, "1023") == 0, "1023");
	words_size(t, 1024);
	ok(strcmp(t, "1.0K") == 0, "1.0K");
	words_size(t, 1023 * 1024);
	ok(strcmp(t, "1.0M") == 0, "three digits at most");
	words_size(t, UINT64_MAX);
	ok(strcmp(t, "16E") == 0, "the largest");
	words_span(t, UINT64_MAX);
	ok(strlen(t) < STATUS_SIZE - 1, "a span of any length");
}

/* Many rows on a small screen. */
static void
test_fold(void)
{
	struct status_view	 view = { false, 24 };
	struct place_status	 many[100];
	struct world		 w;
	struct buf		 b;
	size_t			 lines = 0;

	world(&w);
	for (size_t i = 0; i < 100; i++)
		many[i] = w.place[0];
	many[50].level = LEVEL_WRONG;
	w.st.place = many;
	w.st.nplaces = 100;
	buf_init(&b, STATUS_TEXT_MAX);
	ok(status_text(&w.st, &view, &b) == 0, "many places");
	for (size_t i = 0; i < b.len; i++)
		lines += b.p[i] == '\n';
	ok(lines <= 24, "fit on a screen");
	ok(strstr(b.p, "and 99 more that are well") != NULL, "and it says so");
	ok(strchr(b.p, '\033') == NULL, "no colour");
	buf_reset(&b);
	view.rows = 0;
	view.color = true;
	ok(status_text(&w.st, &view, &b) == 0 && strstr(b.p, " more ") == NULL
	    && strstr(b.p, "\033[31m!!") != NULL, "all of them, in colour");
	buf_free(&b);
}

int
main(void)
{
	test_round();
	test_bad();
	test_many_findings();
	test_copies();
	test_homes();
	test_nodes();
	test_rest();
	test_words();
	test_fold();
	return tap_done();
}
