#include "cluster/usertool.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adapter/sasl.h"
#include "base/file.h"
#include "cluster/userinput.h"
#include "format/address.h"

#define FLUSH		65536
#define TARGETS_MAX	(1u << 18)	/* bytes of an alias's targets */
#define NUMBER_MAX	20		/* digits of a telephone number */

int
user_key(const char *p, size_t len, char *out)
{
	int	 rc;

	if ((rc = address_key(p, len, out)) != 0)
		return rc;
	return address_domain(out) == NULL ? CM_EDATA : 0;
}

/* The client's own line would name the request, not the address. */
int
user_ask(struct tool *t, const char *const words[])
{
	enum log_level	 max = t->log.max;
	int		 rc;

	t->log.max = CM_LOG_ERROR;
	rc = catalog_call(t->catalog, words, -1, CATALOG_CALL_MS, NULL, NULL);
	t->log.max = max;
	return rc;
}

int
user_fail(struct tool *t, int code, const char *address)
{
	const char	*text = catalog_text(t->catalog);

	switch (code) {
	case CM_EDATA:
		return log_fail(&t->log, code, "\"%s\" is not an address with "
		    "a domain", address);
	case CM_ENOUSER:
		return log_fail(&t->log, code, "there is no mailbox %s",
		    address);
	case CM_ENOHOST:
		return log_fail(&t->log, code, "%s is not in a domain of %s",
		    address, t->conf->file != NULL ? t->conf->file :
		    "cluster.xml");
	case CM_EEXIST:
		return log_fail(&t->log, code, "%s", address);
	}
	/* the texts of failures that came from the agent */
	if (text[0] != '\0' && strcmp(text, cm_strerror(code)) != 0)
		return log_fail(&t->log, code, "%s: %s", address, text);
	return log_fail(&t->log, code, "%s", address);
}

int
user_quota(const char *p, size_t len, char out[24])
{
	char		 size[24];
	uint64_t	 bytes = 0;

	if (str_ncopy(size, sizeof(size), p, len) != 0)
		return CM_EDATA;
	if (strcmp(size, "-") != 0 &&
	    (str_size(size, &bytes) != 0 || bytes > INT64_MAX))
		return CM_EDATA;
	return str_fmt(out, 24, "%llu", (unsigned long long)bytes);
}

int
user_sms(const char *p, size_t len, char out[24])
{
	size_t	 sign = len > 0 && p[0] == '+';

	if (len == 1 && p[0] == '-') {
		out[0] = '\0';
		return 0;
	}
	if (len == sign || len - sign > NUMBER_MAX)
		return CM_EDATA;
	for (size_t i = sign; i < len; i++)
		if (p[i] < '0' || p[i] > '9')
			return CM_EDATA;
	return str_ncopy(out, 24, p, len);
}

/* Takes -X off the front of the operands. */
static bool
take_option(int *argc, char ***argv, const char *option)
{
	if (*argc == 0 || strcmp((*argv)[0], option) != 0)
		return false;
	(*argc)--;
	(*argv)++;
	return true;
}

/* An operand that looks like an option is none of ours. */
static bool
has_option(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1] != '\0')
			return true;
	return false;
}

/* What the agent would say after a password was typed, said before. */
static int
foresee(struct tool *t, const char *name, bool is_new)
{
	const char	*domain = address_domain(name);
	struct span	 rest, l;
	struct buf	 out;
	int		 rc;

	if (is_new && !conf_is_open(t->conf) &&
	    !conf_has_domain(t->conf, domain, strlen(domain)))
		return CM_ENOHOST;
	buf_init(&out, TARGETS_MAX);
	rc = catalog_rcpt(t->catalog, name, &out);
	if (rc == 0) {
		rc = CM_ENOUSER;
		rest = (struct span){ out.p, out.len };
		while (str_field(&rest, '\n', &l))
			if (span_is(l, name))
				rc = 0;
	}
	buf_free(&out);
	if (!is_new)
		return rc == CM_ENOHOST ? CM_ENOUSER : rc;
	if (rc == 0)
		return CM_EEXIST;
	return rc == CM_ENOUSER ? 0 : rc;
}

