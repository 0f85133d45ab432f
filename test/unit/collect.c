#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "cluster/collect.h"
#include "tap.h"

struct seen {
	struct buf	 text;
	struct buf	 errors;
	int		 stop_after;	/* 0: never */
	int		 n;
	size_t		 bytes;
	char		 gone[100];	/* removed at the first message */
};

static void
seen_reset(struct seen *s)
{
	buf_reset(&s->text);
	buf_reset(&s->errors);
	s->stop_after = s->n = 0;
	s->bytes = 0;
	s->gone[0] = '\0';
}

static void
put(void *arg, enum log_level level, const char *line)
{
	struct seen	*s = arg;

	buf_addf(&s->errors, "%s%s\n", level == CM_LOG_WARN ? "w: " : "",
	    line);
}

/* sender time (flags) where {text} */
static int
note(void *arg, const struct collect_msg *m)
{
	struct seen	*s = arg;
	const char	*base = strrchr(m->where, '/');

	s->bytes += m->len;
	if (s->gone[0] != '\0')
		unlink(s->gone);
	if (m->len < 1000)
		buf_addf(&s->text, "%s %lld (%s) %s {%.*s}\n",
		    m->sender ? m->sender : "-", (long long)m->time_ms / 1000,
		    m->flags, base ? base + 1 : m->where, (int)m->len, m->p);
	return ++s->n == s->stop_after ? CM_EQUOTA : 0;
}

static int
mbox(struct seen *s, const char *text, uint64_t max)
{
	struct log	 log = { CM_LOG_DEBUG, put, s };
	int		 p[2], rc;

	if (pipe(p) == -1 || file_write(p[1], text, strlen(text)) != 0)
		return CM_EIO;
	close(p[1]);
	rc = collect_mbox(&log, p[0], "box", max, note, s);
	close(p[0]);
	return rc;
}

#define A "From a Sat Jan 13 01:05:34 1996\n"
#define B "From b Sat Jan 13 01:05:35 1996\n"

static void
test_mbox(struct seen *s)
{
	seen_reset(s);
	is_int(mbox(s, A "Subject: x\nStatus: RO\nX-Status: AF\n\n>From y\n\n"
	    B "X-STATUS: DT\r\n\r\nStatus: R\r\n\r\n", 1000), 0, "two");
	is_str(s->text.p,
	    "a 821495134 (\\Seen \\Answered \\Flagged) box:1 "
	    "{Subject: x\nStatus: RO\nX-Status: AF\n\nFrom y\n}\n"
	    "b 821495135 (\\Deleted \\Draft) box:8 "
	    "{X-STATUS: DT\r\n\r\nStatus: R\r\n}\n", "all is told");
	seen_reset(s);
	is_int(mbox(s, "From  Sat Jan 13 01:05:34 1896\nSubject: Status: R\n"
	    " Status: R\n\n", 1000), 0, "nothing known");
	is_str(s->text.p, "- 0 () box:1 {Subject: Status: R\n Status: R\n}\n",
	    "sender and flags unknown");
	seen_reset(s);
	is_int(mbox(s, "", 1000), 0, "an empty file");
	is_int(s->n, 0, "has no messages");
	is_int(mbox(s, "Subject: x\n\n", 1000), CM_EDATA, "not an mbox");
	is_str(s->errors.p, "box:1: not a From_ line: malformed input\n",
	    "is said");
}

static void
test_mbox_stop(struct seen *s)
{
	seen_reset(s);
	is_int(mbox(s, A "1234\n\n" B "12345\n\n" A "\n", 5), CM_ETOOBIG,
	    "the second is too large");
	is_int(s->n, 1, "the first was given");
	is_str(s->errors.p, "box:4: message of over 5 bytes: too large\n",
	    "the line is named");
	seen_reset(s);
	s->stop_after = 1;
	is_int(mbox(s, A "\n" B "\n", 5), CM_EQUOTA, "what fn says ends it");
	is_int(s->n, 1, "at once");
	ok(s->errors.len == 0, "and is not logged");
}

