/* The mailbox as it was when the client logged in. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "protocol/pop3_int.h"

#define MESSAGES_MAX	10000000
#define SEND_MS		300000		/* 64 KiB */
#define UPDATE_MS	30000

/* --- the snapshot --- */

struct opening {
	struct pop3	*m;
	size_t		 room;
};

/* "mailbox/INBOX/UID TAB id TAB place TAB size TAB ..." */
static int
take_line(void *arg, struct span line)
{
	struct opening	*o = arg;
	struct pop3	*m = o->m;
	struct pop3_message *g;
	struct span	 f[4];
	const char	*slash;
	uint64_t	 uid, size;
	size_t		 room = o->room ? 2 * o->room : 64;

	for (int i = 0; i < 4; i++)
		if (!str_field(&line, '\t', &f[i]))
			return CM_EPROTO;
	if (m->n == o->room) {
		if (room > MESSAGES_MAX || (g = realloc(m->msg,
		    room * sizeof(*g))) == NULL)
			return CM_ENOMEM;
		m->msg = g;
		o->room = room;
	}
	g = &m->msg[m->n];
	memset(g, 0, sizeof(*g));
	slash = memrchr(f[0].p, '/', f[0].len);
	if (slash == NULL || str_u64(slash + 1, (size_t)(f[0].p + f[0].len -
	    slash - 1), UINT32_MAX, &uid) != 0 ||
	    ulid_parse(f[1].p, f[1].len, &g->id) != 0 ||
	    place_parse(f[2].p, f[2].len, &g->place) != 0 ||
	    str_u64(f[3].p, f[3].len, UINT32_MAX, &size) != 0)
		return CM_EPROTO;
	g->uid = (uint32_t)uid;
	g->size = (uint32_t)size;
	m->n++;
	return 0;
}

static int
by_id(const void *a, const void *b)
{
	const struct pop3_message *x = *(struct pop3_message *const *)a;
	const struct pop3_message *y = *(struct pop3_message *const *)b;
	int	 d = memcmp(x->id.b, y->id.b, sizeof(x->id.b));

	return d != 0 ? d : (x->uid > y->uid) - (x->uid < y->uid);
}

/* A message that was copied into its own folder is there under one id. */
static int
mark_again(struct pop3 *m)
{
	struct pop3_message **v;

	if (m->n == 0)
		return 0;
	if ((v = calloc(m->n, sizeof(*v))) == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < m->n; i++)
		v[i] = &m->msg[i];
	qsort(v, m->n, sizeof(*v), by_id);
	for (size_t i = 1; i < m->n; i++)
		v[i]->again = memcmp(v[i]->id.b, v[i - 1]->id.b,
		    sizeof(v[i]->id.b)) == 0;
	free(v);
	return 0;
}

int
pop3_open(struct pop3 *m)
{
	const char	*words[] = { "list", m->user, "INBOX", NULL };
	struct opening	 o = { .m = m };
	int		 rc;

	m->n = 0;
	free(m->msg);
	m->msg = NULL;
	rc = catalog_call(m->w->catalog, words, -1, CATALOG_CALL_MS, take_line,
	    &o);
	/* no message ever came: there is no folder yet */
	if (rc == CM_ENOINPUT && m->n == 0)
		rc = 0;
	return rc == 0 ? mark_again(m) : rc;
}

/* --- commands --- */

static void
totals(const struct pop3 *m, size_t *n, uint64_t *bytes)
{
	*n = 0;
	*bytes = 0;
	for (size_t i = 0; i < m->n; i++) {
		if (m->msg[i].deleted)
			continue;
		++*n;
		*bytes += m->msg[i].size;
	}
}

void
pop3_stat(struct pop3 *m)
{
	size_t	 n;
	uint64_t bytes;

	totals(m, &n, &bytes);
	pop3_good(m, "%zu %llu", n, (unsigned long long)bytes);
}

/* The message of that number, or NULL when that was answered. */
static struct pop3_message *
numbered(struct pop3 *m, uint32_t number)
{
	if (number == 0 || number > m->n) {
		pop3_bad(m, NULL, "no such message");
		return NULL;
	}
	if (m->msg[number - 1].deleted) {
		pop3_bad(m, NULL, "that one is deleted");
		return NULL;
	}
	return &m->msg[number - 1];
}

/* RFC 1939 section 7: 1 to 70 printable characters, for ever the same. */
static void
write_uid(struct buf *b, const struct pop3_message *g)
{
	char	 id[ULID_LEN + 1];

	ulid_text(&g->id, id);
	buf_adds(b, id);
	if (g->again)
		buf_addf(b, "-%u", g->uid);
}

/* "+OK 3 120" for one; false when it was another form, or none. */
static bool
say_one(struct pop3 *m, struct span args, bool uid, bool *answered)
{
	struct pop3_message *g;
	struct buf	*out = conn_out(m->s->conn);
	uint32_t	 v[2];
	unsigned	 n;

	*answered = true;
	if (pop3_numbers(args, 0, 1, v, &n) != 0) {
		pop3_bad(m, NULL, "that is no message's number");
		return false;
	}
	if (n == 0) {
		*answered = false;
		return false;
	}
	if ((g = numbered(m, v[0])) == NULL)
		return false;
	buf_addf(out, "+OK %u ", v[0]);
	if (uid)
		write_uid(out, g);
	else
		buf_addf(out, "%u", g->size);
	buf_adds(out, "\r\n");
	return true;
}

