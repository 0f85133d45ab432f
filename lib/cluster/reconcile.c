#include "cluster/reconcile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cluster/prefetch.h"
#include "cluster/recover.h"
#include "format/record.h"

#define CHUNK		(1u << 20)
#define FETCH		(4u << 20)	/* one request to another node */
#define TAIL		(20u << 20)	/* compared: over one batch */

int
home_size(const struct log *log, const char *home, struct vol_end committed,
    uint32_t segment, uint32_t *size)
{
	int	 rc;

	*size = 0;
	if (segment > committed.segment)
		return 0;
	if (segment == committed.segment) {
		*size = committed.offset;
		return 0;
	}
	rc = seg_size(log, home, segment, size);
	return rc == CM_ENOINPUT ? 0 : rc;
}

struct fetched {
	uint32_t	 end;		/* of the last whole record */
	bool		 hole;		/* behind it something else begins */
	bool		 damaged;	/* between records */
};

static int
note_fetched(void *arg, const struct seg_item *it)
{
	struct fetched	*f = arg;

	if (it->what != SEG_RECORD) {
		f->hole = true;
		return 0;
	}
	f->damaged |= f->hole;
	f->end = it->offset + it->length;
	return 0;
}

struct source {
	struct copy	*c;
	uint32_t	 segment;
};

static int
read_source(void *arg, uint32_t at, void *p, uint32_t n)
{
	struct source	*s = arg;

	return copy_read(s->c, s->segment, at, p, n);
}

/* How much of [from, to) to move at once. */
static uint32_t
piece(const struct reconcile *r, uint32_t from, uint32_t to)
{
	uint32_t n = to - from < FETCH ? to - from : FETCH;

	return r->pace != NULL ? pace_chunk(r->pace, n) : n;
}

/* Moves [from, to) of the copy's segment into fd, at the same offsets. */
static int
fetch(struct copy *c, uint32_t segment, uint32_t from, uint32_t to, int fd,
    const struct reconcile *r)
{
	struct source	 s = { c, segment };
	struct prefetch	 f;
	char		*p;
	uint32_t	 n;
	int		 rc;

	rc = prefetch_init(&f, read_source, &s, FETCH);
	while (rc == 0 && from < to) {
		n = piece(r, from, to);
		if ((rc = prefetch_get(&f, from, n, piece(r, from + n, to),
		    &p)) == 0)
			rc = file_pwrite(fd, p, n, from);
		/* the disk works while the next bytes come */
		(void)sync_file_range(fd, from, n, SYNC_FILE_RANGE_WRITE);
		if (r->progress != NULL)
			progress_add(r->progress, n);
		if (r->pace != NULL)
			pace_add(r->pace, n);
		from += n;
	}
	prefetch_free(&f);
	return rc;
}

static int
move(int in, int out, uint32_t from, uint32_t to)
{
	char		*p;
	uint32_t	 n;
	int		 rc = 0;

	if ((p = malloc(CHUNK)) == NULL)
		return CM_ENOMEM;
	while (rc == 0 && from < to) {
		n = to - from < CHUNK ? to - from : CHUNK;
		if ((rc = file_pread(in, p, n, from)) == 0)
			rc = file_pwrite(out, p, n, from);
		from += n;
	}
	free(p);
	return rc;
}

/* A segment of which the home has nothing: the fetched file gets its name. */
static int
name_fetched(const struct log *log, const char *home, uint32_t segment,
    int fd, uint32_t end)
{
	char	 name[SEG_NAME_SIZE], path[FILE_PATH_MAX], own[64];
	int	 rc;

	seg_name(name, segment);
	if ((rc = str_fmt(path, sizeof(path), "%s/%s", home, name)) != 0 ||
	    (rc = str_fmt(own, sizeof(own), "/proc/self/fd/%d", fd)) != 0)
		return log_fail(log, rc, "%s", home);
	if (ftruncate(fd, end) == -1 || fdatasync(fd) == -1 ||
	    (unlink(path) == -1 && errno != ENOENT) ||
	    linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == -1)
		return log_errno(log, "%s", path);
	return 0;
}

/* What was fetched goes behind the home's own bytes. */
static int
add_fetched(const struct log *log, const char *home, uint32_t segment,
    int fd, uint32_t from, uint32_t end)
{
	int	 out, rc;

	if ((rc = seg_open(log, home, segment, O_RDWR | O_CREAT, &out)) != 0)
		return rc;
	rc = move(fd, out, from, end);
	if (rc == 0 && fdatasync(out) == -1)
		rc = log_errno(log, "%s", home);
	close(out);
	return rc;
}

