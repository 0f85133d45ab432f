/* Those who wait for copies: the filter, and catching up. */
#include "cluster/mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/file.h"
#include "base/time.h"
#include "cluster/acks.h"
#include "cluster/cancel.h"
#include "cluster/copy.h"
#include "cluster/forward.h"
#include "cluster/service.h"
#include "cluster/volume.h"
#include "format/receipt.h"

#define CHUNK		256	/* receipts waited for together */
#define SHIPPER_IDLE_S	60
#define TRIES		3
#define GRACE_MS	2000	/* for the answer itself */
#define WAKE_MS		2000
#define TOLD_MS		300	/* then the shipper itself is asked */
#define STALL_MS	10000	/* catching up without a step: give up */

/* The way to one volume's shipper. */
struct line_to {
	const struct conf_volume *cv;
	struct acks	 acks;
	struct service	 service;
	struct stream	 s;
	bool		 up;
	char		 idle[16];
};

struct item {
	char		*text;		/* the receipt's line */
	size_t		 len;
	struct receipt	 r;
	struct line_to	*to;
	bool		 absent;	/* its home does not have it */
	bool		 enough;
	char		*copies;	/* labels with commas */
};

struct filter {
	const struct mirror *m;
	struct line_to	*lines;
	size_t		 nlines;
	struct item	 item[CHUNK];
	size_t		 n;
	unsigned	 refused;
};

static int
lines_init(const struct mirror *m, struct line_to **out, size_t *n)
{
	struct line_to	*l;
	char		 name[80];
	int		 rc;

	*n = 0;
	*out = calloc(m->conf->nvolumes + 1, sizeof(*l));
	if (*out == NULL)
		return log_fail(m->log, CM_ENOMEM, "mirror");
	for (size_t i = 0; i < m->conf->nvolumes; i++) {
		l = &(*out)[i];
		l->cv = &m->conf->volumes[i];
		acks_init(&l->acks, m->conf, l->cv);
		snprintf(name, sizeof(name), "mirror-%s", l->cv->name);
		if ((rc = service_init(&l->service, m->log, m->conf, m->file,
		    m->node, name, "cm-mirror")) != 0)
			return rc;
		snprintf(l->idle, sizeof(l->idle), "%d", SHIPPER_IDLE_S);
		l->service.argv[0] = "-i";
		l->service.argv[1] = l->idle;
		l->service.argv[2] = "-S";
		l->service.argv[3] = l->cv->name;
		++*n;
	}
	return 0;
}

static void
hang_up(struct line_to *l)
{
	if (l->up)
		stream_close(&l->s);
	l->up = false;
}

static void
lines_free(struct line_to *l, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		hang_up(&l[i]);
		acks_free(&l[i].acks);
		service_free(&l[i].service);
	}
	free(l);
}

static int
dial(struct line_to *l, int timeout_ms)
{
	int	 fd, rc;

	if (!l->up) {
		if ((rc = service_dial(&l->service, &fd)) != 0)
			return rc;
		stream_init(&l->s, fd, 65536, timeout_ms + GRACE_MS);
		l->up = true;
	}
	l->s.timeout_ms = timeout_ms + GRACE_MS;
	return 0;
}

/* "home" or "home,label,label" from an answer "ok label label". */
static char *
copies_of(const struct conf_volume *cv, struct span labels)
{
	char		 home[COPY_LABEL_MAX], *out;
	struct buf	 b;
	struct span	 f;

	copy_label(cv, -1, home);
	buf_init(&b, 1 << 20);
	buf_adds(&b, home);
	while (labels.p != NULL && str_field(&labels, ' ', &f))
		if (f.len > 0) {
			buf_addc(&b, ',');
			buf_add(&b, f.p, f.len);
		}
	out = b.err ? NULL : strdup(b.p);
	buf_free(&b);
	return out;
}

