/* cm-rebuild check: every record of every copy, and repair. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/time.h"
#include "cluster/copy.h"
#include "cluster/rebuild.h"
#include "cluster/reconcile.h"
#include "cluster/volume.h"

#define CHUNK		(1u << 20)
#define SHIPPING_MS	1000	/* a copy that grows does so in that time */
#define PLACES_MAX	64		/* homes and copies of one volume */

/* A stretch that is no good record. */
struct bad {
	uint32_t	 offset, length;
};

/* What a scan of one segment in one folder found. */
struct found {
	bool		 there;
	uint32_t	 size;
	uint32_t	 sum;		/* of all records' heads */
	struct bad	*bad;
	size_t		 n, cap;
};

struct scrub {
	const struct log *log;
	const struct conf *conf;
	const struct conf_volume *cv;
	bool		 repair;
	struct stream	 out;
	uint64_t	 left;		/* things that are wrong still */
	struct volume	*v;
	struct vol_end	 committed;
	const char	*dir[PLACES_MAX];	/* 0 is the home */
	char		 label[PLACES_MAX][COPY_LABEL_MAX];
	size_t		 n;
	struct progress	 progress;
};

__attribute__((format(printf, 4, 5)))
static void
report(struct scrub *s, uint32_t segment, size_t at, const char *fmt, ...)
{
	va_list	 ap;

	if (s->out.fd == -1)
		buf_reset(&s->out.out);
	buf_addf(&s->out.out, "%s:%08u on %s: ", s->cv->name, segment,
	    s->label[at]);
	va_start(ap, fmt);
	buf_vaddf(&s->out.out, fmt, ap);
	va_end(ap);
	if (s->out.fd == -1) {
		log_warn(s->log, "%s", s->out.out.len ? s->out.out.p : "");
		return;
	}
	buf_addc(&s->out.out, '\n');
	if (stream_flush(&s->out, 1) != 0)
		s->out.out.err = CM_EIO;
}

static int
on_item(void *arg, const struct seg_item *it)
{
	struct found	*f = arg;
	struct bad	*p;
	uint32_t	 v[5] = { it->offset, it->head.env_len,
			    it->head.msg_len, it->head.env_crc,
			    it->head.msg_crc };

	if (it->what == SEG_RECORD) {
		f->sum = crc32c(f->sum, v, sizeof(v));
		return 0;
	}
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 16;
		p = reallocarray(f->bad, f->cap, sizeof(*p));
		if (p == NULL)
			return CM_ENOMEM;
		f->bad = p;
	}
	f->bad[f->n++] = (struct bad){ it->offset, it->length };
	return 0;
}

/* The bytes of a segment that count in a folder. */
static int
place_size(struct scrub *s, size_t at, uint32_t segment, uint32_t *size)
{
	int	 rc;

	if (at == 0)
		return home_size(s->log, s->dir[0], s->committed, segment,
		    size);
	*size = 0;
	rc = seg_size(s->log, s->dir[at], segment, size);
	/* what came since may be half there */
	if (segment == s->committed.segment && *size > s->committed.offset)
		*size = s->committed.offset;
	return rc;
}

static int
scan(struct scrub *s, size_t at, uint32_t segment, struct found *f)
{
	struct seg_scan	 sc = { .salt = vol_meta(s->v)->salt,
			    .segment = segment, .messages = true,
			    .fn = on_item, .arg = f };
	int		 rc;

	memset(f, 0, sizeof(*f));
	rc = place_size(s, at, segment, &f->size);
	if (rc == CM_ENOINPUT || (rc == 0 && f->size == 0))
		return 0;
	if (rc != 0 || (rc = seg_open(s->log, s->dir[at], segment, O_RDONLY,
	    &sc.fd)) != 0)
		return rc == CM_ENOINPUT ? 0 : rc;
	f->there = true;
	sc.to = f->size;
	rc = seg_scan(s->log, &sc);
	close(sc.fd);
	progress_add(&s->progress, f->size);
	return rc;
}

static int
all_good(void *arg, const struct seg_item *it)
{
	(void)arg;
	return it->what == SEG_RECORD ? 0 : CM_ECORRUPT;
}

/* Are these bytes whole records in that folder? */
static bool
is_good_at(struct scrub *s, size_t at, uint32_t segment, const struct bad *b)
{
	struct seg_scan	 sc = { .salt = vol_meta(s->v)->salt,
			    .segment = segment, .from = b->offset,
			    .to = b->offset + b->length, .messages = true,
			    .fn = all_good };
	bool		 good;

	if (seg_open(s->log, s->dir[at], segment, O_RDONLY, &sc.fd) != 0)
		return false;
	good = seg_scan(NULL, &sc) == 0;
	close(sc.fd);
	return good;
}

