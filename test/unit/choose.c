#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "cluster/choose.h"
#include "tap.h"

#define N	5
#define TURNS	100000

static char	 names[N][3] = { "n1", "n2", "n3", "n4", "n5" };
static struct conf_node	 cnode[N];
static struct nodes_node node[N];
static struct nodes	 nodes = { node, N };
static struct conf	 conf = { .nodes = cnode, .nnodes = N };
static struct choose	 choose;

/* All are up, without load, alike. */
static void
reset(size_t n, enum conf_select select)
{
	memset(cnode, 0, sizeof(cnode));
	memset(node, 0, sizeof(node));
	for (size_t i = 0; i < N; i++) {
		cnode[i].name = names[i];
		cnode[i].capacity = 100;
		node[i].conf = &cnode[i];
		node[i].pref = NODES_PREF;
	}
	conf.nnodes = nodes.n = n;
	conf.witness = NULL;
	conf.dns.overload = 400;
	conf.dns.select = select;
}

static void
reopen(void)
{
	choose_close(&choose);
	if (choose_open(&conf, &nodes, &choose) != 0)
		abort();
}

/* The order of a turn, such as "231". */
static const char *
order(uint64_t turn)
{
	static char	 out[4][N + 1];
	static int	 next;
	uint16_t	 v[N];
	char		*s = out[next++ % 4];
	size_t		 k;

	choose_order(&choose, turn, v);
	for (k = 0; k < choose.n; k++)
		s[k] = choose.node[v[k]]->name[1];
	s[k] = '\0';
	return s;
}

/* How often each node has that place, of TURNS, in 1/100 of a percent. */
static void
shares(size_t place, unsigned count[N])
{
	uint16_t	 v[N];
	unsigned	 seen;

	memset(count, 0, N * sizeof(*count));
	for (uint64_t t = 0; t < TURNS; t++) {
		choose_order(&choose, t, v);
		count[v[place]]++;
		seen = 0;
		for (size_t k = 0; k < choose.n; k++)
			seen |= 1u << v[k];
		if (seen != (1u << choose.n) - 1)
			abort();	/* one is missing or twice */
	}
	for (size_t i = 0; i < choose.n; i++)
		count[i] = (unsigned)((uint64_t)count[i] * 10000 / TURNS);
}

static bool
is_near(unsigned a, double want, unsigned by)
{
	return fabs(a - want) <= by;
}

static void
test_round_robin(void)
{
	unsigned c[N];

	reset(3, CONF_ROUND_ROBIN);
	reopen();
	is_str(order(0), "123", "round-robin, turn 0");
	is_str(order(1), "231", "turn 1");
	is_str(order(2), "312", "turn 2");
	is_str(order(3), "123", "turn 3");
	is_str(order(UINT64_MAX), "123", "the last of all turns");
	for (size_t place = 0; place < 3; place++) {
		shares(place, c);
		ok(is_near(c[0], 3333, 1) && is_near(c[1], 3333, 1) &&
		    is_near(c[2], 3333, 1), "place %zu: %u %u %u", place, c[0],
		    c[1], c[2]);
	}
	node[0].load = 90;
	reopen();
	is_str(order(0), "123", "load does not matter");
}

static void
test_random(void)
{
	unsigned c[N];

	reset(4, CONF_RANDOM);
	reopen();
	is_str(order(5), order(5), "a turn has one order");
	for (size_t place = 0; place < 4; place++) {
		shares(place, c);
		ok(is_near(c[0], 2500, 50) && is_near(c[1], 2500, 50) &&
		    is_near(c[2], 2500, 50) && is_near(c[3], 2500, 50),
		    "random, place %zu: %u %u %u %u", place, c[0], c[1], c[2],
		    c[3]);
	}
}

/* Loads that are close count as the same, so that not all go to one. */
static void
test_least_load(void)
{
	reset(3, CONF_LEAST_LOAD);
	node[0].load = 31;
	node[1].load = 12;
	node[2].load = 60;
	reopen();
	is_str(order(0), "213", "least-load");
	is_str(order(1), "213", "each time");
	node[0].load = 14.9;
	node[1].load = 10;
	reopen();
	is_str(order(0), "123", "two within a step take turns");
	is_str(order(1), "213", "which the third has no part in");
	is_str(order(2), "123", "and again");
	node[0].load = 15;
	reopen();
	is_str(order(0), "213", "the next step");
	node[0].load = node[1].load = node[2].load = 0;
	reopen();
	is_str(order(2), "312", "all idle: round robin");
	node[2].load = 399;
	reopen();
	is_str(order(2), "123", "full, but not over");
	node[2].load = 400;
	reopen();
	is_str(order(2), "12", "overload: out");
	node[1].load = 400;
	node[0].down = true;
	reopen();
	is_str(order(0), "23", "all overloaded: not who is down");
}

