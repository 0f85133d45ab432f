#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/time.h"
#include "protocol/session_int.h"

#define TURN_TRIES	1000

int
board_open(unsigned max, struct board **out)
{
	struct board	*b;
	size_t		 slots = sizeof(*b) + max * sizeof(struct slot);
	size_t		 size = slots + max * sizeof(uint32_t);

	*out = NULL;
	/* pages that no slot has used cost nothing */
	b = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b == MAP_FAILED)
		return CM_ENOMEM;
	b->size = size;
	b->max = max;
	b->clients = (_Atomic uint32_t *)(void *)((char *)b + slots);
	*out = b;
	return 0;
}

void
board_close(struct board *b)
{
	if (b != NULL)
		munmap(b, b->size);
}

struct slot *
board_take(struct board *b)
{
	struct slot	*s;

	for (unsigned i = 0; i < b->max; i++) {
		s = &b->slots[i];
		if (s->state != SLOT_FREE)
			continue;
		if (i >= b->top)
			b->top = i + 1;
		s->pid = 0;
		s->retire = false;
		slot_set(s, SLOT_START);
		return s;
	}
	return NULL;
}

void
board_free(struct board *b, struct slot *s)
{
	board_leave(b, s);
	s->pid = 0;
	slot_set(s, SLOT_FREE);
	while (b->top > 0 && b->slots[b->top - 1].state == SLOT_FREE)
		b->top--;
}

struct slot *
board_find(struct board *b, int pid)
{
	for (unsigned i = 0; i < b->top; i++)
		if (b->slots[i].pid == pid &&
		    b->slots[i].state != SLOT_FREE)
			return &b->slots[i];
	return NULL;
}

void
slot_set(struct slot *s, enum slot_state state)
{
	s->since = time_mono_ms();
	s->state = state;
}

void
board_busy(struct session_engine *e, bool was_idle)
{
	struct board	*b = e->board;
	uint64_t	 one = 1;

	atomic_fetch_add(&b->sessions, 1);
	slot_set(e->slot, SLOT_BUSY);
	if (was_idle)
		atomic_fetch_sub(&b->idle, 1);
	if (b->idle < b->spare && !b->full && !b->woken &&
	    !atomic_exchange(&b->woken, true) &&
	    write(e->wake, &one, sizeof(one)) == -1)
		return;		/* it looks by itself, too */
}

void
board_idle(struct session_engine *e)
{
	slot_set(e->slot, SLOT_IDLE);
	atomic_fetch_add(&e->board->idle, 1);
}

void
session_client(const unsigned char ip[16], uint64_t key[2])
{
	static const unsigned char v4[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(key, ip, 16);
	/* who has an IPv6 address mostly has 2^64 of them */
	if (memcmp(ip, v4, sizeof(v4)) != 0)
		key[1] = 0;
}

/* FNV-1a, and the end mixed: not against who chooses his name. */
uint64_t
session_hash(uint64_t seed, const void *p, size_t n)
{
	const unsigned char	*c = p;
	uint64_t		 h = seed ^ 0xcbf29ce484222325u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ c[i]) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

/*
 * Did that one say whose it is before me?  It may just have said it, and not
 * yet have its turn: a matter of nanoseconds, unless it is stopped or dead.
 */
static bool
is_before(const struct slot *s, const struct slot *me)
{
	for (int i = 0; i < TURN_TRIES; i++) {
		if (s->turn != 0)
			return s->turn < me->turn;
		sched_yield();
	}
	return true;
}

/*
 * As in a bakery: each session first says whose it is, then takes its turn, and
 * counts those of the same client with an earlier one.  Of two at once just the
 * later one can be over the limit.
 */
bool
board_admit(struct board *b, struct slot *me, const unsigned char ip[16],
    unsigned limit)
{
	uint64_t	 key[2];
	uint32_t	 hash;
	unsigned	 n = 0, top;

	session_client(ip, key);
	hash = (uint32_t)session_hash(0, key, sizeof(key)) | 1;
	me->turn = 0;
	me->client[0] = key[0];
	me->client[1] = key[1];
	b->clients[me - b->slots] = hash;
	me->turn = atomic_fetch_add(&b->turns, 1) + 1;
	top = b->top;
	for (unsigned i = 0; i < top; i++) {
		const struct slot *s = &b->slots[i];

		if (b->clients[i] == hash && s != me &&
		    s->client[0] == key[0] && s->client[1] == key[1] &&
		    is_before(s, me) && ++n >= limit)
			return false;
	}
	return true;
}

void
board_leave(struct board *b, struct slot *s)
{
	b->clients[s - b->slots] = 0;
}