static int
patch(struct scrub *s, uint32_t segment, size_t from, size_t to,
    const struct bad *b)
{
	char		*p;
	uint32_t	 n;
	int		 in = -1, out = -1, rc;

	if ((p = malloc(CHUNK)) == NULL)
		return CM_ENOMEM;
	if ((rc = seg_open(s->log, s->dir[from], segment, O_RDONLY,
	    &in)) == 0)
		rc = seg_open(s->log, s->dir[to], segment, O_RDWR, &out);
	for (uint32_t done = 0; rc == 0 && done < b->length; done += n) {
		n = b->length - done < CHUNK ? b->length - done : CHUNK;
		if ((rc = file_pread(in, p, n, b->offset + done)) == 0)
			rc = file_pwrite(out, p, n, b->offset + done);
	}
	if (rc == 0 && fdatasync(out) == -1)
		rc = CM_EIO;
	if (in != -1)
		close(in);
	if (out != -1)
		close(out);
	free(p);
	return rc;
}

/* One bad stretch of one folder. */
static int
treat(struct scrub *s, uint32_t segment, size_t at, const struct bad *b)
{
	int	 rc;

	for (size_t from = 0; s->repair && from < s->n; from++) {
		if (from == at || !is_good_at(s, from, segment, b))
			continue;
		if ((rc = patch(s, segment, from, at, b)) != 0)
			return log_fail(s->log, rc, "%s:%08u: repair",
			    s->cv->name, segment);
		report(s, segment, at, "%u bytes at %u were damaged; repaired "
		    "from %s", b->length, b->offset, s->label[from]);
		return 0;
	}
	report(s, segment, at, "%u bytes at %u are damaged%s", b->length,
	    b->offset, s->repair ? ", and no copy has them whole" : "");
	s->left++;
	return 0;
}

/* The shipper may be at it: then the copy comes up to size bytes by itself. */
static bool
catches_up(struct scrub *s, uint32_t segment, size_t at, uint32_t size)
{
	int64_t		 moved = time_mono_ms();
	uint32_t	 have = 0, last = 0;

	while (time_mono_ms() - moved < SHIPPING_MS) {
		if (seg_size(NULL, s->dir[at], segment, &have) == 0 &&
		    have >= size)
			return true;
		if (have != last)
			moved = time_mono_ms();
		last = have;
		time_sleep_ms(10);
	}
	return false;
}

/* A copy that is behind: sent by rebuild_copy when repairing. */
static void
check_length(struct scrub *s, uint32_t segment, size_t at,
    const struct found *home, const struct found *f, bool *behind)
{
	if (f->size >= home->size)
		return;
	/* the shipper may be at it: the open segment's end is no fault */
	if (segment == s->committed.segment && f->there && !s->repair)
		return;
	/* one that did not is not waited for again */
	if (!*behind && catches_up(s, segment, at, home->size))
		return;
	*behind = true;
	if (!s->repair) {
		report(s, segment, at, f->there ? "has %u bytes of %u" :
		    "is missing (%u bytes of %u)", f->size, home->size);
		s->left++;
	}
}

/* A copy that is behind may end within a record: that is no damage. */
static bool
is_unsent(const struct found *home, const struct found *f,
    const struct bad *b)
{
	return f != home && f->size < home->size &&
	    b->offset + b->length == f->size;
}

static int
check_segment(struct scrub *s, uint32_t segment, bool behind[])
{
	struct found	 f[PLACES_MAX];
	int		 rc = 0;

	memset(f, 0, sizeof(f));
	for (size_t i = 0; i < s->n && rc == 0; i++)
		rc = scan(s, i, segment, &f[i]);
	for (size_t i = 0; i < s->n && rc == 0; i++)
		for (size_t j = 0; j < f[i].n && rc == 0; j++)
			if (!is_unsent(&f[0], &f[i], &f[i].bad[j]))
				rc = treat(s, segment, i, &f[i].bad[j]);
	for (size_t i = 1; i < s->n && rc == 0; i++) {
		check_length(s, segment, i, &f[0], &f[i], &behind[i]);
		if (f[i].size > f[0].size && segment != s->committed.segment) {
			report(s, segment, i, "has %u bytes, the home %u",
			    f[i].size, f[0].size);
			s->left++;
		} else if (f[i].size == f[0].size && f[i].n == 0 &&
		    f[0].n == 0 && f[i].sum != f[0].sum) {
			report(s, segment, i, "holds other records than the "
			    "home");
			s->left++;
		}
	}
	for (size_t i = 0; i < s->n; i++)
		free(f[i].bad);
	return rc;
}

/* The highest segment that a copy has; 0 for none. */
static int
copies_last(struct scrub *s, uint32_t *last)
{
	uint32_t	*list;
	size_t		 n;
	int		 rc;

	*last = 0;
	for (size_t i = 1; i < s->n; i++) {
		rc = seg_list(s->log, s->dir[i], &list, &n);
		if (rc == CM_ENOINPUT)
			continue;
		if (rc != 0)
			return rc;
		if (n > 0 && list[n - 1] > *last)
			*last = list[n - 1];
		free(list);
	}
	return 0;
}

