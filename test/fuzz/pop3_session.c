/*
 * Whole sessions of POP3 with a client that is made up: the same words in
 * pieces get the same answers as at once; each command gets the answer that a
 * plain reading of RFC 1939 gives, with the right messages in it; and what is
 * deleted is what was marked, and only by QUIT.  Catalog, volumes and logins
 * are stood in for; all else is the real one.  The first byte says how the
 * words are cut.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "protocol/pop3_int.h"
#include "protocol/session_int.h"
#include "login.h"
#include "session.h"

#define INPUT_MAX	2048
#define OUTPUT_MAX	(64 << 20)
#define MESSAGES	5
#define BIG		70000		/* more than is sent at once */
#define ERRORS		20

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* --- the mailbox: the third message cannot be read, nor the fifth */

static char	 big[BIG + 1];

static const struct message {
	uint32_t	 uid;
	const char	*id;
	const char	*text;
	int		 rc;
} box[MESSAGES] = {
	{ 3, "01HG0000000000000000000001",
	    "Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nlast\r\n", 0 },
	{ 4, "01HG0000000000000000000002", "Subject: none\r\n", 0 },
	{ 7, "01HG0000000000000000000003", "away", CM_EAWAY },
	{ 8, "01HG0000000000000000000004", big, 0 },
	{ 9, "01HG0000000000000000000001", "bad", CM_ECORRUPT }
};

static struct buf the_deleted;		/* lines of UID and id */
static unsigned	 the_quits;		/* requests to delete */

int
catalog_open(const struct log *log, const struct conf *conf, const char *file,
    const char *node, struct catalog **out)
{
	(void)log, (void)conf, (void)file, (void)node;
	*out = NULL;
	return 0;
}

void
catalog_close(struct catalog *c)
{
	(void)c;
}

static int
give_list(catalog_fn fn, void *arg)
{
	struct buf	 b;
	int		 rc = 0;

	for (unsigned i = 0; rc == 0 && i < MESSAGES; i++) {
		buf_init(&b, 1000);
		buf_addf(&b, "bob@example.org/INBOX/%u\t%s\t"
		    "v1:00000001:%u:1\t%zu\tx", box[i].uid, box[i].id, i,
		    strlen(box[i].text));
		rc = fn(arg, (struct span){ b.p, b.len });
		buf_free(&b);
	}
	return rc;
}

int
catalog_call(struct catalog *c, const char *const words[], int body, int ms,
    catalog_fn fn, void *arg)
{
	(void)c, (void)ms;
	if (strcmp(words[0], "list") == 0) {
		must(body == -1 && strcmp(words[2], "INBOX") == 0);
		return strcmp(words[1], "bob@example.org") == 0 ?
		    give_list(fn, arg) : strcmp(words[1],
		    "new@example.org") == 0 ? CM_ENOINPUT : CM_EAWAY;
	}
	must(strcmp(words[0], "expunge-all") == 0 && body != -1 &&
	    strcmp(words[1], "bob@example.org") == 0);
	the_quits++;
	must(file_read_fd(body, &the_deleted) == 0);
	return fn(arg, (struct span){ "7", 1 });
}

int
reader_open(const struct log *log, const struct conf *conf,
    struct reader **out)
{
	(void)log, (void)conf;
	*out = NULL;
	return 0;
}

void
reader_close(struct reader *r)
{
	(void)r;
}

int
reader_get(struct reader *r, const struct place *p, const struct ulid *id,
    struct reader_record *out)
{
	char	 text[ULID_LEN + 1];
	size_t	 i = (size_t)p->offset;

	(void)r;
	must(i < MESSAGES && id != NULL);
	ulid_text(id, text);
	must(strcmp(text, box[i].id) == 0);
	memset(out, 0, sizeof(*out));
	out->msg = (struct span){ box[i].text, strlen(box[i].text) };
	return box[i].rc;
}

/* The mechanism's name says what comes of it. */
enum login_end
login_sasl(struct login *l, const char *mechanism, const char *first)
{
	(void)first;
	if (strcmp(mechanism, "IN") == 0 || strcmp(mechanism, "NEW") == 0 ||
	    strcmp(mechanism, "AWAY") == 0) {
		must(str_copy(l->mailbox, sizeof(l->mailbox),
		    mechanism[0] == 'I' ? "bob@example.org" :
		    mechanism[0] == 'N' ? "new@example.org" :
		    "away@example.org") == 0);
		return LOGIN_GOOD;
	}
	return bad_login(l, mechanism);
}

/* --- a session */

