#include "cluster/sending.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "adapter/smtpc.h"
#include "base/lock.h"
#include "base/time.h"
#include "format/header.h"

#define PASSWORD_MAX	1024

struct run {
	struct sending	*s;
	char *const	*ids;
	size_t		 n;
	bool		 now;
	struct smtpc_host host;
	char		 helo[256];
	struct buf	 password;
	pthread_mutex_t	 mutex;
	/* under the mutex */
	size_t		 next;
	int		 worst;
	char		 down[SMTPC_TEXT];	/* why nobody can be reached */
};

struct worker {
	struct run	*run;
	struct smtpc	*line;
	int		 slot;
	pthread_t	 thread;
	bool		 started;
};

static void
note(struct run *r, int rc)
{
	pthread_mutex_lock(&r->mutex);
	/* what stays is said before what was set aside */
	if (rc != 0 && (r->worst == 0 || r->worst == CM_EDATA))
		r->worst = rc;
	pthread_mutex_unlock(&r->mutex);
}

/* --- the host */

static int
read_password(struct run *r)
{
	const char	*path = r->s->conf->relay.password;
	int		 rc;

	if (path == NULL)
		return buf_adds(&r->password, "");
	if ((rc = file_read(r->s->log, path, &r->password)) != 0)
		return rc;
	if (r->password.len == 0)
		return log_fail(r->s->log, CM_EDATA, "%s: is empty", path);
	r->password.p[strcspn(r->password.p, "\r\n")] = '\0';
	return 0;
}

static int
prepare(struct run *r)
{
	const struct conf_relay	*c = &r->s->conf->relay;
	int			 rc;

	if (c->host == NULL)
		return log_fail(r->s->log, CM_ECONF,
		    "mail waits, and there is no relay");
	if ((rc = conf_hostname(r->s->conf, r->helo, sizeof(r->helo))) != 0)
		return log_fail(r->s->log, rc, "this node's host name");
	if (c->user != NULL && (rc = read_password(r)) != 0)
		return rc;
	r->host = (struct smtpc_host){ .host = c->host, .port = c->port,
	    .tls = c->tls == CONF_TLS_IMPLICIT ? SMTPC_IMPLICIT :
	    c->tls == CONF_TLS_NONE ? SMTPC_PLAIN : SMTPC_STARTTLS,
	    .ca = c->ca, .user = c->user, .password = r->password.p,
	    .helo = r->helo };
	return 0;
}

/* A turn at one of the node's connections; -1: all are in use. */
static int
take_slot(const struct spooldir *s)
{
	char	 path[FILE_PATH_MAX];
	int	 fd;

	for (int i = 0; i < SENDING_CONNECTIONS; i++) {
		if (str_fmt(path, sizeof(path), "%s/slot.%d", s->path,
		    i) != 0)
			return -1;
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd == -1) {
			log_errno(s->log, "%s", path);
			return -1;
		}
		if (lock_file(fd, LOCK_EX, 0) == 0)
			return fd;
		close(fd);
	}
	return -1;
}

bool
sending_is_busy(const struct spooldir *s)
{
	int	 fd = take_slot(s);

	if (fd != -1)
		close(fd);
	return fd == -1;
}

static void
set_down(struct run *r, int rc, const char *why)
{
	bool	 first;

	pthread_mutex_lock(&r->mutex);
	first = r->down[0] == '\0';
	snprintf(r->down, sizeof(r->down), "%s", why);
	pthread_mutex_unlock(&r->mutex);
	if (first)
		log_fail(r->s->log, rc, "%s: %s", r->host.host, why);
}

/* 0, or why there is no connection in why. */
static int
get_line(struct worker *w, char why[SMTPC_TEXT])
{
	struct run	*r = w->run;
	int		 rc;

	pthread_mutex_lock(&r->mutex);
	memcpy(why, r->down, SMTPC_TEXT);
	pthread_mutex_unlock(&r->mutex);
	if (why[0] != '\0')
		return CM_EAWAY;
	if (w->line != NULL)
		return 0;
	if ((rc = smtpc_open(r->s->log, &r->host, why, &w->line)) != 0)
		set_down(r, rc, why);
	return rc;
}

/* --- one message */

static bool
is_ascii(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] > 0x7f)
			return false;
	return true;
}

/* RFC 6531 section 3.6: only what is no ASCII needs it. */
static bool
needs_utf8(const struct queued *q, const struct smtpc_rcpt *to, size_t n)
{
	if (!is_ascii(q->sender, strlen(q->sender)))
		return true;
	for (size_t i = 0; i < n; i++)
		if (!is_ascii(to[i].address, strlen(to[i].address)))
			return true;
	return q->utf8 && !is_ascii(q->msg.p, header_end(q->msg.p,
	    q->msg.len));
}

static void
take_answer(struct queued_rcpt *q, const struct smtpc_rcpt *r, bool dsn)
{
	if (r->code == 0)
		return;
	q->code = r->code;
	snprintf(q->text, sizeof(q->text), "%s", r->text);
	if (r->code >= 200 && r->code < 300) {
		q->state = QUEUED_SENT;
		if (!dsn && q->notify != NULL &&
		    strcasestr(q->notify, "SUCCESS") != NULL)
			q->state = QUEUED_RELAYED;
	} else if (r->code >= 500)
		q->state = QUEUED_FAILED;
}

