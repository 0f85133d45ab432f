/* cm-rebuild check: every record of every copy, and repair. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/file.h"
#include "base/pace.h"
#include "base/progress.h"
#include "base/time.h"
#include "cluster/copy.h"
#include "cluster/load.h"
#include "cluster/rebuild.h"
#include "cluster/reconcile.h"
#include "cluster/volume.h"

#define CHUNK		(1u << 20)
#define SHIPPING_MS	1000	/* a copy that grows does so in that time */
#define PART		(64u << 20)	/* scanned at a time */
#define PLACES_MAX	64		/* homes and copies of one volume */

/* What a scan of one segment in one place found. */
struct found {
	bool		 there;
	uint32_t	 size;
	struct sum	 sum;
};

/* The home or a copy. */
struct spot {
	const char	*dir;		/* NULL: on another node */
	struct copy	*copy;		/* then; read there, by its node */
	int		 index;		/* of the mirroring table */
	char		 label[COPY_LABEL_MAX];
};

struct scrub {
	const struct log *log;
	const struct conf *conf;
	const struct conf_volume *cv;
	bool		 repair;
	struct stream	 out;
	uint64_t	 left;		/* things that are wrong still */
	struct load_scrub note;		/* what is told of it later */
	struct volume	*v;
	struct vol_end	 committed;
	struct spot	 spot[PLACES_MAX];	/* 0 is the home */
	size_t		 n;
	struct progress	 progress;
	struct pace	 pace;
};

__attribute__((format(printf, 4, 5)))
static void
report(struct scrub *s, uint32_t segment, size_t at, const char *fmt, ...)
{
	struct buf	*b = &s->out.out;
	size_t		 start;
	va_list		 ap;

	if (s->out.fd == -1)
		buf_reset(b);
	start = b->len;
	buf_addf(b, "%s:%08u on %s: ", s->cv->name, segment,
	    s->spot[at].label);
	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
	if (b->err == 0)
		load_scrub_add(&s->note, (struct span){ b->p + start,
		    b->len - start });
	if (s->out.fd == -1) {
		log_warn(s->log, "%s", b->len ? b->p : "");
		return;
	}
	buf_addc(b, '\n');
	if (stream_flush(&s->out, 1) != 0)
		s->out.out.err = CM_EIO;
}

static int
spot_size(struct scrub *s, size_t at, uint32_t segment, uint32_t *size)
{
	struct spot	*sp = &s->spot[at];
	int		 rc;

	if (at == 0)
		return home_size(s->log, sp->dir, s->committed, segment,
		    size);
	*size = 0;
	if (sp->dir == NULL)
		return copy_end(sp->copy, segment, size);
	rc = seg_size(s->log, sp->dir, segment, size);
	return rc == CM_ENOINPUT ? 0 : rc;
}

static int
spot_list(struct scrub *s, size_t at, uint32_t **list, size_t *n)
{
	struct spot	*sp = &s->spot[at];
	int		 rc;

	*list = NULL;
	*n = 0;
	rc = sp->dir == NULL ? copy_list(sp->copy, list, n) :
	    seg_list(s->log, sp->dir, list, n);
	return rc == CM_ENOINPUT ? 0 : rc;
}

static int
spot_sum(struct scrub *s, size_t at, uint32_t segment, uint32_t to,
    uint32_t max, struct sum *sum)
{
	struct spot	*sp = &s->spot[at];

	return sp->dir == NULL ? copy_sum(sp->copy, segment, to, max, sum) :
	    sum_read(s->log, sp->dir, vol_meta(s->v)->salt, segment, to, max,
	    0, sum);
}

/* All of it, a part at a time so that the rate is kept. */
static int
spot_scan(struct scrub *s, size_t at, uint32_t segment, struct found *f)
{
	uint32_t	 was;
	int		 rc = 0;

	while (rc == 0 && f->sum.at < f->size) {
		was = f->sum.at;
		rc = spot_sum(s, at, segment, f->size,
		    pace_chunk(&s->pace, PART), &f->sum);
		progress_add(&s->progress, f->sum.at - was);
		pace_add(&s->pace, f->sum.at - was);
	}
	return rc;
}

