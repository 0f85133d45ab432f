#include "cluster/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/time.h"
#include "cluster/copy.h"
#include "cluster/forward.h"
#include "cluster/peer.h"
#include "cluster/route.h"
#include "cluster/volume.h"
#include "format/header.h"
#include "format/mime.h"
#include "format/receipt.h"
#include "format/record.h"

#define RETRY_MS	5000	/* for a volume that failed */

/*
 * One volume: at home here and opened, and how far it has to be synced; or of
 * another node, and the connection.
 */
struct target {
	struct volume	*v;
	struct peer	*peer;
	struct place	 last;
	bool		 dirty;
	int64_t		 retry_ms;	/* after a failure: not before */
	int		 failure;
};

struct store {
	const struct log *log;
	const struct conf *conf;
	struct target	*targets;	/* one for each volume of the conf */
	struct buf	 env, to, envelope, body, boxes, labels;
};

int
store_open(const struct log *log, const struct conf *conf, struct store **out)
{
	struct store	*s;

	*out = NULL;
	if ((s = calloc(1, sizeof(*s))) == NULL ||
	    (s->targets = calloc(conf->nvolumes + 1,
	    sizeof(*s->targets))) == NULL) {
		free(s);
		return log_fail(log, CM_ENOMEM, "store");
	}
	s->log = log;
	s->conf = conf;
	buf_init(&s->env, RECORD_ENV_MAX);
	buf_init(&s->to, RECORD_ENV_MAX);
	buf_init(&s->envelope, 2 * MIME_SUMMARY_MAX);
	buf_init(&s->body, 2 * MIME_SUMMARY_MAX);
	buf_init(&s->boxes, RECEIPT_MAX);
	buf_init(&s->labels, RECEIPT_MAX);
	*out = s;
	return 0;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->conf->nvolumes; i++) {
		vol_close(s->targets[i].v);
		peer_close(s->targets[i].peer);
	}
	free(s->targets);
	buf_free(&s->env);
	buf_free(&s->to);
	buf_free(&s->envelope);
	buf_free(&s->body);
	buf_free(&s->boxes);
	buf_free(&s->labels);
	free(s);
}

/* ENVELOPE and BODYSTRUCTURE of the message. */
static int
summarize(struct store *s, const struct store_msg *m)
{
	struct mime_tree tree = { 0 };
	int		 rc;

	buf_reset(&s->envelope);
	buf_reset(&s->body);
	if ((rc = mime_scan(m->p, m->len, &tree)) == 0 &&
	    (rc = mime_envelope(m->p, &tree.parts[0], &s->envelope)) == 0)
		rc = mime_bodystructure(m->p, &tree, &s->body);
	mime_free(&tree);
	return rc;
}

static struct span
span_of(const struct buf *b)
{
	return (struct span){ b->len ? b->p : "", b->len };
}

/* The "to" lines of the record, and the mailboxes of the receipt. */
static int
write_recipients(struct store *s, const struct store_msg *m)
{
	struct span	 rest = m->mailboxes, l;
	char		 name[1024];

	buf_reset(&s->to);
	buf_reset(&s->boxes);
	while (str_field(&rest, '\n', &l)) {
		if (l.len == 0)
			continue;
		if (str_ncopy(name, sizeof(name), l.p, l.len) != 0)
			return CM_EDATA;
		record_to_add(&s->to, name, m->folder, m->flags);
		if (s->boxes.len > 0)
			buf_addc(&s->boxes, ',');
		entry_write(&s->boxes, name, m->folder);
	}
	return s->to.err ? s->to.err : s->boxes.err;
}

int
store_new_id(int64_t now, struct ulid *id)
{
	unsigned char	 rnd[ULID_RANDOM];

	if (getrandom(rnd, sizeof(rnd), 0) != sizeof(rnd))
		return CM_EIO;
	ulid_make(id, now, rnd);
	return 0;
}

static int
make_id(const struct store_msg *m, struct ulid *id)
{
	if (m->id == NULL)
		return store_new_id(time_now_ms(), id);
	*id = *m->id;
	return 0;
}

/* Is another volume worth a try? */
static bool
is_of_volume(int rc)
{
	return rc == CM_ELOCK || rc == CM_ESPACE || rc == CM_EIO ||
	    rc == CM_ENOINPUT || rc == CM_EPERM || rc == CM_ESTALE ||
	    rc == CM_ECORRUPT || rc == CM_EAWAY || rc == CM_EEPOCH;
}

static int
append_here(struct store *s, const struct conf_volume *cv,
    const struct store_msg *m, struct place *place, struct buf *labels)
{
	struct target	*t = &s->targets[cv - s->conf->volumes];
	char		 home[COPY_LABEL_MAX];
	int		 rc = 0;

	if (t->v == NULL)
		rc = vol_open(s->log, s->conf, cv, &t->v);
	if (rc == 0)
		rc = vol_append(t->v, s->env.p, s->env.len, m->p, m->len,
		    place);
	if (rc != 0)
		return rc;
	t->last = *place;
	t->dirty = true;
	copy_label(cv, -1, home);
	return buf_adds(labels, home);
}

/*
 * Stored and mirrored by another node.  When that fails and its answer was
 * lost, it may be there; since the next volume gets it under the same id, it
 * is listed once.
 */
static int
append_away(struct store *s, const struct conf_volume *cv,
    const struct store_msg *m, struct place *place, struct buf *labels)
{
	struct target	*t = &s->targets[cv - s->conf->volumes];

	return forward_to(s->log, s->conf, cv, &t->peer, span_of(&s->env),
	    (struct span){ m->p, m->len }, place, labels);
}

