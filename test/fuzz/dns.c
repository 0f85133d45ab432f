/*
 * Messages and names of the DNS.  The first byte says what the rest is: a
 * message, a name as text, two names to put together, or what to write.
 */
#include "format/dns.h"

#include <arpa/nameser.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/dns_check.h"

#define RECORDS_MAX	400

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

/* Labels that add up to the length, none with a capital. */
static void
check_wire(const unsigned char *w, size_t len)
{
	size_t	 at = 0;

	must(len >= 1 && len <= DNS_NAME_MAX);
	while (w[at] != 0) {
		must(w[at] <= DNS_LABEL_MAX && at + w[at] + 1 < len);
		for (size_t i = 1; i <= w[at]; i++)
			must(w[at + i] < 'A' || w[at + i] > 'Z');
		at += w[at] + 1u;
	}
	must(at + 1 == len && dns_name_len(w) == len);
}

static void
check_text(const struct dns_name *n)
{
	struct dns_name	 back;
	char		 text[DNS_TEXT_MAX];

	memset(text, 'x', sizeof(text));
	dns_name_text(n->b, text);
	must(memchr(text, '\0', sizeof(text)) != NULL);
	for (const char *p = text; *p != '\0'; p++)
		must(*p > ' ' && *p < 0x7f);
	must(dns_name(&back, text, strlen(text)) == 0);
	must(back.len == n->len && memcmp(back.b, n->b, n->len) == 0);
}

/* --- a message --- */

static bool
is_within(const uint8_t *p, size_t n, const uint8_t *part, size_t len)
{
	return part >= p && len <= n && part + len <= p + n;
}

static void
check_opt(const struct dns_query *q)
{
	unsigned char	 out[DNS_OPT_MAX], cookie[40];
	size_t		 n = q->cookie_len, len;

	must(n == 0 || n == 8 || (n >= 16 && n <= 40));
	if (n > 0)
		memcpy(cookie, q->cookie, n);
	len = dns_opt(out, q, DNS_BADVERS, cookie, n);
	must(len == (n == 0 ? DNS_OPT : DNS_OPT + 4 + n) &&
	    len == DNS_OPT + dns_get_u16(out + 9));
}

static void
message(const uint8_t *p, size_t n)
{
	struct dns_query q;
	int		 code = dns_parse(p, n, &q);

	must(code == -1 || code == ns_r_noerror || code == ns_r_formerr ||
	    code == ns_r_notimpl);
	if (code == -1)
		return;
	must(n >= DNS_HEADER && (q.flags & 0x8000) == 0);
	if (q.has_question) {
		check_wire(q.name.b, q.name.len);
		check_text(&q.name);
		must(is_within(p, n, q.qname, q.name.len + 4));
		for (size_t i = 0; i < q.name.len; i++)
			must(q.qname[i] == q.name.b[i] || (q.qname[i] >= 'A' &&
			    q.qname[i] <= 'Z' &&
			    q.qname[i] + 32 == q.name.b[i]));
	}
	must(q.size >= DNS_UDP_MIN);
	if (q.cookie != NULL) {
		must(is_within(p, n, q.cookie, q.cookie_len));
		check_opt(&q);
	}
	must(code != ns_r_noerror || q.has_question || q.cookie != NULL);
}

/* --- text --- */

static void
text(const uint8_t *p, size_t n)
{
	struct dns_name	 name;

	if (dns_name(&name, (const char *)p, n) != 0)
		return;
	check_wire(name.b, name.len);
	check_text(&name);
	must(dns_name_len(dns_parent(name.b)) <= name.len);
}

static void
two(const uint8_t *p, size_t n)
{
	struct dns_name	 a, b, out;
	const uint8_t	*cut = memchr(p, '\n', n);
	size_t		 len = cut == NULL ? n : (size_t)(cut - p);
	size_t		 rest = cut == NULL ? 0 : n - len - 1;

	if (dns_name(&a, (const char *)p, len) != 0 || dns_name(&b,
	    (const char *)p + n - rest, rest) != 0)
		return;
	if (dns_join(&out, a.b, a.len, b.b, b.len) != 0) {
		must(a.len + b.len > DNS_NAME_MAX);
		return;
	}
	check_wire(out.b, out.len);
	must(out.len == a.len - 1 + b.len);
}

