#include "cluster/cancel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "cluster/store.h"

#define AT_MAX	(16u << 20)		/* cancelled records kept in mind */

void
cancels_free(struct cancels *c)
{
	free(c->at);
	memset(c, 0, sizeof(*c));
}

static int
add(struct cancels *c, uint32_t segment, uint32_t offset)
{
	struct vol_end	*p;
	size_t		 cap = c->cap ? c->cap * 2 : 16;

	if (c->n == c->cap) {
		if (cap > AT_MAX || (p = reallocarray(c->at, cap,
		    sizeof(*p))) == NULL)
			return CM_ENOMEM;
		c->at = p;
		c->cap = cap;
	}
	c->at[c->n++] = (struct vol_end){ segment, offset };
	return 0;
}

struct scan {
	struct cancels	*c;
	uint32_t	 end;		/* behind the last whole record */
};

static int
on_item(void *arg, const struct seg_item *it)
{
	struct scan		*s = arg;
	struct record_env	 e;
	uint32_t		 segment, offset;

	if (it->what == SEG_TAIL)
		return 0;
	s->end = it->offset + it->length;
	if (it->what != SEG_UNREAD || it->env == NULL ||
	    it->head.env_len > RECORD_CANCEL_MAX ||
	    record_env_parse(it->env, it->head.env_len, &e) != 0 ||
	    e.cancel.p == NULL ||
	    record_cancel_parse(e.cancel, &segment, &offset) != 0)
		return 0;
	return add(s->c, segment, offset);
}

/* Reads on in a segment; *end: where the next record begins. */
static int
scan_segment(const struct log *log, const char *dir, uint32_t salt,
    struct cancels *c, uint32_t segment, uint32_t from, uint32_t to,
    uint32_t *end)
{
	struct scan	 s = { c, from };
	struct seg_scan	 sc = { .salt = salt, .segment = segment,
			    .from = from, .to = to, .brief = true,
			    .fn = on_item, .arg = &s };
	int		 rc;

	*end = from;
	if (from >= to)
		return 0;
	if ((rc = seg_open(log, dir, segment, O_RDONLY, &sc.fd)) != 0)
		return rc;
	rc = seg_scan(log, &sc);
	close(sc.fd);
	*end = s.end;
	return rc;
}

/* *to becomes where the last record ends, when it was in the midst of one. */
static int
scan_log(const struct log *log, const char *dir, uint32_t salt,
    struct cancels *c, struct vol_end from, struct vol_end *to)
{
	uint32_t	*list, end = 0, size;
	size_t		 n;
	int		 rc;

	if (from.segment == to->segment)
		return scan_segment(log, dir, salt, c, from.segment,
		    from.offset, to->offset, &to->offset);
	if ((rc = seg_list(log, dir, &list, &n)) != 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (list[i] < from.segment || list[i] > to->segment)
			continue;
		size = to->offset;
		if (list[i] < to->segment &&
		    (rc = seg_size(log, dir, list[i], &size)) != 0)
			break;
		rc = scan_segment(log, dir, salt, c, list[i],
		    list[i] == from.segment ? from.offset : 0, size, &end);
		if (rc == 0 && list[i] == to->segment)
			to->offset = end;
	}
	free(list);
	return rc;
}

static int
by_place(const void *x, const void *y)
{
	const struct vol_end	*a = x, *b = y;

	return vol_end_before(*a, *b) ? -1 : vol_end_before(*b, *a);
}

static int
cover(const struct log *log, const char *dir, uint32_t salt,
    struct cancels *c, struct vol_end from, struct vol_end to)
{
	struct vol_end	 end = to;
	int		 rc;

	if (c->to.segment == 0 || vol_end_before(c->to, from)) {
		c->n = 0;
		c->from = c->to = from;
	}
	if (vol_end_before(from, c->from)) {
		end = c->from;
		if ((rc = scan_log(log, dir, salt, c, from, &end)) != 0)
			return rc;
		c->from = from;
		end = to;
	}
	if (!vol_end_before(c->to, to))
		return 0;
	if ((rc = scan_log(log, dir, salt, c, c->to, &end)) == 0)
		c->to = end;
	return rc;
}

int
cancels_cover(const struct log *log, const char *dir, uint32_t salt,
    struct cancels *c, struct vol_end from, struct vol_end to)
{
	size_t	 was = c->n;
	int	 rc;

	rc = cover(log, dir, salt, c, from, to);
	if (c->n > 1 && c->n != was)
		qsort(c->at, c->n, sizeof(*c->at), by_place);
	return rc;
}

bool
cancels_has(const struct cancels *c, uint32_t segment, uint32_t offset)
{
	struct vol_end	 key = { segment, offset };

	return c->n > 0 && bsearch(&key, c->at, c->n, sizeof(key),
	    by_place) != NULL;
}

int
cancel_find(const struct log *log, const struct conf_volume *cv,
    const struct place *p, bool *found)
{
	struct cancels	 c = { .n = 0 };
	struct seg_meta	 m;
	struct vol_end	 from = { p->segment, p->offset + p->length }, to;
	uint32_t	*list;
	size_t		 n;
	int		 rc;

	*found = false;
	if ((rc = seg_meta_read(log, cv->path, &m)) != 0 ||
	    (rc = seg_list(log, cv->path, &list, &n)) != 0)
		return rc;
	if (n == 0 || list[n - 1] < p->segment) {
		free(list);
		return 0;
	}
	to.segment = list[n - 1];
	free(list);
	if ((rc = seg_size(log, cv->path, to.segment, &to.offset)) == 0)
		rc = cancels_cover(log, cv->path, m.salt, &c, from, to);
	*found = rc == 0 && cancels_has(&c, p->segment, p->offset);
	cancels_free(&c);
	return rc;
}

int
cancel_record(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const struct place *p)
{
	struct volume	*v;
	struct ulid	 id;
	struct buf	 env;
	int64_t		 now = time_now_ms();
	int		 rc;

	if ((rc = vol_open(log, conf, cv, &v)) != 0)
		return rc;
	buf_init(&env, RECORD_CANCEL_MAX);
	if ((rc = store_new_id(now, &id)) == 0 && (rc = record_cancel_write(
	    &env, &id, now, p->segment, p->offset)) == 0)
		rc = vol_cancel(v, p, env.p, env.len);
	buf_free(&env);
	vol_close(v);
	return rc;
}