/* Several chunks, and lines that go over their ends. */
static void
test_mbox_big(struct seen *s, const char *dir)
{
	struct log	 log = { CM_LOG_DEBUG, put, s };
	struct buf	 b;
	char		 path[100];
	int		 fd = -1;

	seen_reset(s);
	buf_init(&b, 1 << 24);
	for (int i = 0; i < 40; i++) {
		buf_adds(&b, i % 2 ? A : B);
		for (int k = 0; k < i * 1000; k++)
			buf_adds(&b, k % 500 ? ">From xy" : ">From x\n");
		buf_adds(&b, "\n\n");
	}
	snprintf(path, sizeof(path), "%s/box", dir);
	ok(file_commit(NULL, path, b.p, b.len, 0600) == 0 &&
	    (fd = open(path, O_RDONLY)) != -1, "a file of %zu bytes", b.len);
	is_int(collect_mbox(&log, fd, path, 1 << 20, note, s), 0, "is read");
	is_int(s->n, 40, "40 messages");
	/* Gone: A, B, the empty lines, and a > of 2 * i + 1 lines each. */
	is_int(s->bytes, b.len - 40 * (strlen(A) + 1) - 2 * 780 - 39,
	    "all of it");
	close(fd);
	unlink(path);
	buf_free(&b);
	fd = open(dir, O_RDONLY);
	ok(collect_mbox(&log, fd, "dir", 10, note, s) != 0 &&
	    strstr(s->errors.p, "dir: read") != NULL, "a folder is no mbox");
	close(fd);
}

static void
message(const char *dir, const char *name, const char *text)
{
	char		 path[200];
	struct timespec	 t[2] = { { 1000, 0 }, { 2000, 0 } };

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ok(file_commit(NULL, path, text, strlen(text), 0600) == 0 &&
	    utimensat(AT_FDCWD, path, t, 0) == 0, "%s", name);
}

static void
make(const char *dir, const char *sub)
{
	char	 path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, sub);
	is_int(mkdir(path, 0700), 0, "%s", sub);
}

static void
fill(const char *dir)
{
	make(dir, "cur");
	make(dir, "new");
	make(dir, "tmp");
	make(dir, "cur/folder");
	message(dir, "tmp/0", "not there yet");
	message(dir, "new/2", "two\n");
	message(dir, "new/B", "B\n");
	message(dir, "cur/.hidden", "x");
	message(dir, "cur/1:2,PS", "one\n");
	message(dir, "cur/3:2,DFRSTa", "three\n");
	message(dir, "cur/a:2,", "");
	message(dir, "new/\xff", "last\r\n");
}

static void
test_maildir(struct seen *s, const char *dir)
{
	struct log	 log = { CM_LOG_DEBUG, put, s };
	char		 path[200];

	seen_reset(s);
	is_int(collect_maildir(&log, dir, 10, note, s), CM_ENOINPUT,
	    "no Maildir");
	ok(strstr(s->errors.p, dir) != NULL, "is named");
	fill(dir);
	seen_reset(s);
	is_int(collect_maildir(&log, dir, 6, note, s), 0, "a Maildir");
	is_str(s->text.p, "- 2000 (\\Seen) 1:2,PS {one\n}\n"
	    "- 2000 () 2 {two\n}\n"
	    "- 2000 (\\Seen \\Answered \\Flagged \\Deleted \\Draft) "
	    "3:2,DFRSTa {three\n}\n"
	    "- 2000 () B {B\n}\n"
	    "- 2000 () a:2, {}\n"
	    "- 2000 () \xff {last\r\n}\n", "in the order of names");
	ok(s->errors.len == 0, "silently");
	seen_reset(s);
	snprintf(s->gone, sizeof(s->gone), "%s/new/B", dir);
	is_int(collect_maildir(&log, dir, 6, note, s), 0, "a file vanishes");
	ok(s->n == 5 && s->errors.len == 0, "and nothing is said");
	seen_reset(s);
	is_int(collect_maildir(&log, dir, 5, note, s), CM_ETOOBIG, "too big");
	ok(strstr(s->errors.p, "3:2,DFRSTa: message of over 5 bytes") != NULL,
	    "is named");
	seen_reset(s);
	s->stop_after = 2;
	is_int(collect_maildir(&log, dir, 6, note, s), CM_EQUOTA, "fn ends");
	is_int(s->n, 2, "it at once");
	seen_reset(s);
	snprintf(path, sizeof(path), "%s/new/link", dir);
	ok(symlink("2", path) == 0, "a link");
	snprintf(path, sizeof(path), "%s/new/fifo", dir);
	ok(mkfifo(path, 0600) == 0, "and a FIFO");
	is_int(collect_maildir(&log, dir, 6, note, s), 0, "do no harm");
	is_int(s->n, 5, "and are left out");
	ok(strncmp(s->errors.p, "w: ", 3) == 0, "with a warning");
}

int
main(void)
{
	char		 dir[] = "/tmp/cm-unit.XXXXXX", cmd[60];
	struct seen	 s = { 0 };

	if (mkdtemp(dir) == NULL)
		return 1;
	buf_init(&s.text, 10000);
	buf_init(&s.errors, 10000);
	test_mbox(&s);
	test_mbox_stop(&s);
	test_mbox_big(&s, dir);
	test_maildir(&s, dir);
	buf_free(&s.text);
	buf_free(&s.errors);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	is_int(system(cmd), 0, "cleared up");
	return tap_done();
}
