#include "cluster/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/file.h"
#include "cluster/catdump.h"
#include "cluster/service.h"

#define TRIES	3

struct catalog {
	const struct log *log;
	struct service	 service;
	char		 idle[16];
	struct stream	 s;
	bool		 up;
	char		 text[512];
};

int
catalog_open(const struct log *log, const struct conf *conf, const char *file,
    const char *node, struct catalog **out)
{
	struct catalog	*c;
	int		 rc;

	*out = NULL;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return log_fail(log, CM_ENOMEM, "catalog");
	c->log = log;
	snprintf(c->idle, sizeof(c->idle), "%d", CATALOG_IDLE_S);
	if ((rc = service_init(&c->service, log, conf, file, node, "catalog",
	    "cm-catalog")) != 0) {
		catalog_close(c);
		return rc;
	}
	c->service.argv[0] = "serve";
	c->service.argv[1] = "-i";
	c->service.argv[2] = c->idle;
	*out = c;
	return 0;
}

static void
hang_up(struct catalog *c)
{
	if (c->up)
		stream_close(&c->s);
	c->up = false;
}

void
catalog_close(struct catalog *c)
{
	if (c == NULL)
		return;
	hang_up(c);
	service_free(&c->service);
	free(c);
}

int
catalog_dial(struct catalog *c, int *fd)
{
	return service_dial(&c->service, fd);
}

static int
dial(struct catalog *c)
{
	int	 fd, rc;

	if (c->up)
		return 0;
	if ((rc = service_dial(&c->service, &fd)) != 0)
		return rc;
	stream_init(&c->s, fd, CATDUMP_LINE_MAX, CATALOG_CALL_MS);
	c->up = true;
	return 0;
}

/*
 * Where lines begin in what was sent of a body: a line "." would end it, and
 * the lines behind would be taken for requests.
 */
struct lines {
	uint64_t	 n;
	size_t		 len;		/* bytes of the last one so far */
	bool		 dot;		/* the first of them is a dot */
};

static int
look_at_lines(struct lines *l, const char *p, size_t n)
{
	const char	*lf;

	while (n > 0) {
		if (l->len > CATDUMP_LINE_MAX)
			return CM_EDATA;
		if (l->len == 0)
			l->dot = p[0] == '.';
		lf = memchr(p, '\n', n);
		if (lf == NULL) {
			l->len += n;
			return 0;
		}
		l->len += (size_t)(lf - p);
		if (l->dot && l->len == 1)
			return CM_EDATA;
		l->n++;
		l->len = 0;
		n -= (size_t)(lf + 1 - p);
		p = lf + 1;
	}
	return 0;
}

/* The body's lines, and the "." at their end. */
static int
send_body(struct catalog *c, int body)
{
	struct lines	 lines = { 0 };
	char		 chunk[65536];
	ssize_t		 n;
	int		 rc;

	if (lseek(body, 0, SEEK_SET) == -1)
		return cm_errno(errno);
	while ((n = read(body, chunk, sizeof(chunk))) != 0) {
		if (n == -1) {
			if (errno == EINTR)
				continue;
			return cm_errno(errno);
		}
		if ((rc = look_at_lines(&lines, chunk, (size_t)n)) != 0) {
			log_fail(c->log, rc, "dump:%llu: not a line of a "
			    "dump", (unsigned long long)lines.n + 1);
			return rc;
		}
		buf_add(&c->s.out, chunk, (size_t)n);
		if ((rc = stream_flush(&c->s, 65536)) != 0)
			return rc;
	}
	buf_adds(&c->s.out, lines.len == 0 ? ".\n" : "\n.\n");
	return stream_flush(&c->s, 1);
}

/* What comes through a pipe goes to a file, to be sent again if need be. */
static int
spool_body(struct catalog *c, int body, int *file)
{
	char	 chunk[65536], dir[FILE_PATH_MAX];
	ssize_t	 n;
	int	 rc = 0;

	if (str_fmt(dir, sizeof(dir), "%s/run", c->service.state) != 0)
		return log_fail(c->log, CM_ETOOBIG, "%s", c->service.state);
	if ((rc = file_mkdirs(c->log, dir, 0700)) != 0)
		return rc;
	*file = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*file == -1)
		return log_errno(c->log, "%s", dir);
	while (rc == 0 && (n = read(body, chunk, sizeof(chunk))) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return log_errno(c->log, "input");
		if ((rc = file_write(*file, chunk, (size_t)n)) != 0)
			log_fail(c->log, rc, "%s", dir);
	}
	return rc;
}

