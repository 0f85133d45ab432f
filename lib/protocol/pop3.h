/*
 * POP3 (RFC 1939) as a service of the session engine; cm-pop3d(8) says what it
 * answers.  Level 4.
 */
#ifndef CM_POP3_H
#define CM_POP3_H

#include "protocol/session.h"

struct session_service pop3_service(void);

#endif
