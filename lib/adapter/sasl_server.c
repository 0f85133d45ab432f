#include "adapter/sasl_server.h"

#include <stdlib.h>
#include <string.h>

#include "adapter/sasl_int.h"

#define STEPS_MAX	4	/* LOGIN takes three */
#define BINDING_MAX	1024	/* bytes */
#define NO_SCHEME	(-1)

#define BOUND256	"SCRAM-SHA-256-PLUS"
#define BOUND1		"SCRAM-SHA-1-PLUS"
#define UNBOUND256	"SCRAM-SHA-256"
#define UNBOUND1	"SCRAM-SHA-1"

static const struct mechanism {
	const char	*name;
	int		 scheme;
	bool		 bound;		/* to the TLS session */
	bool		 login;
} mechanisms[] = {
	{ BOUND256, SHA256, true, false },
	{ UNBOUND256, SHA256, false, false },
	{ BOUND1, SHA1, true, false },
	{ UNBOUND1, SHA1, false, false },
	{ "PLAIN", NO_SCHEME, false, false },
	{ "LOGIN", NO_SCHEME, false, true },
};
#define NMECHANISMS	(sizeof(mechanisms) / sizeof(mechanisms[0]))

struct sasl_server {
	const struct log *log;
	Gsasl		*gsasl;
	char		 secret[SASL_SECRET_SIZE];
};

struct sasl_session {
	struct sasl_server *server;
	const struct mechanism *mech;
	const struct tls_session *tls;
	sasl_lookup_fn	 lookup;
	void		*arg;
	Gsasl_session	*gsasl;
	unsigned	 steps;
	bool		 over;
	int		 code;		/* of what was called back */
	bool		 looked;	/* for the user: what follows is set */
	bool		 unknown;
	char		 user[SASL_NAME_MAX + 1];
	char		 authzid[SASL_NAME_MAX + 1];
	char		 verifiers[SASL_VERIFIER_SIZE];
	unsigned	 iterations;
	struct scram_text text;
};

static int
binding(const struct tls_session *tls, const char *type, struct buf *out)
{
	if (tls == NULL)
		return CM_EUSAGE;
	return tls_session_binding(tls, type, out);
}

static bool
can_bind(const struct tls_session *tls)
{
	struct buf	 b;
	bool		 can;

	buf_init(&b, BINDING_MAX);
	can = binding(tls, "tls-exporter", &b) == 0 ||
	    binding(tls, "tls-unique", &b) == 0;
	buf_free(&b);
	return can;
}

const char *
sasl_server_mechanisms(const struct tls_session *tls)
{
	if (tls == NULL)
		return UNBOUND256 " " UNBOUND1;
	if (!can_bind(tls))
		return UNBOUND256 " " UNBOUND1 " PLAIN LOGIN";
	return BOUND256 " " UNBOUND256 " " BOUND1 " " UNBOUND1 " PLAIN LOGIN";
}

static int
give(struct sasl_session *s, Gsasl_property what, const char *value)
{
	return gsasl_property_set(s->gsasl, what, value);
}

static int
give_binding(struct sasl_session *s, Gsasl_property what, const char *type)
{
	struct buf	 b;
	char		*b64 = NULL;
	int		 rc = GSASL_NO_CALLBACK;

	buf_init(&b, BINDING_MAX);
	if (binding(s->tls, type, &b) == 0 && b.len > 0 &&
	    (rc = gsasl_base64_to(b.p, b.len, &b64, NULL)) == GSASL_OK)
		rc = give(s, what, b64);
	gsasl_free(b64);
	buf_free(&b);
	return rc;
}

/* "" when it is not a name, which nobody has. */
static int
prepare_name(const char *name, char out[SASL_NAME_MAX + 1])
{
	char	*p = NULL;
	int	 rc;

	out[0] = '\0';
	rc = gsasl_saslprep(name, GSASL_ALLOW_UNASSIGNED, &p, NULL);
	if (rc == GSASL_MALLOC_ERROR)
		return CM_ENOMEM;
	rc = rc == GSASL_OK && str_copy(out, SASL_NAME_MAX + 1, p) == 0 &&
	    p[0] != '\0' ? 0 : CM_EPERM;
	gsasl_free(p);
	return rc;
}

/* What libgsasl will ask for one by one. */
static int
keep_scheme(struct sasl_session *s)
{
	struct span	 all = { s->verifiers, strlen(s->verifiers) };
	struct scram	 v[SASL_SCHEMES];
	int		 rc;

	if ((rc = sasl_parse(all, v)) == 0 && s->mech->scheme != NO_SCHEME) {
		s->iterations = v[s->mech->scheme].iterations;
		rc = sasl_text(&v[s->mech->scheme], &s->text);
	}
	explicit_bzero(v, sizeof(v));
	return rc;
}