static int
scan(struct scrub *s, size_t at, uint32_t segment, struct found *f)
{
	int	 rc;

	if ((rc = spot_size(s, at, segment, &f->size)) != 0)
		return rc;
	/* what came since may be half there */
	if (segment == s->committed.segment && f->size > s->committed.offset)
		f->size = s->committed.offset;
	if (f->size == 0)
		return 0;
	rc = spot_scan(s, at, segment, f);
	f->there = rc != CM_ENOINPUT;
	return rc == CM_ENOINPUT ? 0 : rc;
}

/* Are these bytes whole records there? */
static bool
is_good_at(struct scrub *s, size_t at, uint32_t segment,
    const struct sum_bad *b)
{
	struct sum	 sum = { .at = b->offset };
	uint32_t	 size;
	bool		 good;

	good = spot_size(s, at, segment, &size) == 0 &&
	    size >= b->offset + b->length &&
	    spot_sum(s, at, segment, b->offset + b->length, 0, &sum) == 0 &&
	    sum.n == 0;
	sum_free(&sum);
	return good;
}

static int
spot_read(struct scrub *s, size_t at, uint32_t segment, uint32_t offset,
    void *p, uint32_t n)
{
	struct spot	*sp = &s->spot[at];
	int		 fd, rc;

	if (sp->dir == NULL)
		return copy_read(sp->copy, segment, offset, p, n);
	if ((rc = seg_open(s->log, sp->dir, segment, O_RDONLY, &fd)) != 0)
		return rc;
	rc = file_pread(fd, p, n, offset);
	close(fd);
	return rc;
}

static int
spot_write(struct scrub *s, size_t at, uint32_t segment, uint32_t offset,
    const void *p, uint32_t n)
{
	struct spot	*sp = &s->spot[at];
	int		 fd, rc;

	if (sp->dir == NULL)
		return copy_patch(sp->copy, segment, offset, p, n);
	if ((rc = seg_open(s->log, sp->dir, segment, O_RDWR, &fd)) != 0)
		return rc;
	rc = file_pwrite(fd, p, n, offset);
	if (rc == 0 && fdatasync(fd) == -1)
		rc = CM_EIO;
	close(fd);
	return rc;
}

static int
patch(struct scrub *s, uint32_t segment, size_t from, size_t to,
    const struct sum_bad *b)
{
	char		*p;
	uint32_t	 n;
	int		 rc = 0;

	if ((p = malloc(CHUNK)) == NULL)
		return CM_ENOMEM;
	for (uint32_t done = 0; rc == 0 && done < b->length; done += n) {
		n = b->length - done < CHUNK ? b->length - done : CHUNK;
		n = pace_chunk(&s->pace, n);
		if ((rc = spot_read(s, from, segment, b->offset + done, p,
		    n)) == 0)
			rc = spot_write(s, to, segment, b->offset + done, p,
			    n);
		pace_add(&s->pace, n);
	}
	free(p);
	return rc;
}