/* The next recipients that wait, from *at on. */
static size_t
gather(struct queued *q, size_t *at, struct smtpc_rcpt *to, size_t which[])
{
	size_t	 n = 0;

	for (; *at < q->n && n < SMTPC_RECIPIENTS; (*at)++) {
		struct queued_rcpt *r = &q->to[*at];

		if (r->state != QUEUED_WAIT)
			continue;
		which[n] = *at;
		to[n++] = (struct smtpc_rcpt){ .address = r->address,
		    .notify = r->notify, .orcpt = r->orcpt };
	}
	return n;
}

static int
send_some(struct worker *w, struct queued *q, struct smtpc_rcpt *to, size_t n,
    const size_t which[], char why[SMTPC_TEXT])
{
	struct smtpc_msg m = { .sender = q->sender, .ret = q->ret,
			    .envid = q->envid, .p = q->msg.p,
			    .len = q->msg.len, .to = to, .n = n };
	int		 rc;

	if ((rc = get_line(w, why)) != 0)
		return rc;
	m.utf8 = needs_utf8(q, to, n);
	rc = smtpc_send(w->line, &m);
	for (size_t i = 0; i < n; i++)
		take_answer(&q->to[which[i]], &to[i],
		    smtpc_has_dsn(w->line));
	if (rc == 0)
		return 0;
	snprintf(why, SMTPC_TEXT, "%s", smtpc_text(w->line));
	/* the login is wrong for all the others too */
	if (rc == CM_EPERM)
		set_down(w->run, rc, why);
	smtpc_close(w->line);
	w->line = NULL;
	return rc;
}

/* Who waits for five days is not tried again. */
static void
give_up(struct queued *q)
{
	for (size_t i = 0; i < q->n; i++) {
		struct queued_rcpt *r = &q->to[i];

		if (r->state != QUEUED_WAIT)
			continue;
		r->state = QUEUED_FAILED;
		if (r->code == 0)
			memcpy(r->text, q->last, sizeof(r->text));
	}
}

static int
try_it(struct worker *w, struct queued *q)
{
	struct smtpc_rcpt *to;
	size_t		 which[SMTPC_RECIPIENTS], at = 0, n;
	char		 why[SMTPC_TEXT] = "";
	int64_t		 now;
	int		 rc = 0, saved;

	if ((to = calloc(SMTPC_RECIPIENTS, sizeof(*to))) == NULL)
		return CM_ENOMEM;
	while (rc == 0 && (n = gather(q, &at, to, which)) > 0) {
		rc = send_some(w, q, to, n, which, why);
		if (rc == 0 && at < q->n && (rc = queued_save(q)) != 0)
			break;
	}
	free(to);
	now = time_now_ms();
	if (queued_count(q, QUEUED_WAIT) > 0) {
		queued_defer(q, now, rc != 0 ? why : NULL);
		if (now - q->time >= QUEUED_LIFE_MS)
			give_up(q);
	}
	/* from here what was sent is not sent again */
	if ((saved = queued_save(q)) != 0)
		return saved;
	return queued_count(q, QUEUED_WAIT) > 0 ? CM_EAGAIN : 0;
}

static bool
is_done(const struct queued *q)
{
	return queued_count(q, QUEUED_WAIT) == 0 &&
	    queued_count(q, QUEUED_FAILED) == 0 &&
	    queued_count(q, QUEUED_RELAYED) == 0;
}

static int
work(struct worker *w, const char *id)
{
	struct run	*r = w->run;
	struct queued	*q;
	int		 rc;

	rc = queued_open(r->s->dir, id, r->s->conf->max_size, true, &q);
	if (rc == CM_ENOINPUT || rc == CM_ELOCK)
		return 0;
	if (rc != 0)
		return rc;
	if (queued_count(q, QUEUED_WAIT) > 0 &&
	    (r->now || q->next <= time_now_ms())) {
		rc = try_it(w, q);
		pthread_mutex_lock(&r->mutex);
		r->s->tried++;
		pthread_mutex_unlock(&r->mutex);
	}
	if ((rc == 0 || rc == CM_EAGAIN) && is_done(q))
		rc = queued_remove(q);
	queued_close(q);
	return rc;
}

static void *
worker_main(void *arg)
{
	struct worker	*w = arg;
	struct run	*r = w->run;
	const char	*id;

	for (;;) {
		pthread_mutex_lock(&r->mutex);
		id = r->next < r->n ? r->ids[r->next++] : NULL;
		pthread_mutex_unlock(&r->mutex);
		if (id == NULL)
			break;
		note(r, work(w, id));
	}
	smtpc_close(w->line);
	close(w->slot);
	return NULL;
}

int
sending_run(struct sending *s, char *const ids[], size_t n, bool now)
{
	struct run	 r = { .s = s, .ids = ids, .n = n, .now = now };
	struct worker	 w[SENDING_CONNECTIONS] = { 0 };

	s->tried = 0;
	if (n == 0)
		return 0;
	buf_init(&r.password, PASSWORD_MAX);
	pthread_mutex_init(&r.mutex, NULL);
	if ((r.worst = prepare(&r)) != 0)
		goto out;
	for (size_t i = 0; i < SENDING_CONNECTIONS && i < n; i++) {
		w[i].run = &r;
		if ((w[i].slot = take_slot(s->dir)) == -1)
			break;
		w[i].started = pthread_create(&w[i].thread, NULL,
		    worker_main, &w[i]) == 0;
		if (!w[i].started)
			close(w[i].slot);
	}
	for (size_t i = 0; i < SENDING_CONNECTIONS; i++)
		if (w[i].started)
			pthread_join(w[i].thread, NULL);
out:
	pthread_mutex_destroy(&r.mutex);
	buf_free(&r.password);
	return r.worst;
}
