/*
 * A strict look at messages of the DNS, by nothing that the server uses:
 * counts, lengths, and every pointer, which must go back to where a label of
 * an earlier name begins.
 */
#ifndef DNS_CHECK_H
#define DNS_CHECK_H

#include <arpa/nameser.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DNS_CHECK_NAME	255

struct dns_check {
	const unsigned char *p;
	size_t		 len, at;
	const char	*wrong;		/* NULL: nothing up to now */
	unsigned char	 label[8192];	/* a bit for each begin of a label */
	/* of the name that was read last, as it is written */
	unsigned char	 name[DNS_CHECK_NAME];
	size_t		 name_len;
	unsigned	 pointers;	/* of all names */
	unsigned	 opts;
};

/* One record; data of those with names whole, without pointers. */
struct dns_check_rr {
	unsigned char	 owner[DNS_CHECK_NAME];
	size_t		 owner_len;
	unsigned	 type, class;
	uint32_t	 ttl;
	size_t		 at, len;	/* the data, as they stand there */
	unsigned char	 data[65536];
	size_t		 data_len;
};

static inline unsigned
dns_check_u16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static inline void
dns_check_bad(struct dns_check *c, const char *what)
{
	if (c->wrong == NULL)
		c->wrong = what;
}

static inline void
dns_check_begin(struct dns_check *c, const unsigned char *p, size_t len)
{
	memset(c, 0, sizeof(*c));
	c->p = p;
	c->len = len;
	c->at = 12;
	if (len < 12)
		c->wrong = "no header";
	else if (len > 65535)
		c->wrong = "longer than any message";
}

/* Follows a pointer, which must go to the begin of a label before limit. */
static inline bool
dns_check_pointer(struct dns_check *c, size_t *at, size_t *limit)
{
	size_t	 to;

	if (*at + 2 > c->len) {
		dns_check_bad(c, "half a pointer");
		return false;
	}
	to = dns_check_u16(c->p + *at) & 0x3fff;
	if (to >= *limit || !(c->label[to / 8] >> to % 8 & 1)) {
		dns_check_bad(c, "a pointer to where no label begins");
		return false;
	}
	*limit = to;
	*at = to;
	c->pointers++;
	return true;
}

static inline void
dns_check_name(struct dns_check *c)
{
	size_t	 at = c->at, limit = c->at, len;
	bool	 jumped = false;

	c->name_len = 0;
	while (c->wrong == NULL) {
		if (at >= c->len) {
			dns_check_bad(c, "a name goes over the end");
			return;
		}
		len = c->p[at];
		if ((len & 0xc0) == 0xc0) {
			if (!jumped)
				c->at = at + 2;
			jumped = true;
			(void)dns_check_pointer(c, &at, &limit);
			continue;
		}
		if (len > 63 || at + len + 1 > c->len ||
		    c->name_len + len + 1 > DNS_CHECK_NAME) {
			dns_check_bad(c, "a label or name that is too long");
			return;
		}
		if (!jumped && len > 0)
			c->label[at / 8] |= (unsigned char)(1 << at % 8);
		memcpy(c->name + c->name_len, c->p + at, len + 1);
		c->name_len += len + 1;
		at += len + 1;
		if (len == 0)
			break;
	}
	if (!jumped)
		c->at = at;
}

static inline void
dns_check_question(struct dns_check *c, unsigned *type, unsigned *class)
{
	dns_check_name(c);
	if (c->wrong == NULL && c->at + 4 > c->len)
		dns_check_bad(c, "half a question");
	if (c->wrong != NULL)
		return;
	*type = dns_check_u16(c->p + c->at);
	*class = dns_check_u16(c->p + c->at + 2);
	c->at += 4;
}

