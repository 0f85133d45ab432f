/* mbox lines: From_ and its quoting (mboxrd).  Level 1. */
#ifndef CM_MBOX_H
#define CM_MBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * A From_ line (without its end): "From " sender, a date as by asctime, with
 * or without a zone.  *time_ms is -1 when the date is not understood; *sender
 * is the second word.  False when it is none.
 */
bool	 mbox_from(const char *line, size_t len, struct span *sender,
	    int64_t *time_ms);
/* Writes one with its LF; an empty sender becomes MAILER-DAEMON. */
int	 mbox_from_line(struct buf *, const char *sender, int64_t time_ms);
/*
 * Adds a message with LF line ends and From_ quoting (any ">*From " gets one
 * more >), and the empty line behind it.  CR of CRLF goes; a bare CR stays.
 */
int	 mbox_quote(struct buf *, const char *msg, size_t len);

#endif
