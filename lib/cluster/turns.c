#include "cluster/turns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

/* The name has the form's number: a new form gets a new file. */
#define NAME		TURNS_FILE
#define SLOTS		65536u		/* 1 MiB */
#define TRIES		64		/* slots looked at for a name */

struct slot {
	_Atomic uint64_t name;		/* a hash; 0: free */
	_Atomic uint64_t count;
};

struct turns {
	struct slot	*slot;
};

/*
 * Space is taken ahead: a page that the disk has no room for would be a
 * SIGBUS later.  Whoever comes at the same time gets one file or the other,
 * and then counts by himself until he ends.
 */
static int
make(const char *path, int *fd)
{
	char	 tmp[FILE_PATH_MAX];
	int	 rc;

	if ((rc = str_fmt(tmp, sizeof(tmp), "%s.tmp.%ld", path,
	    (long)getpid())) != 0)
		return rc;
	*fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (*fd == -1)
		return cm_errno(errno);
	if ((errno = posix_fallocate(*fd, 0,
	    SLOTS * sizeof(struct slot))) == 0 && rename(tmp, path) == 0)
		return 0;
	rc = cm_errno(errno);
	unlink(tmp);
	close(*fd);
	return rc;
}

static int
open_file(const struct conf *c, int *fd)
{
	char		 dir[FILE_PATH_MAX], path[FILE_PATH_MAX];
	struct stat	 st;
	int		 rc;

	if ((rc = str_fmt(dir, sizeof(dir), "%s/run", c->node->state)) != 0 ||
	    (rc = str_fmt(path, sizeof(path), "%s/" NAME, dir)) != 0)
		return rc;
	*fd = open(path, O_RDWR | O_CLOEXEC);
	if (*fd != -1 && fstat(*fd, &st) == 0 &&
	    st.st_size == SLOTS * (off_t)sizeof(struct slot))
		return 0;
	if (*fd != -1)
		close(*fd);
	if ((rc = file_mkdirs(NULL, dir, 0700)) != 0)
		return rc;
	return make(path, fd);
}

int
turns_open(const struct log *log, const struct conf *c, struct turns **out)
{
	struct turns	*t;
	void		*p = MAP_FAILED;
	size_t		 size = SLOTS * sizeof(struct slot);
	int		 fd, rc;

	*out = NULL;
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return log_fail(log, CM_ENOMEM, "turns");
	if ((rc = open_file(c, &fd)) == 0) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
		if (p == MAP_FAILED)
			rc = cm_errno(errno);
		close(fd);
	}
	if (p == MAP_FAILED) {
		log_info(log, "%s/run/" NAME ": %s; turns are taken without it",
		    c->node->state, cm_strerror(rc));
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	}
	if (p == MAP_FAILED) {
		free(t);
		return log_fail(log, CM_ENOMEM, "turns");
	}
	t->slot = p;
	*out = t;
	return 0;
}

void
turns_close(struct turns *t)
{
	if (t == NULL)
		return;
	munmap(t->slot, SLOTS * sizeof(struct slot));
	free(t);
}

/* FNV-1a, mixed. */
static uint64_t
hash(const char *p, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)p[i]) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	return h != 0 ? h : 1;
}

/* The last slot looked at is for all that find no room. */
_Atomic uint64_t *
turns_counter(struct turns *t, const char *name, size_t len)
{
	uint64_t	 h = hash(name, len), none;
	struct slot	*s = &t->slot[0];

	for (unsigned i = 0; i < TRIES; i++) {
		s = &t->slot[(h + i) % SLOTS];
		none = 0;
		if (atomic_load(&s->name) == h ||
		    atomic_compare_exchange_strong(&s->name, &none, h) ||
		    none == h)
			break;
	}
	return &s->count;
}
