/* Password verifiers, by libgsasl; see sasl_server.h, too.  Level 2. */
#ifndef CM_SASL_H
#define CM_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

#define SASL_ITERATIONS	    10000	/* RFC 7677 section 4: 4096 or more */
#define SASL_ITERATIONS_MIN 4096
#define SASL_ITERATIONS_MAX 1000000
#define SASL_PASSWORD_MAX   1024	/* bytes */
#define SASL_SALT_SIZE	    16		/* of new verifiers, bytes */
#define SASL_SALT_MAX	    64
#define SASL_VERIFIER_SIZE  384		/* holds all verifiers and their NUL */
#define SASL_NAME_MAX	    1024	/* bytes of a login name */
#define SASL_SECRET_SIZE    65		/* of sasl_secret, and a NUL */

/*
 * Makes what is kept instead of a password, for SCRAM-SHA-256 and SCRAM-SHA-1
 * (RFC 5803, RFC 7677, RFC 5802), each with a fresh random salt:
 *
 *   SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> SCRAM-SHA-1$...
 *
 * The three are in base64.  The password is UTF-8 and prepared by SASLprep
 * (RFC 4013) as a stored string.  iterations is 0 for SASL_ITERATIONS, else
 * from SASL_ITERATIONS_MIN to _MAX, or CM_EUSAGE.  outsz is SASL_VERIFIER_SIZE.
 * CM_EDATA, with a line that says why but not what it is, when the password
 * is empty, has a NUL, is too long or is refused by SASLprep; CM_ETOOBIG
 * when out is too small; CM_ENOMEM; CM_ESOFT when the library fails.
 */
int	 sasl_verifier(const struct log *, const char *password, size_t len,
	    unsigned iterations, char *out, size_t outsz) CM_MUST;

/*
 * Is it what sasl_verifier makes, whatever its iterations (1 and up) and the
 * length of its salts?  The second one, with the blank, may be missing: so
 * were those made before there were two.  CM_ECORRUPT; CM_ENOMEM.
 */
int	 sasl_verifier_check(struct span) CM_MUST;
/* Does it have both? */
bool	 sasl_verifier_is_whole(struct span);

/*
 * Is this the password of the verifier?  0 when it is; CM_EPERM when not,
 * whatever is wrong with it, without a line; CM_ECORRUPT when the verifier
 * does not have the form above; CM_ENOMEM; CM_ESOFT.  The one for
 * SCRAM-SHA-256 is asked.  The keys are compared in constant time.
 */
int	 sasl_verify_plain(const struct log *, const char *verifier,
	    const char *password, size_t len) CM_MUST;

/* A new secret for sasl_complete: 32 random bytes in hex. */
int	 sasl_secret(char out[SASL_SECRET_SIZE]) CM_MUST;
/*
 * What is said of a name that has no password, or one for SCRAM-SHA-256 only:
 * to have (may be empty) are added the verifiers it lacks, made up.  They look
 * like those of sasl_verifier with SASL_ITERATIONS, are always the same for
 * the same name and secret, and no password fits them.  out is of
 * SASL_VERIFIER_SIZE.  CM_ECORRUPT; CM_ETOOBIG; CM_ENOMEM; CM_ESOFT.
 */
int	 sasl_complete(const char *secret, const char *name, struct span have,
	    char *out, size_t outsz) CM_MUST;

#endif
