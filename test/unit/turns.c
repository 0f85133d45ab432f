#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "cluster/turns.h"
#include "tap.h"

#define PROCESSES 4
#define EACH	20000
#define SIZE	(65536 * 16)

static char	 dir[] = "/tmp/cm-unit-turns.XXXXXX";
static char	 path[64];
static struct conf_node node = { .state = dir };
static struct conf conf = { .node = &node };
static int	 said;

static void
remember(void *arg, enum log_level level, const char *line)
{
	(void)arg, (void)level, (void)line;
	said++;
}

static const struct log lg = { CM_LOG_DEBUG, remember, NULL };

static struct turns *
open_turns(void)
{
	struct turns	*t = NULL;

	said = 0;
	ok(turns_open(&lg, &conf, &t) == 0 && t != NULL, "opened");
	if (t == NULL)
		exit(1);
	return t;
}

static uint64_t
take(struct turns *t, const char *name)
{
	return atomic_fetch_add(turns_counter(t, name, strlen(name)), 1);
}

/* A process that counts; its turns add up to what it exits with being 0. */
static void
count(bool reopen, struct turns *t)
{
	static unsigned char seen[PROCESSES * EACH];
	uint64_t	 last = 0, v;

	if (reopen && turns_open(&lg, &conf, &t) != 0)
		_exit(1);
	for (int i = 0; i < EACH; i++) {
		v = take(t, "mx example.org");
		if (v >= PROCESSES * EACH || seen[v]++ || (i > 0 && v <= last))
			_exit(2);
		last = v;
	}
	_exit(0);
}

static void
test_processes(bool reopen)
{
	struct turns	*t = open_turns();
	_Atomic uint64_t *c = turns_counter(t, "mx example.org", 14);
	int		 st, bad = 0;

	atomic_store(c, 0);
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0)
			count(reopen, t);
	for (int i = 0; i < PROCESSES; i++)
		bad += wait(&st) == -1 || st != 0;
	is_int(bad, 0, "each turn goes to one of them");
	is_int(atomic_load(c), PROCESSES * EACH, "none is lost");
	turns_close(t);
}

static void
test_names(void)
{
	struct turns	*t = open_turns();
	_Atomic uint64_t *a = turns_counter(t, "a", 1);
	char		 name[32];
	int		 n, shared = 0;

	ok(a == turns_counter(t, "a", 1), "a name keeps its counter");
	ok(a != turns_counter(t, "b", 1), "another has another");
	ok(turns_counter(t, "", 0) != NULL, "no name is one, too");
	(void)take(t, "kept");
	(void)take(t, "kept");
	turns_close(t);
	t = open_turns();
	is_int(take(t, "kept"), 2, "later it goes on");
	/* more names than there is room for */
	for (int i = 0; i < 80000; i++) {
		n = snprintf(name, sizeof(name), "many %d", i);
		if (atomic_fetch_add(turns_counter(t, name, (size_t)n), 1) > 0)
			shared++;
	}
	ok(shared > 0, "names that share: %d", shared);
	is_int(take(t, "kept"), 3, "who was there keeps his own");
	turns_close(t);
	unlink(path);
}

static bool
has_size(off_t size)
{
	struct stat	 st;

	return stat(path, &st) == 0 && st.st_size == size;
}

static void
test_wrong(void)
{
	static const off_t	 sizes[] = { 0, 1, SIZE - 1, SIZE + 1 };
	struct turns		*t;

	unlink(path);
	turns_close(open_turns());
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		is_int(truncate(path, sizes[i]), 0, "%ld bytes",
		    (long)sizes[i]);
		t = open_turns();
		ok(has_size(SIZE), "made anew");
		is_int(take(t, "x"), 0, "from 0");
		is_int(said, 0, "nothing to say");
		turns_close(t);
	}
	/* garbage of the right size is as good as any start */
	{
		char	*b = malloc(SIZE);
		int	 fd = open(path, O_WRONLY);

		if (b == NULL || fd == -1)
			exit(1);
		memset(b, 0xa5, SIZE);
		ok(file_pwrite(fd, b, SIZE, 0) == 0, "garbage");
		close(fd);
		free(b);
	}
	t = open_turns();
	(void)take(t, "x");
	ok(take(t, "x") > 0, "goes on");
	turns_close(t);
	unlink(path);
}

/* Something else is where the file would be: counters of this process serve. */
static void
test_none(void)
{
	struct turns	*t;
	char		 run[64], missing[] = "/proc/none";
	int		 st;

	is_int(mkdir(path, 0700), 0, "a folder of that name");
	t = open_turns();
	is_int(said, 1, "a line");
	is_int(take(t, "x"), 0, "counts");
	if (fork() == 0) {
		(void)take(t, "x");
		_exit(0);
	}
	ok(wait(&st) != -1 && take(t, "x") == 2, "with those it forks");
	turns_close(t);
	rmdir(path);

	node.state = missing;
	t = open_turns();
	is_int(said, 1, "no folder can be made: a line");
	is_int(take(t, "x"), 0, "counts");
	turns_close(t);
	node.state = dir;

	if (geteuid() == 0) {
		ok(1, "a folder that is closed # SKIP root may");
		return;
	}
	snprintf(run, sizeof(run), "%s/run", dir);
	is_int(chmod(run, 0500), 0, "a folder that is closed");
	t = open_turns();
	is_int(said, 1, "a line");
	is_int(take(t, "x"), 0, "counts");
	turns_close(t);
	chmod(run, 0700);
}

/* A device that is always full stands in for the disk. */
static void
test_full(void)
{
	struct turns	*t;
	char		 tmp[100];

	snprintf(tmp, sizeof(tmp), "%s.tmp.%ld", path, (long)getpid());
	if (symlink("/dev/full", tmp) == -1) {
		ok(0, "%s", tmp);
		return;
	}
	t = open_turns();
	is_int(said, 1, "no room: a line");
	is_int(take(t, "x"), 0, "counts");
	ok(!file_exists(path) && !file_exists(tmp), "and leaves nothing");
	turns_close(t);
	unlink(tmp);
}

int
main(void)
{
	char	 run[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(run, sizeof(run), "%s/run", dir);
	snprintf(path, sizeof(path), "%s/run/turns.1", dir);
	test_processes(false);
	test_processes(true);
	test_names();
	test_wrong();
	test_none();
	test_full();
	unlink(path);
	rmdir(run);
	is_int(rmdir(dir), 0, "nothing is left");
	return tap_done();
}
