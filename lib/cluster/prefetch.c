#include "cluster/prefetch.h"

#include <stdlib.h>
#include <string.h>

int
prefetch_init(struct prefetch *f, prefetch_fn fn, void *arg, uint32_t size)
{
	memset(f, 0, sizeof(*f));
	f->fn = fn;
	f->arg = arg;
	f->buf[0] = malloc(size);
	f->buf[1] = malloc(size);
	return f->buf[0] != NULL && f->buf[1] != NULL ? 0 : CM_ENOMEM;
}

static void
join(struct prefetch *f)
{
	if (f->running)
		pthread_join(f->thread, NULL);
	f->running = false;
}

void
prefetch_free(struct prefetch *f)
{
	join(f);
	free(f->buf[0]);
	free(f->buf[1]);
}

static void *
read_piece(void *arg)
{
	struct prefetch	*f = arg;

	f->rc = f->fn(f->arg, f->at, f->buf[f->next], f->n);
	return NULL;
}

int
prefetch_get(struct prefetch *f, uint32_t at, uint32_t n, uint32_t next_n,
    char **p)
{
	bool	 have = f->running && f->at == at && f->n == n;

	join(f);
	if (!have) {
		f->at = at;
		f->n = n;
		(void)read_piece(f);
	}
	if (f->rc != 0)
		return f->rc;
	*p = f->buf[f->next];
	f->next = !f->next;
	f->at = at + n;
	f->n = next_n;
	/* without a thread it is read when it is asked for */
	if (next_n > 0)
		f->running = pthread_create(&f->thread, NULL, read_piece,
		    f) == 0;
	return 0;
}
