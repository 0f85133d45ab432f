/*
 * Whole sessions of SMTP and LMTP with a client that is made up: the same
 * words in pieces get the same answers as at once, and what is kept is what was
 * acknowledged.  Catalog and volumes are stood in for; all else is the real
 * one.  The first byte chooses the mode, the second how the words are cut.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "cluster/known.h"
#include "cluster/outgoing.h"
#include "protocol/session_int.h"
#include "protocol/smtp_int.h"
#include "session.h"

#define INPUT_MAX	8192
#define MAX_SIZE	3000
#define RECIPIENTS	5

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* --- what stands in: bob and ann are there, and so is a list of both */

struct deliver {
	struct buf	 kept;		/* bodies, each with its mailboxes */
	unsigned	 n, outgoing;
	char		 last[ULID_LEN + 1];
};

static struct deliver the_volume;

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
catalog_verifier(struct catalog *c, const char *login,
    char mailbox[ADDRESS_MAX + 1], struct buf *out)
{
	(void)c, (void)login, (void)mailbox, (void)out;
	return CM_EAGAIN;	/* a wrong password would wait for seconds */
}

static int
rcpt(const char *address, struct buf *out)
{
	const char	*domain = address_domain(address);

	must(domain != NULL);
	if (strcmp(domain, "example.org") != 0)
		return CM_ENOHOST;
	if (strncmp(address, "bob@", 4) == 0 ||
	    strncmp(address, "all@", 4) == 0)
		buf_adds(out, "bob@example.org\n");
	if (strncmp(address, "ann@", 4) == 0 ||
	    strncmp(address, "all@", 4) == 0)
		buf_adds(out, "ann@example.org\n");
	return out->len > 0 ? out->err : CM_ENOUSER;
}

int
catalog_rcpt_room(struct catalog *c, const char *address, struct buf *out,
    uint64_t *room)
{
	(void)c;
	*room = strncmp(address, "ann@", 4) == 0 ? 1000 : UINT64_MAX;
	return strncmp(address, "away@", 5) == 0 ? CM_EAWAY :
	    rcpt(address, out);
}

int
known_resolve(const struct log *log, const struct conf *conf,
    const char *address, struct buf *out)
{
	(void)log, (void)conf;
	return rcpt(address, out);
}

int
deliver_open(const struct log *log, const struct conf *conf, const char *file,
    const char *node, struct deliver **out)
{
	(void)log, (void)conf, (void)file, (void)node;
	*out = &the_volume;
	return 0;
}

void
deliver_close(struct deliver *d)
{
	(void)d;
}

/* Each line ends with CR LF, but for the last one of BDAT. */
static void
check_text(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		must(p[i] != '\0');
		must(p[i] != '\n' || (i > 0 && p[i - 1] == '\r'));
		must(p[i] != '\r' || (i + 1 < n && p[i + 1] == '\n'));
	}
	must(n <= MAX_SIZE && n > 14 &&
	    memcmp(p, "Return-Path: <", 14) == 0);
}

/* What is behind the trace, which has a time and an id. */
static void
keep_body(struct deliver *d, const char *p, size_t n)
{
	const char	*r = memmem(p, n, "Received: from ", 15), *end;

	must(r != NULL);
	end = memmem(r, n - (size_t)(r - p), " +0000\r\n", 8);
	must(end != NULL);
	end += 8;
	buf_add(&d->kept, end, n - (size_t)(end - p));
	buf_addc(&d->kept, '\0');
}

int
deliver_message(struct deliver *d, const struct store_msg *m,
    struct delivery *y)
{
	must(m->mailboxes.len > 0 && m->id != NULL);
	check_text(m->p, m->len);
	keep_body(d, m->p, m->len);
	buf_add(&d->kept, m->mailboxes.p, m->mailboxes.len);
	ulid_text(m->id, d->last);
	d->n++;
	if (y->copies.max == 0)
		buf_init(&y->copies, 100);
	buf_reset(&y->copies);
	buf_adds(&y->copies, "n1");
	/* one in seven finds too few copies */
	return m->len % 7 == 0 ? CM_ESHORT : 0;
}

void
delivery_free(struct delivery *y)
{
	if (y->copies.max != 0)
		buf_free(&y->copies);
}

int
outgoing_add(const struct log *log, const struct conf *conf, struct deliver *d,
    const struct outgoing_msg *o, const char *p, size_t len)
{
	(void)log, (void)conf;
	must(o->n > 0 && o->n <= RECIPIENTS && len > 10 &&
	    memcmp(p, "Received: ", 10) == 0);
	for (size_t i = 0; i < o->n; i++)
		buf_adds(&d->kept, o->to[i].address);
	d->outgoing++;
	return 0;
}

void
outgoing_start(const struct log *log, const struct conf *conf,
    const char *file, const char *node)
{
	(void)log, (void)conf, (void)file, (void)node;
}