static int
send_request(struct catalog *c, const char *const words[], int body)
{
	for (int i = 0; words[i] != NULL; i++) {
		if (i > 0)
			buf_addc(&c->s.out, '\t');
		str_pct(&c->s.out, words[i], strlen(words[i]), "");
	}
	buf_addc(&c->s.out, '\n');
	if (body != -1)
		return send_body(c, body);
	return stream_flush(&c->s, 1);
}

/* The last line of an answer: ".CODE text". */
static int
final_line(struct catalog *c, struct span line, int *code)
{
	struct span	 num;
	uint64_t	 v;
	bool		 neg;

	line.p++;
	line.len--;
	if (!str_field(&line, '\t', &num) || line.p == NULL)
		return CM_EPROTO;
	neg = num.len > 0 && num.p[0] == '-';
	if (str_u64(num.p + neg, num.len - neg, 1000, &v) != 0)
		return CM_EPROTO;
	*code = neg ? -(int)v : (int)v;
	if (line.len >= sizeof(c->text))
		line.len = sizeof(c->text) - 1;
	memcpy(c->text, line.p, line.len);
	c->text[line.len] = '\0';
	return 0;
}

static int
read_answer(struct catalog *c, catalog_fn fn, void *arg, bool *begun,
    int *code)
{
	struct span	 line;
	int		 rc;

	for (;;) {
		if ((rc = stream_line(&c->s, &line)) != 0)
			return rc == CM_EEND || rc == CM_EDATA ? CM_EAWAY : rc;
		if (line.len > 0 && line.p[0] == '.')
			return final_line(c, line, code);
		if (line.len == 0 || line.p[0] != '=')
			return CM_EPROTO;
		*begun = true;
		line.p++;
		line.len--;
		if (fn != NULL && (*code = fn(arg, line)) != 0) {
			hang_up(c);
			return 0;
		}
	}
}

/* Done twice it is not what it was: who asks has to know. */
static bool
is_once(const char *word)
{
	static const char *const once[] = { "copy", "folder-add",
	    "folder-del", "folder-rename" };

	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		if (strcmp(word, once[i]) == 0)
			return true;
	return false;
}

/* An agent that went since says nothing but that. */
static void
leave_gone(struct catalog *c)
{
	struct pollfd	 p = { .fd = c->s.fd, .events = POLLIN };

	if (c->up && poll(&p, 1, 0) != 0)
		hang_up(c);
}

static int
call(struct catalog *c, const char *const words[], int body, int ms,
    catalog_fn fn, void *arg)
{
	bool	 begun = false, once = is_once(words[0]);
	int	 code = 0, rc = 0;

	c->text[0] = '\0';
	if (once)
		leave_gone(c);
	for (int i = 0; i < TRIES; i++) {
		if ((rc = dial(c)) != 0)
			return rc;
		c->s.timeout_ms = ms;
		if ((rc = send_request(c, words, body)) == 0) {
			begun = once;
			rc = read_answer(c, fn, arg, &begun, &code);
		}
		if (rc == 0)
			break;
		hang_up(c);
		if (rc != CM_EAWAY || begun)
			break;
	}
	if (rc != 0)
		return log_fail(c->log, rc, "catalog: %s", words[0]);
	if (code < 0 && code != CM_ENOUSER && code != CM_ENOHOST &&
	    c->text[0] != '\0')
		log_warn(c->log, "catalog: %s: %s", words[0], c->text);
	return code;
}

int
catalog_call(struct catalog *c, const char *const words[], int body, int ms,
    catalog_fn fn, void *arg)
{
	int	 file = -1, rc = 0;

	if (body != -1 && lseek(body, 0, SEEK_CUR) == -1 &&
	    (rc = spool_body(c, body, &file)) == 0)
		body = file;
	if (rc == 0)
		rc = call(c, words, body, ms, fn, arg);
	if (file != -1)
		close(file);
	return rc;
}

