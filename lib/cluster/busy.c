#include "cluster/busy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

/* Both in one word, so that they fit each other. */
struct places {
	_Atomic uint64_t place[BUSY_MAX];	/* sessions, limit << 32 */
};

struct busy {
	struct places	*map;
	size_t		 place;
	int		 fd;		/* the lock ends with it */
};

static int
open_file(const char *state, const char *name, int flags)
{
	char		 path[FILE_PATH_MAX];
	struct stat	 st;
	int		 fd;

	if (str_fmt(path, sizeof(path), "%s/run/sessions.%s", state,
	    name) != 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    (st.st_size < (off_t)sizeof(struct places) &&
	    ((flags & O_CREAT) == 0 ||
	    ftruncate(fd, sizeof(struct places)) == -1)))) {
		close(fd);
		errno = EINVAL;
		fd = -1;
	}
	return fd;
}

/*
 * Byte number place.  The lock is the process's (not an OFD one): those it has
 * forked do not keep it when it dies.
 */
static bool
take(int fd, size_t place)
{
	struct flock	 l = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
			    .l_start = (off_t)place, .l_len = 1 };

	return fcntl(fd, F_SETLK, &l) == 0;
}

static bool
is_taken(int fd, size_t place)
{
	struct flock	 l = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
			    .l_start = (off_t)place, .l_len = 1 };

	return fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

static struct places *
map(int fd, int prot)
{
	void	*p = mmap(NULL, sizeof(struct places), prot, MAP_SHARED, fd,
		    0);

	return p == MAP_FAILED ? NULL : p;
}

struct busy *
busy_open(const struct log *log, const char *state, const char *name)
{
	struct busy	*b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return NULL;
	if ((b->fd = open_file(state, name, O_RDWR | O_CREAT)) == -1 ||
	    (b->map = map(b->fd, PROT_READ | PROT_WRITE)) == NULL)
		goto fail;
	while (b->place < BUSY_MAX && !take(b->fd, b->place))
		b->place++;
	if (b->place == BUSY_MAX)
		goto fail;
	busy_set(b, 0, 0);
	return b;
fail:
	log_debug(log, "%s/run/sessions.%s: %s: not counted", state, name,
	    b->fd != -1 && b->map != NULL ? "no place" : strerror(errno));
	busy_close(b);
	return NULL;
}

void
busy_close(struct busy *b)
{
	if (b == NULL)
		return;
	if (b->map != NULL)
		munmap(b->map, sizeof(*b->map));
	if (b->fd != -1)
		close(b->fd);
	free(b);
}

void
busy_set(struct busy *b, uint32_t sessions, uint32_t limit)
{
	if (b != NULL)
		atomic_store(&b->map->place[b->place],
		    (uint64_t)limit << 32 | sessions);
}

size_t
busy_read(const char *state, const char *name,
    struct busy_count out[BUSY_MAX])
{
	struct places	*p;
	size_t		 n = 0;
	uint64_t	 v;
	int		 fd;

	if ((fd = open_file(state, name, O_RDWR)) == -1)
		return 0;
	if ((p = map(fd, PROT_READ)) != NULL) {
		for (size_t i = 0; i < BUSY_MAX; i++) {
			v = atomic_load(&p->place[i]);
			if (v == 0 || !is_taken(fd, i))
				continue;
			out[n].sessions = (uint32_t)v;
			out[n++].limit = (uint32_t)(v >> 32);
		}
		munmap(p, sizeof(*p));
	}
	close(fd);
	return n;
}