static int
take_answer(struct item *it)
{
	struct span	 l, word;
	int		 rc;

	if ((rc = stream_line(&it->to->s, &l)) != 0)
		return rc == CM_EEND || rc == CM_EDATA ? CM_EAWAY : rc;
	if (!str_field(&l, ' ', &word))
		return CM_EPROTO;
	it->enough = span_is(word, "ok");
	if (!it->enough && !span_is(word, "short"))
		return CM_EPROTO;
	if ((it->copies = copies_of(it->to->cv, l)) == NULL)
		return CM_ENOMEM;
	return 0;
}

static bool
is_open(const struct item *it, const struct line_to *l)
{
	return it->to == l && it->copies == NULL && !it->absent;
}

/* Besides the home. */
static unsigned
copies_asked(const struct mirror *m)
{
	return m->copies > 0 ? m->copies - 1 : 0;
}

static void
add_wait(const struct mirror *m, const struct item *it, int timeout_ms)
{
	const struct place	*p = &it->r.place;

	buf_addf(&it->to->s.out, "wait %u %u %u %d\n", p->segment,
	    p->offset + p->length, copies_asked(m), timeout_ms);
}

/* Asks a volume's shipper about its items; again when it dies meanwhile. */
static int
ask(struct filter *f, struct line_to *l, int timeout_ms)
{
	const struct mirror	*m = f->m;
	int			 rc = 0;

	for (int i = 0; i < TRIES; i++) {
		if ((rc = dial(l, timeout_ms)) != 0)
			return rc;
		for (size_t j = 0; j < f->n; j++) {
			struct item *it = &f->item[j];

			if (is_open(it, l))
				add_wait(m, it, timeout_ms);
		}
		rc = stream_flush(&l->s, 1);
		for (size_t j = 0; rc == 0 && j < f->n; j++)
			if (is_open(&f->item[j], l))
				rc = take_answer(&f->item[j]);
		if (rc == 0)
			return 0;
		hang_up(l);
		if (rc != CM_EAWAY)
			break;
	}
	return log_fail(m->log, rc, "shipper of volume %s", l->cv->name);
}

static int
is_cancelled(struct filter *f, const struct item *it, bool *yes)
{
	*yes = vol_may_be_cancelled(it->to->cv, &it->r.place);
	return *yes ? cancel_find(f->m->log, it->to->cv, &it->r.place, yes) :
	    0;
}

/*
 * A receipt that was refused before: its record will never be listed.  It is
 * stored again under its id, so that trying the receipt again is as good as
 * trying all again.
 */
static void
store_again(struct filter *f, struct item *it)
{
	bool	 yes;
	int	 rc;

	if ((rc = is_cancelled(f, it, &yes)) == 0 && yes)
		rc = forward_again(f->m->log, f->m->conf, it->to->cv,
		    &it->r.place);
	if (rc == 0)
		return;
	log_fail(f->m->log, rc, "%s", it->r.id);
	it->absent = true;
	f->refused++;
}

/*
 * A node that is drained has it stored, and mirrored, on another one: does the
 * receipt itself name enough places?
 */
static bool
is_reached(const struct mirror *m, const struct receipt *r)
{
	struct span	 rest = r->copies, f;
	unsigned	 n = 0;

	while (str_field(&rest, ',', &f))
		n += f.len > 0;
	return m->conf->node->drain && (n >= m->copies ||
	    (n > 0 && m->conf->on_short == CONF_DEGRADE));
}

/* Whatever the policy: what its home lacks is not passed on. */
static void
look_at_home(struct filter *f, struct item *it)
{
	const struct conf_volume *cv = it->to->cv;
	const struct place	*p = &it->r.place;
	uint32_t		 size;

	if (!conf_is_home(f->m->conf, cv) && is_reached(f->m, &it->r)) {
		it->enough = true;
		it->copies = strndup(it->r.copies.p, it->r.copies.len);
		it->absent = it->copies == NULL;
	} else if (!conf_is_home(f->m->conf, cv)) {
		it->absent = true;
		log_fail(f->m->log, CM_EAWAY, "%s: the home of volume %s is "
		    "%s", it->r.id, cv->name, cv->home);
	} else if (seg_size(f->m->log, cv->path, p->segment, &size) != 0 ||
	    size < p->offset + p->length) {
		it->absent = true;
		log_fail(f->m->log, CM_ESHORT, "%s is not in %s", it->r.id,
		    cv->path);
	} else {
		store_again(f, it);
		return;
	}
	f->refused += it->absent;
}

