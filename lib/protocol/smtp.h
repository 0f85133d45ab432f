/*
 * SMTP (RFC 5321), LMTP (RFC 2033) and submission (RFC 6409) as one service
 * of the session engine; cm-smtpd(8) says what it answers.  Level 4.
 */
#ifndef CM_SMTP_H
#define CM_SMTP_H

#include "protocol/session.h"

enum smtp_mode { SMTP_MX, SMTP_LMTP, SMTP_SUBMISSION };

/* The service; mode stays in place as long as it is used. */
struct session_service smtp_service(enum smtp_mode *mode);

#endif
