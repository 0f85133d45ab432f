/*
 * NOTIFY (RFC 5465): what others change is told while no command runs, and of
 * other folders than the selected one.
 *
 * All that is known comes from one look at the list of folders; who watches
 * none but the selected one, has a look at that one alone.
 */
#include "protocol/imapd_notify.h"

#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "format/imap_name.h"

#define POLL_MS		400	/* between two looks */
#define POLL_FOLDERS	1000	/* that are looked at so often; more of them
				 * are looked at less often */
#define EVENTS		"MessageNew MessageExpunge FlagChange MailboxName " \
			"SubscriptionChange"

static void
free_notify(struct imapd_notify *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; i < n->ngroups; i++)
		free(n->group[i].name);
	free(n->group);
	free(n->known.f);
	free(n->now.f);
	imap_set_free(&n->own);
	imap_command_free(&n->c);
	buf_free(&n->text);
	free(n);
}

void
imapd_notify_end(struct imapd *m)
{
	free_notify(m->notify);
	m->notify = NULL;
}

/* --- the command --- */

/* A folder's name, when it can be one: CREATE and RENAME take it with a "/" at
 * its end. */
static bool
name_of(struct imapd *m, struct span s, char name[FOLDER_MAX + 1])
{
	struct buf	 b;
	int		 rc;

	if (s.len > 1 && s.p[s.len - 1] == '/')
		s.len--;
	buf_init(&b, 8 * FOLDER_MAX);
	rc = imap_name_decode(s, imapd_is_utf8(m), &b);
	if (rc == 0)
		rc = folder_name(b.len > 0 ? b.p : "", b.len, name);
	buf_free(&b);
	return rc == 0;
}

/* Section 3.1: names that there are no folders of are passed over. */
static int
take_group(struct imapd *m, struct imapd_notify *n,
    const struct imap_notify *g)
{
	struct watch_group *w = &n->group[n->ngroups++];

	*w = (struct watch_group){ .g = g };
	if (g->nnames == 0)
		return 0;
	w->name = calloc(g->nnames, sizeof(*w->name));
	if (w->name == NULL)
		return CM_ENOMEM;
	for (unsigned i = 0; i < g->nnames; i++)
		if (name_of(m, g->name[i], w->name[w->n]))
			w->n++;
	return 0;
}

static int
take_groups(struct imapd *m, struct imapd_notify *n)
{
	const struct imap_notify *g = n->c.notify.group;
	int		 rc = 0;

	n->group = calloc(n->c.notify.ngroups + 1, sizeof(*n->group));
	if (n->group == NULL)
		return CM_ENOMEM;
	for (unsigned i = 0; rc == 0 && i < n->c.notify.ngroups; i++, g++) {
		if (g->where <= IMAP_SELECTED_DELAYED) {
			n->selected = g->events;
			n->delayed = g->where == IMAP_SELECTED_DELAYED;
		} else if (g->events != 0) {
			rc = take_group(m, n, g);
		}
	}
	return rc;
}

/* The command is kept as its bytes, which what was parsed points into. */
static int
begin(struct imapd *m, struct imapd_notify **out)
{
	struct imapd_notify *n;
	int		 rc;

	if ((n = *out = calloc(1, sizeof(*n))) == NULL)
		return CM_ENOMEM;
	n->did = IMAP_UNKNOWN;
	buf_init(&n->text, m->line.len + 1);
	if ((rc = buf_add(&n->text, m->line.p, m->line.len)) == 0)
		rc = imap_parse((struct span){ n->text.p, n->text.len },
		    &n->c);
	if (rc == 0)
		rc = take_groups(m, n);
	if (rc == 0 && n->ngroups > 0)
		rc = watch_list(m, &n->known);
	return rc;
}

static bool
is_offered(struct imapd *m, const struct imap_command *c)
{
	size_t	 names = 0;

	for (unsigned i = 0; i < c->notify.ngroups; i++) {
		if (c->notify.group[i].events & IMAP_EVENT_OTHER) {
			imapd_no(m, "BADEVENT (" EVENTS ")", "there are no "
			    "such events");
			return false;
		}
		names += c->notify.group[i].nnames;
	}
	if (names > WATCH_NAMES_MAX)
		imapd_no(m, "NOTIFICATIONOVERFLOW", "too many names");
	return names <= WATCH_NAMES_MAX;
}

