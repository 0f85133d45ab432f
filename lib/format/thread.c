/*
 * THREAD: RFC 5256 section 3.  Whoever sends mail makes up the References, so
 * that trees may be as deep as there are ids: nothing here recurses or walks up
 * a tree, and what is equal is found by sorting.
 */
#include <stdlib.h>

#include "format/thread_int.h"
#include "format/thread_link.h"

static int
order_ids(const void *va, const void *vb, void *vid)
{
	uint32_t		 a = *(const uint32_t *)va;
	uint32_t		 b = *(const uint32_t *)vb;
	const struct id		*id = vid;
	int			 c = thread_compare(id[a].s, id[b].s);

	return c != 0 ? c : thread_by_number(a, b);
}

/* --- REFERENCES: who belongs to whom, step 1 --- */

/* Of "a b c" the next; nothing at its end. */
static struct span
next_id(struct span *rest)
{
	struct span	 s;

	while (rest->len > 0 && rest->p != NULL)
		if (str_field(rest, ' ', &s) && s.len > 0)
			return s;
	return (struct span){ NULL, 0 };
}

static size_t
count_ids(const struct sort_message *m, size_t n)
{
	size_t	 count = n;

	for (size_t i = 0; i < n; i++) {
		struct span rest = m[i].references;

		while (next_id(&rest).len > 0)
			count++;
	}
	return count;
}

static void
list_ids(struct threads *t)
{
	struct span	 rest, s;

	t->nid = 0;
	for (size_t i = 0; i < t->n; i++) {
		t->id[t->nid++].s = t->m[i].message_id;
		rest = t->m[i].references;
		while ((s = next_id(&rest)).len > 0)
			t->id[t->nid++].s = s;
	}
}

/* One node for ids that are equal; none yet for messages without. */
static void
number_ids(struct threads *t)
{
	struct id	*id, *last = NULL;

	for (uint32_t i = 0; i < t->nid; i++)
		t->order[i] = i;
	qsort_r(t->order, t->nid, sizeof(*t->order), order_ids, t->id);
	for (size_t i = 0; i < t->nid; i++) {
		id = &t->id[t->order[i]];
		if (id->s.len == 0)
			id->node = NONE;
		else if (last != NULL && thread_compare(last->s, id->s) == 0)
			id->node = last->node;
		else
			id->node = thread_new_node(t, NONE);
		last = id;
	}
}

/* An id that an earlier message has counts as none. */
static void
own_nodes(struct threads *t)
{
	size_t	 at = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		struct id	*own = &t->id[at++];
		struct span	 rest = t->m[i].references;

		while (next_id(&rest).len > 0)
			at++;
		if (own->node == NONE || t->node[own->node].msg != NONE)
			own->node = thread_new_node(t, i);
		t->node[own->node].msg = t->node[own->node].first = i;
	}
}

static void
join(struct threads *t, struct link *l, uint32_t child, uint32_t up)
{
	if (link_root(l, up) == child)
		return;
	link_join(l, child, up);
	t->node[child].up = up;
}

/* Step 1: A for what it refers to, B for itself. */
static void
join_all(struct threads *t, struct link *l)
{
	size_t	 at = 0;

	for (size_t i = 0; i < t->n; i++) {
		uint32_t	 own = t->id[at++].node, last = NONE;
		struct span	 rest = t->m[i].references;

		for (; next_id(&rest).len > 0; at++) {
			uint32_t id = t->id[at].node;

			if (last != NONE && t->node[id].up == NONE)
				join(t, l, id, last);
			last = id;
		}
		if (t->node[own].up != NONE)
			link_cut(l, own);
		t->node[own].up = NONE;
		if (last != NONE)
			join(t, l, own, last);
	}
}

/* --- the tree: steps 2 to 6 --- */

/* Lists of children in any order, and order: parents before children. */
static void
walk(struct threads *t)
{
	struct node	*nodes = t->node;
	uint32_t	 n = 0;

	for (uint32_t i = 0; i < t->nnode; i++) {
		if (nodes[i].up == NONE) {
			t->order[n++] = i;
			continue;
		}
		nodes[i].next = nodes[nodes[i].up].child;
		nodes[nodes[i].up].child = i;
	}
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t c = nodes[t->order[i]].child; c != NONE;
		    c = nodes[c].next)
			t->order[n++] = c;
}

