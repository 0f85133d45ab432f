/*
 * Whole sessions of IMAP with a client that is made up, in a mailbox that
 * others change and a cluster that is away now and then: the same words in
 * pieces get the same answers as at once; every answer is as the grammar says;
 * each tag is one that was sent, in that order; and a client that numbers
 * messages by what it is told has the folder as it is.
 *
 * The first byte says how the words are cut, the second what others do (see
 * box_begin), the third what is said before: bits of HOW_.
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
#include "base/time.h"
#include "session.h"
#include "imap_stand.h"
#include "imap_client.h"
#include "protocol/session_int.h"

#define INPUT_MAX	2048
#define OUTPUT_MAX	(64 << 20)
#define SLOW_MS		200	/* then IDLE may have looked once more */
#define LAST_CALLS	8	/* of the last two commands, at most */

enum {
	HOW_OUT = 1,		/* nobody logs in */
	HOW_QRESYNC = 2,
	HOW_REV2 = 4,		/* IMAP4rev2 and UTF8=ACCEPT */
	HOW_SELECT = 8,
	HOW_COMPRESS = 16
};

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* --- a session */

static void
session(const struct buf *words, unsigned cut, struct buf *said)
{
	static char	 state[] = "/nonexistent", self[] = "n1",
			 host[] = "mx.example.org";
	struct conf_node node = { .name = self, .state = state,
			    .hostname = host };
	struct conf	 conf = { .node = &node, .self = self,
			    .per_account = 1, .max_size = 1500 };
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
	say(in[1], (uint8_t *)words->p, words->len, cut);
	must(v.open(&log, &conf, NULL, NULL, v.arg, &s.worker) == 0 &&
	    conn_open(in[0], dup(out), &s.conn) == 0);
	v.serve(&s, v.arg);
	conn_close(s.conn);
	v.close(s.worker);
	must(lseek(out, 0, SEEK_SET) == 0 && file_read_fd(out, said) == 0);
	close(out);
}

/* --- compressed */

#define COMPRESS "c COMPRESS DEFLATE\r\n"

/* What follows the command, in the form that follows it. */
static void
compress(struct buf *words)
{
	const char	*at = memmem(words->p, words->len, COMPRESS,
			    strlen(COMPRESS));
	size_t		 n = (size_t)(at - words->p) + strlen(COMPRESS);
	struct deflate	*d;
	struct buf	 z;

	buf_init(&z, OUTPUT_MAX);
	must(deflate_open(&d) == 0 && deflate_out(d, words->p + n,
	    words->len - n, &z) == 0);
	words->len = n;
	must(buf_add(words, z.p, z.len) == 0);
	deflate_close(d);
	buf_free(&z);
}

static void
decompress(struct buf *said)
{
	const char	*at = memmem(said->p, said->len, "\r\nc OK ", 7),
			*end = said->p + said->len, *nl;
	char		 chunk[4096];
	struct deflate	*d;
	struct buf	 plain;
	size_t		 n;

	must(at != NULL);
	nl = memchr(at + 2, '\n', (size_t)(end - at) - 2);
	must(nl != NULL && deflate_open(&d) == 0);
	buf_init(&plain, OUTPUT_MAX);
	buf_add(&plain, said->p, (size_t)(nl + 1 - said->p));
	for (nl++; nl < end; nl += n) {
		n = (size_t)(end - nl) < 1000 ? (size_t)(end - nl) : 1000;
		must(deflate_feed(d, nl, n) == 0);
		for (size_t got = 1; got > 0;) {
			must(deflate_in(d, chunk, sizeof(chunk), &got) == 0);
			buf_add(&plain, chunk, got);
		}
	}
	must(plain.err == 0);
	deflate_close(d);
	buf_free(said);
	*said = plain;
}

/* --- both */

/* What is said before and behind the words of the input. */
static void
make_words(unsigned how, const uint8_t *data, size_t size, struct buf *words)
{
	if (!(how & HOW_OUT))
		buf_adds(words, "l AUTHENTICATE IN\r\n");
	if (!(how & HOW_OUT) && how & HOW_COMPRESS)
		buf_adds(words, COMPRESS);
	if (how & HOW_QRESYNC)
		buf_adds(words, "q ENABLE QRESYNC\r\n");
	if (how & HOW_REV2)
		buf_adds(words, "v ENABLE IMAP4rev2 UTF8=ACCEPT\r\n");
	if (how & HOW_SELECT)
		buf_adds(words, "s SELECT INBOX\r\n");
	buf_add(words, data, size);
	buf_adds(words, "\r\nzz NOOP\r\n" LAST_TAG
	    " FETCH 1:* (UID FLAGS)\r\n");
	must(words->err == 0);
}

static bool
has(const struct buf *b, const char *word)
{
	size_t	 n = strlen(word);

	for (size_t i = 0; i + n <= b->len; i++)
		if (strncasecmp(b->p + i, word, n) == 0)
			return true;
	return false;
}

/* The folder as it is and as the client has it, with nobody between. */
static void
compare(const struct client *c)
{
	const struct folder *d = box.listed;

	if (!c->last || !c->alone || !c->plain || !c->sure)
		return;
	must(c->n == d->f.messages && c->listed == c->n);
	for (size_t i = 0; i < c->n; i++)
		must(c->m[i].uid == d->m[i].uid);
}

static void
check(const struct buf *words, const struct buf *said)
{
	struct client	 c = { .said = { said->p, said->len },
			    .sent = { words->p, words->len } };

	c.plain = memchr(words->p, '{', words->len) == NULL;
	c.silent = has(words, "SILENT");
	c.alone = box.faults == 0 && (box.changed == 0 ||
	    box.changed + LAST_CALLS < box.calls);
	must((c.m = calloc(KNOWN, sizeof(*c.m))) != NULL);
	client_reads(&c);
	compare(&c);
	free(c.m);
}

static bool
run(const struct buf *words, const uint8_t *data, unsigned cut,
    struct buf *said)
{
	struct buf	 sent;
	int64_t		 begun = time_mono_ms();
	bool		 z = !(data[2] & HOW_OUT) && data[2] & HOW_COMPRESS;

	buf_init(&sent, 10 * INPUT_MAX);
	must(buf_add(&sent, words->p, words->len) == 0);
	if (z)
		compress(&sent);
	box_begin(data[1]);
	session(&sent, cut, said);
	if (z)
		decompress(said);
	check(words, said);
	box_end();
	buf_free(&sent);
	return time_mono_ms() - begun < SLOW_MS;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf	 words, said[2];
	bool		 quick = true;

	if (size < 3 || size > INPUT_MAX)
		return 0;
	signal(SIGPIPE, SIG_IGN);
	buf_init(&words, 2 * INPUT_MAX);
	make_words(data[2], data + 3, size - 3, &words);
	for (unsigned i = 0; i < 2; i++) {
		buf_init(&said[i], OUTPUT_MAX);
		quick &= run(&words, data, i == 0 ? 0 : 1 + data[0],
		    &said[i]);
	}
	must(!quick || (said[0].len == said[1].len &&
	    memcmp(said[0].p, said[1].p, said[0].len) == 0));
	buf_free(&said[0]);
	buf_free(&said[1]);
	buf_free(&words);
	return 0;
}