int
catalog_stop(struct catalog *c)
{
	const char	*words[] = { "stop", NULL };
	bool		 begun;
	long		 pid = service_pid(&c->service);
	int		 fd, code = 0, rc;

	hang_up(c);
	/* none is started for this */
	if ((rc = service_find(&c->service, &fd)) != 0)
		return rc == CM_EAWAY ? 0 : rc;
	stream_init(&c->s, fd, CATDUMP_LINE_MAX, CATALOG_CALL_MS);
	c->up = true;
	if ((rc = send_request(c, words, -1)) == 0)
		rc = read_answer(c, NULL, NULL, &begun, &code);
	hang_up(c);
	if (rc != 0 && rc != CM_EAWAY)
		return log_fail(c->log, rc, "catalog: stop");
	service_wait_end(&c->service, pid, SERVICE_START_MS);
	return code;
}

const char *
catalog_text(const struct catalog *c)
{
	return c->text;
}

struct found {
	struct buf	*mailboxes;
	uint64_t	 room;
};

/* A mailbox, and what its quota leaves. */
static int
add_found(void *arg, struct span line)
{
	struct found	*f = arg;
	struct span	 name;
	uint64_t	 left = UINT64_MAX;

	if (!str_field(&line, '\t', &name) || (line.p != NULL &&
	    str_u64(line.p, line.len, UINT64_MAX, &left) != 0))
		return CM_EPROTO;
	if (left > f->room)
		f->room = left;
	buf_add(f->mailboxes, name.p, name.len);
	return buf_addc(f->mailboxes, '\n');
}

int
catalog_rcpt_room(struct catalog *c, const char *address, struct buf *out,
    uint64_t *room)
{
	const char	*words[] = { "rcpt", address, NULL };
	struct found	 f = { out, 0 };
	int		 rc;

	rc = catalog_call(c, words, -1, CATALOG_CALL_MS, add_found, &f);
	*room = f.room;
	return rc;
}

int
catalog_rcpt(struct catalog *c, const char *address, struct buf *out)
{
	uint64_t	 room;

	return catalog_rcpt_room(c, address, out, &room);
}

struct login {
	char		*mailbox;
	struct buf	*out;
};

static int
take_login(void *arg, struct span line)
{
	struct login	*l = arg;
	struct span	 f;

	if (!str_field(&line, '\t', &f) || line.p == NULL ||
	    str_ncopy(l->mailbox, ADDRESS_MAX + 1, f.p, f.len) != 0)
		return CM_EPROTO;
	return str_unpct(l->out, line.p, line.len) == 0 ? 0 : CM_EPROTO;
}

int
catalog_verifier(struct catalog *c, const char *login,
    char mailbox[ADDRESS_MAX + 1], struct buf *out)
{
	const char	*words[] = { "verifier", login, NULL };
	struct login	 l = { mailbox, out };
	int		 rc;

	mailbox[0] = '\0';
	rc = catalog_call(c, words, -1, CATALOG_CALL_MS, take_login, &l);
	/* the last line may take it back */
	if (rc != 0)
		mailbox[0] = '\0';
	return rc == 0 && out->err != 0 ? out->err : rc;
}

static int
keep_first(void *arg, struct span line)
{
	struct buf	*b = arg;

	return b->len > 0 ? 0 : buf_add(b, line.p, line.len);
}

int
catalog_ask_all(struct catalog *c, struct catalog_ask *ask, size_t n)
{
	size_t	 done = 0;
	int	 rc = 0, failures = 0;
	bool	 begun;

	while (done < n) {
		if ((rc = dial(c)) != 0)
			return rc;
		c->s.timeout_ms = CATALOG_CALL_MS;
		for (size_t i = done; i < n; i++)
			buf_addf(&c->s.out, "%s\n", ask[i].line);
		rc = stream_flush(&c->s, 1);
		while (rc == 0 && done < n) {
			buf_reset(&ask[done].answer);
			rc = read_answer(c, keep_first, &ask[done].answer,
			    &begun, &ask[done].code);
			if (rc == 0) {
				done++;
				failures = 0;
			}
		}
		if (rc == 0)
			return 0;
		hang_up(c);
		if (rc != CM_EAWAY || ++failures == TRIES)
			return log_fail(c->log, rc, "catalog");
	}
	return 0;
}

bool
catalog_is_up(const struct catalog *c)
{
	int	 fd;

	if (service_find(&c->service, &fd) != 0)
		return false;
	close(fd);
	return true;
}
