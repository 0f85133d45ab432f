#include "format/dns.h"

#include <arpa/nameser.h>
#include <string.h>

#include "base/str.h"

#define OPT_COOKIE	10
#define POINTER		0xc0
#define POINTER_MAX	0x3fff		/* where a pointer can point */
#define FLAG_QR		0x8000
#define FLAG_DO		0x8000
#define OPCODE(f)	((f) >> 11 & 15)

unsigned
dns_get_u16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

void
dns_put_u16(unsigned char *p, unsigned v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

/* A label that is being read from text: its length byte is at at. */
struct label {
	struct dns_name	*n;
	size_t		 at;
};

static bool
add_byte(struct label *l, unsigned c)
{
	/* the root's zero must fit, too */
	if (l->n->len >= DNS_NAME_MAX - 1 || l->n->len - l->at > DNS_LABEL_MAX)
		return false;
	l->n->b[l->n->len++] = (unsigned char)str_lower((char)c);
	return true;
}

/* Ends a label, which must not be empty, and begins the next one. */
static bool
end_label(struct label *l)
{
	size_t	 len = l->n->len - l->at - 1;

	if (len == 0 || l->n->len >= DNS_NAME_MAX)
		return false;
	l->n->b[l->at] = (unsigned char)len;
	l->at = l->n->len++;
	return true;
}

/* \DDD, or \ and any other character.  Bytes taken; 0 when it is neither. */
static size_t
escaped(const char *s, size_t len, unsigned *c)
{
	if (len < 2)
		return 0;
	*c = (unsigned char)s[1];
	if (s[1] < '0' || s[1] > '9')
		return 2;
	if (len < 4)
		return 0;
	*c = 0;
	for (int i = 1; i < 4; i++) {
		if (s[i] < '0' || s[i] > '9')
			return 0;
		*c = *c * 10 + (unsigned)(s[i] - '0');
	}
	return *c > 255 ? 0 : 4;
}

int
dns_name(struct dns_name *n, const char *s, size_t len)
{
	struct label	 l = { n, 0 };
	unsigned	 c;
	size_t		 took;

	n->len = 1;
	for (size_t i = 0; i < len; i += took) {
		took = 1;
		c = (unsigned char)s[i];
		if (c == '.') {
			if (len == 1)
				break;
			if (!end_label(&l))
				return CM_EDATA;
			continue;
		}
		if (c == '\\' && (took = escaped(s + i, len - i, &c)) == 0)
			return CM_EDATA;
		if (!add_byte(&l, c))
			return CM_EDATA;
	}
	if (n->len - l.at > 1 && !end_label(&l))
		return CM_EDATA;
	n->b[l.at] = 0;
	n->len = l.at + 1;
	return 0;
}

static char *
text_byte(char *out, unsigned char c)
{
	if (c <= ' ' || c >= 0x7f) {
		*out++ = '\\';
		*out++ = (char)('0' + c / 100);
		*out++ = (char)('0' + c / 10 % 10);
		*out++ = (char)('0' + c % 10);
		return out;
	}
	if (strchr(".\\\"();@$", c) != NULL)
		*out++ = '\\';
	*out++ = (char)c;
	return out;
}

void
dns_name_text(const unsigned char *w, char out[DNS_TEXT_MAX])
{
	if (*w == 0)
		*out++ = '.';
	for (; *w != 0; w += *w + 1) {
		for (unsigned i = 1; i <= *w; i++)
			out = text_byte(out, w[i]);
		*out++ = '.';
	}
	*out = '\0';
}

const unsigned char *
dns_parent(const unsigned char *w)
{
	return *w == 0 ? w : w + *w + 1;
}

size_t
dns_name_len(const unsigned char *w)
{
	const unsigned char *p = w;

	while (*p != 0)
		p += *p + 1;
	return (size_t)(p - w) + 1;
}

int
dns_join(struct dns_name *out, const unsigned char *a, size_t alen,
    const unsigned char *b, size_t blen)
{
	/* a's root goes */
	if (alen == 0 || alen - 1 + blen > DNS_NAME_MAX)
		return CM_EDATA;
	memcpy(out->b, a, alen - 1);
	memcpy(out->b + alen - 1, b, blen);
	out->len = alen - 1 + blen;
	return 0;
}

/* --- questions --- */

struct reader {
	const unsigned char *p;
	size_t		 len, at;
};

/* A name of a question: pointers have nothing to point to. */
static bool
read_qname(struct reader *r, struct dns_query *q)
{
	struct dns_name	*n = &q->name;
	unsigned	 len;

	q->qname = r->p + r->at;
	n->len = 0;
	do {
		if (r->at >= r->len)
			return false;
		len = r->p[r->at];
		if (len > DNS_LABEL_MAX || r->at + len >= r->len ||
		    n->len + len + 1 > DNS_NAME_MAX)
			return false;
		n->b[n->len++] = (unsigned char)len;
		for (unsigned i = 1; i <= len; i++)
			n->b[n->len++] = (unsigned char)
			    str_lower((char)r->p[r->at + i]);
		r->at += len + 1;
	} while (len != 0);
	return true;
}

/* Any other name: what it says does not matter. */
static bool
skip_name(struct reader *r)
{
	unsigned len;

	for (;;) {
		if (r->at >= r->len)
			return false;
		len = r->p[r->at++];
		if (len == 0)
			return true;
		if ((len & POINTER) == POINTER) {
			r->at++;
			return r->at <= r->len;
		}
		if (len > DNS_LABEL_MAX)
			return false;
		r->at += len;
	}
}

static bool
read_options(const unsigned char *p, size_t len, struct dns_query *q)
{
	unsigned code, n;

	while (len > 0) {
		if (len < 4)
			return false;
		code = dns_get_u16(p);
		n = dns_get_u16(p + 2);
		p += 4;
		len -= 4;
		if (n > len)
			return false;
		if (code == OPT_COOKIE && q->cookie == NULL) {
			/* RFC 7873 section 5.2.2 */
			if (n != DNS_COOKIE_CLIENT && (n < 16 || n > 40))
				return false;
			q->cookie = p;
			q->cookie_len = n;
		}
		p += n;
		len -= n;
	}
	return true;
}

/* RFC 6891 section 6.1.1: one, in the additional section, of the root. */
static bool
read_opt(const unsigned char *fixed, bool is_root, bool additional,
    struct dns_query *q)
{
	if (!is_root || !additional || q->has_edns)
		return false;
	q->has_edns = true;
	q->size = (uint16_t)dns_get_u16(fixed + 2);
	if (q->size < DNS_UDP_MIN)
		q->size = DNS_UDP_MIN;
	q->version = fixed[5];
	q->dnssec_ok = (dns_get_u16(fixed + 6) & FLAG_DO) != 0;
	/* of what later versions say here nothing is known */
	if (q->version != 0)
		return true;
	return read_options(fixed + 10, dns_get_u16(fixed + 8), q);
}

static bool
read_records(struct reader *r, unsigned n, bool additional,
    struct dns_query *q)
{
	const unsigned char *fixed;
	unsigned	 len;
	bool		 is_root;

	while (n-- > 0) {
		is_root = r->at < r->len && r->p[r->at] == 0;
		if (!skip_name(r) || r->len - r->at < 10)
			return false;
		fixed = r->p + r->at;
		len = dns_get_u16(fixed + 8);
		r->at += 10;
		if (r->len - r->at < len)
			return false;
		r->at += len;
		if (dns_get_u16(fixed) == ns_t_opt &&
		    !read_opt(fixed, is_root, additional, q))
			return false;
	}
	return true;
}

static bool
read_question(struct reader *r, struct dns_query *q)
{
	if (!read_qname(r, q) || r->len - r->at < 4)
		return false;
	q->type = (uint16_t)dns_get_u16(r->p + r->at);
	q->class = (uint16_t)dns_get_u16(r->p + r->at + 2);
	r->at += 4;
	q->has_question = true;
	return true;
}

int
dns_parse(const unsigned char *p, size_t len, struct dns_query *q)
{
	struct reader	 r = { p, len, DNS_HEADER };
	unsigned	 questions, others;

	if (len < DNS_HEADER)
		return -1;
	q->id = (uint16_t)dns_get_u16(p);
	q->flags = (uint16_t)dns_get_u16(p + 2);
	q->qname = q->cookie = NULL;
	q->cookie_len = 0;
	q->name.len = 0;
	q->type = q->class = 0;
	q->version = 0;
	q->has_question = q->has_edns = q->dnssec_ok = false;
	q->size = DNS_UDP_MIN;
	if (q->flags & FLAG_QR)
		return -1;
	if (OPCODE(q->flags) != ns_o_query)
		return ns_r_notimpl;
	questions = dns_get_u16(p + 4);
	others = dns_get_u16(p + 6) + dns_get_u16(p + 8);
	if (questions > 1 || (questions == 1 && !read_question(&r, q)) ||
	    !read_records(&r, others, false, q) ||
	    !read_records(&r, dns_get_u16(p + 10), true, q))
		return ns_r_formerr;
	/* RFC 7873 section 5.4: without a question for a cookie only */
	if (questions == 0 && q->cookie == NULL)
		return ns_r_formerr;
	return ns_r_noerror;
}

/* --- answers --- */

void
dns_writer(struct dns_writer *w, unsigned char *p, size_t len, size_t max)
{
	w->p = p;
	w->len = len;
	w->max = max;
	w->full = len > max;
	w->n = 0;
	if (len > DNS_HEADER)
		w->at[w->n++] = DNS_HEADER;
}

void
dns_add_bytes(struct dns_writer *w, const void *p, size_t n)
{
	if (w->full || w->max - w->len < n) {
		w->full = true;
		return;
	}
	memcpy(w->p + w->len, p, n);
	w->len += n;
}

void
dns_add_u16(struct dns_writer *w, unsigned v)
{
	unsigned char	 b[2];

	dns_put_u16(b, v);
	dns_add_bytes(w, b, sizeof(b));
}

void
dns_add_u32(struct dns_writer *w, uint32_t v)
{
	dns_add_u16(w, v >> 16);
	dns_add_u16(w, v & 0xffff);
}

/* Is the name at that place of the message the same? */
static bool
is_at(const struct dns_writer *w, size_t at, const unsigned char *name)
{
	unsigned len;

	for (;;) {
		len = w->p[at];
		if ((len & POINTER) == POINTER) {
			at = dns_get_u16(w->p + at) & POINTER_MAX;
			continue;
		}
		if (len != *name)
			return false;
		if (len == 0)
			return true;
		for (unsigned i = 1; i <= len; i++)
			if (str_lower((char)w->p[at + i]) != (char)name[i])
				return false;
		at += len + 1;
		name += len + 1;
	}
}

/* Where the name stands, as a whole name or the end of one; 0: nowhere. */
static size_t
find_name(const struct dns_writer *w, const unsigned char *name)
{
	for (size_t i = 0; i < w->n; i++) {
		size_t	 at = w->at[i];

		while (w->p[at] != 0) {
			if ((w->p[at] & POINTER) == POINTER)
				break;	/* what it points to is listed */
			if (is_at(w, at, name))
				return at;
			at += w->p[at] + 1;
		}
	}
	return 0;
}

void
dns_add_name(struct dns_writer *w, const unsigned char *name)
{
	size_t	 start = w->len, at = 0;

	while (*name != 0 && !w->full && (at = find_name(w, name)) == 0) {
		dns_add_bytes(w, name, (size_t)*name + 1);
		name += *name + 1;
	}
	if (at != 0)
		dns_add_u16(w, POINTER << 8 | (unsigned)at);
	else
		dns_add_bytes(w, "", 1);
	if (!w->full && w->n < DNS_NAMES_MAX && start <= POINTER_MAX - 255 &&
	    (w->p[start] & POINTER) != POINTER && w->p[start] != 0)
		w->at[w->n++] = (uint16_t)start;
}

/* Names behind that many bytes of the data; the rest is no name. */
static size_t
names_in(unsigned type, size_t *before)
{
	*before = 0;
	switch (type) {
	case ns_t_ns: case ns_t_cname: case ns_t_ptr:
		return 1;
	case ns_t_soa: case ns_t_minfo:
		return 2;
	case ns_t_mx:
		*before = 2;
		return 1;
	default:
		return 0;
	}
}

size_t
dns_add_record(struct dns_writer *w, const unsigned char *owner,
    unsigned type, uint32_t ttl, const unsigned char *data, size_t len)
{
	size_t	 before, names = names_in(type, &before), start, n;

	dns_add_name(w, owner);
	dns_add_u16(w, type);
	dns_add_u16(w, ns_c_in);
	dns_add_u32(w, ttl);
	dns_add_u16(w, 0);
	start = w->len;
	dns_add_bytes(w, data, before);
	data += before;
	len -= before;
	for (; names > 0; names--) {
		n = dns_name_len(data);
		dns_add_name(w, data);
		data += n;
		len -= n;
	}
	dns_add_bytes(w, data, len);
	if (!w->full)
		dns_put_u16(w->p + start - 2, (unsigned)(w->len - start));
	return start;
}

size_t
dns_opt(unsigned char *p, const struct dns_query *q, unsigned code,
    const unsigned char *cookie, size_t n)
{
	p[0] = 0;
	dns_put_u16(p + 1, ns_t_opt);
	dns_put_u16(p + 3, DNS_UDP_MAX);
	p[5] = (unsigned char)(code >> 4);
	p[6] = 0;		/* our version */
	/* RFC 3225 section 3: DO is copied */
	dns_put_u16(p + 7, q->dnssec_ok ? FLAG_DO : 0);
	dns_put_u16(p + 9, n > 0 ? (unsigned)n + 4 : 0);
	if (n == 0)
		return DNS_OPT;
	dns_put_u16(p + 11, OPT_COOKIE);
	dns_put_u16(p + 13, (unsigned)n);
	memcpy(p + 15, cookie, n);
	return DNS_OPT + 4 + n;
}
