#include "cluster/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "cluster/rows.h"
#include "format/receipt.h"

#define BATCH		4096	/* files that wait for one syncfs */
#define CHUNK		(256u * 1024)
#define NAME_SIZE	160
#define SET_MIN		64

/* Ids as an open hash; an id of zeros is an empty slot. */
struct id_set {
	struct ulid	*slot;
	size_t		 size;		/* a power of 2, or 0 */
	size_t		 n;
};

struct folder {
	struct folder	*next;
	char		 name[FOLDER_MAX + 1];
	char		 path[FILE_PATH_MAX - NAME_SIZE];
	struct id_set	 ids;
};

/* A whole file in tmp/. */
struct pending {
	const struct folder *folder;
	char		 name[NAME_SIZE];
	char		 flags[8];	/* letters */
};

struct maildir {
	const struct log *log;
	const char	*node;
	const char	*dir;
	int		 fd;		/* of dir, for syncfs */
	struct folder	*folders;	/* the one used last is first */
	struct pending	*pending;
	size_t		 npending;
	struct buf	 text;
	struct buf	 keywords;
};

/* The slot that has the id, or the one where it belongs. */
static struct ulid *
set_slot(const struct id_set *s, const struct ulid *id)
{
	static const struct ulid none;
	uint64_t	 h;

	memcpy(&h, id->b + 8, sizeof(h));	/* random bits */
	for (h &= s->size - 1;; h = (h + 1) & (s->size - 1))
		if (memcmp(&s->slot[h], &none, sizeof(none)) == 0 ||
		    memcmp(&s->slot[h], id, sizeof(*id)) == 0)
			return &s->slot[h];
}

static int
set_grow(struct id_set *s)
{
	struct id_set	 big = { .size = s->size ? s->size * 2 : SET_MIN };

	if ((big.slot = calloc(big.size, sizeof(*big.slot))) == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < s->size; i++)
		*set_slot(&big, &s->slot[i]) = s->slot[i];
	big.n = s->n;
	free(s->slot);
	*s = big;
	return 0;
}

static int
set_add(struct id_set *s, const struct ulid *id, bool *was)
{
	struct ulid	*slot;
	int		 rc;

	if (s->n >= s->size / 2 && (rc = set_grow(s)) != 0)
		return rc;
	slot = set_slot(s, id);
	*was = memcmp(slot, id, sizeof(*id)) == 0;
	if (!*was) {
		*slot = *id;
		s->n++;
	}
	return 0;
}

/* The id in SECONDS.ULID.NODE: only names as we give them have one. */
static bool
name_id(const char *name, struct ulid *id)
{
	const char	*dot = strchr(name, '.');

	return dot != NULL && strlen(dot) > 1 + ULID_LEN &&
	    dot[1 + ULID_LEN] == '.' &&
	    ulid_parse(dot + 1, ULID_LEN, id) == 0;
}

/* Takes note of what is in a folder's new/ or cur/. */
static int
scan(const struct maildir *m, struct folder *f, const char *sub)
{
	char		 path[FILE_PATH_MAX];
	struct dirent	*e;
	struct ulid	 id;
	bool		 was;
	DIR		*d;
	int		 rc = 0;

	if (str_fmt(path, sizeof(path), "%s/%s", f->path, sub) != 0)
		return log_fail(m->log, CM_ETOOBIG, "%s/%s", f->path, sub);
	if ((d = opendir(path)) == NULL)
		return log_errno(m->log, "%s", path);
	while (rc == 0 && (errno = 0, e = readdir(d)) != NULL)
		if (name_id(e->d_name, &id))
			rc = set_add(&f->ids, &id, &was);
	if (rc != 0)
		log_fail(m->log, rc, "%s", path);
	else if (errno != 0)
		rc = log_errno(m->log, "%s", path);
	closedir(d);
	return rc;
}

static int
make_dirs(const struct maildir *m, const struct folder *f)
{
	static const char *const subs[] = { "tmp", "new", "cur" };
	char	 path[FILE_PATH_MAX];
	int	 rc, fd;

	for (size_t i = 0; i < 3; i++) {
		if (str_fmt(path, sizeof(path), "%s/%s", f->path,
		    subs[i]) != 0)
			return log_fail(m->log, CM_ETOOBIG, "%s", f->path);
		if ((rc = file_mkdirs(m->log, path, 0700)) != 0)
			return rc;
	}
	if (strcmp(f->path, m->dir) == 0)
		return 0;
	/* Maildir++: what delivers here finds the Maildir above by it */
	if (str_fmt(path, sizeof(path), "%s/maildirfolder", f->path) != 0)
		return log_fail(m->log, CM_ETOOBIG, "%s", f->path);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) == -1)
		return log_errno(m->log, "%s", path);
	close(fd);
	return 0;
}

