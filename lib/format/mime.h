/* The MIME structure of a message; RFC 2045, 2046, 2231, 3501.  Level 1. */
#ifndef CM_MIME_H
#define CM_MIME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define MIME_DEPTH_MAX	100	/* multiparts and messages in each other */
#define MIME_PARTS_MAX	10000	/* parts in all; what follows is body text */
#define MIME_SUMMARY_MAX (256 * 1024)	/* bytes of ENVELOPE or BODYSTRUCTURE */

enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };

/*
 * A part.  Offsets are bytes from the start of the message; the header is
 * [header, body), the body is [body, end).  Parts lie in one array in the
 * order of the message; next and child are indexes into it, -1 for none.
 */
struct mime_part {
	enum mime_kind	 kind;
	size_t		 header;
	size_t		 body;
	size_t		 end;
	uint32_t	 lines;		/* line ends in the body */
	int		 child;
	int		 next;
	int		 parent;
};

struct mime_tree {
	struct mime_part *parts;	/* parts[0] is the message itself */
	size_t		 n;
	size_t		 cap;
};

/*
 * Finds the parts.  Never fails on broken MIME: what cannot be understood is
 * text/plain, and limits cut the tree.  Linear in len.  CM_ENOMEM only, the
 * tree is empty then.  Lines end with CRLF; a bare LF is taken as a line end
 * too.  A multipart may have no children; a message (message/rfc822 or
 * message/global without base64 or quoted-printable) has exactly one.  What
 * limits cut or has no boundary is MIME_LEAF whatever its Content-Type says.
 */
int	 mime_scan(const char *msg, size_t len, struct mime_tree *) CM_MUST;
/* The tree is empty afterwards.  NULL is fine. */
void	 mime_free(struct mime_tree *);

/*
 * IMAP ENVELOPE (RFC 3501 section 7.4.2), a parenthesized list on one line,
 * of the header that starts at part.header.  Strings are quoted strings:
 * CR, LF and NUL never occur (folding is undone), bytes over 127 are kept.
 * At most MIME_SUMMARY_MAX bytes: long strings and address lists are cut,
 * and the result stays well-formed.
 */
int	 mime_envelope(const char *msg, const struct mime_part *,
	    struct buf *) CM_MUST;
/*
 * IMAP BODYSTRUCTURE with its extension data, under the same rules.  One that
 * would be longer than MIME_SUMMARY_MAX describes the message as a single
 * application/octet-stream.  A multipart without parts gets an empty
 * text/plain, since the syntax asks for one part.
 */
int	 mime_bodystructure(const char *msg, const struct mime_tree *,
	    struct buf *) CM_MUST;

#endif
