/*
 * Commands from the client's bytes: lines and the literals between them (RFC
 * 3501 section 4.3, RFC 7888).
 */
#include <string.h>

#include "base/time.h"
#include "protocol/imapd_int.h"

#define BEFORE_LOGIN_MAX 8192	/* bytes of a command, from anybody */
#define COMMAND_MAX	(1u << 20)	/* and of one who has logged in */
#define BLOCK_LEAST	4096	/* bytes of a literal before the deadline
				 * is set again */
#define SKIP_MAX	(64u << 20)	/* of a literal nobody wants */

/* What a command may be of, APPEND's messages not counted. */
static size_t
limit(const struct imapd *m)
{
	return m->user[0] != '\0' ? COMMAND_MAX : BEFORE_LOGIN_MAX;
}

/* The answer to a command that is not read to its end. */
static int
refuse(struct imapd *m, struct span tag, const char *how)
{
	struct buf	*out = conn_out(m->s->conn);

	m->errors++;
	if (tag.len > 0)
		buf_add(out, tag.p, tag.len);
	else
		buf_addc(out, '*');
	buf_addf(out, " %s\r\n", how);
	return CM_EDATA;
}

/* Takes n bytes into m->line, or drops them. */
static int
take_bytes(struct imapd *m, uint64_t n, bool keep)
{
	struct span	 s;
	size_t		 block = 0, k;
	int		 rc;

	imapd_deadline(m, IMAPD_SEND_MS);
	while (n > 0) {
		if ((rc = conn_peek(m->s->conn, &s)) != 0)
			return rc;
		k = n < s.len ? (size_t)n : s.len;
		if (keep && buf_add(&m->line, s.p, k) != 0)
			return m->line.err;
		conn_take(m->s->conn, k);
		n -= k;
		if ((block += k) >= BLOCK_LEAST) {
			block = 0;
			imapd_deadline(m, IMAPD_SEND_MS);
		}
	}
	return 0;
}

/*
 * One that does not wait for our word comes in any case: it is read over, and
 * the line's rest, which may have another one.
 */
static int
skip_rest(struct imapd *m, struct imap_literal l)
{
	struct span	 line;
	bool		 crlf;
	uint64_t	 skipped = 0;
	int		 rc = 0;

	while (l.plus) {
		if ((skipped += l.len) > SKIP_MAX) {
			imapd_bye(m, "too much was sent at once");
			return CM_EDATA;
		}
		if ((rc = take_bytes(m, l.len, false)) != 0)
			return rc;
		rc = conn_line(m->s->conn, IMAP_LINE_MAX, &line, &crlf);
		if (rc == CM_ETOOBIG)
			return 0;
		if (rc != 0)
			return rc;
		if (imap_literal(line, &l) != 0)
			return 0;
	}
	return 0;
}

struct reading {
	struct span	 tag;		/* of the first line: into tag_text */
	char		 tag_text[256];
	enum imap_verb	 verb;
	uint64_t	 messages;	/* bytes of APPEND's literals */
};

static int
too_big(struct imapd *m, const struct reading *r, struct imap_literal l,
    const char *how)
{
	int	 rc = refuse(m, r->tag, how), skip;

	if ((skip = skip_rest(m, l)) != 0)
		rc = skip;
	return rc;
}

static int
take_literal(struct imapd *m, struct reading *r, struct imap_literal l)
{
	const struct conf *conf = m->s->conf;
	bool	 message = r->verb == IMAP_APPEND && m->user[0] != '\0';

	if (message && l.len > conf->max_size)
		return too_big(m, r, l, "NO [TOOBIG] over the size that is "
		    "taken");
	if (message && r->messages + l.len > 2 * conf->max_size)
		return too_big(m, r, l, "NO [TOOBIG] too much at once");
	if (message)
		r->messages += l.len;
	else if (m->line.len - r->messages + l.len > limit(m))
		return too_big(m, r, l, "BAD a command of that length is not "
		    "taken");
	if (!l.plus)
		buf_adds(conn_out(m->s->conn), "+ go ahead\r\n");
	buf_adds(&m->line, "\r\n");
	return take_bytes(m, l.len, true);
}

static void
first_line(struct reading *r, struct span line)
{
	struct span	 tag;

	r->verb = imap_peek(line, &tag);
	if (str_ncopy(r->tag_text, sizeof(r->tag_text), tag.p != NULL ?
	    tag.p : "", tag.len) == 0)
		r->tag = (struct span){ r->tag_text, tag.len };
}

int
imapd_read(struct imapd *m)
{
	struct reading	 r = { .verb = IMAP_UNKNOWN };
	struct imap_literal l;
	struct span	 line;
	bool		 crlf;
	int		 rc;

	buf_reset(&m->line);
	for (bool first = true;; first = false) {
		rc = conn_line(m->s->conn, IMAP_LINE_MAX, &line, &crlf);
		if (rc == CM_ETOOBIG)
			return refuse(m, r.tag, "BAD line too long");
		if (rc != 0)
			return rc;
		if (first)
			first_line(&r, line);
		rc = imap_literal(line, &l);
		if (rc == CM_EDATA)
			return refuse(m, r.tag, "BAD not a literal's length");
		if (m->line.len - r.messages + line.len > limit(m))
			return rc == 0 ? too_big(m, &r, l, "BAD line too "
			    "long") : refuse(m, r.tag, "BAD line too long");
		if (buf_add(&m->line, line.p, line.len) != 0)
			return m->line.err;
		if (rc == CM_EEND)
			return 0;
		if ((rc = take_literal(m, &r, l)) != 0)
			return rc;
	}
}
