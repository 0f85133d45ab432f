/* What cm-route's commands about the DNS do; each writes fd 1.  Level 3. */
#ifndef CM_ZONETOOL_H
#define CM_ZONETOOL_H

#include "cluster/tool.h"

/*
 * The domain's MX as the next answer has them, the first choice first: a
 * preference, a blank and a host name a line.  CM_ENOHOST for a domain that is
 * not ours.
 */
int	 zonetool_mx(struct tool *, int argc, char **argv) CM_MUST;
/* The domain as a zone file, RFC 1035 section 5, with the time as serial. */
int	 zonetool_zone(struct tool *, int argc, char **argv) CM_MUST;
/*
 * What nsupdate(1) must be told so that a server has what the domain's next
 * answers have; nothing when it has.  server: who is asked, an IP address, or
 * NULL: nobody, and all is told anew.  SOA and NS are the server's own.
 * CM_EAWAY, CM_ETIMEOUT, CM_EPERM: it was asked and said nothing, or no.
 */
int	 zonetool_nsupdate(struct tool *, const char *domain,
	    const char *server, unsigned port) CM_MUST;
/*
 * PowerDNS's pipe backend, versions 1 to 5 of its protocol, on fds 0 and 1
 * until the input ends.
 */
int	 zonetool_pdns(struct tool *, int argc, char **argv) CM_MUST;

#endif
