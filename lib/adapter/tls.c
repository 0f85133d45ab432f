#include "adapter/tls.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/str.h"
#include "base/time.h"

#define ADDRESS_SIZE	80
#define LINGER_MS	2000
#define NAMES_MAX	16	/* of one certificate that are looked at */

struct tls_peer {
	const struct log	*log;
	tls_allow_fn		 allow;
	void			*arg;
	char			 address[ADDRESS_SIZE];
	char			 name[TLS_NAME_MAX + 1];
	_Atomic bool		 allowed;	/* name is whole */
	_Atomic bool		 refused;
};

/*
 * Reads on until the other side hangs up.  A socket closed while it still
 * sends would be reset, and the alert might be lost; since TLS 1.3 the client
 * takes the handshake to be over and is sending its request.
 */
static void
linger(int fd)
{
	struct pollfd	 p = { .fd = fd, .events = POLLIN };
	int64_t		 until = time_mono_ms() + LINGER_MS, left;
	char		 b[4096];

	(void)shutdown(fd, SHUT_WR);
	while ((left = until - time_mono_ms()) > 0 &&
	    poll(&p, 1, (int)left) > 0)
		if (recv(fd, b, sizeof(b), MSG_DONTWAIT) <= 0)
			break;
}

/*
 * The other side is told why, so that it need not take us for dead; GnuTLS
 * sends no alert by itself when a verify function says no.
 */
static int
refuse(gnutls_session_t session, struct tls_peer *p,
    gnutls_alert_description_t alert, const char *why, const char *what)
{
	p->refused = true;
	log_warn(p->log, "%s: refused: %s%s%s", p->address, why,
	    what[0] ? ": " : "", what);
	(void)gnutls_alert_send(session, GNUTLS_AL_FATAL, alert);
	linger(gnutls_transport_get_int(session));
	return GNUTLS_E_CERTIFICATE_ERROR;
}

static int
refuse_status(gnutls_session_t session, struct tls_peer *p, unsigned status)
{
	gnutls_alert_description_t	 alert = GNUTLS_A_BAD_CERTIFICATE;
	gnutls_datum_t			 text = { NULL, 0 };
	int				 rc;

	if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
		alert = GNUTLS_A_UNKNOWN_CA;
	else if (status & GNUTLS_CERT_EXPIRED)
		alert = GNUTLS_A_CERTIFICATE_EXPIRED;
	if (gnutls_certificate_verification_status_print(status,
	    GNUTLS_CRT_X509, &text, 0) < 0)
		text.data = NULL;
	rc = refuse(session, p, alert, "its certificate",
	    text.data != NULL ? (const char *)text.data : "is wrong");
	gnutls_free(text.data);
	return rc;
}

/* The first DNS name of the certificate that may talk to us. */
static bool
find_name(struct tls_peer *p, gnutls_x509_crt_t crt)
{
	char	 name[TLS_NAME_MAX + 1];
	size_t	 size;
	int	 type;

	for (unsigned i = 0; i < NAMES_MAX; i++) {
		size = sizeof(name);
		type = gnutls_x509_crt_get_subject_alt_name(crt, i, name,
		    &size, NULL);
		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		/* A NUL inside would hide what stands behind it. */
		if (type != GNUTLS_SAN_DNSNAME || size == 0 ||
		    size >= sizeof(name) || memchr(name, '\0', size) != NULL)
			continue;
		name[size] = '\0';
		if (p->name[0] == '\0')
			memcpy(p->name, name, size + 1);
		if (p->allow(p->arg, name)) {
			memcpy(p->name, name, size + 1);
			return true;
		}
	}
	return false;
}

static int
check_name(gnutls_session_t session, struct tls_peer *p)
{
	const gnutls_datum_t	*der;
	gnutls_x509_crt_t	 crt = NULL;
	unsigned		 n = 0;
	bool			 good = false;

	der = gnutls_certificate_get_peers(session, &n);
	if (der != NULL && n > 0 && gnutls_x509_crt_init(&crt) == 0) {
		good = gnutls_x509_crt_import(crt, &der[0],
		    GNUTLS_X509_FMT_DER) == 0 && find_name(p, crt);
		gnutls_x509_crt_deinit(crt);
	}
	if (!good)
		return refuse(session, p, GNUTLS_A_ACCESS_DENIED,
		    "no node that may connect", p->name);
	p->allowed = true;
	return 0;
}

/* Runs inside the handshake. */
static int
verify(gnutls_session_t session)
{
	struct tls_peer		*p = gnutls_db_get_ptr(session);
	unsigned char		 oid[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st	 purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = oid,
		.size = sizeof(oid) - 1,
	};
	unsigned		 status = 0;
	int			 rc;

	if (p == NULL)
		return GNUTLS_E_CERTIFICATE_ERROR;
	rc = gnutls_certificate_verify_peers(session, &purpose, 1, &status);
	if (rc < 0)
		return refuse(session, p, GNUTLS_A_BAD_CERTIFICATE,
		    "its certificate", gnutls_strerror(rc));
	if (status != 0)
		return refuse_status(session, p, status);
	return check_name(session, p);
}

/*
 * The pointer for the resumption database carries our data: the session's
 * own one belongs to whoever made the session (libmicrohttpd keeps its
 * connection there), and without a database nothing else looks at it.
 */
int
tls_demand_peer(const struct log *log, void *session, const char *address,
    tls_allow_fn allow, void *arg, struct tls_peer **out)
{
	struct tls_peer	*p;

	*out = NULL;
	if (session == NULL || allow == NULL)
		return CM_EUSAGE;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return CM_ENOMEM;
	p->log = log;
	p->allow = allow;
	p->arg = arg;
	if (str_copy(p->address, sizeof(p->address), address) != 0)
		p->address[0] = '\0';
	gnutls_db_set_ptr(session, p);
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_function(session, verify);
	*out = p;
	return 0;
}

const char *
tls_peer_name(const struct tls_peer *p)
{
	return p != NULL && p->allowed ? p->name : "";
}

bool
tls_peer_refused(const struct tls_peer *p)
{
	return p != NULL && p->refused;
}

void
tls_peer_free(struct tls_peer *p)
{
	free(p);
}

static ssize_t
record_result(ssize_t n)
{
	return n < 0 && !gnutls_error_is_fatal((int)n) ? 0 : n;
}

ssize_t
tls_recv(void *session, char *p, size_t len)
{
	ssize_t	 n;

	n = gnutls_record_recv(session, p, len);
	return n == 0 ? -1 : record_result(n);
}

ssize_t
tls_send(void *session, const char *p, size_t len)
{
	return record_result(gnutls_record_send(session, p, len));
}
