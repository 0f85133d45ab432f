/* AUTH: RFC 4954. */
#include <string.h>

#include "base/time.h"
#include "protocol/login.h"
#include "protocol/smtp_int.h"

#define LOGIN_MS	60000

/*
 * Not for LMTP, whose clients are mail servers of ours.  Without TLS only
 * mechanisms that do not show the password.
 */
bool
smtp_has_auth(const struct smtp *m)
{
	return m->mode != SMTP_LMTP;
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

static void
answer(struct smtp *m, const struct login *l, enum login_end e)
{
	switch (e) {
	case LOGIN_GOOD:
		memcpy(m->user, l->mailbox, sizeof(m->user));
		smtp_say(m, 235, "2.7.0", "welcome");
		break;
	case LOGIN_WRONG:
		smtp_say(m, 535, "5.7.8", "wrong name or password");
		break;
	case LOGIN_UNKNOWN:
		smtp_say(m, 504, "5.5.4", "not a mechanism that is offered");
		break;
	case LOGIN_GIVEN_UP:
		smtp_say(m, 501, "5.7.0", "given up");
		break;
	case LOGIN_GARBAGE:
		smtp_say(m, 501, "5.5.2", "that is not what the mechanism "
		    "says");
		break;
	case LOGIN_LATER:
		smtp_say(m, 454, "4.7.0", "nobody can log in now, try again");
		break;
	case LOGIN_LOST:
		smtp_lost(m, l->code, "while logging in");
		break;
	}
}

void
smtp_auth(struct smtp *m, struct span args)
{
	struct login	 l = { .s = m->s, .catalog = m->w->catalog,
			    .sasl = m->w->sasl, .prompt = "334 " };
	struct span	 name, rest = args;
	char		 mechanism[32], first[SMTP_COMMAND_MAX];

	if (!may_begin(m))
		return;
	if (!str_field(&rest, ' ', &name) || name.len == 0 ||
	    str_ncopy(mechanism, sizeof(mechanism), name.p, name.len) != 0 ||
	    (rest.p != NULL && str_ncopy(first, sizeof(first), rest.p,
	    rest.len) != 0)) {
		smtp_say(m, 501, "5.5.4", "the form is AUTH mechanism "
		    "[answer]");
		return;
	}
	l.deadline_ms = time_mono_ms() + LOGIN_MS;
	answer(m, &l, login_sasl(&l, mechanism, rest.p != NULL ? first :
	    NULL));
}
