/* The IMAP forms of a message's structure: RFC 3501 section 7.4.2. */
#include <stdbool.h>
#include <string.h>

#include "format/address.h"
#include "format/header.h"
#include "format/line.h"
#include "format/mime.h"
#include "format/mime_param.h"

/*
 * What one string may take of the output, in bytes.  An envelope's fixed
 * strings and ENVELOPE_REST, what is kept for them and the closing brackets,
 * stay far below MIME_SUMMARY_MAX; address lists share what is left.
 */
#define DATE_MAX	1000
#define TEXT_MAX	16384
#define ID_MAX		8192
#define WORD_MAX	1000
#define VALUE_MAX	4096
#define PARAMS_MAX	64
#define LANGUAGES_MAX	32
#define SENDERS_MAX	16384	/* each of From, Sender, Reply-To */
#define ENVELOPE_REST	(TEXT_MAX + ID_MAX + 256)
#define REPEATS_MAX	16	/* of one field with addresses */

#define GROUP_END	"(NIL NIL NIL NIL)"

struct writer {
	struct buf	*out;
	struct buf	 field;		/* scratch: a value unfolded */
	struct buf	 word;		/* scratch: a piece of it */
};

static void
writer_init(struct writer *w, struct buf *out)
{
	w->out = out;
	buf_init(&w->field, MIME_SUMMARY_MAX);
	buf_init(&w->word, MIME_SUMMARY_MAX);
}

static int
writer_end(struct writer *w, int rc)
{
	if (rc == 0)
		rc = w->out->err ? w->out->err : w->field.err;
	if (rc == 0)
		rc = w->word.err;
	buf_free(&w->field);
	buf_free(&w->word);
	return rc;
}

/* How much of p fits into max bytes when quoted; no character is cut. */
static size_t
fitting(const char *p, size_t len, size_t max)
{
	size_t	 n = 0, i;

	for (i = 0; i < len; i++) {
		n += p[i] == '"' || p[i] == '\\' ? 2 : 1;
		if (n > max)
			break;
	}
	for (size_t k = 0; i < len && i > 0 && k < 3 &&
	    ((unsigned char)p[i] & 0xc0) == 0x80; k++)
		i--;
	return i;
}

/* A quoted string of at most max bytes between the quotes. */
static void
put_string(struct buf *out, const char *p, size_t len, size_t max)
{
	size_t	 run = 0;

	len = fitting(p, len, max);
	buf_addc(out, '"');
	for (size_t i = 0; i < len; i++) {
		char c = p[i];

		if (c != '"' && c != '\\' && c != '\r' && c != '\n' &&
		    c != '\0')
			continue;
		buf_add(out, p + run, i - run);
		run = i + 1;
		if (c == '"' || c == '\\')
			buf_addc(out, '\\');
		buf_addc(out, c == '"' || c == '\\' ? c : ' ');
	}
	if (len > run)
		buf_add(out, p + run, len - run);
	buf_addc(out, '"');
}

static void
put_span(struct buf *out, struct span s, size_t max)
{
	put_string(out, s.p, s.len, max);
}

/* The value unfolded, in w->field; what is far too long is cut before. */
static void
unfold(struct writer *w, struct span value)
{
	if (value.len > MIME_SUMMARY_MAX)
		value.len = MIME_SUMMARY_MAX;
	buf_reset(&w->field);
	header_unfold(value, &w->field);
}

static void
put_field(struct writer *w, struct span value, size_t max)
{
	if (value.p == NULL) {
		buf_adds(w->out, "NIL");
		return;
	}
	unfold(w, value);
	put_string(w->out, w->field.p, w->field.len, max);
}

enum env { E_DATE, E_SUBJECT, E_FROM, E_SENDER, E_REPLY_TO, E_TO, E_CC, E_BCC,
	E_IN_REPLY_TO, E_MESSAGE_ID, E_N };

static const char *const env_names[E_N] = { "date", "subject", "from",
	"sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id" };

/* The header's fields that an envelope has, in their order. */
struct envelope {
	size_t	 n;
	struct {
		enum env	 which;
		struct span	 value;
	}	 f[E_N * REPEATS_MAX];
};

/*
 * Of a field that is there twice the first counts; those with addresses are
 * taken together (RFC 5322 section 4.5.3).
 */
