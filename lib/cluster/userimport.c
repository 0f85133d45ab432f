/* cm-user import: a flat file of mailboxes and aliases. */
#include "cluster/usertool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "adapter/sasl.h"
#include "base/progress.h"
#include "cluster/userinput.h"
#include "format/address.h"

#define SCHEME		"SCRAM-SHA-256"
#define KNOWN_MAX	((size_t)1 << 30)	/* bytes of all verifiers */
#define DUMP_NAME	1		/* fields of a dump's account line, */
#define DUMP_VERIFIER	9		/* see cm-internals(7) */
#define FOREVER		(-1)

/* A mailbox that is there, and what is kept instead of its password. */
struct known {
	size_t		 name, verifier;	/* where in text */
};

struct import {
	struct tool	*t;
	const char	*file;
	uint64_t	 number;
	bool		 have_known;
	struct buf	 text;		/* strings with their NULs */
	struct known	*known;		/* by name, as a dump has them */
	size_t		 n, cap;
	bool		 bad;
	struct progress	 progress;
};

/* One mailbox as the file has it. */
struct entry {
	char		 name[ADDRESS_MAX + 1];
	struct span	 password;
	bool		 is_verifier;
	char		 verifier[SASL_VERIFIER_SIZE];
	char		 quota[24], sms[24];
	bool		 has_password, has_quota, has_sms;
};

/* Names the line and says why; the lines behind it are still read. */
static int
bad(struct import *m, const char *why)
{
	m->bad = true;
	return log_fail(&m->t->log, CM_EDATA, "%s:%llu: %s", m->file,
	    (unsigned long long)m->number, why);
}

/* What the agent refused: this line's fault, or an end to everything. */
static int
refused(struct import *m, int code, const char *name, const char *in_the_way)
{
	switch (code) {
	case CM_EDATA:
	case CM_EEXIST:
	case CM_ENOHOST:
	case CM_ENOUSER:
	case CM_ETOOBIG:
		m->bad = true;
		log_fail(&m->t->log, code, "%s:%llu: %s%s", m->file,
		    (unsigned long long)m->number, name,
		    code == CM_EEXIST ? in_the_way : "");
		return 0;
	default:
		return user_fail(m->t, code, name);
	}
}

static int
add_known(struct import *m, struct span name, struct span verifier)
{
	struct known	*k;
	size_t		 cap;

	if (m->n == m->cap) {
		cap = m->cap ? m->cap * 2 : 256;
		k = reallocarray(m->known, cap, sizeof(*k));
		if (k == NULL)
			return CM_ENOMEM;
		m->known = k;
		m->cap = cap;
	}
	k = &m->known[m->n++];
	k->name = m->text.len;
	if (str_unpct(&m->text, name.p, name.len) != 0)
		return CM_EPROTO;
	buf_addc(&m->text, '\0');
	k->verifier = m->text.len;
	if (str_unpct(&m->text, verifier.p, verifier.len) != 0)
		return CM_EPROTO;
	return buf_addc(&m->text, '\0');
}

static int
take_dump_line(void *arg, struct span line)
{
	struct import	*m = arg;
	struct span	 f, name = { 0 };
	int		 i;

	if (!str_field(&line, '\t', &f) || !span_is(f, "account"))
		return 0;
	for (i = 1; i <= DUMP_VERIFIER && str_field(&line, '\t', &f); i++)
		if (i == DUMP_NAME)
			name = f;
	return i > DUMP_VERIFIER ? add_known(m, name, f) : CM_EPROTO;
}

/*
 * The verifiers that are there now, from a dump, since nothing else tells
 * them.  Asked for once, and only when a mailbox was there before.
 */
static int
load_known(struct import *m)
{
	const char	*words[] = { "dump", "now", NULL };

	if (m->have_known)
		return 0;
	m->have_known = true;
	return catalog_call(m->t->catalog, words, -1, FOREVER, take_dump_line,
	    m);
}