/*
 * Its copies turned out to belong to a newer home: what is stored in this one
 * is lost to the cluster, whatever the policy.
 */
static bool
is_in_old_home(struct filter *f, struct item *it)
{
	if (it->absent || !vol_is_superseded(it->to->cv))
		return false;
	log_fail(f->m->log, CM_EEPOCH, "%s is in the old home of volume %s "
	    "(cm-rebuild volume %s)", it->r.id, it->to->cv->name,
	    it->to->cv->name);
	it->absent = true;
	f->refused++;
	return true;
}

/* By another one, who had the same receipt and waited less. */
static bool
was_taken_back(struct filter *f, struct item *it)
{
	bool	 yes;

	if (it->absent || !conf_is_home(f->m->conf, it->to->cv) ||
	    (is_cancelled(f, it, &yes) == 0 && !yes))
		return false;
	log_fail(f->m->log, CM_ESHORT, "%s was taken back meanwhile",
	    it->r.id);
	it->absent = true;
	f->refused++;
	return true;
}

/* What nobody could tell of is on the home alone. */
static int
fill_in(struct filter *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct item *it = &f->item[i];

		if (is_in_old_home(f, it) || was_taken_back(f, it))
			continue;
		if (it->copies != NULL || it->absent)
			continue;
		it->enough = f->m->copies <= 1;
		it->copies = copies_of(it->to->cv, (struct span){ NULL, 0 });
		if (it->copies == NULL)
			return log_fail(f->m->log, CM_ENOMEM, "mirror");
	}
	return 0;
}

/*
 * The copies got it at the last moment.  When one went away again since, the
 * shipper does not name it any more.
 */
static int
late(struct filter *f, struct item *it)
{
	const struct conf_volume *cv = it->to->cv;
	unsigned	 wanted = conf_copies_wanted(f->m->conf, cv);
	char		 label[COPY_LABEL_MAX], *copies = it->copies;
	struct buf	 all;

	it->copies = NULL;
	if (ask(f, it->to, 0) != 0) {
		it->copies = copies;
		copies = NULL;
	}
	free(copies);
	if (it->enough || f->m->copies > wanted + 1)
		return 0;
	it->enough = true;
	if (wanted < cv->ncopies)
		return 0;
	buf_init(&all, 1 << 20);
	for (int i = -1; i < (int)cv->ncopies; i++) {
		copy_label(cv, i, label);
		buf_addf(&all, "%s%s", i < 0 ? "" : ",", label);
	}
	free(it->copies);
	it->copies = all.err == 0 ? strdup(all.p) : NULL;
	buf_free(&all);
	return it->copies == NULL ? log_fail(f->m->log, CM_ENOMEM, "mirror") :
	    0;
}

/* Who is refused will send it again: it must not be listed then. */
static int
take_back(struct filter *f, struct item *it)
{
	const struct mirror	*m = f->m;
	int			 rc, rc2 = 0;

	rc = cancel_record(m->log, m->conf, it->to->cv, &it->r.place);
	/* they have it, but another one may have taken it back before */
	if (rc == 0 || (rc == CM_EEXIST && was_taken_back(f, it)))
		return 0;
	if (rc == CM_EEXIST)
		rc2 = late(f, it);
	if (!it->enough)
		log_fail(m->log, rc, "%s: refused, but may be listed",
		    it->r.id);
	return rc2;
}

