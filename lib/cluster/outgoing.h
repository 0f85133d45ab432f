/*
 * The spool "outgoing": mail for other domains, which cm-relay -q sends to the
 * smarthost of cluster.xml.  See cm-internals(7) for its files.  Level 3.
 */
#ifndef CM_OUTGOING_H
#define CM_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "cluster/conf.h"
#include "cluster/deliver.h"

#define OUTGOING_PARAM_MAX 600	/* bytes of one */

struct outgoing_rcpt {
	const char	*address;	/* canonical */
	const char	*notify;	/* RFC 3461 4.1: as given, or NULL */
	const char	*orcpt;		/* 4.2: as given, or NULL */
};

struct outgoing_msg {
	const char	*id;		/* ULID of no other record; NULL: new */
	const char	*sender;	/* canonical; "" is the null sender */
	const struct outgoing_rcpt *to;
	size_t		 n;		/* >= 1 */
	const char	*ret;		/* RFC 3461 4.3: FULL, HDRS or NULL */
	const char	*envid;		/* 4.4: as given (xtext), or NULL */
	bool		 utf8;		/* MAIL said SMTPUTF8 */
};

/*
 * Takes a message (lines ending with CRLF; a bare LF becomes one) for other
 * domains.  0: it is on this node's disk, and in the other places that the
 * policy asks for when d is given (NULL: not); from then on it will be sent,
 * or its sender hears that it cannot be.  Otherwise nothing was taken:
 * CM_EUSAGE when a recipient's domain is ours, or there is none; CM_EPERM when
 * there is no <relay>; CM_EDATA when a word has bytes it cannot have; CM_EEXIST
 * when this id waits already (it will be sent once); CM_ETOOBIG, CM_ESPACE,
 * CM_EIO, and those of deliver_message.  All but CM_EEXIST have a line.
 */
int	 outgoing_add(const struct log *, const struct conf *, struct deliver *,
	    const struct outgoing_msg *, const char *p, size_t len) CM_MUST;
/*
 * Starts "cm-relay -q" in the background, for what was just added.  Failures
 * are logged: cron does it then.  file and node: what conf_load was given.
 */
void	 outgoing_start(const struct log *, const struct conf *,
	    const char *file, const char *node);

#endif
