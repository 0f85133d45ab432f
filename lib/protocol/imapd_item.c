/* What FETCH's items say of a message: RFC 3501 section 7.4.2. */
#include <string.h>

#include "format/section.h"
#include "protocol/imapd_int.h"

#define PART_MAX	((size_t)2 << 30)	/* bytes of one item */

/* --- what they need --- */

static unsigned
need(const struct imap_item *it, bool *bytes)
{
	switch (it->what) {
	case IMAP_GET_FLAGS:
	case IMAP_GET_UID:
	case IMAP_GET_MODSEQ:
		return 0;
	case IMAP_GET_INTERNALDATE:
	case IMAP_GET_SIZE:
	case IMAP_GET_EMAILID:
	case IMAP_GET_THREADID:
	case IMAP_GET_SAVEDATE:
		return MAILBOX_STORED;
	case IMAP_GET_ENVELOPE:
		return MAILBOX_ENVELOPE;
	case IMAP_GET_BODY:
	case IMAP_GET_BODYSTRUCTURE:
		return MAILBOX_BODY;
	case IMAP_GET_SECTION:
	case IMAP_GET_RFC822:
	case IMAP_GET_RFC822_HEADER:
	case IMAP_GET_RFC822_TEXT:
	case IMAP_GET_BINARY:
	case IMAP_GET_BINARY_SIZE:
	case IMAP_GET_PREVIEW:
		break;
	}
	*bytes = true;
	return MAILBOX_STORED;
}

unsigned
imapd_items_need(const struct imap_command *c, bool *bytes)
{
	unsigned	 what = 0;

	*bytes = false;
	for (unsigned i = 0; i < c->fetch.n; i++)
		what |= need(&c->fetch.item[i], bytes);
	return what;
}

/* --- of the catalog's row --- */

/* A BODYSTRUCTURE without its extension data; with it, if it is odd. */
static void
put_body(struct buf *out, struct span structure, bool utf8)
{
	struct buf	 b;

	buf_init(&b, structure.len);
	if (section_body(structure, &b) == 0)
		structure = (struct span){ b.p, b.len };
	else if (b.err != 0)
		out->err = b.err;
	imap_strings(out, structure, utf8);
	buf_free(&b);
}

static void
of_row(const struct imap_item *it, const struct mailbox_message *row,
    bool utf8, struct buf *out)
{
	char	 id[ULID_LEN + 1];

	switch (it->what) {
	case IMAP_GET_FLAGS:
		imap_flags_write(out, row->flags, row->keywords);
		break;
	case IMAP_GET_UID:
		buf_addu(out, row->uid, 0);
		break;
	case IMAP_GET_INTERNALDATE:
		imap_date_time(out, row->time_ms);
		break;
	case IMAP_GET_SAVEDATE:
		imap_date_time(out, row->saved_ms);
		break;
	case IMAP_GET_SIZE:
		buf_addu(out, row->size, 0);
		break;
	case IMAP_GET_ENVELOPE:
		imap_strings(out, row->envelope, utf8);
		break;
	case IMAP_GET_BODY:
		put_body(out, row->body, utf8);
		break;
	case IMAP_GET_BODYSTRUCTURE:
		imap_strings(out, row->body, utf8);
		break;
	case IMAP_GET_MODSEQ:
		buf_addf(out, "(%llu)", (unsigned long long)row->modseq);
		break;
	case IMAP_GET_EMAILID:
		ulid_text(&row->id, id);
		buf_addf(out, "(%s)", id);
		break;
	default:
		buf_adds(out, "NIL");
		break;
	}
}

static bool
is_of_row(const struct imap_item *it)
{
	bool	 bytes = false;

	(void)need(it, &bytes);
	return !bytes;
}

bool
imapd_has_item(const struct imap_command *c, enum imap_what what)
{
	for (unsigned i = 0; i < c->fetch.n; i++)
		if (c->fetch.item[i].what == what)
			return true;
	return false;
}

void
imapd_items_of_row(const struct imapd *m, const struct imap_command *c,
    const struct mailbox_message *row, struct buf *out)
{
	const struct imap_item *it;
	struct imap_item	uid = { .what = IMAP_GET_UID },
				modseq = { .what = IMAP_GET_MODSEQ };
	const struct imap_item *more[] = { NULL, NULL };
	bool		 some = false;

	if (c->uid && !imapd_has_item(c, IMAP_GET_UID))
		more[0] = &uid;
	if (!imapd_has_item(c, IMAP_GET_MODSEQ) && (c->fetch.has_since ||
	    (imapd_is_condstore(m) && imapd_has_item(c, IMAP_GET_FLAGS))))
		more[1] = &modseq;
	for (unsigned i = 0; i < c->fetch.n + 2; i++) {
		it = i < 2 ? more[i] : &c->fetch.item[i - 2];
		if (it == NULL || !is_of_row(it))
			continue;
		if (some)
			buf_addc(out, ' ');
		some = true;
		imap_item_name(out, it);
		buf_addc(out, ' ');
		of_row(it, row, imapd_is_utf8(m), out);
	}
}

