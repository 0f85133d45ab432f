/*
 * A volume at its home: an append-only log of records that many processes
 * write to.  See cm-internals(7) for every state on disk.  Level 3.
 */
#ifndef CM_VOLUME_H
#define CM_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "cluster/conf.h"
#include "cluster/segment.h"
#include "format/place.h"

#define VOL_WAIT_MS	5000	/* for a lock; CM_ELOCK then */

/* An end of the log: all before it is committed, or on disk, or copied. */
struct vol_end {
	uint32_t	 segment;
	uint32_t	 offset;
};

/*
 * Is there a home, or a copy of it on this node?  vol_open would make one where
 * there is none, and has to ask other nodes before: for who only reads there
 * is nothing to be waited for.
 */
bool	 vol_is_made(const struct conf *, const struct conf_volume *);

struct volume;		/* not for several threads at once, but for _end */

/*
 * Opens the volume of this node, and makes it when neither its folder nor any
 * local copy has anything.  When the machine went down, or the control file is
 * gone, or a segment is shorter than it was, the open segment is scanned, cut
 * at its last whole record, and sealed.  CM_ENOINPUT when the home is gone but
 * a copy is there: cm-rebuild volume.  CM_EAWAY when this is not its home.
 */
int	 vol_open(const struct log *, const struct conf *,
	    const struct conf_volume *, struct volume **) CM_MUST;
void	 vol_close(struct volume *);

/*
 * Appends one record.  The two parts are whole, their lengths at most
 * RECORD_ENV_MAX and RECORD_MSG_MAX.  After 0 others can read it, but it is
 * safe only after vol_sync.  After any error nothing is in the log.
 * CM_ESPACE, CM_ELOCK, CM_EIO, CM_ETOOBIG.
 */
int	 vol_append(struct volume *, const char *env, size_t env_len,
	    const char *msg, size_t msg_len, struct place *) CM_MUST;
/*
 * Returns 0 when the record, and all that this handle appended since the last
 * vol_sync, is on stable storage here.  One fdatasync serves all who wait.  On
 * failure they may be in the log nevertheless.
 */
int	 vol_sync(struct volume *, const struct place *) CM_MUST;
/*
 * A sync, or a request to a copy, costs the same for one record as for ten.  On
 * a machine whose processors are busy this lets others, who are about to
 * append, go first; on one that is not it returns at once.
 */
void	 vol_gather(void);

/*
 * Takes a record back that its sender was not promised: a record that says so
 * (env: its envelope part, see cancel.h) is appended and synced.  After 0 it is
 * never listed.  Nothing is done when it counts already: CM_EEXIST when as many
 * copies as the policy asks for have it, CM_ESTALE when the volume was scanned
 * since, which makes all count that is there, or has no copies.
 */
int	 vol_cancel(struct volume *, const struct place *, const char *env,
	    size_t env_len) CM_MUST;
/*
 * Without a lock, and without opening the volume: false when no record behind
 * the beginning of this one was cancelled since the volume was last scanned.
 */
bool	 vol_may_be_cancelled(const struct conf_volume *,
	    const struct place *);

/* How far the log goes, and how far it is on disk. */
struct vol_end vol_committed(const struct volume *);
struct vol_end vol_synced(const struct volume *);
/*
 * How far records count, and may be listed: what is on disk here, and, where
 * the policy is to refuse, on as many copies as it asks for.  It may be within
 * a record, but not between one that was taken back and what says so.  Segment
 * 0: that cannot be said now.
 */
struct vol_end vol_counted(struct volume *);
/* For the shipper: as many copies as the policy asks for have all before. */
void	 vol_acked(struct volume *, struct vol_end);
/* Was that noted?  Nothing before can be taken back any more. */
bool	 vol_is_acked(const struct volume *, struct vol_end);
/* Sleep until the synced end may have moved on from seen, or ms passed. */
void	 vol_wait(const struct volume *, struct vol_end seen, int ms);
/* Looks whether the volume was repaired or replaced since: reopens it. */
int	 vol_refresh(struct volume *) CM_MUST;

/* Another number each time the handle had to look at the folder afresh: what
 * was known of the log before may be wrong. */
unsigned vol_generation(const struct volume *);
const char *vol_name(const struct volume *);
const char *vol_dir(const struct volume *);
const struct seg_meta *vol_meta(const struct volume *);

/*
 * A copy belongs to a newer home: this one, of another machine, takes nothing
 * any more.  Every later vol_open and vol_append gives CM_EEPOCH.
 */
void	 vol_supersede(struct volume *);
bool	 vol_is_superseded(const struct conf_volume *);

/* For acks.c; NULL while the handle has none. */
struct control;
struct control *vol_control(const struct volume *);

bool	 vol_end_before(struct vol_end a, struct vol_end b);

/*
 * For those who change sealed segments or the whole folder (repair, rebuild):
 * keeps all writers out until vol_unfreeze.  The folder must exist.
 */
int	 vol_freeze(const struct log *, const char *dir, int *lock) CM_MUST;
/* While frozen: the next opener scans, even when this process is killed. */
void	 vol_forget_control(const char *dir);
/* While frozen, and its role in the file "volume" is about to be changed. */
void	 vol_forget_superseded(const char *dir);
/* When changed, the next opener scans. */
void	 vol_unfreeze(const char *dir, int lock, bool changed);

#endif
