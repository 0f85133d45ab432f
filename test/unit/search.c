/* SEARCH: what matches, and what has to be known for it. */
#include <stdlib.h>

#include "format/header.h"
#include "format/search.h"
#include "tap.h"

#define CEILING	(1u << 22)
#define DAY	86400000ll

static struct span
sp(const char *s)
{
	return (struct span){ s, s ? strlen(s) : 0 };
}

static const char message[] =
	"From: \"Doe, John\" <John.Doe@Example.org>\r\n"
	"To: Team: ann@x.org, bob;\r\n"
	"Cc: carl@y\r\n"
	"Subject: Hello\r\n World\r\n"
	"Date: Mon, 7 Feb 1994 23:52:25 -0800 (PST)\r\n"
	"Message-ID: <1@x.org>\r\n"
	"X-Twice: one\r\n"
	"X-Twice: two\r\n"
	"X-Empty:\r\n"
	"Content-Type: multipart/mixed; boundary=b\r\n"
	"\r\n"
	"preamble\r\n"
	"--b\r\n"
	"Content-Description: Inner\r\n"
	"\r\n"
	"First Part\r\n"
	"--b\r\n"
	"Content-Type: application/x-thing\r\n"
	"\r\n"
	"hidden\r\n"
	"--b\r\n"
	"Content-Type: message/rfc822\r\n"
	"\r\n"
	"Subject: Nested\r\n"
	"\r\n"
	"deep text\r\n"
	"--b--\r\n";

static struct search_message
make(struct buf *env, enum search_need level)
{
	struct search_message	 m = {
		.number = 3, .uid = 30, .flags = IMAP_SEEN | IMAP_FLAGGED,
		.keywords = sp("$Work $Junk"), .size = 1000,
		.time_ms = 10 * DAY + 5, .saved_ms = 12 * DAY, .modseq = 77,
		.id = "01ARZ3NDEKTSV4RRFFQ69G5FAV" };
	struct mime_part	 p = { 0 };

	buf_init(env, CEILING);
	if (level >= SEARCH_ENVELOPE) {
		p.body = header_end(message, sizeof(message) - 1);
		if (mime_envelope(message, &p, env) != 0)
			abort();
		m.envelope = (struct span){ env->p, env->len };
	}
	if (level >= SEARCH_MESSAGE)
		m.msg = sp(message);
	return m;
}

/* 1, 0, or -1 - what is missing. */
static int
ask(const struct imap_search *k, const struct search_message *m)
{
	struct imap_range	 r = { 3, 5 };
	struct imap_set		 saved = { .r = &r, .n = 1, .cap = 1 };
	struct search		*s;
	enum search_need	 more;
	bool			 match;

	if (search_new(k, (struct span){ NULL, 0 }, &s) != 0 ||
	    search_match(s, m, 10 * DAY + 100005, &saved, &match, &more) != 0)
		return -100;
	search_free(s);
	return more != SEARCH_ROW ? -1 - (int)more : match;
}

/* With all there is; and without, that it is asked for. */
static void
key(const char *what, struct imap_search k, int want)
{
	struct buf		 b;
	struct search_message	 m;
	enum search_need	 need = search_need(&k);

	for (int i = SEARCH_ROW; i <= SEARCH_MESSAGE; i++) {
		m = make(&b, (enum search_need)i);
		is_int(ask(&k, &m), i >= (int)need ? want : -1 - (int)need,
		    "%s, level %d", what, i);
		buf_free(&b);
	}
	m = make(&b, SEARCH_MESSAGE);
	m.envelope.p = NULL;
	is_int(ask(&k, &m), want, "%s, without the envelope", what);
	buf_free(&b);
}
#define KEY(want, ...) key(#__VA_ARGS__, (struct imap_search){ __VA_ARGS__ }, \
	want)
#define K(k)	.key = IMAP_KEY_##k
#define T(k, s)	K(k), .text = sp(s)
#define H(f, s)	K(HEADER), .field = sp(f), .text = sp(s)
#define D(k, d)	K(k), .day = (d)
#define N(k, n)	K(k), .number = (n)

