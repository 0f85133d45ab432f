#include "cluster/volume.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/str.h"
#include "base/time.h"
#include "cluster/control.h"
#include "cluster/recover.h"

#define SYNC_NAP_MS	50	/* a waiter looks whether its syncer died */
#define SYNC_WAIT_MS	60000
#define TRIES		4
#define SUPERSEDED	"superseded"

#define GATHER	4

struct volume {
	const struct log *log;
	const struct conf *conf;
	const struct conf_volume *cv;
	struct seg_meta	 meta;
	struct control	*ctl;
	int		 ctl_fd;
	int		 lock_fd;
	int		 seg_fd;	/* the open segment, or -1 */
	uint32_t	 seg;
	uint32_t	 seg_max;
	unsigned	 attached;	/* times: see vol_generation */
	uint64_t	 counted;	/* as it was said last */
	bool		 unsynced;	/* appended by this handle */
	bool		 lost;		/* a sync of those may have failed */
};

static uint64_t
pack(uint32_t segment, uint32_t offset)
{
	return (uint64_t)segment << 32 | offset;
}

static struct vol_end
unpack(uint64_t v)
{
	return (struct vol_end){ (uint32_t)(v >> 32), (uint32_t)v };
}

bool
vol_end_before(struct vol_end a, struct vol_end b)
{
	return pack(a.segment, a.offset) < pack(b.segment, b.offset);
}

static int
open_segment(struct volume *v, uint32_t segment)
{
	int	 rc;

	if (v->seg_fd != -1 && v->seg == segment)
		return 0;
	if (v->seg_fd != -1)
		close(v->seg_fd);
	v->seg_fd = -1;
	rc = seg_open(NULL, v->cv->path, segment, O_RDWR, &v->seg_fd);
	if (rc == 0)
		v->seg = segment;
	return rc;
}

static void
forget(struct volume *v)
{
	control_unmap(v->ctl, v->ctl_fd);
	v->ctl = NULL;
	v->ctl_fd = -1;
	if (v->seg_fd != -1)
		close(v->seg_fd);
	v->seg_fd = -1;
}

static bool
is_current(const struct volume *v)
{
	return v->ctl != NULL &&
	    control_is_current(v->ctl, v->ctl_fd, v->cv->path);
}

/* Is the open segment there, and not shorter than what was committed? */
static bool
segment_is_sound(struct volume *v, struct vol_end end)
{
	struct stat	 st;

	return open_segment(v, end.segment) == 0 &&
	    fstat(v->seg_fd, &st) == 0 && st.st_nlink > 0 &&
	    st.st_size >= (off_t)end.offset;
}

/* The lock file under its name: the whole folder may have been replaced. */
static int
open_lock(struct volume *v)
{
	char		 path[FILE_PATH_MAX];
	struct stat	 st;

	if (v->lock_fd != -1 && fstat(v->lock_fd, &st) == 0 &&
	    st.st_nlink > 0)
		return 0;
	if (v->lock_fd != -1)
		close(v->lock_fd);
	if (str_fmt(path, sizeof(path), "%s/lock", v->cv->path) != 0)
		return log_fail(v->log, CM_ETOOBIG, "%s", v->cv->path);
	v->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return v->lock_fd == -1 ? log_errno(v->log, "%s", path) : 0;
}

bool
vol_is_superseded(const struct conf_volume *cv)
{
	char	 path[FILE_PATH_MAX];

	return str_fmt(path, sizeof(path), "%s/" SUPERSEDED,
	    cv->path) == 0 && file_exists(path);
}

static int
check_superseded(struct volume *v)
{
	if (!vol_is_superseded(v->cv))
		return 0;
	return log_fail(v->log, CM_EEPOCH, "volume %s: its home was made anew "
	    "on another machine; this one (%s) takes nothing (cm-rebuild "
	    "volume %s)", v->cv->name, v->cv->path, v->cv->name);
}

