/* DATA (RFC 5321 section 4.1.1.4) and BDAT (RFC 3030): a message's bytes. */
#include <string.h>

#include "base/time.h"
#include "protocol/smtp_int.h"

#define BLOCK_MS	180000		/* RFC 5321 section 4.5.3.2.5 */
#define BLOCK_LEAST	4096		/* bytes in that time */
#define OVER_MAX	(64u << 20)	/* read on behind the limit */

/* How the bytes come in. */
struct taking {
	struct smtp	*m;
	struct buf	 chunk;
	bool		 big;		/* over the limit: not kept */
	int		 rc;		/* why the rest is not kept */
	uint64_t	 over;
	size_t		 block;		/* bytes since the deadline was set */
};

/* Single bytes do not stretch it. */
static void
block_deadline(struct taking *t)
{
	if (t->block < BLOCK_LEAST)
		return;
	t->block = 0;
	t->m->useful_ms = time_mono_ms();
	smtp_deadline(t->m, BLOCK_MS);
}

static bool
is_ready(struct smtp *m, const char *command)
{
	if (m->mail.begun && m->mail.nrcpt > 0)
		return true;
	if (!m->mail.begun)
		smtp_say(m, 503, "5.5.1", "%s: MAIL comes first", command);
	else
		smtp_say(m, m->mode == SMTP_LMTP ? 503 : 554, "5.5.1",
		    "no valid recipients");
	return false;
}

static int
begin(struct smtp *m)
{
	struct buf	 b;
	int		 rc;

	smtp_data_init(&m->data);
	intake_reset(&m->in);
	if ((rc = store_new_id(time_now_ms(), &m->mail.id)) != 0)
		return rc;
	ulid_text(&m->mail.id, m->mail.id_text);
	buf_init(&b, 65536);
	if ((rc = smtp_trace(m, &b)) == 0)
		rc = intake_add(&m->in, b.p, b.len);
	buf_free(&b);
	return rc;
}

/* What has been gathered goes to memory or file, while there is room. */
static void
keep(struct taking *t)
{
	struct smtp	*m = t->m;

	if (t->rc == 0 && !t->big &&
	    m->in.size + t->chunk.len > m->w->conf->max_size)
		t->big = true;
	if (t->rc == 0)
		t->rc = t->chunk.err;
	if (t->big)
		t->over += t->chunk.len;
	if (t->rc == 0 && !t->big && t->chunk.len > 0)
		t->rc = intake_add(&m->in, t->chunk.p, t->chunk.len);
	buf_reset(&t->chunk);
}

/* It is over, and the client is not waited for. */
static bool
hang_up(struct smtp *m, struct taking *t)
{
	if (t->over <= OVER_MAX)
		return false;
	smtp_too_big(m);
	m->done = true;
	return true;
}

/* What is wrong with the bytes, answered; a client that waits gets it once. */
static bool
is_refused(struct smtp *m, const struct taking *t)
{
	const struct smtp_data *d = &m->data;

	if (t->big)
		smtp_too_big(m);
	else if (t->rc == CM_ESPACE)
		smtp_say(m, 452, "4.3.1", "no space");
	else if (t->rc != 0)
		smtp_say(m, 451, "4.3.0", "cannot be taken now");
	else if (d->bare_lf || d->bare_cr)
		smtp_say(m, 550, "5.6.0", "a bare %s in the message: lines end "
		    "with CR LF", d->bare_lf ? "LF" : "CR");
	else if (d->nul)
		smtp_say(m, 550, "5.6.0", "a NUL in the message");
	else if (d->long_line)
		smtp_say(m, 550, "5.6.0", "a line of over %d bytes",
		    SMTP_LINE_MAX);
	else
		return false;
	return true;
}

/* Reads up to the end; false when the connection is lost or was hung up. */
static bool
take_data(struct smtp *m, struct taking *t)
{
	struct span	 in, rest;
	bool		 end = false;
	int		 rc;

	smtp_deadline(m, BLOCK_MS);
	while (!end) {
		block_deadline(t);
		if ((rc = conn_peek(m->s->conn, &in)) != 0) {
			smtp_lost(m, rc, "in a message");
			return false;
		}
		rest = in;
		end = smtp_data_feed(&m->data, &rest, &t->chunk);
		conn_take(m->s->conn, in.len - rest.len);
		t->block += in.len - rest.len;
		keep(t);
		if (!end && hang_up(m, t))
			return false;
	}
	return true;
}

