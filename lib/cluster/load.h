/*
 * What a node says of itself: load, disks, places of volumes, lags, spools,
 * the last scrub.  cm-stored tells it, cm-status looks at it.  Level 3.
 */
#ifndef CM_LOAD_H
#define CM_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "cluster/conf.h"
#include "cluster/mirror.h"
#include "cluster/nodes.h"

#define LOAD_ROWS_MAX	65536	/* disks, places, lags or spools of a node */
#define LOAD_TEXT_MAX	(1u << 20)	/* bytes of it as text */
#define LOAD_WORD_MAX	255
#define LOAD_NAME_MAX	31	/* bytes of a service's name */
#define LOAD_FINDINGS_MAX 8	/* lines of the last scrub that are passed on */

/* A file system that the node uses. */
struct load_disk {
	uint64_t	 free, total;		/* bytes; free for this user */
	char		 holds[LOAD_WORD_MAX + 1];	/* "state v1 v2" */
};

/* The home (index -1) or copy number index of a volume, on this node. */
struct load_place {
	char		 volume[CONF_NAME_MAX + 1];
	int		 index;
	bool		 old;		/* a home, made anew elsewhere since */
	uint32_t	 epoch;		/* 0: nothing is there */
	uint32_t	 segments;
	uint64_t	 bytes;		/* of all segments */
	uint32_t	 last, end;	/* the last segment, and its length */
	uint64_t	 free;		/* bytes of its disk; not parsed */
};

struct load_spool {
	char		 name[LOAD_WORD_MAX + 1];
	uint64_t	 waiting, failed;	/* files in new/ and failed/ */
};

/* The last cm-rebuild check of the node; end_ms 0: there was none. */
struct load_scrub {
	int64_t		 end_ms;
	uint64_t	 seconds;	/* that it took */
	uint64_t	 found, left;	/* things wrong, and wrong still */
	char		 finding[LOAD_FINDINGS_MAX][LOAD_WORD_MAX + 1];
	size_t		 nfindings;
};

/* A program that serves clients, with all of its workers. */
struct load_service {
	char		 name[LOAD_NAME_MAX + 1];	/* "smtpd" */
	uint64_t	 sessions, limit;
};

/* What an admin has said of a node. */
struct load_set {
	char		 node[CONF_NAME_MAX + 1];
	struct nodes_said said;
};

struct load {
	char		 node[CONF_NAME_MAX + 1];
	double		 load;		/* of one minute; see getloadavg(3) */
	uint64_t	 processors;
	uint64_t	 sessions;	/* connections to cm-stored */
	struct load_service *service;
	size_t		 nservices;
	uint64_t	 delay_ms;	/* until a message is acknowledged */
	uint64_t	 space;		/* bytes free where it puts mail */
	struct load_set	*set;
	size_t		 nsets;
	struct load_disk *disk;
	size_t		 ndisks;
	struct load_place *place;
	size_t		 nplaces;
	struct mirror_lag *lag;		/* of the volumes at home here */
	size_t		 nlags;
	struct load_spool *spool;
	size_t		 nspools;
	struct load_scrub scrub;
};

/*
 * Fills it in for this node (sessions stays 0).  file and node: what conf_load
 * was given, for shippers that are started to tell lags.  What cannot be had
 * is left out, with a line to the log.
 */
int	 load_gather(const struct log *, const struct conf *,
	    const char *file, const char *node, struct load *) CM_MUST;
/*
 * Only what is worth knowing every few seconds: all but disks, places, lags,
 * spools and the scrub.  It is cheap.
 */
int	 load_brief(const struct log *, const struct conf *, struct load *)
	    CM_MUST;
void	 load_free(struct load *);

/*
 * How busy the node is, in percent of what it can do: of one minute's load the
 * share of its processors, of the busiest service the share of the sessions
 * that it may have, and the delay of acknowledgements, where LOAD_DELAY_MS are
 * 100 %; these three added.
 */
#define LOAD_DELAY_MS	1000
double	 load_percent(const struct load *);
/* Sessions of all its services. */
uint64_t load_clients(const struct load *);

/*
 * As lines "word value ...", see cm-stored(8), and back: words that are not
 * known are skipped; CM_EPROTO for a line that is not as it should be, CM_EDATA
 * when there is no node line.  A finding is printable ASCII after that.
 */
void	 load_write(const struct load *, struct buf *);
int	 load_parse(struct load *, struct span text) CM_MUST;
/* The same in Prometheus' text format. */
void	 load_metrics(const struct load *, struct buf *);

/*
 * STATE/last-scrub holds its lines of load_write.  Put in place whole; a check
 * that was cut off leaves what was there.
 */
int	 load_scrub_note(const struct log *, const struct conf *,
	    const struct load_scrub *) CM_MUST;
/* Adds a finding; only the first ones are kept, all are counted. */
void	 load_scrub_add(struct load_scrub *, struct span line);

#endif
