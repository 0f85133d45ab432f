#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

int
spawn_tool(const char *name, char *out, size_t n)
{
	char		 self[FILE_PATH_MAX], *slash;
	const char	*bin = getenv("CM_BIN");
	ssize_t		 len;

	if (bin != NULL && bin[0] != '\0')
		return str_fmt(out, n, "%s/%s", bin, name);
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len <= 0)
		return CM_EIO;
	self[len] = '\0';
	if ((slash = strrchr(self, '/')) == NULL)
		return CM_EIO;
	*slash = '\0';
	return str_fmt(out, n, "%s/%s", self, name);
}

/* In the grandchild; comes back only when it failed. */
static void
become(const char *path, char *const argv[], int in, int out)
{
	sigset_t	 none;

	setsid();
	/* who started it may hold some back */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in, 0) == -1 || dup2(out, 1) == -1 || dup2(out, 2) == -1)
		return;
	close_range(3, ~0U, 0);
	if (chdir("/") == -1)
		return;
	execv(path, argv);
}

int
spawn_detached(const struct log *log, const char *path, char *const argv[],
    const char *log_path)
{
	int	 in, out, status;
	pid_t	 pid;

	in = open("/dev/null", O_RDWR | O_CLOEXEC);
	out = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (out == -1)
		out = dup(in);
	if (in == -1 || out == -1 || (pid = fork()) == -1) {
		status = log_errno(log, "%s: start", path);
		if (in != -1)
			close(in);
		if (out != -1)
			close(out);
		return status;
	}
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			become(path, argv, in, out);
		_exit(pid == -1 || pid == 0);
	}
	close(in);
	close(out);
	while (waitpid(pid, &status, 0) == -1)
		if (errno == ECHILD)
			return 0;	/* SIGCHLD is ignored: not known */
		else if (errno != EINTR)
			return log_errno(log, "%s: wait", path);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return log_fail(log, CM_EAGAIN, "%s: start", path);
	return 0;
}

int
spawn_call(const struct log *log, int (*fn)(void *), void *arg)
{
	pid_t	 pid;
	int	 status;

	if ((pid = fork()) == -1)
		return log_errno(log, "fork");
	if (pid == 0)
		_exit(-fn(arg));
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return log_errno(log, "waitpid");
	if (WIFEXITED(status))
		return -WEXITSTATUS(status);
	/* killed for want of memory, for instance, says nothing of the input */
	return WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS ||
	    WTERMSIG(status) == SIGABRT ? CM_ECORRUPT : CM_EAGAIN;
}
