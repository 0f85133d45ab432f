#include "cluster/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/time.h"

#define MAGIC		"clustermail-journal 1 "	/* and a number */
#define NAME		"catalog.journal"
#define LINE_MAX_LEN	(16u << 20)
#define NOTES_MAX	(64u << 20)
#define SIZE_MAX_KEPT	(256u << 20)	/* without a dump */
#define CRC_LEN		9		/* 8 digits and a tab */

struct journal {
	const struct log *log;
	char		 dir[FILE_PATH_MAX];
	char		 path[FILE_PATH_MAX];
	char		 old[FILE_PATH_MAX];	/* before the newest dump */
	pthread_mutex_t	 mu;		/* what follows */
	int		 fd;
	off_t		 size;
	uint64_t	 next;		/* number */
	uint64_t	 fork;
	uint32_t	 changes;
	bool		 warned;
	struct buf	 out;
};

/* --- lines --- */

void
journal_field(struct buf *b, struct span s)
{
	buf_addc(b, '\t');
	if (s.len == 0)
		buf_addc(b, '-');
	else
		str_pct(b, s.p, s.len, s.len == 1 && s.p[0] == '-' ? "-" :
		    "");
}

void
journal_text(struct buf *b, const char *s)
{
	journal_field(b, (struct span){ s, strlen(s) });
}

void
journal_number(struct buf *b, uint64_t v)
{
	buf_addc(b, '\t');
	buf_addu(b, v, 0);
}

void
journal_id(struct buf *b, uint64_t v)
{
	buf_addf(b, v != 0 ? "\t%016llx" : "\t-", (unsigned long long)v);
}

int
journal_take(struct span *rest, struct buf *b)
{
	struct span	 f;

	buf_reset(b);
	if (!str_field(rest, '\t', &f) || f.len == 0)
		return CM_EDATA;
	if (span_is(f, "-"))
		return buf_adds(b, "");
	return str_unpct(b, f.p, f.len);
}

int
journal_take_number(struct span *rest, uint64_t *v)
{
	struct span	 f;

	*v = 0;
	return str_field(rest, '\t', &f) ? str_u64(f.p, f.len, UINT64_MAX,
	    v) : CM_EDATA;
}

/* 16 digits, or "-" for none. */
int
journal_take_id(struct span *rest, uint64_t *id)
{
	struct span	 f;

	*id = 0;
	if (!str_field(rest, '\t', &f))
		return CM_EDATA;
	if (span_is(f, "-"))
		return 0;
	return f.len != 16 ? CM_EDATA : str_hex(f.p, f.len, id);
}

int
journal_parse(struct span l, struct journal_line *out)
{
	struct span	 f;
	uint64_t	 crc;

	memset(out, 0, sizeof(*out));
	if (l.len < CRC_LEN || !str_field(&l, '\t', &f) || f.len != 8 ||
	    str_hex(f.p, f.len, &crc) != 0 || l.p == NULL ||
	    crc != crc32c(0, l.p, l.len) ||
	    !str_field(&l, '\t', &f) ||
	    str_u64(f.p, f.len, UINT64_MAX, &out->number) != 0 ||
	    !str_field(&l, '\t', &f) ||
	    time_parse_iso(f.p, f.len, &out->time_ms) != 0 ||
	    journal_take_id(&l, &out->fork) != 0 || l.p == NULL)
		return CM_EDATA;
	out->note = l;
	if (journal_take_id(&l, &out->origin) != 0 ||
	    !str_field(&l, '\t', &out->kind) || out->kind.len == 0)
		return CM_EDATA;
	out->fields = l.p != NULL ? l : (struct span){ "", 0 };
	return 0;
}

int
journal_write(struct buf *b, const struct journal_line *l)
{
	char	 iso[TIME_ISO_SIZE], crc[CRC_LEN + 1];
	size_t	 at = b->len;

	time_iso(iso, l->time_ms);
	buf_adds(b, "00000000\t");
	buf_addf(b, "%llu\t%s\t", (unsigned long long)l->number, iso);
	if (l->fork != 0)
		buf_addf(b, "%016llx\t", (unsigned long long)l->fork);
	else
		buf_adds(b, "-\t");
	if (buf_add(b, l->note.p, l->note.len) != 0)
		return b->err;
	snprintf(crc, sizeof(crc), "%08x\t", crc32c(0, b->p + at + CRC_LEN,
	    b->len - at - CRC_LEN));
	memcpy(b->p + at, crc, CRC_LEN);
	return buf_addc(b, '\n');
}

