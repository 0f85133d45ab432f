/*
 * Whole sessions of IMAP with a client that is made up: the same words in
 * pieces get the same answers as at once, compressed ones too; every answer is
 * a line with whole strings and literals; those with a tag are of commands that
 * were sent, in their order; and the numbers of messages that are told fit each
 * other.  The mailbox is one of memory; all above it is the real one.  The
 * first byte says how the words are cut, the second one: bit 0, compressed; the
 * next three, how often others change something; bit 7, not logged in.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "adapter/deflate.h"
#include "base/file.h"
#include "format/imap.h"
#include "login.h"
#include "mailbox.h"
#include "protocol/imapd.h"
#include "protocol/session_int.h"

#define INPUT_MAX	4096
#define OUTPUT_MAX	(256 << 20)
#define MSG_MAX		20000	/* of a message */
#define BIG		3000

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* --- what is there at first */

static char	 big[BIG + 1];

static const char plain[] = "Date: Thu, 1 Feb 2018 10:00:00 +0100\r\n"
    "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\n"
    "Subject: dots\r\nMessage-ID: <1@a>\r\n\r\n.\r\n..\r\nlast\r\n";
static const char mixed[] = "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\n"
    "Cc: group: a@b, c@d;\r\nSubject: Re: dots\r\nReferences: <1@a>\r\n"
    "Message-ID: <2@a>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    "--x\r\nContent-Type: text/html; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n<b>=E4</b>&amp;\r\n"
    "--x\r\nContent-Type: application/pdf; name*=utf-8''%c3%a4.pdf\r\n"
    "Content-Disposition: attachment\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nYWJjAGRlZg==\r\n"
    "--x\r\nContent-Transfer-Encoding: x-odd\r\n\r\nodd\r\n--x--\r\n";
static const char digest[] = "Subject: Fwd: dots\r\nIn-Reply-To: <2@a>\r\n"
    "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: x@y\r\n"
    "Content-Type: multipart/alternative; boundary=\"y z\"\r\n\r\n"
    "--y z\r\n\r\none\r\n--y z\r\nContent-ID: <q>\r\n\r\ntwo\r\n--y z--\r\n";
static const char raw[] = "\xc3\xa4 no header \xff\r\nline\r\n";

static void
fill_records(void)
{
	static const char *const texts[BOX_FIRST] = { plain, mixed, digest,
		plain, mixed, plain, raw, big };

	if (box.nrecords > 0)
		return;
	for (size_t i = 0; i < BOX_FIRST; i++)
		must(box_keep(texts[i], strlen(texts[i]),
		    BOX_TIME + 3600000 * (int64_t)i) == i);
	box.record[3].rc = CM_EAWAY;
	box.record[4].elsewhere = true;
	box.record[5].rc = CM_ECORRUPT;
}

static void
fill_inbox(void)
{
	struct box_folder *in = box_there("INBOX");

	in->f.uidnext = 3;
	for (size_t i = 0; i < BOX_FIRST; i++) {
		in->f.uidnext += i % 3 == 2;
		must(box_add(in, i, i % 3 == 0 ? 0 : FLAG_SEEN) != NULL);
	}
	must(str_copy(in->m[1].keywords, BOX_KEYWORDS, "Work $Junk") == 0);
	in->m[2].flags |= FLAG_DELETED;
}

static void
fill(unsigned pace)
{
	static const char *const names[] = { "INBOX", "Work", "Work/Sub/Deep",
		"Entw\xc3\xbcrfe", "Old/Gone" };

	box.last_validity = 1000;
	box.pace = pace;
	for (size_t i = 0; i < 5; i++)
		(void)box_name(names[i]);
	for (size_t i = 0; i < 4; i++)
		box_begin(box_find(names[i]), i == 3 ? IMAP_USE_DRAFTS : 0);
	box_find("Old/Gone")->f.subscribed = true;
	box_find("Work")->f.subscribed = true;
	fill_records();
	fill_inbox();
	must(box_add(box_there("Work"), 1, 0) != NULL);
	must(box_add(box_there("Work"), 7, FLAG_ANSWERED) != NULL);
}

/* --- delivery and the catalog */

int
deliver_open(const struct log *log, const struct conf *conf,
    const char *file, const char *node, struct deliver **out)
{
	(void)log, (void)conf, (void)file, (void)node;
	*out = NULL;
	return 0;
}

