/* Logins as the targets of sessions have them: the mechanism says what comes of
 * one. */
#ifndef FUZZ_LOGIN_H
#define FUZZ_LOGIN_H

#include "protocol/login.h"
#include "session.h"

static enum login_end
bad_login(struct login *l, const char *mechanism)
{
	l->code = CM_EAWAY;
	return strcmp(mechanism, "WRONG") == 0 ? LOGIN_WRONG :
	    strcmp(mechanism, "LOST") == 0 ? LOGIN_LOST :
	    strcmp(mechanism, "LATER") == 0 ? LOGIN_LATER :
	    strcmp(mechanism, "NO") == 0 ? LOGIN_GIVEN_UP :
	    strcmp(mechanism, "BAD") == 0 ? LOGIN_GARBAGE : LOGIN_UNKNOWN;
}

/* Not without TLS, which is not here. */
enum login_end
login_password(struct login *l, const char *name, const char *password)
{
	(void)l, (void)name, (void)password;
	abort();
}

#endif