static void
session(const uint8_t *data, size_t size, unsigned cut, struct buf *said)
{
	static char	 state[] = "/nonexistent", self[] = "n1",
			 host[] = "mx.example.org";
	struct conf_node node = { .name = self, .state = state,
			    .hostname = host };
	struct conf	 conf = { .node = &node, .self = self,
			    .per_account = 1 };
	struct session_service v = pop3_service();
	struct session_engine e = { .service = &v, .conf = &conf,
			    .accounts = -1 };
	struct log	 log = { CM_LOG_DEBUG, put_log, NULL };
	struct session	 s = { .log = &log, .id = "x", .conf = &conf,
			    .client = "192.0.2.1", .has_ip = true,
			    .engine = &e };
	int		 in[2], out = -1;

	must(pipe2(in, O_DIRECT | O_CLOEXEC) == 0 &&
	    fcntl(in[1], F_SETPIPE_SZ, PIPE_SIZE) != -1 &&
	    (out = memfd_create("out", MFD_CLOEXEC)) != -1);
	say(in[1], data, size, cut);
	must(v.open(&log, &conf, NULL, NULL, v.arg, &s.worker) == 0 &&
	    conn_open(in[0], dup(out), &s.conn) == 0);
	v.serve(&s, v.arg);
	conn_close(s.conn);
	v.close(s.worker);
	must(lseek(out, 0, SEEK_SET) == 0 && file_read_fd(out, said) == 0);
	close(out);
}

/* --- a plain reading of it */

struct model {
	struct span	 said;		/* what is yet to be looked at */
	bool		 in, end;
	unsigned	 n;		/* messages */
	bool		 gone[MESSAGES];
	unsigned	 errors;
	struct buf	 deleted;	/* what QUIT is to delete */
	unsigned	 quits;
};

/* The next line of the answer, without its end. */
static struct span
answer(struct model *m)
{
	struct span	 l;

	must(str_field(&m->said, '\n', &l) && l.len > 0 &&
	    l.p[l.len - 1] == '\r' && m->said.p != NULL);
	l.len--;
	return l;
}

static bool
begins(struct span l, const char *text)
{
	return l.len >= strlen(text) && memcmp(l.p, text, strlen(text)) == 0;
}

static struct span
good(struct model *m)
{
	struct span	 l = answer(m);

	must(begins(l, "+OK "));
	return l;
}

static void
bad(struct model *m)
{
	must(begins(answer(m), "-ERR "));
	m->errors++;
}

/* A text of several lines up to its end: true when it is that one. */
static void
same_text(struct model *m, struct span want)
{
	struct span	 l;

	for (l = answer(m); !span_is(l, "."); l = answer(m)) {
		if (begins(l, ".")) {
			l.p++;
			l.len--;
		}
		must(want.len >= l.len + 2 &&
		    memcmp(want.p, l.p, l.len) == 0 &&
		    memcmp(want.p + l.len, "\r\n", 2) == 0);
		want.p += l.len + 2;
		want.len -= l.len + 2;
	}
	must(want.len == 0);
}

/* Its header, and so many lines. */
static struct span
top(const char *text, uint64_t lines)
{
	const char	*body = strstr(text, "\r\n\r\n"), *p;

	if (body == NULL)
		return (struct span){ text, strlen(text) };
	for (p = body + 4; lines > 0 && *p != '\0'; lines--)
		p = strchr(p, '\n') + 1;
	return (struct span){ text, (size_t)(p - text) };
}

/* Numbers in decimal with blanks between: how many, or -1. */
static int
numbers(const char *p, uint64_t v[2])
{
	int	 n = 0;

	for (;;) {
		while (*p == ' ')
			p++;
		if (*p == '\0')
			return n;
		if (n == 2 || *p < '0' || *p > '9')
			return -1;
		for (v[n] = 0; *p >= '0' && *p <= '9'; p++)
			if ((v[n] = v[n] * 10 + (uint64_t)(*p - '0')) >
			    UINT32_MAX)
				return -1;
		if (*p != ' ' && *p != '\0')
			return -1;
		n++;
	}
}

static bool
is_there(const struct model *m, uint64_t number)
{
	return number >= 1 && number <= m->n && !m->gone[number - 1];
}

static void
unique_id(unsigned i, struct buf *b)
{
	buf_adds(b, box[i].id);
	if (i == 4)
		buf_addf(b, "-%u", box[i].uid);
}

static void
list(struct model *m, int n, const uint64_t v[2], bool uid)
{
	struct buf	 want;

	if (n < 0 || n > 1 || (n == 1 && !is_there(m, v[0]))) {
		bad(m);
		return;
	}
	buf_init(&want, 10000);
	buf_adds(&want, "");
	for (unsigned i = 0; i < m->n; i++) {
		if (m->gone[i] || (n == 1 && v[0] != i + 1))
			continue;
		buf_addf(&want, "%s%u ", n == 1 ? "+OK " : "", i + 1);
		if (uid)
			unique_id(i, &want);
		else
			buf_addf(&want, "%zu", strlen(box[i].text));
		if (n == 0)
			buf_adds(&want, "\r\n");
	}
	if (n == 1) {
		must(span_is(answer(m), want.p));
	} else {
		good(m);
		same_text(m, (struct span){ want.p, want.len });
	}
	buf_free(&want);
}

