/* SORT and THREAD, dates, and the reader of an ENVELOPE. */
#include <stdlib.h>

#include "format/charset.h"
#include "format/date.h"
#include "format/envelope.h"
#include "format/mime.h"
#include "format/sort.h"
#include "tap.h"

#define CEILING	(1u << 26)

static struct span
sp(const char *s)
{
	return (struct span){ s, s ? strlen(s) : 0 };
}

static void
subject(const char *text, const char *want, bool reply)
{
	struct buf	 b, w;
	bool		 got;

	buf_init(&b, CEILING);
	buf_init(&w, CEILING);
	buf_adds(&b, "");
	buf_adds(&w, "");
	ok(charset_fold(sp(want), &w) == 0 &&
	    sort_subject(sp(text), &b, &got) == 0 && got == reply &&
	    b.len == w.len && memcmp(b.p, w.p, b.len) == 0,
	    "\"%s\" is \"%s\"", text, want);
	buf_free(&b);
	buf_free(&w);
}

static void
test_subject(void)
{
	subject("Hello", "hello", false);
	subject("Re: Hello", "hello", true);
	subject("RE:Hello", "hello", true);
	subject("re : re: fw: FWD: Hello", "hello", true);
	subject("Re[2]: Hello", "hello", true);
	subject("Re [x] : Hello", "hello", true);
	subject("Hello (fwd)", "hello", true);
	subject("Hello (FWD)(fwd)  (fwd) ", "hello", true);
	subject("  Hello \t  there ", "hello there", false);
	subject("[list] Hello", "hello", false);
	subject("[list] Re: Hello", "hello", true);
	subject("Re: [list] [two] Hello", "hello", true);
	subject("Re: [list]Re: [two] Hello", "hello", true);
	subject("[a] [b]", "[b]", false);
	subject("[only]", "[only]", false);
	subject("Re: [only]", "[only]", true);
	subject("Hello [x]", "hello [x]", false);
	subject("[Fwd: Hello]", "hello", true);
	subject("[fwd: Re: [fwd: [x] Hello (fwd)] ]", "hello", true);
	subject("[list] [Fwd: Hello]", "hello", true);
	subject("[Fwd: Hello", "[fwd: hello", false);
	subject("[Fwd:]", "", true);
	subject("Re:", "", true);
	subject("Re", "re", false);
	subject("Regarding: x", "regarding: x", false);
	subject("forward: x", "forward: x", false);
	subject("[a[b] x", "[a[b] x", false);
	subject("(fwd)", "", true);
	subject("Hello (fwd) x", "hello (fwd) x", false);
	subject("", "", false);
	subject("  ", "", false);
	subject(NULL, "", false);
}

static void
date(const char *text, int rc, int32_t day, int64_t s)
{
	int32_t	 d = 0;
	int64_t	 ms = 0;
	int	 got = date_parse(sp(text), &d, &ms);

	ok(got == rc && (rc != 0 || (d == day && ms == s * 1000)), "%s", text);
	if (got == 0 && (d != day || ms != s * 1000))
		printf("# %d %lld\n", d, (long long)ms / 1000);
}

