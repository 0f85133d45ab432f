/* AUTH: RFC 4954. */
#include <string.h>

#include "base/time.h"
#include "protocol/smtp_int.h"

#define ANSWER_MS	60000

/* Who is being asked about, and which mailbox that is. */
struct login {
	struct smtp	*m;
	char		 mailbox[ADDRESS_MAX + 1];
};

/*
 * Not for LMTP, whose clients are mail servers of ours.  Without TLS only
 * mechanisms that do not show the password.
 */
bool
smtp_has_auth(const struct smtp *m)
{
	return m->mode != SMTP_LMTP;
}

static int
look_up(void *arg, const char *user, struct buf *out)
{
	struct login	*l = arg;

	return catalog_verifier(l->m->w->catalog, user, l->mailbox, out);
}

/* Sends a challenge and takes the answer; NULL when there is none. */
static const char *
exchange(struct smtp *m, const struct buf *challenge, struct buf *answer)
{
	struct span	 line;
	bool		 crlf;
	int		 rc;

	smtp_reply(conn_out(m->s->conn), 334, "",
	    challenge->len > 0 ? challenge->p : "");
	smtp_deadline(m, ANSWER_MS);
	rc = conn_line(m->s->conn, SMTP_COMMAND_MAX, &line, &crlf);
	if (rc == CM_ETOOBIG)
		smtp_say(m, 500, "5.5.6", "line too long");
	else if (rc != 0)
		smtp_lost(m, rc, "while logging in");
	else if (span_is(line, "*"))
		smtp_say(m, 501, "5.7.0", "given up");
	else if (!crlf || memchr(line.p, '\0', line.len) != NULL)
		smtp_say(m, 501, "5.5.2", "that is no base64");
	else {
		buf_reset(answer);
		buf_add(answer, line.p, line.len);
		return answer->err ? NULL : answer->p;
	}
	return NULL;
}

static void
log_login(struct smtp *m, bool good, const char *user)
{
	struct buf	 b;

	buf_init(&b, 16384);
	buf_adds(&b, good ? "login" : "refused login");
	session_log_field(&b, "as", user);
	session_log_field(&b, "mechanism", m->mechanism);
	smtp_log_client(m, &b);
	log_info(m->s->log, "%s", b.p);
	buf_free(&b);
}

static void
wait_for_guessers(struct smtp *m, const char *user)
{
	int	 ms = session_login_delay(m->s, user);

	if (ms > 0)
		time_sleep_ms(ms);
}

static void
end(struct smtp *m, struct sasl_session *x, struct login *l, int rc)
{
	const char	*user = sasl_session_user(x);

	if (rc == 0 || rc == CM_EPERM) {
		wait_for_guessers(m, user);
		session_login_result(m->s, user, rc == 0);
		log_login(m, rc == 0, user);
	}
	if (rc == 0) {
		memcpy(m->user, l->mailbox, sizeof(m->user));
		smtp_say(m, 235, "2.7.0", "welcome");
	} else if (rc == CM_EPERM)
		smtp_say(m, 535, "5.7.8", "wrong name or password");
	else if (rc == CM_EDATA)
		smtp_say(m, 501, "5.5.2", "that is not what the mechanism "
		    "says");
	else
		smtp_say(m, 454, "4.7.0", "nobody can log in now, try again");
}

/* RFC 4954 section 4: the mechanism's last words are a challenge, too. */
static bool
last_words(struct smtp *m, const struct buf *out, struct buf *answer)
{
	const char	*a;

	if (out->len == 0)
		return true;
	if ((a = exchange(m, out, answer)) == NULL)
		return false;
	if (a[0] == '\0')
		return true;
	smtp_say(m, 501, "5.5.2", "nothing was asked");
	return false;
}

static void
talk(struct smtp *m, struct sasl_session *x, struct login *l,
    const char *in)
{
	struct buf	 out, answer;
	int		 rc;

	buf_init(&out, SASL_MESSAGE_MAX);
	buf_init(&answer, SMTP_COMMAND_MAX);
	for (;;) {
		if ((rc = sasl_session_step(x, in, &out)) != CM_EAGAIN)
			break;
		if ((in = exchange(m, &out, &answer)) == NULL)
			break;
	}
	if (rc != CM_EAGAIN && (rc != 0 || last_words(m, &out, &answer)))
		end(m, x, l, rc);
	buf_free(&out);
	buf_free(&answer);
}

static bool
may_begin(struct smtp *m)
{
	if (!smtp_has_auth(m))
		smtp_say(m, 502, "5.5.1", "nobody logs in here");
	else if (m->helo[0] == '\0' || !m->esmtp)
		smtp_say(m, 503, "5.5.1", "say EHLO first");
	else if (m->user[0] != '\0')
		smtp_say(m, 503, "5.5.1", "you have logged in already");
	else if (m->mail.begun)
		smtp_say(m, 503, "5.5.1", "not in a message");
	else
		return true;
	return false;
}

void
smtp_auth(struct smtp *m, struct span args)
{
	struct sasl_session *x;
	struct login	 l = { .m = m };
	struct span	 name, rest = args;
	char		 first[SMTP_COMMAND_MAX];
	int		 rc;

	if (!may_begin(m))
		return;
	if (!str_field(&rest, ' ', &name) || name.len == 0 ||
	    str_ncopy(m->mechanism, sizeof(m->mechanism), name.p,
	    name.len) != 0) {
		smtp_say(m, 501, "5.5.4", "the form is AUTH mechanism "
		    "[answer]");
		return;
	}
	if (rest.p != NULL && str_ncopy(first, sizeof(first), rest.p,
	    rest.len) != 0) {
		smtp_say(m, 501, "5.5.4", "too long");
		return;
	}
	rc = sasl_session_begin(m->w->sasl, m->mechanism,
	    conn_tls(m->s->conn), look_up, &l, &x);
	if (rc == CM_ENOINPUT) {
		smtp_say(m, 504, "5.5.4", "not a mechanism that is offered");
		return;
	}
	if (rc != 0) {
		smtp_say(m, 454, "4.7.0", "nobody can log in now, try again");
		return;
	}
	talk(m, x, &l, rest.p != NULL ? first : NULL);
	sasl_session_end(x);
}
