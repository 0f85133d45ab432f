/*
 * Folders that a client watches: two lists of all there are, and what is told
 * of what differs.  RFC 5465 sections 5 and 6.
 */
#include <stdlib.h>
#include <string.h>

#include "cluster/folder.h"
#include "format/imap_name.h"
#include "protocol/imapd_notify.h"

#define NAME_ROOM	(8 * FOLDER_MAX)

/* --- lists --- */

static int
take_folder(void *arg, const struct mailbox_folder *f)
{
	struct watch_list *l = arg;
	struct mailbox_folder *p;
	size_t		 room = l->room > 0 ? 2 * l->room : 64;

	if (l->n == WATCH_FOLDERS_MAX)
		return CM_ETOOBIG;
	if (l->n == l->room) {
		if ((p = realloc(l->f, room * sizeof(*p))) == NULL)
			return CM_ENOMEM;
		l->f = p;
		l->room = room;
	}
	l->f[l->n++] = *f;
	return 0;
}

/* They come in the order of their names' bytes. */
int
watch_list(struct imapd *m, struct watch_list *l)
{
	l->n = 0;
	return mailbox_folders(m->box, take_folder, l);
}

/* The first one that is not before name. */
static size_t
find_from(const struct watch_list *l, const char *name)
{
	size_t	 from = 0, to = l->n, at;

	while (from < to) {
		at = from + (to - from) / 2;
		if (strcmp(l->f[at].name, name) < 0)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

struct mailbox_folder *
watch_find(const struct watch_list *l, const char *name)
{
	size_t	 at = find_from(l, name);

	return at < l->n && strcmp(l->f[at].name, name) == 0 ? &l->f[at] :
	    NULL;
}

/* A folder, not a name that is only subscribed to. */
static const struct mailbox_folder *
find_there(const struct watch_list *l, const char *name)
{
	const struct mailbox_folder *f = watch_find(l, name);

	return f != NULL && f->exists ? f : NULL;
}

/* A folder keeps its id when it is renamed. */
static const struct mailbox_folder *
find_id(const struct watch_list *l, uint32_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->f[i].exists && l->f[i].id == id)
			return &l->f[i];
	return NULL;
}

static bool
has_children(const struct watch_list *l, const char *name)
{
	char	 below[FOLDER_MAX + 2];
	size_t	 len;

	if (str_fmt(below, sizeof(below), "%s/", name) != 0)
		return false;
	len = strlen(below);
	for (size_t i = find_from(l, below); i < l->n &&
	    strncmp(l->f[i].name, below, len) == 0; i++)
		if (l->f[i].exists)
			return true;
	return false;
}

/* --- what is watched --- */

static bool
is_named(const struct watch_group *w, const char *name)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->g->where == IMAP_SUBTREE ?
		    folder_is_below(name, w->name[i]) :
		    strcmp(name, w->name[i]) == 0)
			return true;
	return false;
}

/*
 * Section 6.3: what a program may deliver to is any folder (cm-store -F), so
 * inboxes are as personal.
 */
static unsigned
events_of(const struct imapd_notify *n, const char *name, bool subscribed)
{
	const struct watch_group *w = n->group;
	unsigned	 events = 0;

	for (size_t i = 0; i < n->ngroups; i++, w++)
		if (w->g->where == IMAP_INBOXES ||
		    w->g->where == IMAP_PERSONAL ||
		    (w->g->where == IMAP_SUBSCRIBED && subscribed) ||
		    is_named(w, name))
			events |= w->g->events;
	return events;
}

/* Section 3.1: of the selected one only "selected" tells. */
static bool
is_selected(const struct imapd *m, const char *name)
{
	return m->view.open && strcmp(m->view.name, name) == 0;
}

/* --- names --- */

/* LIST tells of a name; old: that it had before, or "". */
struct told {
	char	 name[FOLDER_MAX + 1];
	char	 old[FOLDER_MAX + 1];
};

struct telling {
	const struct imapd_notify *n;
	struct told	*t;
	size_t		 len, room;
};

static int
add(struct telling *q, const char *name, const char *old)
{
	struct told	*t;
	size_t		 room = q->room > 0 ? 2 * q->room : 16;

	if (q->len == WATCH_TOLD_MAX)
		return CM_ETOOBIG;
	if (q->len == q->room) {
		if ((t = realloc(q->t, room * sizeof(*t))) == NULL)
			return CM_ENOMEM;
		q->t = t;
		q->room = room;
	}
	t = &q->t[q->len++];
	if (str_copy(t->name, sizeof(t->name), name) != 0)
		return CM_ETOOBIG;
	return str_copy(t->old, sizeof(t->old), old);
}

static bool
is_subscribed(const struct imapd_notify *n, const char *name)
{
	const struct mailbox_folder *a = watch_find(&n->known, name),
				    *b = watch_find(&n->now, name);

	return (a != NULL && a->subscribed) || (b != NULL && b->subscribed);
}

static bool
is_watched(const struct imapd_notify *n, const char *name, unsigned event)
{
	return (events_of(n, name, is_subscribed(n, name)) & event) != 0;
}

