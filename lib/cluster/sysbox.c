#include "cluster/sysbox.h"

#include <string.h>

#include "base/str.h"
#include "base/time.h"

#define LIST_MAX	(64u << 20)

static int
keep(void *arg, struct span line)
{
	struct buf	*b = arg;

	buf_add(b, line.p, line.len);
	return buf_addc(b, '\n');
}

int
sysbox_list(struct tool *t, const char *box, struct buf *b)
{
	const char	*words[] = { "list", box, "INBOX", NULL };
	int		 rc;

	buf_init(b, LIST_MAX);
	rc = catalog_call(t->catalog, words, -1, CATALOG_CALL_MS, keep, b);
	return rc == CM_ENOUSER || rc == CM_ENOHOST || rc == CM_ENOINPUT ? 0 :
	    rc;
}

static int
parse(struct span l, struct sysbox_entry *e)
{
	struct span	 entry, id, place, size, at;
	const char	*slash;

	if (!str_field(&l, '\t', &entry) || !str_field(&l, '\t', &id) ||
	    !str_field(&l, '\t', &place) || !str_field(&l, '\t', &size) ||
	    !str_field(&l, '\t', &at) ||
	    (slash = memrchr(entry.p, '/', entry.len)) == NULL ||
	    str_ncopy(e->uid, sizeof(e->uid), slash + 1,
	    (size_t)(entry.p + entry.len - slash - 1)) != 0 ||
	    str_ncopy(e->id, sizeof(e->id), id.p, id.len) != 0 ||
	    strlen(e->id) != ULID_LEN ||
	    place_parse(place.p, place.len, &e->place) != 0)
		return CM_EDATA;
	return time_parse_iso(at.p, at.len, &e->time_ms);
}

int
sysbox_next(struct span *rest, struct sysbox_entry *e)
{
	struct span	 l;

	while (rest->p != NULL && rest->len > 0 && str_field(rest, '\n', &l))
		if (l.len > 0)
			return parse(l, e);
	return CM_EEND;
}

int
sysbox_expunge(struct tool *t, const char *box, const struct sysbox_entry *e)
{
	const char	*words[] = { "expunge", box, "INBOX", e->uid, NULL };
	int		 rc = catalog_call(t->catalog, words, -1,
			    CATALOG_CALL_MS, NULL, NULL);

	return rc == CM_ENOINPUT ? 0 : rc;
}
