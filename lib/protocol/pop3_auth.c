/* Logging in: USER and PASS, AUTH (RFC 5034). */
#include <string.h>

#include "base/time.h"
#include "protocol/login.h"
#include "protocol/pop3_int.h"

#define LOGIN_MS	60000

bool
pop3_is_private(const struct pop3 *m)
{
	return conn_tls(m->s->conn) != NULL;
}

/*
 * One too many is IN-USE (RFC 2449 section 8.1.2: the login was right, and
 * others have the maildrop), not SYS/TEMP, which RFC 3206 section 4 has for
 * trouble of ours: clients say so, or try again, without asking for another
 * password.
 */
static void
welcome(struct pop3 *m, const struct login *l)
{
	int	 rc;

	memcpy(m->user, l->mailbox, sizeof(m->user));
	if (session_account_enter(m->s, m->user) != 0) {
		pop3_log(m, "refused", "too many sessions of the mailbox");
		m->user[0] = '\0';
		pop3_bad(m, "IN-USE", "too many sessions have your mailbox "
		    "open");
		return;
	}
	if ((rc = pop3_open(m)) == 0) {
		pop3_good(m, "%zu messages", m->n);
		return;
	}
	session_account_leave(m->s);
	pop3_log(m, "refused", cm_strerror(rc));
	m->user[0] = '\0';
	pop3_bad(m, "SYS/TEMP", "your mailbox cannot be opened now");
}

static void
answer(struct pop3 *m, const struct login *l, enum login_end e)
{
	switch (e) {
	case LOGIN_GOOD:
		welcome(m, l);
		break;
	case LOGIN_WRONG:
		pop3_bad(m, "AUTH", "wrong name or password");
		break;
	case LOGIN_UNKNOWN:
		pop3_bad(m, NULL, "not a mechanism that is offered");
		break;
	case LOGIN_GIVEN_UP:
		pop3_bad(m, NULL, "given up");
		break;
	case LOGIN_GARBAGE:
		pop3_bad(m, NULL, "that is not what the mechanism says");
		break;
	case LOGIN_LATER:
		pop3_bad(m, "SYS/TEMP", "nobody can log in now");
		break;
	case LOGIN_LOST:
		pop3_lost(m, l->code);
		break;
	}
}

static struct login
begin(struct pop3 *m)
{
	return (struct login){ .s = m->s, .catalog = m->w->catalog,
	    .sasl = m->w->sasl, .prompt = "+ ",
	    .deadline_ms = time_mono_ms() + LOGIN_MS };
}

void
pop3_user(struct pop3 *m, struct span args)
{
	if (!pop3_is_private(m))
		pop3_bad(m, NULL, "not without TLS: STLS, or AUTH with SCRAM");
	else if (args.len == 0 ||
	    str_ncopy(m->name, sizeof(m->name), args.p, args.len) != 0)
		pop3_bad(m, NULL, "the form is USER name");
	else
		pop3_good(m, "and the password");
}

void
pop3_pass(struct pop3 *m, struct span args)
{
	struct login	 l = begin(m);
	char		 password[POP3_LINE_MAX];

	if (m->name[0] == '\0') {
		pop3_bad(m, NULL, "USER comes first");
		return;
	}
	if (str_ncopy(password, sizeof(password), args.p, args.len) != 0)
		password[0] = '\0';
	answer(m, &l, login_password(&l, m->name, password));
	explicit_bzero(password, sizeof(password));
	m->name[0] = '\0';
}

void
pop3_auth(struct pop3 *m, struct span args)
{
	struct login	 l = begin(m);
	struct span	 name, rest = args;
	char		 mechanism[32], first[POP3_LINE_MAX];

	if (args.len == 0 || !str_field(&rest, ' ', &name) ||
	    str_ncopy(mechanism, sizeof(mechanism), name.p, name.len) != 0 ||
	    (rest.p != NULL && str_ncopy(first, sizeof(first), rest.p,
	    rest.len) != 0)) {
		pop3_bad(m, NULL, "the form is AUTH mechanism [answer]");
		return;
	}
	answer(m, &l, login_sasl(&l, mechanism, rest.p != NULL ? first :
	    NULL));
}
