/*
 * The spool "incoming": files that other programs drop.  A file is written in
 * tmp/ and moved to new/; it begins with lines "from ADDRESS", "to ADDRESS"
 * (one or more), "folder NAME", then an empty line, then the message.
 * Level 3.
 */
#ifndef CM_SPOOL_H
#define CM_SPOOL_H

#include "base/log.h"
#include "cluster/catalog.h"
#include "cluster/conf.h"

/*
 * Stores every file of new/ and writes the receipts to out.  A file goes when
 * its message is safe here; one that can never be stored moves to failed/.
 * What cannot be stored now stays: CM_EAGAIN at the end.  A file whose removal
 * was cut off is stored again under the same id, and listed once.
 */
int	 spool_incoming(const struct log *, const struct conf *,
	    struct catalog *, int out) CM_MUST;

#endif
