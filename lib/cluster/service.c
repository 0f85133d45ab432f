#include "cluster/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/spawn.h"
#include "base/time.h"

#define ARGS_MAX	16

int
service_init(struct service *s, const struct log *log,
    const struct conf *conf, const char *file, const char *node,
    const char *name, const char *tool)
{
	memset(s, 0, sizeof(*s));
	s->log = log;
	s->state = conf->node->state;
	s->tool = tool;
	s->node = node;
	if (str_copy(s->name, sizeof(s->name), name) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", name);
	/* it will run in another folder */
	if (file != NULL && (s->file = realpath(file, NULL)) == NULL)
		return log_errno(log, "%s", file);
	return 0;
}

void
service_free(struct service *s)
{
	free(s->file);
	s->file = NULL;
}

int
service_path(const struct service *s, const char *suffix,
    char out[FILE_PATH_MAX])
{
	if (str_fmt(out, FILE_PATH_MAX, "%s/run/%s.%s", s->state, s->name,
	    suffix) != 0)
		return log_fail(s->log, CM_ETOOBIG, "%s/run", s->state);
	return 0;
}

static int
make_run(const struct service *s)
{
	char	 dir[FILE_PATH_MAX];

	if (str_fmt(dir, sizeof(dir), "%s/run", s->state) != 0)
		return log_fail(s->log, CM_ETOOBIG, "%s/run", s->state);
	return file_mkdirs(s->log, dir, 0700);
}

/* execv takes no const, and changes nothing. */
static char *
word(const char *s)
{
	return (char *)(uintptr_t)s;
}

int
service_start(const struct service *s)
{
	char	 tool[FILE_PATH_MAX], out[FILE_PATH_MAX];
	char	*argv[ARGS_MAX];
	int	 n = 0, rc;

	if ((rc = spawn_tool(s->tool, tool, sizeof(tool))) != 0)
		return log_fail(s->log, rc, "%s", s->tool);
	if ((rc = make_run(s)) != 0 ||
	    (rc = service_path(s, "log", out)) != 0)
		return rc;
	argv[n++] = tool;
	if (s->file != NULL) {
		argv[n++] = word("-C");
		argv[n++] = s->file;
	}
	if (s->node != NULL) {
		argv[n++] = word("-n");
		argv[n++] = word(s->node);
	}
	for (int i = 0; s->argv[i] != NULL; i++)
		argv[n++] = word(s->argv[i]);
	argv[n] = NULL;
	/* without a cluster.xml the other one finds the folder by this */
	if (s->file == NULL && setenv("CM_HOME", s->state, 1) == -1)
		return log_errno(s->log, "CM_HOME");
	return spawn_detached(s->log, tool, argv, out);
}

int
service_find(const struct service *s, int *fd)
{
	char	 path[FILE_PATH_MAX];
	int	 rc;

	if ((rc = service_path(s, "sock", path)) != 0)
		return rc;
	return stream_connect(s->log, path, fd);
}

int
service_dial(const struct service *s, int *fd)
{
	int64_t	 end = time_mono_ms() + SERVICE_START_MS, again = 0;
	int	 rc, nap = 2;

	for (;;) {
		if ((rc = service_find(s, fd)) != CM_EAWAY)
			return rc;
		if (time_mono_ms() > end)
			return log_fail(s->log, rc, "%s (see %s/run/%s.log)",
			    s->name, s->state, s->name);
		/* one that was started may have met another one leaving */
		if (time_mono_ms() >= again) {
			if ((rc = service_start(s)) != 0)
				return rc;
			again = time_mono_ms() + 500;
		}
		time_sleep_ms(nap);
		if (nap < 50)
			nap *= 2;
	}
}

bool
service_is_current(const struct service *s, int lock)
{
	char		 path[FILE_PATH_MAX];
	struct stat	 st;

	return fstat(lock, &st) == 0 && st.st_nlink > 0 &&
	    service_path(s, "sock", path) == 0 && file_exists(path);
}

void
service_unlisten(const struct service *s, int lock)
{
	char		 path[FILE_PATH_MAX];
	struct stat	 st;

	/* another folder of the same name has another helper */
	if (fstat(lock, &st) == 0 && st.st_nlink > 0 &&
	    service_path(s, "sock", path) == 0)
		unlink(path);
}

/* What the lock file says; *fd stays open for its lock. */
static long
lock_pid(const struct service *s, int *fd)
{
	char		 path[FILE_PATH_MAX], text[32];
	uint64_t	 pid = 0;
	ssize_t		 n;

	*fd = -1;
	if (service_path(s, "lock", path) != 0 ||
	    (*fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return 0;
	n = pread(*fd, text, sizeof(text), 0);
	if (n < 2 || text[n - 1] != '\n' ||
	    str_u64(text, (size_t)n - 1, INT32_MAX, &pid) != 0)
		return 0;
	return (long)pid;
}

long
service_pid(const struct service *s)
{
	int	 fd;
	long	 pid = lock_pid(s, &fd);

	if (fd != -1 && lock_file(fd, LOCK_SH, 0) == 0)
		pid = 0;
	if (fd != -1)
		close(fd);
	return pid;
}

void
service_wait_end(const struct service *s, long pid, int ms)
{
	int64_t	 end = time_mono_ms() + ms;

	/* another one may take its place meanwhile */
	while (pid != 0 && service_pid(s) == pid && time_mono_ms() < end)
		time_sleep_ms(10);
}

int
service_listen(const struct service *s, int *lock, int *fd)
{
	char	 path[FILE_PATH_MAX], pid[32];
	int	 n, rc;

	*lock = *fd = -1;
	if ((rc = make_run(s)) != 0 ||
	    (rc = service_path(s, "lock", path)) != 0)
		return rc;
	*lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*lock == -1)
		return log_errno(s->log, "%s", path);
	if ((rc = lock_file(*lock, LOCK_EX, 0)) != 0) {
		close(*lock);
		*lock = -1;
		return rc == CM_ELOCK ? CM_EEXIST : rc;
	}
	n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(*lock, 0) == -1 ||
	    file_pwrite(*lock, pid, (size_t)n, 0) != 0)
		rc = log_errno(s->log, "%s", path);
	else if ((rc = service_path(s, "sock", path)) == 0)
		rc = stream_listen(s->log, path, fd);
	if (rc != 0) {
		close(*lock);
		*lock = -1;
	}
	return rc;
}
