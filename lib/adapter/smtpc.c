#include "adapter/smtpc.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter/curl.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"

#define CONNECT_MS	30000
#define LOGIN_MS	120000	/* until the login is done */
/* RFC 5321 section 4.5.3.2 */
#define COMMAND_MS	300000
#define BLOCK_MS	180000	/* for some of the message to go */
#define END_MS		600000
#define QUIT_MS		2000
#define LINE_MAX_BYTES	4096
#define LINES_MAX	200	/* of one answer */
#define OUT_MAX		(1u << 17)
#define PIECE		32768

/* What EHLO says. */
struct able {
	bool		 pipelining, eight, utf8, dsn, size;
	uint64_t	 max;		/* bytes; 0: any */
};

struct smtpc {
	const struct log *log;
	const struct smtpc_host *host;
	CURL		*easy;
	int		 sock;
	bool		 logged_in, used, broken;
	struct able	 able;
	struct buf	 in, out;
	char		 error[CURL_ERROR_SIZE];
	char		 text[SMTPC_TEXT];
};

struct answer {
	int		 code;
	char		 text[SMTPC_TEXT];	/* without code, in one line */
};

static void
set_text(struct smtpc *s, const char *text)
{
	snprintf(s->text, sizeof(s->text), "%s", text);
	str_clean(s->text);
}

static int
fail(struct smtpc *s, int rc, const char *text)
{
	s->broken = true;
	set_text(s, text);
	return rc;
}

/* --- bytes */

static int
wait_for(struct smtpc *s, short events, int64_t until)
{
	struct pollfd	 p = { .fd = s->sock, .events = events };
	int64_t		 left;

	for (;;) {
		if ((left = until - time_mono_ms()) <= 0)
			return fail(s, CM_ETIMEOUT, "no answer in time");
		if (poll(&p, 1, left > 60000 ? 60000 : (int)left) > 0)
			return 0;
	}
}

static int
lost(struct smtpc *s, CURLcode c)
{
	return fail(s, CM_EAWAY, s->error[0] != '\0' ? s->error :
	    c == CURLE_OK ? "it hung up" : curl.easy_strerror(c));
}

static int
send_all(struct smtpc *s, const char *p, size_t len)
{
	size_t		 n;
	CURLcode	 c;
	int		 rc;

	while (len > 0) {
		n = 0;
		c = curl.easy_send(s->easy, p, len, &n);
		if (c == CURLE_AGAIN) {
			if ((rc = wait_for(s, POLLOUT,
			    time_mono_ms() + BLOCK_MS)) != 0)
				return rc;
			continue;
		}
		if (c != CURLE_OK)
			return lost(s, c);
		p += n;
		len -= n;
	}
	return 0;
}

static int
flush(struct smtpc *s)
{
	int	 rc = s->out.err ? s->out.err :
		    send_all(s, s->out.p, s->out.len);

	buf_reset(&s->out);
	return rc;
}

static int
fill(struct smtpc *s, int64_t until)
{
	size_t		 n = 0;
	CURLcode	 c;
	int		 rc;

	if ((rc = buf_room(&s->in, LINE_MAX_BYTES)) != 0)
		return fail(s, CM_EPROTO, "too long an answer");
	for (;;) {
		c = curl.easy_recv(s->easy, s->in.p + s->in.len,
		    LINE_MAX_BYTES, &n);
		if (c == CURLE_OK && n > 0) {
			s->in.len += n;
			return 0;
		}
		if (c != CURLE_AGAIN)
			return lost(s, c);
		if ((rc = wait_for(s, POLLIN, until)) != 0)
			return rc;
	}
}

/* --- answers: RFC 5321 section 4.2 */

static void
add_text(struct answer *a, const char *p, size_t len)
{
	size_t	 at = strlen(a->text), room = sizeof(a->text) - 1 - at;

	while (len > 0 && (p[len - 1] == '\r' || p[len - 1] == ' '))
		len--;
	if (at > 0 && room > 0) {
		a->text[at++] = ' ';
		room--;
	}
	if (len > room)
		len = room;
	for (size_t i = 0; i < len; i++)
		a->text[at + i] = p[i] == '\0' ? '?' : p[i];
	a->text[at + len] = '\0';
}

