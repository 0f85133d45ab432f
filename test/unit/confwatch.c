#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/confwatch.h"
#include "tap.h"

#define SEEN_MS	20000

static char	 dir[] = "/tmp/cm-unit-confwatch.XXXXXX";
static char	 file[64], next[64];

static void
show(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	printf("# %s\n", line);
}

static const struct log lg = { CM_LOG_DEBUG, show, NULL };

static bool
put(int fd, const char *name)
{
	char	 text[256];

	snprintf(text, sizeof(text), "<cluster name=\"%s\"><node name=\"n1\"/>"
	    "<volume name=\"v1\" home=\"n1\" path=\"/v1\"/></cluster>", name);
	return file_write(fd, text, strlen(text)) == 0;
}

static bool
put_in_place(const char *name)
{
	int	 fd = open(next, O_WRONLY | O_CREAT, 0600);
	bool	 good = fd != -1 && put(fd, name);

	if (fd != -1)
		close(fd);
	return good && rename(next, file) == 0;
}

/* While the file is being read, another one takes its place. */
static void *
replace(void *arg)
{
	bool	*done = arg;
	int	 fd;

	if ((fd = open(file, O_WRONLY)) == -1)
		return NULL;
	*done = put_in_place("new") && put(fd, "old");
	close(fd);
	return NULL;
}

static bool
is_named(struct confwatch *w, const char *name)
{
	const struct conf *c = confwatch_get(w);
	bool	 is = strcmp(c->name, name) == 0;

	confwatch_put(w, c);
	return is;
}

static bool
becomes(struct confwatch *w, const char *name)
{
	int64_t	 until = time_mono_ms() + SEEN_MS;

	while (!is_named(w, name)) {
		if (time_mono_ms() > until)
			return false;
		time_sleep_ms(20);
	}
	return true;
}

static void
changed_while_read(void)
{
	struct confwatch *w = NULL;
	pthread_t	 t;
	bool		 done = false;

	ok(mkfifo(file, 0600) == 0, "a file that takes its time");
	if (pthread_create(&t, NULL, replace, &done) != 0)
		return;
	is_int(confwatch_open(&lg, file, "n1", &w), 0, "is read");
	pthread_join(t, NULL);
	ok(done, "and replaced meanwhile");
	if (w == NULL)
		return;
	ok(is_named(w, "old"), "it is what was there");
	ok(becomes(w, "new"), "and then what is there now");
	confwatch_close(w);
}

static void
found_by_itself(void)
{
	struct confwatch *w = NULL;

	ok(setenv("CM_CLUSTER", file, 1) == 0, "named by the environment");
	is_int(confwatch_open(&lg, NULL, "n1", &w), 0, "it is read");
	if (w == NULL)
		return;
	ok(is_named(w, "new"), "as it is");
	ok(put_in_place("newer"), "it is replaced");
	ok(becomes(w, "newer"), "and read again");
	confwatch_close(w);
}

int
main(void)
{
	const char	*root = getenv("ROOT");
	char		 share[4096];

	snprintf(share, sizeof(share), "%s/share", root ? root : ".");
	if (mkdtemp(dir) == NULL || setenv("CM_SHARE", share, 1) != 0)
		return 1;
	snprintf(file, sizeof(file), "%s/cluster.xml", dir);
	snprintf(next, sizeof(next), "%s/next", dir);
	changed_while_read();
	found_by_itself();
	unlink(file);
	rmdir(dir);
	return tap_done();
}
