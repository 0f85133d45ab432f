/* What the files of sasl.h share; nobody else includes it.  Level 2. */
#ifndef CM_SASL_INT_H
#define CM_SASL_INT_H

#include <stddef.h>

#include <gsasl.h>

#include "adapter/sasl.h"
#include "base/str.h"

enum { SHA256, SHA1, SASL_SCHEMES };

struct sasl_scheme {
	const char	*name;
	Gsasl_hash	 hash;
	size_t		 size;		/* bytes of a key */
};
extern const struct sasl_scheme sasl_schemes[SASL_SCHEMES];

/* A verifier's parts. */
struct scram {
	const struct sasl_scheme *scheme;
	unsigned	 iterations;
	char		 salt[SASL_SALT_MAX];
	size_t		 salt_len;
	char		 stored_key[GSASL_HASH_MAX_SIZE];
	char		 server_key[GSASL_HASH_MAX_SIZE];
};

/* The same in base64, as libgsasl takes it. */
struct scram_text {
	char		 salt[(SASL_SALT_MAX + 2) / 3 * 4 + 1];
	char		 stored_key[(GSASL_HASH_MAX_SIZE + 2) / 3 * 4 + 1];
	char		 server_key[(GSASL_HASH_MAX_SIZE + 2) / 3 * 4 + 1];
};

/* All of them; scheme is NULL where there is none.  CM_ECORRUPT. */
int	 sasl_parse(struct span verifiers, struct scram[SASL_SCHEMES]) CM_MUST;
int	 sasl_text(const struct scram *, struct scram_text *) CM_MUST;
/* One of this scheme that fits nothing; see sasl_complete. */
int	 sasl_make_up(const char *secret, const char *name, int scheme,
	    struct scram *) CM_MUST;

#endif