static void
test_date(void)
{
	date("Thu, 1 Jan 1970 00:00:00 +0000", 0, 0, 0);
	date("Fri, 21 Nov 1997 09:55:06 -0600", 0, 10186, 880127706);
	date("21 Nov 97 09:55:06 GMT", 0, 10186, 880106106);
	date("21 Nov 97 09:55 CST", 0, 10186, 880127700);
	date("Thu,\r\n 13 (a (b)\\) c) Feb 1969 23:32 -0330 (Newfoundland)",
	    0, -322, -27723480);
	date("1-Feb-2000 00:00:00 +0200", 0, 10988, 949356000);
	date("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 0, 10186,
	    880127706);
	date("21 Nov 1997 09 :55 (a) (b)(c)CST", 0, 10186, 880127700);
	date("21 Nov 1997 09:55: 06 -06 00", 0, 10186, 880106106);
	date("21 Nov 1997 9:::: 06", 0, 10186, 880070400);
	date("29 February 2000", 0, 11016, 951782400);
	date("29 Feb 1900", CM_EDATA, 0, 0);
	date("Mon, 29 Feb 2000 25:00:00 +0100", 0, 11016, 951778800);
	date("29 Feb 2000 10:00:60 nowhere", 0, 11016, 951818460);
	date("29 Feb 2000 10:00:00 +0160", 0, 11016, 951818400);
	date("29 Feb 100 10:00", 0, 11016, 951818400);
	date("31 Apr 2000 10:00:00", CM_EDATA, 0, 0);
	date("0 Apr 2000", CM_EDATA, 0, 0);
	date("1 Foo 2000", CM_EDATA, 0, 0);
	date("yesterday", CM_EDATA, 0, 0);
	date("", CM_EDATA, 0, 0);
	date("(((((", CM_EDATA, 0, 0);
	date("(\\", CM_EDATA, 0, 0);
	date("31 Dec 9999 23:59:59 -2359", 0, 2932896, 253402387139);
}

/* An ENVELOPE of a header. */
static void
envelope(const char *header, struct buf *b)
{
	struct mime_part p = { .body = strlen(header), .end = strlen(header) };

	buf_init(b, CEILING);
	if (mime_envelope(header, &p, b) != 0)
		abort();
}

static void
is_text(struct span s, const char *want, const char *what)
{
	struct buf	 b;

	buf_init(&b, CEILING);
	buf_adds(&b, "");
	if (want == NULL)
		ok(s.p == NULL, "%s", what);
	else if (ok(s.p != NULL && envelope_text(s, &b) == 0, "%s", what))
		is_str(b.p, want, "%s", what);
	buf_free(&b);
}

static void
test_envelope(void)
{
	struct envelope		 e;
	struct envelope_address	 a;
	struct buf		 b;

	envelope("Subject: a \"q\\\" (b\r\nFrom: \"Doe) \\\"J\\\"\" <j@x.org>,"
	    " <k@y>\r\nMessage-ID: <1@x>\r\nTo: g: a@b, c@d;\r\n", &b);
	is_int(envelope_read((struct span){ b.p, b.len }, &e), 0,
	    "an envelope");
	is_text(e.date, NULL, "no date");
	is_text(e.subject, "a \"q\\\" (b", "subject");
	is_text(e.message_id, "<1@x>", "message-id");
	is_text(e.in_reply_to, NULL, "in-reply-to");
	is_text(e.cc, NULL, "cc");
	ok(envelope_address(&e.from, &a), "from");
	is_text(a.name, "Doe) \"J\"", "name");
	is_text(a.route, NULL, "route");
	is_text(a.mailbox, "j", "mailbox");
	is_text(a.host, "x.org", "host");
	ok(envelope_address(&e.from, &a), "second");
	is_text(a.name, NULL, "no name");
	is_text(a.host, "y", "host");
	ok(!envelope_address(&e.from, &a), "and no more");
	for (int i = 0; i < 4; i++)
		ok(envelope_address(&e.to, &a), "group %d", i);
	is_text(a.mailbox, NULL, "a group's end");
	for (size_t n = 0; n < b.len; n++)
		if (envelope_read((struct span){ b.p, n }, &e) == 0)
			ok(false, "cut at %zu", n);
	buf_free(&b);
	is_int(envelope_read(sp("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "),
	    &e), CM_EDATA, "more behind it");
	is_int(envelope_read(sp("(NIL \"\\"), &e), CM_EDATA, "cut");
}

struct box {
	struct sort_message m[100];
	size_t		 n;
	struct buf	 text;
};

static void
box_init(struct box *b)
{
	memset(b, 0, sizeof(*b));
	buf_init(&b->text, CEILING);
}

