/* Looking at this node. */
#include "cluster/load.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/control.h"
#include "cluster/load_int.h"
#include "cluster/reconcile.h"
#include "cluster/segment.h"
#include "cluster/volume.h"

/* What is being filled in. */
struct gather {
	const struct log *log;
	const struct conf *conf;
	struct load	*l;
	dev_t		*dev;		/* of each of l->disk */
};

void
load_free(struct load *l)
{
	free(l->disk);
	free(l->place);
	free(l->lag);
	free(l->spool);
	free(l->service);
	free(l->set);
	memset(l, 0, sizeof(*l));
}

int
load_grow(void **rows, size_t n, size_t size)
{
	void	*p;

	if (n >= LOAD_ROWS_MAX)
		return CM_ETOOBIG;
	/* doubled at each power of two */
	if ((n & (n - 1)) == 0) {
		p = reallocarray(*rows, n ? 2 * n : 1, size);
		if (p == NULL)
			return CM_ENOMEM;
		*rows = p;
	}
	memset((char *)*rows + n * size, 0, size);
	return 0;
}

/* One more thing that a disk holds; those that do not fit are left out. */
static void
disk_holds(struct load_disk *d, const char *what)
{
	size_t	 n = strlen(d->holds);

	if (n + 1 + strlen(what) > LOAD_WORD_MAX)
		return;
	if (n > 0)
		d->holds[n++] = ' ';
	memcpy(d->holds + n, what, strlen(what) + 1);
}

static int
add_disk(struct gather *g, const char *path, const char *what)
{
	struct load	*l = g->l;
	struct stat	 st;
	dev_t		*dev;
	size_t		 i = 0;
	int		 rc;

	if (stat(path, &st) == -1)
		return 0;	/* not there yet: no place to measure */
	while (i < l->ndisks && g->dev[i] != st.st_dev)
		i++;
	if (i == l->ndisks) {
		dev = reallocarray(g->dev, i + 1, sizeof(*dev));
		if (dev == NULL)
			return CM_ENOMEM;
		g->dev = dev;
		if ((rc = load_grow((void **)&l->disk, i,
		    sizeof(*l->disk))) != 0)
			return rc;
		dev[i] = st.st_dev;
		l->ndisks++;
		l->disk[i].free = file_space(path);
		l->disk[i].total = file_disk(path);
	}
	disk_holds(&l->disk[i], what);
	return 0;
}

/*
 * How far the home goes.  Not by vol_open, which would make or mend it.  When
 * no control file tells, its files do.
 */
static struct vol_end
committed_end(const struct log *log, const char *dir, bool home)
{
	struct vol_end	 end = { UINT32_MAX, 0 };
	struct control	*c;
	uint64_t	 v;
	int		 fd;

	if (!home || control_map(log, dir, &c, &fd) != 0)
		return end;
	v = atomic_load(&c->committed);
	control_unmap(c, fd);
	end.segment = (uint32_t)(v >> 32);
	end.offset = (uint32_t)v;
	return end;
}

static int
measure(struct gather *g, const char *dir, struct load_place *p)
{
	struct vol_end	 end;
	uint32_t	*list = NULL, size;
	size_t		 n = 0;
	int		 rc;

	end = committed_end(g->log, dir, p->index == -1);
	rc = seg_list(g->log, dir, &list, &n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (list[i] > end.segment)
			break;
		if (home_size(g->log, dir, end, list[i], &size) != 0)
			continue;
		p->segments++;
		p->bytes += size;
		p->last = list[i];
		p->end = size;
	}
	free(list);
	return rc == CM_ENOMEM ? rc : 0;
}

static int
add_place(struct gather *g, const struct conf_volume *cv, int index,
    const char *dir)
{
	struct load		*l = g->l;
	struct load_place	*p;
	struct seg_meta		 m;
	int			 rc;

	if ((rc = load_grow((void **)&l->place, l->nplaces,
	    sizeof(*l->place))) != 0)
		return rc;
	p = &l->place[l->nplaces++];
	p->index = index;
	p->old = index == -1 && vol_is_superseded(cv);
	p->free = file_space(dir);
	if ((rc = str_copy(p->volume, sizeof(p->volume), cv->name)) != 0)
		return rc;
	if (seg_meta_read(g->log, dir, &m) == 0) {
		p->epoch = m.epoch;
		rc = measure(g, dir, p);
	}
	return rc != 0 ? rc : add_disk(g, dir, cv->name);
}