/* DIR itself for INBOX, DIR/.A.B for A/B; a dot in a name becomes _. */
static int
folder_path(const struct maildir *m, struct folder *f)
{
	char	 sub[FOLDER_MAX + 1];
	size_t	 n = strlen(f->name);

	if (strcmp(f->name, "INBOX") == 0)
		return str_copy(f->path, sizeof(f->path), m->dir);
	for (size_t i = 0; i <= n; i++)
		sub[i] = f->name[i] == '/' ? '.' :
		    f->name[i] == '.' ? '_' : f->name[i];
	return str_fmt(f->path, sizeof(f->path), "%s/.%s", m->dir, sub);
}

static void
folder_free(struct folder *f)
{
	if (f == NULL)
		return;
	free(f->ids.slot);
	free(f);
}

static int
folder_open(struct maildir *m, const char *name, struct folder **out)
{
	struct folder	*f;
	char		 good[FOLDER_MAX + 1];
	int		 rc;

	*out = NULL;
	/* a name from outside becomes a path: it must be a clean one */
	if (folder_name(name, strlen(name), good) != 0)
		return log_fail(m->log, CM_EDATA, "folder %s", name);
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return log_fail(m->log, CM_ENOMEM, "folder %s", name);
	memcpy(f->name, good, sizeof(f->name));
	if (folder_path(m, f) != 0)
		rc = log_fail(m->log, CM_ETOOBIG, "%s: folder %s", m->dir,
		    name);
	else if ((rc = make_dirs(m, f)) == 0 &&
	    (rc = scan(m, f, "new")) == 0)
		rc = scan(m, f, "cur");
	if (rc != 0) {
		folder_free(f);
		return rc;
	}
	f->next = m->folders;
	m->folders = f;
	*out = f;
	return 0;
}

/* Messages come folder by folder: the one that was used last is first. */
static int
folder_get(struct maildir *m, const char *name, struct folder **out)
{
	struct folder	*f, **at;

	for (at = &m->folders; (f = *at) != NULL; at = &f->next) {
		if (strcmp(f->name, name) != 0)
			continue;
		*at = f->next;
		f->next = m->folders;
		m->folders = f;
		*out = f;
		return 0;
	}
	return folder_open(m, name, out);
}

int
maildir_open(const struct log *log, const char *dir, const char *node,
    struct maildir **out)
{
	struct maildir	*m;
	struct folder	*f;
	int		 rc;

	*out = NULL;
	if ((m = calloc(1, sizeof(*m))) == NULL ||
	    (m->pending = calloc(BATCH, sizeof(*m->pending))) == NULL) {
		free(m);
		return log_fail(log, CM_ENOMEM, "%s", dir);
	}
	m->log = log;
	m->dir = dir;
	m->node = node;
	m->fd = -1;
	buf_init(&m->text, (size_t)1 << 31);
	buf_init(&m->keywords, ROW_MAX);
	if ((rc = folder_open(m, "INBOX", &f)) == 0) {
		m->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (m->fd == -1)
			rc = log_errno(log, "%s", dir);
	}
	if (rc != 0)
		maildir_close(m);
	else
		*out = m;
	return rc;
}

static int
tmp_path(const struct pending *p, char out[FILE_PATH_MAX])
{
	return str_fmt(out, FILE_PATH_MAX, "%s/tmp/%s.%ld", p->folder->path,
	    p->name, (long)getpid());
}

void
maildir_close(struct maildir *m)
{
	char		 path[FILE_PATH_MAX];
	struct folder	*f;

	if (m == NULL)
		return;
	for (size_t i = 0; i < m->npending; i++)
		if (tmp_path(&m->pending[i], path) == 0)
			unlink(path);
	while ((f = m->folders) != NULL) {
		m->folders = f->next;
		folder_free(f);
	}
	if (m->fd != -1)
		close(m->fd);
	buf_free(&m->text);
	buf_free(&m->keywords);
	free(m->pending);
	free(m);
}

