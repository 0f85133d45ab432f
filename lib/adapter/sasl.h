/* Password verifiers: the one user of libgsasl.  Level 2. */
#ifndef CM_SASL_H
#define CM_SASL_H

#include <stddef.h>

#include "base/err.h"
#include "base/log.h"

#define SASL_ITERATIONS	    10000	/* RFC 7677 section 4: 4096 or more */
#define SASL_ITERATIONS_MIN 4096
#define SASL_ITERATIONS_MAX 1000000
#define SASL_PASSWORD_MAX   1024	/* bytes */
#define SASL_SALT_SIZE	    16		/* of new verifiers, bytes */
#define SASL_SALT_MAX	    64
#define SASL_VERIFIER_SIZE  256		/* holds every verifier and its NUL */

/*
 * Makes what is kept instead of a password, for SCRAM-SHA-256 (RFC 5803 and
 * RFC 7677), with a fresh random salt:
 *
 *   SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
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
 * Is this the password of the verifier?  0 when it is; CM_EPERM when not,
 * whatever is wrong with it, without a line; CM_ECORRUPT when the verifier
 * does not have the form above (fewer than 4096 iterations are taken here);
 * CM_ENOMEM; CM_ESOFT.  The keys are compared in constant time.
 */
int	 sasl_verify_plain(const struct log *, const char *verifier,
	    const char *password, size_t len) CM_MUST;

#endif