static void
env_collect(struct span header, struct envelope *e)
{
	struct header_field	 f;
	unsigned		 seen[E_N] = { 0 };
	size_t			 i;

	e->n = 0;
	while (header_next(&header, &f)) {
		for (i = 0; i < E_N; i++)
			if (str_ieq(f.name.p, f.name.len, env_names[i]))
				break;
		if (i == E_N)
			continue;
		if (seen[i] == (i >= E_FROM && i <= E_BCC ? REPEATS_MAX : 1))
			continue;
		seen[i]++;
		e->f[e->n].which = (enum env)i;
		e->f[e->n++].value = f.value;
	}
}

static void
put_env(struct writer *w, const struct envelope *e, enum env which, size_t max)
{
	struct span	 value = { NULL, 0 };

	for (size_t i = e->n; i-- > 0; )
		if (e->f[i].which == which)
			value = e->f[i].value;
	put_field(w, value, max);
}

/* A part of an address; missing is NIL or a string with its quotes. */
static void
put_word(struct writer *w, struct span raw, bool blanks, const char *missing)
{
	buf_reset(&w->word);
	if (raw.len > 0)
		address_text(raw, blanks, &w->word);
	if (w->word.len == 0)
		buf_adds(w->out, missing);
	else
		put_string(w->out, w->word.p, w->word.len, WORD_MAX);
}

/*
 * (name route mailbox host).  NIL for the last two means a group, so that an
 * address without them says so, in the words that Dovecot has made known.
 */
static void
put_address(struct writer *w, const struct address *a)
{
	if (a->kind == ADDRESS_GROUP) {
		buf_adds(w->out, "(NIL NIL ");
		put_word(w, a->name, true, "\"\"");
		buf_adds(w->out, " NIL)");
		return;
	}
	buf_addc(w->out, '(');
	put_word(w, a->name, true, "NIL");
	buf_addc(w->out, ' ');
	put_word(w, a->route, false, "NIL");
	buf_addc(w->out, ' ');
	put_word(w, a->local, false, "\"MISSING_MAILBOX\"");
	buf_addc(w->out, ' ');
	put_word(w, a->domain, false, "\"MISSING_DOMAIN\"");
	buf_addc(w->out, ')');
}

/* A list of addresses while it is written. */
struct list {
	size_t	 start;		/* of the output */
	size_t	 end;		/* no address may go beyond */
	bool	 group;
	bool	 full;
};

static void
end_group(struct writer *w, struct list *l)
{
	if (l->group)
		buf_adds(w->out, GROUP_END);
	l->group = false;
}

static void
put_addresses(struct writer *w, struct span value, struct list *l)
{
	struct span	 rest;
	struct address	 a;
	size_t		 len;

	unfold(w, value);
	rest = (struct span){ w->field.p, w->field.len };
	while (!l->full && w->out->err == 0 && address_next(&rest, &a)) {
		if (a.kind != ADDRESS_MAILBOX)
			end_group(w, l);
		if (a.kind == ADDRESS_GROUP_END)
			continue;
		len = w->out->len;
		put_address(w, &a);
		if (w->out->err == 0 && w->out->len > l->end) {
			w->out->p[w->out->len = len] = '\0';
			l->full = true;
		} else if (a.kind == ADDRESS_GROUP) {
			l->group = true;
		}
	}
	end_group(w, l);
}

/* All addresses of the fields of that name; false when there are none. */
static bool
put_list(struct writer *w, const struct envelope *e, enum env which,
    size_t max)
{
	struct list	 l = { .start = w->out->len,
			    .end = w->out->len + max };

	buf_addc(w->out, '(');
	for (size_t i = 0; i < e->n; i++)
		if (e->f[i].which == which)
			put_addresses(w, e->f[i].value, &l);
	if (w->out->err || w->out->len > l.start + 1) {
		buf_addc(w->out, ')');
		return true;
	}
	w->out->p[w->out->len = l.start] = '\0';
	return false;
}

