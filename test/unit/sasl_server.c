/*
 * The server's side of SASL against libgsasl's client, and against what no
 * client would say.  The channel's binding is a stand-in: this test's word.
 */
#include <stdlib.h>

#include <gsasl.h>

#include "adapter/sasl.h"
#include "adapter/sasl_server.h"
#include "tap.h"

#define NMECHS	6
#define LEN(a)	(sizeof(a) / sizeof((a)[0]))

static const char *const mechs[NMECHS] = { "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN" };

/* The stand-in: what a TLS session has to bind to. */
struct tls_session {
	const char	*exporter, *unique;	/* NULL: not that one */
};

static const struct tls_session tls13 = { "exporter-bytes", NULL };
static const struct tls_session tls12 = { NULL, "unique-bytes" };
static const struct tls_session tls_old = { NULL, NULL };

int
tls_session_binding(const struct tls_session *t, const char *type,
    struct buf *out)
{
	const char	*p = NULL;

	if (strcmp(type, "tls-exporter") == 0)
		p = t->exporter;
	else if (strcmp(type, "tls-unique") == 0)
		p = t->unique;
	return p == NULL ? CM_EUSAGE : buf_adds(out, p);
}

static char	 said[512];

static void
remember(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	snprintf(said, sizeof(said), "%s", line);
}

static const struct log lg = { CM_LOG_DEBUG, remember, NULL };

/* Those who have a mailbox. */
static char	 both[SASL_VERIFIER_SIZE], only256[SASL_VERIFIER_SIZE];
static char	 made_up[SASL_VERIFIER_SIZE];
static int	 lookups, lookup_code;

static int
lookup(void *arg, const char *user, struct buf *out)
{
	(void)arg;
	lookups++;
	if (lookup_code != 0)
		return lookup_code;
	if (strcmp(user, "ann@example.org") == 0 ||
	    strcmp(user, "a,b=c@example.org") == 0)
		return buf_adds(out, both);
	if (strcmp(user, "old@example.org") == 0)
		return buf_adds(out, only256);
	if (strcmp(user, "broken@example.org") == 0)
		return buf_adds(out, "SCRAM-SHA-256$x");
	if (strcmp(user, "stable@example.org") == 0)
		buf_adds(out, made_up);
	return CM_ENOUSER;
}

static struct sasl_server *server;

/* What the client is to say. */
struct client {
	const char	*mech;
	const char	*user, *password, *authzid;
	const struct tls_session *server_tls, *client_tls;
	bool		 initial;	/* says something with the name */
	char		 user_was[200], authzid_was[200];
	bool		 bound;
	bool		 server_proved;
};

static int
client_call(Gsasl *g, Gsasl_session *x, Gsasl_property what)
{
	struct client	*c = gsasl_session_hook_get(x);
	const char	*v = NULL;
	char		*b64;
	int		 rc;

	(void)g;
	switch (what) {
	case GSASL_AUTHID:
		v = c->user;
		break;
	case GSASL_PASSWORD:
		v = c->password;
		break;
	case GSASL_AUTHZID:
		v = c->authzid;
		break;
	case GSASL_CB_TLS_EXPORTER:
	case GSASL_CB_TLS_UNIQUE:
		if (c->client_tls != NULL)
			v = what == GSASL_CB_TLS_UNIQUE ?
			    c->client_tls->unique : c->client_tls->exporter;
		if (v == NULL)
			return GSASL_NO_CALLBACK;
		gsasl_base64_to(v, strlen(v), &b64, NULL);
		rc = gsasl_property_set(x, what, b64);
		gsasl_free(b64);
		return rc;
	default:
		break;
	}
	return v == NULL ? GSASL_NO_CALLBACK : gsasl_property_set(x, what, v);
}

/* One message of the client's, for what the server said: base64 both. */
static char *
client_says(Gsasl_session *x, const char *in, int *rc)
{
	char	*out = NULL;

	*rc = gsasl_step64(x, in, &out);
	return out;
}

