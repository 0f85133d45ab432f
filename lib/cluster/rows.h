/* The catalog's rows and keys as bytes; see cm-internals(7).  Level 3. */
#ifndef CM_ROWS_H
#define CM_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "format/place.h"
#include "format/receipt.h"
#include "format/ulid.h"

#define ROW_KEY_MAX	(4 + FOLDER_MAX + 1)
#define ROW_MAX		(64u << 20)	/* bytes of the largest row */

enum row_flag {
	FLAG_SEEN = 1, FLAG_ANSWERED = 2, FLAG_FLAGGED = 4,
	FLAG_DELETED = 8, FLAG_DRAFT = 16
};

/* Spans of a row point into the bytes it was read from. */
struct row_account {		/* key: the mailbox's name */
	uint32_t	 id;
	uint32_t	 next_folder;
	uint32_t	 last_validity;	/* highest UIDVALIDITY given */
	uint64_t	 quota;		/* bytes; 0: none */
	uint64_t	 bytes;		/* of its messages */
	uint32_t	 messages;
	int64_t		 created;	/* ms */
	struct span	 verifier;	/* of the password; may be empty */
	struct span	 sms;		/* may be empty */
};

struct row_folder {		/* key: account, name */
	uint32_t	 id;
	uint32_t	 validity;	/* UIDVALIDITY */
	uint32_t	 uidnext;
	uint64_t	 modseq;	/* highest given */
	uint32_t	 messages;
	uint32_t	 unseen;
	uint64_t	 bytes;
	uint32_t	 leapt;		/* the lead alone that left UIDs out */
	uint32_t	 left_from, left_to;	/* those */
	uint32_t	 use;		/* enum imap_use */
};

struct row_message {		/* key: account, folder, uid */
	struct ulid	 id;
	struct place	 place;
	uint32_t	 size;		/* of the message, bytes */
	int64_t		 time_ms;	/* arrival */
	uint64_t	 modseq;
	uint32_t	 flags;		/* enum row_flag */
	struct span	 keywords;	/* with spaces between */
	int64_t		 saved_ms;	/* when a copy was put there; 0: it
					 * is none, and its id tells */
};

struct row_ref {
	uint32_t	 account;
	uint32_t	 folder;
	uint32_t	 uid;
};

struct row_record {		/* key: the id's 16 bytes */
	struct place	 place;
	uint32_t	 size;
	int64_t		 time_ms;
	uint32_t	 nrefs;		/* 0: deleted everywhere, garbage */
	struct span	 refs;		/* packed; see row_ref_get */
	struct span	 envelope;
	struct span	 body;
};

/* What the journal tells of a message that is not indexed yet. */
struct row_expected {		/* key: see expect.h */
	uint32_t	 account;	/* the mailbox that it was in */
	uint32_t	 uid;		/* 0: any */
	uint64_t	 modseq;	/* 0: any */
	uint32_t	 what;
	uint32_t	 flags;
	struct span	 keywords;
	uint32_t	 folder;	/* it was in, whatever its name is by
					 * now; 0: the one of the key */
	int64_t		 saved_ms;	/* of a copy; or 0 */
};
enum { EXPECT_NEW,		/* flags as it was delivered */
    EXPECT_FLAGS, EXPECT_GONE,
    EXPECT_COPY };		/* a copy, with flags; its key has more */

/* Keys.  The buffers are the caller's; the spans point into them. */
struct span	 key_u32(char out[4], uint32_t);
struct span	 key_folder(char out[ROW_KEY_MAX], uint32_t account,
		    const char *name, size_t len);
struct span	 key_message(char out[12], const struct row_ref *);
int		 key_message_parse(struct span, struct row_ref *) CM_MUST;
struct span	 key_cursor(char out[ROW_KEY_MAX], const char *volume,
		    uint32_t segment);
struct span	 key_gap(char out[ROW_KEY_MAX], const char *volume,
		    uint32_t segment, uint32_t offset);
/* Undoes both; the gap's offset goes to *offset when that is not NULL. */
int		 key_cursor_parse(struct span, char volume[64],
		    uint32_t *segment, uint32_t *offset) CM_MUST;
uint32_t	 get_u32(const char *);

/* Values: the writers reset the buffer; the readers give CM_ECORRUPT. */
int	 row_account_put(struct buf *, const struct row_account *);
int	 row_account_get(struct span, struct row_account *) CM_MUST;
int	 row_folder_put(struct buf *, const struct row_folder *);
int	 row_folder_get(struct span, struct row_folder *) CM_MUST;
int	 row_message_put(struct buf *, const struct row_message *);
int	 row_message_get(struct span, struct row_message *) CM_MUST;
int	 row_record_put(struct buf *, const struct row_record *);
int	 row_record_get(struct span, struct row_record *) CM_MUST;
int	 row_expected_put(struct buf *, const struct row_expected *);
int	 row_expected_get(struct span, struct row_expected *) CM_MUST;
int	 row_ref_add(struct buf *refs, const struct row_ref *);
void	 row_ref_get(struct span refs, uint32_t i, struct row_ref *);

/* IMAP flag names (RFC 3501 section 2.3.2) and bits. */
int	 flags_write(struct buf *, uint32_t flags, struct span keywords);
/* Splits names into bits and keywords; a bad name is CM_EDATA. */
int	 flags_parse(const char *p, size_t len, uint32_t *flags,
	    struct buf *keywords) CM_MUST;
/* Is a word one of them? */
bool	 flags_has(struct span keywords, struct span word);

#endif
