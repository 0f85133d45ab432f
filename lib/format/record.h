/*
 * A stored message: header line, envelope part, the message, one LF.
 * The bytes are described in cm-internals(7).  Level 1.
 */
#ifndef CM_RECORD_H
#define CM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "format/ulid.h"

#define RECORD_HEAD	50			/* bytes of the header line */
#define RECORD_ENV_MAX	(8 * 1024 * 1024)	/* bytes of the envelope part */
#define RECORD_MSG_MAX	(1024u * 1024 * 1024)	/* bytes of a message */

struct record_head {
	uint32_t	 env_len;	/* bytes */
	uint32_t	 msg_len;	/* bytes */
	uint32_t	 env_crc;	/* CRC32C of the envelope part */
	uint32_t	 msg_crc;	/* CRC32C of the message */
};

/*
 * Where the header line stands goes into its own checksum, together with the
 * volume's salt: so a record that somebody put into a message, or the rest of
 * a torn one, is never taken for a record when a damaged segment is searched.
 */
struct record_spot {
	uint32_t	 salt;
	uint32_t	 segment;
	uint32_t	 offset;
};

/* Bytes of the whole record. */
uint64_t record_len(const struct record_head *);
void	 record_head_write(char out[RECORD_HEAD], const struct record_head *,
	    const struct record_spot *);
/* CM_ECORRUPT unless p[0..RECORD_HEAD) is a header line that belongs there. */
int	 record_head_parse(const char *p, const struct record_spot *,
	    struct record_head *) CM_MUST;

/*
 * The envelope part.  Spans are without line ends.  to holds one line for
 * each final mailbox and folder; walk it with record_to_next.
 */
struct record_env {
	struct ulid	 id;
	int64_t		 time_ms;	/* arrival */
	struct span	 sender;	/* empty: the null sender */
	uint32_t	 size;		/* of the message, bytes */
	struct span	 to;		/* lines "to mailbox/folder[ flags]" */
	struct span	 envelope;	/* IMAP ENVELOPE */
	struct span	 body;		/* IMAP BODYSTRUCTURE */
	struct span	 cancel;	/* see record_cancel_parse; or NULL */
};

/* Adds one "to" line; flags are IMAP flags with spaces between, or "". */
int	 record_to_add(struct buf *, const char *mailbox, const char *folder,
	    const char *flags);
/* Adds the envelope part. */
int	 record_env_write(struct buf *, const struct record_env *);
/* CM_ECORRUPT when it is not one.  Unknown lines are passed over. */
int	 record_env_parse(const char *p, size_t len, struct record_env *)
	    CM_MUST;
/*
 * A record without a message may take another one of the same volume back,
 * whose sender was told to try again: the line "cancel SEGMENT:OFFSET".
 */
#define RECORD_CANCEL_MAX 200		/* bytes of such an envelope part */
int	 record_cancel_write(struct buf *, const struct ulid *,
	    int64_t time_ms, uint32_t segment, uint32_t offset);
int	 record_cancel_parse(struct span, uint32_t *segment,
	    uint32_t *offset) CM_MUST;
/* The next mailbox/folder (percent-encoded) and its flags. */
bool	 record_to_next(struct span *to, struct span *entry,
	    struct span *flags);

#endif