int
store_new_id(int64_t now, struct ulid *id)
{
	static unsigned char n;

	memset(id, 0, sizeof(*id));
	memcpy(id, &now, sizeof(now) < sizeof(*id) ? sizeof(now) :
	    sizeof(*id));
	((unsigned char *)id)[sizeof(*id) - 1] = n++;
	return 0;
}

/* --- a session */

struct pipes {
	int	 in[2], out[2];
};

static void
hear(int fd, struct buf *b)
{
	char	 chunk[65536];
	ssize_t	 n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(b, chunk, (size_t)n);
	close(fd);
}

static void
open_pipes(struct pipes *p)
{
	must(pipe2(p->in, O_DIRECT | O_CLOEXEC) == 0 &&
	    pipe2(p->out, O_CLOEXEC) == 0 &&
	    fcntl(p->in[1], F_SETPIPE_SZ, PIPE_SIZE) != -1 &&
	    fcntl(p->out[1], F_SETPIPE_SZ, PIPE_SIZE) != -1);
}

static void
session(const uint8_t *data, size_t size, enum smtp_mode mode, bool trusted,
    unsigned cut, struct buf *said)
{
	static char	 state[] = "/nonexistent", self[] = "n1",
			 host[] = "mx.example.org", relay[] = "relay",
			 domain[] = "example.org";
	struct conf_node node = { .name = self, .state = state,
			    .hostname = host };
	char		*domains[] = { domain };
	struct conf_network all = { .bits = 0 };
	struct conf	 conf = { .node = &node, .self = self,
			    .domains = domains, .ndomains = 1,
			    .max_size = MAX_SIZE, .recipients = RECIPIENTS,
			    .relay.host = relay, .trusted = &all,
			    .ntrusted = trusted };
	struct session_service v = smtp_service(&mode);
	struct session_engine e = { .service = &v, .conf = &conf };
	struct log	 log = { CM_LOG_DEBUG, put_log, NULL };
	struct session	 s = { .log = &log, .id = "x", .conf = &conf,
			    .client = "192.0.2.1", .has_ip = true,
			    .engine = &e };
	struct pipes	 p;

	open_pipes(&p);
	say(p.in[1], data, size, cut);
	must(v.open(&log, &conf, NULL, NULL, v.arg, &s.worker) == 0 &&
	    conn_open(p.in[0], p.out[1], &s.conn) == 0);
	v.serve(&s, v.arg);
	conn_close(s.conn);
	v.close(s.worker);
	hear(p.out[0], said);
}

/* --- what must hold */

/* Ids are of the moment. */
static unsigned
blank_ids(struct buf *b)
{
	static const char ok[] = "250 2.0.0 ok ";
	size_t		 n = sizeof(ok) - 1, count = 0;

	for (size_t i = 0; i + n + ULID_LEN <= b->len; i++)
		if (memcmp(b->p + i, ok, n) == 0) {
			memset(b->p + i + n, '-', ULID_LEN);
			count++;
		}
	return (unsigned)count;
}

static void
check_lines(const struct buf *b)
{
	struct span	 rest = { b->p, b->len }, l;

	must(b->len > 2 && b->p[b->len - 1] == '\n');
	while (str_field(&rest, '\n', &l)) {
		if (rest.p == NULL && l.len == 0)
			break;
		must(l.len > 4 && l.p[l.len - 1] == '\r' && l.p[0] >= '2' &&
		    l.p[0] <= '5' && (l.p[3] == ' ' || l.p[3] == '-'));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum smtp_mode modes[] = { SMTP_MX, SMTP_LMTP,
	    SMTP_SUBMISSION, SMTP_MX };
	enum smtp_mode	 mode;
	struct buf	 said[2], kept[2];
	unsigned	 good;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	signal(SIGPIPE, SIG_IGN);
	mode = modes[data[0] & 3];
	for (int i = 0; i < 2; i++) {
		buf_init(&said[i], 16 << 20);
		memset(&the_volume, 0, sizeof(the_volume));
		buf_init(&the_volume.kept, 16 << 20);
		session(data + 2, size - 2, mode, data[0] & 4,
		    i == 0 ? 0 : 1 + data[1], &said[i]);
		good = blank_ids(&said[i]);
		check_lines(&said[i]);
		must(mode == SMTP_LMTP || good <= the_volume.n +
		    the_volume.outgoing);
		must(mode != SMTP_SUBMISSION || the_volume.n == 0);
		must(data[0] & 4 || the_volume.outgoing == 0);
		kept[i] = the_volume.kept;
	}
	must(said[0].len == said[1].len &&
	    memcmp(said[0].p, said[1].p, said[0].len) == 0);
	must(kept[0].len == kept[1].len && (kept[0].len == 0 ||
	    memcmp(kept[0].p, kept[1].p, kept[0].len) == 0));
	for (int i = 0; i < 2; i++) {
		buf_free(&said[i]);
		buf_free(&kept[i]);
	}
	return 0;
}