void
vol_supersede(struct volume *v)
{
	char		 path[FILE_PATH_MAX];
	static const char text[] = "a copy belongs to a newer home\n";
	struct seg_meta	 m;

	/* what became a copy meanwhile is no old home */
	if (seg_meta_read(NULL, v->cv->path, &m) != 0 ||
	    recover_is_ours(NULL, v->conf, v->cv, &m) != 0)
		return;
	if (str_fmt(path, sizeof(path), "%s/" SUPERSEDED, v->cv->path) != 0 ||
	    file_commit(v->log, path, text, strlen(text), 0600) != 0)
		return;
	/* all who have it open look again */
	if (v->ctl != NULL)
		atomic_store(&v->ctl->state, CONTROL_BROKEN);
}

/* Maps the control file, after the scan and repair when it needs one. */
static int
attach(struct volume *v)
{
	const char	*dir = v->cv->path;
	int		 rc;

	/* what was appended before a failed sync cannot be made safe by a
	 * later one: the kernel reports a lost page only once */
	if (v->ctl != NULL && v->unsynced &&
	    atomic_load(&v->ctl->state) == CONTROL_BROKEN)
		v->lost = true;
	forget(v);
	if ((rc = check_superseded(v)) != 0)
		return rc;
	if ((rc = open_lock(v)) != 0)
		return rc;
	for (int i = 0; i < TRIES; i++) {
		rc = control_map(v->log, dir, &v->ctl, &v->ctl_fd);
		if (rc == 0 && segment_is_sound(v, vol_committed(v))) {
			rc = seg_meta_read(v->log, dir, &v->meta);
			if (rc == 0)
				rc = recover_is_ours(v->log, v->conf, v->cv,
				    &v->meta);
			if (rc != 0)
				forget(v);
			v->attached++;
			v->counted = 0;
			return rc;
		}
		if (rc == 0)
			atomic_store(&v->ctl->state, CONTROL_BROKEN);
		else if (rc != CM_ESTALE)
			return rc;
		forget(v);
		if ((rc = recover_home(v->log, v->conf, v->cv,
		    v->lock_fd)) == CM_EEPOCH)
			vol_supersede(v);
		if (rc != 0)
			return rc;
	}
	return log_fail(v->log, CM_ESTALE, "%s", dir);
}

bool
vol_is_made(const struct conf *conf, const struct conf_volume *cv)
{
	char	 path[FILE_PATH_MAX];

	if (str_fmt(path, sizeof(path), "%s/volume", cv->path) != 0 ||
	    file_exists(path))
		return true;
	for (size_t i = 0; i < cv->ncopies; i++)
		if (strcmp(cv->copies[i].node, conf->self) == 0 &&
		    str_fmt(path, sizeof(path), "%s/volume",
		    cv->copies[i].path) == 0 && file_exists(path))
			return true;
	return false;
}

int
vol_open(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, struct volume **out)
{
	struct volume	*v;
	int		 rc;

	*out = NULL;
	if (!conf_is_home(conf, cv))
		return log_fail(log, CM_EAWAY, "volume %s: its home is %s",
		    cv->name, cv->home);
	if ((v = calloc(1, sizeof(*v))) == NULL)
		return log_fail(log, CM_ENOMEM, "volume %s", cv->name);
	v->log = log;
	v->conf = conf;
	v->cv = cv;
	v->seg_max = (uint32_t)cv->segment;
	v->ctl_fd = v->lock_fd = v->seg_fd = -1;
	if ((rc = recover_make(log, conf, cv)) != 0)
		goto out;
	rc = attach(v);
out:
	if (rc != 0)
		vol_close(v);
	else
		*out = v;
	return rc;
}

void
vol_close(struct volume *v)
{
	if (v == NULL)
		return;
	forget(v);
	if (v->lock_fd != -1)
		close(v->lock_fd);
	free(v);
}

/*
 * Nobody writes now, so the segment ends where the control file says, but for
 * what a dead writer left behind.  Bytes that nobody died over were written
 * under another control file (a folder put back from a snapshot): they may be
 * good records, and must not be written over.
 */
static bool
end_is_right(struct volume *v, struct vol_end e, bool died)
{
	struct stat	 st;

	if (died)
		return ftruncate(v->seg_fd, e.offset) == 0;
	return fstat(v->seg_fd, &st) == 0 && st.st_size == (off_t)e.offset;
}

/*
 * The append lock, with the control file known to be good.  The shared file
 * lock keeps a repair out as long as somebody is in here.
 */
