/* The line that names a stored record; see receipt(5).  Level 1. */
#ifndef CM_RECEIPT_H
#define CM_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "format/place.h"
#include "format/ulid.h"

#define RECEIPT_MAX	(4 * 1024 * 1024)	/* bytes of one line */
#define FOLDER_MAX	255			/* bytes of a folder's name */

/* Spans point into the line. */
struct receipt {
	char		 id[ULID_LEN + 1];
	struct place	 place;
	struct span	 copies;	/* labels with commas between */
	struct span	 mailboxes;	/* mailbox/folder,… percent-encoded */
	struct span	 entries;	/* mailbox/folder/uid,…; p NULL: none */
};

/* A line without its end.  Fields behind the fifth are an error. */
int	 receipt_parse(const char *line, size_t len, struct receipt *) CM_MUST;
/* Adds the line with its LF; the fifth field only when entries.p is set. */
int	 receipt_write(struct buf *, const struct receipt *);

/* Adds mailbox/folder, percent-encoded as receipts want it. */
int	 entry_write(struct buf *, const char *mailbox, const char *folder);
/*
 * Takes mailbox/folder or mailbox/folder/uid apart and decodes it into the
 * two buffers (reset first).  uid NULL: the form without.  CM_EDATA.
 */
int	 entry_parse(const char *p, size_t len, struct buf *mailbox,
	    struct buf *folder, uint32_t *uid) CM_MUST;
/*
 * A folder's name: UTF-8 without control characters, 1 to FOLDER_MAX bytes,
 * no / at either end or doubled.  INBOX in any case is written INBOX.
 */
int	 folder_name(const char *p, size_t len, char out[FOLDER_MAX + 1])
	    CM_MUST;

#endif