static int
look_up(struct sasl_session *s)
{
	const char	*name = gsasl_property_fast(s->gsasl, GSASL_AUTHID);
	struct buf	 found;
	int		 rc;

	if (s->looked)
		return 0;
	if (name == NULL)
		return CM_ESOFT;
	if ((rc = prepare_name(name, s->user)) != 0)
		return rc;
	buf_init(&found, SASL_VERIFIER_SIZE);
	rc = s->lookup(s->arg, s->user, &found);
	s->unknown = rc == CM_ENOUSER;
	if (rc == CM_EAGAIN)
		rc = CM_EAWAY;	/* the exchange does not go on */
	if (rc == 0 || s->unknown) {
		if ((rc = found.err) == 0)
			rc = sasl_complete(s->server->secret, s->user,
			    (struct span){ found.p, found.len }, s->verifiers,
			    sizeof(s->verifiers));
		if (rc == 0)
			rc = keep_scheme(s);
		if (rc != 0)
			log_fail(s->server->log, rc, "password verifier of %s",
			    s->user);
	}
	if (found.p != NULL)
		explicit_bzero(found.p, found.len);
	buf_free(&found);
	s->looked = rc == 0;
	return rc;
}

static int
give_verifier(struct sasl_session *s, Gsasl_property what)
{
	char	 n[16];

	if (s->code == 0)
		s->code = look_up(s);
	if (s->code != 0)
		return GSASL_AUTHENTICATION_ERROR;
	switch (what) {
	case GSASL_SCRAM_ITER:
		if (str_fmt(n, sizeof(n), "%u", s->iterations) != 0)
			return GSASL_AUTHENTICATION_ERROR;
		return give(s, what, n);
	case GSASL_SCRAM_SALT:
		return give(s, what, s->text.salt);
	case GSASL_SCRAM_STOREDKEY:
		return give(s, what, s->text.stored_key);
	default:
		return give(s, what, s->text.server_key);
	}
}

