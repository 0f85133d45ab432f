#include "format/thread_link.h"

#include <stdbool.h>
#include <stdlib.h>

#define NONE	UINT32_MAX

/*
 * The nodes of a path are a splay tree, upper ones to the left; the top of such
 * a tree has in up the node above the path, of which it is no child.
 */
struct place {
	uint32_t	 side[2], up;
};

struct link {
	uint32_t	 n;
	struct place	 e[];
};

struct link *
link_new(uint32_t n)
{
	struct link	*l;

	l = malloc(sizeof(*l) + (size_t)n * sizeof(l->e[0]));
	if (l == NULL)
		return NULL;
	l->n = n;
	for (uint32_t i = 0; i < n; i++)
		l->e[i] = (struct place){ { NONE, NONE }, NONE };
	return l;
}

void
link_free(struct link *l)
{
	free(l);
}

static bool
is_top(const struct link *l, uint32_t x)
{
	uint32_t	 up = l->e[x].up;

	return up == NONE || (l->e[up].side[0] != x && l->e[up].side[1] != x);
}

/* x takes the place of what is over it in its splay tree. */
static void
rotate(struct link *l, uint32_t x)
{
	uint32_t	 p = l->e[x].up, g = l->e[p].up;
	int		 side = l->e[p].side[1] == x;
	uint32_t	 moved = l->e[x].side[!side];

	if (!is_top(l, p))
		l->e[g].side[l->e[g].side[1] == p] = x;
	l->e[x].up = g;
	l->e[p].side[side] = moved;
	if (moved != NONE)
		l->e[moved].up = p;
	l->e[x].side[!side] = p;
	l->e[p].up = x;
}

static void
splay(struct link *l, uint32_t x)
{
	while (!is_top(l, x)) {
		uint32_t p = l->e[x].up, g = l->e[p].up;

		if (!is_top(l, p))
			rotate(l, (l->e[p].side[1] == x) ==
			    (l->e[g].side[1] == p) ? p : x);
		rotate(l, x);
	}
}

/* The path from the root to x becomes one splay tree, with x on top. */
static void
expose(struct link *l, uint32_t x)
{
	uint32_t	 below = NONE;

	for (uint32_t at = x; at != NONE; at = l->e[at].up) {
		splay(l, at);
		l->e[at].side[1] = below;
		below = at;
	}
	splay(l, x);
}

uint32_t
link_root(struct link *l, uint32_t x)
{
	expose(l, x);
	while (l->e[x].side[0] != NONE)
		x = l->e[x].side[0];
	splay(l, x);
	return x;
}

void
link_join(struct link *l, uint32_t root, uint32_t up)
{
	expose(l, root);
	l->e[root].up = up;
}

void
link_cut(struct link *l, uint32_t x)
{
	uint32_t	 above;

	expose(l, x);
	if ((above = l->e[x].side[0]) == NONE)
		return;
	l->e[x].side[0] = NONE;
	l->e[above].up = NONE;
}
