/* SORT and THREAD: RFC 5256.  Level 1. */
#ifndef CM_SORT_H
#define CM_SORT_H

#include <stdint.h>

#include "format/imap.h"

/* The base subject (section 2.1) of an unfolded subject, folded for comparison
 * (charset_fold); *reply: it was one, or a forward. */
int	 sort_subject(struct span subject, struct buf *, bool *reply) CM_MUST;

/* A message to be sorted; strings are the caller's, and stay. */
struct sort_message {
	uint32_t	 number;	/* what is answered: number or UID */
	uint32_t	 seq;		/* the order where all else is equal */
	int64_t		 arrival_ms;
	int64_t		 sent_ms;	/* section 2.2; arrival when none */
	uint32_t	 size;
	struct span	 cc, from, to;	/* folded local part of the first one */
	struct span	 subject;	/* base, folded */
	bool		 reply;		/* its subject was one */
	struct span	 message_id;	/* normalized, without < >; may be "" */
	struct span	 references;	/* ids, blanks between: References, or
					 * the first of In-Reply-To */
};
/*
 * Fills cc, from, to, subject, reply, sent_ms, message_id and references (the
 * latter only of In-Reply-To) from an ENVELOPE as mime_envelope writes it; the
 * bytes go into text, which has to be one per list: offsets are fixed by
 * sort_settle, when all are in.  header: bytes of the header, or NULL: for
 * References.
 */
int	 sort_fill(struct sort_message *, struct span envelope,
	    struct span header, struct buf *text) CM_MUST;
void	 sort_settle(struct sort_message *, size_t n, const struct buf *text);

void	 sort_messages(struct sort_message *, size_t n,
	    const struct imap_sort_key *, unsigned nkeys);
/* Adds "(2)(3 6 (4 23)(44 7 96))".  Messages come in the order of their seq. */
int	 thread_references(const struct sort_message *, size_t n, struct buf *)
	    CM_MUST;
int	 thread_subject(const struct sort_message *, size_t n, struct buf *)
	    CM_MUST;

#endif
