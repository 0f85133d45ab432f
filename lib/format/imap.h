/*
 * IMAP's commands: from the bytes of a whole command, its literals included,
 * to a struct.  RFC 3501 section 9 and the extensions named below.  Level 1.
 */
#ifndef CM_FORMAT_IMAP_H
#define CM_FORMAT_IMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "format/imap_set.h"

#define IMAP_LINE_MAX	65536	/* bytes of a line, without literals */
#define IMAP_ARENA_MAX	(8u << 20)	/* of what a parsed command needs */
#define IMAP_DEPTH_MAX	50	/* parentheses, NOTs and ORs in each other */
#define IMAP_ITEMS_MAX	1000	/* of one list */
#define IMAP_KEYS_MAX	2000	/* of one search */

enum imap_verb {
	IMAP_CAPABILITY, IMAP_NOOP, IMAP_LOGOUT, IMAP_STARTTLS,
	IMAP_AUTHENTICATE, IMAP_LOGIN, IMAP_ID, IMAP_ENABLE, IMAP_SELECT,
	IMAP_EXAMINE, IMAP_CREATE, IMAP_DELETE, IMAP_RENAME, IMAP_SUBSCRIBE,
	IMAP_UNSUBSCRIBE, IMAP_LIST, IMAP_LSUB, IMAP_STATUS, IMAP_NAMESPACE,
	IMAP_APPEND, IMAP_CHECK, IMAP_CLOSE, IMAP_UNSELECT, IMAP_EXPUNGE,
	IMAP_SEARCH, IMAP_SORT, IMAP_THREAD, IMAP_FETCH, IMAP_STORE, IMAP_COPY,
	IMAP_MOVE, IMAP_IDLE, IMAP_COMPRESS, IMAP_GETQUOTA, IMAP_GETQUOTAROOT,
	IMAP_SETQUOTA, IMAP_NOTIFY, IMAP_UNKNOWN
};

/* --- a command's bytes --- */

/*
 * Does a line (without its end) go on with a literal?  "{12}", "{12+}" (RFC
 * 7888), "~{12}" (RFC 3516).  The engine puts line, CRLF and the literal's
 * bytes into the command, and the next line behind it.  CM_EDATA: what looks
 * like one is none (too large a number); CM_EEND: none.
 */
struct imap_literal {
	uint64_t	 len;
	bool		 plus;		/* it comes without being asked for */
	bool		 binary;
};
int	 imap_literal(struct span line, struct imap_literal *) CM_MUST;
/* The tag and the verb alone, of any line: for answers to what cannot be
 * read, and to know about literals what is allowed.  tag.len 0: no tag. */
enum imap_verb imap_peek(struct span line, struct span *tag);
/* "FETCH", for the log and for answers. */
const char *imap_verb_name(enum imap_verb);

/* --- what it says --- */

/* Flags that a client may name; others are keywords.  As in rows.h. */
enum imap_flag {
	IMAP_SEEN = 1, IMAP_ANSWERED = 2, IMAP_FLAGGED = 4, IMAP_DELETED = 8,
	IMAP_DRAFT = 16
};
struct imap_flags {
	uint32_t	 bits;		/* enum imap_flag */
	struct span	 keywords;	/* each once, blanks between; "\Recent"
					 * is dropped */
};

/* RFC 3501 section 6.4.5: section-spec. */
struct imap_section {
	const uint32_t	*part;		/* 1-based; none: the message */
	unsigned	 nparts;
	enum { IMAP_WHOLE, IMAP_HEADER, IMAP_HEADER_FIELDS,
	    IMAP_HEADER_FIELDS_NOT, IMAP_TEXT, IMAP_MIME } what;
	const struct span *field;	/* names */
	unsigned	 nfields;
};

enum imap_what {
	IMAP_GET_FLAGS, IMAP_GET_UID, IMAP_GET_INTERNALDATE, IMAP_GET_SIZE,
	IMAP_GET_ENVELOPE, IMAP_GET_BODY, IMAP_GET_BODYSTRUCTURE,
	IMAP_GET_SECTION,	/* BODY[...] */
	IMAP_GET_RFC822, IMAP_GET_RFC822_HEADER, IMAP_GET_RFC822_TEXT,
	IMAP_GET_BINARY, IMAP_GET_BINARY_SIZE,		/* RFC 3516 */
	IMAP_GET_MODSEQ,				/* RFC 7162 */
	IMAP_GET_EMAILID, IMAP_GET_THREADID,		/* RFC 8474 */
	IMAP_GET_PREVIEW,				/* RFC 8970 */
	IMAP_GET_SAVEDATE				/* RFC 8514 */
};
struct imap_item {			/* ALL, FAST and FULL are written out */
	enum imap_what	 what;
	bool		 peek;		/* BODY.PEEK, BINARY.PEEK */
	bool		 lazy;		/* PREVIEW (LAZY) */
	bool		 partial;	/* <offset.count> */
	uint32_t	 offset, count;
	struct imap_section section;
};