static void
test_row(void)
{
	struct imap_range	 r = { 3, 3 }, u = { 30, 31 };
	struct imap_set		 set = { .r = &r, .n = 1 };
	struct imap_set		 uids = { .r = &u, .n = 1 };

	KEY(1, K(ALL));
	KEY(0, K(NONE));
	KEY(1, K(SET), .set = set);
	KEY(0, K(SET), .set = uids);
	KEY(1, K(UID), .set = uids);
	KEY(1, K(UID), .set = { .saved = true });
	KEY(1, K(SET), .set = { .saved = true });
	KEY(1, K(FLAG), .bits = IMAP_SEEN);
	KEY(1, K(FLAG), .bits = IMAP_SEEN | IMAP_FLAGGED);
	KEY(0, K(FLAG), .bits = IMAP_SEEN | IMAP_DRAFT);
	KEY(1, T(KEYWORD, "$work"));
	KEY(1, T(KEYWORD, "$Junk"));
	KEY(0, T(KEYWORD, "$Jun"));
	KEY(0, T(KEYWORD, ""));
	KEY(1, D(BEFORE, 11));
	KEY(0, D(BEFORE, 10));
	KEY(1, D(ON, 10));
	KEY(1, D(SINCE, 10));
	KEY(0, D(SINCE, 11));
	KEY(1, D(SAVEDON, 12));
	KEY(0, D(SAVEDBEFORE, 12));
	KEY(1, D(SAVEDSINCE, 12));
	KEY(1, K(SAVEDATESUPPORTED));
	KEY(1, N(LARGER, 999));
	KEY(0, N(LARGER, 1000));
	KEY(0, N(SMALLER, 1000));
	KEY(1, N(SMALLER, 1001));
	KEY(1, N(OLDER, 100));
	KEY(0, N(OLDER, 101));
	KEY(1, N(YOUNGER, 100));
	KEY(0, N(YOUNGER, 99));
	KEY(1, N(MODSEQ, 77));
	KEY(0, N(MODSEQ, 78));
	KEY(1, T(EMAILID, "01ARZ3NDEKTSV4RRFFQ69G5FAV"));
	KEY(0, T(EMAILID, "01ARZ3NDEKTSV4RRFFQ69G5FA"));
	KEY(0, T(THREADID, "x"));
}

static void
test_envelope(void)
{
	KEY(1, T(FROM, "john.doe@EXAMPLE"));
	KEY(1, T(FROM, "Doe, John <"));
	KEY(0, T(FROM, "Jane"));
	KEY(1, T(FROM, ""));
	KEY(1, T(TO, "ann@x.org"));
	KEY(1, T(TO, "team"));
	KEY(0, T(TO, "missing"));
	KEY(1, T(CC, "carl@y"));
	KEY(0, T(BCC, ""));
	KEY(1, T(SUBJECT, "hello world"));
	KEY(0, T(SUBJECT, "hello  world"));
	KEY(1, D(SENTON, 8803));
	KEY(0, D(SENTBEFORE, 8803));
	KEY(1, D(SENTSINCE, 8803));
	KEY(0, D(SENTSINCE, 8804));
	KEY(1, H("Message-Id", "<1@X.org>"));
	KEY(0, H("Message-Id", "<2@x.org>"));
	KEY(0, H("In-Reply-To", ""));
	KEY(1, H("SUBJECT", "World"));
}

static const char odd[] =
	"From x\r\n"
	"To: Ann <@relay.test:ann@x.org>\r\n"
	"this is no Field\r\n"
	"Content-Type: multipart/report; boundary=b\r\n"
	"\r\n"
	"--b\r\n"
	"Content-Type: message/delivery-status\r\n"
	"\r\n"
	"Reporting-MTA: dns; y\r\n"
	"--b\r\n"
	"Content-Type: text/plain\r\n"
	"Content-Transfer-Encoding: x-none\r\n"
	"\r\n"
	"unread\r\n"
	"--b--\r\n";

/* The same keys with a message that is not as it should be. */
static void
odd_key(const char *what, struct imap_search k, int want)
{
	struct buf		 b;
	struct search_message	 m = make(&b, SEARCH_MESSAGE);

	m.envelope.p = NULL;
	m.msg = sp(odd);
	is_int(ask(&k, &m), want, "odd, %s", what);
	m.msg = sp("");
	is_int(ask(&k, &m), k.text.len == 0, "nothing, %s", what);
	buf_free(&b);
}
#define ODD(want, ...) odd_key(#__VA_ARGS__, \
	(struct imap_search){ __VA_ARGS__ }, want)

static void
test_odd(void)
{
	ODD(1, T(TO, "relay"));
	ODD(1, T(TO, "ann <@relay.test:ann@x.org>"));
	ODD(1, T(TEXT, "no field"));
	ODD(1, T(TEXT, "from x"));
	ODD(1, T(TEXT, "to: ann"));
	ODD(0, T(BODY, "field"));
	ODD(0, T(BODY, "delivery-status"));
	ODD(1, T(TEXT, "delivery-status"));
	ODD(1, T(BODY, "reporting-mta"));
	ODD(0, T(BODY, "unread"));
	ODD(1, T(BODY, ""));
	ODD(1, T(TEXT, ""));
}

