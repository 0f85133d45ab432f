/* What the status*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_STATUS_INT_H
#define CM_STATUS_INT_H

#include "cluster/load.h"
#include "cluster/status.h"

#define STATUS_WHY_MAX	400
#define STATUS_SIZE	24	/* of a size or time in words */

enum level { LEVEL_WELL, LEVEL_NOTE, LEVEL_WRONG };

struct problem {
	enum level	 level;
	size_t		 nr;		/* in which order they were found */
	char		*text;
};

struct node_status {
	const struct conf_node *cn;
	int		 rc;		/* not 0: it did not answer */
	char		 why[STATUS_WHY_MAX];
	int64_t		 ms;		/* that the answer took */
	struct load	 load;
	enum level	 level;		/* the worst thing about it */
};

/* A place of a volume: its home or a copy. */
struct place_status {
	const struct conf_volume *cv;
	int		 index;		/* of the mirroring table; -1: home */
	const char	*node;		/* name */
	char		 label[CONF_NAME_MAX + 9];
	const struct load_place *there;	/* NULL: its node did not say */
	const struct mirror_lag *lag;	/* of a copy; NULL: its home did not */
	enum level	 level;
};

struct catalog_status {
	int		 rc;		/* not 0: it did not answer */
	char		 why[STATUS_WHY_MAX];
	char		 state[64];	/* "ok", "being built", ... */
	char		 node[CONF_NAME_MAX + 1];	/* that answered */
	char		 leader[CONF_NAME_MAX + 1];	/* "-": none */
	char		 alone[128];	/* who, of two; "": nobody */
	char		 witness[CONF_NAME_MAX + 1];	/* "": there is none */
	char		 vote[8];	/* the witness: "here", "away", "new" */
	char		 newest[CONF_NAME_MAX + 1];	/* the node that alone
					 * may have the newest; "-" */
	uint64_t	 mailboxes, messages, bytes, gaps;
	uint64_t	 behind;	/* bytes of volumes, not indexed yet */
	enum level	 level;
	/* for each volume: bytes indexed, and the last cursor */
	struct indexed {
		uint64_t	 bytes;
		uint32_t	 last, end;
	}		*indexed;
};

struct status {
	const struct conf *conf;
	int64_t		 now_ms;
	struct node_status *node;	/* as in conf->nodes */
	size_t		 nnodes;
	struct place_status *place;	/* by volume, the home first */
	size_t		 nplaces;
	struct catalog_status catalog;
	struct problem	*problem;	/* the worst first */
	size_t		 nproblems;
	size_t		 nwrong;	/* of them */
};

/* status_find.c: fills in problem, and the levels. */
int	 status_find(struct status *) CM_MUST;

/* status_words.c */
void	 words_size(char out[STATUS_SIZE], uint64_t bytes);	/* "1.5G" */
void	 words_span(char out[STATUS_SIZE], uint64_t seconds);	/* "2 min" */
void	 words_time(char out[STATUS_SIZE], int64_t ms);	/* UTC */
/* "2 h ago, clean" */
void	 words_scrub(char out[3 * STATUS_SIZE], const struct status *,
	    const struct load_scrub *);
/* "3 things are wrong", "all is well" */
void	 words_sum(char out[3 * STATUS_SIZE], const struct status *);
const char *words_level(enum level);		/* "well", "note", "wrong" */
const char *words_cluster(const struct status *);	/* its name */
/* "up", "gone", "down", ...: of a place. */
const char *words_place(const struct place_status *);
/* What an XML text or attribute may hold; anything else becomes '?'. */
void	 words_xml(struct buf *, const char *);
/* Waiting and failed files of all spools of a node. */
void	 words_spools(const struct load *, uint64_t *waiting,
	    uint64_t *failed);
/* The disk of a node that has least left, of all; NULL: none. */
const struct load_disk *words_disk(const struct load *);
/* How much of a disk is used, in percent. */
unsigned words_used(const struct load_disk *);

#endif
