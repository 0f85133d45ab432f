#include "cluster/delay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "base/time.h"

/*
 * A slot for each second of the last ones, one word: which second it is of, how
 * many messages, and the sum of their delays.  It is changed in one step, so a
 * process may die anywhere.  When a second has more than fits, the rest of it
 * does not count: the mean is good by then.
 */
#define SLOTS		16
#define SUM_BITS	22
#define COUNT_BITS	14
#define SECOND_BITS	28

#define SUM_MAX		(((uint64_t)1 << SUM_BITS) - 1)
#define COUNT_MAX	(((uint64_t)1 << COUNT_BITS) - 1)
#define SECOND_MAX	(((uint64_t)1 << SECOND_BITS) - 1)

struct slots {
	_Atomic uint64_t slot[SLOTS];
};

struct delay {
	struct slots	*map;
};

static struct slots *
map_file(const char *state, int flags)
{
	char		 path[FILE_PATH_MAX];
	struct stat	 st;
	void		*p = MAP_FAILED;
	int		 fd;

	if (str_fmt(path, sizeof(path), "%s/run/delay", state) != 0)
		return NULL;
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_size >= (off_t)sizeof(struct slots) ||
	    ((flags & O_CREAT) != 0 &&
	    ftruncate(fd, sizeof(struct slots)) == 0)))
		p = mmap(NULL, sizeof(struct slots), (flags & O_CREAT) != 0 ?
		    PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

struct delay *
delay_open(const struct log *log, const char *state)
{
	struct delay	*d;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	if ((d->map = map_file(state, O_RDWR | O_CREAT)) == NULL) {
		log_debug(log, "%s/run/delay: %s: delays are not counted",
		    state, strerror(errno));
		free(d);
		return NULL;
	}
	return d;
}

void
delay_close(struct delay *d)
{
	if (d == NULL)
		return;
	munmap(d->map, sizeof(*d->map));
	free(d);
}

void
delay_add_at(struct delay *d, int64_t ms, int64_t now_s)
{
	uint64_t	 second = (uint64_t)now_s & SECOND_MAX;
	_Atomic uint64_t *slot = &d->map->slot[second % SLOTS];
	uint64_t	 old = atomic_load(slot), count, sum;
	uint64_t	 add = ms < 0 ? 0 : ms > DELAY_MAX_MS ? DELAY_MAX_MS :
			    (uint64_t)ms;

	do {
		count = old >> SUM_BITS & COUNT_MAX;
		sum = old & SUM_MAX;
		if (old >> (SUM_BITS + COUNT_BITS) != second)
			count = sum = 0;
		if (count == COUNT_MAX || sum + add > SUM_MAX)
			return;
	} while (!atomic_compare_exchange_weak(slot, &old,
	    second << (SUM_BITS + COUNT_BITS) | (count + 1) << SUM_BITS |
	    (sum + add)));
}

/*
 * Each second counts less than the next one.  Less than one message, which
 * that comes to when none is taken any more, counts as one: so the mean falls
 * to nothing.
 */
uint64_t
delay_mean_at(const struct delay *d, int64_t now_s)
{
	double		 count = 0, sum = 0, weight;
	uint64_t	 v, age;

	for (size_t i = 0; i < SLOTS; i++) {
		v = atomic_load(&d->map->slot[i]);
		age = ((uint64_t)now_s - (v >> (SUM_BITS + COUNT_BITS))) &
		    SECOND_MAX;
		if (v == 0 || age >= DELAY_SECONDS)
			continue;
		weight = (double)(DELAY_SECONDS - age) / DELAY_SECONDS;
		count += weight * (double)(v >> SUM_BITS & COUNT_MAX);
		sum += weight * (double)(v & SUM_MAX);
	}
	return (uint64_t)(sum / (count > 1 ? count : 1));
}

void
delay_add(struct delay *d, int64_t ms)
{
	if (d != NULL)
		delay_add_at(d, ms, time_mono_ms() / 1000);
}

uint64_t
delay_read(const char *state)
{
	struct delay	 d = { map_file(state, O_RDONLY) };
	uint64_t	 ms;

	if (d.map == NULL)
		return 0;
	ms = delay_mean_at(&d, time_mono_ms() / 1000);
	munmap(d.map, sizeof(*d.map));
	return ms;
}