static void
stat_(struct model *m)
{
	struct buf	 want;
	size_t		 n = 0, bytes = 0;

	for (unsigned i = 0; i < m->n; i++) {
		n += !m->gone[i];
		bytes += m->gone[i] ? 0 : strlen(box[i].text);
	}
	buf_init(&want, 100);
	buf_addf(&want, "+OK %zu %zu", n, bytes);
	must(span_is(answer(m), want.p));
	buf_free(&want);
}

static void
retr(struct model *m, int n, const uint64_t v[2], int wanted)
{
	if (n != wanted || !is_there(m, v[0]) || box[v[0] - 1].rc != 0) {
		bad(m);
		return;
	}
	good(m);
	same_text(m, top(box[v[0] - 1].text, n == 2 ? v[1] : UINT64_MAX));
}

static void
quit(struct model *m)
{
	m->end = true;
	good(m);
	for (unsigned i = 0; i < m->n; i++)
		if (m->gone[i])
			buf_addf(&m->deleted, "%u %s\n", box[i].uid,
			    box[i].id);
	m->quits = m->deleted.len > 0;
}

static void
auth(struct model *m, const char *args)
{
	size_t	 n = strcspn(args, " ");
	struct span name = { args, n };

	if (span_is(name, "LOST")) {
		m->end = true;
		return;
	}
	m->in = span_is(name, "IN") || span_is(name, "NEW");
	m->n = span_is(name, "IN") ? MESSAGES : 0;
	if (m->in)
		good(m);
	else
		bad(m);
}

static void
capa(struct model *m)
{
	struct span	 l;
	unsigned	 known = 0;

	good(m);
	while (!span_is(l = answer(m), ".")) {
		known += span_is(l, "TOP") || span_is(l, "UIDL") ||
		    span_is(l, "RESP-CODES");
		must(!begins(l, "STLS") && !begins(l, "USER") &&
		    begins(l, "SASL ") <= !m->in);
	}
	must(known == 3);
}

static bool
is(const char *line, size_t n, const char *verb)
{
	return str_ieq(line, n, verb);
}

static void
outside(struct model *m, const char *l, size_t n, const char *args)
{
	if (is(l, n, "AUTH"))
		auth(m, args);
	else if (is(l, n, "UTF8"))
		good(m);
	else
		bad(m);
}

static void
inside(struct model *m, const char *l, size_t n, const char *args)
{
	uint64_t	 v[2] = { 0, 0 };
	int		 k = numbers(args, v);

	if (is(l, n, "STAT"))
		stat_(m);
	else if (is(l, n, "LIST") || is(l, n, "UIDL"))
		list(m, k, v, is(l, n, "UIDL"));
	else if (is(l, n, "RETR"))
		retr(m, k, v, 1);
	else if (is(l, n, "TOP"))
		retr(m, k, v, 2);
	else if (is(l, n, "DELE") && k == 1 && is_there(m, v[0])) {
		good(m);
		m->gone[v[0] - 1] = true;
	} else if (is(l, n, "RSET")) {
		good(m);
		memset(m->gone, 0, sizeof(m->gone));
	} else if (is(l, n, "NOOP"))
		good(m);
	else
		bad(m);
}

static void
command(struct model *m, struct span line)
{
	char	 text[INPUT_MAX + 1];
	size_t	 n;
	const char *args;

	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f) {
			bad(m);
			return;
		}
	must(str_ncopy(text, sizeof(text), line.p, line.len) == 0);
	n = strcspn(text, " ");
	args = text + n + (text[n] == ' ');
	if (is(text, n, "CAPA"))
		capa(m);
	else if (is(text, n, "QUIT"))
		quit(m);
	else
		(m->in ? inside : outside)(m, text, n, args);
}

static void
check(const uint8_t *data, size_t size, const struct buf *said)
{
	struct model	 m = { .said = { said->p, said->len } };
	struct span	 in = { (const char *)data, size }, line;

	buf_init(&m.deleted, 10000);
	good(&m);
	while (!m.end && str_field(&in, '\n', &line) && in.p != NULL) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		command(&m, line);
		if (!m.end && m.errors >= ERRORS) {
			bad(&m);
			m.end = true;
		}
	}
	must(m.said.len == 0);
	must(m.quits == the_quits && m.deleted.len == the_deleted.len &&
	    (m.deleted.len == 0 || memcmp(m.deleted.p, the_deleted.p,
	    m.deleted.len) == 0));
	buf_free(&m.deleted);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf	 said[2];

	if (size < 1 || size > INPUT_MAX)
		return 0;
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < BIG; i++)
		big[i] = ".x\r\n.x\r\nabc:\r\n\r\n"[i % 16];
	for (unsigned i = 0; i < 2; i++) {
		buf_init(&said[i], OUTPUT_MAX);
		buf_init(&the_deleted, 10000);
		the_quits = 0;
		session(data + 1, size - 1, i == 0 ? 0 : 1 + data[0],
		    &said[i]);
		check(data + 1, size - 1, &said[i]);
		buf_free(&the_deleted);
	}
	must(said[0].len == said[1].len &&
	    memcmp(said[0].p, said[1].p, said[0].len) == 0);
	buf_free(&said[0]);
	buf_free(&said[1]);
	return 0;
}
