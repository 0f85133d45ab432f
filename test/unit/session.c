/* Of the engine, what has no socket: fields of lines, failed logins, limits. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "protocol/session_int.h"
#include "tap.h"

static void
is_field(const char *value, const char *want)
{
	struct buf	 b;

	buf_init(&b, 2000);
	session_log_field(&b, "k", value);
	is_str(b.p, want, "a field: %s", want);
	buf_free(&b);
}

static void
test_fields(void)
{
	char	 longest[SESSION_FIELD_MAX + 2], want[SESSION_FIELD_MAX + 16];

	is_field("a", " k=a");
	is_field("<a@b.c>", " k=<a@b.c>");
	is_field("", " k=\"\"");
	is_field("a b", " k=\"a b\"");
	is_field("a=b", " k=\"a=b\"");
	is_field("a\"b\\c", " k=\"a\\\"b\\\\c\"");
	is_field("a\r\nid=x", " k=\"a\\x0d\\x0aid=x\"");
	is_field("\x1b[0m\x7f\xc3\xa4", " k=\"\\x1b[0m\\x7f\\xc3\\xa4\"");
	memset(longest, 'x', sizeof(longest));
	longest[SESSION_FIELD_MAX] = '\0';
	snprintf(want, sizeof(want), " k=%s", longest);
	is_field(longest, want);
	longest[SESSION_FIELD_MAX] = 'y';
	longest[SESSION_FIELD_MAX + 1] = '\0';
	snprintf(want, sizeof(want), " k=\"%.*s\"...", SESSION_FIELD_MAX,
	    longest);
	is_field(longest, want);
}

static const unsigned char v4[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
static const unsigned char other[16] = { [10] = 0xff, 0xff, 192, 0, 2, 9 };
static const unsigned char six[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
static const unsigned char same64[16] = { 0x20, 1, 0xd, 0xb8, [8] = 7 };
static const unsigned char next64[16] = { 0x20, 1, 0xd, 0xb8, [7] = 7 };

static struct logins *
open_logins(const char *dir)
{
	struct logins	*l;

	if (logins_open(NULL, dir, &l) != 0)
		abort();
	return l;
}

static void
fail(struct logins *l, const unsigned char *ip, const char *account, int n)
{
	while (n-- > 0)
		logins_result(l, ip, account, false, 1000000);
}

static void
test_addresses(struct logins *l)
{
	int	 before = 0, now;

	is_int(logins_delay(l, v4, "ann", 1000000), 0, "nothing was");
	fail(l, v4, "u1", 1);
	is_int(logins_delay(l, v4, "ann", 1000000), 0, "a slip is free");
	for (int i = 2; i < 8; i++) {
		fail(l, v4, "ann", 1);
		now = logins_delay(l, v4, "bob", 1000000);
		ok(now > before || now == SESSION_DELAY_MAX,
		    "failure %d of an address costs %d ms", i, now);
		before = now;
	}
	fail(l, v4, "carl", 100);
	is_int(logins_delay(l, v4, "bob", 1000000), SESSION_DELAY_MAX,
	    "not more than the most");
	is_int(logins_delay(l, other, "bob", 1000000), 0, "another address");
	is_int(logins_delay(l, v4, "bob", 1000000 + 901), 0, "is forgotten");
	is_int(logins_delay(l, v4, "bob", 1000000 - 5), 0,
	    "a clock that was set back");
	logins_result(l, v4, "mine", true, 1000000);
	is_int(logins_delay(l, v4, "bob", 1000000), SESSION_DELAY_MAX,
	    "a good one does not clear its address");
	fail(l, six, "x", 3);
	ok(logins_delay(l, same64, "bob", 1000000) > 0, "the same /64");
	is_int(logins_delay(l, next64, "bob", 1000000), 0, "another /64");
}

static void
test_accounts(struct logins *l)
{
	int	 ms;

	fail(l, NULL, "dora@example.org", 4);
	is_int(logins_delay(l, NULL, "dora@example.org", 1000000), 0,
	    "four slips");
	fail(l, NULL, "Dora@Example.org", 1);
	ms = logins_delay(l, NULL, "dora@example.org", 1000000);
	ok(ms > 0, "the fifth costs, whatever the case: %d ms", ms);
	fail(l, NULL, "dora@example.org", 100);
	ms = logins_delay(l, other, "dora@example.org", 1000000);
	ok(ms > 0 && ms < 5000, "its owner waits %d ms", ms);
	logins_result(l, other, "dora@example.org", true, 1000000);
	is_int(logins_delay(l, other, "dora@example.org", 1000000), 0,
	    "a good one clears it");
}

static void
test_bounds(struct logins *l)
{
	char	 name[32];

	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		fail(l, NULL, name, 1);
	}
	fail(l, NULL, "last", 9);
	ok(logins_delay(l, NULL, "last", 1000000) > 0,
	    "100000 others, and the last one counts");
}

/* Services of a node share it; what lies there is no danger. */
static void
test_file(void)
{
	char		 dir[] = "/tmp/cm-session.XXXXXX", run[64], path[64];
	char		*junk;
	size_t		 size = 1 << 20;
	struct logins	*a, *b;

	if (mkdtemp(dir) == NULL || (junk = malloc(size)) == NULL)
		abort();
	snprintf(run, sizeof(run), "%s/run", dir);
	snprintf(path, sizeof(path), "%s/run/logins", dir);
	if (mkdir(run, 0700) == -1)
		abort();
	a = open_logins(dir);
	b = open_logins(dir);
	fail(a, v4, "ann", 5);
	ok(logins_delay(b, v4, "x", 1000000) > 0, "another process sees it");
	logins_close(a);
	logins_close(b);
	for (size_t i = 0; i < size; i++)
		junk[i] = (char)rand();
	if (file_commit(NULL, path, junk, size, 0600) != 0)
		abort();
	a = open_logins(dir);
	test_addresses(a);
	test_accounts(a);
	test_bounds(a);
	logins_close(a);
	unlink(path);
	rmdir(run);
	rmdir(dir);
	free(junk);
}

