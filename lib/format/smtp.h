/*
 * SMTP's words: commands, paths, parameters (RFC 5321 section 4.1) and the
 * end of a message (section 4.5.2).  Level 1.
 */
#ifndef CM_FORMAT_SMTP_H
#define CM_FORMAT_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "format/address.h"

#define SMTP_COMMAND_MAX 12288		/* RFC 4954 section 4: AUTH; CRLF too */
#define SMTP_LINE_MAX	65536		/* of a message, CRLF included */
#define SMTP_PARAMS_MAX	16		/* of one command */

enum smtp_verb {
	SMTP_HELO, SMTP_EHLO, SMTP_LHLO, SMTP_MAIL, SMTP_RCPT, SMTP_DATA,
	SMTP_BDAT, SMTP_RSET, SMTP_NOOP, SMTP_QUIT, SMTP_VRFY, SMTP_EXPN,
	SMTP_HELP, SMTP_AUTH, SMTP_STARTTLS, SMTP_UNKNOWN
};

/*
 * The command of a line without its end; *args is what is behind it, without
 * outer blanks.
 */
enum smtp_verb smtp_verb(struct span line, struct span *args);
const char *smtp_verb_name(enum smtp_verb);
/* Nothing but printable ASCII, blanks and UTF-8 above: no control bytes. */
bool	 smtp_is_text(struct span);

/* A name in HELO or EHLO: a domain or an address literal; lenient. */
bool	 smtp_is_helo(struct span);

struct smtp_param {
	struct span	 key;		/* as written */
	struct span	 value;		/* p NULL: no "=" */
};

struct smtp_path {
	char		 address[ADDRESS_MAX + 1]; /* canonical; "": null */
	struct span	 raw;		/* between < and >, as written */
	struct smtp_param param[SMTP_PARAMS_MAX];
	size_t		 nparams;
};

/*
 * "FROM:<path> params" or "TO:<path> params" (word is "FROM" or "TO").  Source
 * routes are stripped, blanks around the path are taken.  CM_EDATA: not of
 * that form; CM_EUSAGE: the address is none; CM_ETOOBIG: too many parameters.
 */
int	 smtp_path(struct span args, const char *word, struct smtp_path *)
	    CM_MUST;

/* xtext of RFC 3461 section 4, decoded into out (added); CM_EDATA. */
int	 smtp_xtext(struct span, struct buf *out) CM_MUST;

/* Lines of the text: 250-... 250 ...; the code before each of them. */
void	 smtp_reply(struct buf *, int code, const char *enhanced,
	    const char *text);

/*
 * A message behind DATA or in BDAT's chunks.  In DATA only CRLF.CRLF ends it;
 * a bare CR or LF ends nothing, and is remembered (CVE-2023-51764).
 */
struct smtp_data {
	enum { DATA_LINE, DATA_TEXT, DATA_CR, DATA_DOT, DATA_DOT_CR } state;
	size_t		 line;		/* bytes of this line so far */
	bool		 bare_cr, bare_lf, nul, long_line;
};

void	 smtp_data_init(struct smtp_data *);
/*
 * Takes bytes off *in and adds them, dots unstuffed, to out; true when the end
 * was there: what is left in *in is behind it then.  Otherwise all was taken.
 */
bool	 smtp_data_feed(struct smtp_data *, struct span *in, struct buf *out);
/* The same for bytes of BDAT: nothing is unstuffed, only looked at. */
void	 smtp_data_look(struct smtp_data *, struct span in);
/* All of BDAT has come: a CR at its very end is a bare one. */
void	 smtp_data_end(struct smtp_data *);

#endif