enum imap_key {
	IMAP_KEY_ALL, IMAP_KEY_AND, IMAP_KEY_OR, IMAP_KEY_NOT,
	IMAP_KEY_SET, IMAP_KEY_UID,	/* set; saved: "$" */
	IMAP_KEY_FLAG,			/* bits: all of them are set; UNSEEN is
					 * NOT of it, NEW and RECENT: see .c */
	IMAP_KEY_KEYWORD,		/* text */
	IMAP_KEY_NONE,			/* no message: RECENT, NEW */
	IMAP_KEY_BCC, IMAP_KEY_CC, IMAP_KEY_FROM, IMAP_KEY_TO,
	IMAP_KEY_SUBJECT, IMAP_KEY_BODY, IMAP_KEY_TEXT,	/* text */
	IMAP_KEY_HEADER,		/* field, text */
	IMAP_KEY_BEFORE, IMAP_KEY_ON, IMAP_KEY_SINCE,	/* day */
	IMAP_KEY_SENTBEFORE, IMAP_KEY_SENTON, IMAP_KEY_SENTSINCE,
	IMAP_KEY_SAVEDBEFORE, IMAP_KEY_SAVEDON, IMAP_KEY_SAVEDSINCE,
	IMAP_KEY_SAVEDATESUPPORTED,			/* RFC 8514 */
	IMAP_KEY_LARGER, IMAP_KEY_SMALLER,		/* number: bytes */
	IMAP_KEY_OLDER, IMAP_KEY_YOUNGER, /* number: seconds, RFC 5032 */
	IMAP_KEY_MODSEQ,		/* number; RFC 7162 section 3.1.5 */
	IMAP_KEY_EMAILID, IMAP_KEY_THREADID		/* text, RFC 8474 */
};
struct imap_search {
	enum imap_key	 key;
	const struct imap_search *first;	/* of AND, OR (two), NOT */
	const struct imap_search *next;		/* beside it in the same list */
	struct imap_set	 set;		/* in the arena: not to be freed */
	uint32_t	 bits;
	struct span	 text, field;	/* strings in the command's charset */
	int32_t		 day;		/* days since 1970-01-01 */
	uint64_t	 number;
};

enum imap_sort {			/* RFC 5256, RFC 5957 */
	IMAP_SORT_ARRIVAL, IMAP_SORT_CC, IMAP_SORT_DATE, IMAP_SORT_FROM,
	IMAP_SORT_SIZE, IMAP_SORT_SUBJECT, IMAP_SORT_TO
};
struct imap_sort_key {
	enum imap_sort	 key;
	bool		 reverse;
};

enum imap_status {			/* bits; STATUS and LIST RETURN */
	IMAP_STATUS_MESSAGES = 1, IMAP_STATUS_RECENT = 2,
	IMAP_STATUS_UIDNEXT = 4, IMAP_STATUS_UIDVALIDITY = 8,
	IMAP_STATUS_UNSEEN = 16, IMAP_STATUS_SIZE = 32,
	IMAP_STATUS_HIGHESTMODSEQ = 64, IMAP_STATUS_DELETED = 128,
	IMAP_STATUS_MAILBOXID = 256, IMAP_STATUS_APPENDLIMIT = 512,
	IMAP_STATUS_DELETED_STORAGE = 1024
};
enum imap_use {				/* bits; RFC 6154, \Important of 8457 */
	IMAP_USE_ALL = 1, IMAP_USE_ARCHIVE = 2, IMAP_USE_DRAFTS = 4,
	IMAP_USE_FLAGGED = 8, IMAP_USE_JUNK = 16, IMAP_USE_SENT = 32,
	IMAP_USE_TRASH = 64, IMAP_USE_IMPORTANT = 128
};
enum imap_capability {			/* bits, of ENABLE */
	IMAP_ENABLE_CONDSTORE = 1, IMAP_ENABLE_QRESYNC = 2,
	IMAP_ENABLE_UTF8 = 4, IMAP_ENABLE_REV2 = 8, IMAP_ENABLE_OTHER = 16
};

enum imap_event {		/* bits, of NOTIFY; RFC 5465 section 5 */
	IMAP_EVENT_NEW = 1, IMAP_EVENT_EXPUNGE = 2, IMAP_EVENT_FLAGS = 4,
	IMAP_EVENT_NAME = 8, IMAP_EVENT_SUBSCRIPTION = 16,
	IMAP_EVENT_OTHER = 32	/* those that the grammar has, and none of the
				 * above, or that it does not have */
};
#define IMAP_EVENT_MESSAGES (IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE | \
	IMAP_EVENT_FLAGS)
struct imap_notify {			/* an event-group */
	enum { IMAP_SELECTED, IMAP_SELECTED_DELAYED, IMAP_INBOXES,
	    IMAP_PERSONAL, IMAP_SUBSCRIBED, IMAP_SUBTREE,
	    IMAP_MAILBOXES } where;
	const struct span *name;	/* of the last two */
	unsigned	 nnames;
	unsigned	 events;	/* 0: NONE */
};

