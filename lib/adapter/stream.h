/*
 * Byte streams between processes: Unix sockets and lines on them.  Level 2.
 */
#ifndef CM_STREAM_H
#define CM_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"

/*
 * Sockets by path.  The path's length is not limited to what fits into a
 * sockaddr_un.  stream_listen removes what stood there before: hold a lock.
 * CM_EAWAY without a line when nobody listens.
 */
int	 stream_listen(const struct log *, const char *path, int *fd) CM_MUST;
int	 stream_connect(const struct log *, const char *path, int *fd) CM_MUST;

/* Lines read from, and bytes gathered for, a file descriptor. */
struct stream {
	int		 fd;
	int		 timeout_ms;	/* for each wait; -1: none */
	bool		 tries;		/* does not block: first without wait */
	struct buf	 in;
	size_t		 at;		/* of in: taken so far */
	struct buf	 out;
	bool		 eof;
};

/* line_max: bytes of the longest line taken. */
void	 stream_init(struct stream *, int fd, size_t line_max, int timeout_ms);
/* Closes the descriptor too. */
void	 stream_close(struct stream *);
/*
 * The next line, without LF; valid until the next call.  CM_EEND at the end,
 * CM_ETIMEOUT, CM_ETOOBIG, CM_EDATA when the last line has no end.
 */
int	 stream_line(struct stream *, struct span *) CM_MUST;
/* Is a whole line there without reading? */
bool	 stream_has_line(const struct stream *);
/* Sends what has gathered in out, when it is at least that many bytes. */
int	 stream_flush(struct stream *, size_t least) CM_MUST;

#endif
