#include "protocol/dnsd.h"

#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "protocol/dnsd_int.h"

#define FLAG_QR		0x8000
#define FLAG_AA		0x0400
#define FLAG_TC		0x0200
#define FLAG_RD		0x0100
#define FLAG_CD		0x0010
#define TYPE_META	128	/* from here to 254: not types of records */
#define AGAIN_MS	5000	/* until what failed is tried again */

/* One answer on its way. */
struct reply {
	struct dnsd	*d;
	const struct dnsd_client *client;
	struct dns_query q;
	unsigned char	*out;
	size_t		 max;
	unsigned char	 cookie[DNS_COOKIE];
	size_t		 cookie_len;
};

static void
forget(struct dnsd *d)
{
	for (size_t i = 0; i < DNSD_BUCKETS; i++)
		for (size_t k = 0; k < DNSD_WAYS; k++)
			if (d->kept[i][k] != NULL) {
				dnsd_answer_free(d->kept[i][k]);
				d->kept[i][k] = NULL;
			}
	dnsd_answer_free(d->scratch);
	d->scratch = NULL;
	d->kept_size = 0;
}

int
dnsd_open(const struct log *log, const struct conf *conf,
    struct dnsd_limit *limit, struct dnsd **out)
{
	struct dnsd	*d;
	int		 rc;