/* A message; its date is its number in the box, unless the header has one. */
static void
add(struct box *b, const char *header)
{
	struct sort_message	*m = &b->m[b->n++];
	struct buf		 e;

	m->number = m->seq = (uint32_t)b->n;
	m->arrival_ms = (int64_t)b->n * 1000;
	m->size = (uint32_t)strlen(header);
	envelope(header, &e);
	if (sort_fill(m, (struct span){ e.p, e.len }, sp(header),
	    &b->text) != 0)
		abort();
	buf_free(&e);
}

static void
thread(struct box *b, bool references, const char *want, const char *what)
{
	struct buf	 out;

	sort_settle(b->m, b->n, &b->text);
	buf_init(&out, CEILING);
	buf_adds(&out, "");
	is_int(references ? thread_references(b->m, b->n, &out) :
	    thread_subject(b->m, b->n, &out), 0, "%s", what);
	is_str(out.p, want, "%s", what);
	buf_free(&out);
	buf_free(&b->text);
}

static void
refs(const char *const *headers, const char *want, const char *what)
{
	struct box	 b;

	box_init(&b);
	for (; *headers != NULL; headers++)
		add(&b, *headers);
	thread(&b, true, want, what);
}
#define REFS(want, what, ...)						\
	refs((const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL },	\
	    want, what)

static void
test_references(void)
{
	REFS("", "no messages");
	REFS("(1)", "one", "Subject: x\r\n");
	REFS("(1 2 3)", "a chain", "Message-ID: <a@x>\r\n",
	    "Message-ID: <b@x>\r\nReferences: <a@x>\r\n",
	    "Message-ID: <c@x>\r\nReferences: <a@x> <b@x>\r\n");
	REFS("(3 2 1)", "one that came the other way round",
	    "Message-ID: <c@x>\r\nReferences: <a@x>\r\n <b@x>\r\n",
	    "Message-ID: <b@x>\r\nReferences: <a@x>\r\n",
	    "Message-ID: <a@x>\r\n");
	REFS("(1 2 (3)(4))", "two answers", "Message-ID: <a@x>\r\n",
	    "Message-ID: <b@x>\r\nIn-Reply-To: Yours of <a@x> <z@x>\r\n",
	    "Message-ID: <c@x>\r\nIn-Reply-To: <b@x>\r\n",
	    "Message-ID: <d@x>\r\nReferences: <b@x>\r\n");
	REFS("(1)(2 3 (4 5)(6 7 8))", "the shape of RFC 5256's example",
	    "Message-ID: <2@x>\r\n", "Message-ID: <3@x>\r\n",
	    "Message-ID: <6@x>\r\nReferences: <3@x>\r\n",
	    "Message-ID: <4@x>\r\nReferences: <3@x> <6@x>\r\n",
	    "Message-ID: <23@x>\r\nReferences: <3@x> <6@x> <4@x>\r\n",
	    "Message-ID: <44@x>\r\nReferences: <3@x> <6@x>\r\n",
	    "Message-ID: <7@x>\r\nReferences: <3@x> <6@x> <44@x>\r\n",
	    "Message-ID: <96@x>\r\nReferences: <6@x> <44@x> <7@x>\r\n");
	REFS("((1)(2))", "siblings of one that is not there",
	    "Message-ID: <a@x>\r\nReferences: <z@x>\r\n",
	    "Message-ID: <b@x>\r\nReferences: <z@x>\r\n");
	REFS("(1)", "alone below some that are not there",
	    "Message-ID: <a@x>\r\nReferences: <y@x> <z@x>\r\n");
	REFS("(1 (2)(3))", "one that is not there, between",
	    "Message-ID: <a@x>\r\n",
	    "Message-ID: <b@x>\r\nReferences: <a@x> <z@x>\r\n",
	    "Message-ID: <c@x>\r\nReferences: <a@x> <z@x>\r\n");
	REFS("(1 2)", "of equal ids, the quotes count not",
	    "Message-ID: <\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>\r\n",
	    "Message-ID: <b@x>\r\n"
	    "References: <01KF8JCEOCBS0045PS@xxx.yyy.com>\r\n");
	REFS("(1 3)(2)", "an id that two have is the first one's",
	    "Message-ID: <a@x>\r\n", "Message-ID: <a@x>\r\n",
	    "References: <a@x>\r\n");
	REFS("(1 2)", "a loop is not made",
	    "Message-ID: <a@x>\r\nReferences: <b@x> <a@x>\r\n",
	    "Message-ID: <b@x>\r\nReferences: <a@x>\r\n");
	REFS("(1)", "its own answer",
	    "Message-ID: <a@x>\r\nReferences: <a@x> <a@x>\r\n");
	REFS("(1)(2)", "no id, and an empty one", "Subject:\r\n",
	    "Message-ID: <>\r\nReferences: <> < >\r\n");
	REFS("(1)(3 2)", "what it says of itself is right",
	    "Message-ID: <a@x>\r\n",
	    "Message-ID: <b@x>\r\nReferences: <c@x>\r\n",
	    "Message-ID: <c@x>\r\nReferences: <q@x>\r\n");
}

