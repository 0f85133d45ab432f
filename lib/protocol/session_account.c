/*
 * How many sessions an account has, on this node, in all services: each holds
 * one of the account's places, a byte of a file with nothing in it, by a lock.
 * The kernel lets go of it when the process ends, however it does, so nothing
 * is left to be put right; and a process with one session counts as a worker
 * does.  Locks are a process's (not OFD ones): workers share the descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "protocol/session_int.h"

#define PLACES_BITS	17	/* an account's: for any per-account */

static int
open_file(const char *path)
{
	struct stat	 st;
	int		 fd;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = EINVAL;
		fd = -1;
	}
	return fd;
}

int
accounts_open(const struct log *log, const char *state)
{
	char		 path[FILE_PATH_MAX];
	int		 fd = -1;

	if (str_fmt(path, sizeof(path), "%s/run/accounts", state) == 0 &&
	    (fd = open_file(path)) == -1)
		log_warn(log, "%s: %s: sessions of an account are not counted",
		    path, strerror(errno));
	return fd;
}

static int
set_lock(int fd, int64_t place, short type)
{
	struct flock	 l = { .l_type = type, .l_whence = SEEK_SET,
			    .l_start = place, .l_len = 1 };

	if (fcntl(fd, F_SETLK, &l) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? CM_ELOCK :
	    cm_errno(errno);
}

/* Two accounts in some 10^14 share their places. */
static int64_t
first_place(const char *mailbox)
{
	uint64_t	 h = session_hash(0, mailbox, strlen(mailbox));

	h = h >> 1 >> PLACES_BITS << PLACES_BITS;
	return (int64_t)h + 1;
}

int
account_enter(int fd, const char *mailbox, unsigned limit, int64_t *place)
{
	int64_t	 first = first_place(mailbox);
	int	 rc;

	*place = 0;
	for (unsigned i = 0; i < limit; i++) {
		if ((rc = set_lock(fd, first + i, F_WRLCK)) == CM_ELOCK)
			continue;
		if (rc == 0)
			*place = first + i;
		return rc;
	}
	return CM_ETOOBIG;
}

void
account_leave(int fd, int64_t place)
{
	/* what fails is undone when the process ends */
	if (place != 0)
		(void)set_lock(fd, place, F_UNLCK);
}

int
session_account_enter(struct session *s, const char *mailbox)
{
	int	 rc;

	session_account_leave(s);
	if (s->engine->accounts == -1)
		return 0;
	rc = account_enter(s->engine->accounts, mailbox, s->conf->per_account,
	    &s->account);
	if (rc == 0 || rc == CM_ETOOBIG)
		return rc;
	/* nobody is kept out because locks are no more to be had */
	log_warn(s->log, "run/accounts: %s: this session is not counted",
	    cm_strerror(rc));
	return 0;
}

void
session_account_leave(struct session *s)
{
	account_leave(s->engine->accounts, s->account);
	s->account = 0;
}
