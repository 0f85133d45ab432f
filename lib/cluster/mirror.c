/* Those who wait for copies: asking the shippers, the policy, the filter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cancel.h"
#include "cluster/copy.h"
#include "cluster/forward.h"
#include "cluster/mirror_int.h"
#include "cluster/volume.h"

#define SHIPPER_IDLE_S	60
#define TRIES		3
#define GRACE_MS	2000	/* for the answer itself */

int
mirror_lines_init(const struct mirror *m, struct line_to **out, size_t *n)
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

void
mirror_hang_up(struct line_to *l)
{
	if (l->up)
		stream_close(&l->s);
	l->up = false;
}

void
mirror_lines_free(struct line_to *l, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		mirror_hang_up(&l[i]);
		acks_free(&l[i].acks);
		service_free(&l[i].service);
	}
	free(l);
}

int
mirror_dial(struct line_to *l, int timeout_ms)
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

int
mirror_take_answer(struct item *it)
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

unsigned
mirror_copies_asked(const struct mirror *m)
{
	return m->copies > 0 ? m->copies - 1 : 0;
}

void
mirror_add_wait(const struct mirror *m, const struct item *it, int timeout_ms)
{
	const struct place	*p = &it->r.place;

	buf_addf(&it->to->s.out, "wait %u %u %u %d\n", p->segment,
	    p->offset + p->length, mirror_copies_asked(m), timeout_ms);
}

int
mirror_ask(struct filter *f, struct line_to *l, int timeout_ms)
{
	const struct mirror	*m = f->m;
	int			 rc = 0;

	for (int i = 0; i < TRIES; i++) {
		if ((rc = mirror_dial(l, timeout_ms)) != 0)
			return rc;
		for (size_t j = 0; j < f->n; j++) {
			struct item *it = &f->item[j];

			if (is_open(it, l))
				mirror_add_wait(m, it, timeout_ms);
		}
		rc = stream_flush(&l->s, 1);
		for (size_t j = 0; rc == 0 && j < f->n; j++)
			if (is_open(&f->item[j], l))
				rc = mirror_take_answer(&f->item[j]);
		if (rc == 0)
			return 0;
		mirror_hang_up(l);
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
 * A rule, or a node that is drained, has it stored, and mirrored, on another
 * one: does the receipt itself name enough places?
 */
static bool
is_reached(const struct mirror *m, const struct conf_volume *cv,
    const struct receipt *r)
{
	struct span	 rest = r->copies, f;
	unsigned	 n = 0, least = m->copies;

	while (str_field(&rest, ',', &f))
		n += f.len > 0;
	if (m->conf->on_short == CONF_DEGRADE && m->conf->node->drain)
		least = 1;
	else if (m->conf->on_short == CONF_DEGRADE &&
	    least > cv->ncopies + 1)
		least = (unsigned)cv->ncopies + 1;
	return n >= least;
}

/* Whatever the policy: what its home lacks is not passed on. */
static void
look_at_home(struct filter *f, struct item *it)
{
	const struct conf_volume *cv = it->to->cv;
	const struct place	*p = &it->r.place;
	uint32_t		 size;

	if (!conf_is_home(f->m->conf, cv) && is_reached(f->m, cv, &it->r)) {
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

int
mirror_fill_in(struct filter *f)
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
	if (mirror_ask(f, it->to, 0) != 0) {
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

int
mirror_forward_short(struct filter *f)
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

void
mirror_items_free(struct filter *f)
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
		if (any && mirror_ask(f, &f->lines[i],
		    f->m->conf->timeout_ms) == CM_ENOMEM)
			return CM_ENOMEM;
	}
	if ((rc = mirror_fill_in(f)) == 0 &&
	    (rc = mirror_forward_short(f)) == 0)
		rc = write_items(f, out);
	mirror_items_free(f);
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
	rc = mirror_lines_init(m, &f->lines, &f->nlines);
	while (rc == 0 && (rc = stream_line(&s, &line)) == 0) {
		if ((rc = add_item(f, line, ++number)) == CM_EDATA) {
			bad = rc;
			rc = 0;
		}
		if (rc == 0 && f->n > 0 &&
		    (f->n == MIRROR_CHUNK || !stream_has_line(&s)))
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
	mirror_items_free(f);
	mirror_lines_free(f->lines, f->nlines);
	free(f);
	buf_free(&s.in);
	buf_free(&s.out);
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