/* One bad stretch of one place. */
static int
treat(struct scrub *s, uint32_t segment, size_t at, const struct sum_bad *b)
{
	int	 rc;

	for (size_t from = 0; s->repair && from < s->n; from++) {
		if (from == at || !is_good_at(s, from, segment, b))
			continue;
		if ((rc = patch(s, segment, from, at, b)) != 0)
			return log_fail(s->log, rc, "%s:%08u: repair",
			    s->cv->name, segment);
		report(s, segment, at, "%u bytes at %u were damaged; repaired "
		    "from %s", b->length, b->offset, s->spot[from].label);
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
		if (spot_size(s, at, segment, &have) == 0 && have >= size)
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
    const struct sum_bad *b)
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
		for (size_t j = 0; j < f[i].sum.n && rc == 0; j++)
			if (!is_unsent(&f[0], &f[i], &f[i].sum.bad[j]))
				rc = treat(s, segment, i, &f[i].sum.bad[j]);
	for (size_t i = 1; i < s->n && rc == 0; i++) {
		check_length(s, segment, i, &f[0], &f[i], &behind[i]);
		if (f[i].size > f[0].size && segment != s->committed.segment) {
			report(s, segment, i, "has %u bytes, the home %u",
			    f[i].size, f[0].size);
			s->left++;
		} else if (f[i].size == f[0].size && f[i].sum.n == 0 &&
		    f[0].sum.n == 0 && f[i].sum.sum != f[0].sum.sum) {
			report(s, segment, i, "holds other records than the "
			    "home");
			s->left++;
		}
	}
	for (size_t i = 0; i < s->n; i++)
		sum_free(&f[i].sum);
	return rc;
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Adds the segments of one place to those that are to be looked at. */
static int
add_segments(struct scrub *s, size_t at, uint32_t **all, size_t *n)
{
	uint32_t	*list, *p;
	size_t		 m;
	int		 rc;

	if ((rc = spot_list(s, at, &list, &m)) != 0)
		return rc;
	p = reallocarray(*all, *n + m + 1, sizeof(*p));
	if (p == NULL) {
		free(list);
		return log_fail(s->log, CM_ENOMEM, "check");
	}
	*all = p;
	for (size_t i = 0; i < m; i++)
		p[(*n)++] = list[i];
	free(list);
	return 0;
}

static void
add_spot(struct scrub *s, int index)
{
	const struct conf_volume *cv = s->cv;
	struct spot		*sp = &s->spot[s->n];
	bool			 here;

	if (s->n == PLACES_MAX)
		return;
	memset(sp, 0, sizeof(*sp));
	sp->index = index;
	copy_label(cv, index, sp->label);
	here = index < 0 ||
	    strcmp(cv->copies[index].node, s->conf->self) == 0;
	if (here)
		sp->dir = index < 0 ? cv->path : cv->copies[index].path;
	s->n++;
}

/* Those on other nodes are opened; one that cannot be has not been checked. */
static void
open_spots(struct scrub *s)
{
	size_t	 n = 0;
	int	 rc;

	for (size_t i = 0; i < s->n; i++) {
		rc = s->spot[i].dir != NULL ? 0 : copy_open(s->log, s->conf,
		    s->cv, (size_t)s->spot[i].index, vol_meta(s->v),
		    &s->spot[i].copy);
		if (rc == 0) {
			s->spot[n++] = s->spot[i];
			continue;
		}
		report(s, 0, i, "cannot be checked: %s", cm_strerror(rc));
		s->left++;
	}
	s->n = n;
}

static void
close_spots(struct scrub *s)
{
	for (size_t i = 0; i < s->n; i++)
		copy_close(s->spot[i].copy);
	s->n = 0;
}

/* With repair: first what the home lost at its segments' ends. */
static int
settle_copy(struct scrub *s, size_t at)
{
	struct reconcile r = { .v = s->v, .progress = &s->progress,
			    .pace = &s->pace };
	struct spot	*sp = &s->spot[at];
	struct copy	*c = sp->copy;
	int		 rc;

	if (sp->dir != NULL && !file_exists(sp->dir))
		return 0;
	if (c == NULL && (rc = copy_open_dir(s->log, sp->dir, vol_meta(s->v),
	    &c)) != 0)
		return rc;
	rc = reconcile(s->log, s->spot[0].dir, vol_meta(s->v), c, &r);
	if (c != sp->copy)
		copy_close(c);
	if (r.pulled > 0)
		report(s, 0, 0, "%llu bytes that it had lost were fetched "
		    "from %s", (unsigned long long)r.pulled, sp->label);
	return rc == CM_ECORRUPT ? 0 : rc;
}

/* With repair: what a copy lacks is sent to it. */
static int
complete(struct scrub *s, const bool behind[])
{
	int	 rc = 0;

	for (size_t i = 1; i < s->n && rc == 0; i++) {
		if (!behind[i])
			continue;
		rc = rebuild_place(s->log, s->conf, s->cv,
		    (size_t)s->spot[i].index, s->pace.rate);
		if (rc == 0)
			report(s, s->committed.segment, i, "was behind; it "
			    "has everything now");
	}
	return rc;
}

static int
check_segments(struct scrub *s)
{
	bool		 behind[PLACES_MAX] = { false };
	uint32_t	*all = NULL, last = 0;
	size_t		 n = 0;
	int		 rc = 0;

	/* in this order: the home has had whatever a copy has */
	for (size_t i = 1; i < s->n && rc == 0; i++)
		rc = add_segments(s, i, &all, &n);
	for (size_t i = 0; i < n; i++)
		last = all[i] > last ? all[i] : last;
	s->committed = vol_committed(s->v);
	if (last < s->committed.segment)
		last = s->committed.segment;
	if (rc == 0)
		rc = add_segments(s, 0, &all, &n);
	for (size_t i = 1; i < s->n && rc == 0 && s->repair; i++)
		rc = settle_copy(s, i);
	if (n > 0)
		qsort(all, n, sizeof(*all), by_number);
	for (size_t i = 0; i < n && rc == 0; i++)
		/* a file of the home behind the last is being begun */
		if (all[i] <= last && (i == 0 || all[i] != all[i - 1]))
			rc = check_segment(s, all[i], behind);
	free(all);
	return rc != 0 || !s->repair ? rc : complete(s, behind);
}

static int
check_volume(struct scrub *s, const struct conf_volume *cv)
{
	int	 rc;

	s->cv = cv;
	s->n = 0;
	for (int i = -1; i < (int)cv->ncopies; i++)
		add_spot(s, i);
	if ((rc = vol_open(s->log, s->conf, cv, &s->v)) != 0) {
		report(s, 0, 0, "cannot be opened: %s", cm_strerror(rc));
		s->left++;
		return 0;
	}
	open_spots(s);
	rc = check_segments(s);
	close_spots(s);
	vol_close(s->v);
	s->v = NULL;
	return rc;
}

/*
 * For cm-status: how it ended, and what was found.  A check that could not be
 * done to its end is a finding too.  That this cannot be written is only told.
 */
static void
note_end(struct scrub *s, int64_t began_ms, int rc)
{
	char	 why[LOAD_WORD_MAX];

	if (rc != 0) {
		s->left++;
		if (str_fmt(why, sizeof(why), "the check broke off: %s",
		    cm_strerror(rc)) == 0)
			load_scrub_add(&s->note, (struct span){ why,
			    strlen(why) });
	}
	s->note.end_ms = time_now_ms();
	s->note.seconds = (uint64_t)(time_mono_ms() - began_ms) / 1000;
	s->note.left = s->left;
	if (load_scrub_note(s->log, s->conf, &s->note) != 0)
		log_warn(s->log, "cm-status will not know of this check");
}

/* only: that volume, NULL: all of this node, which is noted. */
static int
scrub(const struct log *log, const struct conf *conf,
    const struct conf_volume *only, bool repair, uint64_t rate, int out)
{
	int64_t		 began_ms = time_mono_ms();
	struct scrub	*s;
	int		 rc = 0, one;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return log_fail(log, CM_ENOMEM, "check");
	s->log = log;
	s->conf = conf;
	s->repair = repair;
	pace_init(&s->pace, rate);
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
	if (only == NULL)
		note_end(s, began_ms, rc);
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
    uint64_t rate, int out)
{
	return scrub(log, conf, NULL, repair, rate, out);
}

int
rebuild_repair(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv)
{
	return scrub(log, conf, cv, true, 0, -1);
}