static const char *
find_known(const struct import *m, const char *name)
{
	size_t	 lo = 0, hi = m->n, mid;
	int	 c;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		c = strcmp(name, m->text.p + m->known[mid].name);
		if (c == 0)
			return m->text.p + m->known[mid].verifier;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static struct span
text(const char *s)
{
	return (struct span){ s, strlen(s) };
}

/*
 * Another salt for the same password would be a change, and is none; one that
 * adds a verifier is.
 */
static int
is_same_password(struct import *m, const struct entry *e, bool *same)
{
	const char	*verifier;
	int		 rc;

	*same = false;
	if ((rc = load_known(m)) != 0)
		return log_fail(&m->t->log, rc, "the passwords that are there");
	if ((verifier = find_known(m, e->name)) == NULL)
		return 0;
	if (e->is_verifier)
		*same = strcmp(e->verifier, verifier) == 0;
	else
		*same = sasl_verifier_is_whole(text(verifier)) &&
		    sasl_verify_plain(NULL, verifier, e->password.p,
		    e->password.len) == 0;
	return 0;
}

static int
set(struct import *m, const char *name, const char *what, const char *value)
{
	const char	*words[] = { "user-set", name, what, value, NULL };

	return user_ask(m->t, words);
}

/* A new mailbox is made with its password; one that is there gets it. */
static int
store_password(struct import *m, const struct entry *e)
{
	const char	*words[] = { "user-add", e->name, e->verifier, NULL };
	bool		 same;
	int		 rc;

	rc = user_ask(m->t, words);
	if (rc != CM_EEXIST || !e->has_password)
		return rc;
	if ((rc = is_same_password(m, e, &same)) != 0 || same)
		return rc;
	/* it is an alias, when there is no such mailbox */
	rc = set(m, e->name, "password", e->verifier);
	return rc == CM_ENOUSER ? CM_EEXIST : rc;
}

static int
store(struct import *m, const struct entry *e)
{
	int	 rc;

	if ((rc = store_password(m, e)) == CM_EEXIST && !e->has_password)
		rc = 0;
	if (rc == 0 && e->has_quota)
		rc = set(m, e->name, "quota", e->quota);
	if (rc == 0 && e->has_sms)
		rc = set(m, e->name, "sms", e->sms);
	return rc == 0 ? 0 : refused(m, rc, e->name, " is an alias");
}

static bool
begins(struct span s, const char *with)
{
	size_t	 n = strlen(with);

	return s.len >= n && memcmp(s.p, with, n) == 0;
}

static void
drop(struct span *s, size_t n)
{
	s->p += n;
	s->len -= n;
}

/* "{" and capitals, digits, - and . up to "}": what others store. */
static size_t
scheme_len(struct span s)
{
	size_t	 i;

	if (s.len == 0 || s.p[0] != '{')
		return 0;
	for (i = 1; i < s.len && s.p[i] != '}'; i++)
		if (!((s.p[i] >= 'A' && s.p[i] <= 'Z') || s.p[i] == '-' ||
		    (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.'))
			return 0;
	return i > 1 && i < s.len ? i + 1 : 0;
}

/*
 * A verifier has two colons of its own, and two more when that for SCRAM-SHA-1
 * follows behind a blank.
 */
static int
take_verifier(struct span *rest, struct entry *e)
{
	size_t	 i, colons = 0, most = 2, skip = 0;

	if (begins(*rest, SCHEME "$"))
		skip = strlen(SCHEME "$");
	drop(rest, skip);
	for (i = 0; i < rest->len; i++) {
		if (rest->p[i] == ' ')
			most = 4;
		if (rest->p[i] == ':' && ++colons > most)
			break;
	}
	e->is_verifier = e->has_password = true;
	if (str_fmt(e->verifier, sizeof(e->verifier), SCHEME "$%.*s", (int)i,
	    rest->p) != 0)
		return CM_EDATA;
	drop(rest, i);
	if (rest->len > 0)
		drop(rest, 1);
	else
		rest->p = NULL;
	return sasl_verifier_check(text(e->verifier)) == 0 ? 0 : CM_EDATA;
}

static int
take_password(struct import *m, struct span *rest, struct entry *e)
{
	size_t	 n;

	if (begins(*rest, "{" SCHEME "}")) {
		drop(rest, strlen("{" SCHEME "}"));
		return take_verifier(rest, e) == 0 ? 0 :
		    bad(m, "not a verifier");
	}
	if (begins(*rest, SCHEME "$"))
		return take_verifier(rest, e) == 0 ? 0 :
		    bad(m, "not a verifier");
	if (begins(*rest, "{PLAIN}"))
		drop(rest, strlen("{PLAIN}"));
	else if ((n = scheme_len(*rest)) > 0)
		return bad(m, "passwords stored in this {FORM} cannot be "
		    "taken over; write {PLAIN} before one that begins so");
	str_field(rest, ':', &e->password);
	e->has_password = e->password.len > 0;
	return 0;
}

static int
take_mailbox(struct import *m, struct span line, struct entry *e)
{
	struct span	 f;
	int		 rc;

	if (!str_field(&line, ':', &f) ||
	    user_key(f.p, f.len, e->name) != 0)
		return bad(m, "not an address with a domain");
	if (line.p != NULL && (rc = take_password(m, &line, e)) != 0)
		return rc;
	if (str_field(&line, ':', &f) && f.len > 0) {
		if (user_quota(f.p, f.len, e->quota) != 0)
			return bad(m, "not a quota: a number, K, M or G, or -");
		e->has_quota = true;
	}
	if (str_field(&line, ':', &f) && f.len > 0) {
		if (user_sms(f.p, f.len, e->sms) != 0)
			return bad(m, "not a telephone number");
		e->has_sms = true;
	}
	if (line.p != NULL)
		return bad(m, "more than four fields");
	return 0;
}

static int
do_mailbox(struct import *m, struct span line)
{
	struct entry	 e;
	int		 rc;

	memset(&e, 0, sizeof(e));
	if (take_mailbox(m, line, &e) != 0)
		goto out;
	if (e.has_password && !e.is_verifier) {
		rc = sasl_verifier(&m->t->log, e.password.p, e.password.len, 0,
		    e.verifier, sizeof(e.verifier));
		if (rc != 0) {
			bad(m, "this password cannot be taken");
			goto out;
		}
	}
	rc = store(m, &e);
	explicit_bzero(&e, sizeof(e));
	return rc;
out:
	explicit_bzero(&e, sizeof(e));
	return 0;
}

static bool
next_word(struct span *rest, struct span *w)
{
	while (rest->len > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t'))
		drop(rest, 1);
	w->p = rest->p;
	w->len = 0;
	while (rest->len > 0 && rest->p[0] != ' ' && rest->p[0] != '\t') {
		drop(rest, 1);
		w->len++;
	}
	return w->len > 0;
}

static int
do_alias(struct import *m, struct span rest)
{
	char		 name[ADDRESS_MAX + 1], target[ADDRESS_MAX + 1];
	const char	*words[] = { "alias", name, NULL, NULL };
	struct span	 w;
	struct buf	 targets;
	int		 rc = 0;

	buf_init(&targets, SECRET_LINE_MAX + 1);
	if (!next_word(&rest, &w) || user_key(w.p, w.len, name) != 0) {
		bad(m, "the alias is not an address with a domain");
		goto out;
	}
	while (next_word(&rest, &w)) {
		if (user_key(w.p, w.len, target) != 0) {
			bad(m, "a target is not an address with a domain");
			goto out;
		}
		buf_addf(&targets, "%s%s", targets.len ? "\n" : "", target);
	}
	if (targets.len == 0) {
		bad(m, "the alias has no target");
		goto out;
	}
	words[2] = targets.p;
	if ((rc = targets.err) != 0 || (rc = user_ask(m->t, words)) != 0)
		rc = refused(m, rc, name, " is a mailbox");
out:
	buf_free(&targets);
	return rc;
}

static int
do_line(struct import *m, struct span line)
{
	struct span	 rest = line, w;

	if (!next_word(&rest, &w) || w.p[0] == '#')
		return 0;
	if (span_is(w, "alias"))
		return do_alias(m, rest);
	/* blanks in front go; those behind may be a password's */
	drop(&line, (size_t)(w.p - line.p));
	return do_mailbox(m, line);
}

static int
do_lines(struct import *m, struct secret_lines *in)
{
	struct span	 line;
	int		 rc;

	for (;;) {
		rc = secret_lines_next(in, &line);
		m->number++;
		if (rc == CM_EEND)
			return 0;
		if (rc == CM_ETOOBIG)
			bad(m, "the line is too long");
		else if (rc != 0)
			return log_fail(&m->t->log, rc, "%s", m->file);
		else if ((rc = do_line(m, line)) != 0)
			return rc;
		progress_add(&m->progress, 1);
	}
}

int
usertool_import(struct tool *t, int argc, char **argv)
{
	struct import		 m = { .t = t, .file = "stdin" };
	struct secret_lines	 in;
	int			 fd = STDIN_FILENO, rc;

	if (argc > 1)
		return CM_EUSAGE;
	if (argc == 1 && strcmp(argv[0], "-") != 0) {
		m.file = argv[0];
		fd = open(m.file, O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			return log_errno(&t->log, "%s", m.file);
	}
	buf_init(&m.text, KNOWN_MAX);
	secret_lines_init(&in, fd, sizeof(in.p));
	progress_start(&m.progress, "lines", 0, false);
	rc = do_lines(&m, &in);
	progress_end(&m.progress);
	secret_lines_end(&in);
	if (m.text.len > 0)
		explicit_bzero(m.text.p, m.text.len);
	buf_free(&m.text);
	free(m.known);
	if (fd != STDIN_FILENO)
		close(fd);
	return rc == 0 && m.bad ? CM_EDATA : rc;
}
