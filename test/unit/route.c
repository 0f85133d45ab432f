#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/route.h"
#include "tap.h"

static char	 dir[] = "/tmp/cm-unit-route.XXXXXX";
static char	 n1[] = "n1", n2[] = "n2", missing[] = "/proc/none";

static struct conf_node	 node = { .name = n1, .state = dir };
static char	 names[5][3] = { "v1", "v2", "v3", "v4", "v5" };
static char	*ruled[] = { names[1], names[2], names[4] };
static char	*away[] = { names[3], names[4] };

/* v1, v2, v3 are open here, v4 is closed, v5 is at home on n2. */
static struct conf_volume volumes[] = {
	{ .name = names[0], .home = n1, .path = dir },
	{ .name = names[1], .home = n1, .path = dir },
	{ .name = names[2], .home = n1, .path = dir },
	{ .name = names[3], .home = n1, .path = dir, .closed = true },
	{ .name = names[4], .home = n2, .path = dir },
};
static struct conf_rule	 rules[] = {
	{ 1000, 2000, 1, away, 2 },
	{ 1000, UINT64_MAX, 1, ruled, 3 },
	{ 0, 10, -1, ruled, 1 },
};
static struct conf	 conf = {
	.self = n1, .node = &node, .nodes = &node, .nnodes = 1,
	.volumes = volumes, .nvolumes = 5, .rules = rules, .nrules = 3,
	.copies = 1,
};

/* The picked names in a row, such as "v2v3v1". */
static const char *
pick(uint64_t size, bool high)
{
	static char	  out[ROUTE_MAX * 2 + 1];
	struct route_pick p;

	out[0] = '\0';
	if (route_select(NULL, &conf, size, high, &p) != 0)
		return "failed";
	for (size_t i = 0; i < p.n; i++)
		snprintf(out + 2 * i, sizeof(out) - 2 * i, "%s",
		    p.volume[i]->name);
	return out;
}

static void
test_round_robin(void)
{
	char	 path[100];

	is_str(pick(500, false), "v1v2v3", "first turn");
	is_str(pick(500, false), "v2v3v1", "second turn");
	is_str(pick(500, true), "v3v1v2", "third turn");
	is_str(pick(500, false), "v1v2v3", "and around");
	is_str(pick(5000, true), "v2v3", "a rule leaves its volumes here");
	is_str(pick(5000, true), "v3v2", "and has turns of its own");
	is_str(pick(500, false), "v2v3v1", "that others do not see");
	is_str(pick(1500, true), "v2v3",
	    "a rule without a volume here is passed over");
	is_str(pick(5000, false), "v3v1v2", "the priority does not fit");
	is_str(pick(10, false), "v2", "a rule for both, at its limit");
	is_str(pick(11, false), "v1v2v3", "over its limit");

	snprintf(path, sizeof(path), "%s/run/select", dir);
	is_int(truncate(path, 3), 0, "a damaged count");
	is_str(pick(500, false), "v1v2v3", "starts again");
}

static void
test_random(void)
{
	int	 first[3] = { 0, 0, 0 };

	conf.select = CONF_RANDOM;
	for (int i = 0; i < 300; i++) {
		const char *s = pick(500, false);

		if (strlen(s) == 6 && s[1] >= '1' && s[1] <= '3')
			first[s[1] - '1']++;
	}
	is_int(first[0] + first[1] + first[2], 300, "all are picked");
	ok(first[0] > 40 && first[1] > 40 && first[2] > 40,
	    "each is first at times: %d %d %d", first[0], first[1],
	    first[2]);
}

static void
test_fallback(void)
{
	char	 path[100];
	int	 fd, turns[2] = { 0, 0 };

	conf.select = CONF_ROUND_ROBIN;
	node.state = missing;
	is_int(strlen(pick(500, false)), 6, "no state folder: still a pick");
	node.state = dir;
	snprintf(path, sizeof(path), "%s/run/select", dir);
	if ((fd = open(path, O_RDWR)) == -1 || flock(fd, LOCK_EX) == -1) {
		ok(0, "%s", path);
		return;
	}
	for (int i = 0; i < 3; i++)
		turns[strlen(pick(500, false)) == 6]++;
	is_int(turns[1], 3, "somebody keeps the lock: still a pick");
	close(fd);
}

/* A file system with another amount of free space than dir's, or NULL. */
static const char *
other_disk(void)
{
	static const char *const some[] = { "/dev/shm", "/run", "/proc" };

	for (size_t i = 0; i < 3; i++)
		if (file_exists(some[i]) &&
		    file_space(some[i]) != file_space(dir))
			return some[i];
	return NULL;
}

static void
test_load(void)
{
	const char	*disk = other_disk(), *want;
	char		 path[100], later[100];

	conf.select = CONF_LEAST_LOAD;
	is_str(pick(5000, true), "v2v3", "one disk: turns");
	is_str(pick(5000, true), "v3v2", "one disk: next turn");
	if (disk == NULL) {
		ok(1, "two disks # SKIP there is only one");
		return;
	}
	/* Its folder is not there yet. */
	snprintf(path, sizeof(path), "%s/cm-none/v2", disk);
	volumes[1].path = path;
	want = file_space(disk) > file_space(dir) ? "v2v3" : "v3v2";
	is_str(pick(5000, true), want, "most space first");
	snprintf(later, sizeof(later), "%s", pick(5000, true));
	is_str(later, want, "again");
	volumes[1].path = dir;
}

static void
test_none(void)
{
	static struct conf_volume many[ROUTE_MAX + 10];
	struct route_pick	  p;

	conf.self = n2;
	volumes[4].closed = true;
	is_int(route_select(NULL, &conf, 1, false, &p), CM_EAWAY,
	    "no open volume here");
	is_int(p.n, 0, "nothing is picked");
	volumes[4].closed = false;
	is_str(pick(1, false), "v5", "the other node's");

	for (size_t i = 0; i < ROUTE_MAX + 10; i++)
		many[i] = volumes[0];
	conf.self = n1;
	conf.nrules = 0;
	conf.volumes = many;
	conf.nvolumes = ROUTE_MAX + 10;
	is_int(route_select(NULL, &conf, 1, false, &p), 0, "many volumes");
	is_int(p.n, ROUTE_MAX, "are enough");
}

int
main(void)
{
	char	 path[100];

	if (mkdtemp(dir) == NULL)
		return 1;
	test_round_robin();
	test_random();
	test_fallback();
	test_load();
	test_none();
	snprintf(path, sizeof(path), "%s/run/select", dir); unlink(path);
	snprintf(path, sizeof(path), "%s/run", dir); rmdir(path);
	is_int(rmdir(dir), 0, "nothing is left");
	return tap_done();
}
