/* How far the copies are, and catching up. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/mirror_int.h"
#include "cluster/volume.h"

#define WAKE_MS		2000
#define STALL_MS	10000	/* catching up without a step: give up */

/* "=LABEL SEGMENT OFFSET up|down BYTES MS" */
static int
parse_lag(struct span line, struct mirror_lag *g)
{
	struct span	 f[6];
	uint64_t	 ms;

	for (int i = 0; i < 6; i++)
		if (!str_field(&line, ' ', &f[i]))
			return CM_EPROTO;
	if (f[0].len < 2 || f[0].p[0] != '=' || str_ncopy(g->label,
	    sizeof(g->label), f[0].p + 1, f[0].len - 1) != 0 ||
	    str_u64(f[4].p, f[4].len, UINT64_MAX, &g->bytes) != 0 ||
	    str_u64(f[5].p, f[5].len, INT64_MAX, &ms) != 0)
		return CM_EPROTO;
	g->ms = (int64_t)ms;
	g->up = span_is(f[3], "up");
	return 0;
}

static int
ask_lags(struct line_to *l, struct mirror_lag *lag, size_t *n)
{
	struct span	 line;
	size_t		 got = 0;
	int		 rc;

	if ((rc = mirror_dial(l, 1000)) != 0)
		return rc;
	buf_adds(&l->s.out, "status\n");
	if ((rc = stream_flush(&l->s, 1)) != 0)
		return rc;
	while ((rc = stream_line(&l->s, &line)) == 0) {
		if (span_is(line, "."))
			break;
		if (got == l->cv->ncopies)
			return CM_EPROTO;
		if ((rc = parse_lag(line, &lag[got])) != 0 ||
		    (rc = str_copy(lag[got].volume, sizeof(lag->volume),
		    l->cv->name)) != 0)
			return rc;
		got++;
	}
	if (rc == 0)
		*n += got;
	return rc;
}

/*
 * A home that is gone or an old one has no shipper: who started one would wait
 * for it in vain.
 */
static bool
can_ship(const struct conf_volume *cv)
{
	struct seg_meta	 m;

	return !vol_is_superseded(cv) &&
	    seg_meta_read(NULL, cv->path, &m) == 0;
}

int
mirror_lags(const struct mirror *m, struct mirror_lag **out, size_t *n)
{
	struct line_to	*lines;
	size_t		 nlines, max = 1;
	int		 rc, one;

	*n = 0;
	for (size_t i = 0; i < m->conf->nvolumes; i++)
		max += m->conf->volumes[i].ncopies;
	if ((*out = calloc(max, sizeof(**out))) == NULL)
		return log_fail(m->log, CM_ENOMEM, "mirror");
	rc = mirror_lines_init(m, &lines, &nlines);
	for (size_t i = 0; rc == 0 && i < nlines; i++) {
		if (lines[i].cv->ncopies == 0 ||
		    !conf_is_home(m->conf, lines[i].cv) ||
		    !can_ship(lines[i].cv))
			continue;
		if ((one = ask_lags(&lines[i], *out + *n, n)) != 0)
			log_fail(m->log, one, "shipper of volume %s",
			    lines[i].cv->name);
	}
	mirror_lines_free(lines, nlines);
	if (rc != 0) {
		free(*out);
		*out = NULL;
	}
	return rc;
}

int
mirror_status(const struct mirror *m, int out)
{
	struct mirror_lag	*lag;
	struct buf		 b;
	size_t			 n;
	int			 rc;

	if ((rc = mirror_lags(m, &lag, &n)) != 0)
		return rc;
	buf_init(&b, 64u << 20);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s\t%s\t%llu\t%lld.%03lld\t%s\n",
		    lag[i].volume, lag[i].label,
		    (unsigned long long)lag[i].bytes,
		    (long long)lag[i].ms / 1000, (long long)lag[i].ms % 1000,
		    lag[i].up ? "up" : "down");
	free(lag);
	if ((rc = b.err) == 0 && b.len > 0)
		rc = file_write(out, b.p, b.len);
	buf_free(&b);
	return rc == 0 ? 0 : log_fail(m->log, rc, "output");
}

int
mirror_start(const struct mirror *m, const struct conf_volume *cv)
{
	struct line_to	*lines;
	size_t		 n;
	int		 rc;

	rc = mirror_lines_init(m, &lines, &n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (lines[i].cv != cv || cv->ncopies == 0 ||
		    (rc = mirror_dial(&lines[i], m->conf->timeout_ms)) != 0)
			continue;
		buf_adds(&lines[i].s.out, "again\n");
		rc = stream_flush(&lines[i].s, 1);
	}
	mirror_lines_free(lines, n);
	return rc;
}

