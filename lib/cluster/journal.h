/*
 * What readers changed, a line each, on disk before they are told that it is
 * done: for a catalog that is built again behind a dump, and for the loser of
 * a split pair.  The form is in cm-internals(7).  Level 3.
 */
#ifndef CM_JOURNAL_H
#define CM_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"

struct journal;

/* Opens STATE/catalog.journal, made when missing; an end that is no line, of
 * a writer that was killed, is cut off. */
int	 journal_open(const struct log *, const char *state,
	    struct journal **) CM_MUST;
void	 journal_close(struct journal *);

/*
 * Appends notes, lines of ORIGIN TAB KIND TAB fields: all of them or none.
 * They are on disk when it returns 0; UIDs alone need not be, as long as this
 * node does not lead alone.
 */
int	 journal_append(struct journal *, const struct buf *notes) CM_MUST;
/* All that was appended so far is committed, or undone for good. */
void	 journal_done(struct journal *);
/* From here on what is done has this number: this node leads alone.  0: not
 * any more.  The same again changes nothing. */
int	 journal_alone(struct journal *, uint64_t fork) CM_MUST;
/* Changes of readers with that number; uids lines are not counted. */
uint32_t journal_changes(struct journal *);
/*
 * A dump was made of all that is done so far: what is before the dump before
 * it goes.  While this node leads alone nothing goes.
 */
void	 journal_dumped(struct journal *);

struct journal_line {
	uint64_t	 number;
	int64_t		 time_ms;
	uint64_t	 fork;		/* led alone then; 0: no */
	uint64_t	 origin;	/* replayed from that journal; 0: no */
	struct span	 kind;
	struct span	 fields;	/* behind the kind */
	struct span	 note;		/* from origin on */
};

/* Anything but 0 ends the walk and is returned. */
typedef int	(*journal_fn)(void *arg, const struct journal_line *);
/* All lines, the oldest first; damaged ones are named and passed over. */
int	 journal_walk(struct journal *, journal_fn, void *) CM_MUST;
/*
 * Those with that number, and before them what was not known to be committed
 * when it began.
 */
int	 journal_walk_part(struct journal *, uint64_t fork, journal_fn,
	    void *) CM_MUST;
/* From the first of those on, to the end; CM_ENOINPUT: there is none. */
int	 journal_walk_since(struct journal *, uint64_t fork, journal_fn,
	    void *) CM_MUST;
/* Adds such a line, with its LF: of l its number, time, fork and note. */
int	 journal_write(struct buf *, const struct journal_line *);
/* A change of readers or administrators, or else a mark, or uids? */
bool	 journal_is_change(struct span kind);
/* All of its lines, behind each other, as they are. */
int	 journal_copy(struct journal *, int fd) CM_MUST;
/* Appends a load: what is done from here on is of catalog now, which was at
 * batch of another one. */
int	 journal_loaded(struct journal *, uint64_t now, uint64_t was,
	    uint64_t batch) CM_MUST;
/* A line of a journal, or of a part of one, without LF; CM_EDATA. */
int	 journal_parse(struct span, struct journal_line *) CM_MUST;

/* Fields of a note: a tab, and text, "-" when there is none, "%2D" for "-". */
void	 journal_field(struct buf *, struct span);
void	 journal_text(struct buf *, const char *);
void	 journal_number(struct buf *, uint64_t);
void	 journal_id(struct buf *, uint64_t);
/* The next field of *rest, decoded into b (reset first); CM_EDATA. */
int	 journal_take(struct span *rest, struct buf *b) CM_MUST;
int	 journal_take_number(struct span *rest, uint64_t *) CM_MUST;
int	 journal_take_id(struct span *rest, uint64_t *) CM_MUST;

#endif
