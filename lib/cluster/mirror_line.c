/* Those who store record after record, with kept ways to the shippers. */
#include <stdlib.h>
#include <string.h>

#include "cluster/copy.h"
#include "cluster/mirror_int.h"
#include "cluster/volume.h"

#define TOLD_MS		300	/* then the shipper itself is asked */

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
	rc = mirror_lines_init(m, &(*out)->f.lines, &(*out)->f.nlines);
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
	mirror_items_free(&l->f);
	mirror_lines_free(l->f.lines, l->f.nlines);
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
		mirror_hang_up(it->to);
	l->asked = l->told = false;
	mirror_items_free(f);
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
	l->told = acks_begin_wait(&it->to->acks, mirror_copies_asked(m));
	if (l->told || mirror_dial(it->to, m->conf->timeout_ms) != 0)
		return;
	mirror_add_wait(m, it, m->conf->timeout_ms);
	l->asked = stream_flush(&it->to->s, 1) == 0;
	if (!l->asked)
		mirror_hang_up(it->to);
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

	if (!acks_wait(&to->acks, end, mirror_copies_asked(l->f.m),
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
		mirror_items_free(f);
		l->told = false;
		return labels->err;
	}
	l->told = false;
	if (l->asked && mirror_take_answer(it) != 0)
		mirror_hang_up(it->to);
	l->asked = false;
	if (it->copies == NULL && it->to->cv->ncopies > 0 &&
	    mirror_ask(f, it->to, f->m->conf->timeout_ms) == CM_ENOMEM)
		rc = CM_ENOMEM;
	if (rc == 0 && (rc = mirror_fill_in(f)) == 0 && it->absent)
		rc = CM_EEPOCH;
	if (rc == 0 && (rc = buf_adds(labels, it->copies)) == 0 && !it->enough)
		rc = CM_ESHORT;
	mirror_items_free(f);
	return rc;
}


/* The one item is in labels alone. */
static int
do_policy(struct mirror_line *l, struct place *place, struct buf *labels,
    bool *few)
{
	const struct mirror	*m = l->f.m;
	struct item		*it = &l->f.item[0];
	int			 rc;

	if (m->conf->on_short == CONF_DEGRADE) {
		log_warn(m->log, "%s:%u:%u is only on %s, wanted are %u; the "
		    "rest follows", place->volume, place->segment,
		    place->offset, labels->p, m->copies);
		*few = true;
		return 0;
	}
	if ((it->copies = strdup(labels->p)) == NULL)
		return log_fail(m->log, CM_ENOMEM, "mirror");
	if ((rc = mirror_forward_short(&l->f)) != 0)
		return rc;
	if (!it->enough)
		return CM_ESHORT;
	*place = it->r.place;
	buf_reset(labels);
	return buf_adds(labels, it->copies);
}

int
mirror_line_settle(struct mirror_line *l, struct place *place,
    struct buf *labels, bool *few)
{
	int	 rc;

	*few = false;
	buf_reset(labels);
	if ((rc = mirror_line_wait(l, place, labels)) != CM_ESHORT)
		return rc;
	if ((rc = line_item(l, place)) == 0)
		rc = do_policy(l, place, labels, few);
	mirror_items_free(&l->f);
	return rc;
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