/* Where the passwords of a command come from. */
struct source {
	struct tool		*t;
	bool			 none;		/* -N */
	bool			 terminal;
	bool			 optional;	/* empty: no password */
	bool			 is_known;	/* the one that is there */
	bool			 any;		/* a line was there */
	struct secret_lines	 in;
};

static void
source_init(struct source *s, struct tool *t, bool none, bool optional)
{
	s->t = t;
	s->none = none;
	s->terminal = isatty(STDIN_FILENO) == 1;
	s->optional = optional;
	s->any = s->is_known = false;
	secret_lines_init(&s->in, STDIN_FILENO, 1);
}

static int
read_password(struct source *s, const char *address, char *out, size_t *len)
{
	struct span	 line;
	int		 rc;

	*len = 0;
	if (s->terminal)
		return secret_ask(&s->t->log, address, !s->is_known, out, len);
	rc = secret_lines_next(&s->in, &line);
	if (rc == CM_EEND && s->optional && !s->any)
		return 0;
	if (rc == 0)
		rc = str_ncopy(out, SASL_PASSWORD_MAX + 1, line.p, line.len);
	if (rc == CM_EEND)
		return log_fail(&s->t->log, CM_EDATA, "no password for %s on "
		    "standard input", address);
	if (rc != 0)
		return log_fail(&s->t->log, rc, "the password of %s", address);
	s->any = true;
	*len = line.len;
	return 0;
}

/* The verifier of the next password; "" where there shall be none. */
static int
next_verifier(struct source *s, const char *address,
    char out[SASL_VERIFIER_SIZE])
{
	char	 password[SASL_PASSWORD_MAX + 1];
	size_t	 len;
	int	 rc;

	out[0] = '\0';
	if (s->none)
		return 0;
	rc = read_password(s, address, password, &len);
	if (rc == 0 && (len > 0 || !s->optional || s->terminal))
		rc = sasl_verifier(&s->t->log, password, len, 0, out,
		    SASL_VERIFIER_SIZE);
	explicit_bzero(password, sizeof(password));
	return rc;
}

static int
add_one(struct source *s, const char *address)
{
	char		 name[ADDRESS_MAX + 1], verifier[SASL_VERIFIER_SIZE];
	const char	*words[] = { "user-add", name, verifier, NULL };
	struct span	 line;
	bool		 ask = s->terminal && !s->none;
	int		 rc;

	rc = user_key(address, strlen(address), name);
	if (rc == 0 && ask)
		rc = foresee(s->t, name, true);
	/* the others keep their lines */
	if (rc != 0 && !s->terminal && !s->none &&
	    secret_lines_next(&s->in, &line) == 0)
		s->any = true;
	if (rc != 0)
		return user_fail(s->t, rc, address);
	if ((rc = next_verifier(s, address, verifier)) == 0 &&
	    (rc = user_ask(s->t, words)) != 0)
		user_fail(s->t, rc, address);
	explicit_bzero(verifier, sizeof(verifier));
	return rc;
}

int
usertool_add(struct tool *t, int argc, char **argv)
{
	struct source	 s;
	int		 one, rc = 0;
	bool		 none = take_option(&argc, &argv, "-N");

	if (argc == 0 || has_option(argc, argv))
		return CM_EUSAGE;
	source_init(&s, t, none, true);
	for (int i = 0; i < argc; i++)
		if ((one = add_one(&s, argv[i])) != 0 && rc == 0)
			rc = one;
	secret_lines_end(&s.in);
	return rc;
}

