/* MAIL and RCPT: who sends to whom, and whether we take it. */
#include <stdlib.h>
#include <string.h>

#include "adapter/idn.h"
#include "base/time.h"
#include "cluster/known.h"
#include "protocol/smtp_int.h"

#define AWAY_MS		5000
#define MAILBOXES_MAX	(ADDRESS_MAX * 10000)	/* under RECEIPT_MAX */

static bool
has_8bit(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] & 0x80)
			return true;
	return false;
}

/* The path of a command, or false when it was answered. */
static bool
take_path(struct smtp *m, struct span args, const char *word,
    struct smtp_path *p)
{
	char	 ascii[ADDRESS_MAX + 1];
	int	 rc = smtp_path(args, word, p);

	if (rc == CM_EUSAGE || (rc == 0 && p->address[0] != '\0' &&
	    idn_address(p->address, ascii) != 0)) {
		smtp_say(m, 553, strcmp(word, "TO") == 0 ? "5.1.3" : "5.1.7",
		    "that is not an address");
		return false;
	}
	if (rc != 0) {
		smtp_say(m, 501, "5.5.4", "the form is %s:<address>", word);
		return false;
	}
	if (p->address[0] != '\0')
		memcpy(p->address, ascii, sizeof(p->address));
	return true;
}

/* --- MAIL --- */

static bool
bad_param(struct smtp *m, const struct smtp_param *p)
{
	smtp_say(m, 501, "5.5.4", "%.*s: bad value", (int)p->key.len,
	    p->key.p);
	return false;
}

static bool
is_key(const struct smtp_param *p, const char *name)
{
	return str_ieq(p->key.p, p->key.len, name);
}

static bool
take_size(struct smtp *m, const struct smtp_param *p)
{
	if (p->value.p == NULL || p->value.len > 20 ||
	    str_u64(p->value.p, p->value.len, UINT64_MAX, &m->mail.size) != 0)
		return bad_param(m, p);
	if (m->mail.size > smtp_limit(m)) {
		smtp_too_big(m);
		return false;
	}
	return true;
}

/* RFC 1870, RFC 6152, RFC 6531, RFC 4954 section 5. */
static bool
take_param(struct smtp *m, const struct smtp_param *p)
{
	if (is_key(p, "SIZE"))
		return take_size(m, p);
	if (is_key(p, "BODY")) {
		m->mail.eight_bit = p->value.p != NULL &&
		    str_ieq(p->value.p, p->value.len, "8BITMIME");
		if (m->mail.eight_bit || (p->value.p != NULL &&
		    str_ieq(p->value.p, p->value.len, "7BIT")))
			return true;
		return bad_param(m, p);
	}
	if (is_key(p, "SMTPUTF8")) {
		m->mail.utf8 = true;
		return p->value.p == NULL || bad_param(m, p);
	}
	/* who submitted it elsewhere: nobody's business here */
	if (is_key(p, "AUTH"))
		return p->value.p != NULL || bad_param(m, p);
	smtp_say(m, 555, "5.5.4", "%.*s is not known", (int)p->key.len,
	    p->key.p);
	return false;
}

static bool
take_params(struct smtp *m, const struct smtp_path *p)
{
	for (size_t i = 0; i < p->nparams; i++) {
		for (size_t k = 0; k < i; k++)
			if (p->param[k].key.len == p->param[i].key.len &&
			    strncasecmp(p->param[k].key.p, p->param[i].key.p,
			    p->param[i].key.len) == 0)
				return bad_param(m, &p->param[i]);
		if (!take_param(m, &p->param[i]))
			return false;
	}
	if (has_8bit(p->raw) && !m->mail.utf8) {
		smtp_say(m, 553, "5.6.7", "this address needs SMTPUTF8");
		return false;
	}
	return true;
}

