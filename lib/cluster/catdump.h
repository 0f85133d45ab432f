/* The catalog as text, and back; the form is in cm-internals(7).  Level 3. */
#ifndef CM_CATDUMP_H
#define CM_CATDUMP_H

#include "cluster/catdb.h"

#define CATDUMP_LINE_MAX (16u << 20)

/*
 * Writes everything to a file descriptor, sorted, the last line being a count
 * of the lines.  The caller keeps changes out meanwhile.
 */
int	 catdump_write(struct catdb *, int fd) CM_MUST;

/*
 * Is this a whole dump?  Reads fd from its start and checks every line's form;
 * names the line that is wrong.
 */
int	 catdump_check(const struct log *, int fd, const char *name) CM_MUST;
/* Of which catalog it is, and how far that was; 0, 0 when it does not say. */
int	 catdump_point(const struct log *, int fd, struct catdb_point *)
	    CM_MUST;
typedef int	(*catdump_fn)(struct catdb *, struct kv_txn *, void *);
/*
 * Replaces the catalog by the dump, in steps; the state is CATDB_LOADING
 * until the last one, then final.  fd is read from its start.  last (or NULL)
 * is called in the transaction that sets final, when all is there.
 * References of records to mailboxes that are not in the dump are left out:
 * it may have been made while a mailbox was being deleted.
 */
int	 catdump_load(struct catdb *, int fd, const char *name,
	    enum catdb_state final, catdump_fn last, void *arg) CM_MUST;

#endif