/* A whole exchange; what the server's last step gave. */
static int
run(struct client *c)
{
	Gsasl			*g;
	Gsasl_session		*x;
	struct sasl_session	*s;
	struct buf		 out;
	char			*line = NULL;
	bool			 is_login = strcmp(c->mech, "LOGIN") == 0;
	int			 rc, crc = GSASL_NEEDS_MORE;

	c->user_was[0] = c->authzid_was[0] = '\0';
	if ((rc = sasl_session_begin(server, c->mech, c->server_tls, lookup,
	    NULL, &s)) != 0)
		return rc;
	gsasl_init(&g);
	gsasl_callback_set(g, client_call);
	if (gsasl_client_start(g, c->mech, &x) != GSASL_OK) {
		gsasl_done(g);
		sasl_session_end(s);
		return CM_ESOFT;
	}
	gsasl_session_hook_set(x, c);
	buf_init(&out, SASL_MESSAGE_MAX);
	if (c->initial)
		line = client_says(x, "", &crc);
	for (int i = 0; i < 10; i++) {
		rc = sasl_session_step(s, line, &out);
		gsasl_free(line);
		line = NULL;
		if (rc != CM_EAGAIN)
			break;
		line = client_says(x, out.len ? out.p : "", &crc);
		if (crc != GSASL_OK && crc != GSASL_NEEDS_MORE)
			break;
	}
	if (rc == 0 && out.len > 0)
		line = client_says(x, out.p, &crc);
	gsasl_free(line);
	c->server_proved = rc == 0 && crc == GSASL_OK && !is_login;
	c->bound = sasl_session_is_bound(s);
	snprintf(c->user_was, sizeof(c->user_was), "%s",
	    sasl_session_user(s));
	snprintf(c->authzid_was, sizeof(c->authzid_was), "%s",
	    sasl_session_authzid(s));
	is_int(rc != 0 && rc != CM_EAGAIN ? (int)out.len : 0, 0,
	    "%s: nothing is said to one who failed", c->mech);
	buf_free(&out);
	gsasl_finish(x);
	gsasl_done(g);
	sasl_session_end(s);
	return rc;
}

static struct client
ann(const char *mech, const char *password)
{
	/* libgsasl's client takes no other one when it could be bound */
	return (struct client){ .mech = mech, .user = "ann@example.org",
	    .password = password, .server_tls = &tls13,
	    .client_tls = strstr(mech, "-PLUS") != NULL ? &tls13 : NULL };
}

static void
test_right(void)
{
	struct client	 c;

	for (size_t i = 0; i < NMECHS; i++) {
		for (int initial = 0; initial < 2; initial++) {
			c = ann(mechs[i], "pencil");
			/* LOGIN's client begins with nothing */
			c.initial = initial && i != 5;
			is_int(run(&c), 0, "%s %d", mechs[i], initial);
			is_str(c.user_was, "ann@example.org", "it is ann");
			is_str(c.authzid_was, "", "for herself");
			is_int(c.bound, i == 0 || i == 2, "bound?");
			if (i < 4)
				ok(c.server_proved, "the server proved to "
				    "know her");
		}
	}
	c = ann("SCRAM-SHA-256", "pencil");
	c.user = "a,b=c@example.org";
	is_int(run(&c), 0, "a name with what SCRAM escapes");
	is_str(c.user_was, c.user, "comes as it is");
	c = ann("PLAIN", "pencil");
	c.user = "ann@\xc2\xad" "example.org";
	is_int(run(&c), 0, "SASLprep of the name");
	c.mech = "SCRAM-SHA-1";
	is_int(run(&c), 0, "here too");
	c.mech = "LOGIN";
	is_int(run(&c), 0, "and here");
}

