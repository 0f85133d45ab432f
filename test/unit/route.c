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

static struct conf_node	 node[2] = {
	{ .name = n1, .state = dir }, { .name = n2, .state = dir },
};
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
	{ 1000, 2000, false, PRIORITY_HIGH, away, 2, NULL, 0 },
	{ 1000, UINT64_MAX, false, PRIORITY_HIGH, ruled, 3, NULL, 0 },
	{ 0, 10, true, PRIORITY_NORMAL, ruled, 1, NULL, 0 },
};
static struct conf	 conf = {
	.self = n1, .node = node, .nodes = node, .nnodes = 2,
	.volumes = volumes, .nvolumes = 5, .rules = rules, .nrules = 3,
	.copies = 1,
};

/* The picked names in a row, such as "v2v3v1". */
static const char *
pick(uint64_t size, bool high)
{
	static char	  out[ROUTE_MAX * 4 + 1];
	struct route_pick p;

	out[0] = '\0';
	if (route_select(NULL, &conf, size, high ? PRIORITY_HIGH :
	    PRIORITY_NORMAL, &p) != 0)
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
	is_str(pick(1500, true), "v5v2v3",
	    "a rule whose volumes are away: there first, then here");
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
	node[0].state = missing;
	is_int(strlen(pick(500, false)), 6, "no state folder: still a pick");
	node[0].state = dir;
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

/* v2 on the other disk; v1 and v3 share the one of dir. */
static void
test_weighted(void)
{
	const char	*disk = other_disk();
	char		 path[100];
	double		 here, there, share;
	int		 n[3] = { 0, 0, 0 };

	conf.select = CONF_WEIGHTED;
	if (disk != NULL) {
		snprintf(path, sizeof(path), "%s/cm-none/v2", disk);
		volumes[1].path = path;
	}
	here = (double)file_space(dir);
	there = disk != NULL ? (double)file_space(disk) : here / 3;
	for (int i = 0; i < 2000; i++) {
		const char *s = pick(500, false);

		if (strlen(s) == 6 && s[1] >= '1' && s[1] <= '3')
			n[s[1] - '1']++;
	}
	is_int(n[0] + n[1] + n[2], 2000, "weighted: all are picked");
	share = disk != NULL ? there / (here + there) : 1 / 3.0;
	ok(n[1] > 2000 * share - 200 && n[1] < 2000 * share + 200,
	    "by their space: %d of %.0f", n[1], 2000 * share);
	ok(abs(n[0] - n[2]) < 200, "that of one disk is shared: %d %d", n[0],
	    n[2]);
	volumes[1].path = dir;
}

static void
test_static(void)
{
	conf.select = CONF_STATIC;
	is_str(pick(500, false), "v1v2v3", "static: the file's order");
	is_str(pick(500, false), "v1v2v3", "each time");
	is_str(pick(5000, true), "v2v3", "a rule's order");
	is_str(pick(1500, true), "v5v2v3", "of another node");
}

/* The other node, as the polls have it. */
static void
test_away(void)
{
	static const char *const bad[] = {
		"n2 down 2 0 0.0 0 0 2023-11-14T22:13:20.000Z - -\n",
		"n2 up 0 1 900.0 0 0 2023-11-14T22:13:20.000Z - -\n",
	};
	static const char	 drain[] = "n2 drain 2023-11-14T22:13:20.000Z"
				    " 10 -\n";
	char			 polls[100], sets[100];

	conf.select = CONF_STATIC;
	snprintf(polls, sizeof(polls), "%s/run/nodes", dir);
	snprintf(sets, sizeof(sets), "%s/nodes", dir);
	is_int(file_commit(NULL, polls, bad[0], strlen(bad[0]), 0600), 0,
	    "down");
	is_str(pick(1500, true), "v2v3", "its volumes are not waited for");
	is_int(file_commit(NULL, polls, bad[1], strlen(bad[1]), 0600), 0,
	    "overloaded");
	is_str(pick(1500, true), "v5v2v3", "but the rule's all the same");
	is_int(file_commit(NULL, sets, drain, strlen(drain), 0600), 0,
	    "drained");
	is_str(pick(1500, true), "v2v3", "gets nothing new");
	unlink(polls);
	unlink(sets);
	node[0].drain = true;
	is_str(pick(1500, true), "v5", "a drained node has the others'");
	is_str(pick(500, true), "", "or none, and that is no failure");
	node[0].drain = false;
}

static void
test_none(void)
{
	static struct conf_volume many[ROUTE_MAX + 10];
	struct route_pick	  p;

	conf.self = n2;
	volumes[4].closed = true;
	is_int(route_select(NULL, &conf, 500, PRIORITY_LOW, &p), CM_EAWAY,
	    "no open volume here");
	is_int(p.n, 0, "nothing is picked");
	volumes[4].closed = false;
	is_str(pick(500, false), "v5", "the other node's");
	is_str(pick(1, false), "v2v5", "or first there, by a rule");

	for (size_t i = 0; i < ROUTE_MAX + 10; i++)
		many[i] = volumes[0];
	conf.self = n1;
	conf.nrules = 0;
	conf.volumes = many;
	conf.nvolumes = ROUTE_MAX + 10;
	is_int(route_select(NULL, &conf, 1, PRIORITY_LOW, &p), 0,
	    "many volumes");
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
	test_weighted();
	test_static();
	test_away();
	test_none();
	snprintf(path, sizeof(path), "%s/run/select", dir); unlink(path);
	snprintf(path, sizeof(path), "%s/run", dir); rmdir(path);
	is_int(rmdir(dir), 0, "nothing is left");
	return tap_done();
}
