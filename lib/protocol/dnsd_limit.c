/* Not answering too much: whoever asks may have somebody else's address. */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "protocol/dnsd_int.h"

#define CELLS		65536u
#define SECOND_BITS	24
#define COUNT_BITS	24
#define COUNT_MAX	((1u << COUNT_BITS) - 1)
#define SECOND_MAX	((1u << SECOND_BITS) - 1)
#define AHEAD_S		2		/* of other processes' clocks */

/*
 * A cell: 16 bits of a hash of network and kind, 24 of the second, 24 of the
 * answers in it.  Two networks with one cell take it from each other and are
 * limited less; with a key that nobody knows, nobody can choose one to go with
 * the network that he is after.
 */
struct dnsd_limit {
	unsigned char	 key[SIPHASH_KEY];
	_Atomic uint64_t cell[CELLS];
};

int
dnsd_limit_open(struct dnsd_limit **out)
{
	void	*p = mmap(NULL, sizeof(**out), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	*out = NULL;
	if (p == MAP_FAILED)
		return CM_ENOMEM;
	*out = p;
	if (getrandom((*out)->key, SIPHASH_KEY, 0) == SIPHASH_KEY)
		return 0;
	dnsd_limit_close(*out);
	*out = NULL;
	return CM_EIO;
}

void
dnsd_limit_close(struct dnsd_limit *l)
{
	if (l != NULL)
		munmap(l, sizeof(*l));
}

static uint64_t
network(const struct dnsd_limit *l, const unsigned char ip[16], bool negative)
{
	static const unsigned char v4[12] = { [10] = 0xff, [11] = 0xff };
	unsigned char	 b[16];
	uint64_t	 h;
	size_t		 n = memcmp(ip, v4, sizeof(v4)) == 0 ? 15 : 7;

	memcpy(b, ip, n);
	b[n] = negative;
	siphash(l->key, b, n + 1, (unsigned char *)&h);
	return h;
}

enum dnsd_verdict
dnsd_limit(struct dnsd_limit *l, unsigned rate, const unsigned char ip[16],
    bool negative, int64_t now_s)
{
	uint64_t	 h, old, new, tag, second, was;
	unsigned	 count;

	if (l == NULL || rate == 0)
		return DNSD_ANSWER;
	h = network(l, ip, negative);
	tag = h >> 48;
	old = atomic_load(&l->cell[h % CELLS]);
	do {
		second = (uint64_t)now_s & SECOND_MAX;
		count = 0;
		was = old >> COUNT_BITS & SECOND_MAX;
		/* who looks at his clock later does not put it back */
		if (old >> (COUNT_BITS + SECOND_BITS) == tag &&
		    ((was - second) & SECOND_MAX) <= AHEAD_S) {
			second = was;
			count = (unsigned)(old & COUNT_MAX);
		}
		if (count < COUNT_MAX)
			count++;
		new = (tag << SECOND_BITS | second) << COUNT_BITS | count;
	} while (!atomic_compare_exchange_weak(&l->cell[h % CELLS], &old,
	    new));
	if (count <= rate)
		return DNSD_ANSWER;
	return (count - rate) % 2 == 1 ? DNSD_TRUNCATE : DNSD_DROP;
}