struct imap_part {			/* of CATENATE, RFC 4469 */
	bool		 url;
	struct span	 text;		/* the URL, or the bytes */
};
struct imap_append {			/* one message of APPEND */
	struct imap_flags flags;
	bool		 has_date;
	int64_t		 time_ms;
	bool		 utf8;		/* UTF8 (~{...}), RFC 6855 */
	bool		 catenate;
	struct span	 msg;		/* when not */
	const struct imap_part *part;
	unsigned	 nparts;
};

struct imap_command {
	struct span	 tag;
	enum imap_verb	 verb;
	bool		 uid;		/* UID FETCH and the like */
	const char	*why;		/* of a failure, static text */
	/*
	 * By verb; the rest is zero.  Spans point into the command's bytes or
	 * the arena, and folders' names are as the client wrote them, see
	 * imap_name.h.
	 */
	struct span	 name;		/* folder; LOGIN: user; AUTHENTICATE:
					 * mechanism; COMPRESS: algorithm;
					 * GETQUOTA: root; LIST: reference */
	struct span	 name2;		/* RENAME: new; LOGIN: password;
					 * AUTHENTICATE: first answer, or p
					 * NULL */
	struct imap_set	 set;		/* FETCH, STORE, COPY, MOVE, UID
					 * EXPUNGE; in the arena */
	unsigned	 enable;	/* ENABLE: enum imap_capability */
	uint32_t	 use;		/* CREATE (USE (...)): enum imap_use */
	bool		 bad_use;	/* and one that is not known */
	struct {			/* SELECT, EXAMINE; RFC 7162 */
		bool		 condstore, qresync;
		uint32_t	 validity;
		uint64_t	 modseq;
		struct imap_set	 known;	/* UIDs; n 0: not given */
		struct imap_set	 match_seq, match_uid;
	} select;
	struct {			/* LIST, LSUB; RFC 5258, 5819, 6154 */
		const struct span *pattern;
		unsigned	 npatterns;
		bool		 extended;	/* any of the following */
		bool		 only_subscribed, remote, recursive_match;
		bool		 only_special;
		bool		 subscribed, children, special;	/* RETURN */
		unsigned	 status;	/* RETURN (STATUS (...)) */
	} list;
	unsigned	 status;	/* STATUS: enum imap_status */
	struct {			/* NOTIFY */
		bool		 set;		/* not: NONE */
		bool		 status;
		const struct imap_notify *group;
		unsigned	 ngroups;
	} notify;
	struct {			/* FETCH; NOTIFY: of MessageNew, which
					 * one group may have */
		const struct imap_item *item;
		unsigned	 n;
		uint64_t	 changed_since;	/* has_since */
		bool		 has_since, vanished;
	} fetch;
	struct {			/* STORE */
		enum { IMAP_REPLACE, IMAP_ADD, IMAP_REMOVE } how;
		bool		 silent;
		struct imap_flags flags;
		bool		 has_since;
		uint64_t	 unchanged_since;
	} store;
	struct {			/* SEARCH, SORT, THREAD */
		const struct imap_search *key;	/* an AND of them */
		struct span	 charset;	/* or p NULL */
		bool		 has_return;	/* RFC 4731, 5267: RETURN (),
						 * where nothing is all */
		bool		 min, max, all, count, save;
		bool		 modseq;	/* a MODSEQ key is in it */
		const struct imap_sort_key *sort;
		unsigned	 nsort;
		enum { IMAP_REFERENCES, IMAP_ORDEREDSUBJECT } thread;
	} search;
	const struct imap_append *append;
	unsigned	 nappend;	/* over 1: MULTIAPPEND, RFC 3502 */
	const struct span *pair;	/* ID: key, value, key, value; NIL: p
					 * NULL */
	unsigned	 npairs;

	struct imap_arena *arena;
};

/*
 * Reads a whole command: its lines with CRLF between them and literals in
 * them, without the CRLF at the end.  0, also for IMAP_UNKNOWN (a tag and some
 * word); CM_EDATA: not as the grammar says (why tells what), CM_ETOOBIG,
 * CM_ENOMEM; tag and verb are there when they could be read.  imap_command_free
 * always.  What is grammatical and not known (a capability of ENABLE, a flag
 * "\Foo", a RETURN option) is IMAP_ENABLE_OTHER, CM_EDATA as RFC 3501 and its
 * extensions say.
 */
int	 imap_parse(struct span, struct imap_command *) CM_MUST;
void	 imap_command_free(struct imap_command *);
/*
 * imap_set_resolve for the command's set and those of its search keys: numbers
 * up to messages, UIDs up to uid, the highest in use.  Those of SELECT have no
 * "*", and are resolved.
 */
void	 imap_command_resolve(struct imap_command *, uint32_t messages,
	    uint32_t uid);

#endif