/* Section 3.1: what was changed so far is told as by NOOP. */
static int
tell_so_far(struct imapd *m)
{
	int	 rc = 0;

	imapd_notify_end(m);
	m->unwanted = 0;
	if (m->view.open)
		rc = imapd_view_sync(m, true);
	if (rc == CM_ENOINPUT || rc == CM_ESTALE)
		imapd_bye(m, "the folder is not there any more");
	else if (rc != 0)
		imapd_log(m, "changes not told", cm_strerror(rc));
	return m->done ? rc : 0;
}

static void
set(struct imapd *m, const struct imap_command *c)
{
	struct imapd_notify *n;
	int		 rc = begin(m, &n);

	if (rc == CM_ETOOBIG)
		imapd_no(m, "NOTIFICATIONOVERFLOW", "more than %d folders",
		    WATCH_FOLDERS_MAX);
	else if (rc != 0)
		imapd_no_for(m, rc);
	if (rc == 0)
		rc = tell_so_far(m);
	if (rc != 0) {
		free_notify(n);
		return;
	}
	if (imapd_has_item(&n->c, IMAP_GET_MODSEQ))
		imapd_condstore(m);
	if (c->notify.status)
		watch_say_all(m, n);
	m->notify = n;
	m->unwanted = IMAP_EVENT_MESSAGES & ~n->selected;
	imapd_ok(m, NULL, "you will hear of it");
}

void
imapd_notify(struct imapd *m, const struct imap_command *c)
{
	if (c->notify.set) {
		if (is_offered(m, c))
			set(m, c);
		return;
	}
	imapd_notify_end(m);
	m->unwanted = IMAP_EVENT_MESSAGES;
	imapd_ok(m, NULL, "you will hear of nothing");
}

/* --- what the client does itself --- */

void
imapd_notify_did(struct imapd *m, const struct imap_command *c)
{
	struct imapd_notify *n = m->notify;

	if (n == NULL || m->reply.len < 3 || memcmp(m->reply.p, "OK ", 3) != 0)
		return;
	switch (c->verb) {
	case IMAP_RENAME:
		if (!name_of(m, c->name2, n->to))
			break;
		/* FALLTHROUGH */
	case IMAP_CREATE:
	case IMAP_DELETE:
	case IMAP_SUBSCRIBE:
	case IMAP_UNSUBSCRIBE:
		if (name_of(m, c->name, n->from))
			n->did = c->verb;
		break;
	default:
		break;
	}
}

void
imapd_notify_added(struct imapd *m, const char folder[FOLDER_MAX + 1],
    const struct imap_set *uids)
{
	struct imapd_notify *n = m->notify;
	int		 rc = 0;

	if (n == NULL)
		return;
	if (m->view.open && strcmp(folder, m->view.name) == 0) {
		for (size_t i = 0; rc == 0 && i < uids->n; i++)
			rc = imap_set_add(&n->own, uids->r[i].from,
			    uids->r[i].to);
		return;
	}
	if (strcmp(n->added_to, folder) != 0)
		n->added = 0;
	memcpy(n->added_to, folder, sizeof(n->added_to));
	n->added += (uint32_t)imap_set_count(uids);
}

/* From now on it is one of the others, of which the client knows this. */
void
imapd_notify_left(struct imapd *m, uint64_t expunged)
{
	const struct imapd_view *v = &m->view;
	struct mailbox_folder *f;

	if (m->notify == NULL || !v->open)
		return;
	imap_set_free(&m->notify->own);
	if ((f = watch_find(&m->notify->known, v->name)) == NULL)
		return;
	f->validity = v->validity;
	f->messages = (uint32_t)(v->n - expunged);
	f->uidnext = v->uidnext;
	f->modseq = v->highest + expunged;
}

/* --- new messages --- */

/* Their numbers, without those that the client brought itself. */
static int
new_numbers(const struct imapd *m, size_t from, struct imap_set *s)
{
	const struct imapd_view *v = &m->view;
	int	 rc = 0;

	*s = (struct imap_set){ .n = 0 };
	for (size_t i = from; rc == 0 && i < v->n; i++)
		if (!imap_set_has(&m->notify->own, v->uid[i]))
			rc = imap_set_add(s, (uint32_t)i + 1, (uint32_t)i + 1);
	return rc;
}

