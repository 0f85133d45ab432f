/* Any program: a message on its standard input, an exit code and fields out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spawn.h"
#include "base/time.h"
#include "cluster/filter_int.h"
#include "format/header.h"

#define SAYS_MAX	65536		/* bytes that it may say */
#define ENV_MAX		8
#define LINE_MAX_BYTES	998
#define LIST_MAX	65536		/* bytes of all recipients */

/* Its exit codes, see cluster.xml(5). */
enum {
	EXIT_PASS = 0, EXIT_JUNK = 10, EXIT_DISCARD = 11,
	EXIT_QUARANTINE = 12, EXIT_DEFER = 75, EXIT_REJECT = 77
};

static int
set(char **env, size_t *n, const char *name, const char *value, size_t len)
{
	if (asprintf(&env[*n], "%s=%.*s", name, (int)len, value) == -1) {
		env[*n] = NULL;
		return CM_ENOMEM;
	}
	++*n;
	return 0;
}

/* Lines up to so many bytes: a longer variable is one that execve refuses. */
static size_t
cut(struct span lines)
{
	const char	*end;

	if (lines.len <= LIST_MAX)
		return lines.len;
	end = memrchr(lines.p, '\n', LIST_MAX);
	return end == NULL ? 0 : (size_t)(end - lines.p) + 1;
}

static int
make_env(const struct filter_msg *m, char **env)
{
	size_t	 n = 0;
	int	 rc;

	if ((rc = set(env, &n, "PATH", "/usr/local/bin:/usr/bin:/bin",
	    28)) != 0 ||
	    (rc = set(env, &n, "CM_ID", m->id, strlen(m->id))) != 0 ||
	    (rc = set(env, &n, "CM_CLIENT", m->client,
	    strlen(m->client))) != 0 ||
	    (rc = set(env, &n, "CM_HELO", m->helo, strlen(m->helo))) != 0 ||
	    (rc = set(env, &n, "CM_USER", m->user, strlen(m->user))) != 0 ||
	    (rc = set(env, &n, "CM_SENDER", m->sender,
	    strlen(m->sender))) != 0)
		return rc;
	return set(env, &n, "CM_RECIPIENTS", m->rcpts.len > 0 ? m->rcpts.p :
	    "", cut(m->rcpts));
}

/* A field of its own, in one line of printable ASCII. */
static bool
is_field(struct span l)
{
	for (size_t i = 0; i < l.len; i++)
		if ((l.p[i] < ' ' && l.p[i] != '\t') || l.p[i] == 0x7f ||
		    l.p[i] & 0x80)
			return false;
	return l.len <= LINE_MAX_BYTES && header_starts(l.p, l.len) &&
	    l.p[0] != ' ' && memchr(l.p, ':', l.len) != NULL &&
	    strncmp(l.p, "From ", l.len < 5 ? l.len : 5) != 0;
}

/* Fields go to the message; another line is the text for the client. */
static int
take(struct filter_ask *a, const struct buf *says)
{
	struct span	 rest = { says->p, says->len }, l;
	struct filter_verdict *v = a->v;

	while (says->len > 0 && str_field(&rest, '\n', &l)) {
		if (l.len > 0 && l.p[l.len - 1] == '\r')
			l.len--;
		if (l.len == 0)
			continue;
		if (is_field(l)) {
			buf_add(&v->fields, l.p, l.len);
			buf_adds(&v->fields, "\r\n");
		} else if (v->text[0] == '\0') {
			if (str_ncopy(v->text, sizeof(v->text), l.p,
			    l.len < sizeof(v->text) ? l.len :
			    sizeof(v->text) - 1) != 0)
				v->text[0] = '\0';
			str_clean(v->text);
		}
	}
	return v->fields.err == CM_ENOMEM ? CM_ENOMEM : 0;
}

static int
understand(struct filter_ask *a, int status)
{
	switch (status) {
	case EXIT_PASS:
		a->v->action = FILTER_PASS;
		return 0;
	case EXIT_JUNK:
		a->v->action = FILTER_JUNK;
		return 0;
	case EXIT_DISCARD:
		a->v->action = FILTER_DISCARD;
		return 0;
	case EXIT_QUARANTINE:
		a->v->action = FILTER_QUARANTINE;
		return 0;
	case EXIT_DEFER:
		a->v->action = FILTER_DEFER;
		return 0;
	case EXIT_REJECT:
		a->v->action = FILTER_REJECT;
		return 0;
	default:
		if (str_fmt(a->why, sizeof(a->why), "exit code %d",
		    status) != 0)
			a->why[0] = '\0';
		return CM_EPROTO;
	}
}

int
filter_program(struct filter_ask *a)
{
	char		*env[ENV_MAX] = { NULL };
	struct spawn_filter f = { .argv = a->conf->command, .env = env,
			    .p = a->now.p, .len = a->now.len,
			    .file_max = CONF_SIZE_MAX };
	struct buf	 says;
	int		 rc, status;

	buf_init(&says, SAYS_MAX);
	f.deadline = time_mono_ms() + a->conf->timeout_ms;
	if ((rc = make_env(a->msg, env)) == 0 &&
	    (rc = spawn_filter(&f, &says, &status)) == 0 &&
	    (rc = understand(a, status)) == 0)
		rc = take(a, &says);
	for (size_t i = 0; i < ENV_MAX; i++)
		free(env[i]);
	buf_free(&says);
	return rc;
}