static int
append_begin(struct volume *v)
{
	bool	 died;
	int	 rc;

	for (int i = 0; i < TRIES; i++) {
		if (v->lock_fd == -1 && (rc = attach(v)) != 0)
			return rc;
		if ((rc = lock_file(v->lock_fd, LOCK_SH, VOL_WAIT_MS)) != 0)
			return rc;
		if (is_current(v)) {
			rc = shlock_take(&v->ctl->append, VOL_WAIT_MS, &died);
			if (rc == 0) {
				struct vol_end e = vol_committed(v);

				if (segment_is_sound(v, e) &&
				    end_is_right(v, e, died))
					return 0;
				atomic_store(&v->ctl->state, CONTROL_BROKEN);
				shlock_release(&v->ctl->append);
			} else if (rc == CM_ELOCK) {
				lock_unfile(v->lock_fd);
				return rc;
			} else {
				atomic_store(&v->ctl->state, CONTROL_BROKEN);
			}
		}
		lock_unfile(v->lock_fd);
		if ((rc = attach(v)) != 0)
			return rc;
	}
	return CM_ESTALE;
}

static void
append_end(struct volume *v)
{
	shlock_release(&v->ctl->append);
	lock_unfile(v->lock_fd);
}

static void
raise_synced(struct volume *v, uint64_t to)
{
	uint64_t was = atomic_load(&v->ctl->synced);

	uint32_t bits;

	while (was < to && !atomic_compare_exchange_weak(&v->ctl->synced,
	    &was, to))
		continue;
	atomic_fetch_add(&v->ctl->sync_gen, 1);
	bits = shword_bits(was, to);
	shword_wake_bits(&v->ctl->sync_gen, bits, INT_MAX);
	/* of the others one syncs next; the other may be a reader */
	if (~bits != 0)
		shword_wake_bits(&v->ctl->sync_gen, ~bits, 2);
}

/* Seals the open segment and begins the next; the append lock is held. */
static int
roll(struct volume *v, struct vol_end *e)
{
	int	 fd, rc;

	if (e->segment >= PLACE_SEGMENT_MAX)
		return CM_ESPACE;
	if (ftruncate(v->seg_fd, e->offset) == -1)
		return CM_EIO;
	if (fdatasync(v->seg_fd) == -1) {
		/* as in sync_for_all: the next try's success means nothing */
		atomic_store(&v->ctl->state, CONTROL_BROKEN);
		return CM_EIO;
	}
	if ((rc = seg_open(v->log, v->cv->path, e->segment + 1,
	    O_RDWR | O_CREAT | O_TRUNC, &fd)) != 0)
		return rc;
	if ((rc = file_sync_dir(v->log, v->cv->path)) != 0) {
		close(fd);
		return rc;
	}
	close(v->seg_fd);
	v->seg_fd = fd;
	v->seg = ++e->segment;
	e->offset = 0;
	atomic_store(&v->ctl->committed, pack(e->segment, 0));
	raise_synced(v, pack(e->segment, 0));
	return 0;
}