static void
test_wrong(void)
{
	struct client	 c;

	for (size_t i = 0; i < NMECHS; i++) {
		c = ann(mechs[i], "Pencil");
		is_int(run(&c), CM_EPERM, "%s: wrong password", mechs[i]);
		is_str(c.user_was, "ann@example.org", "it would be ann");
		c = ann(mechs[i], "pencil");
		c.user = "nobody@example.org";
		is_int(run(&c), CM_EPERM, "%s: unknown user", mechs[i]);
		is_str(c.user_was, "nobody@example.org", "named");
		c.user = "stable@example.org";
		is_int(run(&c), CM_EPERM, "%s: made up before", mechs[i]);
		c.user = "old@example.org";
		is_int(run(&c), i == 2 || i == 3 ? CM_EPERM : 0,
		    "%s: for one who has only SCRAM-SHA-256", mechs[i]);
		c.user = "broken@example.org";
		is_int(run(&c), CM_ECORRUPT, "%s: a broken verifier",
		    mechs[i]);
		c = ann(mechs[i], "pencil");
		lookup_code = CM_EAWAY;
		is_int(run(&c), CM_EAWAY, "%s: no catalog", mechs[i]);
		lookup_code = CM_EAGAIN;
		is_int(run(&c), CM_EAWAY, "%s: not now is no next step",
		    mechs[i]);
		lookup_code = 0;
		c.authzid = "bob@example.org";
		if (i == 5)
			continue;	/* there is none in LOGIN */
		is_int(run(&c), CM_EPERM, "%s: for somebody else", mechs[i]);
		is_str(c.authzid_was, "bob@example.org", "says for whom");
		c.authzid = "Ann@example.org";
		is_int(run(&c), 0, "%s: for herself", mechs[i]);
		is_str(c.authzid_was, "", "no one else");
		c.password = "Pencil";
		c.authzid = "bob@example.org";
		is_int(run(&c), CM_EPERM, "%s: nor with a wrong password",
		    mechs[i]);
		is_str(c.authzid_was, "", "of which nothing is told");
	}
	ok(strstr(said, "broken@example.org") != NULL, "whose is logged");
}

static void
test_binding(void)
{
	static const struct tls_session other = { "other-bytes", NULL };
	static const struct tls_session other12 = { NULL, "other-bytes" };
	struct client	 c = ann("SCRAM-SHA-256-PLUS", "pencil");

	is_str(sasl_server_mechanisms(NULL), "SCRAM-SHA-256 SCRAM-SHA-1",
	    "without TLS");
	is_str(sasl_server_mechanisms(&tls13), "SCRAM-SHA-256-PLUS "
	    "SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 PLAIN LOGIN",
	    "with TLS");
	is_str(sasl_server_mechanisms(&tls12), sasl_server_mechanisms(&tls13),
	    "with the older one");
	is_str(sasl_server_mechanisms(&tls_old),
	    "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN", "nothing to bind to");
	for (int i = 0; i < 2; i++) {
		c.mech = i ? "SCRAM-SHA-1-PLUS" : "SCRAM-SHA-256-PLUS";
		c.server_tls = &tls13;
		c.client_tls = &other;
		is_int(run(&c), CM_EPERM, "somebody is between");
		c.server_tls = c.client_tls = &tls12;
		is_int(run(&c), 0, "tls-unique");
		c.client_tls = &other12;
		is_int(run(&c), CM_EPERM, "of another session");
		c.client_tls = &tls13;
		is_int(run(&c), CM_EDATA, "not the type that is there");
		c.server_tls = &tls_old;
		is_int(run(&c), CM_ENOINPUT, "not when it is not offered");
		c.server_tls = NULL;
		is_int(run(&c), CM_ENOINPUT, "nor without TLS");
	}
	for (size_t i = 4; i < NMECHS; i++) {
		c.mech = mechs[i];
		is_int(run(&c), CM_ENOINPUT, "%s: not without TLS", mechs[i]);
	}
	c.mech = "CRAM-MD5";
	is_int(run(&c), CM_ENOINPUT, "one that is not ours");
	c.mech = "SCRAM-SHA-256-";
	is_int(run(&c), CM_ENOINPUT, "a part of a name");
	c.mech = "";
	is_int(run(&c), CM_ENOINPUT, "none");
	c = ann("SCRAM-SHA-256", "pencil");
	c.server_tls = c.client_tls = NULL;
	is_int(run(&c), 0, "SCRAM without TLS");
}

/* Messages as they are, base64 or "!..." for what is to go as it is. */
static int
script(const char *mech, const struct tls_session *tls,
    const char *const *lines, size_t n, struct buf *last)
{
	struct sasl_session	*s;
	char			*b64;
	int			 rc;

	if ((rc = sasl_session_begin(server, mech, tls, lookup, NULL,
	    &s)) != 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if (lines[i] == NULL || lines[i][0] == '!') {
			rc = sasl_session_step(s, lines[i] == NULL ? NULL :
			    lines[i] + 1, last);
		} else {
			gsasl_base64_to(lines[i], strlen(lines[i]), &b64,
			    NULL);
			rc = sasl_session_step(s, b64, last);
			gsasl_free(b64);
		}
		if (rc != CM_EAGAIN && i + 1 < n)
			is_int(sasl_session_step(s, "AAAA", last), CM_EDATA,
			    "%s: no step behind the end", mech);
		if (rc != CM_EAGAIN)
			break;
	}
	sasl_session_end(s);
	return rc;
}

