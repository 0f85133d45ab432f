/*
 * Mirroring: one shipper for a volume sends its log to all copies; whoever
 * needs records there waits at the shipper's socket.  Level 3.
 */
#ifndef CM_MIRROR_H
#define CM_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "cluster/conf.h"
#include "format/place.h"

/*
 * The shipper, "cm-mirror -S VOLUME": until nobody asked for idle_s seconds
 * and all copies that can be reached have everything.  0 at once when there
 * is one already.
 */
int	 mirror_serve(const struct log *, const struct conf *,
	    const struct conf_volume *, int idle_s) CM_MUST;

struct mirror {
	const struct log *log;
	const struct conf *conf;
	const char	*file;		/* as conf_load was given */
	const char	*node;
	unsigned	 copies;	/* wanted, the home counted */
};

/*
 * Filter: receipts from fd in; those whose records are on enough copies go
 * to fd out, with the copies named.  Where there are too few in time, the
 * policy decides: CM_ESHORT at the end and no line, or a line with what there
 * is.  CM_EDATA names the input line that is no receipt; it is skipped.
 */
int	 mirror_filter(const struct mirror *, int in, int out) CM_MUST;
/*
 * The same for one record at home here: labels gets the names of the places
 * that have it, with commas.  CM_ESHORT when there are too few in time, by
 * either policy.
 */
int	 mirror_one(const struct mirror *, const struct place *,
	    struct buf *labels) CM_MUST;

/*
 * Whoever got CM_ESHORT and refuses the message calls this first, so that it
 * is not listed when its copies come back: its sender will try again.
 * CM_EEXIST when they have it by now.
 */
int	 mirror_take_back(const struct mirror *, const struct place *) CM_MUST;

/*
 * The same with kept connections to the shippers, for whoever stores many
 * records one after the other.  One thread uses it; SIGPIPE is to be ignored.
 * The struct mirror has to stay.
 */
struct mirror_line;

int	 mirror_line_open(const struct mirror *, struct mirror_line **)
	    CM_MUST;
void	 mirror_line_close(struct mirror_line *);
/*
 * Best between append and sync: the copies get the record while it is brought
 * to the home's disk.  mirror_line_wait is for the same place then.  What
 * fails here is tried again there.
 */
void	 mirror_line_ask(struct mirror_line *, const struct place *);
int	 mirror_line_wait(struct mirror_line *, const struct place *,
	    struct buf *labels) CM_MUST;
/*
 * As mirror_line_wait, and the policy behind it.  With degrade what there is
 * counts: *few is true then, and the log has a line.  With refuse another node
 * may store the record: place and labels are those then.  CM_ESHORT when that
 * failed too; the record was taken back, so its sender may try again.
 */
int	 mirror_line_settle(struct mirror_line *, struct place *,
	    struct buf *labels, bool *few) CM_MUST;

/* How far a copy of a volume at home here is behind. */
struct mirror_lag {
	char		 volume[CONF_NAME_MAX + 1];
	char		 label[CONF_NAME_MAX + 9];
	uint64_t	 bytes;
	int64_t		 ms;		/* since it had everything */
	bool		 up;
};

/*
 * The lags of all copies, as their shippers tell them (which are started when
 * need be); an array to be freed.  One that does not answer has its copies
 * left out, with a line to the log; a home that is not there, or an old one,
 * without.
 */
int	 mirror_lags(const struct mirror *, struct mirror_lag **, size_t *n)
	    CM_MUST;
/*
 * The lags as lines "volume TAB copy TAB bytes TAB seconds TAB up|down" to a
 * file descriptor.
 */
int	 mirror_status(const struct mirror *, int out) CM_MUST;
/*
 * Has the shipper of a volume at home here (started when need be) look at what
 * its copies have: one of them was changed by another.
 */
int	 mirror_start(const struct mirror *, const struct conf_volume *)
	    CM_MUST;
/*
 * Records that wait for copies count only when a shipper brings them there: if
 * there are any, starts the shipper of a volume at home here, every some
 * seconds.  Failures are logged.  The struct is all zeros first, one for each
 * volume.
 */
struct mirror_wake {
	int64_t		 since_ms, tried_ms;
};
struct volume;
void	 mirror_wake(struct mirror_wake *, const struct log *,
	    const struct conf *, struct volume *);
/* Waits until every copy of each volume at home here has everything. */
int	 mirror_all(const struct mirror *) CM_MUST;

#endif