int
usertool_passwd(struct tool *t, int argc, char **argv)
{
	struct source	 s;
	char		 name[ADDRESS_MAX + 1], verifier[SASL_VERIFIER_SIZE];
	const char	*words[] = { "user-set", name, "password", verifier,
			    NULL };
	int		 rc;
	bool		 none = take_option(&argc, &argv, "-N");

	if (argc != 1 || has_option(argc, argv))
		return CM_EUSAGE;
	/* not optional: an empty pipe shall not lock somebody out */
	source_init(&s, t, none, false);
	rc = user_key(argv[0], strlen(argv[0]), name);
	if (rc == 0 && s.terminal && !none)
		rc = foresee(t, name, false);
	if (rc != 0)
		return user_fail(t, rc, argv[0]);
	if ((rc = next_verifier(&s, name, verifier)) == 0 &&
	    (rc = user_ask(t, words)) != 0)
		user_fail(t, rc, argv[0]);
	explicit_bzero(verifier, sizeof(verifier));
	secret_lines_end(&s.in);
	return rc;
}

/* As a login by PLAIN does it: also with a name that nobody has. */
static int
check(struct tool *t, const char *login, const char *password, size_t len)
{
	char		 mailbox[ADDRESS_MAX + 1];
	struct buf	 verifiers;
	int		 rc, known;

	buf_init(&verifiers, SASL_VERIFIER_SIZE);
	known = catalog_verifier(t->catalog, login, mailbox, &verifiers);
	rc = known == CM_ENOUSER ? 0 : known;
	if (rc != 0)
		user_fail(t, rc, login);
	else if ((rc = verifiers.err) == 0 && verifiers.len > 0)
		rc = sasl_verify_plain(&t->log, verifiers.p, password, len);
	if (rc == CM_EPERM || (rc == 0 && known != 0))
		rc = log_fail(&t->log, CM_EPERM, "%s: wrong name or password",
		    login);
	if (verifiers.p != NULL)
		explicit_bzero(verifiers.p, verifiers.len);
	buf_free(&verifiers);
	return rc;
}

int
usertool_check(struct tool *t, int argc, char **argv)
{
	struct source	 s;
	char		 password[SASL_PASSWORD_MAX + 1];
	size_t		 len;
	int		 rc;

	if (argc != 1 || has_option(argc, argv))
		return CM_EUSAGE;
	source_init(&s, t, false, false);
	s.is_known = true;
	if ((rc = read_password(&s, argv[0], password, &len)) == 0)
		rc = check(t, argv[0], password, len);
	explicit_bzero(password, sizeof(password));
	secret_lines_end(&s.in);
	return rc;
}

int
usertool_del(struct tool *t, int argc, char **argv)
{
	char		 name[ADDRESS_MAX + 1];
	const char	*words[] = { "user-del", name, NULL };
	int		 one, rc = 0;

	if (argc == 0 || has_option(argc, argv))
		return CM_EUSAGE;
	for (int i = 0; i < argc; i++) {
		if ((one = user_key(argv[i], strlen(argv[i]), name)) == 0)
			one = user_ask(t, words);
		if (one != 0)
			user_fail(t, one, argv[i]);
		if (rc == 0)
			rc = one;
	}
	return rc;
}

int
usertool_set(struct tool *t, int argc, char **argv)
{
	char		 name[ADDRESS_MAX + 1], value[24];
	const char	*words[] = { "user-set", name, NULL, value, NULL };
	int		 rc;

	if (argc != 3)
		return CM_EUSAGE;
	words[2] = argv[1];
	if ((rc = user_key(argv[0], strlen(argv[0]), name)) != 0)
		return user_fail(t, rc, argv[0]);
	if (strcmp(argv[1], "quota") == 0)
		rc = user_quota(argv[2], strlen(argv[2]), value);
	else if (strcmp(argv[1], "sms") == 0)
		rc = user_sms(argv[2], strlen(argv[2]), value);
	else
		return CM_EUSAGE;
	if (rc != 0)
		return log_fail(&t->log, rc, "%s %s", argv[1], argv[2]);
	if ((rc = user_ask(t, words)) != 0)
		user_fail(t, rc, argv[0]);
	return rc;
}

