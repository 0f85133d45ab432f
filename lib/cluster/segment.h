/*
 * A folder of segments: what a volume's home and its copies have in common.
 * See cm-internals(7).  Level 3.
 */
#ifndef CM_SEGMENT_H
#define CM_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/log.h"
#include "format/place.h"
#include "format/record.h"

#define SEG_NODE_MAX	63		/* as CONF_NAME_MAX */
#define SEG_NAME_SIZE	13		/* 00000001.seg and a NUL */

enum seg_role {
	SEG_UNSAID,	/* made before this was written down */
	SEG_HOME,	/* of the node named beside it */
	SEG_COPY
};

/* The file "volume" in every such folder: what it is a copy of. */
struct seg_meta {
	char		 name[PLACE_VOLUME_MAX + 1];
	uint32_t	 salt;		/* see record.h */
	uint32_t	 epoch;		/* raised when a home is made anew */
	enum seg_role	 role;		/* what the folder is */
	char		 node[SEG_NODE_MAX + 1];	/* of SEG_HOME */
};

/* CM_ENOINPUT without a line when there is none. */
int	 seg_meta_read(const struct log *, const char *dir, struct seg_meta *)
	    CM_MUST;
int	 seg_meta_write(const struct log *, const char *dir,
	    const struct seg_meta *) CM_MUST;
/* "home NODE" or "copy", as the file has it; nothing for SEG_UNSAID. */
int	 seg_role_write(struct buf *, const struct seg_meta *) CM_MUST;
int	 seg_role_parse(struct seg_meta *, struct span) CM_MUST;
/*
 * Is the folder a home?  Where it is unsaid, the control file tells: no copy
 * ever had one.
 */
bool	 seg_is_home(const char *dir, const struct seg_meta *);

void	 seg_name(char out[SEG_NAME_SIZE], uint32_t segment);
/*
 * The numbers of the segments in a folder, rising, in an array for the caller
 * to free (NULL when there are none).
 */
int	 seg_list(const struct log *, const char *dir, uint32_t **, size_t *n)
	    CM_MUST;
/* Opens a segment; CM_ENOINPUT without a line when there is none. */
int	 seg_open(const struct log *, const char *dir, uint32_t segment,
	    int flags, int *fd) CM_MUST;
/* Bytes in a segment's file; CM_ENOINPUT without a line. */
int	 seg_size(const struct log *, const char *dir, uint32_t segment,
	    uint32_t *size) CM_MUST;

/* What a scan tells of each stretch of a segment. */
enum seg_what {
	SEG_RECORD,	/* a whole record, checksums right */
	SEG_UNREAD,	/* a record; not all of it was asked to be checked */
	SEG_DAMAGED,	/* a record by its header, but its bytes are wrong */
	SEG_HOLE,	/* bytes that are no record, before a next one */
	SEG_TAIL	/* bytes that are no record, up to the end */
};

struct seg_item {
	enum seg_what	 what;
	uint32_t	 offset;
	uint32_t	 length;
	struct record_head head;
	const char	*env;		/* of records; valid during the call;
					 * NULL when it was not read */
};

/* Anything but 0 ends the scan and is returned. */
typedef int	(*seg_fn)(void *arg, const struct seg_item *);

struct seg_scan {
	int		 fd;
	uint32_t	 salt;
	uint32_t	 segment;
	uint32_t	 from;		/* where a record begins */
	uint32_t	 to;		/* where the segment ends */
	bool		 messages;	/* check the messages' bytes too */
	bool		 brief;		/* look only at headers, and at the
					 * envelopes of empty messages */
	seg_fn		 fn;
	void		*arg;
};

/* Walks from .from to .to in one pass; a damaged stretch is searched for the
 * next record, so nothing behind it is lost. */
int	 seg_scan(const struct log *, const struct seg_scan *) CM_MUST;

#endif