static void
say_all(struct pop3 *m, bool uid)
{
	struct buf	*out = conn_out(m->s->conn);
	size_t		 n;
	uint64_t	 bytes;
	int		 rc = 0;

	totals(m, &n, &bytes);
	pop3_good(m, "%zu messages (%llu octets)", n,
	    (unsigned long long)bytes);
	pop3_deadline(m, SEND_MS);
	for (size_t i = 0; rc == 0 && i < m->n; i++) {
		if (m->msg[i].deleted)
			continue;
		buf_addu(out, i + 1, 0);
		buf_addc(out, ' ');
		if (uid)
			write_uid(out, &m->msg[i]);
		else
			buf_addu(out, m->msg[i].size, 0);
		buf_adds(out, "\r\n");
		rc = conn_send_some(m->s->conn);
	}
	buf_adds(out, ".\r\n");
	if (rc != 0)
		pop3_lost(m, rc);
}

void
pop3_list(struct pop3 *m, struct span args)
{
	bool	 answered;

	if (!say_one(m, args, false, &answered) && !answered)
		say_all(m, false);
}

void
pop3_uidl(struct pop3 *m, struct span args)
{
	bool	 answered;

	if (!say_one(m, args, true, &answered) && !answered)
		say_all(m, true);
}

/* Never a wrong or an empty message: when no copy can be read, it says so. */
static void
send_message(struct pop3 *m, const struct pop3_message *g, uint64_t lines)
{
	struct reader_record r;
	struct pop3_text t = { .lines = lines };
	bool		 end = false;
	int		 rc;

	if ((rc = reader_get(m->w->reader, &g->place, &g->id, &r)) != 0) {
		pop3_bad(m, rc == CM_ECORRUPT ? "SYS/PERM" : "SYS/TEMP",
		    "none of its copies can be read now");
		pop3_log(m, "refused", cm_strerror(rc));
		return;
	}
	t.msg = r.msg;
	pop3_good(m, "%zu octets", r.msg.len);
	while (!end && rc == 0) {
		pop3_deadline(m, SEND_MS);
		end = pop3_text(&t, CONN_CHUNK, conn_out(m->s->conn));
		rc = conn_send_some(m->s->conn);
	}
	if (rc != 0)
		pop3_lost(m, rc);
}

void
pop3_retr(struct pop3 *m, struct span args)
{
	struct pop3_message *g;
	uint32_t	 v[2];
	unsigned	 n;

	if (pop3_numbers(args, 1, 1, v, &n) != 0)
		pop3_bad(m, NULL, "the form is RETR number");
	else if ((g = numbered(m, v[0])) != NULL)
		send_message(m, g, UINT64_MAX);
}

void
pop3_top(struct pop3 *m, struct span args)
{
	struct pop3_message *g;
	uint32_t	 v[2];
	unsigned	 n;

	if (pop3_numbers(args, 2, 2, v, &n) != 0)
		pop3_bad(m, NULL, "the form is TOP number lines");
	else if ((g = numbered(m, v[0])) != NULL)
		send_message(m, g, v[1]);
}

void
pop3_dele(struct pop3 *m, struct span args)
{
	struct pop3_message *g;
	uint32_t	 v[2];
	unsigned	 n;

	if (pop3_numbers(args, 1, 1, v, &n) != 0)
		pop3_bad(m, NULL, "the form is DELE number");
	else if ((g = numbered(m, v[0])) != NULL) {
		g->deleted = true;
		pop3_good(m, "goes with QUIT");
	}
}

void
pop3_rset(struct pop3 *m)
{
	for (size_t i = 0; i < m->n; i++)
		m->msg[i].deleted = false;
	pop3_good(m, "%zu messages", m->n);
}

/* --- QUIT --- */

static int
keep_number(void *arg, struct span line)
{
	uint64_t	 v;

	if (str_u64(line.p, line.len, SIZE_MAX, &v) != 0)
		return CM_EPROTO;
	*(size_t *)arg = (size_t)v;
	return 0;
}

static int
lines_of_deleted(const struct pop3 *m, int fd)
{
	struct buf	 b;
	char		 id[ULID_LEN + 1];
	int		 rc;

	buf_init(&b, SIZE_MAX / 2);
	for (size_t i = 0; i < m->n; i++) {
		if (!m->msg[i].deleted)
			continue;
		ulid_text(&m->msg[i].id, id);
		buf_addf(&b, "%u %s\n", m->msg[i].uid, id);
	}
	rc = b.err ? b.err : b.len == 0 ? CM_EEND :
	    file_write(fd, b.p, b.len);
	if (rc == 0 && lseek(fd, 0, SEEK_SET) == -1)
		rc = CM_EIO;
	buf_free(&b);
	return rc;
}

int
pop3_update(struct pop3 *m, size_t *n)
{
	const char	*words[] = { "expunge-all", m->user, "INBOX", NULL };
	int		 fd, rc;

	*n = 0;
	if ((fd = memfd_create("deleted", MFD_CLOEXEC)) == -1)
		return log_errno(m->s->log, "deleted messages");
	if ((rc = lines_of_deleted(m, fd)) == 0)
		rc = catalog_call(m->w->catalog, words, fd, UPDATE_MS,
		    keep_number, n);
	close(fd);
	return rc == CM_EEND ? 0 : rc;
}