/* --- of the message itself --- */

/* In pieces: a message may be larger than what is gathered for a client. */
static int
send_bytes(struct imapd *m, struct span s)
{
	struct buf	*out = conn_out(m->s->conn);
	size_t		 n;

	while (s.len > 0) {
		n = s.len < CONN_CHUNK ? s.len : CONN_CHUNK;
		buf_add(out, s.p, n);
		s.p += n;
		s.len -= n;
		if (!imapd_send_some(m))
			return CM_EAWAY;
	}
	return 0;
}

static int
send_literal(struct imapd *m, struct span s, bool binary)
{
	imap_literal_head(conn_out(m->s->conn), s.len, binary);
	return send_bytes(m, s);
}

static int
say_section(struct imapd *m, const struct imap_item *it, struct span msg,
    struct buf *b)
{
	struct imap_section s = it->section;
	struct span	 part;
	int		 rc;

	if (it->what == IMAP_GET_RFC822_HEADER)
		s.what = IMAP_HEADER;
	else if (it->what == IMAP_GET_RFC822_TEXT)
		s.what = IMAP_TEXT;
	if ((rc = section_get(msg, &s, b, &part)) == CM_ENOINPUT) {
		buf_adds(conn_out(m->s->conn), "NIL");
		return 0;
	}
	if (rc != 0)
		return rc;
	if (it->partial)
		part = section_partial(part, it->offset, it->count);
	return send_literal(m, part, false);
}

static int
say_binary(struct imapd *m, const struct imap_item *it, struct span msg,
    struct buf *b)
{
	struct buf	*out = conn_out(m->s->conn);
	struct span	 part;
	bool		 nul;
	int		 rc;

	rc = section_binary(msg, &it->section, b, &nul);
	if (rc == CM_ENOINPUT) {
		buf_adds(out, it->what == IMAP_GET_BINARY ? "NIL" : "0");
		return 0;
	}
	if (rc != 0)
		return rc;
	if (it->what == IMAP_GET_BINARY_SIZE) {
		buf_addu(out, b->len, 0);
		return 0;
	}
	part = (struct span){ b->len > 0 ? b->p : "", b->len };
	if (it->partial)
		part = section_partial(part, it->offset, it->count);
	return send_literal(m, part, memchr(part.p, '\0', part.len) != NULL);
}

static int
say_preview(struct imapd *m, struct span msg, struct buf *b)
{
	int	 rc;

	buf_reset(b);
	if ((rc = section_preview(msg, b)) != 0)
		return rc;
	return imap_string(conn_out(m->s->conn), (struct span){
	    b->len > 0 ? b->p : "", b->len }, imapd_is_utf8(m));
}

static int
of_text(struct imapd *m, const struct imap_item *it, struct span msg,
    struct buf *b)
{
	switch (it->what) {
	case IMAP_GET_BINARY:
	case IMAP_GET_BINARY_SIZE:
		return say_binary(m, it, msg, b);
	case IMAP_GET_PREVIEW:
		return say_preview(m, msg, b);
	default:
		return say_section(m, it, msg, b);
	}
}

/*
 * What BINARY cannot give is known before a byte of the answer was sent: half
 * an answer would be the end of the session.
 */
int
imapd_items_check(const struct imap_command *c, struct span msg)
{
	struct buf	 b;
	bool		 nul;
	int		 rc = 0;

	buf_init(&b, PART_MAX);
	for (unsigned i = 0; rc == 0 && i < c->fetch.n; i++) {
		const struct imap_item *it = &c->fetch.item[i];

		if (it->what != IMAP_GET_BINARY &&
		    it->what != IMAP_GET_BINARY_SIZE)
			continue;
		rc = section_binary(msg, &it->section, &b, &nul);
		if (rc == CM_ENOINPUT)
			rc = 0;
	}
	buf_free(&b);
	return rc;
}

int
imapd_items_of_text(struct imapd *m, const struct imap_command *c,
    struct span msg, bool some)
{
	struct buf	*out = conn_out(m->s->conn), b;
	int		 rc = 0;

	buf_init(&b, PART_MAX);
	for (unsigned i = 0; rc == 0 && i < c->fetch.n; i++) {
		const struct imap_item *it = &c->fetch.item[i];

		if (is_of_row(it))
			continue;
		if (some)
			buf_addc(out, ' ');
		some = true;
		imap_item_name(out, it);
		buf_addc(out, ' ');
		rc = of_text(m, it, msg, &b);
	}
	buf_free(&b);
	return rc;
}