void
deliver_close(struct deliver *d)
{
	(void)d;
}

/* It is listed at once: its UID is behind the "/" of its id's entry. */
int
deliver_message(struct deliver *d, const struct store_msg *s,
    struct delivery *out)
{
	struct box_folder *to = box_there(s->folder);
	struct box_message *g;
	struct buf	 words;
	struct ulid	 id;
	size_t		 n;

	(void)d;
	must(s->len > 0 && s->len <= MSG_MAX + INPUT_MAX);
	must(memchr(s->p, '\0', s->len) == NULL && to != NULL);
	if (memmem(s->p, s->len, "X-Fail", 6) != NULL)
		return CM_EAGAIN;
	n = box_keep(s->p, s->len, s->time_ms >= 0 ? s->time_ms : BOX_TIME);
	if ((g = box_add(to, n, 0)) == NULL)
		return CM_ESPACE;
	buf_init(&words, 65536);
	buf_adds(&words, "");
	must(flags_parse(s->flags, strlen(s->flags), &g->flags, &words) == 0);
	if (str_ncopy(g->keywords, sizeof(g->keywords), words.p,
	    words.len) != 0)
		g->keywords[0] = '\0';
	buf_free(&words);
	memset(&id, 0, sizeof(id));
	ulid_text(&id, out->id);
	must(str_copy(out->place.volume, sizeof(out->place.volume),
	    "v1") == 0);
	out->place.segment = 1;
	out->place.offset = (uint32_t)n;
	out->place.length = (uint32_t)s->len;
	buf_init(&out->copies, 100);
	return 0;
}

void
delivery_free(struct delivery *d)
{
	buf_free(&d->copies);
}

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

int
catalog_rcpt_room(struct catalog *c, const char *address, struct buf *out,
    uint64_t *room)
{
	(void)c;
	must(strcmp(address, BOX_USER) == 0);
	*room = MSG_MAX * 2;
	return buf_addf(out, "%s\n", address);
}

/* "wait": where is that record listed? */
int
catalog_call(struct catalog *c, const char *const words[], int body, int ms,
    catalog_fn fn, void *arg)
{
	struct place	 place;
	struct buf	 b;
	const char	*comma = "";
	int		 rc;

	(void)c, (void)body, (void)ms;
	must(strcmp(words[0], "wait") == 0 &&
	    place_parse(words[2], strlen(words[2]), &place) == 0);
	buf_init(&b, 100000);
	buf_adds(&b, "");
	for (size_t i = 0; i < box.n; i++)
		for (size_t k = 0; k < box.folder[i]->n; k++) {
			if (box.folder[i]->m[k].record != place.offset)
				continue;
			buf_adds(&b, comma);
			entry_write(&b, BOX_USER, box.folder[i]->f.name);
			buf_addf(&b, "/%u", box.folder[i]->m[k].uid);
			comma = ",";
		}
	rc = fn(arg, (struct span){ b.p, b.len });
	buf_free(&b);
	return rc;
}

/* The mechanism's name says what comes of it. */
enum login_end
login_sasl(struct login *l, const char *mechanism, const char *first)
{
	(void)first;
	if (strcmp(mechanism, "IN") == 0) {
		must(str_copy(l->mailbox, sizeof(l->mailbox), BOX_USER) == 0);
		return LOGIN_GOOD;
	}
	return bad_login(l, mechanism);
}

/* --- a session */

static void
session(const struct buf *words, unsigned cut, struct buf *said)
{
	static char	 state[] = "/nonexistent", self[] = "n1",
			 host[] = "mx.example.org";
	struct conf_node node = { .name = self, .state = state,
			    .hostname = host };
	struct conf	 conf = { .node = &node, .self = self,
			    .per_account = 1, .max_size = MSG_MAX };
	struct session_service v = imapd_service();
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
	say(in[1], (const uint8_t *)words->p, words->len, cut);
	must(v.open(&log, &conf, NULL, NULL, v.arg, &s.worker) == 0 &&
	    conn_open(in[0], dup(out), &s.conn) == 0);
	v.serve(&s, v.arg);
	conn_close(s.conn);
	v.close(s.worker);
	must(lseek(out, 0, SEEK_SET) == 0 && file_read_fd(out, said) == 0);
	close(out);
}

/* --- compressed both ways */

