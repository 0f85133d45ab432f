/* SEARCH's answer: RFC 3501 section 7.2.5, RFC 4731, RFC 5182. */
#include "protocol/imapd_found.h"

#include <stdlib.h>

#include "protocol/imapd_int.h"

void
imapd_found_free(struct imapd_found *f)
{
	free(f->at);
	*f = (struct imapd_found){ .n = 0 };
}

int
imapd_found_add(struct imapd_found *f, size_t at, uint64_t modseq)
{
	size_t	 room = f->room > 0 ? 2 * f->room : 256, *p;

	if (f->n == f->room) {
		if ((p = realloc(f->at, room * sizeof(*p))) == NULL)
			return CM_ENOMEM;
		f->at = p;
		f->room = room;
	}
	f->at[f->n++] = at;
	if (modseq > f->modseq)
		f->modseq = modseq;
	return 0;
}

static int
by_place(const void *a, const void *b)
{
	size_t	 x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

void
imapd_found_sort(struct imapd_found *f)
{
	if (f->n > 1)
		qsort(f->at, f->n, sizeof(*f->at), by_place);
}

static uint32_t
number(const struct imapd *m, const struct imap_command *c, size_t at)
{
	return c->uid ? m->view.uid[at] : (uint32_t)at + 1;
}

/* RFC 3501: numbers with blanks between. */
static int
say_search(struct imapd *m, const struct imap_command *c,
    const struct imapd_found *f)
{
	struct buf	*out = conn_out(m->s->conn);

	buf_adds(out, "* SEARCH");
	for (size_t i = 0; i < f->n; i++) {
		buf_addc(out, ' ');
		buf_addu(out, number(m, c, f->at[i]), 0);
	}
	if (c->search.modseq && f->n > 0)
		buf_addf(out, " (MODSEQ %llu)",
		    (unsigned long long)f->modseq);
	buf_adds(out, "\r\n");
	return out->err;
}

static int
as_set(const struct imapd *m, const struct imap_command *c,
    const struct imapd_found *f, struct imap_set *s)
{
	uint32_t	 n;
	int		 rc = 0;

	*s = (struct imap_set){ .n = 0 };
	for (size_t i = 0; rc == 0 && i < f->n; i++) {
		n = number(m, c, f->at[i]);
		rc = imap_set_add(s, n, n);
	}
	return rc;
}

static int
say_esearch(struct imapd *m, const struct imap_command *c,
    const struct imapd_found *f)
{
	struct buf	*out = conn_out(m->s->conn);
	struct imap_set	 s = { .n = 0 };
	int		 rc = 0;
	bool		 none = !c->search.min && !c->search.max &&
			    !c->search.all && !c->search.count &&
			    !c->search.save;

	/* RFC 5182 section 2.4: SAVE alone has no answer of its own */
	buf_adds(out, "* ESEARCH (TAG ");
	imap_string(out, c->tag, false);
	buf_addf(out, ")%s", c->uid ? " UID" : "");
	if (c->search.min && f->n > 0)
		buf_addf(out, " MIN %u", number(m, c, f->at[0]));
	if (c->search.max && f->n > 0)
		buf_addf(out, " MAX %u", number(m, c, f->at[f->n - 1]));
	if (c->search.count)
		buf_addf(out, " COUNT %zu", f->n);
	if ((c->search.all || none) && f->n > 0 &&
	    (rc = as_set(m, c, f, &s)) == 0) {
		buf_adds(out, " ALL ");
		rc = imap_set_write(out, &s);
	}
	if (c->search.modseq && f->n > 0)
		buf_addf(out, " MODSEQ %llu", (unsigned long long)f->modseq);
	buf_adds(out, "\r\n");
	imap_set_free(&s);
	return rc != 0 ? rc : out->err;
}

/* MIN and MAX alone save what they give: RFC 5182 section 2.1. */
static int
save(struct imapd *m, const struct imap_command *c,
    const struct imapd_found *f)
{
	struct imap_set	*s = &m->view.saved;
	bool		 ends = (c->search.min || c->search.max) &&
			    !c->search.all && !c->search.count;
	uint32_t	 uid;
	int		 rc = 0;

	imap_set_free(s);
	for (size_t i = 0; rc == 0 && i < f->n; i++) {
		if (ends && !(c->search.min && i == 0) &&
		    !(c->search.max && i == f->n - 1))
			continue;
		uid = m->view.uid[f->at[i]];
		rc = imap_set_add(s, uid, uid);
	}
	return rc;
}

int
imapd_found_say(struct imapd *m, const struct imap_command *c,
    const struct imapd_found *f)
{
	bool	 silent = c->search.save && !c->search.min && !c->search.max &&
		    !c->search.all && !c->search.count;
	int	 rc = 0;

	if (c->search.save)
		rc = save(m, c, f);
	if (rc != 0 || silent)
		return rc;
	return c->search.has_return || imapd_is_rev2(m) ? say_esearch(m, c, f) :
	    say_search(m, c, f);
}
