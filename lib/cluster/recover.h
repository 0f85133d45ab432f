/* Making a volume's home, and mending it after a crash.  Level 3. */
#ifndef CM_RECOVER_H
#define CM_RECOVER_H

#include "base/err.h"
#include "base/log.h"
#include "cluster/conf.h"
#include "cluster/segment.h"

/*
 * Makes the home's folder when there is no trace of the volume on this node.
 * CM_ENOINPUT when the home is gone but a copy is there; CM_ECONF when the
 * folder belongs to another volume.
 */
int	 recover_make(const struct log *, const struct conf *,
	    const struct conf_volume *) CM_MUST;

/*
 * Scans the open segment, cuts what is no whole record from its end (the
 * bytes are kept in cut-SEGMENT-OFFSET), seals it, begins a new one with a
 * number that neither the home nor a local copy ever had, and puts a new
 * control file in place.  Does nothing when another process did it meanwhile.
 * Takes the file lock.  CM_EEPOCH when a copy, here or on a node that answers,
 * is of a newer home.
 */
int	 recover_home(const struct log *, const struct conf *,
	    const struct conf_volume *, int lock_fd) CM_MUST;

/*
 * May this node append to the folder?  CM_EEPOCH, with a line, when it is a
 * copy's or another node's home: only cm-rebuild volume makes this node's home
 * of it.  meta: what its file "volume" says.
 */
int	 recover_is_ours(const struct log *, const struct conf *,
	    const struct conf_volume *, const struct seg_meta *) CM_MUST;

/*
 * Cuts what is no whole record off the last segment that has bytes; the lock
 * is held alone.
 */
int	 recover_seal(const struct log *, const struct conf_volume *,
	    const struct seg_meta *) CM_MUST;

/*
 * Where the last whole record of a segment ends: what a crash may have left
 * behind it is no record.  size: bytes in the file.
 */
int	 recover_end(const struct log *, const char *dir, uint32_t segment,
	    uint32_t salt, uint32_t size, uint32_t *end) CM_MUST;

/* Cuts a segment there, keeping the bytes beside it.  Syncs. */
int	 recover_cut(const struct log *, const char *dir, uint32_t segment,
	    uint32_t size, uint32_t end) CM_MUST;

#endif