/* Before a record is refused: another node may have enough copies. */
static int
forward_short(struct filter *f)
{
	const struct mirror	*m = f->m;
	struct buf		 labels;
	int			 rc = 0;

	if (m->conf->on_short != CONF_REFUSE)
		return 0;
	buf_init(&labels, 65536);
	for (size_t i = 0; rc == 0 && i < f->n; i++) {
		struct item *it = &f->item[i];

		if (it->enough || it->absent)
			continue;
		if (forward_record(m->log, m->conf, m->copies, &it->r.place,
		    &labels) != 0) {
			rc = take_back(f, it);
			continue;
		}
		free(it->copies);
		it->enough = true;
		if ((it->copies = strdup(labels.p)) == NULL)
			rc = log_fail(m->log, CM_ENOMEM, "mirror");
	}
	buf_free(&labels);
	return rc;
}

static int
write_items(struct filter *f, int out)
{
	const struct mirror	*m = f->m;
	struct stream		 s;
	int			 rc;

	stream_init(&s, out, 0, -1);
	for (size_t i = 0; i < f->n; i++) {
		struct item *it = &f->item[i];

		if (it->absent)
			continue;
		if (!it->enough && m->conf->on_short == CONF_REFUSE) {
			log_fail(m->log, CM_ESHORT, "%s is only on %s, wanted"
			    " are %u", it->r.id, it->copies, m->copies);
			f->refused++;
			continue;
		}
		if (!it->enough)
			log_warn(m->log, "%s is only on %s, wanted are %u; the"
			    " rest follows", it->r.id, it->copies, m->copies);
		it->r.copies = (struct span){ it->copies, strlen(it->copies) };
		receipt_write(&s.out, &it->r);
	}
	rc = stream_flush(&s, 1);
	buf_free(&s.in);
	buf_free(&s.out);
	return rc == 0 ? 0 : log_fail(m->log, rc, "output");
}

static void
items_free(struct filter *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->item[i].text);
		free(f->item[i].copies);
	}
	memset(f->item, 0, sizeof(f->item));
	f->n = 0;
}

static int
do_chunk(struct filter *f, int out)
{
	int	 rc;

	for (size_t i = 0; i < f->n; i++)
		look_at_home(f, &f->item[i]);
	for (size_t i = 0; i < f->nlines; i++) {
		bool any = false;

		if (f->lines[i].cv->ncopies == 0)
			continue;
		for (size_t j = 0; j < f->n; j++)
			any |= is_open(&f->item[j], &f->lines[i]);
		/* a shipper that is away leaves its items to the policy */
		if (any && ask(f, &f->lines[i], f->m->conf->timeout_ms) ==
		    CM_ENOMEM)
			return CM_ENOMEM;
	}
	if ((rc = fill_in(f)) == 0 && (rc = forward_short(f)) == 0)
		rc = write_items(f, out);
	items_free(f);
	return rc;
}

static int
add_item(struct filter *f, struct span line, uint64_t number)
{
	struct item	*it = &f->item[f->n];

	if ((it->text = strndup(line.p, line.len)) == NULL)
		return log_fail(f->m->log, CM_ENOMEM, "mirror");
	f->n++;
	if (receipt_parse(it->text, line.len, &it->r) == 0)
		for (size_t i = 0; i < f->nlines; i++)
			if (strcmp(f->lines[i].cv->name,
			    it->r.place.volume) == 0)
				it->to = &f->lines[i];
	if (it->to != NULL)
		return 0;
	f->n--;
	free(it->text);
	memset(it, 0, sizeof(*it));
	return log_fail(f->m->log, CM_EDATA, "input line %llu is no receipt "
	    "of a volume of this cluster", (unsigned long long)number);
}