static bool
is_code(const char *p, size_t len)
{
	return len >= 3 && p[0] >= '2' && p[0] <= '5' &&
	    isdigit((unsigned char)p[1]) && isdigit((unsigned char)p[2]) &&
	    (len == 3 || p[3] == ' ' || p[3] == '-' || p[3] == '\r');
}

static void
learn(struct able *a, const char *p, size_t len)
{
	while (len > 0 && (p[len - 1] == '\r' || p[len - 1] == ' '))
		len--;
	if (str_ieq(p, len, "PIPELINING"))
		a->pipelining = true;
	else if (str_ieq(p, len, "8BITMIME"))
		a->eight = true;
	else if (str_ieq(p, len, "SMTPUTF8"))
		a->utf8 = true;
	else if (str_ieq(p, len, "DSN"))
		a->dsn = true;
	else if (len >= 4 && str_ieq(p, 4, "SIZE")) {
		a->size = true;
		if (len > 5 && str_u64(p + 5, len - 5, UINT64_MAX,
		    &a->max) != 0)
			a->max = 0;
	}
}

/* able: filled from the lines behind the first; or NULL. */
static int
get_answer(struct smtpc *s, struct answer *a, struct able *able, int ms)
{
	int64_t		 until = time_mono_ms() + ms;
	const char	*nl;
	size_t		 len;
	bool		 more;
	int		 rc;

	memset(a, 0, sizeof(*a));
	for (int lines = 0; lines < LINES_MAX; lines++) {
		while (s->in.len == 0 || (nl = memchr(s->in.p, '\n',
		    s->in.len)) == NULL)
			if ((rc = fill(s, until)) != 0)
				return rc;
		len = (size_t)(nl - s->in.p);
		if (!is_code(s->in.p, len))
			return fail(s, CM_EPROTO, "this is no SMTP");
		a->code = (s->in.p[0] - '0') * 100 + (s->in.p[1] - '0') * 10 +
		    s->in.p[2] - '0';
		more = len > 3 && s->in.p[3] == '-';
		if (len > 4) {
			if (able != NULL && lines > 0)
				learn(able, s->in.p + 4, len - 4);
			add_text(a, s->in.p + 4, len - 4);
		}
		buf_drop(&s->in, len + 1);
		if (more)
			continue;
		str_clean(a->text);
		if (a->code != 421)
			return 0;
		return fail(s, CM_EAWAY, a->text);
	}
	return fail(s, CM_EPROTO, "too long an answer");
}

static int
ask(struct smtpc *s, struct answer *a, int ms)
{
	int	 rc = flush(s);

	return rc != 0 ? rc : get_answer(s, a, NULL, ms);
}

/* --- connecting */

static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *sa)
{
	struct smtpc	*s = arg;

	(void)purpose;
	s->sock = socket(sa->family, sa->socktype | SOCK_CLOEXEC,
	    sa->protocol);
	return s->sock == -1 ? CURL_SOCKET_BAD : s->sock;
}

/* libcurl goes on without a login when none is offered. */
static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct smtpc	*s = arg;

	if (size * n >= 3 && memcmp(p, "235", 3) == 0)
		s->logged_in = true;
	if (size * n >= 3 && (p[0] == '4' || p[0] == '5'))
		snprintf(s->text, sizeof(s->text), "%.*s", (int)(size * n), p);
	return size * n;
}