static int
write_record(int fd, struct iovec *iov, int n, uint32_t at)
{
	ssize_t	 w;
	off_t	 off = at;

	while (n > 0) {
		if ((w = pwritev(fd, iov, n, off)) == -1)
			return -1;
		off += w;
		while (n > 0 && (size_t)w >= iov->iov_len) {
			w -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (n > 0) {
			iov->iov_base = (char *)iov->iov_base + w;
			iov->iov_len -= (size_t)w;
		}
	}
	return 0;
}

static void *
bytes(const char *p)
{
	return (void *)(uintptr_t)p;	/* iovecs know no const */
}

/* The append lock is held. */
static int
append(struct volume *v, const struct record_head *h, const char *env,
    const char *msg, struct place *place)
{
	struct record_spot	 spot;
	struct vol_end		 e = vol_committed(v);
	char			 head[RECORD_HEAD], nl = '\n';
	struct iovec		 iov[4];
	uint64_t		 len = record_len(h);
	int			 rc;

	if (e.offset > 0 && e.offset + len > v->seg_max &&
	    (rc = roll(v, &e)) != 0)
		return log_fail(v->log, rc, "volume %s: new segment",
		    v->cv->name);
	spot = (struct record_spot){ v->meta.salt, e.segment, e.offset };
	record_head_write(head, h, &spot);
	iov[0] = (struct iovec){ head, sizeof(head) };
	iov[1] = (struct iovec){ bytes(env), h->env_len };
	iov[2] = (struct iovec){ bytes(msg), h->msg_len };
	iov[3] = (struct iovec){ &nl, 1 };
	if (write_record(v->seg_fd, iov, 4, e.offset) == -1) {
		rc = log_errno(v->log, "volume %s: write", v->cv->name);
		if (ftruncate(v->seg_fd, e.offset) == -1)
			atomic_store(&v->ctl->state, CONTROL_BROKEN);
		return rc;
	}
	atomic_store(&v->ctl->committed,
	    pack(e.segment, e.offset + (uint32_t)len));
	v->unsynced = true;
	memcpy(place->volume, v->meta.name, sizeof(place->volume));
	place->segment = e.segment;
	place->offset = e.offset;
	place->length = (uint32_t)len;
	return 0;
}

static struct record_head
head_of(const char *env, size_t env_len, const char *msg, size_t msg_len)
{
	return (struct record_head){ .env_len = (uint32_t)env_len,
	    .msg_len = (uint32_t)msg_len, .env_crc = crc32c(0, env, env_len),
	    .msg_crc = crc32c(0, msg, msg_len) };
}

int
vol_append(struct volume *v, const char *env, size_t env_len, const char *msg,
    size_t msg_len, struct place *place)
{
	struct record_head	 h;
	int			 rc;

	if (env_len > RECORD_ENV_MAX || msg_len > RECORD_MSG_MAX)
		return log_fail(v->log, CM_ETOOBIG, "volume %s", v->cv->name);
	h = head_of(env, env_len, msg, msg_len);
	if ((rc = append_begin(v)) != 0)
		return log_fail(v->log, rc, "volume %s: append", v->cv->name);
	rc = append(v, &h, env, msg, place);
	append_end(v);
	return rc;
}

/* Who died here may have cancelled anything that is in the log by now. */
static int
ack_begin(struct volume *v)
{
	bool	 died;
	int	 rc;

	if ((rc = shlock_take(&v->ctl->ack, VOL_WAIT_MS, &died)) == 0 && died) {
		atomic_store(&v->ctl->hold_from, 0);
		atomic_store(&v->ctl->hold_to,
		    atomic_load(&v->ctl->committed));
	}
	return rc;
}

void
vol_acked(struct volume *v, struct vol_end e)
{
	struct control	*c = v->ctl;
	uint64_t	 to = pack(e.segment, e.offset), from;

	if (c == NULL || atomic_load(&c->acked) >= to || ack_begin(v) != 0)
		return;
	if (to >= atomic_load(&c->hold_to))
		atomic_store(&c->hold_from, UINT64_MAX);
	else if ((from = atomic_load(&c->hold_from)) < to)
		to = from;
	if (to > atomic_load(&c->acked))
		atomic_store(&c->acked, to);
	shlock_release(&c->ack);
}

bool
vol_is_acked(const struct volume *v, struct vol_end e)
{
	return v->ctl != NULL &&
	    atomic_load(&v->ctl->acked) >= pack(e.segment, e.offset);
}

static void
raise(_Atomic uint64_t *word, uint64_t to)
{
	if (atomic_load(word) < to)
		atomic_store(word, to);
}

/* Both locks are held: what is acked stays. */
static int
cancel(struct volume *v, const struct place *p, const char *env,
    size_t env_len, struct place *c)
{
	struct record_head	 h = head_of(env, env_len, "", 0);
	uint64_t		 start = pack(p->segment, p->offset);
	int			 rc;

	/* without copies it counts as soon as it is on disk */
	if (conf_copies_wanted(v->conf, v->cv) == 0 ||
	    v->ctl->made >= start + p->length)
		return CM_ESTALE;
	if (atomic_load(&v->ctl->acked) >= start + p->length)
		return CM_EEXIST;
	/* first, so that nobody passes the record on once it is cancelled */
	raise(&v->ctl->cancelled, start + p->length);
	if ((rc = append(v, &h, env, "", c)) != 0)
		return rc;
	if (atomic_load(&v->ctl->hold_from) > start)
		atomic_store(&v->ctl->hold_from, start);
	raise(&v->ctl->hold_to, pack(c->segment, c->offset + c->length));
	return 0;
}

int
vol_cancel(struct volume *v, const struct place *place, const char *env,
    size_t env_len)
{
	struct place	 c;
	int		 rc;

	if ((rc = append_begin(v)) != 0)
		return log_fail(v->log, rc, "volume %s: cancel", v->cv->name);
	if ((rc = ack_begin(v)) == 0) {
		rc = cancel(v, place, env, env_len, &c);
		shlock_release(&v->ctl->ack);
	}
	append_end(v);
	return rc == 0 ? vol_sync(v, &c) : rc;
}

bool
vol_may_be_cancelled(const struct conf_volume *cv, const struct place *p)
{
	struct control	*c;
	bool		 may;
	int		 fd;

	if (control_map(NULL, cv->path, &c, &fd) != 0)
		return true;
	may = pack(p->segment, p->offset) < atomic_load(&c->cancelled);
	control_unmap(c, fd);
	return may;
}

void
vol_gather(void)
{
	for (int i = 0; i < GATHER; i++)
		sched_yield();
}

/* The sync lock is held: one fdatasync for all that is committed by now. */
static int
sync_for_all(struct volume *v)
{
	uint64_t	 end;
	struct vol_end	 e;
	int		 rc;

	vol_gather();
	end = atomic_load(&v->ctl->committed);
	e = unpack(end);
	if ((rc = open_segment(v, e.segment)) != 0)
		return rc;
	if (fdatasync(v->seg_fd) == -1) {
		/* which pages were lost is unknown: scan before going on */
		rc = log_errno(v->log, "volume %s: fdatasync", v->cv->name);
		atomic_store(&v->ctl->state, CONTROL_BROKEN);
		return rc;
	}
	raise_synced(v, end);
	return 0;
}

/* The control file went away under us: sync what holds the record itself. */
static int
sync_alone(struct volume *v, const struct place *p)
{
	struct seg_meta	 m;
	struct stat	 st;
	int		 fd, rc;

	/* a home made anew meanwhile has other bytes under this place */
	if ((rc = seg_meta_read(v->log, v->cv->path, &m)) == 0 &&
	    (m.salt != v->meta.salt || m.epoch != v->meta.epoch))
		rc = CM_ESTALE;
	if (rc != 0)
		return log_fail(v->log, rc, "volume %s", v->cv->name);
	if ((rc = seg_open(v->log, v->cv->path, p->segment, O_RDWR,
	    &fd)) != 0)
		return log_fail(v->log, rc, "volume %s: segment %08u",
		    v->cv->name, p->segment);
	if (fdatasync(fd) == -1 || fstat(fd, &st) == -1)
		rc = log_errno(v->log, "volume %s: fdatasync", v->cv->name);
	else if (st.st_size < (off_t)p->offset + p->length)
		rc = log_fail(v->log, CM_ECORRUPT, "volume %s: segment %08u "
		    "is shorter than it was", v->cv->name, p->segment);
	close(fd);
	return rc;
}

static int
wait_for_sync(struct volume *v, const struct place *p)
{
	uint64_t	 mine = pack(p->segment, p->offset + p->length);
	int64_t		 end = time_mono_ms() + SYNC_WAIT_MS;
	uint32_t	 gen;
	bool		 died;
	int		 rc;

	if (v->ctl == NULL)
		return sync_alone(v, p);
	for (;;) {
		gen = atomic_load(&v->ctl->sync_gen);
		/* after a failed sync another one's success means nothing */
		if (atomic_load(&v->ctl->state) == CONTROL_BROKEN)
			return log_fail(v->log, CM_EIO, "volume %s: sync",
			    v->cv->name);
		if (!is_current(v))
			return sync_alone(v, p);
		if (atomic_load(&v->ctl->synced) >= mine)
			return 0;
		rc = shlock_try(&v->ctl->sync, &died);
		if (rc == 0) {
			if (atomic_load(&v->ctl->state) == CONTROL_BROKEN)
				rc = CM_EIO;
			else if (atomic_load(&v->ctl->synced) < mine)
				rc = sync_for_all(v);
			shlock_release(&v->ctl->sync);
			if (rc != 0)
				return rc;
		} else if (rc == CM_ELOCK) {
			if (time_mono_ms() > end)
				return log_fail(v->log, CM_ELOCK,
				    "volume %s: sync", v->cv->name);
			shword_wait_bits(&v->ctl->sync_gen, gen,
			    SYNC_NAP_MS, shword_bit(mine));
		} else {
			return sync_alone(v, p);
		}
	}
}

int
vol_sync(struct volume *v, const struct place *p)
{
	int	 rc;

	if (v->lost)
		rc = log_fail(v->log, CM_EIO, "volume %s: an earlier sync "
		    "failed", v->cv->name);
	else
		rc = wait_for_sync(v, p);
	v->lost = v->unsynced = false;
	return rc;
}

struct vol_end
vol_committed(const struct volume *v)
{
	return unpack(atomic_load(&v->ctl->committed));
}

struct vol_end
vol_synced(const struct volume *v)
{
	return unpack(atomic_load(&v->ctl->synced));
}

/* Where it counts up to; false: the copies are ahead of this disk. */
static bool
look_how_far(const struct volume *v, uint64_t *end)
{
	/* in this order: what is acked never lies within what is held up */
	uint64_t	 acked = atomic_load(&v->ctl->acked);

	*end = atomic_load(&v->ctl->synced);
	if (v->conf->on_short != CONF_REFUSE ||
	    conf_copies_wanted(v->conf, v->cv) == 0)
		return true;
	if (acked <= *end)
		*end = acked;
	else if (*end < atomic_load(&v->ctl->hold_to))
		return false;
	return true;
}

struct vol_end
vol_counted(struct volume *v)
{
	struct vol_end	 e = vol_committed(v);
	struct place	 p = { .segment = e.segment, .offset = e.offset };
	uint64_t	 end;

	/* who took a record back was killed before it was on this disk */
	if (!look_how_far(v, &end) &&
	    (vol_sync(v, &p) != 0 || !look_how_far(v, &end)))
		end = v->counted;
	v->counted = end;
	return unpack(end);
}

void
vol_wait(const struct volume *v, struct vol_end seen, int ms)
{
	uint32_t gen = atomic_load(&v->ctl->sync_gen);

	if (!vol_end_before(seen, vol_synced(v)))
		shword_wait(&v->ctl->sync_gen, gen, ms);
}

int
vol_refresh(struct volume *v)
{
	if (is_current(v) && segment_is_sound(v, vol_committed(v)))
		return 0;
	return attach(v);
}

unsigned
vol_generation(const struct volume *v)
{
	return v->attached;
}

struct control *
vol_control(const struct volume *v)
{
	return v->ctl;
}

const char *
vol_name(const struct volume *v)
{
	return v->cv->name;
}

const char *
vol_dir(const struct volume *v)
{
	return v->cv->path;
}

const struct seg_meta *
vol_meta(const struct volume *v)
{
	return &v->meta;
}

int
vol_freeze(const struct log *log, const char *dir, int *lock)
{
	char	 path[FILE_PATH_MAX];
	int	 fd, rc;

	*lock = -1;
	if (str_fmt(path, sizeof(path), "%s/lock", dir) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", dir);
	if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -1)
		return log_errno(log, "%s", path);
	if ((rc = lock_file(fd, LOCK_EX, VOL_WAIT_MS)) != 0) {
		close(fd);
		return log_fail(log, rc, "%s", path);
	}
	*lock = fd;
	return 0;
}

void
vol_forget_control(const char *dir)
{
	char	 path[FILE_PATH_MAX];

	if (str_fmt(path, sizeof(path), "%s/control", dir) == 0)
		unlink(path);
}

void
vol_forget_superseded(const char *dir)
{
	char	 path[FILE_PATH_MAX];

	if (str_fmt(path, sizeof(path), "%s/" SUPERSEDED, dir) == 0)
		unlink(path);
}

void
vol_unfreeze(const char *dir, int lock, bool changed)
{
	if (lock == -1)
		return;
	if (changed)
		vol_forget_control(dir);
	close(lock);
}