bool
journal_is_change(struct span kind)
{
	static const char *const not[] = { "uids", "batch", "done", "alone",
	    "dump", "floor", "load", "merge", "skip" };

	for (size_t i = 0; i < sizeof(not) / sizeof(not[0]); i++)
		if (span_is(kind, not[i]))
			return false;
	return true;
}

/* --- writing --- */

/* One line from a note; mu is held. */
static void
add_line(struct journal *j, struct span note)
{
	struct journal_line l = { .number = j->next, .fork = j->fork,
				.time_ms = time_now_ms(), .note = note };

	if (journal_write(&j->out, &l) == 0)
		j->next++;
}

/* What has gathered in out; mu is held. */
static int
write_out(struct journal *j, bool sync)
{
	int	 rc = j->out.err;

	if (rc == 0 && file_pwrite(j->fd, j->out.p, j->out.len,
	    j->size) != 0)
		rc = log_errno(j->log, "%s", j->path);
	if (rc == 0 && sync && fdatasync(j->fd) == -1)
		rc = log_errno(j->log, "%s", j->path);
	if (rc == 0)
		j->size += (off_t)j->out.len;
	else if (ftruncate(j->fd, j->size) == -1)
		log_warn(j->log, "%s: the end is not cut", j->path);
	buf_reset(&j->out);
	return rc;
}

int
journal_append(struct journal *j, const struct buf *notes)
{
	struct span	 rest = { notes->p, notes->len }, l, kind;
	uint64_t	 was, origin;
	uint32_t	 n = 0;
	int		 rc;

	if (notes->err != 0 || notes->len == 0)
		return notes->err;
	pthread_mutex_lock(&j->mu);
	was = j->next;
	while (rest.len > 0 && str_field(&rest, '\n', &l))
		if (l.len > 0) {
			add_line(j, l);
			n += journal_take_id(&l, &origin) == 0 &&
			    str_field(&l, '\t', &kind) &&
			    journal_is_change(kind);
		}
	if ((rc = write_out(j, n > 0 || j->fork != 0)) != 0)
		j->next = was;
	else if (j->fork != 0)
		j->changes += n;
	pthread_mutex_unlock(&j->mu);
	return rc;
}

/* A line of our own; mu is held. */
static int
mark(struct journal *j, const char *kind, bool sync)
{
	char	 note[64];
	uint64_t was = j->next;
	int	 rc;

	if ((rc = str_fmt(note, sizeof(note), "-\t%s", kind)) != 0)
		return rc;
	add_line(j, (struct span){ note, strlen(note) });
	if ((rc = write_out(j, sync)) != 0)
		j->next = was;
	return rc;
}

static int	start_file(struct journal *);

/* The present file becomes the one before; mu is held. */
static int
rotate(struct journal *j)
{
	int	 rc;

	if (fdatasync(j->fd) == -1 || rename(j->path, j->old) == -1)
		return log_errno(j->log, "%s", j->path);
	close(j->fd);
	j->fd = -1;
	if ((rc = start_file(j)) != 0)
		return rc;
	return file_sync_dir(j->log, j->dir);
}

int
journal_loaded(struct journal *j, uint64_t now, uint64_t was, uint64_t batch)
{
	struct buf	 b;
	uint64_t	 before;
	int		 rc;

	buf_init(&b, 256);
	buf_adds(&b, "-\tload");
	journal_id(&b, now);
	journal_id(&b, was);
	journal_number(&b, batch);
	pthread_mutex_lock(&j->mu);
	before = j->next;
	add_line(j, (struct span){ b.p, b.len });
	if ((rc = write_out(j, true)) != 0)
		j->next = before;
	pthread_mutex_unlock(&j->mu);
	buf_free(&b);
	return rc;
}

void
journal_done(struct journal *j)
{
	pthread_mutex_lock(&j->mu);
	if (mark(j, "done", false) != 0)
		log_warn(j->log, "%s: not said that it is done", j->path);
	if (j->size > SIZE_MAX_KEPT && j->fork == 0) {
		log_warn(j->log, "%s: %u MiB without a cm-catalog dump: what "
		    "is older goes", j->path, SIZE_MAX_KEPT >> 20);
		if (rotate(j) != 0)
			log_warn(j->log, "%s stays", j->path);
	}
	pthread_mutex_unlock(&j->mu);
}

void
journal_dumped(struct journal *j)
{
	int	 rc;

	pthread_mutex_lock(&j->mu);
	if ((rc = mark(j, "dump", true)) == 0 && j->fork == 0)
		rc = rotate(j);
	if (rc != 0)
		log_warn(j->log, "%s: stays as it is", j->path);
	pthread_mutex_unlock(&j->mu);
}

