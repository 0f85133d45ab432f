/* LIST and LSUB: RFC 3501 sections 6.3.8 and 6.3.9, RFC 5258, 5819, 6154. */
#include <stdlib.h>
#include <string.h>

#include "format/imap_name.h"
#include "protocol/imapd_int.h"

#define FOLDERS_MAX	1000000
#define NAME_ROOM	(8 * FOLDER_MAX)
#define PATTERN_MAX	65536

/* A folder, or a level that is none and has some below it. */
struct entry {
	struct mailbox_folder f;
	bool		 children;	/* folders below it */
	bool		 subscribed_below;
};

struct listing {
	struct imapd	*m;
	const struct imap_command *c;
	struct entry	*e;
	size_t		 n, room;
	struct buf	*pattern;	/* with the reference before them */
	size_t		 npatterns;
};

/* --- all names there are --- */

static int
add_entry(struct listing *l, const struct mailbox_folder *f)
{
	struct entry	*e;
	size_t		 room = l->room > 0 ? 2 * l->room : 64;

	if (l->n == l->room) {
		if (l->n >= FOLDERS_MAX)
			return CM_ETOOBIG;
		if ((e = realloc(l->e, room * sizeof(*e))) == NULL)
			return CM_ENOMEM;
		l->e = e;
		l->room = room;
	}
	l->e[l->n++] = (struct entry){ .f = *f };
	return 0;
}

static int
take_folder(void *arg, const struct mailbox_folder *f)
{
	return add_entry(arg, f);
}

static int
by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->f.name, y->f.name);
}

static struct entry *
find(const struct listing *l, size_t n, const char *name)
{
	struct entry	 key = { 0 };

	if (str_copy(key.f.name, sizeof(key.f.name), name) != 0 || n == 0)
		return NULL;
	return bsearch(&key, l->e, n, sizeof(key), by_name);
}

/* Cuts the last level off; false: there is none above it. */
static bool
up(char *name)
{
	char	*slash = strrchr(name, '/');

	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

/* Levels that are missing, of the sorted first n; the same one may come
 * twice, and is found again once all are sorted. */
static int
add_levels(struct listing *l)
{
	struct mailbox_folder f = { .exists = false };
	size_t		 n = l->n;
	int		 rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		memcpy(f.name, l->e[i].f.name, sizeof(f.name));
		while (rc == 0 && up(f.name))
			if (find(l, n, f.name) == NULL)
				rc = add_entry(l, &f);
	}
	return rc;
}

static void
sort_once(struct listing *l)
{
	size_t	 to = 0;

	qsort(l->e, l->n, sizeof(*l->e), by_name);
	for (size_t i = 0; i < l->n; i++)
		if (to == 0 || strcmp(l->e[to - 1].f.name,
		    l->e[i].f.name) != 0)
			l->e[to++] = l->e[i];
	l->n = to;
}

static void
mark_levels(struct listing *l)
{
	char		 name[FOLDER_MAX + 1];
	struct entry	*e;

	for (size_t i = 0; i < l->n; i++) {
		memcpy(name, l->e[i].f.name, sizeof(name));
		while (up(name)) {
			if ((e = find(l, l->n, name)) == NULL)
				continue;
			e->children |= l->e[i].f.exists;
			e->subscribed_below |= l->e[i].f.subscribed;
		}
	}
}

static int
gather(struct listing *l)
{
	struct mailbox_folder inbox = { .name = "INBOX", .exists = true };
	int		 rc;

	rc = mailbox_folders(l->m->box, take_folder, l);
	if (rc == 0 && find(l, l->n, "INBOX") == NULL)
		rc = add_entry(l, &inbox);
	if (rc == 0) {
		sort_once(l);
		rc = add_levels(l);
	}
	if (rc == 0) {
		sort_once(l);
		mark_levels(l);
	}
	return rc;
}

/* --- which of them --- */

static int
read_patterns(struct listing *l)
{
	const struct imap_command *c = l->c;
	bool		 utf8 = imapd_is_utf8(l->m);
	struct buf	*b;
	int		 rc = 0;

	l->pattern = calloc(c->list.npatterns + 1, sizeof(*l->pattern));
	if (l->pattern == NULL)
		return CM_ENOMEM;
	for (unsigned i = 0; rc == 0 && i < c->list.npatterns; i++) {
		b = &l->pattern[l->npatterns++];
		buf_init(b, PATTERN_MAX);
		buf_adds(b, "");
		rc = imap_name_decode(c->name, utf8, b);
		if (rc == 0)
			rc = imap_name_decode(c->list.pattern[i], utf8, b);
	}
	return rc;
}

/* The pattern that the name matches; NULL: none. */
static const struct buf *
matched(const struct listing *l, const char *name)
{
	struct span	 s = { name, strlen(name) };

	for (size_t i = 0; i < l->npatterns; i++)
		if (imap_name_match((struct span){ l->pattern[i].p,
		    l->pattern[i].len }, s))
			return &l->pattern[i];
	return NULL;
}