/* The message with LF line ends; a CR that ends no line stays. */
static int
write_text(struct maildir *m, int fd, struct span msg)
{
	const char	*nl;
	size_t		 n;
	int		 rc = 0;

	buf_reset(&m->text);
	while (rc == 0 && msg.len > 0) {
		nl = memchr(msg.p, '\n', msg.len);
		n = nl != NULL ? (size_t)(nl - msg.p) + 1 : msg.len;
		if (nl != NULL && n > 1 && nl[-1] == '\r') {
			buf_add(&m->text, msg.p, n - 2);
			rc = buf_addc(&m->text, '\n');
		} else {
			rc = buf_add(&m->text, msg.p, n);
		}
		msg.p += n;
		msg.len -= n;
		if (rc == 0 && m->text.len >= CHUNK) {
			rc = file_write(fd, m->text.p, m->text.len);
			buf_reset(&m->text);
		}
	}
	return rc == 0 ? file_write(fd, m->text.p, m->text.len) : rc;
}

static int
write_tmp(struct maildir *m, const char *path, const struct maildir_msg *msg)
{
	struct timespec	 ts[2];
	int		 fd, rc;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1)
		return log_errno(m->log, "%s", path);
	rc = write_text(m, fd, msg->msg);
	ts[0].tv_sec = msg->time_ms / 1000;
	ts[0].tv_nsec = msg->time_ms >= 0 ? msg->time_ms % 1000 * 1000000 : 0;
	ts[1] = ts[0];
	if (rc == 0 && futimens(fd, ts) == -1)
		rc = cm_errno(errno);
	if (close(fd) == -1 && rc == 0)
		rc = cm_errno(errno);
	if (rc != 0) {
		unlink(path);
		log_fail(m->log, rc, "%s: write", path);
	}
	return rc;
}

/* The letters of the flags, sorted as Maildir wants them. */
static int
letters(struct maildir *m, struct span flags, char out[8])
{
	static const struct {
		uint32_t	 bit;
		char		 letter;
	} map[] = {
		{ FLAG_DRAFT, 'D' }, { FLAG_FLAGGED, 'F' },
		{ FLAG_ANSWERED, 'R' }, { FLAG_SEEN, 'S' },
		{ FLAG_DELETED, 'T' },
	};
	uint32_t	 bits = 0;
	size_t		 n = 0;
	int		 rc = 0;

	buf_reset(&m->keywords);
	if (flags.len > 0)
		rc = flags_parse(flags.p, flags.len, &bits, &m->keywords);
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (bits & map[i].bit)
			out[n++] = map[i].letter;
	out[n] = '\0';
	return rc;
}

int
maildir_add(struct maildir *m, const struct maildir_msg *msg)
{
	struct pending	*p = &m->pending[m->npending];
	struct folder	*f;
	char		 path[FILE_PATH_MAX], id[ULID_LEN + 1];
	bool		 was;
	int		 rc;

	if ((rc = folder_get(m, msg->folder, &f)) != 0)
		return rc;
	ulid_text(&msg->id, id);
	p->folder = f;
	if (letters(m, msg->flags, p->flags) != 0 ||
	    str_fmt(p->name, sizeof(p->name), "%lld.%s.%.63s",
	    (long long)msg->time_ms / 1000, id, m->node) != 0 ||
	    tmp_path(p, path) != 0)
		return log_fail(m->log, CM_EDATA, "%s: name of %s", f->path,
		    id);
	if ((rc = set_add(&f->ids, &msg->id, &was)) != 0)
		return log_fail(m->log, rc, "%s", f->path);
	if (was)
		return 0;
	if ((rc = write_tmp(m, path, msg)) != 0)
		return rc;
	return ++m->npending == BATCH ? maildir_commit(m) : 0;
}

static int
put_in_place(struct maildir *m, const struct pending *p)
{
	char	 from[FILE_PATH_MAX], to[FILE_PATH_MAX];
	int	 rc;

	if (tmp_path(p, from) != 0)
		return log_fail(m->log, CM_ETOOBIG, "%s", p->name);
	if (p->flags[0] != '\0')
		rc = str_fmt(to, sizeof(to), "%s/cur/%s:2,%s",
		    p->folder->path, p->name, p->flags);
	else
		rc = str_fmt(to, sizeof(to), "%s/new/%s", p->folder->path,
		    p->name);
	if (rc != 0)
		return log_fail(m->log, rc, "%s", p->name);
	return rename(from, to) == -1 ? log_errno(m->log, "%s", to) : 0;
}

static int
sync_all(struct maildir *m)
{
	return syncfs(m->fd) == -1 ? log_errno(m->log, "%s: syncfs",
	    m->dir) : 0;
}

int
maildir_commit(struct maildir *m)
{
	int	 rc;

	if (m->npending == 0)
		return 0;
	if ((rc = sync_all(m)) != 0)
		return rc;
	for (size_t i = 0; i < m->npending; i++)
		if ((rc = put_in_place(m, &m->pending[i])) != 0)
			return rc;
	m->npending = 0;
	return sync_all(m);
}
