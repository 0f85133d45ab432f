#include "cluster/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"

#define CHUNK	65536

void
intake_init(struct intake *i, const struct log *log, const char *dir,
    uint64_t max)
{
	memset(i, 0, sizeof(*i));
	i->log = log;
	i->dir = dir;
	i->max = max;
	i->fd = -1;
	buf_init(&i->mem, INTAKE_MEMORY + 2 * CHUNK);
}

void
intake_reset(struct intake *i)
{
	if (i->map != NULL)
		munmap(i->map, i->size);
	if (i->fd != -1)
		close(i->fd);
	i->map = NULL;
	i->fd = -1;
	i->size = 0;
	i->cr = false;
	buf_reset(&i->mem);
}

void
intake_free(struct intake *i)
{
	intake_reset(i);
	buf_free(&i->mem);
}

static int
spill(struct intake *i)
{
	int	 rc;

	if (i->fd == -1) {
		if ((rc = file_mkdirs(i->log, i->dir, 0700)) != 0)
			return rc;
		i->fd = open(i->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (i->fd == -1)
			return log_errno(i->log, "%s: temporary file", i->dir);
	}
	if ((rc = file_write(i->fd, i->mem.p, i->mem.len)) != 0)
		return log_fail(i->log, rc, "%s: temporary file", i->dir);
	buf_reset(&i->mem);
	return 0;
}

/* At most CHUNK bytes. */
static int
add_chunk(struct intake *i, const char *p, size_t n)
{
	const char	*end = p + n, *lf;
	size_t		 before = i->mem.len, run;

	while (p < end) {
		lf = memchr(p, '\n', (size_t)(end - p));
		run = (size_t)((lf != NULL ? lf : end) - p);
		if (run > 0) {
			buf_add(&i->mem, p, run);
			i->cr = p[run - 1] == '\r';
		}
		p += run;
		if (lf == NULL)
			break;
		if (!i->cr)
			buf_addc(&i->mem, '\r');
		buf_addc(&i->mem, '\n');
		i->cr = false;
		p++;
	}
	if (i->mem.err)
		return log_fail(i->log, i->mem.err, "message");
	i->size += i->mem.len - before;
	if (i->size > i->max)
		return log_fail(i->log, CM_ETOOBIG, "a message of over %llu "
		    "bytes", (unsigned long long)i->max);
	return i->mem.len > INTAKE_MEMORY ? spill(i) : 0;
}

int
intake_add(struct intake *i, const char *p, size_t n)
{
	size_t	 part;
	int	 rc = 0;

	for (; n > 0 && rc == 0; p += part, n -= part) {
		part = n < CHUNK ? n : CHUNK;
		rc = add_chunk(i, p, part);
	}
	return rc;
}

int
intake_fd(struct intake *i, int fd)
{
	char	 chunk[CHUNK];
	ssize_t	 n;
	int	 rc;

	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return log_errno(i->log, "message");
		if (n == 0)
			return 0;
		if ((rc = intake_add(i, chunk, (size_t)n)) != 0)
			return rc;
	}
}

int
intake_get(struct intake *i, const char **p, size_t *n)
{
	int	 rc;

	*n = (size_t)i->size;
	if (i->fd == -1) {
		*p = i->mem.p != NULL ? i->mem.p : "";
		return 0;
	}
	if (i->mem.len > 0 && (rc = spill(i)) != 0)
		return rc;
	i->map = mmap(NULL, i->size, PROT_READ, MAP_SHARED, i->fd, 0);
	if (i->map == MAP_FAILED) {
		i->map = NULL;
		return log_errno(i->log, "message: mmap");
	}
	*p = i->map;
	return 0;
}