static void
test_limit(void)
{
	struct board	*b;
	struct slot	*s[5];

	if (board_open(5, &b) != 0)
		abort();
	for (unsigned i = 0; i < 5; i++) {
		s[i] = board_take(b);
		ok(s[i] == &b->slots[i], "slot %u", i);
		slot_set(s[i], SLOT_BUSY);
		s[i]->pid = 100 + (int)i;
	}
	ok(board_take(b) == NULL, "there are no more");
	ok(board_admit(b, s[0], six, 2), "the first of a /64");
	ok(board_admit(b, s[1], same64, 2), "the second");
	ok(!board_admit(b, s[2], six, 2), "the third is over the limit");
	ok(board_admit(b, s[3], next64, 2), "of another /64");
	ok(board_find(b, 101) == s[1], "found by its pid");
	board_free(b, s[1]);
	board_leave(b, s[2]);
	ok(board_admit(b, s[4], six, 2), "one has gone");
	ok(board_find(b, 101) == NULL, "not found any more");
	s[0]->turn = 1000;
	ok(board_admit(b, s[4], six, 1), "a later turn does not count");
	s[0]->turn = 0;
	ok(!board_admit(b, s[4], six, 1), "one that died before its turn does");
	ok(board_take(b) == s[1], "its slot is used again");
	board_close(b);
}

