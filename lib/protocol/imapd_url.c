/* URLs of messages and their parts, for CATENATE: RFC 4469, RFC 5092. */
#include <stdio.h>
#include <string.h>

#include "format/section.h"
#include "protocol/imapd_int.h"

#define SECTION_MAX	8192

struct url {
	char		 folder[FOLDER_MAX + 1];
	uint32_t	 validity;	/* 0: any */
	uint32_t	 uid;
	struct buf	 section;	/* without [ ] */
	bool		 partial;
	uint32_t	 offset, count;
	/* where it is */
	struct ulid	 id;
	struct place	 place;
	bool		 found;
};

/* --- its words --- */

/* "/INBOX;UIDVALIDITY=7" */
static int
read_folder(struct span s, struct url *u)
{
	const char	*semi = s.len > 0 ? memchr(s.p, ';', s.len) : NULL;
	struct span	 name = { s.p, semi != NULL ? (size_t)(semi - s.p) :
			    s.len }, rest;
	struct buf	 b;
	uint64_t	 v;
	int		 rc;

	buf_init(&b, 4 * FOLDER_MAX);
	rc = str_unpct(&b, name.p, name.len);
	if (rc == 0)
		rc = folder_name(b.len > 0 ? b.p : "", b.len, u->folder);
	buf_free(&b);
	if (rc != 0 || semi == NULL)
		return rc;
	rest = (struct span){ semi, s.len - name.len };
	if (rest.len < 13 || !str_ieq(rest.p, 13, ";UIDVALIDITY=") ||
	    str_u64(rest.p + 13, rest.len - 13, UINT32_MAX, &v) != 0)
		return CM_EDATA;
	u->validity = (uint32_t)v;
	return 0;
}

static bool
is_word(struct span s, const char *word, struct span *value)
{
	size_t	 n = strlen(word);

	if (s.len < n || !str_ieq(s.p, n, word))
		return false;
	*value = (struct span){ s.p + n, s.len - n };
	return true;
}

/* "0.1024", or where it begins alone. */
static int
read_partial(struct span v, struct url *u)
{
	struct span	 first;
	uint64_t	 n;

	u->partial = true;
	u->count = UINT32_MAX;
	if (!str_field(&v, '.', &first) ||
	    str_u64(first.p, first.len, UINT32_MAX, &n) != 0)
		return CM_EDATA;
	u->offset = (uint32_t)n;
	if (v.p == NULL)
		return 0;
	if (str_u64(v.p, v.len, UINT32_MAX, &n) != 0)
		return CM_EDATA;
	u->count = (uint32_t)n;
	return 0;
}

static int
read_word(struct span s, struct url *u)
{
	struct span	 v;
	uint64_t	 n;

	if (is_word(s, ";UID=", &v)) {
		if (str_u64(v.p, v.len, UINT32_MAX, &n) != 0 || n == 0)
			return CM_EDATA;
		u->uid = (uint32_t)n;
		return 0;
	}
	if (is_word(s, ";SECTION=", &v))
		return str_unpct(&u->section, v.p, v.len);
	if (is_word(s, ";PARTIAL=", &v))
		return read_partial(v, u);
	return CM_EDATA;
}

/* Folders have "/" in them: what follows begins with "/;". */
static int
read_url(struct span s, struct url *u)
{
	const char	*end, *at;
	struct span	 word;
	int		 rc;

	if (is_word(s, "imap://", &word)) {
		at = word.len > 0 ? memchr(word.p, '/', word.len) : NULL;
		if (at == NULL)
			return CM_EDATA;
		s = (struct span){ at, word.len - (size_t)(at - word.p) };
	}
	if (s.len == 0 || s.p[0] != '/')
		return CM_EDATA;
	end = s.p + s.len;
	at = memmem(s.p + 1, s.len - 1, "/;", 2);
	if (at == NULL)
		return CM_EDATA;
	rc = read_folder((struct span){ s.p + 1, (size_t)(at - s.p) - 1 }, u);
	while (rc == 0 && at < end) {
		const char *next = memmem(at + 1, (size_t)(end - at) - 1, "/;",
		    2);

		if (next == NULL)
			next = end;
		rc = read_word((struct span){ at + 1,
		    (size_t)(next - at) - 1 }, u);
		at = next;
	}
	/* a longer name than there can be is none of a message */
	return rc == CM_ETOOBIG || (rc == 0 && u->uid == 0) ? CM_EDATA : rc;
}

/* --- what it names --- */

static int
take_row(void *arg, const struct mailbox_message *row)
{
	struct url	*u = arg;

	u->id = row->id;
	u->place = row->place;
	u->found = true;
	return 0;
}

static int
find(struct imapd *m, struct url *u)
{
	struct imap_range r = { u->uid, u->uid };
	struct imap_set	 s = { .r = &r, .n = 1 };
	int		 rc;

	rc = mailbox_list(m->box, u->folder, u->validity, &s, 0,
	    MAILBOX_STORED, NULL, take_row, u);
	if (rc == CM_ESTALE)
		return CM_ENOINPUT;
	return rc == 0 && !u->found ? CM_ENOINPUT : rc;
}

/* A section is written as FETCH has it, and read by who reads FETCH. */
static int
add_section(const struct url *u, struct span msg, struct buf *out)
{
	struct imap_command c = { 0 };
	struct buf	 line, b;
	struct span	 part;
	int		 rc;

	buf_init(&line, 2 * SECTION_MAX);
	buf_init(&b, (size_t)CONF_SIZE_MAX);
	buf_addf(&line, "a FETCH 1 BODY.PEEK[%s]", u->section.len > 0 ?
	    u->section.p : "");
	rc = imap_parse((struct span){ line.p, line.len }, &c);
	if (rc != CM_ENOMEM && (rc != 0 || c.fetch.n != 1 ||
	    c.fetch.item[0].partial))
		rc = CM_EDATA;
	if (rc == 0)
		rc = section_get(msg, &c.fetch.item[0].section, &b, &part);
	if (rc == 0 && u->partial)
		part = section_partial(part, u->offset, u->count);
	if (rc == 0)
		rc = buf_add(out, part.p, part.len);
	imap_command_free(&c);
	buf_free(&b);
	buf_free(&line);
	return rc;
}

int
imapd_add_url(struct imapd *m, struct span s, struct buf *out)
{
	struct reader_record rec;
	struct url	 u = { .uid = 0 };
	int		 rc;

	buf_init(&u.section, SECTION_MAX);
	if ((rc = read_url(s, &u)) == 0 && (rc = find(m, &u)) == 0) {
		rc = reader_get(m->w->reader, &u.place, &u.id, &rec);
		if (rc == 0)
			rc = add_section(&u, rec.msg, out);
		else if (rc == CM_ENOINPUT)
			rc = CM_ECORRUPT;
	}
	buf_free(&u.section);
	return rc;
}
