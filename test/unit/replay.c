/* Which batches of several nodes' journals are due behind a dump. */
#include <stdlib.h>

#include "cluster/replay.h"
#include "tap.h"

static struct log	 silent;

struct text {
	struct buf	 b;
	uint64_t	 number;
};

static void
add(struct text *t, int64_t s, uint64_t fork, const char *note)
{
	struct journal_line l = { .number = ++t->number, .time_ms = s * 1000,
				.fork = fork, .note = { note,
				strlen(note) } };

	if (journal_write(&t->b, &l) != 0)
		abort();
}

/* A batch of that many changes. */
static void
batch(struct text *t, int64_t s, uint64_t fork, unsigned catalog, unsigned n,
    unsigned changes)
{
	char	 note[100];

	for (unsigned i = 0; i < changes; i++)
		add(t, s, fork, "-\tflag\tx");
	snprintf(note, sizeof(note), "-\tbatch\t%016x\t%u\t%u", catalog, n,
	    changes);
	add(t, s, fork, note);
	add(t, s, fork, "-\tdone");
}

/* "SOURCE.NUMBER ..." of what is due, and what is said. */
static void
is_due(struct text *t, size_t n, uint64_t catalog, uint64_t number,
    const char *want, const char *name)
{
	struct replay	 r = { .log = &silent, .start = { catalog, number,
			    0 }, .scratch = catalog == 0 };
	struct buf	 b;

	buf_init(&b, 4096);
	buf_init(&r.said, 4096);
	r.source = calloc(n, sizeof(*r.source));
	r.nsources = n;
	for (size_t i = 0; r.source != NULL && i < n; i++) {
		r.source[i].fd = -1;
		r.source[i].text = t[i].b.p;
		r.source[i].len = t[i].b.len;
	}
	is_int(replay_choose(&r), 0, "%s: chosen", name);
	for (size_t i = 0; i < r.nbatches; i++)
		buf_addf(&b, "%zu.%llu/%llu ", r.batch[i].source,
		    (unsigned long long)r.batch[i].catalog,
		    (unsigned long long)r.batch[i].number);
	buf_addf(&b, "%s", r.said.len > 0 ? r.said.p : "");
	is_str(b.p, want, "%s", name);
	for (size_t i = 0; i < n; i++)
		r.source[i].len = 0;	/* it is ours */
	replay_free(&r);
	buf_free(&b);
}

static void
fresh(struct text *t)
{
	for (int i = 0; i < 2; i++) {
		buf_free(&t[i].b);
		buf_init(&t[i].b, 1u << 20);
		t[i].number = 0;
		buf_adds(&t[i].b, "clustermail-journal 1 1\n");
	}
}

int
main(void)
{
	struct text	 t[2] = { 0 };

	fresh(t);
	is_due(t, 2, 7, 3, "=empty\n", "no lines");
	batch(&t[0], 10, 0, 7, 3, 1);
	batch(&t[0], 11, 0, 7, 4, 1);
	batch(&t[1], 12, 0, 7, 5, 2);
	batch(&t[0], 13, 0, 7, 6, 1);
	is_due(t, 2, 7, 3, "0.7/4 1.7/5 0.7/6 ", "two that led in turn");
	is_due(t, 1, 7, 3, "0.7/4 0.7/6 =hole\t5\t5\n", "one is not there");
	is_due(t, 2, 7, 1, "0.7/3 0.7/4 1.7/5 0.7/6 =hole\t2\t2\n",
	    "it begins later");
	is_due(t, 2, 7, 9, "", "a dump from behind the end");
	is_due(t, 2, 8, 1, "=other\n", "a dump of another one");
	batch(&t[1], 14, 0, 7, 6, 1);
	is_due(t, 2, 7, 5, "1.7/6 ", "one was undone by who led next");

	/* loads */
	fresh(t);
	batch(&t[0], 10, 0, 7, 1, 1);
	batch(&t[0], 11, 0, 7, 2, 1);
	add(&t[0], 12, 0, "-\tload\t0000000000000008\t0000000000000007\t1");
	batch(&t[0], 13, 0, 8, 2, 1);
	is_due(t, 1, 7, 1, "0.8/2 ", "the dump that was loaded");
	is_due(t, 1, 7, 0, "0.7/1 0.8/2 ", "one before it");
	is_due(t, 1, 7, 2, "=other\n", "what the load has put away");
	is_due(t, 1, 8, 2, "", "the newest one");
	is_due(t, 1, 0, 0, "0.7/1 0.8/2 ", "none");

	/* a pair that was split */
	fresh(t);
	batch(&t[0], 10, 0, 7, 1, 1);
	add(&t[0], 11, 0xa, "-\talone");
	batch(&t[0], 12, 0xa, 7, 2, 1);
	batch(&t[1], 13, 0xb, 7, 2, 3);
	batch(&t[1], 14, 0xb, 7, 3, 3);
	is_due(t, 2, 7, 1, "1.7/2 1.7/3 =split\t1\n", "never met again: more "
	    "changes");
	add(&t[0], 15, 0xa, "000000000000000b\tmerge");
	batch(&t[0], 15, 0, 7, 3, 2);
	is_due(t, 2, 7, 1, "0.7/2 0.7/3 ", "merged: once");
	fresh(t);
	for (int i = 0; i < 2; i++)
		buf_free(&t[i].b);
	return tap_done();
}
