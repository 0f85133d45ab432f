/*
 * THREAD: RFC 5256 section 3.  Whoever sends mail makes up the References, so
 * that trees may be as deep as there are ids: nothing here recurses or walks up
 * a tree, and what is equal is found by sorting.
 */
#include <stdlib.h>
#include <string.h>

#include "format/sort.h"
#include "format/thread_link.h"

#define NONE	UINT32_MAX

/* A message, or an id that is only referred to: a dummy. */
struct node {
	uint32_t	 msg;		/* NONE: a dummy */
	uint32_t	 up;		/* parent; NONE: at the root */
	uint32_t	 child, next;	/* the lists, in the end */
	uint32_t	 first;		/* message that gives date, subject */
	uint32_t	 tops;		/* messages next to it, but for dummies
					 * between: 0, 1, or 2 for more */
	bool		 gone;
};

/* One mention of an id. */
struct id {
	struct span	 s;
	uint32_t	 node;
};

struct threads {
	const struct sort_message *m;
	size_t		 n;		/* of them */
	struct id	*id;		/* of each message its own, and those
					 * it refers to */
	size_t		 nid;
	uint32_t	*subject;	/* equal ones, the same */
	struct node	*node;
	uint32_t	 nnode;
	uint32_t	*order;		/* scratch, with room for all nodes */
};

static int
compare(struct span a, struct span b)
{
	size_t	 n = a.len < b.len ? a.len : b.len;
	int	 c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int
by_sent(const struct sort_message *a, const struct sort_message *b)
{
	if (a->sent_ms != b->sent_ms)
		return a->sent_ms < b->sent_ms ? -1 : 1;
	return (a->seq > b->seq) - (a->seq < b->seq);
}

static int
by_number(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int
order_subjects(const void *va, const void *vb, void *vm)
{
	uint32_t			 a = *(const uint32_t *)va;
	uint32_t			 b = *(const uint32_t *)vb;
	const struct sort_message	*m = vm;
	int				 c = compare(m[a].subject,
					    m[b].subject);

	if (c == 0)
		c = by_sent(&m[a], &m[b]);
	return c != 0 ? c : by_number(a, b);
}

static int
order_ids(const void *va, const void *vb, void *vid)
{
	uint32_t		 a = *(const uint32_t *)va;
	uint32_t		 b = *(const uint32_t *)vb;
	const struct id		*id = vid;
	int			 c = compare(id[a].s, id[b].s);

	return c != 0 ? c : by_number(a, b);
}

static int
order_nodes(const void *va, const void *vb, void *vt)
{
	uint32_t		 a = *(const uint32_t *)va;
	uint32_t		 b = *(const uint32_t *)vb;
	const struct threads	*t = vt;
	int			 c;

	c = by_sent(&t->m[t->node[a].first], &t->m[t->node[b].first]);
	return c != 0 ? c : by_number(a, b);
}

/* --- ORDEREDSUBJECT --- */

struct run {
	uint32_t	 at, n;		/* of the sorted messages */
};

static int
order_runs(const void *va, const void *vb, void *vt)
{
	const struct run	*a = va, *b = vb;
	const struct threads	*t = vt;
	int			 c;

	c = by_sent(&t->m[t->order[a->at]], &t->m[t->order[b->at]]);
	return c != 0 ? c : by_number(a->at, b->at);
}

static void
put_run(const struct threads *t, struct run r, struct buf *out)
{
	buf_addc(out, '(');
	for (uint32_t i = 0; i < r.n; i++) {
		if (i == 1)
			buf_addc(out, ' ');
		if (i > 0 && r.n > 2)
			buf_addc(out, '(');
		buf_addu(out, t->m[t->order[r.at + i]].number, 0);
		if (i > 0 && r.n > 2)
			buf_addc(out, ')');
	}
	buf_addc(out, ')');
}

int
thread_subject(const struct sort_message *m, size_t n, struct buf *out)
{
	struct threads	 t = { .m = m, .n = n };
	struct run	*run;
	uint32_t	 nrun = 0;

	if (n == 0)
		return 0;
	if (n >= NONE / 2)
		return CM_ETOOBIG;
	t.order = calloc(n, sizeof(*t.order));
	run = calloc(n, sizeof(*run));
	for (uint32_t i = 0; t.order != NULL && run != NULL && i < n; i++)
		t.order[i] = i;
	if (t.order != NULL && run != NULL) {
		qsort_r(t.order, n, sizeof(*t.order), order_subjects,
		    (void *)(uintptr_t)m);
		for (uint32_t i = 0; i < n; i++) {
			if (i == 0 || compare(m[t.order[i - 1]].subject,
			    m[t.order[i]].subject) != 0)
				run[nrun++].at = i;
			run[nrun - 1].n++;
		}
		qsort_r(run, nrun, sizeof(*run), order_runs, &t);
		for (uint32_t i = 0; i < nrun; i++)
			put_run(&t, run[i], out);
	} else {
		out->err = CM_ENOMEM;
	}
	free(t.order);
	free(run);
	return out->err;
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

static uint32_t
new_node(struct threads *t, uint32_t msg)
{
	t->node[t->nnode] = (struct node){ .msg = msg, .up = NONE,
	    .child = NONE, .next = NONE, .first = msg };
	return t->nnode++;
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
		else if (last != NULL && compare(last->s, id->s) == 0)
			id->node = last->node;
		else
			id->node = new_node(t, NONE);
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
			own->node = new_node(t, i);
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

/* The earlier one of two messages, of which the first may not be there. */
static uint32_t
earlier(const struct threads *t, uint32_t a, uint32_t b)
{
	return a == NONE || by_sent(&t->m[b], &t->m[a]) < 0 ? b : a;
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
			up->first = earlier(t, up->first, e->first);
		}
	}
	for (uint32_t i = 0; i < t->nnode; i++) {
		e = &t->node[t->order[i]];
		if (e->up != NONE && t->node[e->up].gone)
			e->up = t->node[e->up].up;
		e->gone = e->msg == NONE && (e->up != NONE || e->tops < 2);
	}
}

/* Messages' subjects as numbers; 0 is the empty one. */
static void
number_subjects(struct threads *t)
{
	uint32_t	 number = 0;

	for (uint32_t i = 0; i < t->n; i++)
		t->order[i] = i;
	qsort_r(t->order, t->n, sizeof(*t->order), order_subjects,
	    (void *)(uintptr_t)t->m);
	for (size_t i = 0; i < t->n; i++) {
		uint32_t at = t->order[i];

		if (i == 0 ? t->m[at].subject.len > 0 :
		    compare(t->m[t->order[i - 1]].subject,
		    t->m[at].subject) != 0)
			number++;
		t->subject[at] = number;
	}
}

static uint32_t
subject_of(const struct threads *t, uint32_t node)
{
	return t->subject[t->node[node].first];
}

static bool
is_reply(const struct threads *t, uint32_t node)
{
	return t->m[t->node[node].first].reply;
}

static bool
is_dummy(const struct threads *t, uint32_t node)
{
	return t->node[node].msg == NONE;
}

/* Step 5, A and B: of each subject the one that the others go to. */
static void
pick(const struct threads *t, const uint32_t *roots, uint32_t n,
    uint32_t *table)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t	 e = roots[i], *had = &table[subject_of(t, e)];

		if (*had == NONE || (!is_dummy(t, *had) && (is_dummy(t, e) ||
		    (is_reply(t, *had) && !is_reply(t, e)))))
			*had = e;
	}
}