static int
add_volume(struct gather *g, const struct conf_volume *cv)
{
	int	 rc = 0;

	if (conf_is_home(g->conf, cv))
		rc = add_place(g, cv, -1, cv->path);
	for (size_t i = 0; rc == 0 && i < cv->ncopies; i++)
		if (strcmp(cv->copies[i].node, g->conf->self) == 0)
			rc = add_place(g, cv, (int)i, cv->copies[i].path);
	return rc;
}

static uint64_t
count_files(const char *spool, const char *sub)
{
	char		 path[FILE_PATH_MAX];
	struct dirent	*e;
	uint64_t	 n = 0;
	DIR		*d;

	if (str_fmt(path, sizeof(path), "%s/%s", spool, sub) != 0 ||
	    (d = opendir(path)) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* Names that are one word of a line. */
static bool
is_spool(const char *dir, const char *name)
{
	char	 path[FILE_PATH_MAX];

	for (const char *p = name; *p != '\0'; p++)
		if (*p <= ' ' || *p == 0x7f)
			return false;
	return name[0] != '.' && strlen(name) <= LOAD_WORD_MAX &&
	    str_fmt(path, sizeof(path), "%s/%s/new", dir, name) == 0 &&
	    file_exists(path);
}

static int
add_spool(struct load *l, const char *dir, const char *name)
{
	struct load_spool	*s;
	char			 path[FILE_PATH_MAX];
	int			 rc;

	if ((rc = str_fmt(path, sizeof(path), "%s/%s", dir, name)) != 0 ||
	    (rc = load_grow((void **)&l->spool, l->nspools,
	    sizeof(*l->spool))) != 0)
		return rc;
	s = &l->spool[l->nspools++];
	s->waiting = count_files(path, "new");
	s->failed = count_files(path, "failed");
	return str_copy(s->name, sizeof(s->name), name);
}

static int
add_spools(struct gather *g)
{
	char		 dir[FILE_PATH_MAX];
	struct dirent	**list;
	int		 n, rc;

	if ((rc = str_fmt(dir, sizeof(dir), "%s/spool",
	    g->conf->node->state)) != 0)
		return rc;
	if ((n = scandir(dir, &list, NULL, alphasort)) == -1)
		return errno == ENOMEM ? CM_ENOMEM : 0;
	for (int i = 0; i < n; i++) {
		if (rc == 0 && is_spool(dir, list[i]->d_name))
			rc = add_spool(g->l, dir, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return rc;
}

/* One that cannot be read is no reason to say nothing of the node. */
static int
add_scrub(struct gather *g)
{
	char		 path[FILE_PATH_MAX];
	struct buf	 b;
	int		 rc;

	if ((rc = load_scrub_path(g->conf, path)) != 0)
		return rc;
	if (!file_exists(path))
		return 0;
	buf_init(&b, LOAD_TEXT_MAX);
	if ((rc = file_read(g->log, path, &b)) == 0 && b.len > 0 &&
	    (rc = load_lines(g->l, (struct span){ b.p, b.len })) != 0)
		log_fail(g->log, rc, "%s", path);
	buf_free(&b);
	return rc == CM_ENOMEM ? rc : 0;
}

static int
add_lags(struct gather *g, const char *file, const char *node)
{
	struct mirror	 m = { .log = g->log, .conf = g->conf, .file = file,
			    .node = node };

	return mirror_lags(&m, &g->l->lag, &g->l->nlags);
}

int
load_gather(const struct log *log, const struct conf *conf, const char *file,
    const char *node, struct load *l)
{
	struct gather	 g = { .log = log, .conf = conf, .l = l };
	int		 rc;

	if ((rc = load_brief(log, conf, l)) != 0)
		return rc;
	if ((rc = add_disk(&g, conf->node->state, "state")) == 0 &&
	    (rc = add_spools(&g)) == 0)
		rc = add_scrub(&g);
	for (size_t i = 0; rc == 0 && i < conf->nvolumes; i++)
		rc = add_volume(&g, &conf->volumes[i]);
	if (rc == 0)
		rc = add_lags(&g, file, node);
	free(g.dev);
	if (rc != 0)
		load_free(l);
	return rc;
}
