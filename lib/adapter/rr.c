#include "adapter/rr.h"

#include <ldns/ldns.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define FIXED	11	/* owner ".", type, class, TTL, length */

unsigned
rr_type(const char *name)
{
	/* ldns takes TYPE12abc and the names of question types, too */
	if (strncasecmp(name, "TYPE", 4) == 0) {
		uint64_t v;

		return str_u64(name + 4, strlen(name + 4), 65535, &v) == 0 ?
		    (unsigned)v : 0;
	}
	return (unsigned)ldns_get_rr_type_by_name(name);
}

void
rr_type_text(unsigned type, char out[RR_TYPE_MAX])
{
	char	*s = ldns_rr_type2str((ldns_rr_type)type);

	if (s == NULL || str_copy(out, RR_TYPE_MAX, s) != 0)
		snprintf(out, RR_TYPE_MAX, "TYPE%u", type);
	free(s);
}

/* ldns takes "\\# 2 000a" for an MX without a host. */
static bool
is_whole(const ldns_rr *rr)
{
	const ldns_rr_descriptor *d = ldns_rr_descript(ldns_rr_get_type(rr));

	return ldns_rr_rd_count(rr) >= ldns_rr_descriptor_minimum(d);
}

static bool
is_number(const ldns_rdf *f, uint64_t *v)
{
	switch (ldns_rdf_get_type(f)) {
	case LDNS_RDF_TYPE_INT8:
		*v = ldns_rdf2native_int8(f);
		return true;
	case LDNS_RDF_TYPE_INT16:
		*v = ldns_rdf2native_int16(f);
		return true;
	case LDNS_RDF_TYPE_INT32:
		*v = ldns_rdf2native_int32(f);
		return true;
	default:
		return false;
	}
}

/* ldns makes 4464 of 70000.  Numbers stand in front, as plain words. */
static bool
is_in_range(const ldns_rr *rr, const char *data)
{
	uint64_t	 want, is;
	size_t		 n;

	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++, data += n) {
		data += strspn(data, " \t");
		n = strcspn(data, " \t");
		if (memchr(data, '(', n) != NULL || data[0] == '"' ||
		    data[0] == '\\')
			return true;
		if (n == 0 || strspn(data, "0123456789") != n ||
		    !is_number(ldns_rr_rdf(rr, i), &is))
			continue;
		if (str_u64(data, n, UINT32_MAX, &want) != 0 || want != is)
			return false;
	}
	return true;
}

static int
add_data(const ldns_rr *rr, struct buf *out)
{
	ldns_buffer	*b = ldns_buffer_new(LDNS_MIN_BUFLEN);
	int		 rc = CM_ENOMEM;

	if (b == NULL)
		return rc;
	if (ldns_rr_rdata2buffer_wire(b, rr) == LDNS_STATUS_OK)
		rc = buf_add(out, ldns_buffer_begin(b),
		    ldns_buffer_position(b));
	ldns_buffer_free(b);
	return rc;
}

int
rr_from_text(unsigned type, const char *data, const char *origin,
    struct buf *out, const char **why)
{
	char		 name[RR_TYPE_MAX];
	char		*line;
	ldns_rdf	*from = ldns_dname_new_frm_str(origin), *prev = NULL;
	ldns_rr		*rr = NULL;
	ldns_status	 st;
	int		 rc = CM_ENOMEM;

	*why = "no memory";
	rr_type_text(type, name);
	if (from == NULL || asprintf(&line, ". 0 IN %s %s", name, data) == -1)
		goto out;
	st = ldns_rr_new_frm_str(&rr, line, 0, from, &prev);
	free(line);
	if (st != LDNS_STATUS_OK) {
		*why = ldns_get_errorstr_by_id(st);
		rc = CM_EDATA;
	} else if (!is_whole(rr)) {
		*why = "something is missing at the end";
		rc = CM_EDATA;
	} else if (!is_in_range(rr, data)) {
		*why = "a number is too large";
		rc = CM_EDATA;
	} else
		rc = add_data(rr, out);
out:
	ldns_rr_free(rr);
	ldns_rdf_deep_free(prev);
	ldns_rdf_deep_free(from);
	return rc;
}

