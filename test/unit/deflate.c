/* Compressed streams, alone and under a connection (RFC 4978). */
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter/conn.h"
#include "adapter/deflate.h"
#include "base/file.h"
#include "base/time.h"
#include "tap.h"

#define BIG	(4u << 20)

static struct deflate *
begin(void)
{
	struct deflate	*d;

	if (deflate_open(&d) != 0)
		abort();
	return d;
}

/* All that can be had now, by room bytes at once: 0, or a code. */
static int
drain(struct deflate *d, size_t room, struct buf *out)
{
	char	 p[CONN_CHUNK];
	size_t	 n;
	int	 rc;

	while ((rc = deflate_in(d, p, room, &n)) == 0 && n > 0)
		buf_add(out, p, n);
	return rc;
}

/* Text that is hard, and text that is easy to compress. */
static char *
make(size_t n, bool easy)
{
	char		*p = malloc(n);
	uint32_t	 x = 1;

	if (p == NULL)
		abort();
	for (size_t i = 0; i < n; i++) {
		x = x * 1103515245 + 12345;
		p[i] = easy ? "a0 FETCH 1:* FLAGS\r\n"[i % 20] :
		    (char)(x >> 16);
	}
	return p;
}

static bool
same(const struct buf *b, const char *p, size_t n)
{
	return b->err == 0 && b->len == n && memcmp(b->p, p, n) == 0;
}

/* --- alone --- */

/* Fed in pieces, and taken in pieces of another size. */
static void
goes_through(const char *text, size_t len, size_t piece, size_t room)
{
	struct deflate	*a = begin(), *b = begin();
	struct buf	 z, out;
	size_t		 n;
	int		 rc;

	buf_init(&z, 2 * BIG);
	buf_init(&out, 2 * BIG);
	rc = deflate_out(a, text, len, &z);
	for (size_t i = 0; rc == 0 && i < z.len; i += n) {
		n = z.len - i < piece ? z.len - i : piece;
		if ((rc = deflate_feed(b, z.p + i, n)) == 0)
			rc = drain(b, room, &out);
	}
	ok(rc == 0 && same(&out, text, len), "%zu bytes by %zu and %zu",
	    len, piece, room);
	ok(!deflate_pending(b), "nothing is left in it");
	buf_free(&z);
	buf_free(&out);
	deflate_close(a);
	deflate_close(b);
}

static void
test_pieces(void)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 100, 4096, 65536 };
	static const size_t rooms[] = { 1, 5, 64, 4096, CONN_CHUNK };
	char	*easy = make(20000, true), *hard = make(20000, false);

	for (size_t i = 0; i < 7; i++)
		for (size_t k = 0; k < 5; k++) {
			goes_through(easy, 20000, pieces[i], rooms[k]);
			goes_through(hard, 5000, pieces[i], rooms[k]);
		}
	goes_through(hard, 20000, 9, 65536);
	free(easy);
	free(hard);
}

/* Each text can be read as soon as it was sent. */
static void
test_flush(void)
{
	struct deflate	*a = begin(), *b = begin();
	struct buf	 z, out;
	char		 line[64];
	unsigned	 bad = 0;
	size_t		 first = 0, last = 0;

	buf_init(&z, BIG);
	buf_init(&out, BIG);
	for (int i = 0; i < 500; i++) {
		buf_reset(&z);
		buf_reset(&out);
		snprintf(line, sizeof(line), "* %d FETCH (FLAGS (\\Seen))\r\n",
		    i);
		bad += deflate_out(a, line, strlen(line), &z) != 0 ||
		    deflate_feed(b, z.p, z.len) != 0 ||
		    drain(b, 4096, &out) != 0 ||
		    !same(&out, line, strlen(line));
		if (i == 0)
			first = z.len;
		last = z.len;
	}
	is_int(bad, 0, "500 lines, each at once");
	ok(last < first, "later ones are smaller: %zu, %zu", first, last);
	buf_free(&z);
	buf_free(&out);
	deflate_close(a);
	deflate_close(b);
}

/* A few bytes that become many: no more than is asked for at once. */
static void
test_bomb(void)
{
	struct deflate	*a = begin(), *b = begin();
	char		*zeros = calloc(1, BIG), p[4096];
	struct buf	 z;
	size_t		 n, all = 0, most = 0;
	int		 rc = 0;

	if (zeros == NULL)
		abort();
	buf_init(&z, BIG);
	for (int i = 0; rc == 0 && i < 8; i++)
		rc = deflate_out(a, zeros, BIG, &z);
	ok(rc == 0 && z.len < BIG / 50, "%zu bytes are 32 MiB", z.len);
	rc = deflate_feed(b, z.p, z.len);
	while (rc == 0 && deflate_pending(b) && most <= sizeof(p)) {
		rc = deflate_in(b, p, sizeof(p), &n);
		most = n > most ? n : most;
		all += n;
	}
	is_int(rc, 0, "all is read");
	is_int(all, 8 * (size_t)BIG, "all of it");
	is_int(most, sizeof(p), "never more than there is room for");
	buf_free(&z);
	free(zeros);
	deflate_close(a);
	deflate_close(b);
}

