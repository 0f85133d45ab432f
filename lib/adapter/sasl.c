#include "adapter/sasl.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "adapter/sasl_int.h"

/*
 * Stored strings may not have characters unknown to SASLprep (RFC 4013
 * section 2.5).  In libgsasl up to 2.2 this flag forbids them and 0 allows
 * them, the other way round than documented; it is the flag that
 * gsasl_scram_secrets_from_password prepares with, and the two must agree.
 */
#define PREP_FLAGS	GSASL_ALLOW_UNASSIGNED

const struct sasl_scheme sasl_schemes[SASL_SCHEMES] = {
	{ "SCRAM-SHA-256", GSASL_HASH_SHA256, GSASL_HASH_SHA256_SIZE },
	{ "SCRAM-SHA-1", GSASL_HASH_SHA1, GSASL_HASH_SHA1_SIZE },
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
	int	 rc;

	rc = code_of(gsasl_scram_secrets_from_password(s->scheme->hash,
	    prepared, s->iterations, s->salt, s->salt_len, salted, client,
	    s->server_key, s->stored_key));
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
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

int
sasl_text(const struct scram *s, struct scram_text *t)
{
	int	 rc;

	if ((rc = encode(s->salt, s->salt_len, t->salt,
	    sizeof(t->salt))) == 0 &&
	    (rc = encode(s->stored_key, s->scheme->size, t->stored_key,
	    sizeof(t->stored_key))) == 0)
		rc = encode(s->server_key, s->scheme->size, t->server_key,
		    sizeof(t->server_key));
	return rc;
}

/* Behind what is there, with a blank between. */
static int
append(const struct scram *s, char *out, size_t size)
{
	struct scram_text	 t;
	size_t			 n = strlen(out);
	int			 rc;

	if ((rc = sasl_text(s, &t)) == 0)
		rc = str_fmt(out + n, size - n, "%s%s$%u:%s$%s:%s",
		    n > 0 ? " " : "", s->scheme->name, s->iterations, t.salt,
		    t.stored_key, t.server_key);
	explicit_bzero(&t, sizeof(t));
	return rc;
}

static int
make(const char *prepared, unsigned iterations, char *out, size_t outsz)
{
	struct scram	 s = { .iterations = iterations,
			    .salt_len = SASL_SALT_SIZE };
	int		 rc = 0;

	for (int i = 0; rc == 0 && i < SASL_SCHEMES; i++) {
		s.scheme = &sasl_schemes[i];
		if (getrandom(s.salt, s.salt_len, 0) != (ssize_t)s.salt_len)
			rc = CM_EIO;
		else if ((rc = derive(prepared, &s)) == 0)
			rc = append(&s, out, outsz);
	}
	explicit_bzero(&s, sizeof(s));
	return rc;
}

int
sasl_verifier(const struct log *log, const char *password, size_t len,
    unsigned iterations, char *out, size_t outsz)
{
	const char	*why;
	char		*prepared = NULL;
	int		 rc;

	out[0] = '\0';
	if (iterations == 0)
		iterations = SASL_ITERATIONS;
	if (iterations < SASL_ITERATIONS_MIN ||
	    iterations > SASL_ITERATIONS_MAX)
		return log_fail(log, CM_EUSAGE, "%u iterations: not from %d "
		    "to %d", iterations, SASL_ITERATIONS_MIN,
		    SASL_ITERATIONS_MAX);
	if ((rc = prepare(password, len, &prepared, &why)) != 0)
		rc = log_fail(log, rc, "password");
	else if (why != NULL)
		rc = log_fail(log, CM_EDATA, "%s", why);
	else if ((rc = make(prepared, iterations, out, outsz)) != 0)
		rc = log_fail(log, rc, "password verifier");
	wipe_free(prepared);
	return rc;
}

/* One base64 field of at most max bytes. */
static int
decode(struct span f, char *out, size_t max, size_t *len)
{
	char	*p = NULL;
	size_t	 n = 0;
	int	 rc;

	if (f.len == 0 || f.len >= sizeof(((struct scram_text *)0)->salt))
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
decode_key(struct span f, char *out, size_t size)
{
	size_t	 n = 0;
	int	 rc;

	if ((rc = decode(f, out, size, &n)) != 0)
		return rc;
	return n == size ? 0 : CM_ECORRUPT;
}

static int
parse_one(struct span rest, const struct sasl_scheme *scheme, struct scram *s)
{
	struct span	 name, work, keys, count, stored;
	uint64_t	 n;
	int		 rc;

	if (!str_field(&rest, '$', &name) || !span_is(name, scheme->name) ||
	    !str_field(&rest, '$', &work) || !str_field(&rest, '$', &keys) ||
	    rest.p != NULL || !str_field(&work, ':', &count) ||
	    work.p == NULL || !str_field(&keys, ':', &stored) ||
	    keys.p == NULL)
		return CM_ECORRUPT;
	if (str_u64(count.p, count.len, SASL_ITERATIONS_MAX, &n) != 0 ||
	    n == 0)
		return CM_ECORRUPT;
	s->scheme = scheme;
	s->iterations = (unsigned)n;
	if ((rc = decode(work, s->salt, sizeof(s->salt), &s->salt_len)) != 0 ||
	    (rc = decode_key(stored, s->stored_key, scheme->size)) != 0)
		return rc;
	return decode_key(keys, s->server_key, scheme->size);
}

int
sasl_parse(struct span rest, struct scram s[SASL_SCHEMES])
{
	struct span	 one;
	int		 rc = 0;

	memset(s, 0, SASL_SCHEMES * sizeof(*s));
	if (rest.len == 0 || rest.len >= SASL_VERIFIER_SIZE)
		return CM_ECORRUPT;
	for (int i = 0; rc == 0 && i < SASL_SCHEMES &&
	    str_field(&rest, ' ', &one); i++)
		rc = parse_one(one, &sasl_schemes[i], &s[i]);
	return rc == 0 && rest.p != NULL ? CM_ECORRUPT : rc;
}

int
sasl_verifier_check(struct span verifiers)
{
	struct scram	 s[SASL_SCHEMES];
	int		 rc = sasl_parse(verifiers, s);

	explicit_bzero(s, sizeof(s));
	return rc;
}

bool
sasl_verifier_is_whole(struct span verifiers)
{
	struct scram	 s[SASL_SCHEMES];
	bool		 whole;

	whole = sasl_parse(verifiers, s) == 0 && s[SHA1].scheme != NULL;
	explicit_bzero(s, sizeof(s));
	return whole;
}

static bool
is_same_key(const char *a, const char *b, size_t size)
{
	volatile unsigned char d = 0;

	for (size_t i = 0; i < size; i++)
		d = (unsigned char)(d | ((unsigned char)a[i] ^
		    (unsigned char)b[i]));
	return d == 0;
}

int
sasl_verify_plain(const struct log *log, const char *verifier,
    const char *password, size_t len)
{
	struct scram	 want[SASL_SCHEMES], got;
	const char	*why;
	char		*prepared = NULL;
	int		 rc;

	memset(&got, 0, sizeof(got));
	rc = sasl_parse((struct span){ verifier, strlen(verifier) }, want);
	if (rc != 0) {
		rc = log_fail(log, rc, "password verifier");
		goto out;
	}
	got = want[SHA256];
	rc = prepare(password, len, &prepared, &why);
	if (rc == 0 && why != NULL)
		rc = CM_EPERM;
	else if (rc != 0 || (rc = derive(prepared, &got)) != 0)
		rc = log_fail(log, rc, "password check");
	else if (!is_same_key(want[SHA256].stored_key, got.stored_key,
	    got.scheme->size))
		rc = CM_EPERM;
out:
	wipe_free(prepared);
	explicit_bzero(want, sizeof(want));
	explicit_bzero(&got, sizeof(got));
	return rc;
}

int
sasl_secret(char out[SASL_SECRET_SIZE])
{
	unsigned char	 b[(SASL_SECRET_SIZE - 1) / 2];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return CM_EIO;
	for (size_t i = 0; i < sizeof(b); i++) {
		out[2 * i] = "0123456789abcdef"[b[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[b[i] & 15];
	}
	out[SASL_SECRET_SIZE - 1] = '\0';
	explicit_bzero(b, sizeof(b));
	return 0;
}

/*
 * The secret is the key of PBKDF2 with one iteration (HMAC), the name its
 * salt; three values of what comes out, none of which tells another.  That
 * the keys belong to no password need not be tried.
 */
int
sasl_make_up(const char *secret, const char *name, int scheme,
    struct scram *s)
{
	const struct sasl_scheme *sha256 = &sasl_schemes[SHA256];
	char		 salted[GSASL_HASH_MAX_SIZE];
	char		 server[GSASL_HASH_MAX_SIZE];
	struct buf	 what;
	int		 rc;

	s->scheme = &sasl_schemes[scheme];
	s->iterations = SASL_ITERATIONS;
	s->salt_len = SASL_SALT_SIZE;
	buf_init(&what, SASL_NAME_MAX + 64);
	buf_addf(&what, "%s %s", s->scheme->name, name);
	if ((rc = what.err) == 0)
		rc = code_of(gsasl_scram_secrets_from_password(sha256->hash,
		    secret, 1, what.p, what.len, salted, s->server_key, server,
		    s->stored_key));
	if (rc == 0)
		memcpy(s->salt, server, s->salt_len);
	buf_free(&what);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(server, sizeof(server));
	return rc;
}

int
sasl_complete(const char *secret, const char *name, struct span have,
    char *out, size_t outsz)
{
	struct scram	 s[SASL_SCHEMES];
	int		 rc = 0;

	out[0] = '\0';
	memset(s, 0, sizeof(s));
	if (have.len > 0)
		rc = sasl_parse(have, s);
	for (int i = 0; rc == 0 && i < SASL_SCHEMES; i++) {
		if (s[i].scheme == NULL)
			rc = sasl_make_up(secret, name, i, &s[i]);
		if (rc == 0)
			rc = append(&s[i], out, outsz);
	}
	explicit_bzero(s, sizeof(s));
	return rc;
}
