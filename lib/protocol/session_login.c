/*
 * Failed logins, in a file of fixed size that all services of a node share.
 * An entry counts for an address or an account, and is forgotten with time, or
 * when its set is full of newer ones; so an attacker with very many addresses
 * can make it forget, but no more than that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "protocol/session_int.h"

#define SETS		1024
#define WAYS		4
#define FORGET_S	900	/* without a failure */
#define COUNT_MAX	1000
#define FREE_ADDRESS	1	/* failures that cost nothing */
#define FREE_ACCOUNT	4
#define ADDRESS_MS	500	/* the first that does; then twice as much */
#define ACCOUNT_MS	500
#define ACCOUNT_MAX	4000	/* its owner shall still get in */

/* key 0: none.  value: seconds since 1970 << 16 | failures. */
struct entry {
	_Atomic uint64_t key;
	_Atomic uint64_t value;
};

/* All of zeros is a good one, and so is any other content. */
struct table {
	_Atomic uint64_t seed;		/* so that nobody can aim at a set */
	uint64_t	 unused;
	struct entry	 entries[SETS][WAYS];
};

struct logins {
	struct table	*table;
};

static int
open_file(const char *path)
{
	struct stat	 st;
	int		 fd;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	/* with its blocks: a full disk must not end us when we write */
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    ((size_t)st.st_size < sizeof(struct table) &&
	    (errno = posix_fallocate(fd, 0, sizeof(struct table))) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
seed(struct table *t)
{
	uint64_t	 new = 0, none = 0;

	while (new == 0)
		if (getrandom(&new, sizeof(new), 0) != sizeof(new))
			new = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
	atomic_compare_exchange_strong(&t->seed, &none, new);
}

int
logins_open(const struct log *log, const char *state, struct logins **out)
{
	char		 path[FILE_PATH_MAX];
	struct logins	*l;
	int		 fd = -1;

	*out = NULL;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return log_fail(log, CM_ENOMEM, "logins");
	if (str_fmt(path, sizeof(path), "%s/run/logins", state) == 0 &&
	    (fd = open_file(path)) == -1)
		log_warn(log, "%s: %s: failed logins are not counted together",
		    path, strerror(errno));
	l->table = mmap(NULL, sizeof(*l->table), PROT_READ | PROT_WRITE,
	    MAP_SHARED | (fd == -1 ? MAP_ANONYMOUS : 0), fd, 0);
	if (fd != -1)
		close(fd);
	if (l->table == MAP_FAILED) {
		free(l);
		return log_fail(log, CM_ENOMEM, "logins");
	}
	seed(l->table);
	*out = l;
	return 0;
}

void
logins_close(struct logins *l)
{
	if (l == NULL)
		return;
	munmap(l->table, sizeof(*l->table));
	free(l);
}

/* Failures that still count. */
static unsigned
count_of(uint64_t value, int64_t now_s)
{
	int64_t	 when = (int64_t)(value >> 16);

	/* in the future: the clock was set back */
	return when > now_s || now_s - when > FORGET_S ? 0 :
	    (unsigned)(value & 0xffff);
}

static uint64_t
key_of_account(const struct table *t, const char *account)
{
	uint64_t	 h = t->seed;
	char		 c;

	for (size_t i = 0; account[i] != '\0'; i++) {
		c = str_lower(account[i]);
		h = session_hash(h, &c, 1);
	}
	return session_hash(h, "account", 7) | 1;
}

static uint64_t
key_of_ip(const struct table *t, const unsigned char ip[16])
{
	uint64_t	 key[2];

	session_client(ip, key);
	return session_hash(t->seed, key, sizeof(key)) | 1;
}

static struct entry *
find(struct table *t, uint64_t key)
{
	struct entry	*set = t->entries[key / 2 % SETS];

	for (int i = 0; i < WAYS; i++)
		if (set[i].key == key)
			return &set[i];
	return NULL;
}

/* Its own entry, or the one of its set that was used least lately. */
static struct entry *
find_place(struct table *t, uint64_t key)
{
	struct entry	*set = t->entries[key / 2 % SETS], *old = set;
	struct entry	*e = find(t, key);

	if (e != NULL)
		return e;
	for (int i = 1; i < WAYS; i++)
		if (set[i].value < old->value)
			old = &set[i];
	old->value = 0;
	old->key = key;
	return old;
}

static void
fail(struct table *t, uint64_t key, int64_t now_s)
{
	struct entry	*e = find_place(t, key);
	unsigned	 n = count_of(e->value, now_s);

	e->value = (uint64_t)now_s << 16 | (n < COUNT_MAX ? n + 1 : n);
}

static int
cost(struct table *t, uint64_t key, int64_t now_s, unsigned free, int first,
    int most)
{
	const struct entry	*e = find(t, key);
	unsigned		 n = e != NULL ? count_of(e->value, now_s) : 0;
	int			 ms = first;

	if (n <= free)
		return 0;
	for (n -= free; n > 1 && ms < most; n--)
		ms *= 2;
	return ms < most ? ms : most;
}

int
logins_delay(struct logins *l, const unsigned char *ip, const char *account,
    int64_t now_s)
{
	struct table	*t = l->table;
	int		 a, b = 0;

	a = cost(t, key_of_account(t, account), now_s, FREE_ACCOUNT,
	    ACCOUNT_MS, ACCOUNT_MAX);
	if (ip != NULL)
		b = cost(t, key_of_ip(t, ip), now_s, FREE_ADDRESS, ADDRESS_MS,
		    SESSION_DELAY_MAX);
	return a > b ? a : b;
}

/*
 * A good one clears its account.  The address keeps its failures: or who has
 * one account could try all others between two logins.
 */
void
logins_result(struct logins *l, const unsigned char *ip, const char *account,
    bool good, int64_t now_s)
{
	struct table	*t = l->table;
	uint64_t	 key = key_of_account(t, account);
	struct entry	*e;

	if (good) {
		if ((e = find(t, key)) != NULL)
			e->value = 0;
		return;
	}
	fail(t, key, now_s);
	if (ip != NULL)
		fail(t, key_of_ip(t, ip), now_s);
}

int
session_login_delay(struct session *s, const char *account)
{
	if (s->engine->logins == NULL)
		return 0;
	return logins_delay(s->engine->logins, s->has_ip ? s->client_ip : NULL,
	    account, (int64_t)time(NULL));
}

void
session_login_result(struct session *s, const char *account, bool good)
{
	if (s->engine->logins == NULL)
		return;
	logins_result(s->engine->logins, s->has_ip ? s->client_ip : NULL,
	    account, good, (int64_t)time(NULL));
}
