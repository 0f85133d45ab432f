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
 * Makes a copy byte-identical to its volume's home, at the node of either.
 * where: the name of a node that has a copy in cluster.xml, or a folder of
 * this node, which need not be in there.  What is there already is compared
 * (over the network by the checksums of all records) and put right.
 * rate: bytes per second at most, here and below; 0: any.
 */
int	 rebuild_copy(const struct log *, const struct conf *,
	    const struct conf_volume *, const char *where, uint64_t rate)
	    CM_MUST;
/* The same for copy number index. */
int	 rebuild_place(const struct log *, const struct conf *,
	    const struct conf_volume *, size_t index, uint64_t rate) CM_MUST;
/*
 * Makes the volume's home whole from its copies, wherever they are: missing
 * segments, lost ends, or all of it.  A home made anew gets a higher epoch, and
 * goes on at least REBUILD_SKIP segments behind what its copies have: nobody
 * may begin a segment that the lost home had begun.  One that is older than
 * its copies is first set aside as PATH.superseded-EPOCH.  Where the folder
 * is a copy's it becomes the home where it lies: all copies are claimed, and
 * have given what they have more, before it takes anything.  CM_EAWAY when it
 * has to be made anew, or of a copy, and a copy cannot be asked; CM_ENOINPUT
 * when there is none.
 */
#define REBUILD_SKIP	1000
int	 rebuild_volume(const struct log *, const struct conf *,
	    const struct conf_volume *, uint64_t rate) CM_MUST;
/*
 * All that this node should have: its volumes from their copies, the copies it
 * keeps from their homes.  What fails is told of, and the rest goes on; the
 * last failure is returned.  A volume that is nowhere is made.  with: only the
 * volumes that have a place on that node, too; NULL: all.
 */
int	 rebuild_node(const struct log *, const struct conf *,
	    const char *with, uint64_t rate) CM_MUST;
/*
 * The catalog anew: what is there (a good one, or a rebuild or load that was
 * cut off), or the dump when one is given, and behind it the volumes.
 * scratch: from the volumes alone, whatever there is.  Only a store that is
 * corrupt is set aside; another failure is returned, and nothing is changed.
 * Of several catalogs: this node's own is set aside, and comes in again from
 * the leader, another node, which this one makes lead first if need be.  When
 * none of them is left, or a dump is given, or scratch: the leader's, and with
 * it all.  CM_EAWAY when no node leads.
 */
int	 rebuild_catalog(const struct log *, const struct conf *,
	    struct catalog *, const char *dump, bool scratch) CM_MUST;

/*
 * Reads every record of every volume at home here, and of its copies, those
 * on other nodes by their cm-stored.  One line on out for each thing that is
 * wrong; with repair it is put right from a good place, and the line says so.
 * A copy that cannot be reached is wrong.  CM_ECORRUPT when something wrong is
 * left.
 */
int	 rebuild_check(const struct log *, const struct conf *, bool repair,
	    uint64_t rate, int out) CM_MUST;

/* The same for one volume, with repair; the lines go to the log. */
int	 rebuild_repair(const struct log *, const struct conf *,
	    const struct conf_volume *) CM_MUST;

#endif