/* The whole envelope but its brackets; start is where it started. */
static void
put_envelope(struct writer *w, const struct envelope *e, size_t start)
{
	static const enum env	 senders[] = { E_FROM, E_SENDER, E_REPLY_TO };
	struct buf		*out = w->out;
	size_t			 max;

	put_env(w, e, E_DATE, DATE_MAX);
	buf_addc(out, ' ');
	put_env(w, e, E_SUBJECT, TEXT_MAX);
	for (size_t i = 0; i < 3; i++) {
		buf_addc(out, ' ');
		if (!put_list(w, e, senders[i], SENDERS_MAX) &&
		    (i == 0 || !put_list(w, e, E_FROM, SENDERS_MAX)))
			buf_adds(out, "NIL");
	}
	for (enum env i = E_TO; i <= E_BCC; i++) {
		buf_addc(out, ' ');
		max = MIME_SUMMARY_MAX - ENVELOPE_REST - (out->len - start);
		/* To and Cc leave a half to those behind them. */
		if (!put_list(w, e, i, i == E_BCC ? max : max / 2))
			buf_adds(out, "NIL");
	}
	buf_addc(out, ' ');
	put_env(w, e, E_IN_REPLY_TO, TEXT_MAX);
	buf_addc(out, ' ');
	put_env(w, e, E_MESSAGE_ID, ID_MAX);
}

static void
envelope(struct writer *w, const char *msg, const struct mime_part *p)
{
	struct span	 header = { msg + p->header, p->body - p->header };
	struct envelope	 e;
	size_t		 start = w->out->len;

	env_collect(header, &e);
	buf_addc(w->out, '(');
	put_envelope(w, &e, start);
	buf_addc(w->out, ')');
}

int
mime_envelope(const char *msg, const struct mime_part *p, struct buf *out)
{
	struct writer	 w;

	writer_init(&w, out);
	envelope(&w, msg, p);
	return writer_end(&w, 0);
}

enum { B_TYPE, B_ENCODING, B_ID, B_DESCRIPTION, B_MD5, B_DISPOSITION,
	B_LANGUAGE, B_LOCATION, B_N };

static const char *const body_names[B_N] = { "content-type",
	"content-transfer-encoding", "content-id", "content-description",
	"content-md5", "content-disposition", "content-language",
	"content-location" };

/* The first field of each name; p is NULL when there is none. */
static void
body_collect(struct span header, struct span v[B_N])
{
	struct header_field	 f;

	memset(v, 0, B_N * sizeof(*v));
	while (header_next(&header, &f)) {
		if (f.name.len < 10 ||
		    !str_ieq(f.name.p, 8, "content-"))
			continue;
		for (size_t i = 0; i < B_N; i++)
			if (v[i].p == NULL && str_ieq(f.name.p, f.name.len,
			    body_names[i]))
				v[i] = f.value;
	}
}

/* The parameters of a field. */
struct params {
	struct mime_param p[PARAMS_MAX];
	bool		 used[PARAMS_MAX];
	size_t		 n;
};

/* What stays below a multiple of what is written of it. */
static void
param_text(struct span value, struct buf *out)
{
	if (value.len > 2 * VALUE_MAX + 2)
		value.len = 2 * VALUE_MAX + 2;
	buf_reset(out);
	mime_param_text(value, out);
}

static bool
find_piece(const struct params *s, struct span name, unsigned number,
    size_t *at)
{
	struct mime_piece	 x;

	for (*at = 0; *at < s->n; ++*at)
		if (!s->used[*at] && mime_param_piece(s->p[*at].name, &x) &&
		    x.number == number && x.name.len == name.len &&
		    strncasecmp(x.name.p, name.p, name.len) == 0)
			return true;
	return false;
}

/* Is none before it missing? */
static bool
has_pieces_to(const struct params *s, const struct mime_piece *x)
{
	size_t	 at;
	unsigned n = 0;

	while (n <= x->number && find_piece(s, x->name, n, &at))
		n++;
	return n > x->number;
}

/* Its pieces in their order; how many, and whether one of them is encoded. */
static size_t
gather(struct params *s, struct span name, size_t at[PARAMS_MAX],
    bool *encoded)
{
	struct mime_piece	 x;
	size_t			 n = 0;

	*encoded = false;
	while (n < PARAMS_MAX && find_piece(s, name, (unsigned)n, &at[n])) {
		s->used[at[n]] = true;
		*encoded |= mime_param_piece(s->p[at[n]].name, &x) &&
		    x.encoded;
		n++;
	}
	return n;
}

