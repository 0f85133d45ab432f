/* What the dnsd*.c files share; nobody else includes it.  Level 4. */
#ifndef CM_DNSD_INT_H
#define CM_DNSD_INT_H

#include "adapter/siphash.h"
#include "cluster/zoneview.h"
#include "protocol/dnsd.h"

#define DNSD_BUCKETS	16384u	/* of answers that are kept */
#define DNSD_WAYS	4
#define DNSD_KEPT_MAX	((size_t)64 << 20)	/* bytes of them */

/*
 * An answer made ahead: what comes behind the header and the question, and
 * what changes in it from one turn to the next.  Pointers to names hold in
 * every message, as each has the same question.
 */
struct dnsd_answer {
	struct dns_name	 name;
	unsigned	 type;
	unsigned	 code;		/* ns_r_noerror, ... */
	bool		 authority;	/* the AA bit */
	bool		 keep;		/* its name is there: those that are not
					   have no end */
	bool		 negative;
	unsigned char	*body;
	size_t		 len;		/* answer and authority */
	size_t		 all;		/* with the additional section */
	unsigned	 count[3];	/* of records in the three sections */
	/* MX: where the preference of node[i] is, at at[i]; addresses: their
	 * places, and those of node i: value[from[i]] up to from[i + 1] */
	enum zone_turn	 turn;
	_Atomic uint64_t *counter;
	uint16_t	*at;
	uint16_t	*from;		/* choose.n + 1 */
	unsigned char	*value;		/* n of size bytes */
	size_t		 n, size;
	size_t		 memory;	/* bytes of all this */
};

struct dnsd {
	const struct log *log;
	const struct conf *conf;
	struct dnsd_limit *limit;
	struct zoneview	 view;
	int64_t		 looked_ms;
	int64_t		 now_s;		/* wall clock */
	unsigned char	 secret[SIPHASH_KEY];
	struct dnsd_answer *kept[DNSD_BUCKETS][DNSD_WAYS];
	size_t		 kept_size;	/* bytes of them all */
	unsigned	 next;		/* which one of a bucket goes next */
	struct dnsd_answer *scratch;	/* the last one that was not kept */
};

/* --- dnsd_make.c --- */

/*
 * Makes it from the zones; of what does not fit in a message, ns_r_servfail,
 * with a line.  CM_ENOMEM.
 */
int	 dnsd_make(struct dnsd *, const struct dns_name *, unsigned type,
	    struct dnsd_answer **) CM_MUST;
void	 dnsd_answer_free(struct dnsd_answer *);

/* --- dnsd_cookie.c: RFC 7873, in the form of RFC 9018 --- */

/* The node's secret, made when there is none; when it cannot be kept, this
 * process has one of its own. */
int	 dnsd_secret(const struct log *, const struct conf *,
	    unsigned char out[SIPHASH_KEY]) CM_MUST;
/* Has the client sent one that we gave it?  out: the one it is to have. */
bool	 dnsd_cookie(const struct dnsd *, const struct dns_query *,
	    const struct dnsd_client *, unsigned char out[DNS_COOKIE]);

/* --- dnsd_limit.c --- */

enum dnsd_verdict { DNSD_ANSWER, DNSD_TRUNCATE, DNSD_DROP };
enum dnsd_verdict dnsd_limit(struct dnsd_limit *, unsigned rate,
	    const unsigned char ip[16], bool negative, int64_t now_s);

#endif