/* The mailboxes of an address, one a line; those known last, when need be. */
static int
resolve(struct smtp *m, const char *address, struct buf *out, uint64_t *room)
{
	struct smtp_worker *w = m->w;
	int	 rc = CM_EAWAY;

	if (time_mono_ms() >= w->away_ms)
		rc = catalog_rcpt_room(w->catalog, address, out, room);
	if (rc != CM_EAWAY && rc != CM_ETIMEOUT)
		return rc;
	/* each question took seconds: not the next ones, too */
	w->away_ms = time_mono_ms() + AWAY_MS;
	buf_reset(out);
	*room = UINT64_MAX;
	return known_resolve(m->s->log, w->conf, address, out);
}

static bool
is_among(const struct buf *lines, const char *name)
{
	struct span	 rest = { lines->p, lines->len }, l;

	while (str_field(&rest, '\n', &l))
		if (span_is(l, name))
			return true;
	return false;
}

/*
 * Who logged in sends in his own name: an address of ours must be one that
 * reaches him.  Addresses of other domains are not ours to judge.
 */
static bool
is_his(struct smtp *m, const char *sender)
{
	struct buf	 out;
	uint64_t	 room;
	int		 rc;

	if (m->user[0] == '\0' || sender[0] == '\0')
		return true;
	buf_init(&out, MAILBOXES_MAX);
	rc = resolve(m, sender, &out, &room);
	if (rc == CM_ENOHOST)
		rc = 0;
	else if (rc == CM_ENOUSER || (rc == 0 && !is_among(&out, m->user))) {
		smtp_say(m, 553, "5.7.1", "%s is not an address of yours",
		    sender);
		rc = CM_EPERM;
	} else if (rc != 0)
		smtp_say(m, 451, "4.3.0", "cannot look for %s now", sender);
	buf_free(&out);
	return rc == 0;
}

void
smtp_mail(struct smtp *m, struct span args)
{
	struct smtp_path p;

	if (m->helo[0] == '\0') {
		smtp_say(m, 503, "5.5.1", "say %s first",
		    m->mode == SMTP_LMTP ? "LHLO" : "EHLO");
		return;
	}
	if (m->mail.begun) {
		smtp_say(m, 503, "5.5.1", "there is a sender already");
		return;
	}
	if (m->mode == SMTP_SUBMISSION && m->user[0] == '\0') {
		smtp_say(m, 530, "5.7.0", "log in first%s",
		    smtp_is_tls(m) ? "" : " (STARTTLS, AUTH)");
		return;
	}
	if (!take_path(m, args, "FROM", &p))
		return;
	smtp_reset(m);
	if (!take_params(m, &p) || !is_his(m, p.address)) {
		smtp_reset(m);
		return;
	}
	memcpy(m->mail.sender, p.address, sizeof(m->mail.sender));
	m->mail.begun = true;
	m->mail.since_ms = time_mono_ms();
	smtp_say(m, 250, "2.1.0", "ok");
}

/* --- RCPT --- */

bool
smtp_may_relay(const struct smtp *m)
{
	const struct conf *c = m->w->conf;

	return m->user[0] != '\0' || (m->mode == SMTP_MX && m->s->has_ip &&
	    conf_in_network(c->trusted, c->ntrusted, m->s->client_ip));
}

static bool
add(struct smtp *m, const char *address, const struct buf *mailboxes)
{
	struct smtp_mail *y = &m->mail;
	struct smtp_rcpt *r;
	size_t		  room = y->room ? 2 * y->room : 8;

	if (y->nrcpt == y->room) {
		if ((r = realloc(y->rcpt, room * sizeof(*r))) == NULL)
			return false;
		y->rcpt = r;
		y->room = room;
	}
	r = &y->rcpt[y->nrcpt];
	r->address = strdup(address);
	r->mailboxes = mailboxes == NULL ? NULL :
	    strndup(mailboxes->len ? mailboxes->p : "", mailboxes->len);
	if (r->address == NULL || (mailboxes != NULL &&
	    r->mailboxes == NULL)) {
		free(r->address);
		free(r->mailboxes);
		return false;
	}
	y->nrcpt++;
	return true;
}