void
imapd_notify_fetch(struct imapd *m, size_t from)
{
	struct imapd_notify *n = m->notify;
	struct imap_command c;
	struct buf	 reply;
	int		 rc;

	if (n == NULL || n->c.fetch.n == 0)
		return;
	if (m->view.n - from > WATCH_TOLD_MAX) {
		n->too_much = true;
		return;
	}
	c = n->c;
	rc = new_numbers(m, from, &c.set);
	if (rc == 0 && c.set.n > 0) {
		/* this one has no answer of its own */
		reply = m->reply;
		buf_init(&m->reply, reply.max);
		imapd_fetch(m, &c);
		buf_free(&m->reply);
		m->reply = reply;
	}
	imap_set_free(&c.set);
}

/* --- looks --- */

/* Section 5.8: as if NOTIFY NONE had come. */
static void
overflow(struct imapd *m)
{
	buf_adds(conn_out(m->s->conn), "* OK [NOTIFICATIONOVERFLOW] too much "
	    "has changed, ask again\r\n");
	imapd_log(m, "changes not told", "too many");
	imapd_notify_end(m);
	m->unwanted = IMAP_EVENT_MESSAGES;
}

static int
look_selected(struct imapd *m, bool expunge)
{
	struct imapd_notify *n = m->notify;
	const struct mailbox_folder *f = NULL;
	int		 rc = 0;

	if (!m->view.open)
		return 0;
	if (n->ngroups > 0) {
		f = watch_find(&n->now, m->view.name);
		if (f == NULL || !f->exists)
			return CM_ENOINPUT;
		if (f->validity != m->view.validity)
			return CM_ESTALE;
	}
	if (n->selected != 0)
		rc = f != NULL ? imapd_view_sync_to(m, f, expunge) :
		    imapd_view_sync(m, expunge);
	if (rc == 0)
		imap_set_free(&n->own);
	return rc;
}

static void
keep_list(struct imapd_notify *n)
{
	struct watch_list l = n->known;

	n->known = n->now;
	n->now = l;
	n->did = IMAP_UNKNOWN;
	n->added_to[0] = '\0';
}

int
imapd_notify_look(struct imapd *m, bool expunge)
{
	struct imapd_notify *n = m->notify;
	int		 rc = 0, names = 0;

	if (n->ngroups > 0 && (rc = watch_list(m, &n->now)) != CM_ETOOBIG) {
		if (rc != 0)
			return rc;
		names = watch_say_names(m, n);
	}
	n->too_much = rc == CM_ETOOBIG || names != 0;
	if (!n->too_much)
		rc = look_selected(m, expunge);
	if (!n->too_much && n->ngroups > 0) {
		watch_say_messages(m, n);
		keep_list(n);
	}
	if (n->too_much) {
		overflow(m);
		return 0;
	}
	return rc;
}

int
imapd_notify_period(const struct imapd *m)
{
	const struct imapd_notify *n = m->notify;

	if (n->ngroups > 0)
		return POLL_MS * (int)(1 + n->known.n / POLL_FOLDERS);
	return m->view.open && n->selected != 0 ? POLL_MS : 0;
}

/* A catalog that is away may come back: the client need not know. */
int
imapd_notify_wait(struct imapd *m, int ms)
{
	int64_t	 end = time_mono_ms() + ms;
	int	 rc = IMAPD_LOOK_AGAIN;

	while (rc == IMAPD_LOOK_AGAIN && m->notify != NULL) {
		if ((rc = imapd_wait_some(m, end)) != IMAPD_LOOK_AGAIN)
			return rc;
		rc = imapd_notify_look(m, m->notify != NULL &&
		    !m->notify->delayed);
		if (rc == CM_ENOINPUT || rc == CM_ESTALE)
			imapd_bye(m, "the folder is not there any more");
		rc = m->done ? CM_EAWAY : IMAPD_LOOK_AGAIN;
	}
	return rc == IMAPD_LOOK_AGAIN ? 0 : rc;
}
