/*
 * Frames between the agents that keep the catalog, and the witness: four bytes
 * of length, highest first, of what follows: a byte of kind, and the rest.
 *	S  role, joined, stands (a byte each); ballot, data, end of its log
 *	   (file, offset), generation, place (file, offset): u32; alone, seen,
 *	   offer, level: u64; changes: u32
 *	D  length of the control part (u32), that part, the record
 *	L  end of the log (file, offset), u32: take the lead
 *	W  joined, alone (a byte each); ballot, the ballot and the number of the
 *	   last order: u32; a name.  See witness.h
 * Level 1.
 */
#ifndef CM_FRAME_H
#define CM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define FRAME_HEAD	4
#define FRAME_MAX	(64u << 20)	/* bytes behind the head */
#define FRAME_ROLES	3
#define FRAME_NAME_MAX	63

/* A place in a log. */
struct frame_place {
	uint32_t	 file, offset;
};

struct frame_state {
	uint8_t		 role;		/* below FRAME_ROLES */
	bool		 joined, stands;
	uint32_t	 ballot, data;
	struct frame_place end;
	uint32_t	 generation;
	struct frame_place at;
	uint64_t	 alone, seen, offer, level;	/* of two nodes */
	uint32_t	 changes;
};

struct frame_witness {
	bool		 joined, alone;
	uint32_t	 ballot, by, number;
	char		 name[FRAME_NAME_MAX + 1];
};

/* Spans point into what was parsed. */
struct frame {
	char		 kind;
	struct frame_state state;	/* S */
	struct span	 control, rec;	/* D */
	struct frame_place end;		/* L */
	struct frame_witness witness;	/* W */
};

/*
 * The first frame in p.  *used: its bytes, 0 when it is not whole yet.
 * CM_EPROTO when it is none, or longer than FRAME_MAX.
 */
int	 frame_parse(const char *p, size_t len, struct frame *, size_t *used)
	    CM_MUST;

/* Each adds a frame. */
void	 frame_add_state(struct buf *, const struct frame_state *);
void	 frame_add_data(struct buf *, struct span control, struct span rec);
void	 frame_add_lead(struct buf *, struct frame_place end);
void	 frame_add_witness(struct buf *, const struct frame_witness *);

#endif
