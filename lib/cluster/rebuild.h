/* Putting back what was lost, and finding what is damaged.  Level 3. */
#ifndef CM_REBUILD_H
#define CM_REBUILD_H

#include "base/log.h"
#include "cluster/catalog.h"
#include "cluster/conf.h"

/*
 * All of them: safe while mail flows, safe to be killed and run again, and
 * nothing to do when all is well.
 */

/*
 * Makes the folder dir a byte-identical copy of the volume's home, and
 * compares every byte.  What is there already is compared and put right.
 */
int	 rebuild_copy(const struct log *, const struct conf *,
	    const struct conf_volume *, const char *dir) CM_MUST;
/*
 * Makes the volume's home whole from its copies: missing segments, lost ends,
 * or all of it.  A home made anew gets a higher epoch, and goes on at least
 * REBUILD_SKIP segments behind what its copies have: nobody may begin a
 * segment that the lost home had begun.
 */
#define REBUILD_SKIP	1000
int	 rebuild_volume(const struct log *, const struct conf *,
	    const struct conf_volume *) CM_MUST;
/*
 * The catalog anew: what is there (a good one, or a rebuild or load that was
 * cut off), or the dump when one is given, and behind it the volumes.
 * scratch: from the volumes alone, whatever there is.  Only a store that is
 * corrupt is set aside; another failure is returned, and nothing is changed.
 */
int	 rebuild_catalog(const struct log *, const struct conf *,
	    struct catalog *, const char *dump, bool scratch) CM_MUST;

/*
 * Reads every record of every volume at home here, and of its copies on this
 * node.  One line on out for each thing that is wrong; with repair it is put
 * right from a good copy, and the line says so.  CM_ECORRUPT when something
 * wrong is left.
 */
int	 rebuild_check(const struct log *, const struct conf *, bool repair,
	    int out) CM_MUST;

/* The same for one volume, with repair; the lines go to the log. */
int	 rebuild_repair(const struct log *, const struct conf *,
	    const struct conf_volume *) CM_MUST;

#endif
