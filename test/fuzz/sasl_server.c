/*
 * Exchanges of which the client's side is made up.  The first byte chooses the
 * mechanism and what TLS there is; each line is a message, in base64 already
 * when it begins with '!'.  '@' is the nonce that the server gave last.
 */
#include <stdlib.h>
#include <string.h>

#include "adapter/sasl.h"
#include "adapter/sasl_server.h"
#include "base/str.h"

#define MESSAGES_MAX	8

int	LLVMFuzzerTestOneInput(const unsigned char *, size_t);

/* Of the password "pencil", quickly. */
static const char ann[] =
    "SCRAM-SHA-256$1:c2FsdA==$"
    "Otk5kdnAo/6UDUcm0KaO+uESed84FVLF7Qg4N9v1MRA=:"
    "Uc4DDcQRN5WJ44eNiyKPEO+MJvVo84Ucr4WI9nixz60= "
    "SCRAM-SHA-1$1:c2FsdA==$"
    "XoiXhgOchvNCIX/fQiq4S0N7NSI=:+tNPlk32x59XQZ7bcHqtK01vre8=";

struct tls_session {
	bool		 bound;
};

int
tls_session_binding(const struct tls_session *t, const char *type,
    struct buf *out)
{
	if (!t->bound || strcmp(type, "tls-exporter") != 0)
		return CM_EUSAGE;
	return buf_adds(out, "binding");
}

static int
lookup(void *arg, const char *user, struct buf *out)
{
	int	*asked = arg;

	if (++*asked > 1)
		abort();
	if (strcmp(user, "ann") == 0)
		return buf_adds(out, ann);
	return strcmp(user, "away") == 0 ? CM_EAGAIN : CM_ENOUSER;
}

static signed char
value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char	*p = c != '\0' ? strchr(digits, c) : NULL;

	return p == NULL ? -1 : (signed char)(p - digits);
}

static void
from_base64(const char *p, size_t len, struct buf *out)
{
	unsigned	 bits = 0, n = 0;

	if (len % 4 != 0)
		abort();
	for (size_t i = 0; i < len && p[i] != '='; i++) {
		if (value(p[i]) < 0)
			abort();
		bits = bits << 6 | (unsigned)value(p[i]);
		if ((n += 6) >= 8)
			buf_addc(out, (char)(bits >> (n -= 8) & 255));
	}
}

static void
to_base64(struct span in, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < in.len; i += 3) {
		unsigned v = 0, left = in.len - i < 3 ?
		    (unsigned)(in.len - i) : 3;

		for (unsigned k = 0; k < 3; k++)
			v = v << 8 | (k < left ?
			    (unsigned char)in.p[i + k] : 0);
		for (unsigned k = 0; k < 4; k++)
			buf_addc(out, k <= left ?
			    digits[v >> (18 - 6 * k) & 63] : '=');
	}
}

/* What is between "r=" and ",". */
static struct span
nonce_of(const struct buf *said)
{
	struct span	 rest = { said->p, said->len }, f;

	if (said->len > 2 && memcmp(said->p, "r=", 2) == 0 &&
	    str_field(&rest, ',', &f))
		return (struct span){ f.p + 2, f.len - 2 };
	return (struct span){ "", 0 };
}

static void
message(struct span line, const struct buf *said, struct buf *out)
{
	struct span	 nonce = nonce_of(said);
	struct buf	 raw;

	buf_reset(out);
	buf_adds(out, "");
	if (line.len > 0 && line.p[0] == '!') {
		for (size_t i = 1; i < line.len && line.p[i] != '\0'; i++)
			buf_addc(out, line.p[i]);
		return;
	}
	buf_init(&raw, 1 << 20);
	for (size_t i = 0; i < line.len; i++)
		if (line.p[i] == '@')
			buf_add(&raw, nonce.p, nonce.len);
		else
			buf_addc(&raw, line.p[i]);
	to_base64((struct span){ raw.p, raw.len }, out);
	buf_free(&raw);
}

static void
check(int rc, const struct sasl_session *s, const struct buf *out)
{
	if (rc == CM_ENOUSER || rc == CM_ECORRUPT || rc == CM_ESOFT ||
	    (rc != 0 && rc != CM_EAGAIN && out->len > 0) ||
	    (rc == 0 && strcmp(sasl_session_user(s), "ann") != 0))
		abort();
}

static void
exchange(struct sasl_session *s, struct span rest)
{
	struct buf	 in, out, said;
	struct span	 line;
	int		 rc = CM_EAGAIN;

	buf_init(&in, 1 << 20);
	buf_init(&out, SASL_MESSAGE_MAX);
	buf_init(&said, SASL_MESSAGE_MAX);
	for (int i = 0; i < MESSAGES_MAX && rc == CM_EAGAIN &&
	    str_field(&rest, '\n', &line); i++) {
		if (i == 0 && line.len == 0) {
			rc = sasl_session_step(s, NULL, &out);
		} else {
			message(line, &said, &in);
			rc = sasl_session_step(s, in.p, &out);
		}
		check(rc, s, &out);
		buf_reset(&said);
		from_base64(out.p, out.len, &said);
	}
	if (rc != CM_EAGAIN && sasl_session_step(s, "AAAA", &out) != CM_EDATA)
		abort();
	buf_free(&in);
	buf_free(&out);
	buf_free(&said);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static const char *const names[] = { "SCRAM-SHA-256-PLUS",
	    "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN",
	    "LOGIN", "CRAM-MD5", "" };
	static struct sasl_server *server;
	struct tls_session	 tls;
	struct sasl_session	*s;
	int			 asked = 0;

	if (server == NULL && sasl_server_open(NULL, &server) != 0)
		abort();
	if (size == 0)
		return 0;
	tls.bound = data[0] & 8;
	if (sasl_session_begin(server, names[data[0] & 7], data[0] & 16 ?
	    NULL : &tls, lookup, &asked, &s) != 0)
		return 0;
	exchange(s, (struct span){ (const char *)data + 1, size - 1 });
	sasl_session_end(s);
	return 0;
}
