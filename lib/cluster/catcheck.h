/* "cm-catalog check": do the catalog and the volumes agree?  Level 3. */
#ifndef CM_CATCHECK_H
#define CM_CATCHECK_H

#include "cluster/catalog.h"
#include "cluster/conf.h"

/*
 * Every entry's record must exist with the right id and checksums; every
 * record in the volumes must be in the catalog, with entries or deleted; the
 * catalog's own tables must agree.  One line on out for each thing that is
 * wrong; CM_ECORRUPT when there was one.  Of volumes that are not at home here
 * the records that the catalog knows are read, wherever a copy is; CM_EAWAY
 * when nothing is wrong, but not all of them could be had.
 */
int	 catcheck(const struct log *, const struct conf *, struct catalog *,
	    int out) CM_MUST;

#endif
