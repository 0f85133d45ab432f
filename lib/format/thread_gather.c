/* THREAD=REFERENCES: threads of the same subject become one. */
#include <stdlib.h>

#include "format/thread_int.h"

int
thread_order_nodes(const void *va, const void *vb, void *vt)
{
	uint32_t		 a = *(const uint32_t *)va;
	uint32_t		 b = *(const uint32_t *)vb;
	const struct threads	*t = vt;
	int			 c;

	c = thread_by_sent(&t->m[t->node[a].first], &t->m[t->node[b].first]);
	return c != 0 ? c : thread_by_number(a, b);
}

/* Messages' subjects as numbers; 0 is the empty one. */
static void
number_subjects(struct threads *t)
{
	uint32_t	 number = 0;

	for (uint32_t i = 0; i < t->n; i++)
		t->order[i] = i;
	qsort_r(t->order, t->n, sizeof(*t->order), thread_order_subjects,
	    (void *)(uintptr_t)t->m);
	for (size_t i = 0; i < t->n; i++) {
		uint32_t at = t->order[i];

		if (i == 0 ? t->m[at].subject.len > 0 :
		    thread_compare(t->m[t->order[i - 1]].subject,
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
		t->node[up].first = thread_earlier(t, t->node[up].first,
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
		both = thread_new_node(t, NONE);
		put_below(t, *had, both);
		put_below(t, e, both);
		*had = both;
	}
}

/* Steps 4 and 5. */
int
thread_gather(struct threads *t)
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
	qsort_r(t->order, n, sizeof(*t->order), thread_order_nodes, t);
	pick(t, t->order, n, table);
	for (uint32_t i = 0; i < n; i++)
		gather(t, t->order[i], table);
	free(table);
	return 0;
}