static bool
did(const struct imapd_notify *n, enum imap_verb verb, const char *name)
{
	return n->did == verb && strcmp(n->from, name) == 0;
}

/* Section 5.4: the level above is affected, too, whether it is one or not. */
static int
came_or_went(struct telling *q, const char *name)
{
	char	 parent[FOLDER_MAX + 1];
	char	*slash;
	int	 rc = 0;

	if (strcmp(name, "INBOX") == 0)
		return 0;
	if (is_watched(q->n, name, IMAP_EVENT_NAME))
		rc = add(q, name, "");
	if (rc != 0 || str_copy(parent, sizeof(parent), name) != 0 ||
	    (slash = strrchr(parent, '/')) == NULL)
		return rc;
	*slash = '\0';
	return is_watched(q->n, parent, IMAP_EVENT_NAME) ?
	    add(q, parent, "") : 0;
}

/* Was it this that made new of old: a folder is its new name now? */
static bool
is_moved(const char *from, const char *to, const char *old, const char *new)
{
	size_t	 len = strlen(from), tolen = strlen(to);

	return folder_is_below(old, from) && strncmp(new, to, tolen) == 0 &&
	    strcmp(old + len, new + tolen) == 0;
}

/* Section 5.4: those below a folder that is renamed go without saying. */
static bool
went_along(const struct imapd_notify *n, const char *old, const char *new)
{
	const struct mailbox_folder *was, *is;
	char	 above[FOLDER_MAX + 1];
	char	*slash;

	if (str_copy(above, sizeof(above), old) != 0)
		return false;
	while ((slash = strrchr(above, '/')) != NULL) {
		*slash = '\0';
		if ((was = find_there(&n->known, above)) == NULL ||
		    (is = find_id(&n->now, was->id)) == NULL ||
		    strcmp(is->name, above) == 0)
			continue;
		if (is_moved(above, is->name, old, new))
			return true;
	}
	return false;
}

static int
renamed(struct telling *q, const char *old, const char *new)
{
	const struct imapd_notify *n = q->n;

	if (strcmp(new, "INBOX") == 0 || went_along(n, old, new) ||
	    (n->did == IMAP_RENAME && is_moved(n->from, n->to, old, new)))
		return 0;
	if (!is_watched(n, old, IMAP_EVENT_NAME) &&
	    !is_watched(n, new, IMAP_EVENT_NAME))
		return 0;
	return add(q, new, old);
}

/* One that was not there with its id. */
static int
look_at_new(struct telling *q, const struct mailbox_folder *f)
{
	const struct mailbox_folder *was = find_id(&q->n->known, f->id);

	if (was != NULL)
		return renamed(q, was->name, f->name);
	return did(q->n, IMAP_CREATE, f->name) ? 0 :
	    came_or_went(q, f->name);
}

/* The same name in both lists, or in one of them: NULL. */
static int
compare_names(struct telling *q, const struct mailbox_folder *a,
    const struct mailbox_folder *b)
{
	const struct imapd_notify *n = q->n;
	const char	*name = a != NULL ? a->name : b->name;
	bool		 was = a != NULL && a->exists;
	bool		 is = b != NULL && b->exists;
	bool		 on = b != NULL && b->subscribed;
	int		 rc = 0;

	if (is && (!was || a->id != b->id))
		rc = look_at_new(q, b);
	else if (was && !is && find_id(&n->now, a->id) == NULL &&
	    !did(n, IMAP_DELETE, name))
		rc = came_or_went(q, name);
	if (rc != 0 || (a != NULL && a->subscribed) == on ||
	    did(n, on ? IMAP_SUBSCRIBE : IMAP_UNSUBSCRIBE, name) ||
	    !is_watched(n, name, IMAP_EVENT_SUBSCRIPTION))
		return rc;
	return add(q, name, "");
}

static int
compare_all(struct telling *q)
{
	const struct watch_list *a = &q->n->known, *b = &q->n->now;
	size_t		 i = 0, k = 0;
	int		 c, rc = 0;

	while (rc == 0 && (i < a->n || k < b->n)) {
		if (i == a->n || k == b->n)
			c = i == a->n ? 1 : -1;
		else
			c = strcmp(a->f[i].name, b->f[k].name);
		rc = compare_names(q, c <= 0 ? &a->f[i] : NULL,
		    c >= 0 ? &b->f[k] : NULL);
		i += c <= 0;
		k += c >= 0;
	}
	return rc;
}

/* With an old name first. */
static int
by_name(const void *a, const void *b)
{
	const struct told *x = a, *y = b;
	int		 c = strcmp(x->name, y->name);

	return c != 0 ? c : strcmp(y->old, x->old);
}

static void
add_name(const struct imapd *m, struct buf *out, const char *name)
{
	bool		 utf8 = imapd_is_utf8(m);
	struct buf	 b;

	buf_init(&b, NAME_ROOM);
	buf_adds(&b, "");
	if (imap_name_encode((struct span){ name, strlen(name) }, utf8,
	    &b) == 0)
		imap_string(out, (struct span){ b.p, b.len }, utf8);
	buf_free(&b);
}

