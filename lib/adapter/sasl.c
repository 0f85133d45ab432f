#include "adapter/sasl.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include <gsasl.h>

#include "base/str.h"

#define SCHEME		"SCRAM-SHA-256"
#define KEY_SIZE	GSASL_HASH_SHA256_SIZE
#define BASE64_SIZE(n)	(((n) + 2) / 3 * 4 + 1)

/*
 * Stored strings may not have characters unknown to SASLprep (RFC 4013
 * section 2.5).  In libgsasl up to 2.2 this flag forbids them and 0 allows
 * them, the other way round than documented; it is the flag that
 * gsasl_scram_secrets_from_password prepares with, and the two must agree.
 */
#define PREP_FLAGS	GSASL_ALLOW_UNASSIGNED

/* A verifier's parts. */
struct scram {
	unsigned	 iterations;
	char		 salt[SASL_SALT_MAX];
	size_t		 salt_len;
	char		 stored_key[KEY_SIZE];
	char		 server_key[KEY_SIZE];
};

static void
wipe_free(char *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, strlen(p));
	gsasl_free(p);
}

/* gsasl's codes that are not about the input. */
static int
code_of(int rc)
{
	if (rc == GSASL_OK)
		return 0;
	return rc == GSASL_MALLOC_ERROR ? CM_ENOMEM : CM_ESOFT;
}

/*
 * SASLprep, into *out: wipe_free it.  NULL in *why when all is well, else
 * what is wrong with the password.
 */
static int
prepare(const char *password, size_t len, char **out, const char **why)
{
	char	 plain[SASL_PASSWORD_MAX + 1];
	int	 rc;

	*out = NULL;
	*why = NULL;
	if (len == 0) {
		*why = "password is empty";
		return 0;
	}
	if (len > SASL_PASSWORD_MAX) {
		*why = "password is too long";
		return 0;
	}
	if (memchr(password, '\0', len) != NULL) {
		*why = "password contains a NUL";
		return 0;
	}
	memcpy(plain, password, len);
	plain[len] = '\0';
	rc = gsasl_saslprep(plain, PREP_FLAGS, out, NULL);
	explicit_bzero(plain, sizeof(plain));
	if (rc == GSASL_MALLOC_ERROR)
		return CM_ENOMEM;
	if (rc != GSASL_OK)
		*why = "password is not UTF-8, or contains characters that "
		    "SASLprep (RFC 4013) forbids";
	else if ((*out)[0] == '\0')
		*why = "password is empty after SASLprep (RFC 4013)";
	return 0;
}

static int
derive(const char *prepared, struct scram *s)
{
	char	 salted[GSASL_HASH_MAX_SIZE], client[GSASL_HASH_MAX_SIZE];
	char	 server[GSASL_HASH_MAX_SIZE], stored[GSASL_HASH_MAX_SIZE];
	int	 rc;

	rc = code_of(gsasl_scram_secrets_from_password(GSASL_HASH_SHA256,
	    prepared, s->iterations, s->salt, s->salt_len, salted, client,
	    server, stored));
	if (rc == 0) {
		memcpy(s->stored_key, stored, KEY_SIZE);
		memcpy(s->server_key, server, KEY_SIZE);
	}
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	explicit_bzero(server, sizeof(server));
	explicit_bzero(stored, sizeof(stored));
	return rc;
}

static int
encode(const char *p, size_t len, char *out, size_t size)
{
	char	*b64 = NULL;
	size_t	 n;
	int	 rc;

	if ((rc = code_of(gsasl_base64_to(p, len, &b64, &n))) == 0)
		rc = str_ncopy(out, size, b64, n);
	wipe_free(b64);
	return rc;
}

static int
format(const struct scram *s, char *out, size_t size)
{
	char	 salt[BASE64_SIZE(SASL_SALT_MAX)];
	char	 stored[BASE64_SIZE(KEY_SIZE)], server[BASE64_SIZE(KEY_SIZE)];
	int	 rc;

	if ((rc = encode(s->salt, s->salt_len, salt, sizeof(salt))) == 0 &&
	    (rc = encode(s->stored_key, KEY_SIZE, stored,
	    sizeof(stored))) == 0 &&
	    (rc = encode(s->server_key, KEY_SIZE, server,
	    sizeof(server))) == 0)
		rc = str_fmt(out, size, SCHEME "$%u:%s$%s:%s", s->iterations,
		    salt, stored, server);
	explicit_bzero(stored, sizeof(stored));
	explicit_bzero(server, sizeof(server));
	return rc;
}