static int
one(const char *mech, const char *line)
{
	struct buf	 out;
	int		 rc;

	buf_init(&out, SASL_MESSAGE_MAX);
	rc = script(mech, &tls13, &line, 1, &out);
	buf_free(&out);
	return rc;
}

static void
test_garbage(void)
{
	static const char *const garbage[] = { "!*", "!AAA", "!A===", "!\xff",
	    "!====", "!AA A=", "!", "!=", "!AA==\r" };
	static char	 big[SASL_MESSAGE_MAX + 3];

	for (size_t i = 0; i < NMECHS; i++)
		for (size_t k = 0; k < LEN(garbage); k++) {
			/* LOGIN asks when it is told nothing */
			if (i == 5 && (k == 6 || k == 7))
				continue;
			is_int(one(mechs[i], garbage[k]), CM_EDATA,
			    "%s: garbage %zu", mechs[i], k);
		}
	memset(big, 'A', sizeof(big) - 2);
	big[0] = '!';
	for (size_t i = 0; i < NMECHS; i++)
		is_int(one(mechs[i], big), CM_EDATA, "%s: too much", mechs[i]);
}

static void
test_cut(void)
{
	static const char *const scram[] = { "n", "n,", "n,,", "n,,n", "n,,n=",
	    "n,,n=a", "n,,n=a,", "n,,n=a,r=", "n,,m=x,n=a,r=b", "n,,r=b,n=a",
	    "x,,n=a,r=b", ",,n=a,r=b", "n,b,n=a,r=b",
	    "p=tls-exporter,,n=ann@example.org,r=b" };
	static const char *const twice[] = { "n,,n=ann@example.org,r=abc",
	    "n,,n=ann@example.org,r=abc" };
	static const char *const other_nonce[] = {
	    "n,,n=ann@example.org,r=abc", "c=biws,r=abc,p=AAAA" };
	static const char *const silent[] = { NULL, "!" };
	struct buf	 out;

	buf_init(&out, SASL_MESSAGE_MAX);
	for (size_t i = 0; i < LEN(scram); i++)
		ok(one("SCRAM-SHA-256", scram[i]) == CM_EDATA ||
		    one("SCRAM-SHA-256", scram[i]) == CM_EPERM,
		    "first message, cut or wrong: %s", scram[i]);
	is_int(one("SCRAM-SHA-256-PLUS", "n,,n=ann@example.org,r=b"),
	    CM_EDATA, "-PLUS without a binding");
	is_int(one("SCRAM-SHA-256-PLUS", "p=,,n=ann@example.org,r=b"),
	    CM_EPERM, "of no type");
	is_int(one("SCRAM-SHA-256-PLUS", "p=tls-x,,n=ann@example.org,r=b"),
	    CM_EPERM, "of an unknown type");
	is_int(one("SCRAM-SHA-256", "y,,n=ann@example.org,r=b"), CM_EPERM,
	    "who was not shown the -PLUS is told (RFC 5802 section 6)");
	lookups = 0;
	is_int(script("SCRAM-SHA-256", &tls_old, (const char *const[]){
	    "y,,n=ann@example.org,r=b" }, 1, &out), CM_EAGAIN,
	    "which goes when there is none");
	is_int(lookups, 1, "asked for once");
	is_int(script("SCRAM-SHA-256", &tls13, twice, 2, &out), CM_EDATA,
	    "the first message twice");
	is_int(script("SCRAM-SHA-1", &tls13, other_nonce, 2, &out), CM_EPERM,
	    "another nonce");
	is_int(one("SCRAM-SHA-256", "n,,n=\xc2\xad,r=b"), CM_EPERM,
	    "a name of which SASLprep leaves nothing");
	is_int(one("SCRAM-SHA-256", "n,,n=\xff,r=b"), CM_EPERM,
	    "one that is not UTF-8");
	for (size_t i = 0; i < 5; i++)
		is_int(script(mechs[i], &tls13, silent, 2, &out), CM_EDATA,
		    "%s: silence", mechs[i]);
	buf_free(&out);
}