/* The home's segment takes what the copy has more of it. */
static int
pull(const struct log *log, const char *home, const struct seg_meta *m,
    struct copy *c, uint32_t segment, uint32_t have, uint32_t ce,
    struct reconcile *r)
{
	struct seg_scan	 s = { .salt = m->salt, .segment = segment,
			    .to = ce, .messages = true, .fn = note_fetched };
	struct fetched	 f = { 0 };
	uint32_t	 sound = 0, end;
	int		 rc;

	/* the home's own end may be in the middle of a record */
	if (have > 0 && (rc = recover_end(log, home, segment, m->salt, have,
	    &sound)) != 0)
		return rc;
	f.end = sound;
	if ((s.fd = open(home, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) == -1)
		return log_errno(log, "%s", home);
	s.from = sound;
	s.arg = &f;
	if ((rc = fetch(c, segment, sound, ce, s.fd, r)) != 0 ||
	    (rc = seg_scan(log, &s)) != 0)
		goto out;
	end = f.end;
	if (end > sound) {
		rc = have == 0 ? name_fetched(log, home, segment, s.fd, end) :
		    add_fetched(log, home, segment, s.fd, sound, end);
		if (rc != 0 || (rc = file_sync_dir(log, home)) != 0)
			goto out;
		r->pulled += end - sound;
		r->damaged |= f.damaged;
		log_warn(log, "volume %s: segment %08u: %u bytes that the "
		    "home had lost were fetched from a copy", m->name,
		    segment, end - sound);
	}
	if (end < ce && end >= have)
		rc = copy_cut(c, segment, end);
out:
	close(s.fd);
	return rc;
}

struct soundness {
	bool	 bad;
};

static int
note_bad(void *arg, const struct seg_item *it)
{
	struct soundness	*s = arg;

	if (it->what != SEG_RECORD)
		s->bad = true;
	return 0;
}

static int
home_is_sound(const struct log *log, const char *home,
    const struct seg_meta *m, uint32_t segment, uint32_t size, bool *sound)
{
	struct soundness s = { false };
	struct seg_scan	 sc = { .salt = m->salt, .segment = segment,
			    .to = size, .messages = true, .fn = note_bad,
			    .arg = &s };
	int		 rc;

	if ((rc = seg_open(log, home, segment, O_RDONLY, &sc.fd)) != 0)
		return rc;
	rc = seg_scan(log, &sc);
	close(sc.fd);
	*sound = !s.bad;
	return rc;
}

/* Where the two differ in their last bytes up to end; end when nowhere. */
static int
compare_tail(const struct log *log, const char *home, struct copy *c,
    uint32_t segment, uint32_t end, uint32_t *differs)
{
	char		*a, *b;
	uint32_t	 at = end > TAIL ? end - TAIL : 0, n;
	int		 fd, rc;

	*differs = end;
	if ((rc = seg_open(log, home, segment, O_RDONLY, &fd)) != 0)
		return rc;
	a = malloc(CHUNK);
	b = malloc(CHUNK);
	if (a == NULL || b == NULL)
		rc = CM_ENOMEM;
	for (; rc == 0 && at < end && *differs == end; at += n) {
		n = end - at < CHUNK ? end - at : CHUNK;
		if ((rc = file_pread(fd, a, n, at)) != 0 ||
		    (rc = copy_read(c, segment, at, b, n)) != 0)
			break;
		if (memcmp(a, b, n) == 0)
			continue;
		for (uint32_t i = 0; i < n; i++)
			if (a[i] != b[i]) {
				*differs = at + i;
				break;
			}
	}
	free(a);
	free(b);
	close(fd);
	return rc;
}

/* Looks for records of the copy that the home does not have at their place. */
struct rivals {
	int		 home;		/* descriptor of the home's segment */
	int		 copy;		/* of the copy's bytes */
	uint32_t	 he;
	bool		 any;
};

static int
note_rival(void *arg, const struct seg_item *it)
{
	struct rivals	*r = arg;
	char		 a[RECORD_HEAD], b[RECORD_HEAD];

	/* a header line has the checksums of all the rest */
	if (it->what == SEG_RECORD && (it->offset + it->length > r->he ||
	    file_pread(r->home, a, sizeof(a), it->offset) != 0 ||
	    file_pread(r->copy, b, sizeof(b), it->offset) != 0 ||
	    memcmp(a, b, sizeof(a)) != 0))
		r->any = true;
	return 0;
}

/* Has the copy whole records from there on that the home lacks? */
static int
has_rivals(const struct log *log, const char *home, const struct seg_meta *m,
    struct copy *c, uint32_t segment, uint32_t he, uint32_t ce, bool *any)
{
	const struct reconcile none = { .v = NULL };
	struct rivals	 r = { .home = -1, .copy = -1, .he = he };
	struct seg_scan	 s = { .salt = m->salt, .segment = segment,
			    .to = ce, .messages = true, .fn = note_rival,
			    .arg = &r };
	int		 rc;

