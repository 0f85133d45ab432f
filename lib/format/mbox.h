/* mbox: From_ lines, their quoting (mboxrd), and reading one.  Level 1. */
#ifndef CM_MBOX_H
#define CM_MBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define MBOX_FROM_MAX	1024	/* a longer line is no From_ line */

/*
 * A From_ line (without its end): "From " sender, a date as by asctime, with
 * or without seconds, with a zone before or behind the year or none (then
 * UTC), and whatever text behind that.  *time_ms is -1 when it has the form
 * of a date but is none; *sender is the second word, and may be empty.  False
 * when it is no such line; nothing is set then.
 */
bool	 mbox_from(const char *line, size_t len, struct span *sender,
	    int64_t *time_ms);
/*
 * Writes one with its LF; an empty sender becomes MAILER-DAEMON, blanks and
 * controls in it become _, and what mbox_from would not take is cut.
 */
int	 mbox_from_line(struct buf *, const char *sender, int64_t time_ms);
/*
 * Adds a message with LF line ends and From_ quoting (any ">*From " gets one
 * more >), and the empty line behind it.  CR of CRLF goes; a bare CR stays.
 * A last line without an end gets one.
 */
int	 mbox_quote(struct buf *, const char *msg, size_t len);

/* What is known of a message from its From_ line. */
struct mbox_head {
	char		 sender[MBOX_FROM_MAX];	/* "" unknown */
	int64_t		 time_ms;		/* -1 unknown */
	uint64_t	 line;			/* counted from 1 */
};

/*
 * Reads an mbox from pieces of any size, keeping one message at most.  The
 * fields are for mbox.c, but cur.line may be read for error messages.
 */
struct mbox_reader {
	struct buf	 text;	/* the message and a part of a line */
	size_t		 max;
	size_t		 start;	/* where that line starts */
	size_t		 blank;	/* length of the empty line before it, or 0 */
	uint64_t	 line;	/* lines seen */
	struct mbox_head cur;
	struct mbox_head next;
	enum { MBOX_OUTSIDE, MBOX_INSIDE, MBOX_GIVEN, MBOX_ENDED } state;
};

/* max: the largest message in bytes.  Allocates nothing. */
void	 mbox_reader_init(struct mbox_reader *, uint64_t max);
void	 mbox_reader_free(struct mbox_reader *);
/*
 * Takes bytes from the front of *in up to the end of the next message, which
 * is then in *msg (without one > of each quoted line; line ends as found) with
 * its From_ line in cur, both until the next call.  The empty line before the
 * next From_ line and at the end belongs to no message.  A From_ line counts
 * at the start and after an empty line.
 * CM_EAGAIN: all of *in was taken, call again with more; last says that no
 * more comes, and then it's CM_EEND after the last message.  CM_EDATA: the
 * first line is no From_ line.  CM_ETOOBIG: the message of cur is over max.
 * CM_ENOMEM.  After a failure there is nothing but to free it.
 */
int	 mbox_next(struct mbox_reader *, struct span *in, bool last,
	    struct span *msg) CM_MUST;

#endif
