/* A progress line on a terminal for work that takes long.  Level 0. */
#ifndef CM_PROGRESS_H
#define CM_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Nothing is shown unless fd 2 is a terminal and the work has gone on for two
 * seconds; then the line is drawn again four times a second at most.
 */
struct progress {
	const char	*what;
	uint64_t	 total;		/* 0: unknown */
	uint64_t	 done;
	bool		 bytes;		/* units are bytes, else things */
	bool		 on;
	bool		 drawn;
	int64_t		 start;
	int64_t		 last;
};

void	progress_start(struct progress *, const char *what, uint64_t total,
	    bool bytes);
void	progress_add(struct progress *, uint64_t n);
/* Takes the line away. */
void	progress_end(struct progress *);

#endif
