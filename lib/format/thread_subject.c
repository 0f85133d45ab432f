/* THREAD=ORDEREDSUBJECT: RFC 5256 section 3. */
#include <stdlib.h>

#include "format/thread_int.h"

int
thread_order_subjects(const void *va, const void *vb, void *vm)
{
	uint32_t			 a = *(const uint32_t *)va;
	uint32_t			 b = *(const uint32_t *)vb;
	const struct sort_message	*m = vm;
	int				 c = thread_compare(m[a].subject,
					    m[b].subject);

	if (c == 0)
		c = thread_by_sent(&m[a], &m[b]);
	return c != 0 ? c : thread_by_number(a, b);
}

struct run {
	uint32_t	 at, n;		/* of the sorted messages */
};

static int
order_runs(const void *va, const void *vb, void *vt)
{
	const struct run	*a = va, *b = vb;
	const struct threads	*t = vt;
	int			 c;

	c = thread_by_sent(&t->m[t->order[a->at]], &t->m[t->order[b->at]]);
	return c != 0 ? c : thread_by_number(a->at, b->at);
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
		qsort_r(t.order, n, sizeof(*t.order), thread_order_subjects,
		    (void *)(uintptr_t)m);
		for (uint32_t i = 0; i < n; i++) {
			if (i == 0 || thread_compare(m[t.order[i - 1]].subject,
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