/* In a process of its own, for locks are a process's: is it let in? */
static bool
enters(int fd, const char *mailbox, unsigned limit)
{
	int64_t	 place;
	int	 status;
	pid_t	 pid;

	if ((pid = fork()) == 0)
		_exit(account_enter(fd, mailbox, limit, &place) == 0 ? 0 : 1);
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		abort();
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A process that is in; stopped only by kill -9. */
static pid_t
holder(int fd, const char *mailbox)
{
	int64_t	 place;
	int	 p[2];
	pid_t	 pid;
	char	 c;

	if (pipe(p) == -1 || (pid = fork()) == -1)
		abort();
	if (pid == 0) {
		if (account_enter(fd, mailbox, 10, &place) != 0 ||
		    write(p[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(p[1]);
	if (read(p[0], &c, 1) != 1)
		abort();
	close(p[0]);
	return pid;
}

static void
test_places(void)
{
	char	 dir[] = "/tmp/cm-session.XXXXXX", run[64], path[64];
	int64_t	 place = 1, again;
	int	 fd;
	pid_t	 pid;

	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(run, sizeof(run), "%s/run", dir);
	snprintf(path, sizeof(path), "%s/run/accounts", dir);
	is_int(accounts_open(NULL, dir), -1, "no folder for it");
	if (mkdir(run, 0700) == -1 || mkdir(path, 0700) == -1)
		abort();
	is_int(accounts_open(NULL, dir), -1, "not a file");
	if (rmdir(path) == -1 || (fd = accounts_open(NULL, dir)) == -1)
		abort();
	is_int(account_enter(fd, "bob", 1, &place), 0, "the first");
	ok(place > 0, "has a place");
	ok(!enters(fd, "bob", 1), "the second is over the limit");
	ok(enters(fd, "bob", 2), "with a higher one it is not");
	ok(enters(fd, "ann", 1), "another account");
	pid = holder(fd, "bob");
	ok(!enters(fd, "bob", 2), "two are in");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(enters(fd, "bob", 2), "one is killed");
	account_leave(fd, 0);
	ok(!enters(fd, "bob", 1), "who is not in leaves nothing");
	account_leave(fd, place);
	ok(enters(fd, "bob", 1), "who is does");
	is_int(account_enter(fd, "", 100000, &again), 0, "any name");
	is_int(account_enter(fd, "x", 0, &again), CM_ETOOBIG, "no place");
	is_int(again, 0, "is none");
	is_int(account_enter(-1, "x", 1, &again), cm_errno(EBADF),
	    "no file is no limit reached");
	close(fd);
	unlink(path);
	rmdir(run);
	rmdir(dir);
}

#define RACERS	2
#define ROUNDS	50000
#define SPINS	2000

struct race {
	struct board	*b;
	_Atomic unsigned arrived;	/* at barriers, in all */
	_Atomic unsigned in;		/* let in, in all */
	unsigned	 before;	/* in, at the last round's end */
	unsigned	 wrong;		/* rounds in which it was not one */
};

struct racer {
	struct race	*race;
	struct slot	*slot;
	unsigned	 barriers;
};

/* Spins, so that all go on in the same moment. */
static void
meet(struct racer *me)
{
	unsigned	 all = ++me->barriers * RACERS;

	me->race->arrived++;
	for (unsigned i = 1; me->race->arrived < all; i++)
		if (i % SPINS == 0)
			sched_yield();
}

static void *
run_race(void *arg)
{
	struct racer	*me = arg;
	struct race	*r = me->race;

	for (int i = 0; i < ROUNDS; i++) {
		meet(me);
		r->in += board_admit(r->b, me->slot, six, 1);
		meet(me);
		board_leave(r->b, me->slot);
		if (me->slot == r->b->slots) {
			r->wrong += r->in - r->before != 1;
			r->before = r->in;
		}
	}
	return NULL;
}

/* Of some that come at once exactly one is let in: not two, and not none. */
static void
test_race(void)
{
	struct race	 r = { .b = NULL };
	struct racer	 racers[RACERS];
	pthread_t	 threads[RACERS];

	if (board_open(RACERS, &r.b) != 0)
		abort();
	for (int i = 0; i < RACERS; i++)
		racers[i] = (struct racer){ &r, board_take(r.b), 0 };
	for (int i = 0; i < RACERS; i++)
		if (pthread_create(&threads[i], NULL, run_race,
		    &racers[i]) != 0)
			abort();
	for (int i = 0; i < RACERS; i++)
		pthread_join(threads[i], NULL);
	is_int(r.wrong, 0, "%d rounds of %d at once: one each", ROUNDS,
	    RACERS);
	board_close(r.b);
}

int
main(void)
{
	struct logins	*l;

	test_fields();
	test_limit();
	test_places();
	test_race();
	/* no such folder: it works, alone */
	l = open_logins("/nonexistent");
	test_addresses(l);
	test_accounts(l);
	test_bounds(l);
	logins_close(l);
	test_file();
	return tap_done();
}
