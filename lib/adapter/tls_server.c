#include "adapter/tls_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/gnutls.h>

#include "base/str.h"

/*
 * Authenticated encryption and forward secrecy only; AES-128 is the fastest.
 * The client's order of groups counts little, ours names the fast ones first.
 */
#define PRIORITIES	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:" \
	"-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:" \
	"-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-GROUP-ALL:+GROUP-X25519:" \
	"+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:%SERVER_PRECEDENCE"

struct tls_server {
	gnutls_certificate_credentials_t cred;
	gnutls_priority_t	 priority;
	gnutls_datum_t		 ticket_key;
};

struct tls_session {
	gnutls_session_t	 gnutls;
	struct wire		*wire;
	bool			 broken;	/* no goodbye */
	char			 label[TLS_LABEL_MAX];
};

static int
copy_ticket_key(struct tls_server *s, const struct tls_server *old)
{
	if (old == NULL)
		return gnutls_session_ticket_key_generate(&s->ticket_key);
	s->ticket_key.data = gnutls_malloc(old->ticket_key.size);
	if (s->ticket_key.data == NULL)
		return GNUTLS_E_MEMORY_ERROR;
	memcpy(s->ticket_key.data, old->ticket_key.data,
	    old->ticket_key.size);
	s->ticket_key.size = old->ticket_key.size;
	return 0;
}

int
tls_server_open(const struct log *log, const char *certificate,
    const char *key, const struct tls_server *old, struct tls_server **out)
{
	struct tls_server	*s;
	int			 rc;

	*out = NULL;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return log_fail(log, CM_ENOMEM, "TLS");
	if ((rc = gnutls_certificate_allocate_credentials(&s->cred)) == 0)
		rc = gnutls_certificate_set_x509_key_file(s->cred, certificate,
		    key, GNUTLS_X509_FMT_PEM);
	if (rc < 0) {
		log_fail(log, CM_ECONF, "certificate %s, key %s: %s",
		    certificate, key, gnutls_strerror(rc));
		tls_server_close(s);
		return CM_ECONF;
	}
	if ((rc = gnutls_priority_init(&s->priority, PRIORITIES, NULL)) < 0 ||
	    (rc = copy_ticket_key(s, old)) < 0) {
		log_fail(log, CM_ESOFT, "TLS: %s", gnutls_strerror(rc));
		tls_server_close(s);
		return CM_ESOFT;
	}
	*out = s;
	return 0;
}

void
tls_server_close(struct tls_server *s)
{
	if (s == NULL)
		return;
	if (s->ticket_key.data != NULL) {
		explicit_bzero(s->ticket_key.data, s->ticket_key.size);
		gnutls_free(s->ticket_key.data);
	}
	if (s->priority != NULL)
		gnutls_priority_deinit(s->priority);
	if (s->cred != NULL)
		gnutls_certificate_free_credentials(s->cred);
	free(s);
}

static ssize_t
pull(gnutls_transport_ptr_t arg, void *p, size_t n)
{
	struct wire	*w = arg;

	/* what is no socket must not be read before it is known to be ready */
	if (!w->in_socket && !wire_ready(w)) {
		errno = EAGAIN;
		return -1;
	}
	return wire_read(w, p, n);
}

static ssize_t
push(gnutls_transport_ptr_t arg, const void *p, size_t n)
{
	struct wire	*w = arg;

	if (!w->out_socket && wire_wait(w, true) != 0) {
		errno = EPIPE;
		return -1;
	}
	return wire_write(w, p, n);
}

/* What came of a call, once waiting does not help. */
static int
failure(int rc)
{
	switch (rc) {
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_SESSION_EOF:
		return CM_EAWAY;
	case GNUTLS_E_MEMORY_ERROR:
		return CM_ENOMEM;
	default:
		return CM_EPROTO;
	}
}

/*
 * 0: call it again; else what became of the session.  A client can send
 * warnings without an end, too.
 */
static int
again(struct tls_session *t, int rc)
{
	if (rc == GNUTLS_E_AGAIN)
		return wire_wait(t->wire,
		    gnutls_record_get_direction(t->gnutls) == 1);
	if (gnutls_error_is_fatal(rc))
		return failure(rc);
	if (rc == GNUTLS_E_REHANDSHAKE)		/* TLS 1.2: it is told no */
		(void)gnutls_alert_send(t->gnutls, GNUTLS_AL_WARNING,
		    GNUTLS_A_NO_RENEGOTIATION);
	return wire_late(t->wire) ? CM_ETIMEOUT : 0;
}