static void
test_gather(void)
{
	REFS("(1 2)", "an answer without references",
	    "Subject: Hello\r\n", "Subject: Re: hello\r\n");
	REFS("(2 1)", "that came first",
	    "Subject: Re: Hello\r\n", "Subject: hello\r\n");
	REFS("((1)(2))", "the same subject", "Subject: Hello\r\n",
	    "Subject: Hello\r\n");
	REFS("((1)(2)(3))", "three times", "Subject: Hello\r\n",
	    "Subject: Hello\r\n", "Subject: Re: Hello\r\n");
	REFS("((1)(2))", "two answers", "Subject: Re: a\r\n",
	    "Subject: Re: a\r\n");
	REFS("(1)(2)", "no subject", "Subject:\r\n", "X: y\r\n");
	REFS("((1)(2)(3))", "a dummy takes one in",
	    "Message-ID: <a@x>\r\nReferences: <z@x>\r\nSubject: s\r\n",
	    "Message-ID: <b@x>\r\nReferences: <z@x>\r\nSubject: t\r\n",
	    "Subject: s\r\n");
	REFS("((1)(2)(3)(4))", "two dummies are one",
	    "References: <z@x>\r\nSubject: s\r\n",
	    "References: <z@x>\r\nSubject: t\r\n",
	    "References: <y@x>\r\nSubject: s\r\n",
	    "References: <y@x>\r\nSubject: u\r\n");
	REFS("(1 (2 3)(4))", "a thread goes to another",
	    "Message-ID: <a@x>\r\nSubject: s\r\n",
	    "Message-ID: <b@x>\r\nSubject: Re: s\r\n",
	    "References: <b@x>\r\nSubject: Re: s\r\n",
	    "References: <a@x>\r\nSubject: Re: s\r\n");
	REFS("(2)(1)", "the Date counts", "Date: 2 Jan 1990 00:00:00\r\n",
	    "Date: 2 Jan 1990 00:00:00 +0100\r\n");
}

static void
test_ordered(void)
{
	struct box	 b;

	box_init(&b);
	thread(&b, false, "", "nothing");
	box_init(&b);
	add(&b, "Subject: a\r\n");
	add(&b, "Subject: b\r\n");
	add(&b, "Subject: Re: a\r\n");
	add(&b, "Subject: c\r\n");
	add(&b, "Subject: Re: b\r\n");
	add(&b, "Subject: a (fwd)\r\n");
	add(&b, "Subject: A\r\nDate: 1 Jan 1970 00:00:02\r\n");
	thread(&b, false, "(1 (7)(3)(6))(2 5)(4)", "by subject");
}

