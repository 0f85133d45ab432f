/* The cluster as cluster.xml describes it; see cluster.xml(5).  Level 3. */
#ifndef CM_CONF_H
#define CM_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "format/priority.h"

#define CONF_NAME_MAX	63		/* letters, digits, - and _ */
#define CONF_VOLUMES_MAX 4096
#define CONF_NODES_MAX	1024
#define CONF_CATALOGS	7		/* nodes that keep one by default */
#define CONF_DOMAINS_MAX 65536
#define CONF_RULES_MAX	1024
#define CONF_COPIES_MAX	64		/* of one volume */
#define CONF_PATH_MAX	1024
#define CONF_SEGMENT_MIN ((uint64_t)64 << 10)
#define CONF_SEGMENT_MAX ((uint64_t)1 << 30)
#define CONF_SIZE_MAX	((uint64_t)1 << 30)	/* of a message */
#define CONF_TIMEOUT_MAX 3600000	/* ms */
#define CONF_PORT	2443		/* of cm-stored */
#define CONF_SESSIONS	500		/* of a service on a node, by default */
#define CONF_PER_CLIENT	50
#define CONF_PER_ACCOUNT 20	/* IMAP clients have some each */
#define CONF_RECIPIENTS	1000		/* RFC 5321 section 4.5.3.1.8: >= 100 */
#define CONF_NETWORKS_MAX 1024
#define CONF_FILTERS_MAX 64
#define CONF_RECORDS_MAX 65536		/* of the DNS */
#define CONF_ADDRESSES_MAX 16		/* of one node, for clients */
#define CONF_CAPACITY	100		/* of a node, by default */
#define CONF_CAPACITY_MAX 10000
#define CONF_PERCENT_MAX 100000

/* How one of several is chosen: of volumes, and of nodes in the DNS. */
enum conf_select {
	CONF_ROUND_ROBIN,
	CONF_RANDOM,
	CONF_LEAST_LOAD,
	CONF_WEIGHTED,
	CONF_STATIC
};
enum conf_short { CONF_REFUSE, CONF_DEGRADE };
/* Of two catalogs: does one go on without the other? */
enum conf_pair { CONF_AVAILABLE, CONF_SAFE };

/* TLS on the way to the smarthost; never less than what is asked for. */
enum conf_tls { CONF_TLS_STARTTLS, CONF_TLS_IMPLICIT, CONF_TLS_NONE };

struct conf_network {
	unsigned char address[16];	/* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;			/* of the 128 */
};

/* Where mail for other domains goes. */
struct conf_relay {
	char	*host;			/* NULL: nowhere */
	unsigned port;
	enum conf_tls tls;
	char	*ca;			/* file of CAs, NULL: the system's */
	char	*user;			/* NULL: no login */
	char	*password;		/* a file's name */
};

/* An address for clients; see conf_is_v4. */
struct conf_address {
	unsigned char b[16];		/* IPv4 as ::ffff:a.b.c.d */
};

struct conf_node {
	char	*name;
	char	*hostname;		/* in greetings; see conf_hostname */
	struct conf_address *public;	/* see conf_publics */
	size_t	 npublic;
	unsigned capacity;		/* beside that of others; >= 1 */
	char	*address;		/* may be NULL: its name is one */
	char	*state;			/* folder: catalog/ run/ spool/ */
	char	*tls;			/* folder: ca.pem node.pem node.key */
	unsigned port;			/* of its cm-stored */
	bool	 drain;			/* it is to leave the cluster */
};

struct conf_copy {
	char	*node;			/* name of a node */
	char	*path;			/* folder, absolute */
};

struct conf_volume {
	char		*name;
	char		*home;		/* name of a node */
	char		*path;		/* folder at the home, absolute */
	uint64_t	 segment;	/* largest segment, bytes */
	bool		 closed;	/* takes no new messages */
	unsigned	 places;	/* see drain.h; 0: not said */
	char		**labels;	/* by which rules name it */
	size_t		 nlabels;
	struct conf_copy *copies;
	size_t		 ncopies;
};

/* A message that fits goes to one of these volumes; the first rule wins. */
struct conf_rule {
	uint64_t	 min_size;	/* bytes; 0 when not given */
	uint64_t	 max_size;	/* bytes; UINT64_MAX when not given */
	bool		 any_priority;
	enum priority	 priority;	/* otherwise */
	char		**volumes;	/* those with the labels included */
	size_t		 nvolumes;
	char		**labels;
	size_t		 nlabels;
};

/* Somebody who is asked about each message; see filter.h. */
enum conf_filter_kind { CONF_CLAMD, CONF_PROGRAM };

struct conf_filter {
	enum conf_filter_kind kind;
	char		*name;		/* in the log and in header fields */
	char		*socket;	/* clamd: a Unix socket, or NULL */
	char		*host;		/* clamd: an IP address, or NULL */
	unsigned	 port;
	char		**command;	/* program: path, arguments, NULL */
	uint64_t	 max_size;	/* larger ones are not asked about */
	int		 timeout_ms;
	bool		 accept_away;	/* pass when nobody can be asked */
	bool		 disarm;	/* clamd: replace parts if it can be */
};