static int
make_session(struct tls_server *s, struct wire *w, struct tls_session *t)
{
	int	 rc;

	t->wire = w;
	if ((rc = gnutls_init(&t->gnutls, GNUTLS_SERVER | GNUTLS_NONBLOCK |
	    GNUTLS_NO_SIGNAL)) < 0 ||
	    (rc = gnutls_priority_set(t->gnutls, s->priority)) < 0 ||
	    (rc = gnutls_credentials_set(t->gnutls, GNUTLS_CRD_CERTIFICATE,
	    s->cred)) < 0 ||
	    (rc = gnutls_session_ticket_enable_server(t->gnutls,
	    &s->ticket_key)) < 0)
		return rc;
	gnutls_transport_set_ptr(t->gnutls, w);
	gnutls_transport_set_pull_function(t->gnutls, pull);
	gnutls_transport_set_push_function(t->gnutls, push);
	gnutls_handshake_set_timeout(t->gnutls, 0);	/* the wire's counts */
	return 0;
}

static int
shake(struct tls_session *t, struct buf *why)
{
	int	 rc, cm;

	while ((rc = gnutls_handshake(t->gnutls)) < 0) {
		if ((cm = again(t, rc)) == 0)
			continue;
		if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED)
			buf_addf(why, "alert: %s", gnutls_alert_get_name(
			    gnutls_alert_get(t->gnutls)));
		else
			buf_adds(why, gnutls_error_is_fatal(rc) ?
			    gnutls_strerror(rc) : cm_strerror(cm));
		if (cm == CM_EPROTO)
			(void)gnutls_alert_send_appropriate(t->gnutls, rc);
		return cm;
	}
	return 0;
}

int
tls_session_begin(struct tls_server *s, struct wire *w, struct buf *why,
    struct tls_session **out)
{
	struct tls_session	*t;
	int			 rc;

	*out = NULL;
	buf_reset(why);
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return CM_ENOMEM;
	t->broken = true;
	if ((rc = make_session(s, w, t)) < 0) {
		buf_adds(why, gnutls_strerror(rc));
		rc = CM_ENOMEM;
	} else {
		rc = shake(t, why);
	}
	if (rc == 0)
		rc = str_fmt(t->label, sizeof(t->label), "%s:%s",
		    gnutls_protocol_get_name(
		    gnutls_protocol_get_version(t->gnutls)),
		    gnutls_cipher_get_name(gnutls_cipher_get(t->gnutls)));
	t->broken = rc != 0;
	if (rc != 0)
		tls_session_end(t);
	else
		*out = t;
	return rc;
}

void
tls_session_end(struct tls_session *t)
{
	if (t == NULL)
		return;
	if (!t->broken)
		(void)gnutls_bye(t->gnutls, GNUTLS_SHUT_WR);
	if (t->gnutls != NULL)
		gnutls_deinit(t->gnutls);
	free(t);
}

ssize_t
tls_session_read(struct tls_session *t, char *p, size_t n)
{
	ssize_t	 r;
	int	 cm;

	for (;;) {
		if ((r = gnutls_record_recv(t->gnutls, p, n)) >= 0)
			return r;
		if ((cm = again(t, (int)r)) == 0)
			continue;
		if (cm != CM_ETIMEOUT && cm != CM_EAGAIN)
			t->broken = true;
		return cm;
	}
}

int
tls_session_write(struct tls_session *t, const char *p, size_t n)
{
	ssize_t	 r;
	int	 cm;

	while (n > 0) {
		if (t->broken)
			return CM_EAWAY;
		if ((r = gnutls_record_send(t->gnutls, p, n)) >= 0) {
			p += r;
			n -= (size_t)r;
		} else if ((cm = again(t, (int)r)) != 0) {
			/* half a record is out */
			t->broken = true;
			return cm;
		}
	}
	return 0;
}

bool
tls_session_pending(const struct tls_session *t)
{
	return gnutls_record_check_pending(t->gnutls) > 0;
}

const char *
tls_session_label(const struct tls_session *t)
{
	return t->label;
}

bool
tls_session_resumed(const struct tls_session *t)
{
	return gnutls_session_is_resumed(t->gnutls) != 0;
}

int
tls_session_binding(const struct tls_session *t, const char *type,
    struct buf *out)
{
	gnutls_channel_binding_t cb;
	gnutls_datum_t		 d = { NULL, 0 };
	bool			 is_13;
	int			 rc;

	is_13 = gnutls_protocol_get_version(t->gnutls) >= GNUTLS_TLS1_3;
	if (strcmp(type, "tls-exporter") == 0)
		cb = GNUTLS_CB_TLS_EXPORTER;
	else if (strcmp(type, "tls-unique") == 0 && !is_13)
		cb = GNUTLS_CB_TLS_UNIQUE;
	else
		return CM_EUSAGE;
	if (!is_13 && !gnutls_session_ext_master_secret_status(t->gnutls))
		return CM_EUSAGE;
	if (gnutls_session_channel_binding(t->gnutls, cb, &d) < 0)
		return CM_EUSAGE;
	rc = buf_add(out, d.data, d.size);
	gnutls_free(d.data);
	return rc;
}