/* One that failed rests for a while. */
static int
append_to(struct store *s, const struct conf_volume *cv,
    const struct store_msg *m, struct place *place, struct buf *labels)
{
	struct target	*t = &s->targets[cv - s->conf->volumes];
	int		 rc;

	if (time_mono_ms() < t->retry_ms)
		return t->failure;
	if (conf_is_home(s->conf, cv))
		rc = append_here(s, cv, m, place, labels);
	else
		rc = append_away(s, cv, m, place, labels);
	if (rc != 0) {
		t->failure = rc;
		t->retry_ms = time_mono_ms() + RETRY_MS;
	}
	return rc;
}

/* Whatever is wrong with another node's, one of this node may take it. */
static bool
is_next_worth(const struct store *s, const struct conf_volume *cv, int rc)
{
	return is_of_volume(rc) || !conf_is_home(s->conf, cv);
}

static int
append_somewhere(struct store *s, const struct store_msg *m,
    struct place *place, struct buf *labels)
{
	struct route_pick	 pick;
	struct span		 header = { m->p, header_end(m->p, m->len) };
	bool			 away = false;
	int			 rc;

	if ((rc = route_select(s->log, s->conf, m->len, priority_of(header),
	    &pick)) != 0)
		return rc;
	rc = CM_EAWAY;
	for (size_t i = 0; i < pick.n; i++) {
		away = !conf_is_home(s->conf, pick.volume[i]);
		rc = append_to(s, pick.volume[i], m, place, labels);
		if (rc == 0 || !is_next_worth(s, pick.volume[i], rc))
			break;
	}
	/* what the volumes lack may come back: never a refusal for good */
	return rc != 0 && (away || (is_of_volume(rc) && rc != CM_ESPACE &&
	    rc != CM_ELOCK)) ? CM_EAGAIN : rc;
}

/* labels: of the places that have it. */
static int
add_receipt(struct store *s, const struct ulid *id, const struct place *place,
    struct span labels, struct buf *out)
{
	struct receipt	 r = { .place = *place };

	ulid_text(id, r.id);
	r.copies = labels;
	r.mailboxes = span_of(&s->boxes);
	return receipt_write(out, &r);
}

/* A drained node has no volume: any other node's will do then. */
static int
keep(struct store *s, const struct store_msg *m, struct place *place,
    struct buf *labels)
{
	int	 rc = append_somewhere(s, m, place, labels);

	if (rc == 0 || !s->conf->node->drain)
		return rc;
	return forward_new(s->log, s->conf, span_of(&s->env),
	    (struct span){ m->p, m->len }, place, labels);
}

int
store_append(struct store *s, const struct store_msg *m, struct buf *receipts)
{
	struct record_env	 e = { .time_ms = m->time_ms };
	struct place		 place;
	int			 rc;

	if (m->len > s->conf->max_size || m->len > RECORD_MSG_MAX)
		return log_fail(s->log, CM_ETOOBIG, "a message of %zu bytes",
		    m->len);
	if (e.time_ms < 0)
		e.time_ms = time_now_ms();
	if ((rc = make_id(m, &e.id)) != 0 || (rc = summarize(s, m)) != 0 ||
	    (rc = write_recipients(s, m)) != 0)
		return log_fail(s->log, rc, "message");
	e.sender = (struct span){ m->sender, strlen(m->sender) };
	e.size = (uint32_t)m->len;
	e.to = span_of(&s->to);
	e.envelope = span_of(&s->envelope);
	e.body = span_of(&s->body);
	buf_reset(&s->env);
	if ((rc = record_env_write(&s->env, &e)) != 0)
		return log_fail(s->log, rc, "message: envelope part");
	buf_reset(&s->labels);
	if ((rc = keep(s, m, &place, &s->labels)) != 0)
		return rc;
	if ((rc = add_receipt(s, &e.id, &place, span_of(&s->labels),
	    receipts)) != 0)
		return log_fail(s->log, rc, "receipt");
	return 0;
}

int
store_commit(struct store *s)
{
	int	 rc = 0, one;

	for (size_t i = 0; i < s->conf->nvolumes; i++) {
		struct target *t = &s->targets[i];

		if (!t->dirty)
			continue;
		if ((one = vol_sync(t->v, &t->last)) != 0)
			rc = is_of_volume(one) ? CM_EAGAIN : one;
		else
			t->dirty = false;
	}
	return rc;
}

/* Adds the lines of from that are not in to yet. */
static int
add_new(struct buf *to, struct span from)
{
	struct span	 l, have, h;
	bool		 known;

	while (str_field(&from, '\n', &l)) {
		known = l.len == 0;
		have = span_of(to);
		while (!known && str_field(&have, '\n', &h))
			known = h.len == l.len && memcmp(h.p, l.p, l.len) == 0;
		if (known)
			continue;
		buf_add(to, l.p, l.len);
		buf_addc(to, '\n');
	}
	return to->err;
}

int
store_recipients(const struct log *log, struct catalog *c,
    char *const addresses[], int n, struct buf *mailboxes)
{
	struct buf	 found;
	int		 rc = 0, one;

	buf_init(&found, RECEIPT_MAX);
	for (int i = 0; i < n; i++) {
		buf_reset(&found);
		one = catalog_rcpt(c, addresses[i], &found);
		if (one == CM_ENOUSER || one == CM_ENOHOST) {
			/* name each of them before giving up */
			rc = log_fail(log, CM_ENOUSER, "%s", addresses[i]);
			continue;
		}
		if (one != 0 || (one = add_new(mailboxes,
		    span_of(&found))) != 0) {
			rc = one;
			break;
		}
	}
	buf_free(&found);
	return rc;
}
