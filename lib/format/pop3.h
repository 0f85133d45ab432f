/* POP3's commands (RFC 1939, 2449, 2595, 5034, 6856).  Level 1. */
#ifndef CM_FORMAT_POP3_H
#define CM_FORMAT_POP3_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define POP3_LINE_MAX	12288	/* RFC 2449 has 255, but AUTH needs more */

enum pop3_verb {
	POP3_USER, POP3_PASS, POP3_AUTH, POP3_STLS, POP3_CAPA, POP3_UTF8,
	POP3_QUIT, POP3_STAT, POP3_LIST, POP3_RETR, POP3_DELE, POP3_NOOP,
	POP3_RSET, POP3_TOP, POP3_UIDL, POP3_UNKNOWN
};

/* The command of a line without its end, and what is behind its blank. */
enum pop3_verb pop3_verb(struct span line, struct span *args);
/*
 * min to max (2 at most) numbers with blanks between, and nothing else; *n of
 * them were there.  CM_EDATA.
 */
int	 pop3_numbers(struct span args, unsigned min, unsigned max,
	    uint32_t out[2], unsigned *n) CM_MUST;

/*
 * Adds a message, dots stuffed, as far as its header, the line behind it and
 * that many lines of its body (UINT64_MAX: all), and the line "." (RFC 1939
 * section 3).  *at is where the last call ended (0 first): not much more than
 * chunk bytes, 2 or more, are added at once.  True when it was the end.
 */
struct pop3_text {
	struct span	 msg;		/* lines end with CRLF */
	uint64_t	 lines;
	size_t		 at;
	bool		 body;		/* at is behind the header */
	bool		 mid;		/* and in the middle of a line */
};
bool	 pop3_text(struct pop3_text *, size_t chunk, struct buf *);

#endif