static void
test_limit(void)
{
	struct deflate	*d = begin();
	char		*p = make(2u << 20, false);

	is_int(deflate_feed(d, p, 2u << 20), CM_ETOOBIG,
	    "what waits has a limit");
	free(p);
	deflate_close(d);
	deflate_close(NULL);
}

static void
is_garbage(const char *p, size_t n, const char *name)
{
	struct deflate	*d = begin();
	struct buf	 out;
	int		 rc;

	buf_init(&out, BIG);
	if ((rc = deflate_feed(d, p, n)) == 0)
		rc = drain(d, 100, &out);
	is_int(rc, CM_EDATA, "%s", name);
	if (rc == CM_EDATA)
		is_int(drain(d, 100, &out), CM_EDATA, "and stays so");
	buf_free(&out);
	deflate_close(d);
}

static void
test_garbage(void)
{
	struct deflate	*d = begin();
	size_t		 n;
	char		 p[10];

	is_garbage("\xff\xff\xff\xff", 4, "no block of that kind");
	is_garbage("\x01\x05\x00\x00\x00hello", 10, "a length that is wrong");
	is_garbage("a1 NOOP\r\n", 9, "plain words");
	is_garbage("\x78\x9c\x4b\x4c\x04\x00\x01\x23", 8, "a header of zlib");
	is_int(deflate_in(d, p, sizeof(p), &n), 0, "nothing was fed");
	is_int(n, 0, "nothing comes");
	is_int(deflate_feed(d, "\x00", 1), 0, "a byte");
	is_int(deflate_in(d, p, sizeof(p), &n), 0, "is no end");
	is_int(n, 0, "nor any text");
	deflate_close(d);
}

/* What comes before a stream's end is text like any other. */
static void
test_end(void)
{
	struct deflate	*d = begin();
	char		 p[100];
	size_t		 n;

	is_int(deflate_feed(d, "\x01\x05\x00\xfa\xffhello", 10), 0,
	    "a last block");
	is_int(deflate_in(d, p, sizeof(p), &n), 0, "it is read");
	ok(n == 5 && memcmp(p, "hello", 5) == 0, "its text");
	is_int(deflate_in(d, p, sizeof(p), &n), CM_EDATA, "then it is over");
	is_int(n, 0, "and nothing comes");
	is_int(deflate_feed(d, "x", 1), 0, "more behind the end");
	is_int(deflate_in(d, p, sizeof(p), &n), CM_EDATA, "is none of it");
	deflate_close(d);
}

/* --- under a connection --- */

static struct conn	*conn;
static struct deflate	*client;
static int		 peer;

static void
connect_both(void)
{
	int	 fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1 ||
	    conn_open(fds[0], fds[0], &conn) != 0)
		abort();
	peer = fds[1];
	client = begin();
	conn_deadline(conn, time_mono_ms() + 60000);
}

static void
part(void)
{
	conn_close(conn);
	deflate_close(client);
	if (peer != -1)
		close(peer);
}

static void
say(const char *text, size_t piece)
{
	struct buf	 z;

	buf_init(&z, BIG);
	if (deflate_out(client, text, strlen(text), &z) != 0)
		abort();
	for (size_t i = 0; i < z.len; i += piece)
		if (file_write(peer, z.p + i, z.len - i < piece ?
		    z.len - i : piece) != 0)
			abort();
	buf_free(&z);
}

static void
is_line(const char *want)
{
	struct span	 s;
	bool		 crlf;
	int		 rc = conn_line(conn, 1000, &s, &crlf);

	ok(rc == 0 && span_is(s, want), "the line %s", want);
}

/* What the client hears, as it hears it. */
static void
hears(const char *want)
{
	char		 p[4096];
	struct buf	 out;
	ssize_t		 n;

	buf_init(&out, BIG);
	n = recv(peer, p, sizeof(p), 0);
	ok(n > 0 && deflate_feed(client, p, (size_t)n) == 0 &&
	    drain(client, 4096, &out) == 0 && same(&out, want, strlen(want)),
	    "the client hears %s", want);
	buf_free(&out);
}

