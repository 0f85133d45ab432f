#include "cluster/confwatch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/time.h"

#define LOOK_MS	1000

/* One reading of the file, kept as long as somebody uses it. */
struct reading {
	struct reading	*next;
	struct conf	*conf;
	unsigned	 users;
};

struct confwatch {
	const struct log *log;
	char		*file;		/* NULL: the embedded default */
	char		*node;		/* or NULL */
	pthread_mutex_t	 mu;
	struct reading	*now;		/* the first of all */
	int64_t		 looked_ms;
	struct timespec	 mtime;
	ino_t		 ino;
};

static void
note_time(struct confwatch *w, const struct stat *st)
{
	w->mtime = st->st_mtim;
	w->ino = st->st_ino;
}

static int
read_again(struct confwatch *w)
{
	struct reading	*r;
	int		 rc;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return log_fail(w->log, CM_ENOMEM, "configuration");
	if ((rc = conf_load(w->log, w->file, w->node, &r->conf)) != 0) {
		free(r);
		return rc;
	}
	r->next = w->now;
	w->now = r;
	return 0;
}

/* The time noted is that from before: what changes meanwhile is seen. */
static int
read_first(struct confwatch *w)
{
	struct stat	 st;

	if (w->file != NULL && stat(w->file, &st) == 0)
		note_time(w, &st);
	return read_again(w);
}

/* With the file that was found, whatever named it. */
static int
find_and_read(struct confwatch *w)
{
	struct conf	*conf;
	int		 rc;

	if ((rc = read_first(w)) != 0 || w->file != NULL ||
	    w->now->conf->file == NULL)
		return rc;
	conf = w->now->conf;
	w->file = strdup(conf->file);
	free(w->now);
	w->now = NULL;
	conf_free(conf);
	return w->file == NULL ? log_fail(w->log, CM_ENOMEM,
	    "configuration") : read_first(w);
}

int
confwatch_open(const struct log *log, const char *file, const char *node,
    struct confwatch **out)
{
	struct confwatch	*w;
	int			 rc;

	*out = NULL;
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return log_fail(log, CM_ENOMEM, "configuration");
	w->log = log;
	pthread_mutex_init(&w->mu, NULL);
	if ((file != NULL && (w->file = strdup(file)) == NULL) ||
	    (node != NULL && (w->node = strdup(node)) == NULL))
		rc = log_fail(log, CM_ENOMEM, "configuration");
	else
		rc = find_and_read(w);
	w->looked_ms = time_mono_ms();
	if (rc != 0)
		confwatch_close(w);
	else
		*out = w;
	return rc;
}

void
confwatch_close(struct confwatch *w)
{
	struct reading	*r;

	if (w == NULL)
		return;
	while ((r = w->now) != NULL) {
		w->now = r->next;
		conf_free(r->conf);
		free(r);
	}
	pthread_mutex_destroy(&w->mu);
	free(w->file);
	free(w->node);
	free(w);
}

static void
look(struct confwatch *w)
{
	struct stat	 st;
	int64_t		 now = time_mono_ms();

	if (w->file == NULL || now - w->looked_ms < LOOK_MS)
		return;
	w->looked_ms = now;
	if (stat(w->file, &st) == -1 || (st.st_ino == w->ino &&
	    st.st_mtim.tv_sec == w->mtime.tv_sec &&
	    st.st_mtim.tv_nsec == w->mtime.tv_nsec))
		return;
	note_time(w, &st);
	if (read_again(w) == 0)
		log_info(w->log, "%s was read again", w->file);
}

const struct conf *
confwatch_get(struct confwatch *w)
{
	const struct conf	*conf;

	pthread_mutex_lock(&w->mu);
	look(w);
	w->now->users++;
	conf = w->now->conf;
	pthread_mutex_unlock(&w->mu);
	return conf;
}

void
confwatch_put(struct confwatch *w, const struct conf *conf)
{
	struct reading	**p, *r;

	pthread_mutex_lock(&w->mu);
	for (p = &w->now; (r = *p) != NULL; p = &r->next) {
		if (r->conf != conf)
			continue;
		r->users--;
		if (r->users == 0 && r != w->now) {
			*p = r->next;
			conf_free(r->conf);
			free(r);
		}
		break;
	}
	pthread_mutex_unlock(&w->mu);
}
