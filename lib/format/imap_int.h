/* Between the files that parse IMAP's commands. */
#ifndef CM_IMAP_INT_H
#define CM_IMAP_INT_H

#include "format/imap.h"

/* Where the parser is in a command. */
struct imap_in {
	const char	*p, *end;
	struct imap_command *cmd;
};

/* --- imap_arena.c --- */

/* Zeroed memory until imap_command_free, or NULL; imap_short tells why:
 * CM_ENOMEM or CM_ETOOBIG. */
void	*imap_alloc(struct imap_in *, size_t n);
int	 imap_short(struct imap_in *);
/*
 * The array itself, or a larger copy of it, so that there is room for one
 * element more than the n it has; what is there of it is zeroed.
 */
void	*imap_grow(struct imap_in *, const void *array, size_t n, size_t size);
/* Puts a set's memory into the arena.  Those in search keys are remembered for
 * imap_command_resolve, so the keys must stay where they are. */
enum imap_kind { IMAP_OF_NUMBERS, IMAP_OF_UIDS, IMAP_OF_NEITHER };
int	 imap_keep_set(struct imap_in *, struct imap_set *, enum imap_kind)
	    CM_MUST;

/* --- imap_word.c: words --- */

/* Says why, returns CM_EDATA. */
int	 imap_bad(struct imap_in *, const char *why);
/* The same for a limit, and CM_ETOOBIG. */
int	 imap_big(struct imap_in *, const char *why);
/* Is c next?  imap_take: and goes behind it. */
bool	 imap_next(const struct imap_in *, char c);
bool	 imap_take(struct imap_in *, char c);
/* Goes behind this text, in any case, when it is next: with what is behind it
 * no part of a word. */
bool	 imap_take_word(struct imap_in *, const char *);
int	 imap_blank(struct imap_in *) CM_MUST;
/*
 * For lists, whose "(" was read: 1: an element is next (n were read), 0: it was
 * the end, which is read.
 */
int	 imap_more(struct imap_in *, unsigned n, unsigned min) CM_MUST;
bool	 imap_take_list(struct imap_in *);	/* a blank, and "(" */
int	 imap_open(struct imap_in *) CM_MUST;
/* Letters, digits, "-" and ".", as names of items are; may be empty. */
struct span imap_word(struct imap_in *);
/* Which of these it is, in any case; n: none. */
size_t	 imap_find(struct span, const char *const *names, size_t n);
int	 imap_atom(struct imap_in *, struct span *) CM_MUST;
int	 imap_quoted(struct imap_in *, struct span *) CM_MUST;
/* A literal with all bytes. */
int	 imap_bytes(struct imap_in *, struct span *, bool *binary) CM_MUST;
int	 imap_text(struct imap_in *, struct span *) CM_MUST;	/* string */
int	 imap_astring(struct imap_in *, struct span *) CM_MUST;
int	 imap_nil(struct imap_in *, struct span *) CM_MUST;	/* nstring */
int	 imap_pattern(struct imap_in *, struct span *) CM_MUST;	/* of LIST */
int	 imap_number(struct imap_in *, uint64_t max, uint64_t *) CM_MUST;
/* A number over 0 of 32 bits. */
int	 imap_number_nz(struct imap_in *, uint32_t *) CM_MUST;
int	 imap_modseq(struct imap_in *, uint64_t *) CM_MUST;
int	 imap_read_set(struct imap_in *, struct imap_set *, enum imap_kind)
	    CM_MUST;

/* --- the others: arguments, the blank before them was not read --- */

int	 imap_flag_list(struct imap_in *, struct imap_flags *) CM_MUST;
int	 imap_args_fetch(struct imap_in *) CM_MUST;
int	 imap_args_store(struct imap_in *) CM_MUST;
int	 imap_args_search(struct imap_in *) CM_MUST;
int	 imap_search_keys(struct imap_in *) CM_MUST;
int	 imap_args_append(struct imap_in *) CM_MUST;
int	 imap_args_list(struct imap_in *) CM_MUST;
int	 imap_args_lsub(struct imap_in *) CM_MUST;
int	 imap_args_status(struct imap_in *) CM_MUST;
int	 imap_args_select(struct imap_in *) CM_MUST;
int	 imap_args_create(struct imap_in *) CM_MUST;
int	 imap_args_notify(struct imap_in *) CM_MUST;
/* Items in parentheses, the first of which was read. */
int	 imap_fetch_items(struct imap_in *) CM_MUST;

#endif