	*out = NULL;
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return log_fail(log, CM_ENOMEM, "DNS");
	d->log = log;
	d->conf = conf;
	d->limit = limit;
	d->now_s = time_now_ms() / 1000;
	d->looked_ms = time_mono_ms();
	if ((rc = zoneview_open(log, conf, &d->view)) != 0 ||
	    (rc = dnsd_secret(log, conf, d->secret)) != 0) {
		dnsd_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

void
dnsd_close(struct dnsd *d)
{
	if (d == NULL)
		return;
	forget(d);
	zoneview_close(&d->view);
	free(d);
}

void
dnsd_tick(struct dnsd *d)
{
	int64_t	 now = time_mono_ms();
	bool	 changed;

	if (now - d->looked_ms < DNSD_LOOK_MS)
		return;
	d->looked_ms = now;
	d->now_s = time_now_ms() / 1000;
	if (zoneview_look(&d->view, &changed) != 0) {
		log_warn(d->log, "nodes: cannot be looked at");
		d->looked_ms = now + AGAIN_MS;
	} else if (changed)
		forget(d);
}

static uint64_t
hash(const struct dns_name *n, unsigned type)
{
	uint64_t h = type + 0x9e3779b97f4a7c15u, w;
	size_t	 i = 0;

	for (; i + 8 <= n->len; i += 8) {
		memcpy(&w, n->b + i, 8);
		h = (h ^ w) * 0xd6e8feb86659fd93u;
		h ^= h >> 32;
	}
	for (; i < n->len; i++)
		h = (h ^ n->b[i]) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

static bool
is_answer_to(const struct dnsd_answer *a, const struct dns_query *q)
{
	return a != NULL && a->type == q->type && a->name.len == q->name.len &&
	    memcmp(a->name.b, q->name.b, q->name.len) == 0;
}

/* In the place of another one; all go when they have become too large. */
static void
keep(struct dnsd *d, struct dnsd_answer **place, struct dnsd_answer *a)
{
	if (*place != NULL)
		d->kept_size -= (*place)->memory;
	dnsd_answer_free(*place);
	*place = NULL;
	if (d->kept_size + a->memory > DNSD_KEPT_MAX)
		forget(d);
	d->kept_size += a->memory;
	*place = a;
}

static struct dnsd_answer *
find(struct dnsd *d, const struct dns_query *q)
{
	struct dnsd_answer **bucket, *a;

	bucket = d->kept[hash(&q->name, q->type) % DNSD_BUCKETS];
	for (size_t k = 0; k < DNSD_WAYS; k++)
		if (is_answer_to(bucket[k], q))
			return bucket[k];
	if (dnsd_make(d, &q->name, q->type, &a) != 0)
		return NULL;
	if (!a->keep) {
		dnsd_answer_free(d->scratch);
		return d->scratch = a;
	}
	keep(d, bucket + d->next++ % DNSD_WAYS, a);
	return a;
}

/* Header and question, the latter as it came, 0x20 and all. */
static size_t
begin(struct reply *r, unsigned flags, unsigned code)
{
	const struct dns_query *q = &r->q;
	unsigned char	*p = r->out;
	size_t		 len = q->has_question ? q->name.len + 4 : 0;

	dns_put_u16(p, q->id);
	dns_put_u16(p + 2, FLAG_QR | flags | (q->flags & (FLAG_RD | FLAG_CD |
	    0x7800)) | (code & 15));
	dns_put_u16(p + 4, q->has_question);
	memset(p + 6, 0, 6);
	if (len > 0)
		memcpy(p + DNS_HEADER, q->qname, len);
	return DNS_HEADER + len;
}

/* The end: OPT, if the question had one. */
static size_t
finish(struct reply *r, size_t len, unsigned code)
{
	unsigned char	*p = r->out;

	if (!r->q.has_edns)
		return len;
	dns_put_u16(p + 10, dns_get_u16(p + 10) + 1);
	return len + dns_opt(p + len, &r->q, code, r->cookie, r->cookie_len);
}

/* An answer without records. */
static size_t
bare(struct reply *r, unsigned flags, unsigned code)
{
	return finish(r, begin(r, flags, code), code);
}

/* The preferences, or the order of the addresses, of the next turn. */
static void
take_turn(struct dnsd *d, const struct dnsd_answer *a, unsigned char *body)
{
	uint16_t	 order[CONF_NODES_MAX];
	const struct choose *c = &d->view.choose;
	size_t		 i = 0;

	if (c->n == 0 || c->n > CONF_NODES_MAX)
		return;
	choose_order(c, atomic_fetch_add(a->counter, 1), order);
	atomic_fetch_add_explicit(d->view.shares[order[0]], 1,
	    memory_order_relaxed);
	for (size_t k = 0; k < c->n; k++) {
		unsigned node = order[k];

		if (a->turn == ZONE_PREFS) {
			dns_put_u16(body + a->at[node],
			    zone_pref(c, order, k));
			continue;
		}
		for (size_t v = a->from[node]; v < a->from[node + 1]; v++)
			memcpy(body + a->at[i++], a->value + v * a->size,
			    a->size);
	}
}

static size_t
reply_with(struct reply *r, const struct dnsd_answer *a)
{
	size_t	 len, body = a->all;
	size_t	 opt = !r->q.has_edns ? 0 : DNS_OPT +
		    (r->cookie_len > 0 ? r->cookie_len + 4 : 0);
	unsigned flags = a->authority ? FLAG_AA : 0;

	len = begin(r, flags, a->code);
	if (len + body + opt > r->max)
		body = a->len;
	if (len + body + opt > r->max)
		return bare(r, flags | FLAG_TC, a->code);
	if (body > 0)
		memcpy(r->out + len, a->body, body);
	dns_put_u16(r->out + 6, a->count[0]);
	dns_put_u16(r->out + 8, a->count[1]);
	dns_put_u16(r->out + 10, body == a->all ? a->count[2] : 0);
	if (a->turn != ZONE_FIXED)
		take_turn(r->d, a, r->out + len);
	return finish(r, len + body, a->code);
}

static size_t
answer(struct reply *r, bool trusted)
{
	const struct dnsd_answer *a;
	struct dnsd	*d = r->d;
	const struct dns_query *q = &r->q;
	unsigned	 code = ns_r_noerror;
	bool		 negative;

	a = NULL;
	if (q->has_edns && q->version != 0)
		code = DNS_BADVERS;
	else if (q->has_question && (q->class != ns_c_in ||
	    (q->type >= TYPE_META && q->type < ns_t_any) ||
	    q->type == ns_t_invalid || q->type == ns_t_opt))
		code = ns_r_refused;
	else if (q->has_question && (a = find(d, q)) == NULL)
		code = ns_r_servfail;
	negative = a == NULL || a->negative;
	if (!r->client->tcp && !trusted)
		switch (dnsd_limit(d->limit, d->conf->dns.rate, r->client->ip,
		    negative, d->now_s)) {
		case DNSD_DROP:
			return 0;
		case DNSD_TRUNCATE:
			return bare(r, FLAG_TC, code);
		case DNSD_ANSWER:
			break;
		}
	return a == NULL ? bare(r, 0, code) : reply_with(r, a);
}

size_t
dnsd_answer(struct dnsd *d, const struct dnsd_client *c,
    const unsigned char *p, size_t n, unsigned char *out, size_t max)
{
	struct reply	 r = { .d = d, .client = c, .out = out };
	bool		 trusted = false;
	int		 code;

	if ((code = dns_parse(p, n, &r.q)) == -1)
		return 0;
	if (code != ns_r_noerror) {
		/* what was not understood is not repeated */
		r.q.has_question = r.q.has_edns = false;
		if (!c->tcp && dnsd_limit(d->limit, d->conf->dns.rate, c->ip,
		    true, d->now_s) != DNSD_ANSWER)
			return 0;
		return bare(&r, 0, (unsigned)code);
	}
	r.max = c->tcp ? DNS_TCP_MAX : r.q.size < DNS_UDP_MAX ? r.q.size :
	    DNS_UDP_MAX;
	if (r.max > max)
		r.max = max;
	if (r.q.cookie != NULL) {
		trusted = dnsd_cookie(d, &r.q, c, r.cookie);
		r.cookie_len = DNS_COOKIE;
	}
	return answer(&r, trusted);
}