static inline size_t
dns_check_names_in(unsigned type, size_t *before, size_t *behind)
{
	*before = *behind = 0;
	switch (type) {
	case ns_t_soa:
		*behind = 20;
		return 2;
	case ns_t_ns: case ns_t_cname: case ns_t_ptr:
		return 1;
	case ns_t_mx:
		*before = 2;
		return 1;
	case ns_t_srv:
		*before = 6;
		return 1;
	default:
		return 0;
	}
}

/* Data with names: each of them whole, and nothing behind. */
static inline void
dns_check_data(struct dns_check *c, struct dns_check_rr *r)
{
	size_t	 before, behind, end = r->at + r->len;
	size_t	 names = dns_check_names_in(r->type, &before, &behind);
	unsigned pointers = c->pointers;

	if (r->len < before) {
		dns_check_bad(c, "data that are too short");
		return;
	}
	memcpy(r->data, c->p + c->at, before);
	r->data_len = before;
	c->at += before;
	for (; names > 0 && c->wrong == NULL; names--) {
		dns_check_name(c);
		memcpy(r->data + r->data_len, c->name, c->name_len);
		r->data_len += c->name_len;
	}
	if (c->wrong == NULL && (c->at > end || (before + behind > 0 &&
	    end - c->at != behind)))
		dns_check_bad(c, "data that do not end with their names");
	if (r->type == ns_t_srv && c->pointers != pointers)
		dns_check_bad(c, "a pointer in a type that may have none");
	if (c->wrong != NULL)
		return;
	memcpy(r->data + r->data_len, c->p + c->at, end - c->at);
	r->data_len += end - c->at;
	c->at = end;
}

static inline void
dns_check_rr(struct dns_check *c, struct dns_check_rr *r)
{
	dns_check_name(c);
	if (c->wrong == NULL && c->at + 10 > c->len)
		dns_check_bad(c, "half a record");
	if (c->wrong != NULL)
		return;
	memcpy(r->owner, c->name, c->name_len);
	r->owner_len = c->name_len;
	r->type = dns_check_u16(c->p + c->at);
	r->class = dns_check_u16(c->p + c->at + 2);
	r->ttl = (uint32_t)dns_check_u16(c->p + c->at + 4) << 16 |
	    dns_check_u16(c->p + c->at + 6);
	r->len = dns_check_u16(c->p + c->at + 8);
	c->at += 10;
	r->at = c->at;
	if (r->len > c->len - c->at) {
		dns_check_bad(c, "data go over the end");
		return;
	}
	if (r->type == ns_t_opt && (r->owner_len != 1 || c->opts++ > 0))
		dns_check_bad(c, "a second OPT, or one with a name");
	if (r->type == ns_t_a && r->len != 4)
		dns_check_bad(c, "A without 4 bytes");
	if (r->type == ns_t_aaaa && r->len != 16)
		dns_check_bad(c, "AAAA without 16 bytes");
	dns_check_data(c, r);
}

/* All of an answer; NULL, or what is wrong. */
static inline const char *
dns_check_answer(const unsigned char *p, size_t len)
{
	static struct dns_check	 c;
	static struct dns_check_rr r;
	unsigned	 type = 0, class = 0, n;

	dns_check_begin(&c, p, len);
	if (c.wrong != NULL)
		return c.wrong;
	if ((p[2] & 0x80) == 0)
		return "no answer";
	if ((p[3] & 0x40) != 0)
		return "a bit that must be zero";
	if ((n = dns_check_u16(p + 4)) > 1)
		return "more than one question";
	if (n == 1)
		dns_check_question(&c, &type, &class);
	for (unsigned s = 0; s < 3; s++)
		for (n = dns_check_u16(p + 6 + 2 * s); n > 0; n--) {
			dns_check_rr(&c, &r);
			if (c.wrong == NULL && r.type == ns_t_opt && s != 2)
				return "OPT in another section";
			if (c.wrong != NULL)
				return c.wrong;
		}
	if (c.wrong == NULL && c.at != len)
		return "something behind the end";
	return c.wrong;
}

#endif
