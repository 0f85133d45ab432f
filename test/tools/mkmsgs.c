/*
 * mkmsgs COUNT SIZE [SEED]: writes an mbox of COUNT messages of about SIZE
 * bytes each, the same ones for the same arguments.  Two in three are plain
 * text, the third is text and an attachment in base64.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "format/mbox.h"

#define SIZE_MOST	(256UL << 20)
#define FLUSH_AT	(256UL << 10)
#define FIRST_MS	1700000000000LL
#define LINE_WIDTH	72
#define BASE64_LINE	76
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static const char *const words[] = {
	"a", "about", "after", "all", "and", "answer", "at", "because",
	"before", "bridge", "by", "call", "change", "contract", "copy",
	"date", "day", "evening", "few", "figures", "for", "from", "garden",
	"harbour", "have", "if", "invoice", "it", "keep", "later", "letter",
	"line", "machine", "meeting", "minutes", "morning", "never", "night",
	"of", "offer", "on", "only", "order", "over", "paper", "people",
	"question", "quiet", "reading", "report", "river", "sender", "soon",
	"the", "to", "train", "until", "we", "weather", "when", "winter",
	"with", "you", "yesterday",
};
static const char *const people[] = {
	"ann", "bob", "carla", "dmitri", "eve", "farid", "greta", "hana",
	"ivan", "jun", "karin", "luis", "mona", "nils", "olga", "pavel",
};
static const char *const domains[] = {
	"example.org", "example.net", "example.com", "mail.example.org",
};

/* xorshift64*: enough for text, and the same everywhere. */
static uint64_t
next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ULL;
}

static const char *
pick(uint64_t *state, const char *const *from, size_t n)
{
	return from[(next(state) >> 33) % n];
}

/* Lines of words, until the buffer is until bytes long. */
static void
text(struct buf *b, uint64_t *state, size_t until)
{
	size_t		 line = b->len;
	uint64_t	 bits = 0;

	for (int i = 0; b->len < until; i++) {
		/* Ten words for each number drawn. */
		bits = i % 10 == 0 ? next(state) : bits >> 6;
		buf_adds(b, words[bits % COUNT(words)]);
		if (b->len - line < LINE_WIDTH) {
			buf_addc(b, ' ');
			continue;
		}
		buf_addc(b, '\n');
		line = b->len;
	}
	if (b->len > line && b->err == 0)
		b->p[b->len - 1] = '\n';
}

static void
base64(struct buf *b, uint64_t *state, size_t until)
{
	static const char	 digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	char			 line[BASE64_LINE + 1];
	uint64_t		 bits = 0;

	line[BASE64_LINE] = '\n';
	do {
		for (int i = 0; i < BASE64_LINE; i++) {
			bits = i % 10 == 0 ? next(state) : bits >> 6;
			line[i] = digits[bits & 63];
		}
		buf_add(b, line, sizeof(line));
	} while (b->len < until);
}

static void
subject(struct buf *b, uint64_t *state)
{
	size_t	 n = 2 + (size_t)(next(state) >> 33) % 5;

	buf_adds(b, "Subject:");
	while (n-- > 0)
		buf_addf(b, " %s", pick(state, words, COUNT(words)));
	buf_addc(b, '\n');
}

static void
date(struct buf *b, int64_t ms)
{
	char		 s[40];
	struct span	 rest = { s, 0 }, f[5];

	/* From "Tue Nov 14 22:13:20 2023" to "Tue, 14 Nov 2023 22:13:20". */
	rest.len = (size_t)time_asctime(s, sizeof(s), ms);
	for (int i = 0; i < 5; i++)
		do {
			if (!str_field(&rest, ' ', &f[i]))
				abort();
		} while (f[i].len == 0);
	buf_addf(b, "Date: %.*s, %.*s %.*s %.*s %.*s +0000\n",
	    (int)f[0].len, f[0].p, (int)f[2].len, f[2].p, (int)f[1].len,
	    f[1].p, (int)f[4].len, f[4].p, (int)f[3].len, f[3].p);
}

static void
parts(struct buf *b, uint64_t *state, uint64_t n, size_t size)
{
	unsigned long long	 mark = (unsigned long long)next(state);

	buf_addf(b, "MIME-Version: 1.0\nContent-Type: multipart/mixed; "
	    "boundary=\"=_%016llx\"\n\n--=_%016llx\n"
	    "Content-Type: text/plain; charset=us-ascii\n\n", mark, mark);
	text(b, state, b->len + size / 8);
	buf_addf(b, "\n--=_%016llx\nContent-Type: application/octet-stream; "
	    "name=\"file%llu.bin\"\nContent-Disposition: attachment\n"
	    "Content-Transfer-Encoding: base64\n\n", mark,
	    (unsigned long long)n);
	base64(b, state, size);
	buf_addf(b, "\n--=_%016llx--\n", mark);
}

static void
message(struct buf *b, uint64_t *state, uint64_t n, size_t size,
    const char *from, int64_t ms)
{
	unsigned long long	 id = (unsigned long long)next(state);

	buf_addf(b, "From: %s\nTo: %s@%s\n", from,
	    pick(state, people, COUNT(people)),
	    pick(state, domains, COUNT(domains)));
	subject(b, state);
	date(b, ms);
	buf_addf(b, "Message-ID: <%llu.%016llx@example.org>\n",
	    (unsigned long long)n, id);
	if (n % 3 == 2) {
		parts(b, state, n, size);
	} else {
		buf_addc(b, '\n');
		text(b, state, size);
	}
}

static void
flush(struct buf *b)
{
	int	 rc;

	if ((rc = b->err) != 0 ||
	    (rc = file_write(STDOUT_FILENO, b->p, b->len)) != 0)
		errx(cm_exit(rc), "%s", cm_strerror(rc));
	buf_reset(b);
}

int
main(int argc, char **argv)
{
	struct buf	 out, msg;
	uint64_t	 count, size, seed = 1, state;
	int64_t		 ms;
	char		 from[64];

	if (argc < 3 || argc > 4 ||
	    str_u64(argv[1], strlen(argv[1]), UINT32_MAX, &count) != 0 ||
	    str_size(argv[2], &size) != 0 || size > SIZE_MOST ||
	    (argc == 4 && str_u64(argv[3], strlen(argv[3]), UINT32_MAX,
	    &seed) != 0)) {
		fprintf(stderr, "usage: mkmsgs COUNT SIZE [SEED]\n");
		return EX_USAGE;
	}
	/* Never 0, where xorshift stays. */
	state = (seed + 1) * 0x9e3779b97f4a7c15ULL;
	buf_init(&msg, size + 65536);
	buf_init(&out, 2 * (size + 65536) + FLUSH_AT);
	for (uint64_t n = 0; n < count; n++) {
		ms = FIRST_MS + (int64_t)n * 61000;
		if (str_fmt(from, sizeof(from), "%s@%s",
		    pick(&state, people, COUNT(people)),
		    pick(&state, domains, COUNT(domains))) != 0)
			abort();
		buf_reset(&msg);
		message(&msg, &state, n, size, from, ms);
		if (msg.err != 0)
			flush(&msg);
		mbox_from_line(&out, from, ms);
		mbox_quote(&out, msg.p, msg.len);
		if (out.len >= FLUSH_AT)
			flush(&out);
	}
	flush(&out);
	buf_free(&out);
	buf_free(&msg);
	return 0;
}