int
mirror_filter(const struct mirror *m, int in, int out)
{
	struct filter	*f;
	struct stream	 s;
	struct span	 line;
	uint64_t	 number = 0;
	int		 rc, bad = 0;

	if ((f = calloc(1, sizeof(*f))) == NULL)
		return log_fail(m->log, CM_ENOMEM, "mirror");
	f->m = m;
	stream_init(&s, in, RECEIPT_MAX, -1);
	rc = lines_init(m, &f->lines, &f->nlines);
	while (rc == 0 && (rc = stream_line(&s, &line)) == 0) {
		if ((rc = add_item(f, line, ++number)) == CM_EDATA) {
			bad = rc;
			rc = 0;
		}
		if (rc == 0 && f->n > 0 &&
		    (f->n == CHUNK || !stream_has_line(&s)))
			rc = do_chunk(f, out);
	}
	if (rc == CM_EEND)
		rc = f->n > 0 ? do_chunk(f, out) : 0;
	else if (rc == CM_EDATA || rc == CM_ETOOBIG)
		log_fail(m->log, rc, "input line %llu",
		    (unsigned long long)number + 1);
	if (rc == 0 && f->refused > 0)
		rc = CM_ESHORT;
	if (rc == 0)
		rc = bad;
	items_free(f);
	lines_free(f->lines, f->nlines);
	free(f);
	buf_free(&s.in);
	buf_free(&s.out);
	return rc;
}

struct mirror_line {
	struct filter	 f;		/* of one item */
	bool		 asked;		/* its shipper, which owes an answer */
	bool		 told;		/* the shipper tells all of it */
};

int
mirror_line_open(const struct mirror *m, struct mirror_line **out)
{
	int	 rc;

	if ((*out = calloc(1, sizeof(**out))) == NULL)
		return log_fail(m->log, CM_ENOMEM, "mirror");
	(*out)->f.m = m;
	rc = lines_init(m, &(*out)->f.lines, &(*out)->f.nlines);
	if (rc != 0) {
		mirror_line_close(*out);
		*out = NULL;
	}
	return rc;
}

void
mirror_line_close(struct mirror_line *l)
{
	if (l == NULL)
		return;
	items_free(&l->f);
	lines_free(l->f.lines, l->f.nlines);
	free(l);
}

static bool
is_same_place(const struct place *a, const struct place *b)
{
	return strcmp(a->volume, b->volume) == 0 && a->segment == b->segment &&
	    a->offset == b->offset && a->length == b->length;
}

/* The item is this one; an answer that is owed for another is not awaited. */
static int
line_item(struct mirror_line *l, const struct place *place)
{
	struct filter	*f = &l->f;
	struct item	*it = &f->item[0];

	if (f->n == 1 && is_same_place(&it->r.place, place))
		return 0;
	if (l->asked)
		hang_up(it->to);
	l->asked = l->told = false;
	items_free(f);
	it->r.place = *place;
	for (size_t i = 0; i < f->nlines; i++)
		if (strcmp(f->lines[i].cv->name, place->volume) == 0)
			it->to = &f->lines[i];
	if (it->to == NULL)
		return CM_ENOINPUT;
	f->n = 1;
	return 0;
}

void
mirror_line_ask(struct mirror_line *l, const struct place *place)
{
	const struct mirror	*m = l->f.m;
	struct item		*it = &l->f.item[0];

	if (line_item(l, place) != 0 || l->asked || it->to->cv->ncopies == 0)
		return;
	l->told = acks_begin_wait(&it->to->acks, copies_asked(m));
	if (l->told || dial(it->to, m->conf->timeout_ms) != 0)
		return;
	add_wait(m, it, m->conf->timeout_ms);
	l->asked = stream_flush(&it->to->s, 1) == 0;
	if (!l->asked)
		hang_up(it->to);
}

/*
 * Did the shipper tell that enough copies have it?  Of a record that was just
 * appended, in the home that counts, nothing else needs to be looked at.
 */
