#include "cluster/choose.h"

#include <stdlib.h>
#include <string.h>

#define GOLDEN		0x9e3779b97f4a7c15u	/* 2^64 over the golden ratio */
#define STEP		5.0	/* loads as near as that count as equal, % */
#define NEARLY_FULL	90.0

double
choose_weight(unsigned capacity, double load)
{
	double	 free = load <= NEARLY_FULL ? 100 - load :
		    (100 - NEARLY_FULL) * NEARLY_FULL / load;

	return capacity * free;
}

/* splitmix64: any number from any other. */
static uint64_t
mix(uint64_t v)
{
	v += GOLDEN;
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
	v = (v ^ v >> 27) * 0x94d049bb133111ebu;
	return v ^ v >> 31;
}

/* From 0 up to, and without, 1. */
static double
fraction(uint64_t v)
{
	return (double)(v >> 11) / 9007199254740992.0;
}

static bool
is_witness(const struct conf *c, const struct conf_node *n)
{
	return c->witness != NULL && strcmp(c->witness, n->name) == 0;
}

#define ROUNDS	4

/*
 * Who is in; without any, who is up, though overloaded; then who is not taken
 * out on purpose; then all.
 */
static bool
takes_part(const struct conf *c, const struct nodes_node *n, int round)
{
	if (round == 0)
		return nodes_is_in(c, n);
	if (is_witness(c, n->conf))
		return false;
	return round == 3 || (!nodes_is_drained(n) && n->set != NODES_DOWN &&
	    (round == 2 || !n->down));
}

static long
level(const struct choose *c, size_t i)
{
	return c->select == CONF_LEAST_LOAD ? (long)(c->load[i] / STEP) : 0;
}

/* Do these two take turns? */
static bool
are_equal(const struct choose *c, size_t a, size_t b)
{
	return c->pref[a] == c->pref[b] && level(c, a) == level(c, b);
}

static bool
is_before(const struct choose *c, size_t a, size_t b)
{
	if (c->pref[a] != c->pref[b])
		return c->pref[a] < c->pref[b];
	return level(c, a) < level(c, b);
}

/* By insertion, which leaves equal ones in their order. */
static void
sort_fixed(struct choose *c)
{
	size_t	 k;

	for (size_t i = 0; i < c->n; i++) {
		for (k = i; k > 0 && is_before(c, i, c->fixed[k - 1]); k--)
			c->fixed[k] = c->fixed[k - 1];
		c->fixed[k] = (uint16_t)i;
	}
}

static void
fill(const struct conf *conf, const struct nodes *nodes, struct choose *c)
{
	const struct nodes_node *n;

	for (int round = 0; c->n == 0 && round < ROUNDS; round++) {
		for (size_t i = 0; i < nodes->n; i++) {
			n = &nodes->node[i];
			if (!takes_part(conf, n, round))
				continue;
			c->node[c->n] = n->conf;
			c->pref[c->n] = n->pref;
			c->load[c->n] = n->load;
			c->weight[c->n++] = choose_weight(n->conf->capacity,
			    n->load);
		}
	}
}

int
choose_open(const struct conf *conf, const struct nodes *nodes,
    struct choose *c)
{
	size_t	 n = nodes->n + 1;

	memset(c, 0, sizeof(*c));
	c->select = conf->dns.select;
	c->node = calloc(n, sizeof(struct conf_node *));
	c->pref = calloc(n, sizeof(*c->pref));
	c->load = calloc(n, sizeof(*c->load));
	c->weight = calloc(n, sizeof(*c->weight));
	c->fixed = calloc(n, sizeof(*c->fixed));
	if (c->node == NULL || c->pref == NULL || c->load == NULL ||
	    c->weight == NULL || c->fixed == NULL) {
		choose_close(c);
		return CM_ENOMEM;
	}
	fill(conf, nodes, c);
	sort_fixed(c);
	return 0;
}

void
choose_close(struct choose *c)
{
	free(c->node);
	free(c->pref);
	free(c->load);
	free(c->weight);
	free(c->fixed);
	memset(c, 0, sizeof(*c));
}

static void
rotate(const uint16_t *in, size_t n, uint64_t turn, uint16_t *out)
{
	size_t	 start = (size_t)(turn % n);

	memcpy(out, in + start, (n - start) * sizeof(*out));
	memcpy(out + n - start, in, start * sizeof(*out));
}

static void
swap(uint16_t *v, size_t a, size_t b)
{
	uint16_t t = v[a];

	v[a] = v[b];
	v[b] = t;
}

static void
shuffle(uint16_t *v, size_t n, uint64_t turn)
{
	uint64_t r = mix(turn);

	for (size_t i = 0; i + 1 < n; i++, r = mix(r))
		swap(v, i, i + (size_t)(r % (n - i)));
}

/*
 * Draws by weight, without putting back.  The first draw takes multiples of
 * the golden ratio: n turns are then as near to the shares as n turns can be,
 * and nobody waits long.
 */
static void
draw(const struct choose *c, uint16_t *v, size_t n, uint64_t turn)
{
	double	 sum, at;
	uint64_t r = turn * GOLDEN;
	size_t	 k;

	for (size_t i = 0; i + 1 < n; i++, r = mix(r + turn)) {
		sum = 0;
		for (k = i; k < n; k++)
			sum += c->weight[v[k]];
		at = fraction(r) * sum;
		for (k = i; k + 1 < n && at >= c->weight[v[k]]; k++)
			at -= c->weight[v[k]];
		/* the rest keeps its order: who is drawn moves to the front */
		for (; k > i; k--)
			swap(v, k, k - 1);
	}
}

void
choose_order(const struct choose *c, uint64_t turn, uint16_t *order)
{
	size_t	 from, to;

	for (from = 0; from < c->n; from = to) {
		for (to = from + 1; to < c->n &&
		    are_equal(c, c->fixed[from], c->fixed[to]); to++)
			continue;
		if (c->select == CONF_ROUND_ROBIN ||
		    c->select == CONF_LEAST_LOAD) {
			rotate(c->fixed + from, to - from, turn, order + from);
			continue;
		}
		memcpy(order + from, c->fixed + from,
		    (to - from) * sizeof(*order));
		if (c->select == CONF_RANDOM)
			shuffle(order + from, to - from, turn);
		else if (c->select == CONF_WEIGHTED)
			draw(c, order + from, to - from, turn);
	}
}
