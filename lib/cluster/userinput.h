/* Lines that may hold passwords, read so that no copy stays.  Level 3. */
#ifndef CM_USERINPUT_H
#define CM_USERINPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "adapter/sasl.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

#define SECRET_LINE_MAX	8192	/* bytes; a longer line is an error */

/*
 * Lines of a file descriptor, in one buffer that never moves and is wiped by
 * secret_lines_end.  step: bytes asked for in one read; with 1, what follows
 * the line is left to whoever reads next.
 */
struct secret_lines {
	int		 fd;
	size_t		 step;
	size_t		 at, len;
	bool		 eof;
	char		 p[2 * SECRET_LINE_MAX];
};

void	 secret_lines_init(struct secret_lines *, int fd, size_t step);
void	 secret_lines_end(struct secret_lines *);
/*
 * The next line without its end (LF or CRLF, missing in the last one);
 * valid until the next call.  CM_EEND; CM_ETOOBIG, and the line is skipped;
 * CM_EIO.
 */
int	 secret_lines_next(struct secret_lines *, struct span *) CM_MUST;

/*
 * Asks on the terminal, without echo, for the password of a mailbox; twice
 * where it is a new one.  out needs SASL_PASSWORD_MAX + 1 bytes and is to be
 * wiped by the caller.  CM_EDATA, with a line, when the two differ or the input
 * ends; CM_ETOOBIG.
 * A signal that ends or stops the program first finds the echo restored.
 */
int	 secret_ask(const struct log *, const char *mailbox, bool is_new,
	    char out[SASL_PASSWORD_MAX + 1], size_t *len) CM_MUST;

#endif