static void
sorted(const char *what, const struct imap_sort_key *key, unsigned n,
    const char *want)
{
	struct box	 b;
	struct buf	 out;

	box_init(&b);
	add(&b, "From: zoe@x\r\nTo: Bob@x\r\nSubject: b\r\n");
	add(&b, "From: Adam <adam@z>\r\nSubject: Re: a\r\nCc: q@x\r\n");
	add(&b, "From: ADAM@x\r\nTo: alice@x\r\nSubject: b\r\nX: 12345678\r\n");
	add(&b, "Date: 1 Jan 1970 00:00:00\r\nSubject: A\r\n");
	sort_settle(b.m, b.n, &b.text);
	sort_messages(b.m, b.n, key, n);
	buf_init(&out, CEILING);
	for (size_t i = 0; i < b.n; i++)
		buf_addu(&out, b.m[i].number, 0);
	is_str(out.p, want, "%s", what);
	buf_free(&out);
	buf_free(&b.text);
}
#define SORTED(want, ...) sorted(#__VA_ARGS__,				\
	(const struct imap_sort_key[]){ __VA_ARGS__ },			\
	sizeof((const struct imap_sort_key[]){ __VA_ARGS__ }) /		\
	sizeof(struct imap_sort_key), want)

static void
test_sort(void)
{
	SORTED("1234", { IMAP_SORT_ARRIVAL, false });
	SORTED("4321", { IMAP_SORT_ARRIVAL, true });
	SORTED("4123", { IMAP_SORT_DATE, false });
	SORTED("4231", { IMAP_SORT_FROM, false });
	SORTED("1234", { IMAP_SORT_FROM, true });
	SORTED("2431", { IMAP_SORT_TO, false });
	SORTED("1342", { IMAP_SORT_CC, false });
	SORTED("2413", { IMAP_SORT_SUBJECT, false });
	SORTED("4231", { IMAP_SORT_SUBJECT, false },
	    { IMAP_SORT_ARRIVAL, true });
	SORTED("1324", { IMAP_SORT_SUBJECT, true });
	SORTED("1423", { IMAP_SORT_SIZE, false });
	SORTED("3241", { IMAP_SORT_SIZE, true });
}

/* Chains as deep as there are messages, of messages that name all others. */
static void
test_hostile(void)
{
	enum { N = 50000 };
	struct sort_message	*m = calloc(N, sizeof(*m));
	struct buf		 text, out;

	buf_init(&text, CEILING);
	buf_init(&out, CEILING);
	for (uint32_t i = 0; i < N; i++)
		buf_addf(&text, "%06u ", i);
	for (uint32_t i = 0; i < N; i++) {
		m[i].number = m[i].seq = i + 1;
		m[i].message_id = (struct span){ text.p + 7 * i, 6 };
		if (i > 0)
			m[i].references = (struct span){
			    text.p + 7 * (i - 1), 6 };
		m[i].subject = sp("");
	}
	is_int(thread_references(m, N, &out), 0, "one deep chain");
	ok(memchr(out.p + 1, '(', out.len - 1) == NULL, "has no branches");
	buf_reset(&out);
	m[0].references = (struct span){ text.p, 7 * N - 1 };
	for (uint32_t i = 1; i < N; i++)
		m[i].references = (struct span){ text.p + 7 * (N - i), 6 };
	is_int(thread_references(m, N, &out), 0, "one that names all");
	buf_reset(&out);
	for (uint32_t i = 0; i < N; i++)
		m[i].references = (struct span){ text.p +
		    7 * (i > 20 ? i - 20 : 0), i > 20 ? 139 : 6 };
	is_int(thread_references(m, N, &out), 0, "many that name many");
	free(m);
	buf_free(&text);
	buf_free(&out);
}

int
main(void)
{
	test_subject();
	test_date();
	test_envelope();
	test_references();
	test_gather();
	test_ordered();
	test_sort();
	test_hostile();
	return tap_done();
}