/* Levels that are no folder show up by what is below them. */
static bool
is_listed(const struct listing *l, const struct entry *e,
    const struct buf *pattern)
{
	const struct imap_command *c = l->c;

	if (c->verb == IMAP_LSUB)
		return e->f.subscribed || (e->subscribed_below &&
		    memchr(pattern->p, '%', pattern->len) != NULL);
	if (c->list.only_special && e->f.use == 0)
		return false;
	if (c->list.only_subscribed)
		return e->f.subscribed || (c->list.recursive_match &&
		    e->subscribed_below);
	return e->f.exists || e->children;
}

/* --- how they are told --- */

static void
add_attribute(struct buf *out, const char *name, bool *some)
{
	if (*some)
		buf_addc(out, ' ');
	buf_adds(out, name);
	*some = true;
}

static void
add_attributes(const struct listing *l, const struct entry *e,
    struct buf *out)
{
	const struct imap_command *c = l->c;
	bool		 lsub = c->verb == IMAP_LSUB, some = false;
	bool		 select = e->f.exists && !(lsub && !e->f.subscribed);

	buf_addc(out, '(');
	if (!select)
		add_attribute(out, "\\Noselect", &some);
	if (!e->f.exists && !lsub)
		add_attribute(out, "\\NonExistent", &some);
	add_attribute(out, e->children ? "\\HasChildren" : "\\HasNoChildren",
	    &some);
	if (e->f.subscribed && (c->list.subscribed || c->list.only_subscribed))
		add_attribute(out, "\\Subscribed", &some);
	if (e->f.use != 0 && !lsub) {
		buf_addc(out, ' ');
		imap_use_write(out, e->f.use);
	}
	buf_addc(out, ')');
}

static int
say(const struct listing *l, const struct entry *e)
{
	const struct imap_command *c = l->c;
	struct buf	*out = conn_out(l->m->s->conn), name;
	bool		 utf8 = imapd_is_utf8(l->m);
	int		 rc;

	buf_init(&name, NAME_ROOM);
	rc = imap_name_encode((struct span){ e->f.name, strlen(e->f.name) },
	    utf8, &name);
	if (rc == 0) {
		buf_addf(out, "* %s ", imap_verb_name(c->verb));
		add_attributes(l, e, out);
		buf_adds(out, " \"/\" ");
		imap_string(out, (struct span){ name.p, name.len }, utf8);
		if (c->list.recursive_match && e->subscribed_below)
			buf_adds(out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
		buf_adds(out, "\r\n");
		if (c->list.status != 0 && e->f.exists && e->f.validity != 0)
			imapd_say_status(l->m, &e->f, c->list.status);
	}
	buf_free(&name);
	return rc;
}

/* RFC 9051 section 6.3.2: SELECT tells the folder's name. */
void
imapd_say_list(struct imapd *m, const struct mailbox_folder *f)
{
	struct buf	*out = conn_out(m->s->conn), name;

	buf_init(&name, NAME_ROOM);
	if (imap_name_encode((struct span){ f->name, strlen(f->name) },
	    imapd_is_utf8(m), &name) == 0) {
		buf_adds(out, "* LIST () \"/\" ");
		imap_string(out, (struct span){ name.p, name.len },
		    imapd_is_utf8(m));
		buf_adds(out, "\r\n");
	}
	buf_free(&name);
}

static void
say_all(struct listing *l)
{
	const struct buf *pattern;
	int		 rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		pattern = matched(l, l->e[i].f.name);
		if (pattern == NULL || !is_listed(l, &l->e[i], pattern))
			continue;
		rc = say(l, &l->e[i]);
		if (!imapd_send_some(l->m))
			return;
	}
	if (rc != 0)
		imapd_no_for(l->m, rc);
	else
		imapd_ok(l->m, NULL, "these are all");
}

/* RFC 3501 section 6.3.8: what is between levels, and the root. */
static bool
asks_for_root(const struct imap_command *c)
{
	return c->verb == IMAP_LIST && !c->list.extended &&
	    c->list.npatterns == 1 && c->list.pattern[0].len == 0;
}

void
imapd_list(struct imapd *m, const struct imap_command *c)
{
	struct listing	 l = { .m = m, .c = c };
	int		 rc;

	if (asks_for_root(c)) {
		buf_adds(conn_out(m->s->conn),
		    "* LIST (\\Noselect) \"/\" \"\"\r\n");
		imapd_ok(m, NULL, "that is the root");
		return;
	}
	if ((rc = read_patterns(&l)) == CM_EDATA)
		imapd_no(m, "CANNOT", "not names of folders");
	else if (rc != 0 || (rc = gather(&l)) != 0)
		imapd_no_for(m, rc);
	else
		say_all(&l);
	for (size_t i = 0; i < l.npatterns; i++)
		buf_free(&l.pattern[i]);
	free(l.pattern);
	free(l.e);
}