void
smtp_data(struct smtp *m, struct span args)
{
	struct taking	 t = { .m = m };

	if (args.len > 0) {
		smtp_say(m, 501, "5.5.4", "DATA takes nothing");
		return;
	}
	if (m->mail.chunks) {
		smtp_say(m, 503, "5.5.1", "the message came by BDAT");
		return;
	}
	if (!is_ready(m, "DATA"))
		return;
	if (begin(m) != 0) {
		smtp_say(m, 451, "4.3.0", "cannot take a message now");
		return;
	}
	smtp_say(m, 354, "", "end with <CR><LF>.<CR><LF>");
	/* a byte more each: stuffing can double nothing */
	buf_init(&t.chunk, 2 * CONN_CHUNK);
	if (take_data(m, &t)) {
		if (!is_refused(m, &t))
			smtp_accept(m);
		smtp_reset(m);
	}
	buf_free(&t.chunk);
}

/* --- BDAT --- */

static bool
parse_bdat(struct span args, uint64_t *n, bool *last)
{
	struct span	 f;

	*last = false;
	if (!str_field(&args, ' ', &f) || f.len == 0 || f.len > 20 ||
	    str_u64(f.p, f.len, UINT64_MAX / 4, n) != 0)
		return false;
	if (args.p == NULL)
		return true;
	*last = str_ieq(args.p, args.len, "LAST");
	return *last;
}

/* Reads n bytes; kept when t->chunk is there. */
static bool
take_bytes(struct smtp *m, struct taking *t, uint64_t n)
{
	struct span	 in;
	int		 rc;

	smtp_deadline(m, BLOCK_MS);
	while (n > 0) {
		block_deadline(t);
		if ((rc = conn_peek(m->s->conn, &in)) != 0) {
			smtp_lost(m, rc, "in a chunk");
			return false;
		}
		if (in.len > n)
			in.len = (size_t)n;
		n -= in.len;
		t->block += in.len;
		if (!m->mail.spoilt) {
			smtp_data_look(&m->data, in);
			buf_add(&t->chunk, in.p, in.len);
			conn_take(m->s->conn, in.len);
			keep(t);
		} else {
			t->over += in.len;
			conn_take(m->s->conn, in.len);
		}
		if (hang_up(m, t))
			return false;
	}
	return true;
}

/* Before a chunk: false when it is answered and its bytes are to be dropped. */
static bool
may_take(struct smtp *m)
{
	if (m->mail.spoilt) {
		smtp_say(m, 503, "5.5.1", "a chunk failed: RSET comes first");
		return false;
	}
	if (!is_ready(m, "BDAT"))
		return false;
	if (!m->mail.chunks && begin(m) != 0) {
		smtp_say(m, 451, "4.3.0", "cannot take a message now");
		return false;
	}
	m->mail.chunks = true;
	return true;
}

void
smtp_bdat(struct smtp *m, struct span args)
{
	struct taking	 t = { .m = m };
	uint64_t	 n;
	bool		 last, good;

	if (!parse_bdat(args, &n, &last)) {
		/* where the next command begins is not known */
		smtp_say(m, 501, "5.5.4", "the form is BDAT size [LAST]");
		m->done = true;
		return;
	}
	good = may_take(m);
	if (!good)
		m->mail.spoilt = true;
	buf_init(&t.chunk, 2 * CONN_CHUNK);
	if (!take_bytes(m, &t, n)) {
		buf_free(&t.chunk);
		return;
	}
	buf_free(&t.chunk);
	if (good && last)
		smtp_data_end(&m->data);
	if (good && is_refused(m, &t))
		m->mail.spoilt = true;
	else if (good && !last)
		smtp_say(m, 250, "2.0.0", "%llu bytes", (unsigned long long)n);
	else if (good)
		smtp_accept(m);
	if (last)
		smtp_reset(m);
}
