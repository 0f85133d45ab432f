/* Locks between processes; all waits have an end.  Level 0. */
#ifndef CM_LOCK_H
#define CM_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * flock(2) of kind op (LOCK_SH or LOCK_EX), waiting up to ms milliseconds:
 * CM_ELOCK then.  The kernel lets go of it when the holder dies.
 */
int	 lock_file(int fd, int op, int ms) CM_MUST;
void	 lock_unfile(int fd);

/*
 * A robust mutex in memory that processes share.  When its holder died, the
 * next one gets it with *died set, and must put right what it guards.
 */
struct shlock {
	pthread_mutex_t	 mutex;
};

int	 shlock_init(struct shlock *) CM_MUST;
int	 shlock_take(struct shlock *, int ms, bool *died) CM_MUST;
/* CM_ELOCK at once when somebody has it. */
int	 shlock_try(struct shlock *, bool *died) CM_MUST;
void	 shlock_release(struct shlock *);

/*
 * Sleep until *word differs from seen, or ms milliseconds; wake everybody who
 * sleeps on it.  The word lies in shared memory.
 */
void	 shword_wait(const _Atomic unsigned *word, unsigned seen, int ms);
void	 shword_wake(const _Atomic unsigned *word);
/*
 * The same, but at most n of those are woken who sleep with one of the bits;
 * not 0.  For those who wait until a log has reached some end: a bit for each
 * end, which others 64 KiB and more apart do not share, and the bits of all
 * ends behind from, up to to.
 */
void	 shword_wait_bits(const _Atomic unsigned *word, unsigned seen, int ms,
	    unsigned bits);
void	 shword_wake_bits(const _Atomic unsigned *word, unsigned bits, int n);
unsigned shword_bit(uint64_t end);
unsigned shword_bits(uint64_t from, uint64_t to);

#endif