/* What pieces make, joined (RFC 2231 section 6). */
static void
put_pieces(struct writer *w, struct params *s, struct span name)
{
	struct mime_piece	 x = { .encoded = false };
	size_t			 at[PARAMS_MAX], n;
	bool			 encoded;

	n = gather(s, name, at, &encoded);
	buf_reset(&w->word);
	buf_add(&w->word, name.p, name.len < WORD_MAX ? name.len : WORD_MAX);
	buf_adds(&w->word, encoded ? "*" : "");
	put_string(w->out, w->word.p, w->word.len, WORD_MAX);
	buf_addc(w->out, ' ');
	buf_reset(&w->word);
	for (size_t i = 0; i < n && w->word.len <= VALUE_MAX; i++) {
		struct span text;

		(void)mime_param_piece(s->p[at[i]].name, &x);
		param_text(s->p[at[i]].value, &w->field);
		text = (struct span){ w->field.p, w->field.len };
		if (i == 0 && encoded && !x.encoded)
			buf_adds(&w->word, "''");
		if (encoded && !x.encoded)
			mime_param_encode(text, &w->word);
		else if (text.len > 0)
			buf_add(&w->word, text.p, text.len);
	}
	put_string(w->out, w->word.p, w->word.len, VALUE_MAX);
}

/* (name value ...). */
static void
put_params(struct writer *w, struct span rest)
{
	struct params		 s = { .n = 0 };
	struct mime_piece	 x;

	while (s.n < PARAMS_MAX && mime_param_next(&rest, &s.p[s.n]))
		s.n++;
	for (size_t i = 0; i < s.n; i++) {
		if (s.used[i])
			continue;
		buf_addc(w->out, i == 0 ? '(' : ' ');
		if (mime_param_piece(s.p[i].name, &x) &&
		    has_pieces_to(&s, &x)) {
			put_pieces(w, &s, x.name);
			continue;
		}
		put_span(w->out, s.p[i].name, WORD_MAX);
		buf_addc(w->out, ' ');
		param_text(s.p[i].value, &w->word);
		put_string(w->out, w->word.p, w->word.len, VALUE_MAX);
	}
	buf_adds(w->out, s.n > 0 ? ")" : "NIL");
}

static void
put_disposition(struct writer *w, struct span rest)
{
	struct span	 token;

	if (rest.p == NULL || !mime_param_token(&rest, &token)) {
		buf_adds(w->out, "NIL");
		return;
	}
	buf_addc(w->out, '(');
	put_span(w->out, token, WORD_MAX);
	buf_addc(w->out, ' ');
	put_params(w, rest);
	buf_addc(w->out, ')');
}

/* One tag is a string, several are a list. */
static void
put_languages(struct writer *w, struct span rest)
{
	struct span	 tag[LANGUAGES_MAX];
	size_t		 n = 0;

	while (rest.len > 0 && n < LANGUAGES_MAX) {
		if (mime_param_token(&rest, &tag[n]))
			n++;
		/* The comma, or what no tag has. */
		if (rest.len > 0) {
			rest.p++;
			rest.len--;
		}
	}
	if (n == 0)
		buf_adds(w->out, "NIL");
	if (n > 1)
		buf_addc(w->out, '(');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(w->out, ' ');
		put_span(w->out, tag[i], WORD_MAX);
	}
	if (n > 1)
		buf_addc(w->out, ')');
}

/* The end of every part's list: disposition, language, location. */
static void
put_extension(struct writer *w, const struct span v[B_N])
{
	buf_addc(w->out, ' ');
	put_disposition(w, v[B_DISPOSITION]);
	buf_addc(w->out, ' ');
	put_languages(w, v[B_LANGUAGE]);
	buf_addc(w->out, ' ');
	put_field(w, v[B_LOCATION], VALUE_MAX);
}

#define TEXT_PLAIN "\"text\" \"plain\" (\"charset\" \"us-ascii\")"

/*
 * type subtype parameters of a part that is no multipart.  A leaf must not be
 * called message/rfc822 or multipart, for a reader would then expect what only
 * those have.  True when it is a text.
 */
