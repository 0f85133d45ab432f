#include "cluster/handler.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

#define FD_LEAST	10	/* out of the way of 0 to 2 */

static int
open_log(const struct log *log, const struct conf *conf, const char *name,
    int *out)
{
	char	 path[FILE_PATH_MAX];
	int	 rc;

	if (str_fmt(path, sizeof(path), "%s/run", conf->node->state) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", conf->node->state);
	if ((rc = file_mkdirs(log, path, 0700)) != 0)
		return rc;
	if (str_fmt(path, sizeof(path), "%s/run/%s.log", conf->node->state,
	    name) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", conf->node->state);
	*out = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	return *out == -1 ? log_errno(log, "%s", path) : 0;
}

/* Standard input, and output where that is another one, out of the way. */
static int
move(const struct log *log, bool is_socket, int *in, int *out)
{
	*in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FD_LEAST);
	*out = is_socket || *in == -1 ? *in :
	    fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, FD_LEAST);
	return *out == -1 ? log_errno(log, "standard input and output") : 0;
}

static int
to_null(const struct log *log)
{
	int	 null, rc = 0;

	if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1)
		return log_errno(log, "/dev/null");
	if (dup2(null, 0) == -1 || dup2(null, 1) == -1 || dup2(null, 2) == -1)
		rc = log_errno(log, "/dev/null");
	if (null > 2)
		close(null);
	return rc;
}

int
handler_streams(const struct log *log, const char *file, const char *node,
    const char *name, int *in, int *out, struct conf **conf)
{
	struct stat	 st;
	int		 lg = -1, rc;

	*in = *out = -1;
	*conf = NULL;
	if (fstat(STDIN_FILENO, &st) == -1)
		return log_errno(log, "standard input");
	/* what is wrong with cluster.xml must not go to the client either */
	if ((rc = move(log, S_ISSOCK(st.st_mode), in, out)) == 0 &&
	    (rc = to_null(log)) == 0 &&
	    (rc = conf_load(log, file, node, conf)) == 0 &&
	    (rc = open_log(log, *conf, name, &lg)) == 0 &&
	    (dup2(lg, 1) == -1 || dup2(lg, 2) == -1))
		rc = log_errno(log, "log");
	if (lg != -1)
		close(lg);
	if (rc == 0)
		return 0;
	if (*in != -1)
		close(*in);
	if (*out != *in && *out != -1)
		close(*out);
	*in = *out = -1;
	conf_free(*conf);
	*conf = NULL;
	return rc;
}

int
handler_begin(const struct log *log, const char *file, const char *node,
    const char *name, int *fd)
{
	struct conf	*conf;
	struct stat	 st;
	int		 out, rc;

	*fd = -1;
	if (fstat(STDIN_FILENO, &st) == -1 || !S_ISSOCK(st.st_mode))
		return log_fail(log, CM_EUSAGE, "standard input is no socket: "
		    "to be started by inetd");
	if ((rc = handler_streams(log, file, node, name, fd, &out,
	    &conf)) == 0)
		conf_free(conf);
	return rc;
}
