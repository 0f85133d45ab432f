/*
 * IMAP (RFC 3501) as a service of the session engine; cm-imapd(8) says what it
 * answers.  Level 4.
 */
#ifndef CM_IMAPD_H
#define CM_IMAPD_H

#include "protocol/session.h"

struct session_service imapd_service(void);

#endif
