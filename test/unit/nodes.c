/* What is known of nodes, and what they tell of themselves. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/busy.h"
#include "cluster/delay.h"
#include "cluster/nodes.h"
#include "tap.h"

#define T0	((int64_t)1700000000000)

static char	 dir[] = "/tmp/cm-unit-nodes.XXXXXX";
static char	 n1[] = "n1", n2[] = "n2", n3[] = "n3";
static struct conf_node	 node[3] = {
	{ .name = n1, .state = dir }, { .name = n2 }, { .name = n3 },
};
static struct conf	 conf = {
	.self = n1, .node = node, .nodes = node, .nnodes = 3,
	.dns = { .misses = 2, .answers = 2, .overload = 400 },
};
static unsigned	 lines;

static void
count_line(void *arg, enum log_level level, const char *text)
{
	(void)arg;
	(void)level;
	(void)text;
	lines++;
}

static const struct log	 counting = { CM_LOG_INFO, count_line, NULL };

static void
put(const char *name, const char *text)
{
	char	 path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ok(file_commit(NULL, path, text, strlen(text), 0600) == 0, "%s", name);
}

static void
test_none(void)
{
	struct nodes	 ns;

	is_int(nodes_stamp(&conf), 0, "no file has no stamp");
	is_int(nodes_load(NULL, &conf, &ns), 0, "nor lines");
	is_int(ns.n, 3, "all nodes are there");
	for (size_t i = 0; i < ns.n; i++)
		ok(nodes_is_in(&conf, &ns.node[i]) &&
		    ns.node[i].pref == NODES_PREF &&
		    ns.node[i].conf == &node[i], "and up: %zu", i);
	ok(nodes_find(&ns, "n2x", 2) == &ns.node[1] &&
	    nodes_find(&ns, "n2x", 3) == NULL, "found by name");
	nodes_free(&ns);
}

static void
test_note(void)
{
	struct nodes_node	 n = { .conf = &node[1] };

	ok(!nodes_note(&conf, &n, true, T0), "a first answer changes nothing");
	ok(!nodes_note(&conf, &n, false, T0 + 1) && !n.down, "nor one miss");
	ok(!nodes_note(&conf, &n, true, T0 + 2) && n.misses == 0,
	    "an answer takes it back");
	ok(!nodes_note(&conf, &n, false, T0 + 3), "a miss");
	ok(nodes_note(&conf, &n, false, T0 + 4) && n.down, "two: it is down");
	is_int(n.since_ms, T0 + 4, "since then");
	ok(!nodes_is_in(&conf, &n), "and out");
	ok(!nodes_note(&conf, &n, false, T0 + 5) && n.misses == 3, "still");
	ok(!nodes_note(&conf, &n, true, T0 + 6) && n.down, "an answer");
	ok(nodes_note(&conf, &n, true, T0 + 7) && !n.down, "two: it is up");
	is_int(n.answered_ms, T0 + 7, "the last answer");
	n.load = 399.9;
	ok(nodes_is_in(&conf, &n), "nearly overloaded");
	n.load = 400;
	ok(!nodes_is_in(&conf, &n), "overloaded");
	n.load = 0;
	conf.witness = n2;
	ok(!nodes_is_in(&conf, &n), "a witness takes no clients");
	conf.witness = NULL;
}

static void
test_take(void)
{
	struct nodes_node	 a = { .conf = &node[1], .pref = NODES_PREF };
	struct nodes_node	 b = a;
	struct nodes_said	 drain = { NODES_DRAIN, T0, 10, 0 };
	struct nodes_said	 down = { NODES_DOWN, T0, 10, 0 };
	struct nodes_said	 up = { NODES_UP, T0 + 1, 10, 0 };
	struct nodes_said	 pref = { NODES_UP, 0, 20, T0 };

	ok(nodes_take(&a, &drain, T0) && nodes_is_drained(&a), "drained");
	ok(!nodes_take(&a, &drain, T0), "the same once more is no news");
	(void)nodes_take(&a, &down, T0);
	(void)nodes_take(&b, &down, T0);
	(void)nodes_take(&b, &drain, T0);
	ok(a.set == b.set, "two of one time: all nodes take the same one");
	ok(nodes_take(&a, &pref, T0) && a.pref == 20 && a.set == b.set,
	    "the preference is by itself");
	a.down = true;
	a.misses = 7;
	ok(nodes_take(&a, &up, T0 + 9) && !a.down && a.misses == 0 &&
	    a.since_ms == T0 + 9 && a.pref == 20, "up forgets the misses");
	ok(!nodes_take(&a, &down, T0), "an older word does not count");
	a.down = true;
	pref.pref_ms++;
	pref.pref = 30;
	ok(nodes_take(&a, &pref, T0) && a.down && a.pref == 30,
	    "a preference does not");
	up.set_ms = 0;
	ok(!nodes_take(&b, &up, T0), "nor does what has no time count");
}

static void
test_round(void)
{
	struct nodes	 ns;
	uint64_t	 stamp;
	int		 lock;

	is_int(nodes_lock(NULL, &conf, &ns, &lock), 0, "locked");
	(void)nodes_note(&conf, &ns.node[0], true, T0);
	ns.node[0].load = 123.4;
	ns.node[0].free = UINT64_MAX;
	ns.node[0].sessions = 17;
	(void)nodes_note(&conf, &ns.node[1], false, T0 + 1);
	(void)nodes_note(&conf, &ns.node[1], false, T0 + 2);
	(void)nodes_take(&ns.node[2],
	    &(struct nodes_said){ NODES_DRAIN, T0 + 3, 77, T0 + 4 }, T0);
	is_int(nodes_write_polls(NULL, &conf, &ns), 0, "polls written");
	stamp = nodes_stamp(&conf);
	ok(stamp != 0 && stamp == nodes_stamp(&conf), "a stamp that stays");
	is_int(nodes_write_sets(NULL, &conf, &ns), 0, "sets written");
	ok(stamp != nodes_stamp(&conf), "and changes with either file");
	nodes_unlock(&ns, lock);

	lines = 0;
	is_int(nodes_load(&counting, &conf, &ns), 0, "read");
	is_int(lines, 0, "all lines are good");
	ok(ns.node[0].load > 123.3 && ns.node[0].load < 123.5 &&
	    ns.node[0].free == UINT64_MAX && ns.node[0].sessions == 17 &&
	    ns.node[0].asked_ms == T0 && ns.node[0].answered_ms == T0 &&
	    !ns.node[0].down, "the first node");
	ok(ns.node[1].down && ns.node[1].misses == 2 &&
	    ns.node[1].since_ms == T0 + 2 && ns.node[1].answered_ms == 0,
	    "the second one");
	ok(ns.node[2].set == NODES_DRAIN && ns.node[2].pref == 77 &&
	    ns.node[2].set_ms == T0 + 3 && ns.node[2].pref_ms == T0 + 4 &&
	    ns.node[2].asked_ms == 0,
	    "the third one");
	nodes_free(&ns);
}

static void
test_garbage(void)
{
	static char	 big[(5u << 20) + 1];
	struct nodes	 ns;

	put("run/nodes",
	    "n1 up 0 1 5.0 10 1 2023-11-14T22:13:20.000Z - -\n"
	    "n1 up 0 1 nan 10 1 2023-11-14T22:13:20.000Z - -\n"
	    "n1 up 0 1 5.0 10 1 2023-11-14T22:13:20.000Z -\n"
	    "n1 up 0 1 5.0 10 1 2023-11-14T22:13:20.000Z - - -\n"
	    "n1 sideways 0 1 5.0 10 1 2023-11-14T22:13:20.000Z - -\n"
	    "n1 up -1 1 5.0 10 1 2023-11-14T22:13:20.000Z - -\n"
	    "n1 up 0 1 5.0 99999999999999999999 1 - - -\n"
	    "gone down 9 0 5.0 10 1 2023-11-14T22:13:20.000Z - -\n"
	    "\n \n\001\377\n"
	    "n2 down 2 0 0.0 0 0 2023-11-14T22:13:20.000Z - -");
	put("nodes",
	    "n1 drain 2023-11-14T22:13:20.000Z 5 2023-11-14T22:13:20.000Z\n"
	    "n2 drain 2023-11-14T22:13:20.000Z 65536 -\n"
	    "n2 drain 2023-11-14T22:13:20.000Z 5\n"
	    "n2 drain\n"
	    "n2 away 2023-11-14T22:13:20.000Z 5 -\n"
	    "n3 up - 10 -\n"
	    "gone down 2023-11-14T22:13:20.000Z 5 -\n");
	lines = 0;
	is_int(nodes_load(&counting, &conf, &ns), 0, "garbage is read");
	is_int(lines, 8 + 4, "a line to the log for each");
	ok(!ns.node[0].down && ns.node[0].free == 10 &&
	    ns.node[0].set == NODES_DRAIN && ns.node[0].pref == 5,
	    "the good lines count");
	ok(ns.node[1].down && ns.node[1].set == NODES_UP, "the last one too");
	nodes_free(&ns);

	memset(big, 'x', sizeof(big) - 1);
	put("run/nodes", big);
	is_int(nodes_load(NULL, &conf, &ns), 0, "a file that is too long");
	ok(!ns.node[1].down, "says nothing");
	nodes_free(&ns);
}

static void
test_delay(void)
{
	struct delay	*d = delay_open(NULL, dir);
	int64_t		 s = 1000;

	ok(d != NULL, "a file for delays");
	if (d == NULL)
		return;
	is_int(delay_mean_at(d, s), 0, "nothing was taken");
	delay_add_at(d, 100, s);
	delay_add_at(d, 300, s);
	is_int(delay_mean_at(d, s), 200, "the mean");
	is_int(delay_mean_at(d, s + 5), 200, "some seconds later");
	ok(delay_mean_at(d, s + 9) < 100, "it falls: %llu",
	    (unsigned long long)delay_mean_at(d, s + 9));
	is_int(delay_mean_at(d, s + DELAY_SECONDS), 0, "and is forgotten");
	for (int i = 0; i < 100000; i++)
		delay_add_at(d, 900, s + 20);
	ok(delay_mean_at(d, s + 20) == 900, "more than fit");
	delay_add_at(d, INT64_MAX, s + 40);
	delay_add_at(d, -5, s + 41);
	ok(delay_mean_at(d, s + 41) <= DELAY_MAX_MS, "a clock that jumps");
	delay_add(d, 70);
	ok(delay_read(dir) > 0, "another process sees it");
	delay_close(d);
	delay_add(NULL, 70);
}

/* The child has the place until it is killed. */
static void
test_busy(void)
{
	struct busy_count count[BUSY_MAX];
	int		  ready[2];
	pid_t		  pid;
	char		  c;

	is_int(busy_read(dir, "smtpd", count), 0, "nobody is busy");
	if (pipe(ready) == -1 || (pid = fork()) == -1) {
		ok(0, "fork");
		return;
	}
	if (pid == 0) {
		struct busy	*b = busy_open(NULL, dir, "smtpd");

		busy_set(b, 3, 500);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	is_int(read(ready[0], &c, 1), 1, "a process");
	is_int(busy_read(dir, "smtpd", count), 1, "is counted");
	ok(count[0].sessions == 3 && count[0].limit == 500, "as it says");
	is_int(busy_read(dir, "imapd", count), 0, "not for another name");
	kill(pid, SIGKILL);
	is_int(waitpid(pid, NULL, 0), pid, "killed");
	is_int(busy_read(dir, "smtpd", count), 0, "dead ones do not count");
	close(ready[0]);
	close(ready[1]);
	busy_set(NULL, 1, 1);
}

int
main(void)
{
	char	 path[200];

	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/run", dir);
	test_none();
	is_int(mkdir(path, 0700), 0, "run");
	test_note();
	test_take();
	test_round();
	test_garbage();
	test_delay();
	test_busy();
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	if (system(path) != 0)
		return 1;
	return tap_done();
}