/* --- reading --- */

static int
walk_file(struct journal *j, const char *path, journal_fn fn, void *arg)
{
	struct journal_line	 jl;
	struct stream		 s;
	struct span		 l;
	bool			 first = true;
	int			 fd, rc;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return errno == ENOENT ? 0 : log_errno(j->log, "%s", path);
	stream_init(&s, fd, LINE_MAX_LEN, -1);
	while ((rc = stream_line(&s, &l)) == 0) {
		if (first) {
			first = false;
			continue;
		}
		if (journal_parse(l, &jl) != 0)
			log_warn(j->log, "%s: a line is damaged, and passed "
			    "over", path);
		else if ((rc = fn(arg, &jl)) != 0)
			break;
	}
	stream_close(&s);
	return rc == CM_EEND || rc == CM_EDATA ? 0 : rc;
}

/* mu is held. */
static int
walk(struct journal *j, journal_fn fn, void *arg)
{
	int	 rc;

	if ((rc = walk_file(j, j->old, fn, arg)) != 0)
		return rc;
	return walk_file(j, j->path, fn, arg);
}

int
journal_walk(struct journal *j, journal_fn fn, void *arg)
{
	int	 rc;

	pthread_mutex_lock(&j->mu);
	rc = walk(j, fn, arg);
	pthread_mutex_unlock(&j->mu);
	return rc;
}

static int
copy_file(struct journal *j, const char *path, int to)
{
	char	 b[65536];
	ssize_t	 n;
	int	 fd, rc = 0;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return errno == ENOENT ? 0 : log_errno(j->log, "%s", path);
	while (rc == 0 && (n = read(fd, b, sizeof(b))) != 0)
		rc = n < 0 ? log_errno(j->log, "%s", path) :
		    file_write(to, b, (size_t)n);
	close(fd);
	return rc;
}

int
journal_copy(struct journal *j, int fd)
{
	int	 rc;

	pthread_mutex_lock(&j->mu);
	if ((rc = copy_file(j, j->old, fd)) == 0)
		rc = copy_file(j, j->path, fd);
	pthread_mutex_unlock(&j->mu);
	return rc;
}

/* Where a part begins: behind the last "done" before its first line. */
struct begin {
	uint64_t	 fork, from;
};

static int
find_begin(void *arg, const struct journal_line *l)
{
	struct begin	*b = arg;

	if (l->fork == b->fork)
		return 1;
	if (span_is(l->kind, "done"))
		b->from = l->number + 1;
	return 0;
}

struct part {
	struct begin	 begin;
	bool		 begun;
	journal_fn	 fn;
	void		*arg;
};

static int
part_line(void *arg, const struct journal_line *l)
{
	struct part	*p = arg;

	if (l->fork == p->begin.fork)
		p->begun = true;
	else if (p->begun || l->fork != 0 || l->number < p->begin.from)
		return 0;
	return p->fn(p->arg, l);
}

int
journal_walk_part(struct journal *j, uint64_t fork, journal_fn fn, void *arg)
{
	struct part	 p = { .begin = { fork, 0 }, .fn = fn, .arg = arg };
	int		 rc;

	pthread_mutex_lock(&j->mu);
	if ((rc = walk(j, find_begin, &p.begin)) == 1)
		rc = walk(j, part_line, &p);
	pthread_mutex_unlock(&j->mu);
	return rc;
}

static int
since_line(void *arg, const struct journal_line *l)
{
	struct part	*p = arg;

	return l->number < p->begin.from ? 0 : p->fn(p->arg, l);
}

int
journal_walk_since(struct journal *j, uint64_t fork, journal_fn fn, void *arg)
{
	struct part	 p = { .begin = { fork, 0 }, .fn = fn, .arg = arg };
	int		 rc;

	pthread_mutex_lock(&j->mu);
	if ((rc = walk(j, find_begin, &p.begin)) == 0)
		rc = CM_ENOINPUT;
	else if (rc == 1)
		rc = walk(j, since_line, &p);
	pthread_mutex_unlock(&j->mu);
	return rc;
}

/* --- opening --- */

struct count {
	uint64_t	 fork;
	uint32_t	 n;
	bool		 any;
};

static int
count_line(void *arg, const struct journal_line *l)
{
	struct count	*c = arg;

	if (l->fork == c->fork) {
		c->any = true;
		c->n += journal_is_change(l->kind);
	}
	return 0;
}