/*
 * Step 3: dummies go, and what is below takes their place; one at the root
 * stays where several messages would take it.
 */
static void
prune(struct threads *t)
{
	struct node	*e, *up;

	for (uint32_t i = t->nnode; i-- > 0; ) {
		e = &t->node[t->order[i]];
		if (e->msg != NONE)
			e->tops = 1;
		if (e->up == NONE || e->tops == 0)
			continue;
		up = &t->node[e->up];
		if (up->msg == NONE) {
			up->tops = up->tops + e->tops > 1 ? 2 : 1;
			up->first = thread_earlier(t, up->first, e->first);
		}
	}
	for (uint32_t i = 0; i < t->nnode; i++) {
		e = &t->node[t->order[i]];
		if (e->up != NONE && t->node[e->up].gone)
			e->up = t->node[e->up].up;
		e->gone = e->msg == NONE && (e->up != NONE || e->tops < 2);
	}
}

/* Step 6: lists in order of the dates; returns the first at the root. */
static uint32_t
sort_all(struct threads *t)
{
	struct node	*e;
	uint32_t	 n = 0, root = NONE, *list;

	for (uint32_t i = 0; i < t->nnode; i++) {
		t->node[i].child = t->node[i].next = NONE;
		if (!t->node[i].gone)
			t->order[n++] = i;
	}
	qsort_r(t->order, n, sizeof(*t->order), thread_order_nodes, t);
	while (n-- > 0) {
		e = &t->node[t->order[n]];
		if (e->up != NONE && t->node[e->up].gone)
			e->up = t->node[e->up].up;
		list = e->up == NONE ? &root : &t->node[e->up].child;
		e->next = *list;
		*list = t->order[n];
	}
	return root;
}

/* Has it brackets of its own? */
static bool
is_branch(const struct threads *t, uint32_t e)
{
	uint32_t	 up = t->node[e].up;

	return up == NONE || t->node[t->node[up].child].next != NONE;
}

static void
put_threads(const struct threads *t, uint32_t e, struct buf *out)
{
	uint32_t	 msg;

	while (e != NONE) {
		if (is_branch(t, e))
			buf_addc(out, '(');
		if ((msg = t->node[e].msg) != NONE)
			buf_addu(out, t->m[msg].number, 0);
		if (t->node[e].child != NONE) {
			if (msg != NONE)
				buf_addc(out, ' ');
			e = t->node[e].child;
			continue;
		}
		for (; e != NONE; e = t->node[e].up) {
			if (is_branch(t, e))
				buf_addc(out, ')');
			if (t->node[e].next != NONE)
				break;
		}
		if (e != NONE)
			e = t->node[e].next;
	}
}

static int
by_references(struct threads *t, struct buf *out)
{
	struct link	*l;

	list_ids(t);
	number_ids(t);
	own_nodes(t);
	if ((l = link_new(t->nnode)) == NULL)
		return CM_ENOMEM;
	join_all(t, l);
	link_free(l);
	walk(t);
	prune(t);
	if (thread_gather(t) != 0)
		return CM_ENOMEM;
	put_threads(t, sort_all(t), out);
	return out->err;
}

int
thread_references(const struct sort_message *m, size_t n, struct buf *out)
{
	struct threads	 t = { .m = m, .n = n };
	size_t		 ids = count_ids(m, n), nodes = ids + n + n;
	int		 rc = CM_ENOMEM;

	if (n == 0)
		return 0;
	if (nodes >= NONE / 2)
		return CM_ETOOBIG;
	/* Ids, messages without their own, and what step 5 makes. */
	t.id = calloc(ids, sizeof(*t.id));
	t.subject = calloc(n, sizeof(*t.subject));
	t.node = calloc(nodes, sizeof(*t.node));
	t.order = calloc(nodes, sizeof(*t.order));
	if (t.id != NULL && t.subject != NULL && t.node != NULL &&
	    t.order != NULL)
		rc = by_references(&t, out);
	free(t.id);
	free(t.subject);
	free(t.node);
	free(t.order);
	return rc;
}
