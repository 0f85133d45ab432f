#include "cluster/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/str.h"

#define META_MAGIC	"clustermail-volume 1"
#define SCAN_BUFFER	(1024 * 1024)
#define BRIEF_BUFFER	4096
#define SECTOR		4096u
#define BAD_MAX		256		/* sectors of one scan */

void
seg_name(char out[SEG_NAME_SIZE], uint32_t segment)
{
	snprintf(out, SEG_NAME_SIZE, "%08u.seg", segment % 100000000u);
}

int
seg_role_write(struct buf *b, const struct seg_meta *m)
{
	if (m->role == SEG_HOME)
		return buf_addf(b, "home %s", m->node);
	return m->role == SEG_COPY ? buf_adds(b, "copy") : 0;
}

int
seg_role_parse(struct seg_meta *m, struct span s)
{
	struct span	 word;

	if (span_is(s, "copy")) {
		m->role = SEG_COPY;
		return 0;
	}
	if (!str_field(&s, ' ', &word) || !span_is(word, "home") ||
	    s.p == NULL || s.len == 0)
		return CM_ECORRUPT;
	m->role = SEG_HOME;
	return str_ncopy(m->node, sizeof(m->node), s.p, s.len);
}

bool
seg_is_home(const char *dir, const struct seg_meta *m)
{
	char	 path[FILE_PATH_MAX];

	if (m->role != SEG_UNSAID)
		return m->role == SEG_HOME;
	return str_fmt(path, sizeof(path), "%s/control", dir) == 0 &&
	    file_exists(path);
}

