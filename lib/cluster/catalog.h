/* Talking to the catalog's agent on this node.  Level 3. */
#ifndef CM_CATALOG_H
#define CM_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/str.h"
#include "cluster/conf.h"
#include "format/address.h"

#define CATALOG_CALL_MS	 5000	/* for an answer; see catalog_call */
#define CATALOG_IDLE_S	 300	/* an agent started on demand goes after */

struct catalog;

/*
 * file and node: what conf_load was given, for the agent that is started when
 * none answers.  Connects at the first call.
 */
int	 catalog_open(const struct log *, const struct conf *,
	    const char *file, const char *node, struct catalog **) CM_MUST;
void	 catalog_close(struct catalog *);

/* One line of an answer; anything but 0 ends the call and is returned. */
typedef int	(*catalog_fn)(void *arg, struct span line);

/*
 * Asks: words ends with NULL.  body: lines that follow the request (a file
 * descriptor read to its end) or -1.  ms: the longest wait between two lines
 * of the answer, -1 for ever.  The answer's lines go to fn (NULL: dropped).
 * Returns the agent's code; its text, with a line to the log when it is not
 * one of the quiet ones (CM_ENOUSER, CM_ENOHOST).  When the agent dies before
 * it answered, another one is asked; a copy or a change of folders is CM_EAWAY
 * then: it may have been done.
 */
int	 catalog_call(struct catalog *, const char *const words[], int body,
	    int ms, catalog_fn, void *) CM_MUST;
/* The text of the last answer. */
const char *catalog_text(const struct catalog *);

/* The mailboxes an address means, one a line, added to out. */
int	 catalog_rcpt(struct catalog *, const char *address, struct buf *out)
	    CM_MUST;
/*
 * The same, and how many bytes their quotas leave: of the one with the most
 * room; UINT64_MAX when one has no quota.
 */
int	 catalog_rcpt_room(struct catalog *, const char *address,
	    struct buf *out, uint64_t *room) CM_MUST;
/*
 * Whose login name it is: the mailbox of that very name, no alias and without
 * +detail; and its verifiers, added to out (see sasl_complete).  CM_ENOUSER
 * when nobody can log in with it: mailbox is "" then, and they are made up.
 * CM_EAWAY, CM_EAGAIN, ...: nobody knows now.
 */
int	 catalog_verifier(struct catalog *, const char *login,
	    char mailbox[ADDRESS_MAX + 1], struct buf *out) CM_MUST;
/*
 * Many requests in one go: what the agent has not answered when it dies is
 * asked again.  Answers come in order, each with its code.
 */
struct catalog_ask {
	const char	*line;		/* request, without LF */
	struct buf	 answer;	/* first line of the answer */
	int		 code;
};
int	 catalog_ask_all(struct catalog *, struct catalog_ask *, size_t n)
	    CM_MUST;

/* A connection to this node's agent, which is started when it is not there. */
int	 catalog_dial(struct catalog *, int *fd) CM_MUST;
/* Is an agent there, without starting one? */
bool	 catalog_is_up(const struct catalog *);

/* Ends the agent, when there is one, and returns when it has ended. */
int	 catalog_stop(struct catalog *) CM_MUST;

#endif
