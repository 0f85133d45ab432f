#include <stdlib.h>
#include <string.h>

#include "adapter/kv.h"
#include "adapter/kv_int.h"

#define BULK		(64u << 10)	/* a multiple of 1024, over a page */
#define USED_MIN	8		/* of a buffer, that it was worth it */
#define ALONE_MIN	64		/* keys that are then got one by one */
#define ALONE_MAX	4096
#define VALUE_MAX	(64u << 20)

struct near_value {
	struct span	 key, value;
};

struct kv_near {
	struct kv	*k;
	DBT		 bulk;
	struct near_value *v;		/* what is in the buffer, in order */
	size_t		 n, room;
	size_t		 used;		/* values of it that were asked for */
	size_t		 alone;		/* keys still to be got one by one */
	size_t		 penalty;	/* and how many the next time */
	struct buf	 one;
};

struct kv_near *
kv_near_new(struct kv *k)
{
	struct kv_near	*r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->k = k;
	r->used = USED_MIN;
	r->penalty = ALONE_MIN;
	buf_init(&r->one, VALUE_MAX);
	r->bulk.ulen = BULK;
	r->bulk.flags = DB_DBT_USERMEM;
	if ((r->bulk.data = malloc(BULK)) == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
kv_near_free(struct kv_near *r)
{
	if (r == NULL)
		return;
	buf_free(&r->one);
	free(r->bulk.data);
	free(r->v);
	free(r);
}

static int
compare(struct span a, struct span b)
{
	int	 c = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int
add(struct kv_near *r, struct span key, struct span value)
{
	size_t		 room = r->room > 0 ? 2 * r->room : 128;
	struct near_value *v;

	if (r->n == r->room) {
		if ((v = realloc(r->v, room * sizeof(*v))) == NULL)
			return CM_ENOMEM;
		r->v = v;
		r->room = room;
	}
	r->v[r->n++] = (struct near_value){ key, value };
	return 0;
}

/* CM_ENOINPUT: there is nothing from the key on. */
static int
fill(struct kv_near *r, struct span key)
{
	void		*p, *kp, *vp;
	size_t		 kl, vl;
	int		 rc;

	r->n = r->used = 0;
	do {
		rc = kv_fill(r->k, NULL, key, &r->bulk);
	} while (rc == CM_EAGAIN);
	if (rc != 0)
		return rc;
	DB_MULTIPLE_INIT(p, &r->bulk);
	for (;;) {
		DB_MULTIPLE_KEY_NEXT(p, &r->bulk, kp, kl, vp, vl);
		if (p == NULL)
			return 0;
		if ((rc = add(r, (struct span){ kp, kl },
		    (struct span){ vp, vl })) != 0)
			return rc;
	}
}

static bool
find(struct kv_near *r, struct span key, struct span *value)
{
	size_t	 low = 0, high = r->n, mid;
	int	 c;

	while (low < high) {
		mid = low + (high - low) / 2;
		if ((c = compare(r->v[mid].key, key)) == 0) {
			r->used++;
			*value = r->v[mid].value;
			return true;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static int
get_one(struct kv_near *r, struct span key, struct span *value)
{
	int	 rc = kv_get(r->k, NULL, key, &r->one);

	if (rc == 0)
		*value = (struct span){ r->one.p, r->one.len };
	return rc;
}

/* Is it no use to read on from the key? */
static bool
is_alone(struct kv_near *r, struct span key)
{
	if (r->n > 0 && compare(key, r->v[r->n - 1].key) <= 0)
		return true;
	if (r->alone > 0) {
		r->alone--;
		return true;
	}
	if (r->used >= USED_MIN) {
		r->penalty = ALONE_MIN;
		return false;
	}
	r->alone = r->penalty;
	if (r->penalty < ALONE_MAX)
		r->penalty *= 2;
	r->n = 0;
	r->used = USED_MIN;
	return true;
}

/* A key that is missing in the buffer can have come since. */
int
kv_near_get(struct kv_near *r, struct span key, struct span *value)
{
	int	 rc;

	*value = (struct span){ NULL, 0 };
	if (find(r, key, value))
		return 0;
	if (is_alone(r, key))
		return get_one(r, key, value);
	if ((rc = fill(r, key)) != 0)
		return rc;
	return find(r, key, value) ? 0 : CM_ENOINPUT;
}
