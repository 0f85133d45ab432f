#include "cluster/control.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

#define MAGIC	"cmctl1\n"
#define VERSION	3

static pthread_mutex_t boot_mu = PTHREAD_MUTEX_INITIALIZER;
static char	 boot[CONTROL_BOOT];	/* read once; guarded by boot_mu */

static int
boot_id(const struct log *log, char out[CONTROL_BOOT])
{
	struct buf	 b;
	int		 rc = 0;

	pthread_mutex_lock(&boot_mu);
	if (boot[0] == '\0') {
		buf_init(&b, CONTROL_BOOT - 1);
		rc = file_read(log, "/proc/sys/kernel/random/boot_id", &b);
		if (rc == 0 && b.len > 0)
			memcpy(boot, b.p, b.len);
		buf_free(&b);
	}
	memcpy(out, boot, CONTROL_BOOT);
	pthread_mutex_unlock(&boot_mu);
	return rc;
}

bool
control_is_current(const struct control *c, int fd, const char *dir)
{
	char		 path[FILE_PATH_MAX];
	struct stat	 st, there;

	/* the whole folder may have been moved away */
	return fstat(fd, &st) == 0 &&
	    str_fmt(path, sizeof(path), "%s/control", dir) == 0 &&
	    stat(path, &there) == 0 && st.st_dev == there.st_dev &&
	    st.st_ino == there.st_ino &&
	    st.st_size >= (off_t)sizeof(*c) &&
	    memcmp(c->magic, MAGIC, sizeof(c->magic)) == 0 &&
	    atomic_load(&c->state) == CONTROL_READY;
}

int
control_map(const struct log *log, const char *dir, struct control **out,
    int *fdp)
{
	char		 path[FILE_PATH_MAX], now[CONTROL_BOOT];
	struct control	*c = MAP_FAILED;
	struct stat	 st;
	int		 fd, rc;

	*out = NULL;
	*fdp = -1;
	if (str_fmt(path, sizeof(path), "%s/control", dir) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", dir);
	if ((rc = boot_id(log, now)) != 0)
		return rc;
	if ((fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return errno == ENOENT ? CM_ESTALE :
		    log_errno(log, "%s", path);
	rc = CM_ESTALE;
	if (fstat(fd, &st) == -1 || st.st_size != (off_t)sizeof(*c))
		goto out;
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c == MAP_FAILED) {
		rc = log_errno(log, "%s: mmap", path);
		goto out;
	}
	if (control_is_current(c, fd, dir) && c->version == VERSION &&
	    c->size == sizeof(*c) && memcmp(c->boot, now, sizeof(now)) == 0)
		rc = 0;
out:
	if (rc != 0) {
		if (c != MAP_FAILED)
			munmap(c, sizeof(*c));
		close(fd);
		return rc;
	}
	*out = c;
	*fdp = fd;
	return 0;
}

void
control_unmap(struct control *c, int fd)
{
	if (c != NULL)
		munmap(c, sizeof(*c));
	if (fd != -1)
		close(fd);
}

int
control_make(const struct log *log, const char *dir, uint64_t end)
{
	char		 path[FILE_PATH_MAX], tmp[FILE_PATH_MAX];
	struct control	*c;
	int		 fd, rc = 0;

	if (str_fmt(path, sizeof(path), "%s/control", dir) != 0 ||
	    str_fmt(tmp, sizeof(tmp), "%s/control.tmp", dir) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", dir);
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1)
		return log_errno(log, "%s", tmp);
	/* allocated, so that a full disk is an error here and no SIGBUS */
	if ((errno = posix_fallocate(fd, 0, sizeof(*c))) != 0) {
		rc = log_errno(log, "%s", tmp);
		goto out;
	}
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c == MAP_FAILED) {
		rc = log_errno(log, "%s: mmap", tmp);
		goto out;
	}
	memcpy(c->magic, MAGIC, sizeof(c->magic));
	c->version = VERSION;
	c->size = sizeof(*c);
	rc = boot_id(log, c->boot);
	atomic_store(&c->committed, end);
	atomic_store(&c->synced, end);
	/*
	 * Who waited for copies of what is here is gone: it counts, but for
	 * what the log itself cancels.
	 */
	atomic_store(&c->acked, end);
	atomic_store(&c->hold_from, UINT64_MAX);
	atomic_store(&c->cancelled, end);
	c->made = end;
	if (rc == 0)
		rc = shlock_init(&c->append);
	if (rc == 0)
		rc = shlock_init(&c->sync);
	if (rc == 0)
		rc = shlock_init(&c->ack);
	atomic_store(&c->state, CONTROL_READY);
	munmap(c, sizeof(*c));
	if (rc == 0 && rename(tmp, path) == -1)
		rc = log_errno(log, "%s: rename", path);
out:
	close(fd);
	if (rc != 0)
		unlink(tmp);
	return rc;
}
