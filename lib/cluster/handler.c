#include "cluster/handler.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cluster/conf.h"

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

int
handler_begin(const struct log *log, const char *file, const char *node,
    const char *name, int *fd)
{
	struct conf	*conf = NULL;
	struct stat	 st;
	int		 null = -1, out = -1, rc;

	*fd = -1;
	if (fstat(STDIN_FILENO, &st) == -1 || !S_ISSOCK(st.st_mode))
		return log_fail(log, CM_EUSAGE, "standard input is no socket: "
		    "to be started by inetd");
	if ((*fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FD_LEAST)) == -1 ||
	    (null = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1) {
		rc = log_errno(log, "standard input");
		goto out;
	}
	/* what is wrong with cluster.xml must not go to the client either */
	if (dup2(null, 0) == -1 || dup2(null, 1) == -1 || dup2(null, 2) == -1) {
		rc = log_errno(log, "standard input");
		goto out;
	}
	if ((rc = conf_load(log, file, node, &conf)) != 0 ||
	    (rc = open_log(log, conf, name, &out)) != 0)
		goto out;
	if (dup2(out, 1) == -1 || dup2(out, 2) == -1)
		rc = log_errno(log, "log");
out:
	if (null != -1)
		close(null);
	if (out != -1)
		close(out);
	if (rc != 0 && *fd != -1) {
		close(*fd);
		*fd = -1;
	}
	conf_free(conf);
	return rc;
}