/* A record of the DNS as the file has it; see cluster.xml(5). */
struct conf_record {
	char		*name;		/* "@", "www", "www.example.org." */
	char		*type;		/* "TXT" */
	char		*data;		/* as in a zone file */
	unsigned	 ttl;		/* seconds */
	int		 line;
};

struct conf_dns {
	enum conf_select select;
	unsigned	 ttl;		/* of what changes, seconds */
	unsigned	 keep;		/* of what does not */
	unsigned	 misses;	/* polls in a row until it is down */
	unsigned	 answers;	/* and until it is up again */
	unsigned	 overload;	/* load from which it is left out, % */
	unsigned	 rate;		/* answers/s and network; 0: any */
	char		*contact;	/* NULL: hostmaster@ the domain */
	char		**ns;		/* name servers; none: the nodes */
	size_t		 nns;
	char		**access;	/* names for clients: "imap" */
	size_t		 naccess;
	struct conf_record *records;
	size_t		 nrecords;
};

struct conf {
	char		*file;		/* NULL: the embedded default */
	char		*name;		/* of the cluster, may be NULL */
	char		*self;		/* this node's name */
	char		**catalogs;	/* names of the nodes that keep it */
	size_t		 ncatalogs;	/* >= 1 */
	bool		 catalogs_given;	/* by name, in catalog= */
	enum conf_pair	 pair;		/* of two catalogs; else no matter */
	char		*witness;	/* name of a node, or NULL */
	const struct conf_node *node;	/* this node, one of nodes */
	char		**domains;	/* lower case; none: see conf_is_open */
	size_t		 ndomains;
	struct conf_node *nodes;
	size_t		 nnodes;
	struct conf_volume *volumes;
	size_t		 nvolumes;
	struct conf_rule *rules;
	size_t		 nrules;
	enum conf_select select;
	unsigned	 copies;	/* wanted, the home counted; >= 1 */
	int		 timeout_ms;	/* for that many copies */
	enum conf_short	 on_short;
	uint64_t	 max_size;	/* of a message, bytes */
	char		*certificate;	/* for clients; NULL: no TLS */
	char		*key;
	unsigned	 sessions;	/* of one service on a node */
	unsigned	 per_client;	/* of those, of one address */
	unsigned	 per_account;	/* of all services on a node */
	unsigned	 recipients;	/* of one message */
	struct conf_network *proxies;	/* who may send a PROXY header */
	size_t		 nproxies;
	struct conf_network *trusted;	/* who may relay without login */
	size_t		 ntrusted;
	struct conf_relay relay;
	struct conf_dns	 dns;
	struct conf_filter *filters;	/* in their order */
	size_t		 nfilters;
};

/*
 * Reads the configuration.  file: the -C option or NULL, then $CM_CLUSTER,
 * then /etc/clustermail/cluster.xml; when none of these is there, the
 * embedded default: node "local" (or as named), one volume v1 without copies
 * under ~/.clustermail ($CM_HOME names another folder).  node: the -n option
 * or NULL, then $CM_NODE, then the host name up to its first dot, then, when
 * the file has just one node, that one.  CM_ECONF with a line that names
 * file, line and what is wrong; CM_ENOINPUT when a named file is missing.
 */
int	 conf_load(const struct log *, const char *file, const char *node,
	    struct conf **) CM_MUST;
void	 conf_free(struct conf *);

/* No domains are named: those of the mailboxes added are the domains. */
bool	 conf_is_open(const struct conf *);
/* Is this one of the named domains (ASCII case ignored)? */
bool	 conf_has_domain(const struct conf *, const char *domain, size_t len);
const struct conf_volume *conf_volume(const struct conf *, const char *name,
	    size_t len);
/* NULL when there is no such node. */
const struct conf_node *conf_node(const struct conf *, const char *name,
	    size_t len);
/* Does this node keep the catalog? */
bool	 conf_has_catalog(const struct conf *);
/* Is this node the witness? */
bool	 conf_is_witness(const struct conf *);
/* Could it not do without that node: catalog= or witness= names it, or it is
 * alone? */
bool	 conf_names_catalog(const struct conf *, const char *node);
/*
 * How many copies, the home not counted, must have a record of this volume
 * before it counts; no more than there are.
 */
unsigned conf_copies_wanted(const struct conf *, const struct conf_volume *);
/* Does the volume take new messages, at its home? */
bool	 conf_takes_mail(const struct conf *, const struct conf_volume *);
/* Has the volume its home or a copy on that node?  NULL: on any. */
bool	 conf_is_on(const struct conf_volume *, const char *node);
bool	 conf_drains(const struct conf *, const char *node);
/* This node's name in greetings and Received: hostname=, else the host's name
 * with a domain, else NODE.DOMAIN with the first domain. */
int	 conf_hostname(const struct conf *, char *out, size_t n) CM_MUST;
/* The same of any node, as the DNS has it, which cannot ask that host. */
int	 conf_node_hostname(const struct conf *, const struct conf_node *,
	    char *out, size_t n) CM_MUST;
/* Is it ::ffff:a.b.c.d? */
bool	 conf_is_v4(const struct conf_address *);
/* Is the address in one of the networks? */
bool	 conf_in_network(const struct conf_network *, size_t n,
	    const unsigned char address[16]);
/* Does this node append to the volume? */
bool	 conf_is_home(const struct conf *, const struct conf_volume *);

#endif