/* All of them are to fit into one receipt: no list is named over and over. */
static void
take_rcpt(struct smtp *m, const char *address, const struct buf *mailboxes)
{
	size_t	 n = mailboxes != NULL ? mailboxes->len : 0;

	if (n > MAILBOXES_MAX - m->mail.names) {
		smtp_reply(conn_out(m->s->conn), 452, "4.5.3",
		    "too many mailboxes");
		return;
	}
	m->mail.names += n;
	if (add(m, address, mailboxes))
		smtp_say(m, 250, "2.1.5", "ok");
	else
		smtp_say(m, 452, "4.3.0", "no memory");
}

/* A domain that is not ours. */
static void
elsewhere(struct smtp *m, const char *address)
{
	if (!smtp_may_relay(m))
		smtp_say(m, 550, "5.7.1", "<%s>: relaying denied", address);
	else if (m->w->conf->relay.host == NULL)
		smtp_say(m, 550, "5.7.1", "<%s>: there is no way to other "
		    "domains from here", address);
	else
		take_rcpt(m, address, NULL);
}

static void
look_up(struct smtp *m, const char *address)
{
	struct buf	 out;
	uint64_t	 room;
	int		 rc;

	buf_init(&out, MAILBOXES_MAX);
	rc = resolve(m, address, &out, &room);
	if (rc == CM_ENOHOST)
		elsewhere(m, address);
	else if (rc == CM_ENOUSER)
		smtp_say(m, 550, "5.1.1", "<%s>: no such mailbox", address);
	else if (rc != 0)
		smtp_say(m, 451, "4.3.0", "<%s>: cannot be looked up now, try "
		    "again", address);
	else if (room == 0 || room < m->mail.size)
		smtp_say(m, 452, "4.2.2", "<%s>: the mailbox is full",
		    address);
	else
		take_rcpt(m, address, &out);
	buf_free(&out);
}

/* RFC 5321 section 4.5.1: postmaster without a domain is ours. */
static bool
complete(struct smtp *m, const char *in, char *out)
{
	if (address_domain(in) != NULL)
		return str_copy(out, ADDRESS_MAX + 1, in) == 0;
	if (strcasecmp(in, "postmaster") != 0 || m->w->conf->ndomains == 0) {
		smtp_say(m, 550, "5.1.3", "<%s>: an address has a domain", in);
		return false;
	}
	return str_fmt(out, ADDRESS_MAX + 1, "postmaster@%s",
	    m->w->conf->domains[0]) == 0;
}

/* RFC 2606 section 2: no mail goes there, and ours has mailboxes of its own
 * under it (outgoing.h). */
static bool
is_reserved(const char *address)
{
	const char	*domain = address_domain(address);
	size_t		 n = domain != NULL ? strlen(domain) : 0;

	return n >= 7 && strcmp(domain + n - 7, "invalid") == 0 &&
	    (n == 7 || domain[n - 8] == '.');
}

void
smtp_rcpt(struct smtp *m, struct span args)
{
	struct smtp_path p;
	char		 address[ADDRESS_MAX + 1];

	if (!m->mail.begun || m->mail.chunks) {
		smtp_say(m, 503, "5.5.1", m->mail.begun ?
		    "the message has begun" : "MAIL comes first");
		return;
	}
	if (!take_path(m, args, "TO", &p))
		return;
	if (p.nparams > 0) {
		smtp_say(m, 555, "5.5.4", "%.*s is not known",
		    (int)p.param[0].key.len, p.param[0].key.p);
		return;
	}
	if (p.address[0] == '\0') {
		smtp_say(m, 501, "5.1.3", "nobody is no recipient");
		return;
	}
	if (has_8bit(p.raw) && !m->mail.utf8) {
		smtp_say(m, 553, "5.6.7", "this address needs SMTPUTF8");
		return;
	}
	if (m->mail.nrcpt >= m->w->conf->recipients) {
		/* RFC 5321 section 4.5.3.1.10: no fault, and not logged */
		smtp_reply(conn_out(m->s->conn), 452, "4.5.3",
		    "too many recipients");
		return;
	}
	if (!complete(m, p.address, address))
		return;
	if (is_reserved(address))
		smtp_say(m, 550, "5.1.2", "<%s>: there is no such domain",
		    address);
	else
		look_up(m, address);
}