static int
set_options(struct smtpc *s)
{
	const struct smtpc_host *h = s->host;
	bool		 v6 = strchr(h->host, ':') != NULL;
	char		 url[1024];
	CURL		*e = s->easy;
	CURLcode	 c = CURLE_OK;

	if (str_fmt(url, sizeof(url), "smtp%s://%s%s%s:%u/%s",
	    h->tls == SMTPC_IMPLICIT ? "s" : "", v6 ? "[" : "", h->host,
	    v6 ? "]" : "", h->port, h->helo) != 0 ||
	    strpbrk(h->host, "/@?# []") != NULL ||
	    strpbrk(h->helo, "/@?# %") != NULL)
		return CM_ECONF;
#define SET(option, value)						\
	(c = c != CURLE_OK ? c : curl.easy_setopt(e, option, value))
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(CURLOPT_CONNECT_ONLY, 1L);
	SET(CURLOPT_ERRORBUFFER, s->error);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_USE_SSL, h->tls == SMTPC_PLAIN ? (long)CURLUSESSL_NONE :
	    (long)CURLUSESSL_ALL);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (h->ca != NULL) {
		SET(CURLOPT_CAINFO, h->ca);
		SET(CURLOPT_CAPATH, NULL);
	}
	if (h->user != NULL) {
		SET(CURLOPT_USERNAME, h->user);
		SET(CURLOPT_PASSWORD, h->password);
	}
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	SET(CURLOPT_TIMEOUT_MS, (long)LOGIN_MS);
	SET(CURLOPT_SERVER_RESPONSE_TIMEOUT, LOGIN_MS / 1000L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
	SET(CURLOPT_OPENSOCKETDATA, s);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, s);
	return c == CURLE_OK ? 0 : c == CURLE_OUT_OF_MEMORY ? CM_ENOMEM :
	    CM_ESOFT;
}

static int
code_of(CURLcode c)
{
	switch (c) {
	case CURLE_OPERATION_TIMEDOUT:
		return CM_ETIMEOUT;
	case CURLE_OUT_OF_MEMORY:
		return CM_ENOMEM;
	case CURLE_USE_SSL_FAILED:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_LOGIN_DENIED:
		return CM_EPERM;
	case CURLE_UNSUPPORTED_PROTOCOL:
		return CM_EPROTO;
	default:
		return CM_EAWAY;
	}
}

/* libcurl's reason, and the host's when it gave one. */
static int
not_connected(struct smtpc *s, CURLcode c)
{
	char	 host[SMTPC_TEXT];

	str_clean(s->text);
	snprintf(host, sizeof(host), "%s", s->text);
	snprintf(s->text, sizeof(s->text), "%.250s%s%.250s",
	    s->error[0] != '\0' ? s->error : curl.easy_strerror(c),
	    host[0] != '\0' ? ": " : "", host);
	str_clean(s->text);
	return code_of(c);
}

static int
greet(struct smtpc *s)
{
	struct answer	 a;
	int		 rc;

	memset(&s->able, 0, sizeof(s->able));
	buf_addf(&s->out, "EHLO %s\r\n", s->host->helo);
	if ((rc = flush(s)) != 0 ||
	    (rc = get_answer(s, &a, &s->able, COMMAND_MS)) != 0)
		return rc;
	if (a.code == 250)
		return 0;
	memset(&s->able, 0, sizeof(s->able));
	buf_addf(&s->out, "HELO %s\r\n", s->host->helo);
	if ((rc = ask(s, &a, COMMAND_MS)) != 0)
		return rc;
	return a.code == 250 ? 0 : fail(s, CM_EAWAY, a.text);
}

static int
start(struct smtpc *s)
{
	CURLcode c;
	int	 rc;

	if (s->easy != NULL)
		curl.easy_cleanup(s->easy);
	s->sock = -1;
	s->logged_in = s->used = s->broken = false;
	s->error[0] = s->text[0] = '\0';
	buf_reset(&s->in);
	buf_reset(&s->out);
	if ((s->easy = curl.easy_init()) == NULL)
		return CM_ENOMEM;
	if ((rc = set_options(s)) != 0) {
		set_text(s, cm_strerror(rc));
		return rc;
	}
	if ((c = curl.easy_perform(s->easy)) != CURLE_OK)
		return not_connected(s, c);
	s->text[0] = s->error[0] = '\0';
	if (s->host->user != NULL && !s->logged_in)
		return fail(s, CM_EPERM, "it offers no login");
	return greet(s);
}

