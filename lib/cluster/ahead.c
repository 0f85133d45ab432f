#include "cluster/ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX	8

struct ahead_item {
	struct ahead	*ahead;
	struct ahead_item *next;
	struct place	 place;
	struct ulid	 id;
	char		*bytes;
	struct reader_record rec;
	int		 rc;
	bool		 done;
	bool		 dropped;	/* before its turn: not read */
};

struct worker {
	struct ahead	*ahead;
	char		 volume[PLACE_VOLUME_MAX + 1];	/* its first one */
	struct reader	*reader;
	struct ahead_item *first, **last;
	pthread_t	 thread;
};

struct ahead {
	const struct log *log;
	const struct conf *conf;
	pthread_mutex_t	 mu;
	pthread_cond_t	 cond;		/* anything changed */
	bool		 stop;
	struct worker	 w[THREADS_MAX];
	size_t		 n;
};

int
ahead_open(const struct log *log, const struct conf *conf,
    struct ahead **out)
{
	struct ahead	*a;

	*out = NULL;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return log_fail(log, CM_ENOMEM, "reading ahead");
	a->log = log;
	a->conf = conf;
	pthread_mutex_init(&a->mu, NULL);
	pthread_cond_init(&a->cond, NULL);
	*out = a;
	return 0;
}

/* The reader's record, with memory of its own. */
static int
keep(struct ahead_item *it, const struct reader_record *r)
{
	const char	*was = r->bytes.p;

	if ((it->bytes = malloc(r->bytes.len)) == NULL)
		return CM_ENOMEM;
	memcpy(it->bytes, was, r->bytes.len);
	it->rec.bytes = (struct span){ it->bytes, r->bytes.len };
	it->rec.env_text = (struct span){ it->bytes + (r->env_text.p - was),
	    r->env_text.len };
	it->rec.msg = (struct span){ it->bytes + (r->msg.p - was),
	    r->msg.len };
	return record_env_parse(it->rec.env_text.p, it->rec.env_text.len,
	    &it->rec.env);
}

static void
read_one(struct worker *w, struct ahead_item *it)
{
	struct reader_record	 r;

	it->rc = reader_get(w->reader, &it->place, &it->id, &r);
	if (it->rc == 0)
		it->rc = keep(it, &r);
}

static void *
worker_main(void *arg)
{
	struct worker		*w = arg;
	struct ahead		*a = w->ahead;
	struct ahead_item	*it;

	pthread_mutex_lock(&a->mu);
	for (;;) {
		while (w->first == NULL && !a->stop)
			pthread_cond_wait(&a->cond, &a->mu);
		if ((it = w->first) == NULL)
			break;
		if ((w->first = it->next) == NULL)
			w->last = &w->first;
		if (!it->dropped) {
			pthread_mutex_unlock(&a->mu);
			read_one(w, it);
			pthread_mutex_lock(&a->mu);
		}
		it->done = true;
		pthread_cond_broadcast(&a->cond);
	}
	pthread_mutex_unlock(&a->mu);
	return NULL;
}

void
ahead_close(struct ahead *a)
{
	if (a == NULL)
		return;
	pthread_mutex_lock(&a->mu);
	a->stop = true;
	pthread_cond_broadcast(&a->cond);
	pthread_mutex_unlock(&a->mu);
	for (size_t i = 0; i < a->n; i++) {
		pthread_join(a->w[i].thread, NULL);
		reader_close(a->w[i].reader);
	}
	pthread_cond_destroy(&a->cond);
	pthread_mutex_destroy(&a->mu);
	free(a);
}

static int
begin_worker(struct ahead *a, const char *volume)
{
	struct worker	*w = &a->w[a->n];
	int		 rc;

	w->ahead = a;
	w->last = &w->first;
	if ((rc = str_copy(w->volume, sizeof(w->volume), volume)) != 0 ||
	    (rc = reader_open(a->log, a->conf, &w->reader)) != 0)
		return rc;
	if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
		reader_close(w->reader);
		return log_fail(a->log, CM_EAGAIN, "a thread to read with");
	}
	a->n++;
	return 0;
}

/* The worker of the volume; when there are many, one has several. */
static int
find_worker(struct ahead *a, const char *volume, struct worker **out)
{
	size_t	 sum = 0;
	int	 rc;

	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->w[i].volume, volume) == 0) {
			*out = &a->w[i];
			return 0;
		}
	if (a->n < THREADS_MAX) {
		if ((rc = begin_worker(a, volume)) != 0)
			return rc;
		*out = &a->w[a->n - 1];
		return 0;
	}
	for (const char *p = volume; *p != '\0'; p++)
		sum = sum * 31 + (unsigned char)*p;
	*out = &a->w[sum % a->n];
	return 0;
}

int
ahead_ask(struct ahead *a, const struct place *p, const struct ulid *id,
    struct ahead_item **out)
{
	struct ahead_item	*it;
	struct worker		*w;
	int			 rc;

	if ((rc = find_worker(a, p->volume, &w)) != 0)
		return rc;
	if ((it = calloc(1, sizeof(*it))) == NULL)
		return log_fail(a->log, CM_ENOMEM, "a record");
	it->ahead = a;
	it->place = *p;
	it->id = *id;
	pthread_mutex_lock(&a->mu);
	*w->last = it;
	w->last = &it->next;
	pthread_cond_broadcast(&a->cond);
	pthread_mutex_unlock(&a->mu);
	*out = it;
	return 0;
}

static void
wait_for(struct ahead_item *it)
{
	while (!it->done)
		pthread_cond_wait(&it->ahead->cond, &it->ahead->mu);
}

int
ahead_take(struct ahead_item *it, struct reader_record *out)
{
	pthread_mutex_lock(&it->ahead->mu);
	wait_for(it);
	pthread_mutex_unlock(&it->ahead->mu);
	if (it->rc == 0)
		*out = it->rec;
	return it->rc;
}

void
ahead_drop(struct ahead_item *it)
{
	if (it == NULL)
		return;
	pthread_mutex_lock(&it->ahead->mu);
	it->dropped = true;
	wait_for(it);
	pthread_mutex_unlock(&it->ahead->mu);
	free(it->bytes);
	free(it);
}