void
mirror_wake(struct mirror_wake *w, const struct log *log,
    const struct conf *conf, struct volume *v)
{
	struct mirror	 m = { .log = log, .conf = conf, .file = conf->file,
			    .node = conf->self };
	struct line_to	*lines;
	int64_t		 now = time_mono_ms();
	size_t		 n;
	int		 rc;

	if (!vol_end_before(vol_counted(v), vol_synced(v))) {
		w->since_ms = 0;
		return;
	}
	if (w->since_ms == 0)
		w->since_ms = now;
	/* who stores usually has it started; a busy one is always behind */
	if (now - w->since_ms < WAKE_MS || now - w->tried_ms < WAKE_MS)
		return;
	w->tried_ms = now;
	rc = mirror_lines_init(&m, &lines, &n);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (strcmp(lines[i].cv->name, vol_name(v)) == 0)
			rc = mirror_dial(&lines[i], 0);
	mirror_lines_free(lines, n);
	if (rc != 0)
		log_fail(log, rc, "shipper of volume %s", vol_name(v));
}

/* The copies' ends as the shipper tells them, as one number to compare. */
static int
sum_of_ends(struct line_to *l, uint64_t *sum)
{
	struct span	 line, f;
	uint64_t	 v;
	int		 rc;

	*sum = 0;
	buf_adds(&l->s.out, "status\n");
	if ((rc = stream_flush(&l->s, 1)) != 0)
		return rc;
	while ((rc = stream_line(&l->s, &line)) == 0) {
		if (span_is(line, "."))
			return 0;
		/* label, segment, offset: the lags grow by themselves */
		for (int i = 0; i < 3 && str_field(&line, ' ', &f); i++)
			if (str_u64(f.p, f.len, UINT32_MAX, &v) == 0)
				*sum = *sum * 31 + v;
	}
	return rc;
}

/* One wait of a second for all copies of a volume. */
static int
wait_step(struct line_to *l, struct vol_end e, bool *done, uint64_t *sum)
{
	struct span	 line;
	int		 rc;

	if ((rc = mirror_dial(l, 1000)) != 0)
		return rc;
	buf_addf(&l->s.out, "wait %u %u %zu 1000\n", e.segment, e.offset,
	    l->cv->ncopies);
	if ((rc = stream_flush(&l->s, 1)) == 0 &&
	    (rc = stream_line(&l->s, &line)) == 0) {
		*done = line.len >= 2 && memcmp(line.p, "ok", 2) == 0;
		if (!*done)
			rc = sum_of_ends(l, sum);
	}
	if (rc != 0)
		mirror_hang_up(l);
	return rc;
}

static int
catch_up(const struct mirror *m, struct line_to *l)
{
	struct volume	*v;
	struct vol_end	 e;
	uint64_t	 sum = 0, last = 0;
	int64_t		 moved = time_mono_ms();
	bool		 done = false;
	int		 rc;

	if ((rc = vol_open(m->log, m->conf, l->cv, &v)) != 0)
		return rc;
	e = vol_committed(v);
	vol_close(v);
	/* a shipper that runs believes its copies to be as it left them */
	if ((rc = mirror_dial(l, 1000)) != 0)
		return log_fail(m->log, rc, "shipper of volume %s",
		    l->cv->name);
	buf_adds(&l->s.out, "again\n");
	while (!done) {
		rc = wait_step(l, e, &done, &sum);
		if (rc != 0 && rc != CM_EAWAY && rc != CM_EEND)
			return log_fail(m->log, rc, "shipper of volume %s",
			    l->cv->name);
		if (sum != last)
			moved = time_mono_ms();
		/* one that cannot be reached is not waited for */
		if (!done && sum == last)
			time_sleep_ms(100);
		if (!done && time_mono_ms() - moved > STALL_MS)
			return log_fail(m->log, CM_ESHORT, "volume %s: not "
			    "all copies have everything (see the shipper's "
			    "log in run/)", l->cv->name);
		last = sum;
	}
	return 0;
}

int
mirror_all(const struct mirror *m)
{
	struct line_to	*lines;
	size_t		 n;
	int		 rc, one;

	rc = mirror_lines_init(m, &lines, &n);
	for (size_t i = 0; rc != CM_ENOMEM && i < n; i++) {
		if (lines[i].cv->ncopies == 0 ||
		    !conf_is_home(m->conf, lines[i].cv))
			continue;
		if ((one = catch_up(m, &lines[i])) != 0)
			rc = one;
	}
	mirror_lines_free(lines, n);
	return rc;
}
