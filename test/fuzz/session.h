/* What the targets of whole sessions share. */
#ifndef FUZZ_SESSION_H
#define FUZZ_SESSION_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define PIPE_SIZE	(1 << 20)
#define PIECES		200		/* a pipe has room for more */
#define PACKET		4096		/* bytes; of a pipe with O_DIRECT */

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
put_log(void *arg, enum log_level level, const char *line)
{
	(void)arg, (void)level;
	must(strpbrk(line, "\r\n") == NULL);
}

/* In packets: each is read by itself. */
static void
say(int fd, const uint8_t *p, size_t n, unsigned cut)
{
	size_t	 part;

	for (unsigned i = 0; n > 0; i++, p += part, n -= part) {
		part = cut == 0 || i >= PIECES ? n :
		    1 + (cut * (i + 1) * 7) % 61;
		if (part > n)
			part = n;
		if (part > PACKET)
			part = PACKET;
		must(write(fd, p, part) == (ssize_t)part);
	}
	close(fd);
}

#endif