int
smtpc_open(const struct log *log, const struct smtpc_host *host,
    char why[SMTPC_TEXT], struct smtpc **out)
{
	struct smtpc	*s;
	int		 rc;

	*out = NULL;
	snprintf(why, SMTPC_TEXT, "%s", cm_strerror(CM_ESOFT));
	if ((rc = curl_load(log)) != 0)
		return rc;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return CM_ENOMEM;
	s->log = log;
	s->host = host;
	buf_init(&s->in, (size_t)LINE_MAX_BYTES * 2);
	buf_init(&s->out, OUT_MAX);
	if ((rc = start(s)) != 0) {
		snprintf(why, SMTPC_TEXT, "%s", s->text[0] != '\0' ? s->text :
		    cm_strerror(rc));
		s->broken = true;
		smtpc_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void
smtpc_close(struct smtpc *s)
{
	struct answer	 a;

	if (s == NULL)
		return;
	/* who asked has all answers: no matter what it says */
	if (!s->broken && buf_adds(&s->out, "QUIT\r\n") == 0 &&
	    ask(s, &a, QUIT_MS) != 0)
		s->broken = true;
	if (s->easy != NULL)
		curl.easy_cleanup(s->easy);
	buf_free(&s->in);
	buf_free(&s->out);
	free(s);
}

const char *
smtpc_text(const struct smtpc *s)
{
	return s->text;
}

bool
smtpc_has_dsn(const struct smtpc *s)
{
	return s->able.dsn;
}

/* --- a message */

/* Our login is not the message's fault: RFC 4954 section 6. */
static bool
is_login(int code)
{
	return code == 530 || code == 534 || code == 535 || code == 538;
}

/* The same answer for all who have none, or for those RCPT was fine for. */
static void
answer_all(const struct smtpc_msg *m, int code, const char *text)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->to[i].code >= 300)
			continue;
		m->to[i].code = code;
		snprintf(m->to[i].text, SMTPC_TEXT, "%s", text);
	}
}

static bool
is_eight(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] > 0x7f)
			return true;
	return false;
}

/* Something that this host cannot take: 0, or why not. */
static const char *
cannot(const struct smtpc *s, const struct smtpc_msg *m, bool eight)
{
	const struct able	*a = &s->able;

	if (m->utf8 && !a->utf8)
		return "5.6.7 the next host takes no internationalized mail";
	if (eight && !m->utf8 && !a->eight)
		return "5.6.3 the next host takes no 8-bit mail";
	if (a->max > 0 && m->len > a->max)
		return "5.3.4 the message is too large for the next host";
	return NULL;
}

static int
say_mail(struct smtpc *s, const struct smtpc_msg *m, bool eight,
    struct answer *a)
{
	const struct able	*can = &s->able;

	buf_addf(&s->out, "MAIL FROM:<%s>", m->sender);
	if (can->size)
		buf_addf(&s->out, " SIZE=%zu", m->len);
	if (eight)
		buf_adds(&s->out, " BODY=8BITMIME");
	if (m->utf8)
		buf_adds(&s->out, " SMTPUTF8");
	if (can->dsn && m->ret != NULL)
		buf_addf(&s->out, " RET=%s", m->ret);
	if (can->dsn && m->envid != NULL)
		buf_addf(&s->out, " ENVID=%s", m->envid);
	buf_adds(&s->out, "\r\n");
	return ask(s, a, COMMAND_MS);
}

static void
add_rcpt(struct smtpc *s, const struct smtpc_rcpt *r)
{
	buf_addf(&s->out, "RCPT TO:<%s>", r->address);
	if (s->able.dsn && r->notify != NULL)
		buf_addf(&s->out, " NOTIFY=%s", r->notify);
	if (s->able.dsn && r->orcpt != NULL)
		buf_addf(&s->out, " ORCPT=%s", r->orcpt);
	buf_adds(&s->out, "\r\n");
}

static int
take_rcpt(struct smtpc *s, struct smtpc_rcpt *r)
{
	struct answer	 a;
	int		 rc = get_answer(s, &a, NULL, COMMAND_MS);

	if (rc != 0)
		return rc;
	if (is_login(a.code))
		return fail(s, CM_EPERM, a.text);
	r->code = a.code;
	memcpy(r->text, a.text, sizeof(r->text));
	return 0;
}

