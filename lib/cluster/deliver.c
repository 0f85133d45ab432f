#include "cluster/deliver.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/mirror.h"
#include "format/receipt.h"

struct deliver {
	struct mirror	 m;
	struct store	*store;
	struct mirror_line *line;
	struct buf	 receipt;
};

int
deliver_open(const struct log *log, const struct conf *conf, const char *file,
    const char *node, struct deliver **out)
{
	struct deliver	*d;
	int		 rc;

	*out = NULL;
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return log_fail(log, CM_ENOMEM, "delivery");
	d->m = (struct mirror){ .log = log, .conf = conf, .file = file,
	    .node = node, .copies = conf->copies };
	buf_init(&d->receipt, RECEIPT_MAX);
	if ((rc = store_open(log, conf, &d->store)) != 0 ||
	    (rc = mirror_line_open(&d->m, &d->line)) != 0) {
		deliver_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

void
deliver_close(struct deliver *d)
{
	if (d == NULL)
		return;
	mirror_line_close(d->line);
	store_close(d->store);
	buf_free(&d->receipt);
	free(d);
}

/* A node that is drained has it stored, and mirrored, on another one. */
static int
take_labels(struct deliver *d, const struct receipt *r, struct delivery *y)
{
	struct span	 rest = r->copies, f;
	unsigned	 n = 0;

	while (str_field(&rest, ',', &f))
		n += f.len > 0;
	y->few = n < d->m.copies;
	buf_reset(&y->copies);
	buf_add(&y->copies, r->copies.p, r->copies.len);
	return y->few && d->m.conf->on_short == CONF_REFUSE ? CM_ESHORT :
	    y->copies.err;
}

static int
make_safe(struct deliver *d, const struct receipt *r, struct delivery *y)
{
	const struct conf	 *conf = d->m.conf;
	const struct conf_volume *cv = conf_volume(conf, r->place.volume,
				    strlen(r->place.volume));
	int			  rc;

	if (cv == NULL || !conf_is_home(conf, cv))
		return take_labels(d, r, y);
	mirror_line_ask(d->line, &r->place);
	if ((rc = store_commit(d->store)) != 0)
		return rc;
	return mirror_line_settle(d->line, &y->place, &y->copies, &y->few);
}

int
deliver_message(struct deliver *d, const struct store_msg *m,
    struct delivery *y)
{
	struct receipt	 r;
	int		 rc;

	if (y->copies.max == 0)
		buf_init(&y->copies, RECEIPT_MAX);
	buf_reset(&d->receipt);
	if ((rc = store_append(d->store, m, &d->receipt)) != 0)
		return rc;
	if ((rc = receipt_parse(d->receipt.p, d->receipt.len - 1, &r)) != 0)
		return log_fail(d->m.log, rc, "receipt");
	memcpy(y->id, r.id, sizeof(y->id));
	y->place = r.place;
	return make_safe(d, &r, y);
}

void
delivery_free(struct delivery *y)
{
	if (y->copies.max != 0)
		buf_free(&y->copies);
}