static void
test_message(void)
{
	KEY(1, H("x-twice", "ONE"));
	KEY(1, H("x-twice", "two"));
	KEY(0, H("x-twice", "three"));
	KEY(1, H("X-Empty", ""));
	KEY(0, H("X-Empt", ""));
	KEY(0, H("", ""));
	KEY(1, H("From", "\"Doe, John\""));
	KEY(1, T(BODY, "first part"));
	KEY(1, T(BODY, "DEEP TEXT"));
	KEY(0, T(BODY, "subject: nested"));
	KEY(1, T(TEXT, "subject: nested"));
	KEY(0, T(BODY, "inner"));
	KEY(1, T(TEXT, "inner"));
	KEY(0, T(BODY, "hello"));
	KEY(0, T(BODY, "hidden"));
	KEY(0, T(BODY, "text\r\n--b"));
	KEY(1, T(BODY, ""));
	KEY(1, T(TEXT, "hello world"));
	KEY(1, T(TEXT, "x-twice: two"));
	KEY(1, T(TEXT, "deep text"));
	KEY(0, T(TEXT, "shallow"));
}

/* Only what decides is asked for. */
static void
test_trees(void)
{
	struct imap_search	 body = { T(BODY, "deep") };
	struct imap_search	 from = { T(FROM, "jane"), .next = &body };
	struct imap_search	 draft = { K(FLAG), .bits = IMAP_DRAFT };
	struct imap_search	 body2 = { T(BODY, "deep"), .next = &draft };
	struct imap_search	 seen = { K(FLAG), .bits = IMAP_SEEN };
	struct imap_search	 body3 = { T(BODY, "none"), .next = &seen };
	struct imap_search	 and1 = { K(AND), .first = &from };
	struct imap_search	 and2 = { K(AND), .first = &body2 };
	struct imap_search	 and3 = { K(AND), .first = &body3 };
	struct imap_search	 or3 = { K(OR), .first = &body3 };
	struct imap_search	 or1 = { K(OR), .first = &from };
	struct imap_search	 not1 = { K(NOT), .first = &or1 };
	struct imap_search	 not2 = { K(NOT), .first = &draft };
	struct imap_search	 none = { K(AND) };
	struct search_message	 m;
	struct buf		 b;

	KEY(1, K(AND));
	m = make(&b, SEARCH_ROW);
	is_int(search_need(&and1), SEARCH_MESSAGE, "a tree needs the most");
	is_int(search_need(&not2), SEARCH_ROW, "or little");
	is_int(ask(&none, &m), 1, "no keys");
	is_int(ask(&and1, &m), -2, "first the envelope");
	is_int(ask(&and2, &m), 0, "AND: the flag decides");
	is_int(ask(&and3, &m), -3, "AND: the flag does not");
	is_int(ask(&or3, &m), 1, "OR: the flag decides");
	is_int(ask(&or1, &m), -2, "OR: the envelope may");
	is_int(ask(&not1, &m), -2, "NOT: the same");
	is_int(ask(&not2, &m), 1, "NOT: a flag");
	m = make(&b, SEARCH_ENVELOPE);
	is_int(ask(&and1, &m), 0, "AND: the envelope decides");
	is_int(ask(&or1, &m), -3, "OR: it does not");
	is_int(ask(&not1, &m), -3, "NOT: neither");
	buf_free(&b);
	m = make(&b, SEARCH_MESSAGE);
	is_int(ask(&or1, &m), 1, "OR: the message does");
	is_int(ask(&not1, &m), 0, "NOT: does, too");
	is_int(ask(&and3, &m), 0, "AND: does, too");
	buf_free(&b);
}

/* An envelope's list is cut where the header's goes on. */
static void
test_cut(void)
{
	struct imap_search	 k = { T(FROM, "last@x") };
	struct mime_part	 p = { 0 };
	struct search_message	 m = { .number = 1 };
	struct buf		 b, env;

	buf_init(&b, CEILING);
	buf_init(&env, CEILING);
	buf_adds(&b, "From: ");
	for (int i = 0; i < 5000; i++)
		buf_addf(&b, "a%d@x,\r\n ", i);
	buf_adds(&b, "last@x\r\n\r\n");
	p.body = b.len;
	is_int(mime_envelope(b.p, &p, &env), 0, "a long list");
	m.envelope = (struct span){ env.p, env.len };
	is_int(ask(&k, &m), -3, "is not trusted");
	m.msg = (struct span){ b.p, b.len };
	is_int(ask(&k, &m), 1, "the header is asked");
	buf_free(&b);
	buf_free(&env);
}

static void
test_charset(void)
{
	struct imap_search	 k = { K(ALL) };
	struct search		*s;

	is_int(search_new(&k, sp("UTF-8"), &s), 0, "UTF-8");
	search_free(s);
	is_int(search_new(&k, sp("x-no-such"), &s), CM_EDATA, "not known");
	ok(s == NULL, "and nothing made");
	search_free(NULL);
}

int
main(void)
{
	test_row();
	test_envelope();
	test_message();
	test_odd();
	test_trees();
	test_cut();
	test_charset();
	return tap_done();
}
