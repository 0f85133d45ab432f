/* Mail addresses: RFC 5321 section 4.1.2, RFC 5322 section 3.4.  Level 1. */
#ifndef CM_ADDRESS_H
#define CM_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

#define ADDRESS_MAX	320	/* 64 + @ + 255, RFC 5321 section 4.5.3.1 */

/*
 * Checks one envelope address and writes its canonical form: domain in ASCII
 * lower case, a quoted local part unquoted where the quotes are not needed,
 * a source route stripped, surrounding < > stripped.  UTF-8 is allowed (RFC
 * 6531).  out needs ADDRESS_MAX + 1 bytes.  The local part keeps its case.
 * The domain may be missing ("postmaster", RFC 5321 section 4.1.1.3; see
 * address_domain).  CM_EDATA when it is not an address, out is "" then; an
 * empty one ("" or "<>") is CM_EDATA too: callers that take the null sender
 * test for it first.
 */
int	 address_parse(const char *p, size_t len, char *out) CM_MUST;
/* Where the domain starts in a canonical address; NULL when there is none. */
const char *address_domain(const char *addr);
/*
 * The form under which mailboxes are kept and compared: canonical, and the
 * local part in ASCII lower case.
 */
int	 address_key(const char *p, size_t len, char *out) CM_MUST;
/*
 * Removes "+detail" from a canonical address; false when there is none.  out
 * needs ADDRESS_MAX + 1 bytes and must not be addr.
 */
bool	 address_base(const char *addr, char *out);

/* One address of a header's list; spans point into the list's bytes. */
struct address {
	struct span	 name;		/* raw: phrase, else (comment) */
	struct span	 route;		/* raw: source route, mostly empty */
	struct span	 local;		/* raw, as are all: see address_text */
	struct span	 domain;
	enum { ADDRESS_MAILBOX, ADDRESS_GROUP, ADDRESS_GROUP_END } kind;
};

/*
 * The next address of an unfolded header value (see header_unfold); *rest
 * moves behind it and its comma.  Garbage yields what can be made of it, and
 * the walk always ends.  A group yields ADDRESS_GROUP (name), its members,
 * ADDRESS_GROUP_END.  The walk keeps no state: a stray ; is an end without a
 * group, and a group that isn't closed has no end.
 */
bool	 address_next(struct span *rest, struct address *);

/*
 * Adds a raw span of struct address as people read it: without quotes,
 * backslashes and comments.  Blanks outside of quotes become one space where
 * blanks is true (names) and go otherwise.  A name that is one comment gives
 * the comment's text.
 */
int	 address_text(struct span raw, bool blanks, struct buf *);

#endif