int
journal_alone(struct journal *j, uint64_t fork)
{
	struct count	 c = { .fork = fork };
	uint64_t	 was;
	int		 rc = 0;

	pthread_mutex_lock(&j->mu);
	was = j->fork;
	if (fork != was && fork != 0)
		rc = walk(j, count_line, &c);
	if (rc == 0 && fork != was) {
		j->fork = fork;
		j->changes = c.n;
		if (fork != 0 && !c.any && (rc = mark(j, "alone", true)) != 0)
			j->fork = was;
	}
	pthread_mutex_unlock(&j->mu);
	return rc;
}

uint32_t
journal_changes(struct journal *j)
{
	uint32_t	 n;

	pthread_mutex_lock(&j->mu);
	n = j->changes;
	pthread_mutex_unlock(&j->mu);
	return n;
}

/* A file that has nothing but its first line. */
static int
start_file(struct journal *j)
{
	char	 first[64];
	int	 rc;

	if ((rc = str_fmt(first, sizeof(first), MAGIC "%llu\n",
	    (unsigned long long)j->next)) != 0 || (rc = file_commit(j->log,
	    j->path, first, strlen(first), 0600)) != 0)
		return rc;
	if ((j->fd = open(j->path, O_RDWR | O_CLOEXEC)) == -1)
		return log_errno(j->log, "%s", j->path);
	j->size = (off_t)strlen(first);
	return 0;
}

/* "clustermail-journal 1 NUMBER" */
static int
first_line(struct journal *j, struct span l)
{
	size_t	 n = sizeof(MAGIC) - 1;

	if (l.len <= n || memcmp(l.p, MAGIC, n) != 0 ||
	    str_u64(l.p + n, l.len - n, UINT64_MAX, &j->next) != 0)
		return log_fail(j->log, CM_ECORRUPT, "%s: not a journal",
		    j->path);
	return 0;
}

/* The next number, and where the last whole line ends. */
static int
read_end(struct journal *j)
{
	struct journal_line	 jl;
	struct stream		 s;
	struct span		 l;
	struct stat		 st;
	off_t			 at = 0;
	int			 fd, rc;

	if (fstat(j->fd, &st) == -1 || (fd = dup(j->fd)) == -1)
		return log_errno(j->log, "%s", j->path);
	stream_init(&s, fd, LINE_MAX_LEN, -1);
	if ((rc = stream_line(&s, &l)) == 0 &&
	    (rc = first_line(j, l)) == 0)
		j->size = at = (off_t)l.len + 1;
	while (rc == 0 && (rc = stream_line(&s, &l)) == 0) {
		at += (off_t)l.len + 1;
		if (journal_parse(l, &jl) == 0) {
			j->next = jl.number + 1;
			j->size = at;
		}
	}
	stream_close(&s);
	if (j->size == 0)
		return rc != CM_EEND && rc != CM_EDATA ? rc :
		    log_fail(j->log, CM_ECORRUPT, "%s: not a journal",
		    j->path);
	if (j->size == st.st_size)
		return 0;
	log_warn(j->log, "%s: %lld bytes at its end are no line, and cut off",
	    j->path, (long long)(st.st_size - j->size));
	return ftruncate(j->fd, j->size) == -1 ?
	    log_errno(j->log, "%s", j->path) : 0;
}

int
journal_open(const struct log *log, const char *state, struct journal **out)
{
	struct journal	*j;
	int		 rc;

	*out = NULL;
	if ((j = calloc(1, sizeof(*j))) == NULL)
		return log_fail(log, CM_ENOMEM, "journal");
	j->log = log;
	j->fd = -1;
	j->next = 1;
	pthread_mutex_init(&j->mu, NULL);
	buf_init(&j->out, 2 * (size_t)NOTES_MAX);
	if ((rc = str_copy(j->dir, sizeof(j->dir), state)) != 0 ||
	    (rc = str_fmt(j->path, sizeof(j->path), "%s/" NAME, state)) != 0 ||
	    (rc = str_fmt(j->old, sizeof(j->old), "%s.1", j->path)) != 0)
		goto out;
	/* killed between the two steps of putting it there */
	if (!file_exists(j->path) && file_exists(j->old) &&
	    rename(j->old, j->path) == -1)
		rc = log_errno(log, "%s", j->old);
	else if (!file_exists(j->path))
		rc = start_file(j);
	else if ((j->fd = open(j->path, O_RDWR | O_CLOEXEC)) == -1)
		rc = log_errno(log, "%s", j->path);
	else
		rc = read_end(j);
out:
	if (rc != 0) {
		journal_close(j);
		return rc;
	}
	*out = j;
	return 0;
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->fd != -1)
		close(j->fd);
	buf_free(&j->out);
	free(j);
}