static bool
put_type(struct writer *w, enum mime_kind kind, struct span value)
{
	struct span	 type, sub;
	bool		 message;

	if (value.p == NULL && kind == MIME_MESSAGE) {
		buf_adds(w->out, "\"message\" \"rfc822\" NIL");
		return false;
	}
	if (value.p == NULL || !mime_param_type(&value, &type, &sub) ||
	    str_ieq(type.p, type.len, "multipart")) {
		buf_adds(w->out, TEXT_PLAIN);
		return true;
	}
	message = str_ieq(type.p, type.len, "message") &&
	    (str_ieq(sub.p, sub.len, "rfc822") ||
	    str_ieq(sub.p, sub.len, "global"));
	if (kind == MIME_LEAF && message) {
		buf_adds(w->out, "\"application\" \"octet-stream\"");
	} else {
		put_span(w->out, type, WORD_MAX);
		buf_addc(w->out, ' ');
		put_span(w->out, sub, WORD_MAX);
	}
	buf_addc(w->out, ' ');
	put_params(w, value);
	return str_ieq(type.p, type.len, "text");
}

static void
put_encoding(struct writer *w, struct span value)
{
	struct span	 token;

	if (value.p == NULL || !mime_param_token(&value, &token))
		buf_adds(w->out, "\"7bit\"");
	else
		put_span(w->out, token, WORD_MAX);
}

static int	put_part(struct writer *, const char *,
		    const struct mime_tree *, const struct mime_part *);

static int
put_single(struct writer *w, const char *msg, const struct mime_tree *t,
    const struct mime_part *p, const struct span v[B_N])
{
	bool	 text;
	int	 rc;

	text = put_type(w, p->kind, v[B_TYPE]);
	buf_addc(w->out, ' ');
	put_field(w, v[B_ID], VALUE_MAX);
	buf_addc(w->out, ' ');
	put_field(w, v[B_DESCRIPTION], VALUE_MAX);
	buf_addc(w->out, ' ');
	put_encoding(w, v[B_ENCODING]);
	buf_addf(w->out, " %zu", p->end - p->body);
	if (p->kind == MIME_MESSAGE) {
		buf_addc(w->out, ' ');
		envelope(w, msg, &t->parts[p->child]);
		buf_addc(w->out, ' ');
		if ((rc = put_part(w, msg, t, &t->parts[p->child])) != 0)
			return rc;
	}
	if (p->kind == MIME_MESSAGE || text)
		buf_addf(w->out, " %u", p->lines);
	buf_addc(w->out, ' ');
	put_field(w, v[B_MD5], WORD_MAX);
	return 0;
}

static int
put_multipart(struct writer *w, const char *msg, const struct mime_tree *t,
    const struct mime_part *p, struct span value)
{
	struct span	 type, sub;
	int		 rc;

	for (int i = p->child; i != -1; i = t->parts[i].next)
		if ((rc = put_part(w, msg, t, &t->parts[i])) != 0)
			return rc;
	if (p->child == -1)
		buf_adds(w->out, "(" TEXT_PLAIN
		    " NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)");
	if (value.p == NULL || !mime_param_type(&value, &type, &sub))
		return CM_EUSAGE;
	buf_addc(w->out, ' ');
	put_span(w->out, sub, WORD_MAX);
	buf_addc(w->out, ' ');
	put_params(w, value);
	return 0;
}

/* One part with those in it; so deep only as MIME_DEPTH_MAX lets the tree. */
static int
put_part(struct writer *w, const char *msg, const struct mime_tree *t,
    const struct mime_part *p)
{
	struct span	 header = { msg + p->header, p->body - p->header };
	struct span	 v[B_N];
	int		 rc;

	body_collect(header, v);
	buf_addc(w->out, '(');
	if (p->kind == MIME_MULTIPART)
		rc = put_multipart(w, msg, t, p, v[B_TYPE]);
	else
		rc = put_single(w, msg, t, p, v);
	if (rc != 0)
		return rc;
	put_extension(w, v);
	buf_addc(w->out, ')');
	return w->out->err;
}

int
mime_bodystructure(const char *msg, const struct mime_tree *t,
    struct buf *out)
{
	const struct mime_part	*p = &t->parts[0];
	struct writer		 w;
	struct buf		 b;
	int			 rc;

	buf_init(&b, MIME_SUMMARY_MAX);
	writer_init(&w, &b);
	rc = writer_end(&w, put_part(&w, msg, t, p));
	if (rc == CM_ETOOBIG) {
		buf_reset(&b);
		rc = buf_addf(&b, "(\"application\" \"octet-stream\" NIL NIL "
		    "NIL \"8bit\" %zu NIL NIL NIL NIL)", p->end - p->body);
	}
	if (rc == 0)
		rc = buf_add(out, b.p, b.len);
	buf_free(&b);
	return rc;
}