/* NULs of messages are written as '|'. */
static int
plain(const char *message)
{
	char			 raw[3000], *b64;
	struct sasl_session	*s;
	struct buf		 out;
	size_t			 n = strlen(message);
	int			 rc;

	buf_init(&out, SASL_MESSAGE_MAX);
	for (size_t i = 0; i < n; i++)
		raw[i] = message[i] == '|' ? '\0' : message[i];
	gsasl_base64_to(raw, n, &b64, NULL);
	if ((rc = sasl_session_begin(server, "plain", &tls13, lookup, NULL,
	    &s)) == 0)
		rc = sasl_session_step(s, b64, &out);
	sasl_session_end(s);
	gsasl_free(b64);
	buf_free(&out);
	return rc;
}

static void
test_plain(void)
{
	char	 big[2000];

	is_int(plain("|ann@example.org|pencil"), 0, "PLAIN");
	is_int(plain("ann@example.org|ann@example.org|pencil"), 0,
	    "with her own name twice");
	is_int(plain("|ann@example.org|pencil|"), CM_EDATA, "a NUL behind");
	is_int(plain("|ann@example.org|pencil|x"), CM_EDATA, "and more");
	is_int(plain("|ann@example.org|"), CM_EPERM, "empty password");
	is_int(plain("||pencil"), CM_EPERM, "empty name");
	is_int(plain("||"), CM_EPERM, "empty both");
	is_int(plain("|ann@example.org"), CM_EDATA, "no password");
	is_int(plain("|"), CM_EDATA, "cut");
	is_int(plain("ann@example.org"), CM_EDATA, "only a name");
	is_int(plain("|ann@example.org|\xff"), CM_EPERM, "not UTF-8");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	big[0] = '|';
	big[1100] = '|';
	is_int(plain(big), CM_EPERM, "a name over the limit");
	big[1100] = 'x';
	big[2] = '|';
	is_int(plain(big), CM_EPERM, "a password over the limit");
}

static void
test_login(void)
{
	static const char *const asked[] = { NULL, "ann@example.org",
	    "pencil" };
	static const char *const told[] = { "ann@example.org", "pencil" };
	static const char *const wrong[] = { "ann@example.org", "pen" };
	static const char *const empty[] = { NULL, "!" };
	static const char *const nul[] = { NULL, "!YQBi" };
	struct buf	 out;

	buf_init(&out, SASL_MESSAGE_MAX);
	is_int(script("LOGIN", &tls13, asked, 1, &out), CM_EAGAIN, "LOGIN");
	is_str(out.p, "VXNlcm5hbWU6", "Username:");
	is_int(script("LOGIN", &tls13, asked, 2, &out), CM_EAGAIN, "name");
	is_str(out.p, "UGFzc3dvcmQ6", "Password:");
	is_int(script("LOGIN", &tls13, asked, 3, &out), 0, "password");
	is_int(script("LOGIN", &tls13, told, 1, &out), CM_EAGAIN,
	    "the name comes at once");
	is_str(out.p, "UGFzc3dvcmQ6", "the password is asked for");
	is_int(script("LOGIN", &tls13, told, 2, &out), 0, "and right");
	is_int(script("LOGIN", &tls13, wrong, 2, &out), CM_EPERM, "or not");
	is_int(script("LOGIN", &tls13, empty, 2, &out), CM_EDATA, "no name");
	is_int(script("LOGIN", &tls13, nul, 2, &out), CM_EDATA,
	    "a NUL in the name");
	is_int(one("LOGIN", "!="), CM_EAGAIN, "= is no name");
	buf_free(&out);
}

static int
password(const char *mech, const char *user, const char *word)
{
	struct sasl_session	*s;
	int			 rc;

	if ((rc = sasl_session_begin(server, mech, &tls13, lookup, NULL,
	    &s)) != 0)
		return rc;
	rc = sasl_session_password(s, user, word);
	if (rc == 0)
		is_str(sasl_session_user(s), user, "who");
	is_int(sasl_session_password(s, user, word), rc == CM_EUSAGE ?
	    rc : CM_EUSAGE, "only once");
	sasl_session_end(s);
	return rc;
}