#define COMPRESS	"c COMPRESS DEFLATE\r\n"
#define COMPRESSED	"c OK from here on\r\n"

static void
add_compressed(const uint8_t *p, size_t n, struct buf *words)
{
	struct deflate	*d;

	must(deflate_open(&d) == 0);
	must(deflate_out(d, (const char *)p, n, words) == 0);
	deflate_close(d);
}

/* Behind the answer to COMPRESS. */
static void
inflate_said(struct buf *said)
{
	static char	 part[65536];
	const char	*at = said->len == 0 ? NULL : memmem(said->p, said->len,
			    COMPRESSED, strlen(COMPRESSED));
	struct deflate	*d;
	struct buf	 all;
	size_t		 n, left;

	must(at != NULL && deflate_open(&d) == 0);
	buf_init(&all, OUTPUT_MAX);
	at += strlen(COMPRESSED);
	buf_add(&all, said->p, (size_t)(at - said->p));
	for (left = said->len - all.len; left > 0; at += n, left -= n) {
		n = left < 65536 ? left : 65536;
		must(deflate_feed(d, at, n) == 0);
		for (size_t k = 1; k > 0;) {
			must(deflate_in(d, part, sizeof(part), &k) == 0);
			must(buf_add(&all, part, k) == 0);
		}
	}
	deflate_close(d);
	buf_free(said);
	*said = all;
}

/* --- a plain reading of the answers */

struct model {
	struct span	 said;		/* what is yet to be looked at */
	struct span	 in;		/* and the client's lines */
	struct span	 all;		/* of those, from the first on */
	uint64_t	 n;		/* messages of the folder */
	bool		 expunged;	/* since the last answer with a tag */
	bool		 end;
};

static void
take(struct model *m, size_t n)
{
	must(n <= m->said.len);
	m->said.p += n;
	m->said.len -= n;
}

static bool
begins(struct span s, const char *text)
{
	size_t	 n = strlen(text);

	return s.len >= n && memcmp(s.p, text, n) == 0;
}

/* A line of text alone, whose end is no literal's head. */
static struct span
text_line(struct model *m)
{
	struct span	 l = m->said;
	const char	*end = memmem(l.p, l.len, "\r\n", 2);

	must(end != NULL);
	l.len = (size_t)(end - l.p);
	must(memchr(l.p, '\n', l.len) == NULL &&
	    memchr(l.p, '\r', l.len) == NULL &&
	    memchr(l.p, '\0', l.len) == NULL);
	must(l.len == 0 || l.p[l.len - 1] != '}');
	take(m, l.len + 2);
	return l;
}

static void
quoted(struct model *m)
{
	for (take(m, 1); m->said.len > 0 && m->said.p[0] != '"'; take(m, 1)) {
		must(m->said.p[0] != '\r' && m->said.p[0] != '\n' &&
		    m->said.p[0] != '\0');
		if (m->said.p[0] != '\\')
			continue;
		take(m, 1);
		must(begins(m->said, "\\") || begins(m->said, "\""));
	}
	take(m, 1);
}

static void
literal(struct model *m)
{
	const char	*end = memchr(m->said.p, '}', m->said.len);
	uint64_t	 n;

	must(end != NULL);
	must(str_u64(m->said.p + 1, (size_t)(end - m->said.p) - 1, OUTPUT_MAX,
	    &n) == 0);
	take(m, (size_t)(end - m->said.p) + 1);
	must(begins(m->said, "\r\n"));
	take(m, 2);
	take(m, n);
}

/* Data: strings, literals, lists, atoms.  What it began with is in m->said. */
static void
data_line(struct model *m)
{
	size_t	 depth = 0;
	char	 c;

	while (m->said.len > 0 && (c = m->said.p[0]) != '\r') {
		if (c == '"') {
			quoted(m);
			continue;
		}
		if (c == '{') {
			literal(m);
			continue;
		}
		must(c >= ' ' && c <= '~');
		depth += c == '(';
		must(c != ')' || depth-- > 0);
		take(m, 1);
	}
	must(depth == 0 && begins(m->said, "\r\n"));
	take(m, 2);
}

/* --- the numbers of messages */

