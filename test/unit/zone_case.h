/* A cluster for tests of the DNS, from its cluster.xml. */
#ifndef ZONE_CASE_H
#define ZONE_CASE_H

#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/conf.h"
#include "tap.h"

static char	 dir[] = "/tmp/cm-unit-dns.XXXXXX";
static char	 file[64];
static struct buf said;			/* what was logged, a line each */

static void
remember(void *arg, enum log_level level, const char *line)
{
	(void)level;
	buf_addf(arg, "%s\n", line);
}

static const struct log lg = { CM_LOG_DEBUG, remember, &said };

static inline bool
was_said(const char *text)
{
	return said.len > 0 && strstr(said.p, text) != NULL;
}

/* Removes what servers leave in the folder. */
static void
clean(void)
{
	static const char *const names[] = { "run/turns.1", "run/dns.secret",
	    "run/nodes", "nodes", "run", "cluster.xml" };
	char	 path[100];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)remove(path);
	}
}

/*
 * Two nodes, with the state of the first one in dir, and what is given: before
 * them, and in dns.
 */
#define CLUSTER(more, dns) \
	"<cluster>\n" more \
	"<node name='n1' state='@' public='192.0.2.1 2001:db8::1'/>\n" \
	"<node name='n2' state='/s/2' public='192.0.2.2 192.0.2.22'/>\n" \
	"<volume name='v1' home='n1' path='/v/1'/>\n" \
	dns "</cluster>\n"

/* Reads that text, with dir in the place of each @ in quotes. */
static struct conf *
load(const char *xml)
{
	struct conf	*c = NULL;
	struct buf	 b;
	const char	*at;

	buf_reset(&said);
	buf_init(&b, 64 << 20);
	while ((at = strstr(xml, "'@'")) != NULL) {
		if (strncmp(at - 6, "state=", 6) != 0) {
			buf_add(&b, xml, (size_t)(at - xml) + 3);
			xml = at + 3;
			continue;
		}
		buf_add(&b, xml, (size_t)(at - xml) + 1);
		buf_adds(&b, dir);
		xml = at + 2;
	}
	buf_adds(&b, xml);
	if (b.err != 0 || file_commit(NULL, file, b.p, b.len, 0600) != 0 ||
	    conf_load(&lg, file, "n1", &c) != 0) {
		printf("# %s\n", said.len > 0 ? said.p : "no file");
		exit(1);
	}
	buf_free(&b);
	return c;
}

/* Before all else. */
static void
begin_cases(void)
{
	const char	*root = getenv("ROOT");
	char		 share[4096];

	snprintf(share, sizeof(share), "%s/share", root != NULL ? root : ".");
	setenv("CM_SHARE", share, 1);
	unsetenv("CM_NODE");
	unsetenv("CM_CLUSTER");
	if (mkdtemp(dir) == NULL)
		exit(1);
	snprintf(file, sizeof(file), "%s/cluster.xml", dir);
	buf_init(&said, 1 << 20);
}

static int
end_cases(void)
{
	clean();
	is_int(rmdir(dir), 0, "nothing is left");
	buf_free(&said);
	return tap_done();
}

#endif
