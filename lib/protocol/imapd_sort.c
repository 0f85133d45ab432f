/* SORT and THREAD: RFC 5256; the order of what was found. */
#include <stdlib.h>
#include <string.h>

#include "format/header.h"
#include "format/sort.h"
#include "protocol/imapd_found.h"
#include "protocol/imapd_int.h"

#define TEXT_MAX	((size_t)4 << 30)

struct sorting {
	struct imapd	*m;
	const struct imap_command *c;
	const struct imapd_found *found;
	struct sort_message *msg;
	struct place	*place;		/* of THREAD=REFERENCES; or NULL */
	struct ulid	*id;
	size_t		 n;		/* of found, seen to */
	struct buf	 text;
	struct buf	 envelopes;	/* behind each other, of THREAD */
	struct span	*envelope;
};

/* --- what is known of them --- */

static int
fill(struct sorting *s, size_t i, const struct mailbox_message *row)
{
	struct sort_message *g = &s->msg[i];

	*g = (struct sort_message){ .number = s->c->uid ? row->uid :
	    (uint32_t)s->found->at[i] + 1, .seq = (uint32_t)s->found->at[i],
	    .arrival_ms = row->time_ms, .size = row->size };
	if (s->place == NULL)
		return sort_fill(g, row->envelope, (struct span){ NULL, 0 },
		    &s->text);
	s->place[i] = row->place;
	s->id[i] = row->id;
	s->envelope[i] = (struct span){ NULL, row->envelope.len };
	return buf_add(&s->envelopes, row->envelope.p, row->envelope.len);
}

/* Rows come in the order of UIDs, as those that were found are. */
static int
take_row(void *arg, const struct mailbox_message *row)
{
	struct sorting	*s = arg;
	const struct imapd_view *v = &s->m->view;

	while (s->n < s->found->n && v->uid[s->found->at[s->n]] < row->uid)
		s->msg[s->n++].number = 0;
	if (s->n == s->found->n || v->uid[s->found->at[s->n]] != row->uid)
		return 0;
	return fill(s, s->n++, row);
}

static int
walk(struct sorting *s)
{
	const struct imapd_view *v = &s->m->view;
	struct imap_range r = { v->uid[s->found->at[0]],
			    v->uid[s->found->at[s->found->n - 1]] };
	struct imap_set	 uids = { .r = &r, .n = 1 };

	return mailbox_list(s->m->box, v->name, v->validity, &uids, 0,
	    MAILBOX_STORED | MAILBOX_ENVELOPE, NULL, take_row, s);
}

/* References are in no ENVELOPE. */
static int
read_headers(struct sorting *s)
{
	struct reader_record rec;
	const char	*p = s->envelopes.p;
	struct span	 envelope;
	int		 rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n; i++) {
		if (s->msg[i].number == 0)
			continue;
		envelope = (struct span){ p, s->envelope[i].len };
		p += envelope.len;
		if ((rc = reader_get(s->m->w->reader, &s->place[i], &s->id[i],
		    &rec)) != 0) {
			imapd_log(s->m, "message not read", cm_strerror(rc));
			return rc == CM_ENOINPUT ? CM_ECORRUPT : rc;
		}
		rc = sort_fill(&s->msg[i], envelope, (struct span){ rec.msg.p,
		    header_end(rec.msg.p, rec.msg.len) }, &s->text);
	}
	return rc;
}

/* What has gone meanwhile is left out. */
static void
squeeze(struct sorting *s)
{
	size_t	 to = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->msg[i].number != 0)
			s->msg[to++] = s->msg[i];
	s->n = to;
}

/* --- the answer --- */

static int
say(struct sorting *s)
{
	struct buf	*out = conn_out(s->m->s->conn);
	int		 rc = 0;

	buf_addf(out, "* %s", imap_verb_name(s->c->verb));
	if (s->c->verb == IMAP_SORT) {
		sort_messages(s->msg, s->n, s->c->search.sort,
		    s->c->search.nsort);
		for (size_t i = 0; i < s->n; i++) {
			buf_addc(out, ' ');
			buf_addu(out, s->msg[i].number, 0);
		}
		if (s->c->search.modseq && s->n > 0)
			buf_addf(out, " (MODSEQ %llu)",
			    (unsigned long long)s->found->modseq);
	} else if (s->n > 0) {
		buf_addc(out, ' ');
		rc = s->c->search.thread == IMAP_REFERENCES ?
		    thread_references(s->msg, s->n, out) :
		    thread_subject(s->msg, s->n, out);
	}
	buf_adds(out, "\r\n");
	return rc != 0 ? rc : out->err;
}

static int
allocate(struct sorting *s)
{
	size_t	 n = s->found->n + 1;

	if ((s->msg = calloc(n, sizeof(*s->msg))) == NULL)
		return CM_ENOMEM;
	if (s->c->verb != IMAP_THREAD ||
	    s->c->search.thread != IMAP_REFERENCES)
		return 0;
	s->place = calloc(n, sizeof(*s->place));
	s->id = calloc(n, sizeof(*s->id));
	s->envelope = calloc(n, sizeof(*s->envelope));
	return s->place == NULL || s->id == NULL || s->envelope == NULL ?
	    CM_ENOMEM : 0;
}

int
imapd_sorted_say(struct imapd *m, const struct imap_command *c,
    const struct imapd_found *f)
{
	struct sorting	 s = { .m = m, .c = c, .found = f };
	int		 rc;

	buf_init(&s.text, TEXT_MAX);
	buf_init(&s.envelopes, TEXT_MAX);
	rc = allocate(&s);
	if (rc == 0 && f->n > 0)
		rc = walk(&s);
	if (rc == 0 && s.place != NULL)
		rc = read_headers(&s);
	if (rc == 0) {
		squeeze(&s);
		sort_settle(s.msg, s.n, &s.text);
		rc = say(&s);
	}
	buf_free(&s.text);
	buf_free(&s.envelopes);
	free(s.msg);
	free(s.place);
	free(s.id);
	free(s.envelope);
	return rc;
}