int
sasl_verifier(const struct log *log, const char *password, size_t len,
    unsigned iterations, char *out, size_t outsz)
{
	struct scram	 s = { .salt_len = SASL_SALT_SIZE };
	const char	*why;
	char		*prepared = NULL;
	int		 rc;

	s.iterations = iterations == 0 ? SASL_ITERATIONS : iterations;
	if (s.iterations < SASL_ITERATIONS_MIN ||
	    s.iterations > SASL_ITERATIONS_MAX)
		return log_fail(log, CM_EUSAGE, "%u iterations: not from %d "
		    "to %d", iterations, SASL_ITERATIONS_MIN,
		    SASL_ITERATIONS_MAX);
	if ((rc = prepare(password, len, &prepared, &why)) != 0)
		rc = log_fail(log, rc, "password");
	else if (why != NULL)
		rc = log_fail(log, CM_EDATA, "%s", why);
	else if (getrandom(s.salt, s.salt_len, 0) != (ssize_t)s.salt_len)
		rc = log_errno(log, "getrandom");
	else if ((rc = derive(prepared, &s)) != 0 ||
	    (rc = format(&s, out, outsz)) != 0)
		rc = log_fail(log, rc, "password verifier");
	wipe_free(prepared);
	explicit_bzero(&s, sizeof(s));
	return rc;
}

/* One base64 field of at most max bytes. */
static int
decode(struct span f, char *out, size_t max, size_t *len)
{
	char	*p = NULL;
	size_t	 n = 0;
	int	 rc;

	if (f.len == 0 || f.len >= BASE64_SIZE(SASL_SALT_MAX))
		return CM_ECORRUPT;
	rc = gsasl_base64_from(f.p, f.len, &p, &n);
	if (rc == GSASL_MALLOC_ERROR)
		return CM_ENOMEM;
	if (rc != GSASL_OK || p == NULL)
		return CM_ECORRUPT;
	rc = n > 0 && n <= max ? 0 : CM_ECORRUPT;
	if (rc == 0) {
		memcpy(out, p, n);
		*len = n;
	}
	explicit_bzero(p, n);
	gsasl_free(p);
	return rc;
}

static int
decode_key(struct span f, char *out)
{
	size_t	 n = 0;
	int	 rc;

	if ((rc = decode(f, out, KEY_SIZE, &n)) != 0)
		return rc;
	return n == KEY_SIZE ? 0 : CM_ECORRUPT;
}

static int
parse(const char *verifier, struct scram *s)
{
	struct span	 rest = { verifier, strlen(verifier) };
	struct span	 scheme, work, keys, count, stored;
	uint64_t	 n;
	int		 rc;

	if (rest.len >= SASL_VERIFIER_SIZE ||
	    !str_field(&rest, '$', &scheme) || !span_is(scheme, SCHEME) ||
	    !str_field(&rest, '$', &work) || !str_field(&rest, '$', &keys) ||
	    rest.p != NULL || !str_field(&work, ':', &count) ||
	    work.p == NULL || !str_field(&keys, ':', &stored) ||
	    keys.p == NULL)
		return CM_ECORRUPT;
	if (str_u64(count.p, count.len, SASL_ITERATIONS_MAX, &n) != 0 ||
	    n == 0)
		return CM_ECORRUPT;
	s->iterations = (unsigned)n;
	if ((rc = decode(work, s->salt, sizeof(s->salt), &s->salt_len)) != 0 ||
	    (rc = decode_key(stored, s->stored_key)) != 0)
		return rc;
	return decode_key(keys, s->server_key);
}

static bool
is_same_key(const char *a, const char *b)
{
	volatile unsigned char d = 0;

	for (size_t i = 0; i < KEY_SIZE; i++)
		d = (unsigned char)(d | ((unsigned char)a[i] ^
		    (unsigned char)b[i]));
	return d == 0;
}

int
sasl_verify_plain(const struct log *log, const char *verifier,
    const char *password, size_t len)
{
	struct scram	 want = { 0 }, got;
	const char	*why;
	char		*prepared = NULL;
	int		 rc;

	memset(&got, 0, sizeof(got));
	if ((rc = parse(verifier, &want)) != 0) {
		rc = log_fail(log, rc, "password verifier");
		goto out;
	}
	got = want;
	rc = prepare(password, len, &prepared, &why);
	if (rc == 0 && why != NULL)
		rc = CM_EPERM;
	else if (rc != 0 || (rc = derive(prepared, &got)) != 0)
		rc = log_fail(log, rc, "password check");
	else if (!is_same_key(want.stored_key, got.stored_key))
		rc = CM_EPERM;
out:
	wipe_free(prepared);
	explicit_bzero(&want, sizeof(want));
	explicit_bzero(&got, sizeof(got));
	return rc;
}