static uint64_t
count_set(struct span s)
{
	struct imap_set	 set;
	uint64_t	 n;

	must(imap_set_parse(s, &set) == 0);
	for (size_t i = 0; i < set.n; i++)
		must(set.r[i].from > 0 && set.r[i].to >= set.r[i].from &&
		    (i == 0 || set.r[i].from > set.r[i - 1].to));
	n = imap_set_count(&set);
	imap_set_free(&set);
	return n;
}

/* "4 EXISTS" and the like. */
static void
number(struct model *m, struct span l)
{
	struct span	 f;
	uint64_t	 n;

	must(str_field(&l, ' ', &f) && str_u64(f.p, f.len, UINT32_MAX,
	    &n) == 0);
	if (begins(l, "EXISTS")) {
		must(n >= m->n);
		m->n = n;
	} else if (begins(l, "EXPUNGE")) {
		must(n >= 1 && n <= m->n);
		m->n--;
		m->expunged = true;
	} else if (begins(l, "FETCH (")) {
		must(n >= 1 && n <= m->n);
	} else {
		must(n == 0 && begins(l, "RECENT\r\n"));
	}
}

static void
vanished(struct model *m, struct span l)
{
	const char	*end = memchr(l.p, '\r', l.len);
	uint64_t	 n;

	l.len = (size_t)(end - l.p);
	if (begins(l, "(EARLIER) ")) {
		l.p += 10;
		l.len -= 10;
		must(count_set(l) > 0);
		return;
	}
	n = count_set(l);
	must(n > 0 && n <= m->n);
	m->n -= n;
	m->expunged = true;
}

/* Found ones are told by number or UID, each once. */
static void
found(const struct model *m, struct span l)
{
	const char	*end = memchr(l.p, '\r', l.len);
	struct span	 f;
	uint64_t	 n, many = 0;

	l.len = (size_t)(end - l.p);
	while (str_field(&l, ' ', &f) && !begins(f, "(MODSEQ")) {
		must(str_u64(f.p, f.len, UINT32_MAX, &n) == 0 && n > 0);
		many++;
	}
	must(many <= m->n);
}

/* --- answers */

static bool
is_status(struct span l)
{
	return begins(l, "OK ") || begins(l, "NO ") || begins(l, "BAD ") ||
	    begins(l, "BYE ");
}

/* "OK [UIDNEXT 4] text": in a code there is no "]" but at its end. */
static void
check_status(struct span l)
{
	const char	*p = memchr(l.p, ' ', l.len), *end = l.p + l.len;

	must(p != NULL && ++p < end);
	if (*p != '[')
		return;
	for (p++; p < end && *p != ']'; p++)
		must(*p >= ' ' && *p <= '~');
	must(p + 1 < end && p[1] == ' ');
}

static void
untagged(struct model *m)
{
	struct span	 l = { m->said.p + 2, m->said.len - 2 };
	static const char *const names[] = { "CAPABILITY ", "ENABLED", "FLAGS ",
		"ID ", "LIST ", "LSUB ", "NAMESPACE ", "QUOTA ", "QUOTAROOT ",
		"SEARCH", "ESEARCH ", "SORT", "STATUS ", "THREAD", "VANISHED "
	};
	bool		 known = l.len > 0 && l.p[0] >= '0' && l.p[0] <= '9';

	if (is_status(l)) {
		l = text_line(m);
		check_status((struct span){ l.p + 2, l.len - 2 });
		return;
	}
	for (size_t i = 0; !known && i < sizeof(names) / sizeof(*names); i++)
		known = begins(l, names[i]);
	must(known);
	data_line(m);
	if (l.p[0] >= '0' && l.p[0] <= '9')
		number(m, l);
	else if (begins(l, "FLAGS ("))
		m->n = 0;		/* of the folder that is opened */
	else if (begins(l, "VANISHED "))
		vanished(m, (struct span){ l.p + 9, l.len - 9 });
	else if (begins(l, "SEARCH ") || begins(l, "SORT "))
		found(m, (struct span){ l.p + 5 + 2 * (l.p[1] == 'E'),
		    l.len - 5 - 2 * (l.p[1] == 'E') });
}

/* RFC 3501 section 9: tag. */
static bool
ends_tag(struct span line, size_t n)
{
	return line.len == n || line.p[n] <= ' ' || line.p[n] > '~' ||
	    strchr("(){%*\"\\+", line.p[n]) != NULL;
}

