#include <stdlib.h>
#include <unistd.h>

#include "adapter/kv.h"
#include "base/time.h"
#include "tap.h"

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static int
gather(void *arg, struct span k, struct span v)
{
	struct buf	*b = arg;

	buf_add(b, k.p, k.len);
	buf_addc(b, '=');
	buf_add(b, v.p, v.len);
	buf_addc(b, ' ');
	return 0;
}

static int
count(void *arg, struct span k, struct span v)
{
	unsigned	*n = arg;

	(void)k;
	(void)v;
	return ++*n == 700 ? 42 : 0;
}

static void
fill(struct kv_env *e, struct kv *t, int n)
{
	struct kv_txn	*x;
	char		 k[32], v[300];

	if (kv_begin(e, &x) != 0)
		abort();
	memset(v, 'x', sizeof(v));
	for (int i = 0; i < n; i++) {
		snprintf(k, sizeof(k), "many%08d", i);
		if (kv_put(t, x, sp(k), (struct span){ v, sizeof(v) }) != 0)
			abort();
	}
	if (kv_commit(x) != 0)
		abort();
}

/* All keys of fill, by steps: how many are as they should be. */
static int
near(struct kv_near *r, int n, int step)
{
	char		 k[32];
	struct span	 v;
	int		 good = 0;

	for (int i = 0; i < n; i++) {
		snprintf(k, sizeof(k), "many%08d", (int)((long)i * step % n));
		good += kv_near_get(r, sp(k), &v) == 0 && v.len == 300 &&
		    v.p[0] == 'x' && v.p[299] == 'x';
	}
	return good;
}

/* One that comes between those that were read along is found, too. */
static void
test_near(struct kv_env *e, struct kv *t, int n)
{
	struct kv_near	*r = kv_near_new(t);
	struct kv_txn	*x;
	struct span	 v;

	is_int(near(r, n, 1), n, "near: each, in order");
	is_int(near(r, n, n - 1), n, "and back");
	is_int(near(r, n, 1237), n, "and by leaps");
	is_int(kv_near_get(r, sp("many00000003a"), &v), CM_ENOINPUT,
	    "one that is missing");
	is_int(near(r, n, 1), n, "in order again");
	is_int(kv_near_get(r, sp("zzz"), &v), CM_ENOINPUT, "behind the end");
	kv_near_free(r);
	r = kv_near_new(t);
	is_int(kv_near_get(r, sp("many00000003"), &v), 0, "one");
	if (kv_begin(e, &x) != 0 ||
	    kv_put(t, x, sp("many00000003a"), sp("new")) != 0 ||
	    kv_commit(x) != 0)
		abort();
	is_int(kv_near_get(r, sp("many00000003a"), &v), 0, "it came since");
	is_int(v.len, 3, "and is the new one");
	kv_near_free(r);
}

static void
speed(const char *dir, int n)
{
	struct kv_env	*e;
	struct kv	*r, *m;
	struct kv_txn	*x = NULL;
	char		 key[16], v[700] = { 1 };
	int64_t		 t0;

	if (kv_open(NULL, dir, 128 << 20, &e) != 0 ||
	    kv_table(e, "r", &r) != 0 || kv_table(e, "m", &m) != 0)
		abort();
	t0 = time_mono_us();
	for (int i = 0; i < n; i++) {
		if (i % 2000 == 0) {
			if (x != NULL && kv_commit(x) != 0)
				abort();
			if (kv_begin(e, &x) != 0)
				abort();
		}
		memset(key, 0, 16);
		key[4] = (char)(i >> 24), key[5] = (char)(i >> 16);
		key[6] = (char)(i >> 8), key[7] = (char)i;
		if (kv_put(r, x, (struct span){ key, 16 },
		    (struct span){ v, 600 }) != 0)
			abort();
		for (int j = 0; j < 2; j++) {
			memset(key, 0, 12);
			key[3] = (char)((i * 2 + j) % 100);
			key[8] = (char)(i / 50 >> 24);
			key[9] = (char)(i / 50 >> 16);
			key[10] = (char)(i / 50 >> 8);
			key[11] = (char)(i / 50);
			if (kv_put(m, x, (struct span){ key, 12 },
			    (struct span){ v, 60 }) != 0)
				abort();
		}
	}
	if (kv_commit(x) != 0)
		abort();
	printf("# %.0f records/s\n", n / ((double)(time_mono_us() - t0) / 1e6));
	kv_close(e);
}

int
main(int argc, char **argv)
{
	char		 dir[] = "/tmp/cm-kv.XXXXXX", cmd[100];
	struct kv_env	*e;
	struct kv	*t;
	struct kv_txn	*x;
	struct buf	 b;
	unsigned	 n = 0;

	if (argc > 2) {
		speed(argv[1], atoi(argv[2]));
		return 0;
	}
	if (mkdtemp(dir) == NULL)
		return 1;
	buf_init(&b, 1 << 20);
	is_int(kv_open(NULL, dir, 8 << 20, &e), 0, "open");
	is_int(kv_table(e, "t", &t), 0, "table");
	is_int(kv_get(t, NULL, sp("a"), &b), CM_ENOINPUT, "no such key");
	is_int(kv_begin(e, &x), 0, "begin");
	is_int(kv_put(t, x, sp("b"), sp("2")), 0, "put");
	is_int(kv_put(t, x, sp("a"), sp("1")), 0, "put");
	is_int(kv_put(t, x, sp("ab"), sp("3")), 0, "put");
	is_int(kv_get(t, x, sp("a"), &b), 0, "read inside");
	is_int(kv_commit(x), 0, "commit");
	is_int(kv_get(t, NULL, sp("a"), &b), 0, "read after");
	is_str(b.p, "1", "value");
	buf_reset(&b);
	is_int(kv_walk(t, NULL, sp("a"), 1, gather, &b), 0, "walk prefix");
	is_str(b.p, "a=1 ab=3 ", "in order");
	is_int(kv_begin(e, &x), 0, "begin");
	is_int(kv_del(t, x, sp("a")), 0, "del");
	is_int(kv_del(t, x, sp("zz")), CM_ENOINPUT, "del of nothing");
	kv_abort(x);
	is_int(kv_get(t, NULL, sp("a"), &b), 0, "abort undoes");
	fill(e, t, 5000);
	is_int(kv_walk(t, NULL, sp("many"), 4, count, &n), 42, "stopped");
	is_int(n, 700, "at the 700th");
	n = 1000;
	is_int(kv_walk(t, NULL, sp("many"), 4, count, &n), 0, "all");
	is_int(n, 6000, "each once, over several buffers");
	test_near(e, t, 5000);
	is_int(kv_checkpoint(e, true), 0, "checkpoint");
	kv_close(e);
	is_int(kv_open(NULL, dir, 8 << 20, &e), 0, "reopen");
	is_int(kv_table(e, "t", &t), 0, "table");
	is_int(kv_get(t, NULL, sp("b"), &b), 0, "still there");
	kv_close(e);
	buf_free(&b);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	is_int(system(cmd), 0, "clean");
	return tap_done();
}