static void
test_conn(void)
{
	char	 p[100];

	connect_both();
	if (file_write(peer, "plain\r\n", 7) != 0)
		abort();
	is_line("plain");
	buf_adds(conn_out(conn), "OK go\r\n");
	is_int(conn_compress(conn), 0, "compressed from here on");
	is_int(recv(peer, p, sizeof(p), 0), 7, "what was before is plain");
	is_int(conn_compress(conn), CM_EUSAGE, "only once");
	say("a NOOP\r\nb NOOP\r\n", 1);
	is_line("a NOOP");
	ok(conn_pending(conn), "there is more");
	is_line("b NOOP");
	buf_adds(conn_out(conn), "a OK\r\n");
	is_int(conn_flush(conn), 0, "an answer");
	hears("a OK\r\n");
	buf_adds(conn_out(conn), "b OK\r\n");
	is_int(conn_flush(conn), 0, "another one");
	hears("b OK\r\n");
	is_int(conn_flush(conn), 0, "nothing to say");
	is_int(recv(peer, p, sizeof(p), MSG_DONTWAIT), -1, "nothing is sent");
	part();
}

/* Sent behind the command before its answer came. */
static void
test_early(void)
{
	struct buf	 b;

	connect_both();
	buf_init(&b, BIG);
	buf_adds(&b, "go\r\n");
	if (deflate_out(client, "early\r\n", 7, &b) != 0 ||
	    file_write(peer, b.p, b.len) != 0)
		abort();
	is_line("go");
	is_int(conn_compress(conn), 0, "compressed");
	is_line("early");
	say("late\r\n", 100);
	is_line("late");
	buf_free(&b);
	part();
}

static void
test_conn_garbage(void)
{
	struct span	 s;
	bool		 crlf;

	connect_both();
	is_int(conn_compress(conn), 0, "compressed");
	if (file_write(peer, "a1 NOOP\r\n", 9) != 0)
		abort();
	is_int(conn_line(conn, 100, &s, &crlf), CM_EEND,
	    "plain words end the input");
	is_int(conn_line(conn, 100, &s, &crlf), CM_EEND, "for ever");
	buf_adds(conn_out(conn), "BYE\r\n");
	is_int(conn_flush(conn), 0, "but not the output");
	hears("BYE\r\n");
	part();
}

/* Commands that came before the end of the stream are commands. */
static void
test_conn_end(void)
{
	static const char last[] = "\x01\x07\x00\xf8\xff" "a END\r\n";
	struct span	 s;
	bool		 crlf;

	connect_both();
	is_int(conn_compress(conn), 0, "compressed");
	if (file_write(peer, last, sizeof(last) - 1) != 0)
		abort();
	is_line("a END");
	is_int(conn_line(conn, 100, &s, &crlf), CM_EEND, "the end");
	part();
}

/* A line without an end, of very few bytes: its memory has a limit. */
static void
test_conn_bomb(void)
{
	struct span	 s;
	struct buf	 z;
	char		*zeros = calloc(1, BIG);
	bool		 crlf;
	int		 rc = 0;

	if (zeros == NULL)
		abort();
	connect_both();
	is_int(conn_compress(conn), 0, "compressed");
	buf_init(&z, BIG);
	for (int i = 0; rc == 0 && i < 10; i++)
		rc = deflate_out(client, zeros, BIG, &z);
	if (rc != 0 || deflate_out(client, "\nx\r\n", 4, &z) != 0 ||
	    file_write(peer, z.p, z.len) != 0)
		abort();
	is_int(conn_line(conn, 100, &s, &crlf), CM_ETOOBIG,
	    "40 MiB of %zu bytes are read over", z.len);
	is_line("x");
	buf_free(&z);
	free(zeros);
	part();
}

/*
 * A read that is filled to its last byte is no sign that there is more: who
 * waits for something else then has to wait.
 */
static void
test_conn_full(void)
{
	char		*text = make(4096, true);
	struct span	 s;
	bool		 input, other;

	connect_both();
	text[4095] = '\0';
	is_int(conn_compress(conn), 0, "compressed");
	say(text, 100000);
	say("x", 100000);
	is_int(conn_peek(conn, &s), 0, "4096 bytes");
	is_int(s.len, 4096, "just as many as are read at once");
	conn_take(conn, s.len);
	conn_deadline(conn, time_mono_ms() + 50);
	is_int(conn_wait(conn, -1, &input, &other), CM_ETIMEOUT,
	    "nothing more comes");
	conn_deadline(conn, time_mono_ms() + 60000);
	say("y", 100);
	is_int(conn_wait(conn, -1, &input, &other), 0, "now it does");
	is_int(conn_peek(conn, &s), 0, "a byte");
	is_int(s.len, 1, "of one");
	free(text);
	part();
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_pieces();
	test_flush();
	test_bomb();
	test_limit();
	test_garbage();
	test_end();
	test_conn();
	test_early();
	test_conn_garbage();
	test_conn_end();
	test_conn_bomb();
	test_conn_full();
	return tap_done();
}
