/* A volume's control file: what its writers share in memory.  Level 3. */
#ifndef CM_CONTROL_H
#define CM_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"
#include "base/log.h"

#define CONTROL_BOOT	40
#define CONTROL_COPIES	64

enum control_state { CONTROL_READY = 1, CONTROL_BROKEN = 2 };

/*
 * It lives in the page cache and is worth nothing after a reboot: the boot id
 * tells.  Ends are segment << 32 | offset.
 */
struct control {
	char		 magic[8];
	uint32_t	 version;
	uint32_t	 size;
	char		 boot[CONTROL_BOOT];
	_Atomic uint32_t state;
	_Atomic uint64_t committed;
	_Atomic uint64_t synced;
	_Atomic uint32_t sync_gen;	/* moves on with synced: a futex */
	struct shlock	 append;
	struct shlock	 sync;
	struct shlock	 ack;		/* guards what follows */
	_Atomic uint64_t acked;		/* before it, enough copies have it */
	_Atomic uint64_t hold_from;	/* acked does not stop between these: */
	_Atomic uint64_t hold_to;	/* a record's start, its cancel's end */
	_Atomic uint64_t cancelled;	/* what ends behind it never was */
	uint64_t	 made;		/* before it, all counts since then */
	/* acks.h: what the shipper tells */
	_Atomic uint32_t ask_gen;	/* who waits for copies: a futex */
	_Atomic uint32_t ack_gen;	/* moves on with ends: a futex */
	_Atomic uint32_t copies;	/* a sum of their names in its order */
	_Atomic int64_t	 told_ms;	/* when it told last, monotonic; or 0 */
	_Atomic uint64_t failing;	/* bits: the copies it cannot reach */
	_Atomic uint64_t ends[CONTROL_COPIES];
};

/* Maps dir/control.  CM_ESTALE when there is none for this boot. */
int	 control_map(const struct log *, const char *dir, struct control **,
	    int *fd) CM_MUST;
void	 control_unmap(struct control *, int fd);
/* Is it still the one under its name in dir, and in order? */
bool	 control_is_current(const struct control *, int fd,
	    const char *dir);
/* Puts a new one in place. */
int	 control_make(const struct log *, const char *dir, uint64_t end)
	    CM_MUST;

#endif
