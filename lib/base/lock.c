#include "base/lock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"

#define GRAIN	16

int
lock_file(int fd, int op, int ms)
{
	int64_t	 end = 0;
	int	 nap = 1;

	while (flock(fd, op | LOCK_NB) == -1) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return cm_errno(errno);
		if (end == 0)
			end = time_mono_ms() + ms;
		if (time_mono_ms() >= end)
			return CM_ELOCK;
		time_sleep_ms(nap);
		if (nap < 20)
			nap *= 2;
	}
	return 0;
}

void
lock_unfile(int fd)
{
	flock(fd, LOCK_UN);
}

int
shlock_init(struct shlock *l)
{
	pthread_mutexattr_t	 a;
	int			 rc;

	if (pthread_mutexattr_init(&a) != 0)
		return CM_ENOMEM;
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	rc = pthread_mutex_init(&l->mutex, &a);
	pthread_mutexattr_destroy(&a);
	return rc == 0 ? 0 : CM_ENOMEM;
}

static int
taken(struct shlock *l, int rc, bool *died)
{
	*died = false;
	switch (rc) {
	case 0:
		return 0;
	case EOWNERDEAD:
		*died = true;
		pthread_mutex_consistent(&l->mutex);
		return 0;
	case ETIMEDOUT:
	case EBUSY:
		return CM_ELOCK;
	default:
		return CM_ESTALE;	/* not a mutex of this boot */
	}
}

int
shlock_take(struct shlock *l, int ms, bool *died)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return taken(l, pthread_mutex_clocklock(&l->mutex, CLOCK_MONOTONIC,
	    &ts), died);
}

int
shlock_try(struct shlock *l, bool *died)
{
	return taken(l, pthread_mutex_trylock(&l->mutex), died);
}

void
shlock_release(struct shlock *l)
{
	pthread_mutex_unlock(&l->mutex);
}

void
shword_wait(const _Atomic unsigned *word, unsigned seen, int ms)
{
	struct timespec	 ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	syscall(SYS_futex, word, FUTEX_WAIT, seen, &ts, NULL, 0);
}

void
shword_wait_bits(const _Atomic unsigned *word, unsigned seen, int ms,
    unsigned bits)
{
	struct timespec	 ts;

	/* until a time, unlike FUTEX_WAIT */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, &ts, NULL, bits);
}

void
shword_wake_bits(const _Atomic unsigned *word, unsigned bits, int n)
{
	syscall(SYS_futex, word, FUTEX_WAKE_BITSET, n, NULL, NULL, bits);
}

unsigned
shword_bit(uint64_t end)
{
	return 1U << (end >> GRAIN & 31);
}

unsigned
shword_bits(uint64_t from, uint64_t to)
{
	unsigned bits = 0;

	if (to <= from || (to >> GRAIN) - (from >> GRAIN) >= 31)
		return UINT_MAX;
	for (uint64_t g = from >> GRAIN; g <= to >> GRAIN; g++)
		bits |= 1U << (g & 31);
	return bits;
}

void
shword_wake(const _Atomic unsigned *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