/* *good: how many it takes. */
static int
say_rcpt(struct smtpc *s, const struct smtpc_msg *m, size_t *good)
{
	int	 rc = 0;

	*good = 0;
	for (size_t i = 0; rc == 0 && i < m->n; i++) {
		add_rcpt(s, &m->to[i]);
		if (!s->able.pipelining && (rc = flush(s)) == 0)
			rc = take_rcpt(s, &m->to[i]);
	}
	if (rc == 0 && s->able.pipelining)
		rc = flush(s);
	for (size_t i = 0; rc == 0 && s->able.pipelining && i < m->n; i++)
		rc = take_rcpt(s, &m->to[i]);
	for (size_t i = 0; i < m->n; i++)
		*good += m->to[i].code >= 200 && m->to[i].code < 300;
	return rc;
}

/* With a second dot before one at a line's beginning: section 4.5.2. */
static int
send_message(struct smtpc *s, const char *p, size_t len)
{
	const char	*start = p, *end = p + len, *q, *stop;
	int		 rc = 0;

	if (len > 0 && *p == '.')
		buf_addc(&s->out, '.');
	while (rc == 0 && p < end) {
		stop = end - p > PIECE ? p + PIECE : end;
		for (q = p; q < stop; q++)
			if (q > start && *q == '.' && q[-1] == '\n') {
				buf_add(&s->out, p, (size_t)(q - p));
				buf_addc(&s->out, '.');
				p = q;
			}
		buf_add(&s->out, p, (size_t)(q - p));
		p = q;
		rc = flush(s);
	}
	if (rc != 0)
		return rc;
	if (len > 0 && (len < 2 || memcmp(end - 2, "\r\n", 2) != 0))
		buf_adds(&s->out, "\r\n");
	buf_adds(&s->out, ".\r\n");
	return 0;
}

static int
say_data(struct smtpc *s, const struct smtpc_msg *m)
{
	struct answer	 a;
	int		 rc;

	buf_adds(&s->out, "DATA\r\n");
	if ((rc = ask(s, &a, COMMAND_MS)) != 0)
		return rc;
	if (a.code == 354) {
		if ((rc = send_message(s, m->p, m->len)) != 0 ||
		    (rc = ask(s, &a, END_MS)) != 0)
			return rc;
	} else if (a.code < 400)
		return fail(s, CM_EPROTO, "no 354 after DATA");
	answer_all(m, a.code, a.text);
	return a.code < 300 || a.code >= 400 ? 0 :
	    fail(s, CM_EPROTO, "354 after the message");
}

static int
reset(struct smtpc *s)
{
	struct answer	 a;

	buf_adds(&s->out, "RSET\r\n");
	return ask(s, &a, COMMAND_MS);
}

static int
begin(struct smtpc *s, const struct smtpc_msg *m, bool eight,
    struct answer *a)
{
	bool	 used = s->used;
	int	 rc;

	s->error[0] = '\0';
	rc = say_mail(s, m, eight, a);
	if (rc == CM_EAWAY && used && (rc = start(s)) == 0)
		rc = say_mail(s, m, eight, a);
	s->used = true;
	return rc;
}

/* Whoever got no answer that lasts must not seem to have one. */
static int
broke(const struct smtpc_msg *m, int rc)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->to[i].code < 500)
			m->to[i].code = 0;
	return rc;
}

int
smtpc_send(struct smtpc *s, const struct smtpc_msg *m)
{
	bool		 eight = is_eight(m->p, m->len);
	const char	*why = cannot(s, m, eight);
	struct answer	 a;
	size_t		 good;
	int		 rc;

	for (size_t i = 0; i < m->n; i++) {
		m->to[i].code = 0;
		m->to[i].text[0] = '\0';
	}
	if (why != NULL) {
		answer_all(m, 554, why);
		return 0;
	}
	if ((rc = begin(s, m, eight, &a)) != 0)
		return broke(m, rc);
	if (is_login(a.code))
		return fail(s, CM_EPERM, a.text);
	if (a.code >= 300) {
		answer_all(m, a.code, a.text);
		return 0;
	}
	if ((rc = say_rcpt(s, m, &good)) != 0)
		return broke(m, rc);
	rc = good > 0 ? say_data(s, m) : reset(s);
	if (rc != 0 && good == 0)
		return 0;	/* all have their answers */
	return rc == 0 ? 0 : broke(m, rc);
}