static void
say_name(struct imapd *m, const struct imapd_notify *n, const struct told *t)
{
	const struct mailbox_folder *f = watch_find(&n->now, t->name);
	struct buf	*out = conn_out(m->s->conn);

	buf_addf(out, "* LIST (%s%s", f == NULL || !f->exists ?
	    "\\NonExistent " : "", has_children(&n->now, t->name) ?
	    "\\HasChildren" : "\\HasNoChildren");
	if (f != NULL && f->subscribed)
		buf_adds(out, " \\Subscribed");
	if (f != NULL && f->use != 0) {
		buf_addc(out, ' ');
		imap_use_write(out, f->use);
	}
	buf_adds(out, ") \"/\" ");
	add_name(m, out, t->name);
	if (t->old[0] != '\0') {
		buf_adds(out, " (\"OLDNAME\" (");
		add_name(m, out, t->old);
		buf_adds(out, "))");
	}
	buf_adds(out, "\r\n");
}

int
watch_say_names(struct imapd *m, struct imapd_notify *n)
{
	struct telling	 q = { .n = n };
	int		 rc = compare_all(&q);

	if (rc == 0 && q.len > 0)
		qsort(q.t, q.len, sizeof(*q.t), by_name);
	for (size_t i = 0; rc == 0 && i < q.len; i++)
		if (i == 0 || strcmp(q.t[i].name, q.t[i - 1].name) != 0)
			say_name(m, n, &q.t[i]);
	free(q.t);
	return rc;
}

/* --- messages --- */

static unsigned
items_of(const struct imapd *m, unsigned events)
{
	unsigned items = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT |
	    IMAP_STATUS_UIDVALIDITY;

	if (events & IMAP_EVENT_FLAGS)
		items |= IMAP_STATUS_UNSEEN;
	if (imapd_is_condstore(m))
		items |= IMAP_STATUS_HIGHESTMODSEQ;
	return items;
}

/* Section 3.1: HIGHESTMODSEQ whether or not the client has enabled it. */
void
watch_say_all(struct imapd *m, const struct imapd_notify *n)
{
	const struct mailbox_folder *f = n->known.f;
	unsigned	 events, more;

	for (size_t i = 0; i < n->known.n && !m->done; i++, f++) {
		events = events_of(n, f->name, f->subscribed);
		if (!f->exists || !(events & IMAP_EVENT_NEW) ||
		    is_selected(m, f->name))
			continue;
		more = events & IMAP_EVENT_FLAGS ?
		    IMAP_STATUS_HIGHESTMODSEQ : 0;
		imapd_say_status(m, f, items_of(m, events) | more);
		(void)imapd_send_some(m);
	}
}

/* Each message that comes has a modseq of its own: when there are no more of
 * them, nobody else did anything. */
static bool
is_own(const struct imapd_notify *n, const struct mailbox_folder *a,
    const struct mailbox_folder *b)
{
	return strcmp(n->added_to, b->name) == 0 &&
	    b->messages - a->messages == n->added &&
	    b->uidnext - a->uidnext == n->added &&
	    b->modseq - a->modseq == n->added;
}

/* Is something of b to be told, which was a? */
static bool
is_changed(const struct imapd *m, const struct imapd_notify *n,
    const struct mailbox_folder *b, unsigned events)
{
	static const struct mailbox_folder none = { .uidnext = 1,
	    .modseq = 1 };
	const struct mailbox_folder *same = find_there(&n->known, b->name);
	const struct mailbox_folder *a = same;

	if (a == NULL || a->id != b->id)
		a = find_id(&n->known, b->id);
	/* its name had other messages */
	if (same != NULL && same->validity != b->validity)
		return true;
	if (a == NULL)
		a = &none;
	if (a->uidnext != b->uidnext || a->messages != b->messages)
		return !is_own(n, a, b);
	if (!(events & IMAP_EVENT_FLAGS) || a->modseq == b->modseq)
		return false;
	return imapd_is_condstore(m) || a->unseen != b->unseen;
}

static bool
is_as_before(const struct mailbox_folder *a, const struct mailbox_folder *b)
{
	return a != NULL && a->id == b->id && a->modseq == b->modseq &&
	    a->uidnext == b->uidnext && a->messages == b->messages &&
	    a->validity == b->validity;
}

void
watch_say_messages(struct imapd *m, struct imapd_notify *n)
{
	const struct mailbox_folder *f = n->now.f;
	size_t		 told = 0;
	unsigned	 events;

	for (size_t i = 0; i < n->now.n && !m->done; i++, f++) {
		if (!f->exists || is_selected(m, f->name) ||
		    (i < n->known.n && is_as_before(&n->known.f[i], f) &&
		    strcmp(n->known.f[i].name, f->name) == 0))
			continue;
		events = events_of(n, f->name, f->subscribed);
		if (!(events & IMAP_EVENT_NEW) ||
		    !is_changed(m, n, f, events))
			continue;
		if (told++ == WATCH_TOLD_MAX) {
			n->too_much = true;
			return;
		}
		imapd_say_status(m, f, items_of(m, events));
	}
}
