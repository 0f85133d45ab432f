/* The memory of a parsed command: blocks that are freed together. */
#include <stdlib.h>
#include <string.h>

#include "format/imap_int.h"

#define BLOCK	4096
#define ALIGN	16
#define FIRST	4		/* elements of a new array, a power of 2 */

struct block {
	struct block	*next;
	size_t		 len, used;
	_Alignas(ALIGN) char bytes[];
};

/* A set that waits for its "*" to be known. */
struct kept {
	struct kept	*next;
	struct imap_set	*set;
	enum imap_kind	 kind;
};

struct imap_arena {
	struct block	*first;
	size_t		 bytes;
	struct kept	*sets;
	int		 err;
};

static struct block *
new_block(struct imap_arena *a, size_t n)
{
	struct block	*b;

	if (n < BLOCK - sizeof(*b))
		n = BLOCK - sizeof(*b);
	if (n > IMAP_ARENA_MAX - a->bytes) {
		a->err = CM_ETOOBIG;
		return NULL;
	}
	if ((b = calloc(1, sizeof(*b) + n)) == NULL) {
		a->err = CM_ENOMEM;
		return NULL;
	}
	a->bytes += n;
	b->len = n;
	b->next = a->first;
	a->first = b;
	return b;
}

void *
imap_alloc(struct imap_in *in, size_t n)
{
	struct imap_arena *a = in->cmd->arena;
	struct block	*b;

	if (a == NULL)
		a = in->cmd->arena = calloc(1, sizeof(*a));
	if (a == NULL || a->err != 0)
		return NULL;
	if (n > IMAP_ARENA_MAX) {
		a->err = CM_ETOOBIG;
		return NULL;
	}
	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	b = a->first;
	if ((b == NULL || n > b->len - b->used) &&
	    (b = new_block(a, n)) == NULL)
		return NULL;
	b->used += n;
	return b->bytes + b->used - n;
}

int
imap_short(struct imap_in *in)
{
	if (in->cmd->arena == NULL || in->cmd->arena->err != CM_ETOOBIG)
		return CM_ENOMEM;
	return imap_big(in, "command too large");
}

void *
imap_grow(struct imap_in *in, const void *array, size_t n, size_t size)
{
	size_t	 cap = n == 0 ? FIRST : 2 * n;
	char	*p;

	if (n != 0 && (n < FIRST || (n & (n - 1)) != 0))
		return (void *)(uintptr_t)array;
	if ((p = imap_alloc(in, cap * size)) != NULL && n > 0)
		memcpy(p, array, n * size);
	return p;
}

int
imap_keep_set(struct imap_in *in, struct imap_set *s, enum imap_kind kind)
{
	struct imap_range *r;
	struct kept	*k;
	struct imap_set	 parsed = *s;

	if (s->n > 0) {
		*s = (struct imap_set){ 0 };
		r = imap_alloc(in, parsed.n * sizeof(*r));
		if (r != NULL) {
			memcpy(r, parsed.r, parsed.n * sizeof(*r));
			*s = (struct imap_set){ r, parsed.n, parsed.n, false };
		}
		imap_set_free(&parsed);
		if (r == NULL)
			return imap_short(in);
	}
	if (kind == IMAP_OF_NEITHER)
		return 0;
	if ((k = imap_alloc(in, sizeof(*k))) == NULL)
		return imap_short(in);
	*k = (struct kept){ in->cmd->arena->sets, s, kind };
	in->cmd->arena->sets = k;
	return 0;
}

void
imap_command_resolve(struct imap_command *c, uint32_t messages, uint32_t uid)
{
	if (c->arena == NULL)
		return;
	imap_set_resolve(&c->set, c->uid ? uid : messages);
	for (struct kept *k = c->arena->sets; k != NULL; k = k->next)
		imap_set_resolve(k->set, k->kind == IMAP_OF_UIDS ? uid :
		    messages);
}

void
imap_command_free(struct imap_command *c)
{
	struct block	*b, *next;

	if (c == NULL)
		return;
	if (c->arena != NULL) {
		for (b = c->arena->first; b != NULL; b = next) {
			next = b->next;
			free(b);
		}
		free(c->arena);
	}
	memset(c, 0, sizeof(*c));
}