/* The client's next line with that tag; false: there is none. */
static bool
sent(struct span *in, struct span tag, struct span *line)
{
	while (in->p != NULL && str_field(in, '\n', line)) {
		if (line->len > 0 && line->p[line->len - 1] == '\r')
			line->len--;
		if (line->len >= tag.len &&
		    memcmp(line->p, tag.p, tag.len) == 0 &&
		    ends_tag(*line, tag.len))
			return true;
	}
	return false;
}

/* RFC 3501 section 7.4.1: numbers do not change while they are in use. */
static void
check_expunged(const struct model *m, struct span tag, struct span line)
{
	static const char *const verbs[] = { "FETCH ", "STORE ", "SEARCH ",
		"SORT ", "THREAD " };
	struct span	 in = m->all, other;
	size_t		 n;

	/* which one it is of is not known of two with the same tag */
	if (!m->expunged || !sent(&in, tag, &other) ||
	    sent(&in, tag, &other) || line.len <= tag.len)
		return;
	line.p += tag.len + 1;
	line.len -= tag.len + 1;
	for (size_t i = 0; i < 5; i++) {
		n = strlen(verbs[i]);
		must(line.len < n || !str_ieq(line.p, n, verbs[i]));
	}
}

static void
tagged(struct model *m)
{
	struct span	 l = text_line(m), tag, line;

	must(str_field(&l, ' ', &tag) && tag.len > 0 && is_status(l) &&
	    !begins(l, "BYE "));
	check_status(l);
	must(sent(&m->in, tag, &line));
	check_expunged(m, tag, line);
	m->expunged = false;
	/* what follows is compressed, which the client did not know */
	if (begins(l, "OK from here on") && m->said.len > 0 &&
	    !span_is(line, "c COMPRESS DEFLATE"))
		m->end = true;
}

static void
check(const struct buf *words, const struct buf *said)
{
	struct model	 m = { .said = { said->p, said->len },
			    .in = { words->p, words->len } };

	m.all = m.in;
	must(begins(m.said, "* OK [CAPABILITY "));
	while (!m.end && m.said.len > 0) {
		if (begins(m.said, "* "))
			untagged(&m);
		else if (begins(m.said, "+ "))
			(void)text_line(&m);
		else
			tagged(&m);
	}
}

/* --- one input */

static bool
has_idle(const struct buf *b)
{
	for (size_t i = 0; i + 4 <= b->len; i++)
		if (str_ieq(b->p + i, 4, "IDLE"))
			return true;
	return false;
}

/* plain: as the client means it; else as it sends it. */
static void
client(const uint8_t *p, size_t n, unsigned how, bool clear, struct buf *b)
{
	buf_init(b, 1 << 20);
	buf_adds(b, "");
	if ((how & 0x80) == 0)
		buf_adds(b, "l AUTHENTICATE IN\r\n");
	if (how & 1)
		buf_adds(b, COMPRESS);
	if (clear || (how & 1) == 0)
		buf_add(b, p, n);
	else
		add_compressed(p, n, b);
	must(b->err == 0);
}

static void
once(const uint8_t *p, size_t n, unsigned how, unsigned cut, struct buf *said)
{
	struct buf	 words, clear;

	client(p, n, how, false, &words);
	client(p, n, how, true, &clear);
	fill(how >> 1 & 7);
	session(&words, cut, said);
	box_free();
	if (how & 1)
		inflate_said(said);
	check(&clear, said);
	buf_free(&words);
	buf_free(&clear);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf	 said[2], clear;
	unsigned	 how;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < BIG; i++)
		big[i] = "Subject: x\r\n\r\nabcd\r\n"[i < 14 ? i : 14 + i % 6];
	how = data[1];
	if (how & 0x80)
		how &= ~1u;		/* it would not be compressed */
	for (unsigned i = 0; i < 2; i++) {
		buf_init(&said[i], OUTPUT_MAX);
		once(data + 2, size - 2, how, i == 0 ? 0 : 1 + data[0],
		    &said[i]);
	}
	/* how often it looks while it is idle depends on the time */
	client(data + 2, size - 2, how, true, &clear);
	must((how >> 1 & 7 && has_idle(&clear)) ||
	    (said[0].len == said[1].len &&
	    memcmp(said[0].p, said[1].p, said[0].len) == 0));
	buf_free(&clear);
	buf_free(&said[0]);
	buf_free(&said[1]);
	return 0;
}
