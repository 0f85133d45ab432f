#include "cluster/acks.h"

#include <limits.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/time.h"
#include "cluster/copy.h"

#define TOLD_MS		500	/* who has not told for longer may be dead */
#define NAP_MS		50

static uint64_t
pack(struct vol_end e)
{
	return (uint64_t)e.segment << 32 | e.offset;
}

uint32_t
acks_copies(const struct conf *conf, const struct conf_volume *cv)
{
	char		 label[COPY_LABEL_MAX];
	uint32_t	 sum = conf_copies_wanted(conf, cv);

	for (size_t i = 0; i < cv->ncopies; i++) {
		copy_label(cv, (int)i, label);
		/* with its NUL */
		sum = crc32c(sum, label, strlen(label) + 1);
	}
	return sum;
}

void
acks_begin(struct control *c, uint32_t copies)
{
	if (c == NULL)
		return;
	atomic_store(&c->told_ms, 0);
	for (size_t i = 0; i < CONTROL_COPIES; i++)
		atomic_store(&c->ends[i], 0);
	atomic_store(&c->copies, copies);
}

void
acks_tell(struct control *c, const struct vol_end *e, size_t n,
    uint64_t failing)
{
	uint32_t	 bits = 0;

	if (c == NULL)
		return;
	atomic_store(&c->told_ms, time_mono_ms());
	if (atomic_load(&c->failing) != failing) {
		atomic_store(&c->failing, failing);
		bits = UINT32_MAX;
	}
	for (size_t i = 0; i < n && i < CONTROL_COPIES; i++) {
		uint64_t was = atomic_load(&c->ends[i]), is = pack(e[i]);

		if (is == was)
			continue;
		atomic_store(&c->ends[i], is);
		bits |= shword_bits(was, is);
	}
	if (bits == 0)
		return;
	atomic_fetch_add(&c->ack_gen, 1);
	shword_wake_bits(&c->ack_gen, bits, INT_MAX);
}

unsigned
acks_asked(const struct control *c)
{
	return c == NULL ? 0 : atomic_load(&c->ask_gen);
}

void
acks_nap(const struct control *c, unsigned asked, int ms)
{
	if (c == NULL)
		time_sleep_ms(ms);
	else
		shword_wait(&c->ask_gen, asked, ms);
}

void
acks_ask(struct control *c)
{
	if (c == NULL)
		return;
	atomic_fetch_add(&c->ask_gen, 1);
	shword_wake(&c->ask_gen);
}

void
acks_init(struct acks *a, const struct conf *conf,
    const struct conf_volume *cv)
{
	*a = (struct acks){ conf, cv, NULL, -1, acks_copies(conf, cv) };
}

void
acks_free(struct acks *a)
{
	control_unmap(a->c, a->fd);
	a->c = NULL;
	a->fd = -1;
}

static bool
is_current(const struct acks *a)
{
	return a->c != NULL && control_is_current(a->c, a->fd, a->cv->path);
}

/* Does a shipper tell, and of the same copies? */
static bool
is_told(const struct acks *a)
{
	return time_mono_ms() - atomic_load(&a->c->told_ms) <= TOLD_MS &&
	    atomic_load(&a->c->copies) == a->copies;
}

static bool
has(const struct acks *a, size_t i, struct vol_end e)
{
	return atomic_load(&a->c->ends[i]) >= pack(e);
}

/* Can so many copies be reached? */
static bool
is_hopeful(const struct acks *a, unsigned copies)
{
	uint64_t failing = atomic_load(&a->c->failing);
	unsigned n = 0;

	for (size_t i = 0; i < a->cv->ncopies; i++)
		n += (failing >> i & 1) == 0;
	return n >= copies;
}

bool
acks_begin_wait(struct acks *a, unsigned copies)
{
	if (!is_current(a)) {
		acks_free(a);
		if (control_map(NULL, a->cv->path, &a->c, &a->fd) != 0)
			return false;
	}
	if (!is_told(a) || !is_hopeful(a, copies))
		return false;
	acks_ask(a->c);
	return true;
}

/* As the shipper's is_done. */
static bool
is_done(const struct acks *a, struct vol_end e, unsigned copies)
{
	unsigned want = conf_copies_wanted(a->conf, a->cv), n = 0;

	for (size_t i = 0; i < a->cv->ncopies; i++)
		n += has(a, i, e);
	return n >= copies && (want == 0 || copies < want ||
	    atomic_load(&a->c->acked) >= pack(e));
}

bool
acks_wait(struct acks *a, struct vol_end e, unsigned copies, int ms)
{
	int64_t		 until = time_mono_ms() + ms;
	unsigned	 gen;

	for (;;) {
		gen = atomic_load(&a->c->ack_gen);
		if (!is_told(a))
			return false;
		/* behind all: it was this home that they are copies of */
		if (is_done(a, e, copies))
			return is_current(a);
		if (!is_hopeful(a, copies) || time_mono_ms() >= until)
			return false;
		shword_wait_bits(&a->c->ack_gen, gen, NAP_MS,
		    shword_bit(pack(e)));
	}
}

void
acks_labels(const struct acks *a, struct vol_end e, struct buf *labels)
{
	char	 label[COPY_LABEL_MAX];

	for (size_t i = 0; i < a->cv->ncopies; i++)
		if (has(a, i, e)) {
			copy_label(a->cv, (int)i, label);
			buf_addf(labels, ",%s", label);
		}
}

bool
acks_is_kept(const struct acks *a, const struct place *p)
{
	return ((uint64_t)p->segment << 32 | p->offset) >=
	    atomic_load(&a->c->cancelled);
}