/* An alias for nobody is no mistake when its mailboxes follow. */
static void
warn_unknown(struct tool *t, const char *name)
{
	struct buf	 out;

	buf_init(&out, TARGETS_MAX);
	if (catalog_rcpt(t->catalog, name, &out) == CM_ENOUSER)
		log_warn(&t->log, "%s leads to no mailbox yet", name);
	buf_free(&out);
}

int
usertool_alias(struct tool *t, int argc, char **argv)
{
	char		 name[ADDRESS_MAX + 1], target[ADDRESS_MAX + 1];
	const char	*words[] = { "alias", name, "", NULL };
	struct buf	 targets;
	int		 rc;
	bool		 del = take_option(&argc, &argv, "-d");

	if (argc == 0 || has_option(argc, argv) || (argc == 1) != del)
		return CM_EUSAGE;
	if ((rc = user_key(argv[0], strlen(argv[0]), name)) != 0)
		return user_fail(t, rc, argv[0]);
	buf_init(&targets, TARGETS_MAX);
	for (int i = 1; i < argc; i++) {
		rc = user_key(argv[i], strlen(argv[i]), target);
		if (rc != 0) {
			user_fail(t, rc, argv[i]);
			goto out;
		}
		buf_addf(&targets, "%s%s", i > 1 ? "\n" : "", target);
	}
	if (targets.len > 0)
		words[2] = targets.p;
	if ((rc = targets.err) == 0)
		rc = user_ask(t, words);
	if (del && rc == CM_ENOUSER)
		log_fail(&t->log, rc, "there is no alias %s", argv[0]);
	else if (rc != 0)
		user_fail(t, rc, argv[0]);
	else if (!del)
		warn_unknown(t, name);
out:
	buf_free(&targets);
	return rc;
}

struct list {
	const struct log *log;
	const char	*pattern;	/* NULL: all */
	struct buf	 out;
};

static int
flush(struct list *l)
{
	int	 rc;

	rc = file_write(STDOUT_FILENO, l->out.p, l->out.len);
	buf_reset(&l->out);
	return rc == 0 ? 0 : log_fail(l->log, rc, "output");
}

static int
list_line(void *arg, struct span line)
{
	struct list	*l = arg;
	struct span	 rest = line, f;
	char		 name[ADDRESS_MAX + 1];

	if (!str_field(&rest, '\t', &f) ||
	    str_ncopy(name, sizeof(name), f.p, f.len) != 0)
		return CM_EPROTO;
	if (l->pattern != NULL && fnmatch(l->pattern, name, FNM_CASEFOLD) != 0)
		return 0;
	buf_adds(&l->out, name);
	for (int i = 1; str_field(&rest, '\t', &f); i++) {
		buf_addc(&l->out, '\t');
		/* the quota is the fourth; an alias has no number there */
		if (i == 3 && span_is(f, "0"))
			buf_addc(&l->out, '-');
		else
			buf_add(&l->out, f.p, f.len);
	}
	if (buf_addc(&l->out, '\n') != 0)
		return l->out.err;
	return l->out.len >= FLUSH ? flush(l) : 0;
}

int
usertool_list(struct tool *t, int argc, char **argv)
{
	const char	*words[] = { "user-list", NULL };
	struct list	 l = { &t->log, argc > 0 ? argv[0] : NULL, { 0 } };
	int		 rc;

	if (argc > 1 || has_option(argc, argv))
		return CM_EUSAGE;
	buf_init(&l.out, TARGETS_MAX + 2 * FLUSH);
	rc = catalog_call(t->catalog, words, -1, CATALOG_CALL_MS, list_line,
	    &l);
	if (rc == 0)
		rc = flush(&l);
	buf_free(&l.out);
	return rc;
}