static void
test_password(void)
{
	static char	 big[SASL_MESSAGE_MAX + 10];

	memset(big, 'x', sizeof(big) - 1);
	is_int(password("PLAIN", "ann@example.org", "pencil"), 0, "right");
	is_int(password("PLAIN", "ann@example.org", "Pencil"), CM_EPERM,
	    "wrong");
	is_int(password("PLAIN", "no@example.org", "pencil"), CM_EPERM,
	    "nobody");
	is_int(password("PLAIN", "", ""), CM_EPERM, "nothing");
	is_int(password("PLAIN", big, "x"), CM_EPERM, "a long name");
	is_int(password("PLAIN", "ann@example.org", big), CM_EPERM,
	    "a long password");
	lookup_code = CM_EAGAIN;
	is_int(password("PLAIN", "ann@example.org", "pencil"), CM_EAWAY,
	    "not now");
	lookup_code = CM_EAWAY;
	is_int(password("PLAIN", "ann@example.org", "pencil"), CM_EAWAY,
	    "no catalog");
	lookup_code = 0;
	is_int(password("LOGIN", "ann@example.org", "pencil"), CM_EUSAGE,
	    "not for another mechanism");
	is_int(password("SCRAM-SHA-1", "ann@example.org", "pencil"), CM_EUSAGE,
	    "nor for this one");
}

/* The salt and count that a name is told, without the nonce. */
static void
challenge(const char *mech, const char *user, char out[200])
{
	char		 first[200], *raw = NULL, *p;
	const char	*line = first;
	struct buf	 b;
	size_t		 n = 0;

	out[0] = '\0';
	buf_init(&b, SASL_MESSAGE_MAX);
	snprintf(first, sizeof(first), "n,,n=%s,r=abc", user);
	if (script(mech, NULL, &line, 1, &b) == CM_EAGAIN &&
	    gsasl_base64_from(b.p, b.len, &raw, &n) == GSASL_OK &&
	    (p = memmem(raw, n, ",s=", 3)) != NULL)
		snprintf(out, 200, "%.*s", (int)(n - (size_t)(p - raw)), p);
	gsasl_free(raw);
	buf_free(&b);
}

static void
test_made_up(void)
{
	char	 a[200], b[200], c[200], d[200];

	for (int i = 0; i < 2; i++) {
		const char *mech = i ? "SCRAM-SHA-1" : "SCRAM-SHA-256";

		challenge(mech, "ann@example.org", a);
		challenge(mech, "no@example.org", b);
		challenge(mech, "no@example.org", c);
		challenge(mech, "not@example.org", d);
		is_int(strlen(b), strlen(a), "%s: looks like a real one",
		    mech);
		is_str(strstr(a, ",i="), ",i=10000", "this many");
		is_str(strstr(b, ",i="), ",i=10000", "as many");
		is_str(b, c, "the same when asked again");
		ok(strcmp(b, d) != 0, "not that of another one");
		challenge(mech, "stable@example.org", d);
		ok(strstr(made_up, "$10000:") != NULL && strlen(d) == 35 &&
		    memmem(made_up, strlen(made_up), d + 3, 24) != NULL,
		    "what the lookup made up is taken");
	}
}

int
main(void)
{
	char	 secret[SASL_SECRET_SIZE];

	is_int(sasl_verifier(NULL, "pencil", 6, 0, both, sizeof(both)), 0,
	    "verifiers");
	snprintf(only256, sizeof(only256), "%.*s", (int)strcspn(both, " "),
	    both);
	is_int(sasl_secret(secret), 0, "secret");
	is_int(sasl_complete(secret, "stable@example.org", (struct span){ "",
	    0 }, made_up, sizeof(made_up)), 0, "made up");
	is_int(sasl_server_open(&lg, &server), 0, "open");
	test_right();
	test_wrong();
	test_binding();
	test_garbage();
	test_cut();
	test_plain();
	test_login();
	test_password();
	test_made_up();
	sasl_server_close(server);
	sasl_server_close(NULL);
	sasl_session_end(NULL);
	return tap_done();
}
