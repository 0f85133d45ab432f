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

int
rr_to_text(unsigned type, const void *data, size_t len, struct buf *out)
{
	ldns_rr	*rr = NULL;
	char	*s;
	int	 rc;

	if ((rc = to_rr(type, data, len, &rr)) != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < ldns_rr_rd_count(rr); i++) {
		s = ldns_rdf2str(ldns_rr_rdf(rr, i));
		rc = s == NULL ? CM_ENOMEM :
		    buf_addf(out, "%s%s", i > 0 ? " " : "", s);
		free(s);
	}
	ldns_rr_free(rr);
	return rc;
}