static void
test_weighted(void)
{
	double	 w[3], sum;
	unsigned c[N];

	reset(3, CONF_WEIGHTED);
	node[0].load = 10;
	node[1].load = 30;
	node[2].load = 60;
	reopen();
	shares(0, c);
	ok(is_near(c[0], 4500, 10) && is_near(c[1], 3500, 10) &&
	    is_near(c[2], 2000, 10), "weighted by 90:70:40: %u %u %u", c[0],
	    c[1], c[2]);
	shares(1, c);
	/* second: of those that are left, by the same weights */
	for (int i = 0; i < 3; i++)
		w[i] = choose_weight(100, node[i].load) / 20000;
	for (int i = 0; i < 3; i++) {
		sum = 0;
		for (int k = 0; k < 3; k++)
			if (k != i)
				sum += w[k] * w[i] / (1 - w[k]);
		ok(is_near(c[i], sum * 10000, 100), "second, node %d: %u for "
		    "%.0f", i + 1, c[i], sum * 10000);
	}

	reset(2, CONF_WEIGHTED);
	cnode[1].capacity = 300;
	reopen();
	shares(0, c);
	ok(is_near(c[0], 2500, 10) && is_near(c[1], 7500, 10),
	    "capacity 1:3: %u %u", c[0], c[1]);
	/* nobody waits much longer than his share says */
	for (uint64_t t = 0, last = 0; t < 1000; t++) {
		if (order(t)[0] == '1') {
			if (t - last > 6)
				ok(0, "turns %d to %d", (int)last, (int)t);
			last = t;
		}
	}
	reset(2, CONF_WEIGHTED);
	node[0].load = 200;
	node[1].load = 100;
	reopen();
	shares(0, c);
	ok(is_near(c[0], 3333, 10), "both full: by the inverse: %u %u", c[0],
	    c[1]);
	ok(choose_weight(1, 1e9) > 0, "never nothing");
	ok(choose_weight(100, 90) >= choose_weight(100, 90.001) &&
	    choose_weight(100, 90) - choose_weight(100, 90.001) < 1,
	    "without a step");
}

static void
test_static(void)
{
	reset(3, CONF_STATIC);
	node[2].pref = 5;
	reopen();
	is_str(order(0), "312", "static: by preference, then as they stand");
	is_str(order(1), "312", "always");
}

static void
test_prefs(void)
{
	reset(5, CONF_ROUND_ROBIN);
	node[0].pref = node[3].pref = 20;
	node[4].pref = 65535;
	reopen();
	is_str(order(0), "23145", "the lowest preference first");
	is_str(order(1), "32415", "each group with turns");
	reset(4, CONF_LEAST_LOAD);
	node[0].pref = 5;
	node[0].load = 80;
	reopen();
	is_str(order(0), "1234", "before less load");
	reset(3, CONF_WEIGHTED);
	node[1].pref = 1;
	reopen();
	ok(order(7)[0] == '2' && order(8)[0] == '2', "before weight");
	reset(3, CONF_RANDOM);
	node[1].pref = 1;
	reopen();
	ok(order(7)[0] == '2' && order(8)[0] == '2', "before chance");
}

static void
test_out(void)
{
	reset(4, CONF_STATIC);
	conf.witness = names[3];
	node[0].down = true;
	reopen();
	is_str(order(0), "23", "neither who is down nor the witness");
	node[1].set = NODES_DRAIN;
	reopen();
	is_str(order(0), "3", "nor who is drained");
	node[2].set = NODES_DOWN;
	reopen();
	is_str(order(0), "1", "nobody left: who only seems down");
	node[1].set = NODES_UP;
	node[2].set = NODES_UP;
	node[1].down = node[2].down = true;
	reopen();
	is_str(order(0), "123", "all seem down: all");
	cnode[0].drain = true;
	reopen();
	is_str(order(0), "23", "but who is drained by cluster.xml");
	cnode[1].drain = cnode[2].drain = true;
	reopen();
	is_str(order(0), "123", "all on purpose: all");
	node[0].load = node[1].load = node[2].load = 1000;
	cnode[0].drain = cnode[1].drain = cnode[2].drain = false;
	node[0].down = node[1].down = node[2].down = false;
	reopen();
	is_str(order(0), "123", "all over load: all");
	reset(1, CONF_ROUND_ROBIN);
	conf.witness = names[0];
	reopen();
	is_int(choose.n, 0, "a witness alone is nobody");
	is_str(order(1), "", "and in no order");
	for (int s = CONF_ROUND_ROBIN; s <= CONF_STATIC; s++) {
		reset(1, (enum conf_select)s);
		reopen();
		is_str(order(3), "1", "one node, policy %d", s);
	}
}

int
main(void)
{
	test_round_robin();
	test_random();
	test_least_load();
	test_weighted();
	test_static();
	test_prefs();
	test_out();
	choose_close(&choose);
	return tap_done();
}