/* PLAIN and LOGIN.  What is made up takes as long as what is not. */
static int
validate(struct sasl_session *s)
{
	const char	*password;

	password = gsasl_property_fast(s->gsasl, GSASL_PASSWORD);
	if ((s->code = look_up(s)) == 0)
		s->code = sasl_verify_plain(s->server->log, s->verifiers,
		    password != NULL ? password : "",
		    password != NULL ? strlen(password) : 0);
	return s->code == 0 ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

static int
call_back(Gsasl *gsasl, Gsasl_session *g, Gsasl_property what)
{
	struct sasl_session	*s;

	(void)gsasl;
	if (g == NULL || (s = gsasl_session_hook_get(g)) == NULL)
		return GSASL_NO_CALLBACK;
	switch (what) {
	case GSASL_CB_TLS_EXPORTER:
		return give_binding(s, what, "tls-exporter");
	case GSASL_CB_TLS_UNIQUE:
		return give_binding(s, what, "tls-unique");
	case GSASL_SCRAM_ITER:
	case GSASL_SCRAM_SALT:
	case GSASL_SCRAM_STOREDKEY:
	case GSASL_SCRAM_SERVERKEY:
		return give_verifier(s, what);
	case GSASL_VALIDATE_SIMPLE:
		return validate(s);
	default:
		return GSASL_NO_CALLBACK;
	}
}

int
sasl_server_open(const struct log *log, struct sasl_server **out)
{
	struct sasl_server	*v;
	int			 rc;

	*out = NULL;
	if ((v = calloc(1, sizeof(*v))) == NULL)
		return log_fail(log, CM_ENOMEM, "SASL");
	v->log = log;
	if (gsasl_init(&v->gsasl) != GSASL_OK)
		rc = log_fail(log, CM_ESOFT, "libgsasl");
	else if ((rc = sasl_secret(v->secret)) != 0)
		log_fail(log, rc, "SASL: random bytes");
	for (size_t i = 0; rc == 0 && i < NMECHANISMS; i++)
		if (!gsasl_server_support_p(v->gsasl, mechanisms[i].name))
			rc = log_fail(log, CM_ESOFT, "libgsasl has no %s",
			    mechanisms[i].name);
	if (rc != 0) {
		sasl_server_close(v);
		return rc;
	}
	gsasl_callback_set(v->gsasl, call_back);
	*out = v;
	return 0;
}

void
sasl_server_close(struct sasl_server *v)
{
	if (v == NULL)
		return;
	if (v->gsasl != NULL)
		gsasl_done(v->gsasl);
	explicit_bzero(v->secret, sizeof(v->secret));
	free(v);
}

static const struct mechanism *
find(const char *name, const struct tls_session *tls)
{
	const struct mechanism	*m;

	for (size_t i = 0; i < NMECHANISMS; i++) {
		m = &mechanisms[i];
		if (!str_ieq(name, strlen(name), m->name))
			continue;
		if (m->bound)
			return can_bind(tls) ? m : NULL;
		return tls != NULL || m->scheme != NO_SCHEME ? m : NULL;
	}
	return NULL;
}

int
sasl_session_begin(struct sasl_server *v, const char *name,
    const struct tls_session *tls, sasl_lookup_fn lookup, void *arg,
    struct sasl_session **out)
{
	const struct mechanism	*mech = find(name, tls);
	struct sasl_session	*s;
	int			 rc;

	*out = NULL;
	if (mech == NULL)
		return CM_ENOINPUT;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return log_fail(v->log, CM_ENOMEM, "SASL");
	s->server = v;
	s->mech = mech;
	s->tls = tls;
	s->lookup = lookup;
	s->arg = arg;
	rc = gsasl_server_start(v->gsasl, mech->name, &s->gsasl);
	if (rc != GSASL_OK) {
		log_warn(v->log, "%s: %s", mech->name, gsasl_strerror(rc));
		sasl_session_end(s);
		return rc == GSASL_MALLOC_ERROR ? CM_ENOMEM : CM_ESOFT;
	}
	gsasl_session_hook_set(s->gsasl, s);
	*out = s;
	return 0;
}

void
sasl_session_end(struct sasl_session *s)
{
	if (s == NULL)
		return;
	if (s->gsasl != NULL)
		gsasl_finish(s->gsasl);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

/* libgsasl's own codes; those of what it called back go before. */
static int
code_of(const struct sasl_session *s, int rc)
{
	if (s->code != 0)
		return s->code;
	switch (rc) {
	case GSASL_OK:
		return 0;
	case GSASL_NEEDS_MORE:
		return CM_EAGAIN;
	case GSASL_AUTHENTICATION_ERROR:
	case GSASL_INTEGRITY_ERROR:
	case GSASL_SASLPREP_ERROR:
		return CM_EPERM;
	case GSASL_MECHANISM_PARSE_ERROR:
	case GSASL_BASE64_ERROR:
	case GSASL_MECHANISM_CALLED_TOO_MANY_TIMES:
	case GSASL_NO_CB_TLS_EXPORTER:
	case GSASL_NO_CB_TLS_UNIQUE:
		return CM_EDATA;
	case GSASL_MALLOC_ERROR:
		return CM_ENOMEM;
	default:
		log_warn(s->server->log, "%s: %s", s->mech->name,
		    gsasl_strerror(rc));
		return CM_ESOFT;
	}
}

/*
 * SCRAM's first message, "n,,n=user,r=...": what libgsasl 2.2 is not to see.
 * It goes on when a mechanism without -PLUS is to be bound (and compares with
 * nothing), and loses memory over a name of which SASLprep leaves nothing.
 */
static int
look_at_first(const struct sasl_session *s, struct span in)
{
	char		 raw[SASL_NAME_MAX + 3], name[SASL_NAME_MAX + 1];
	struct span	 flag, f;
	int		 rc;

	if (!str_field(&in, ',', &flag) || flag.len == 0 ||
	    (flag.p[0] == 'p') != s->mech->bound)
		return CM_EDATA;
	if (!str_field(&in, ',', &f) || !str_field(&in, ',', &f) ||
	    f.len < 2 || memcmp(f.p, "n=", 2) != 0)
		return CM_EDATA;
	if (str_ncopy(raw, sizeof(raw), f.p, f.len) != 0)
		return CM_EPERM;
	rc = prepare_name(raw + 2, name);
	explicit_bzero(raw, sizeof(raw));
	return rc;
}

static int
add_base64(const char *p, size_t len, struct buf *out)
{
	char	*b64 = NULL;
	size_t	 n = 0;
	int	 rc;

	rc = gsasl_base64_to(p, len, &b64, &n);
	if (rc == GSASL_OK)
		buf_add(out, b64, n);
	gsasl_free(b64);
	return rc == GSASL_OK ? out->err : CM_ENOMEM;
}

/* What most servers ask, since some clients look at it. */
static const char *
prompt(unsigned step)
{
	return step == 0 ? "Username:" : "Password:";
}

static int
step(struct sasl_session *s, struct span in, struct buf *out)
{
	char	*said = NULL;
	size_t	 n = 0;
	int	 rc, code;

	rc = gsasl_step(s->gsasl, in.p, in.len, &said, &n);
	code = code_of(s, rc);
	buf_reset(out);
	if (code == CM_EAGAIN && s->mech->login)
		rc = add_base64(prompt(s->steps), strlen(prompt(s->steps)),
		    out);
	else if ((code == 0 || code == CM_EAGAIN) && n > 0)
		rc = add_base64(said, n, out);
	else
		rc = 0;
	s->steps++;
	if (said != NULL)
		explicit_bzero(said, n);
	gsasl_free(said);
	return rc != 0 ? rc : code;
}

/* The name comes with the first message, or is asked for. */
static int
step_login(struct sasl_session *s, struct span in, struct buf *out)
{
	int	 rc;

	if (s->steps > 0)
		return step(s, in, out);
	rc = step(s, (struct span){ NULL, 0 }, out);
	return rc == CM_EAGAIN && in.len > 0 ? step(s, in, out) : rc;
}

static int
step_decoded(struct sasl_session *s, struct span in, struct buf *out)
{
	int	 rc;

	if (s->mech->login)
		return step_login(s, in, out);
	/* these have nothing to say to an empty answer */
	if (in.p != NULL && in.len == 0)
		return CM_EDATA;
	if (s->mech->scheme != NO_SCHEME && !s->looked && in.len > 0 &&
	    (rc = look_at_first(s, in)) != 0)
		return rc;
	return step(s, in, out);
}

/* The proof was right; may he? */
static int
finish(struct sasl_session *s)
{
	const char	*name, *as;

	if (!s->looked || s->unknown)
		return CM_EPERM;
	name = gsasl_property_fast(s->gsasl, GSASL_AUTHID);
	as = gsasl_property_fast(s->gsasl, GSASL_AUTHZID);
	if (as == NULL || as[0] == '\0' || str_ieq(as, strlen(as), s->user) ||
	    str_ieq(as, strlen(as), name))
		return 0;
	if (str_copy(s->authzid, sizeof(s->authzid), as) != 0)
		memcpy(s->authzid, as, SASL_NAME_MAX);
	return CM_EPERM;
}

static int
decode_and_step(struct sasl_session *s, const char *in, struct buf *out)
{
	char	*p = NULL;
	size_t	 n = 0, len = in != NULL ? strlen(in) : 0;
	int	 rc;

	if (in == NULL)
		return step_decoded(s, (struct span){ NULL, 0 }, out);
	if (len == 0 || (s->steps == 0 && strcmp(in, "=") == 0))
		return step_decoded(s, (struct span){ "", 0 }, out);
	if (len > SASL_MESSAGE_MAX)
		return CM_EDATA;
	rc = gsasl_base64_from(in, len, &p, &n);
	if (rc == GSASL_MALLOC_ERROR)
		return CM_ENOMEM;
	if (rc != GSASL_OK)
		return CM_EDATA;
	rc = step_decoded(s, (struct span){ p, n }, out);
	explicit_bzero(p, n);
	gsasl_free(p);
	return rc;
}

static int
end_step(struct sasl_session *s, int rc, struct buf *out)
{
	if (rc == 0)
		rc = finish(s);
	s->over = rc != CM_EAGAIN;
	if (rc != 0 && rc != CM_EAGAIN)
		buf_reset(out);
	return rc;
}

int
sasl_session_password(struct sasl_session *s, const char *user,
    const char *password)
{
	struct buf	 in, out;
	int		 rc;

	if (s->mech->login || s->mech->scheme != NO_SCHEME || s->steps > 0 ||
	    s->over)
		return CM_EUSAGE;
	buf_init(&in, SASL_MESSAGE_MAX);
	buf_init(&out, SASL_MESSAGE_MAX);
	buf_addc(&in, '\0');
	buf_adds(&in, user);
	buf_addc(&in, '\0');
	buf_adds(&in, password);
	rc = in.err == CM_ETOOBIG ? CM_EPERM : in.err;
	if (rc == 0)
		rc = step_decoded(s, (struct span){ in.p, in.len }, &out);
	rc = end_step(s, rc, &out);
	if (in.p != NULL)
		explicit_bzero(in.p, in.len);
	buf_free(&in);
	buf_free(&out);
	return rc;
}

int
sasl_session_step(struct sasl_session *s, const char *in, struct buf *out)
{
	buf_reset(out);
	if (s->over || s->steps >= STEPS_MAX)
		return CM_EDATA;
	return end_step(s, decode_and_step(s, in, out), out);
}

const char *
sasl_session_user(const struct sasl_session *s)
{
	return s->user;
}

const char *
sasl_session_authzid(const struct sasl_session *s)
{
	return s->authzid;
}

bool
sasl_session_is_bound(const struct sasl_session *s)
{
	return s->mech->bound;
}