/* A record of the root with that data, as ldns wants it. */
static int
to_rr(unsigned type, const void *data, size_t len, ldns_rr **rr)
{
	unsigned char	*w;
	size_t		 at = 0;
	ldns_status	 st;

	if (len > UINT16_MAX || (w = calloc(1, FIXED + len)) == NULL)
		return CM_ENOMEM;
	w[1] = (unsigned char)(type >> 8);
	w[2] = (unsigned char)type;
	w[4] = 1;		/* class IN */
	w[9] = (unsigned char)(len >> 8);
	w[10] = (unsigned char)len;
	memcpy(w + FIXED, data, len);
	st = ldns_wire2rr(rr, w, FIXED + len, &at, LDNS_SECTION_ANSWER);
	free(w);
	return st == LDNS_STATUS_OK ? 0 : st == LDNS_STATUS_MEM_ERR ?
	    CM_ENOMEM : CM_EDATA;
}

static int
add_text(const ldns_rr *rr, struct buf *out)
{
	char	*s;
	int	 rc = 0;

	for (size_t i = 0; rc == 0 && i < ldns_rr_rd_count(rr); i++) {
		s = ldns_rdf2str(ldns_rr_rdf(rr, i));
		rc = s == NULL ? CM_ENOMEM :
		    buf_addf(out, "%s%s", i > 0 ? " " : "", s);
		free(s);
	}
	return rc;
}

int
rr_to_text(unsigned type, const void *data, size_t len, struct buf *out)
{
	ldns_rr	*rr = NULL;
	int	 rc;

	if ((rc = to_rr(type, data, len, &rr)) != 0)
		return rc;
	rc = add_text(rr, out);
	ldns_rr_free(rr);
	return rc;
}

static int
open_resolver(const struct rr_server *s, ldns_resolver **out)
{
	struct timeval	 wait = { s->timeout_ms / 1000,
			    s->timeout_ms % 1000 * 1000 };
	ldns_rdf	*address;
	ldns_status	 st;

	*out = NULL;
	address = ldns_rdf_new_frm_str(LDNS_RDF_TYPE_A, s->address);
	if (address == NULL)
		address = ldns_rdf_new_frm_str(LDNS_RDF_TYPE_AAAA, s->address);
	if (address == NULL)
		return CM_EUSAGE;
	if ((*out = ldns_resolver_new()) == NULL) {
		ldns_rdf_deep_free(address);
		return CM_ENOMEM;
	}
	st = ldns_resolver_push_nameserver(*out, address);
	ldns_rdf_deep_free(address);
	ldns_resolver_set_port(*out, (uint16_t)s->port);
	ldns_resolver_set_recursive(*out, false);
	ldns_resolver_set_timeout(*out, wait);
	ldns_resolver_set_retry(*out, 2);
	return st == LDNS_STATUS_OK ? 0 : CM_ENOMEM;
}

/* Behind a CNAME come records of another name: those are none. */
static int
take_answer(const ldns_pkt *pkt, const ldns_rdf *owner, unsigned type,
    struct buf *out)
{
	const ldns_rr_list *list = ldns_pkt_answer(pkt);
	const ldns_rr	*rr;
	int		 rc = 0;

	switch (ldns_pkt_get_rcode(pkt)) {
	case LDNS_RCODE_NOERROR:
		break;
	case LDNS_RCODE_NXDOMAIN:
		return 0;
	case LDNS_RCODE_REFUSED:
		return CM_EPERM;
	default:
		return CM_EPROTO;
	}
	for (size_t i = 0; rc == 0 && i < ldns_rr_list_rr_count(list); i++) {
		rr = ldns_rr_list_rr(list, i);
		if ((unsigned)ldns_rr_get_type(rr) != type ||
		    ldns_dname_compare(ldns_rr_owner(rr), owner) != 0)
			continue;
		buf_addf(out, "%u ", (unsigned)ldns_rr_ttl(rr));
		rc = add_text(rr, out);
		buf_addc(out, '\n');
	}
	return rc;
}

int
rr_ask(const struct rr_server *s, const char *name, unsigned type,
    struct buf *out)
{
	ldns_rdf	*owner = ldns_dname_new_frm_str(name);
	ldns_resolver	*r = NULL;
	ldns_pkt	*pkt = NULL;
	int		 rc = CM_ENOMEM;

	if (owner != NULL && (rc = open_resolver(s, &r)) == 0) {
		if (ldns_resolver_send(&pkt, r, owner, (ldns_rr_type)type,
		    LDNS_RR_CLASS_IN, 0) != LDNS_STATUS_OK || pkt == NULL)
			rc = CM_ETIMEOUT;
		else
			rc = take_answer(pkt, owner, type, out);
	}
	ldns_pkt_free(pkt);
	ldns_resolver_deep_free(r);
	ldns_rdf_deep_free(owner);
	return rc;
}
