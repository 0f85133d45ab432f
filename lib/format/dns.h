/*
 * DNS messages, RFC 1035 section 4, as an authoritative server needs them:
 * questions in, answers out; EDNS(0) of RFC 6891.  Types and codes are those of
 * <arpa/nameser.h>.  Pure.  Level 1.
 */
#ifndef CM_DNS_H
#define CM_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DNS_NAME_MAX	255	/* bytes of a name on the wire, root included */
#define DNS_LABEL_MAX	63
#define DNS_TEXT_MAX	1024	/* of a name as text: each byte as \DDD */
#define DNS_HEADER	12
#define DNS_QUESTION_MAX (DNS_NAME_MAX + 4)
#define DNS_UDP_MIN	512	/* what all can take */
#define DNS_UDP_MAX	1232	/* what gets through without fragments */
#define DNS_TCP_MAX	65535
#define DNS_OPT		11	/* bytes of an OPT record without options */
#define DNS_COOKIE	24	/* bytes of a cookie with the server's half */
#define DNS_COOKIE_CLIENT 8

/* --- names: on the wire, in lower case, without compression --- */

struct dns_name {
	unsigned char	 b[DNS_NAME_MAX];
	size_t		 len;		/* the root's zero counted */
};

/*
 * From text: labels with dots between them and perhaps at the end; \. \\ \DDD.
 * "." and "" are the root.  CM_EDATA.
 */
int	 dns_name(struct dns_name *, const char *text, size_t len) CM_MUST;
/* As text with a dot at the end; what is not plain gets a backslash. */
void	 dns_name_text(const unsigned char *wire, char out[DNS_TEXT_MAX]);
/* The name behind its first label; of the root, the root. */
const unsigned char *dns_parent(const unsigned char *wire);
/* Bytes of a name that is known to be right. */
size_t	 dns_name_len(const unsigned char *wire);
/* a with b behind it.  CM_EDATA when it gets too long. */
int	 dns_join(struct dns_name *out, const unsigned char *a, size_t alen,
	    const unsigned char *b, size_t blen) CM_MUST;

/* --- questions --- */

struct dns_query {
	uint16_t	 id;
	uint16_t	 flags;		/* as they came */
	const unsigned char *qname;	/* in the message, its case kept */
	struct dns_name	 name;		/* in lower case */
	uint16_t	 type, class;
	bool		 has_question;
	bool		 has_edns;
	uint8_t		 version;	/* of EDNS */
	uint16_t	 size;		/* what the client can take; 512 .. */
	bool		 dnssec_ok;
	const unsigned char *cookie;	/* NULL: none */
	size_t		 cookie_len;	/* 8, or 16 to 40 */
};

/*
 * Takes a message apart.  Returns a code of the answer: ns_r_noerror,
 * ns_r_formerr, ns_r_notimpl; -1 when there must not be an answer (it is one
 * itself, or no message at all).  Of one that is not ns_r_noerror id and
 * flags are right, and the question when has_question.
 */
int	 dns_parse(const unsigned char *, size_t, struct dns_query *);

/* --- answers --- */

#define DNS_NAMES_MAX	128	/* that a writer can point back to */

/* Writes a message with names compressed, RFC 1035 section 4.1.4. */
struct dns_writer {
	unsigned char	*p;
	size_t		 len, max;
	bool		 full;		/* something did not fit */
	uint16_t	 at[DNS_NAMES_MAX];	/* names that are there */
	size_t		 n;
};

/* Begins with len bytes at p that hold a header and a question. */
void	 dns_writer(struct dns_writer *, unsigned char *p, size_t len,
	    size_t max);
void	 dns_add_name(struct dns_writer *, const unsigned char *wire);
void	 dns_add_bytes(struct dns_writer *, const void *, size_t);
void	 dns_add_u16(struct dns_writer *, unsigned);
void	 dns_add_u32(struct dns_writer *, uint32_t);
/*
 * A record, its data as on the wire without compression; names in data of the
 * types of RFC 1035 are compressed, others never (RFC 3597 section 4).
 * Returns where its data begins.
 */
size_t	 dns_add_record(struct dns_writer *, const unsigned char *owner,
	    unsigned type, uint32_t ttl, const unsigned char *data, size_t len);
void	 dns_put_u16(unsigned char *, unsigned);
unsigned dns_get_u16(const unsigned char *);

/*
 * The OPT record: our size, the upper bits of the code, and a cookie of
 * cookie_len bytes or none.  Returns its bytes.
 */
size_t	 dns_opt(unsigned char *, const struct dns_query *, unsigned code,
	    const unsigned char *cookie, size_t cookie_len);
#define DNS_BADVERS	16
#define DNS_OPT_MAX	(DNS_OPT + 4 + 40)

#endif