	if ((rc = seg_open(log, home, segment, O_RDONLY, &r.home)) != 0)
		return rc;
	if ((r.copy = open(home, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) == -1)
		rc = log_errno(log, "%s", home);
	s.fd = r.copy;
	if (rc == 0 && (rc = fetch(c, segment, 0, ce, r.copy, &none)) == 0)
		rc = seg_scan(log, &s);
	if (r.copy != -1)
		close(r.copy);
	close(r.home);
	*any = r.any;
	return rc;
}

/*
 * A copy's tail that is not the home's is cut, if the home's is sound and the
 * copy has no records there: a copy's crash leaves none but the home's.
 */
static int
settle_tail(const struct log *log, const char *home, const struct seg_meta *m,
    struct copy *c, uint32_t segment, uint32_t he, uint32_t ce)
{
	uint32_t	 end = he < ce ? he : ce, differs;
	bool		 sound, any;
	int		 rc;

	if (end == 0)
		return 0;
	if ((rc = compare_tail(log, home, c, segment, end, &differs)) != 0 ||
	    differs == end)
		return rc;
	if ((rc = home_is_sound(log, home, m, segment, he, &sound)) != 0)
		return rc;
	if (!sound)
		return log_fail(log, CM_ECORRUPT, "volume %s: segment %08u: "
		    "the home and a copy differ at %u, and the home is damaged"
		    " (cm-rebuild check -r)", m->name, segment, differs);
	if ((rc = has_rivals(log, home, m, c, segment, he, ce, &any)) != 0)
		return rc;
	if (any)
		return log_fail(log, CM_ECORRUPT, "volume %s: segment %08u: a "
		    "copy has other records than the home from byte %u on: one"
		    " of the two was put back from an older state", m->name,
		    segment, differs);
	log_warn(log, "volume %s: segment %08u: a copy differs from byte %u "
	    "on; it is sent again", m->name, segment, differs);
	return copy_cut(c, segment, differs);
}

static int
settle(const struct log *log, const char *home, const struct seg_meta *m,
    struct copy *c, uint32_t segment, bool tail, struct reconcile *r)
{
	/* without a handle every segment counts as sealed */
	struct vol_end	 committed = { PLACE_SEGMENT_MAX, 0 };
	uint32_t	 he, ce;
	int		 rc;

	if ((rc = copy_end(c, segment, &ce)) != 0 || ce == 0)
		return rc;
	/* looked at behind the copy: its shipper is at work */
	if (r->v != NULL)
		committed = vol_committed(r->v);
	if (segment > committed.segment)
		return log_fail(log, CM_ECORRUPT, "volume %s: a copy has "
		    "segment %08u, which the home never had", m->name,
		    segment);
	if ((rc = home_size(log, home, committed, segment, &he)) != 0)
		return rc;
	if (ce > he) {
		if (segment == committed.segment)
			return log_fail(log, CM_ECORRUPT, "volume %s: a copy's"
			    " open segment %08u is longer than the home's",
			    m->name, segment);
		return pull(log, home, m, c, segment, he, ce, r);
	}
	if (tail)
		return settle_tail(log, home, m, c, segment, he, ce);
	return 0;
}

int
reconcile(const struct log *log, const char *home, const struct seg_meta *m,
    struct copy *c, struct reconcile *r)
{
	uint32_t	*list;
	size_t		 n;
	int		 rc;

	if ((rc = copy_list(c, &list, &n)) != 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = settle(log, home, m, c, list[i],
		    r->tails && i + 1 == n, r);
	free(list);
	return rc;
}

int
reconcile_next(const struct log *log, const char *home,
    struct vol_end committed, struct copy *c, uint32_t from,
    struct vol_end *next)
{
	uint32_t	*list, he, ce;
	size_t		 n;
	int		 rc;

	*next = committed;
	if ((rc = seg_list(log, home, &list, &n)) != 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (list[i] < from || list[i] > committed.segment)
			continue;
		if ((rc = home_size(log, home, committed, list[i],
		    &he)) != 0 || (rc = copy_end(c, list[i], &ce)) != 0)
			break;
		if (ce < he) {
			*next = (struct vol_end){ list[i], ce };
			break;
		}
	}
	free(list);
	return rc;
}
