/* Taking a message in: CRLF line ends, bounded memory.  Level 3. */
#ifndef CM_INTAKE_H
#define CM_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"

#define INTAKE_MEMORY	(1u << 20)	/* more than this goes to a file */

struct intake {
	const struct log *log;
	const char	*dir;		/* for the temporary file */
	uint64_t	 max;		/* bytes */
	struct buf	 mem;
	int		 fd;		/* of an unnamed file, or -1 */
	uint64_t	 size;		/* all bytes */
	char		*map;
	bool		 cr;		/* the last byte was a CR */
};

void	 intake_init(struct intake *, const struct log *, const char *dir,
	    uint64_t max);
void	 intake_free(struct intake *);
/* Forget the message, to take the next one. */
void	 intake_reset(struct intake *);
/* A bare LF becomes CRLF; all else stays.  CM_ETOOBIG over max. */
int	 intake_add(struct intake *, const char *, size_t) CM_MUST;
/* All of a file descriptor. */
int	 intake_fd(struct intake *, int fd) CM_MUST;
/* The whole message; valid until reset or free. */
int	 intake_get(struct intake *, const char **, size_t *) CM_MUST;

#endif