/* The next segment behind one that any folder has; 0 for none.  Numbers are
 * skipped by the million where a home was made anew. */
static int
next_segment(struct scrub *s, uint32_t after, uint32_t *next)
{
	uint32_t	*list;
	size_t		 n;
	int		 rc;

	*next = 0;
	for (size_t i = 0; i < s->n; i++) {
		rc = seg_list(s->log, s->dir[i], &list, &n);
		if (rc == CM_ENOINPUT)
			continue;
		if (rc != 0)
			return rc;
		for (size_t j = 0; j < n; j++)
			if (list[j] > after && (*next == 0 ||
			    list[j] < *next))
				*next = list[j];
		free(list);
	}
	return 0;
}

static void
add_place(struct scrub *s, const char *dir, int index)
{
	if (s->n == PLACES_MAX)
		return;
	s->dir[s->n] = dir;
	copy_label(s->cv, index, s->label[s->n]);
	s->n++;
}

/* With repair: first what the home lost at its segments' ends. */
static int
settle_copies(struct scrub *s)
{
	struct copy	*c;
	int		 rc;

	for (size_t i = 1; i < s->n; i++) {
		struct reconcile r = { .v = s->v };

		if (!file_exists(s->dir[i]))
			continue;
		if ((rc = copy_open_dir(s->log, s->dir[i], vol_meta(s->v),
		    &c)) != 0)
			return rc;
		rc = reconcile(s->log, s->dir[0], vol_meta(s->v), c, &r);
		copy_close(c);
		if (rc != 0 && rc != CM_ECORRUPT)
			return rc;
		if (r.pulled > 0)
			report(s, 0, 0, "%llu bytes that it had lost were "
			    "fetched from %s", (unsigned long long)r.pulled,
			    s->label[i]);
	}
	return 0;
}

static int
check_volume(struct scrub *s, const struct conf_volume *cv)
{
	bool		 behind[PLACES_MAX] = { false };
	uint32_t	 last, seg = 0;
	int		 rc;

	s->cv = cv;
	s->n = 0;
	add_place(s, cv->path, -1);
	for (size_t i = 0; i < cv->ncopies; i++)
		if (strcmp(cv->copies[i].node, s->conf->self) == 0)
			add_place(s, cv->copies[i].path, (int)i);
	if ((rc = vol_open(s->log, s->conf, cv, &s->v)) != 0) {
		report(s, 0, 0, "cannot be opened: %s", cm_strerror(rc));
		s->left++;
		return 0;
	}
	/* in this order: the home has had whatever a copy has */
	if ((rc = copies_last(s, &last)) != 0)
		goto out;
	s->committed = vol_committed(s->v);
	/* a file behind it is being begun */
	if (last < s->committed.segment)
		last = s->committed.segment;
	if (s->repair && (rc = settle_copies(s)) != 0)
		goto out;
	while ((rc = next_segment(s, seg, &seg)) == 0 && seg != 0 &&
	    seg <= last)
		if ((rc = check_segment(s, seg, behind)) != 0)
			break;
	for (size_t i = 1; i < s->n && rc == 0 && s->repair; i++)
		if (behind[i] && (rc = rebuild_copy(s->log, s->conf, cv,
		    s->dir[i])) == 0)
			report(s, s->committed.segment, i, "was behind; "
			    "it has everything now");
out:
	vol_close(s->v);
	s->v = NULL;
	return rc;
}

static int
scrub(const struct log *log, const struct conf *conf,
    const struct conf_volume *only, bool repair, int out)
{
	struct scrub	*s;
	int		 rc = 0, one;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return log_fail(log, CM_ENOMEM, "check");
	s->log = log;
	s->conf = conf;
	s->repair = repair;
	stream_init(&s->out, out, 0, -1);
	progress_start(&s->progress, "checking", 0, true);
	for (size_t i = 0; i < conf->nvolumes; i++) {
		if (!conf_is_home(conf, &conf->volumes[i]) ||
		    (only != NULL && only != &conf->volumes[i]))
			continue;
		if ((one = check_volume(s, &conf->volumes[i])) != 0)
			rc = one;
	}
	progress_end(&s->progress);
	if (rc == 0 && s->out.out.err)
		rc = s->out.out.err;
	if (rc == 0 && s->left > 0)
		rc = CM_ECORRUPT;
	buf_free(&s->out.out);
	buf_free(&s->out.in);
	free(s);
	return rc;
}

int
rebuild_check(const struct log *log, const struct conf *conf, bool repair,
    int out)
{
	return scrub(log, conf, NULL, repair, out);
}

int
rebuild_repair(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv)
{
	return scrub(log, conf, cv, true, -1);
}