static void
put_below(struct threads *t, uint32_t e, uint32_t up)
{
	t->node[e].up = up;
	if (is_dummy(t, up))
		t->node[up].first = earlier(t, t->node[up].first,
		    t->node[e].first);
}

/* Step 5, C, for one at the root. */
static void
gather(struct threads *t, uint32_t e, uint32_t *table)
{
	uint32_t	*had = &table[subject_of(t, e)];
	uint32_t	 both;

	if (*had == e || subject_of(t, e) == 0)
		return;
	if (is_dummy(t, e) && is_dummy(t, *had)) {
		/* Its children find the other one through it. */
		t->node[e].gone = true;
		put_below(t, e, *had);
	} else if (is_dummy(t, *had) ||
	    (is_reply(t, e) && !is_reply(t, *had))) {
		put_below(t, e, *had);
	} else {
		both = new_node(t, NONE);
		put_below(t, *had, both);
		put_below(t, e, both);
		*had = both;
	}
}

/* Steps 4 and 5. */
static int
gather_all(struct threads *t)
{
	uint32_t	*table = calloc(t->n + 1, sizeof(*table)), n = 0;

	if (table == NULL)
		return CM_ENOMEM;
	number_subjects(t);
	for (size_t i = 0; i <= t->n; i++)
		table[i] = NONE;
	for (uint32_t i = 0; i < t->nnode; i++)
		if (t->node[i].up == NONE && !t->node[i].gone)
			t->order[n++] = i;
	qsort_r(t->order, n, sizeof(*t->order), order_nodes, t);
	pick(t, t->order, n, table);
	for (uint32_t i = 0; i < n; i++)
		gather(t, t->order[i], table);
	free(table);
	return 0;
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
	qsort_r(t->order, n, sizeof(*t->order), order_nodes, t);
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
	if (gather_all(t) != 0)
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
