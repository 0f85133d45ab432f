#include "protocol/login.h"

#include <string.h>

#include "base/time.h"

static int
look_up(void *arg, const char *user, struct buf *out)
{
	struct login	*l = arg;

	return catalog_verifier(l->catalog, user, l->mailbox, out);
}

static void
log_login(struct login *l, bool good, const char *user, const char *mechanism)
{
	const struct tls_session *tls = conn_tls(l->s->conn);
	struct buf	 b;

	buf_init(&b, 16384);
	buf_adds(&b, good ? "login" : "refused login");
	session_log_field(&b, "as", user);
	session_log_field(&b, "mechanism", mechanism);
	session_log_field(&b, "client", l->s->client);
	session_log_field(&b, "tls", tls != NULL ?
	    tls_session_label(tls) : "no");
	log_info(l->s->log, "%s", b.p);
	buf_free(&b);
}

/* Those who guess wait; a right password behind wrong ones waits, too. */
static enum login_end
settle(struct login *l, struct sasl_session *x, int rc, const char *mechanism)
{
	const char	*user = sasl_session_user(x);
	int		 ms;

	if (rc == 0 || rc == CM_EPERM) {
		if ((ms = session_login_delay(l->s, user)) > 0)
			time_sleep_ms(ms);
		session_login_result(l->s, user, rc == 0);
		log_login(l, rc == 0, user, mechanism);
		return rc == 0 ? LOGIN_GOOD : LOGIN_WRONG;
	}
	l->code = rc;
	return rc == CM_EDATA ? LOGIN_GARBAGE : LOGIN_LATER;
}

/* Sends a challenge and takes the answer. */
static enum login_end
exchange(struct login *l, const struct buf *challenge, struct buf *answer)
{
	struct span	 line;
	bool		 crlf;
	int		 rc;

	buf_addf(conn_out(l->s->conn), "%s%s\r\n", l->prompt,
	    challenge->len > 0 ? challenge->p : "");
	session_deadline(l->s, l->deadline_ms,
	    time_mono_ms() + SESSION_STRESS_MS);
	rc = conn_line(l->s->conn, LOGIN_LINE_MAX, &line, &crlf);
	if (rc == CM_ETOOBIG)
		return LOGIN_GARBAGE;
	if (rc != 0) {
		l->code = rc;
		return LOGIN_LOST;
	}
	if (span_is(line, "*"))
		return LOGIN_GIVEN_UP;
	buf_reset(answer);
	buf_add(answer, line.p, line.len);
	return answer->err != 0 || memchr(line.p, '\0', line.len) != NULL ?
	    LOGIN_GARBAGE : LOGIN_GOOD;
}

/* RFC 4954 section 4: the mechanism's last words are a challenge, too. */
static enum login_end
last_words(struct login *l, const struct buf *out, struct buf *answer)
{
	enum login_end	 e;

	if (out->len == 0)
		return LOGIN_GOOD;
	e = exchange(l, out, answer);
	return e == LOGIN_GOOD && answer->len > 0 ? LOGIN_GARBAGE : e;
}

static enum login_end
talk(struct login *l, struct sasl_session *x, const char *in,
    const char *mechanism)
{
	struct buf	 out, answer;
	enum login_end	 e = LOGIN_GOOD;
	int		 rc;

	buf_init(&out, SASL_MESSAGE_MAX);
	buf_init(&answer, LOGIN_LINE_MAX);
	while ((rc = sasl_session_step(x, in, &out)) == CM_EAGAIN &&
	    (e = exchange(l, &out, &answer)) == LOGIN_GOOD)
		in = answer.len > 0 ? answer.p : "";
	if (e == LOGIN_GOOD && rc == 0)
		e = last_words(l, &out, &answer);
	if (e == LOGIN_GOOD)
		e = settle(l, x, rc, mechanism);
	buf_free(&out);
	buf_free(&answer);
	return e;
}

enum login_end
login_sasl(struct login *l, const char *mechanism, const char *first)
{
	struct sasl_session *x;
	enum login_end	 e;
	int		 rc;

	rc = sasl_session_begin(l->sasl, mechanism, conn_tls(l->s->conn),
	    look_up, l, &x);
	if (rc == CM_ENOINPUT)
		return LOGIN_UNKNOWN;
	if (rc != 0) {
		l->code = rc;
		return LOGIN_LATER;
	}
	e = talk(l, x, first, mechanism);
	sasl_session_end(x);
	return e;
}

enum login_end
login_password(struct login *l, const char *name, const char *password)
{
	struct sasl_session *x;
	enum login_end	 e;
	int		 rc;

	rc = sasl_session_begin(l->sasl, "PLAIN", conn_tls(l->s->conn),
	    look_up, l, &x);
	if (rc != 0) {
		l->code = rc;
		return rc == CM_ENOINPUT ? LOGIN_UNKNOWN : LOGIN_LATER;
	}
	e = settle(l, x, sasl_session_password(x, name, password), "password");
	sasl_session_end(x);
	return e;
}