/* --- writing --- */

struct input {
	const uint8_t	*p;
	size_t		 n;
};

static unsigned
next(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

/* Labels of a few kinds, so that many have the same end. */
static void
some_name(struct input *in, struct dns_name *n)
{
	unsigned	 labels = next(in) % 6, what, len;

	n->len = 0;
	for (; labels > 0; labels--) {
		what = next(in);
		len = what & 0x80 ? what & 63 : what % 3 + 1;
		if (len == 0 || n->len + len + 2 > DNS_NAME_MAX)
			continue;
		n->b[n->len++] = (unsigned char)len;
		memset(n->b + n->len, what & 0x80 ? 'x' : 'a' +
		    (int)(what / 3 % 4), len);
		n->len += len;
	}
	n->b[n->len++] = 0;
}

struct wanted {
	struct dns_name	 owner;
	unsigned	 type;
	unsigned char	 data[2 * DNS_NAME_MAX + 64];
	size_t		 len;
};

static void
some_record(struct input *in, struct wanted *w)
{
	static const unsigned types[] = { ns_t_a, ns_t_ns, ns_t_cname,
	    ns_t_soa, ns_t_mx, ns_t_srv, ns_t_txt, ns_t_ptr };
	struct dns_name	 n;
	size_t		 before, behind, names;

	some_name(in, &w->owner);
	w->type = types[next(in) % 8];
	names = dns_check_names_in(w->type, &before, &behind);
	memset(w->data, 7, before);
	w->len = before;
	for (; names > 0; names--) {
		some_name(in, &n);
		memcpy(w->data + w->len, n.b, n.len);
		w->len += n.len;
	}
	if (w->type == ns_t_a)
		behind = 4;
	if (w->type == ns_t_txt)
		behind = next(in) % 64;
	memset(w->data + w->len, 9, behind);
	w->len += behind;
}

/* What was written is there, and nothing else. */
static void
check_written(const unsigned char *p, size_t len, const struct wanted *w,
    size_t n)
{
	static struct dns_check	 c;
	static struct dns_check_rr r;
	unsigned	 type = 0, class = 0;

	dns_check_begin(&c, p, len);
	dns_check_question(&c, &type, &class);
	for (size_t i = 0; i < n && c.wrong == NULL; i++) {
		dns_check_rr(&c, &r);
		must(c.wrong == NULL && r.type == w[i].type &&
		    r.owner_len == w[i].owner.len &&
		    memcmp(r.owner, w[i].owner.b, r.owner_len) == 0 &&
		    r.data_len == w[i].len &&
		    memcmp(r.data, w[i].data, r.data_len) == 0);
	}
	must(c.wrong == NULL);
}

static void
writing(const uint8_t *data, size_t size)
{
	static struct wanted w[RECORDS_MAX];
	struct input	 in = { data, size };
	struct dns_writer writer;
	struct dns_name	 question;
	unsigned char	*p;
	size_t		 max = DNS_HEADER + DNS_QUESTION_MAX, n = 0, len, good;

	max += (next(&in) << 8 | next(&in)) % (DNS_TCP_MAX - max + 1);
	must((p = calloc(1, max)) != NULL);
	some_name(&in, &question);
	memcpy(p + DNS_HEADER, question.b, question.len);
	good = DNS_HEADER + question.len + 4;
	dns_writer(&writer, p, good, max);
	while (in.n > 0 && n < RECORDS_MAX) {
		some_record(&in, &w[n]);
		len = dns_add_record(&writer, w[n].owner.b, w[n].type, 5,
		    w[n].data, w[n].len);
		if (writer.full)
			break;
		must(len <= writer.len && writer.len <= max);
		good = writer.len;
		n++;
	}
	check_written(p, good, w, n);
	free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	switch (data[0] & 3) {
	case 0:
		message(data + 1, size - 1);
		break;
	case 1:
		text(data + 1, size - 1);
		break;
	case 2:
		two(data + 1, size - 1);
		break;
	default:
		writing(data + 1, size - 1);
		break;
	}
	return 0;
}
