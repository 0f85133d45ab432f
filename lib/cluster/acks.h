/*
 * How far a volume's copies are, as its shipper tells it in the memory of the
 * control file: who stores record after record learns there that the last one
 * is safe, without a word to the shipper.  Level 3.
 */
#ifndef CM_ACKS_H
#define CM_ACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "cluster/conf.h"
#include "cluster/control.h"
#include "cluster/volume.h"

/* --- the shipper; c may be NULL --- */

/* A sum of the copies' names and of what is asked for: who waits counts on the
 * same. */
uint32_t acks_copies(const struct conf *, const struct conf_volume *);
/* It begins: nothing is known of any copy. */
void	 acks_begin(struct control *c, uint32_t copies);
/*
 * The copies have all before these ends; 0 for nothing, and a bit in failing,
 * for one that is away.  What is acked is noted (vol_acked) before.
 */
void	 acks_tell(struct control *c, const struct vol_end *, size_t n,
	    uint64_t failing);
/* To be read before the log is looked at, for acks_nap. */
unsigned acks_asked(const struct control *c);
/* Sleeps until somebody asked since, or ms. */
void	 acks_nap(const struct control *c, unsigned asked, int ms);
void	 acks_ask(struct control *c);

/* --- who waits; one thread uses it --- */

struct acks {
	const struct conf *conf;
	const struct conf_volume *cv;
	struct control	*c;
	int		 fd;
	uint32_t	 copies;
};

void	 acks_init(struct acks *, const struct conf *,
	    const struct conf_volume *);
void	 acks_free(struct acks *);
/*
 * Has the shipper look for a record that was appended just now.  False when
 * there is none that tells, or too few copies to wait for.
 */
bool	 acks_begin_wait(struct acks *, unsigned copies);
/*
 * Until so many copies have all before the end, and for good.  False when that
 * cannot be said within ms.
 */
bool	 acks_wait(struct acks *, struct vol_end, unsigned copies, int ms);
/* The names of those that have it, each behind a comma. */
void	 acks_labels(const struct acks *, struct vol_end, struct buf *);
/* Was no record behind the beginning of this one taken back? */
bool	 acks_is_kept(const struct acks *, const struct place *);

#endif