static bool
was_told(struct mirror_line *l, const struct place *place, struct buf *labels)
{
	struct line_to	*to = l->f.item[0].to;
	int		 ms = l->f.m->conf->timeout_ms;
	char		 home[COPY_LABEL_MAX];
	struct vol_end	 end = { place->segment,
			    place->offset + place->length };

	if (!acks_wait(&to->acks, end, copies_asked(l->f.m),
	    ms < TOLD_MS ? ms : TOLD_MS) ||
	    !acks_is_kept(&to->acks, place) || vol_is_superseded(to->cv))
		return false;
	copy_label(to->cv, -1, home);
	buf_adds(labels, home);
	acks_labels(&to->acks, end, labels);
	return true;
}

int
mirror_line_wait(struct mirror_line *l, const struct place *place,
    struct buf *labels)
{
	struct filter	*f = &l->f;
	struct item	*it = &f->item[0];
	int		 rc;

	if ((rc = line_item(l, place)) != 0)
		return rc;
	if (l->told && was_told(l, place, labels)) {
		items_free(f);
		l->told = false;
		return labels->err;
	}
	l->told = false;
	if (l->asked && take_answer(it) != 0)
		hang_up(it->to);
	l->asked = false;
	if (it->copies == NULL && it->to->cv->ncopies > 0 &&
	    ask(f, it->to, f->m->conf->timeout_ms) == CM_ENOMEM)
		rc = CM_ENOMEM;
	if (rc == 0 && (rc = fill_in(f)) == 0 && it->absent)
		rc = CM_EEPOCH;
	if (rc == 0 && (rc = buf_adds(labels, it->copies)) == 0 && !it->enough)
		rc = CM_ESHORT;
	items_free(f);
	return rc;
}

int
mirror_take_back(const struct mirror *m, const struct place *place)
{
	const struct conf_volume *cv = conf_volume(m->conf, place->volume,
				    strlen(place->volume));

	if (cv == NULL)
		return CM_ENOINPUT;
	return cancel_record(m->log, m->conf, cv, place);
}

int
mirror_one(const struct mirror *m, const struct place *place,
    struct buf *labels)
{
	struct mirror_line	*l;
	int			 rc;

	if ((rc = mirror_line_open(m, &l)) == 0)
		rc = mirror_line_wait(l, place, labels);
	mirror_line_close(l);
	return rc;
}

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

	if ((rc = dial(l, 1000)) != 0)
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
	rc = lines_init(m, &lines, &nlines);
	for (size_t i = 0; rc == 0 && i < nlines; i++) {
		if (lines[i].cv->ncopies == 0 ||
		    !conf_is_home(m->conf, lines[i].cv) ||
		    !can_ship(lines[i].cv))
			continue;
		if ((one = ask_lags(&lines[i], *out + *n, n)) != 0)
			log_fail(m->log, one, "shipper of volume %s",
			    lines[i].cv->name);
	}
	lines_free(lines, nlines);
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

	rc = lines_init(m, &lines, &n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (lines[i].cv != cv || cv->ncopies == 0 ||
		    (rc = dial(&lines[i], m->conf->timeout_ms)) != 0)
			continue;
		buf_adds(&lines[i].s.out, "again\n");
		rc = stream_flush(&lines[i].s, 1);
	}
	lines_free(lines, n);
	return rc;
}

void
mirror_wake(struct mirror_wake *w, const struct log *log,
    const struct conf *conf, const struct volume *v)
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
	rc = lines_init(&m, &lines, &n);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (strcmp(lines[i].cv->name, vol_name(v)) == 0)
			rc = dial(&lines[i], 0);
	lines_free(lines, n);
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

	if ((rc = dial(l, 1000)) != 0)
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
		hang_up(l);
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
	if ((rc = dial(l, 1000)) != 0)
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

	rc = lines_init(m, &lines, &n);
	for (size_t i = 0; rc != CM_ENOMEM && i < n; i++) {
		if (lines[i].cv->ncopies == 0 ||
		    !conf_is_home(m->conf, lines[i].cv))
			continue;
		if ((one = catch_up(m, &lines[i])) != 0)
			rc = one;
	}
	lines_free(lines, n);
	return rc;
}