int
seg_meta_write(const struct log *log, const char *dir,
    const struct seg_meta *m)
{
	char		 path[FILE_PATH_MAX];
	struct buf	 b;
	int		 rc;

	if (m->name[0] == '\0' || m->epoch == 0 ||
	    (m->role == SEG_HOME && m->node[0] == '\0'))
		return log_fail(log, CM_ESOFT, "%s/volume", dir);
	/* whoever made the folder may have died before its name was on disk */
	file_sync_parents(dir);
	if (str_fmt(path, sizeof(path), "%s/volume", dir) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", dir);
	buf_init(&b, 4096);
	buf_addf(&b, META_MAGIC "\nname %s\nsalt %08x\nepoch %u\n", m->name,
	    m->salt, m->epoch);
	if (m->role != SEG_UNSAID) {
		buf_adds(&b, "role ");
		if (seg_role_write(&b, m) == 0)
			buf_addc(&b, '\n');
	}
	rc = b.err != 0 ? log_fail(log, b.err, "%s", path) :
	    file_commit(log, path, b.p, b.len, 0600);
	buf_free(&b);
	return rc;
}

static int
meta_line(struct span l, struct seg_meta *m)
{
	struct span	 key;
	uint64_t	 v;

	if (!str_field(&l, ' ', &key) || l.p == NULL)
		return l.p == NULL && key.len == 0 ? 0 : CM_ECORRUPT;
	if (span_is(key, "name")) {
		return str_ncopy(m->name, sizeof(m->name), l.p, l.len);
	} else if (span_is(key, "salt")) {
		if (l.len != 8 || str_hex(l.p, l.len, &v) != 0)
			return CM_ECORRUPT;
		m->salt = (uint32_t)v;
	} else if (span_is(key, "epoch")) {
		if (str_u64(l.p, l.len, UINT32_MAX, &v) != 0 || v == 0)
			return CM_ECORRUPT;
		m->epoch = (uint32_t)v;
	} else if (span_is(key, "role")) {
		return seg_role_parse(m, l);
	}
	return 0;
}

int
seg_meta_read(const struct log *log, const char *dir, struct seg_meta *m)
{
	char		 path[FILE_PATH_MAX];
	struct buf	 b;
	struct span	 rest, l;
	int		 rc = 0;

	memset(m, 0, sizeof(*m));
	if (str_fmt(path, sizeof(path), "%s/volume", dir) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", dir);
	if (!file_exists(path))
		return errno == ENOENT || errno == ENOTDIR ? CM_ENOINPUT :
		    log_errno(log, "%s", path);
	buf_init(&b, 4096);
	if ((rc = file_read(log, path, &b)) != 0)
		goto out;
	rest = (struct span){ b.p, b.len };
	if (!str_field(&rest, '\n', &l) || !span_is(l, META_MAGIC))
		rc = CM_ECORRUPT;
	while (rc == 0 && str_field(&rest, '\n', &l))
		rc = meta_line(l, m);
	if (rc == 0 && (m->name[0] == '\0' || m->epoch == 0))
		rc = CM_ECORRUPT;
	if (rc != 0)
		log_fail(log, rc, "%s", path);
out:
	buf_free(&b);
	return rc;
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int
seg_list(const struct log *log, const char *dir, uint32_t **list, size_t *n)
{
	struct dirent	*d;
	uint32_t	*p = NULL, *q;
	uint64_t	 v;
	size_t		 cap = 0;
	DIR		*dh;
	int		 rc = 0;

	*list = NULL;
	*n = 0;
	if ((dh = opendir(dir)) == NULL)
		return errno == ENOENT ? CM_ENOINPUT :
		    log_errno(log, "%s", dir);
	while ((d = readdir(dh)) != NULL) {
		if (strlen(d->d_name) != SEG_NAME_SIZE - 1 ||
		    strcmp(d->d_name + 8, ".seg") != 0 ||
		    str_u64(d->d_name, 8, PLACE_SEGMENT_MAX, &v) != 0 ||
		    v == 0)
			continue;
		if (*n == cap) {
			cap = cap ? cap * 2 : 64;
			if ((q = realloc(p, cap * sizeof(*p))) == NULL) {
				rc = CM_ENOMEM;
				break;
			}
			p = q;
		}
		p[(*n)++] = (uint32_t)v;
	}
	closedir(dh);
	if (rc != 0) {
		free(p);
		*n = 0;
		return log_fail(log, rc, "%s", dir);
	}
	if (*n > 0)
		qsort(p, *n, sizeof(*p), by_number);
	*list = p;
	return 0;
}

int
seg_open(const struct log *log, const char *dir, uint32_t segment, int flags,
    int *fd)
{
	char	 path[FILE_PATH_MAX], name[SEG_NAME_SIZE];

	seg_name(name, segment);
	if (str_fmt(path, sizeof(path), "%s/%s", dir, name) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", dir);
	if ((*fd = open(path, flags | O_CLOEXEC, 0600)) == -1) {
		if (errno == ENOENT)
			return CM_ENOINPUT;
		return log_errno(log, "%s", path);
	}
	return 0;
}

int
seg_size(const struct log *log, const char *dir, uint32_t segment,
    uint32_t *size)
{
	char		 path[FILE_PATH_MAX], name[SEG_NAME_SIZE];
	struct stat	 st;

	seg_name(name, segment);
	if (str_fmt(path, sizeof(path), "%s/%s", dir, name) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", dir);
	if (stat(path, &st) == -1) {
		if (errno == ENOENT)
			return CM_ENOINPUT;
		return log_errno(log, "%s", path);
	}
	if (st.st_size > UINT32_MAX)
		return log_fail(log, CM_ECORRUPT, "%s: over 4 GiB", path);
	*size = (uint32_t)st.st_size;
	return 0;
}

/* A window onto the file that moves forward only. */
struct window {
	const struct seg_scan	*s;
	char			*p;
	uint32_t		 at;	/* offset of p[0] */
	uint32_t		 len;
	size_t			 cap;
	unsigned		 bad;	/* sectors that could not be read */
};

/*
 * Bad sectors read as zeros: damaged by their checksum.  Too many of them are
 * a disk that is gone, and no damage to be passed over.
 */
static int
read_around(struct window *w, uint32_t n, uint32_t at)
{
	uint32_t	 len;
	ssize_t		 r;

	for (uint32_t done = 0; done < n; done += len) {
		len = SECTOR - (at + done) % SECTOR;
		if (len > n - done)
			len = n - done;
		r = pread(w->s->fd, w->p + done, len, at + done);
		if (r == (ssize_t)len)
			continue;
		if (r >= 0)
			return CM_EEND;
		if (errno != EIO || ++w->bad > BAD_MAX)
			return CM_EIO;
		memset(w->p + done, 0, len);
	}
	return 0;
}

/* Makes [at, at + n) visible, as far as the segment goes. */
static int
window_get(struct window *w, uint32_t at, uint32_t n, const char **p,
    uint32_t *have)
{
	uint32_t	 want;
	char		*q;
	int		 rc;

	if (n > w->s->to - at)
		n = w->s->to - at;
	if (at < w->at || at + n > w->at + w->len) {
		want = w->s->brief ? BRIEF_BUFFER : SCAN_BUFFER;
		if (want < n)
			want = n;
		if (want > w->s->to - at)
			want = w->s->to - at;
		if (want > w->cap) {
			if ((q = realloc(w->p, want)) == NULL)
				return CM_ENOMEM;
			w->p = q;
			w->cap = want;
		}
		w->len = 0;
		if ((rc = file_pread(w->s->fd, w->p, want, at)) == CM_EIO)
			rc = read_around(w, want, at);
		if (rc != 0)
			return rc;
		w->at = at;
		w->len = want;
	}
	*p = w->p + (at - w->at);
	*have = n;
	return 0;
}

/* The checksum of the message at [at, at + n), a buffer at a time. */
static int
message_crc(struct window *w, uint32_t at, uint32_t n, uint32_t *crc)
{
	const char	*p;
	uint32_t	 have;
	int		 rc;

	*crc = 0;
	while (n > 0) {
		if ((rc = window_get(w, at, n > SCAN_BUFFER ? SCAN_BUFFER : n,
		    &p, &have)) != 0)
			return rc;
		*crc = crc32c(*crc, p, have);
		at += have;
		n -= have;
	}
	return 0;
}

/*
 * Looks at the record at at.  The envelope's bytes stay in env, since the
 * window moves on over a large message.
 */
static int
look(struct window *w, uint32_t at, struct buf *env, struct seg_item *it)
{
	const struct seg_scan	*s = w->s;
	struct record_spot	 spot = { s->salt, s->segment, at };
	const char		*p;
	uint32_t		 have, crc;
	uint64_t		 len;
	int			 rc;

	memset(it, 0, sizeof(*it));
	it->what = SEG_TAIL;
	it->offset = at;
	it->length = s->to - at;
	if ((rc = window_get(w, at, RECORD_HEAD, &p, &have)) != 0)
		return rc;
	if (have < RECORD_HEAD || record_head_parse(p, &spot, &it->head) != 0)
		return 0;
	len = record_len(&it->head);
	if (len > s->to - at)
		return 0;
	it->length = (uint32_t)len;
	if (s->brief && it->head.msg_len > 0) {
		it->what = SEG_UNREAD;
		return 0;
	}
	it->what = SEG_DAMAGED;
	if ((rc = window_get(w, at + RECORD_HEAD, it->head.env_len, &p,
	    &have)) != 0)
		return rc;
	if (crc32c(0, p, have) != it->head.env_crc)
		return 0;
	buf_reset(env);
	if ((rc = buf_add(env, p, have)) != 0)
		return rc;
	it->env = env->p;
	if (!s->messages) {
		it->what = SEG_UNREAD;
		return 0;
	}
	at += RECORD_HEAD + it->head.env_len;
	if ((rc = message_crc(w, at, it->head.msg_len, &crc)) != 0)
		return rc;
	if (crc != it->head.msg_crc)
		return 0;
	if ((rc = window_get(w, at + it->head.msg_len, 1, &p, &have)) != 0)
		return rc;
	if (*p == '\n')
		it->what = SEG_RECORD;
	return 0;
}

/* The next place behind at where a header line stands; s->to for none. */
static int
resync(struct window *w, uint32_t at, uint32_t *next)
{
	struct record_head	 h;
	const char		*p, *m, *c;
	uint32_t		 have;
	int			 rc;

	for (at++; at < w->s->to;) {
		if ((rc = window_get(w, at, 65536, &p, &have)) != 0)
			return rc;
		if (have < RECORD_HEAD)
			break;
		c = p;
		while ((m = memmem(c, (size_t)(p + have - c), "cmr1 ", 5)) !=
		    NULL) {
			struct record_spot spot = { w->s->salt,
			    w->s->segment, at + (uint32_t)(m - p) };

			if (p + have - m < RECORD_HEAD)
				break;
			if (record_head_parse(m, &spot, &h) == 0) {
				*next = spot.offset;
				return 0;
			}
			c = m + 1;
		}
		at += have < 65536 ? have : have - RECORD_HEAD;
	}
	*next = w->s->to;
	return 0;
}

int
seg_scan(const struct log *log, const struct seg_scan *s)
{
	struct window	 w = { .s = s };
	struct seg_item	 it;
	struct buf	 env;
	uint32_t	 next;
	int		 rc = 0;

	buf_init(&env, RECORD_ENV_MAX + 1);
	for (uint32_t at = s->from; at < s->to;) {
		if ((rc = look(&w, at, &env, &it)) != 0)
			break;
		if (it.what == SEG_TAIL) {
			if ((rc = resync(&w, at, &next)) != 0)
				break;
			if (next < s->to) {
				it.what = SEG_HOLE;
				it.length = next - at;
			}
		}
		at += it.length;
		if ((rc = s->fn(s->arg, &it)) != 0)
			goto out;
	}
	if (rc != 0)
		log_fail(log, rc, "segment %08u: read", s->segment);
out:
	buf_free(&env);
	free(w.p);
	return rc;
}
