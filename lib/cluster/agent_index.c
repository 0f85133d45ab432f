/* The index entries that other nodes' agents send of their volumes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cluster/agent_int.h"

struct push {
	struct agent		*a;
	struct catindex_entries	 e;
};

static int
do_push(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct push		*p = arg;
	struct catindex_result	 res;
	int			 rc;

	rc = catindex_push(d, x, &p->e, &res);
	if (rc == 0) {
		pthread_mutex_lock(&p->a->mu);
		p->a->indexed += res.records;
		pthread_mutex_unlock(&p->a->mu);
	}
	return rc;
}

static int
number(const char *s, uint32_t *out)
{
	uint64_t	 v;

	if (str_u64(s, strlen(s), UINT32_MAX, &v) != 0)
		return CM_EPROTO;
	*out = (uint32_t)v;
	return 0;
}

static int
hex(const char *s, uint32_t *out)
{
	uint64_t	 v;

	if (strlen(s) != 8 || str_hex(s, 8, &v) != 0)
		return CM_EPROTO;
	*out = (uint32_t)v;
	return 0;
}

static bool
is(const char *how, const char *word)
{
	return how != NULL && strcmp(how, word) == 0;
}

/* A volume of the cluster whose home is elsewhere; at home here it is read. */
static bool
is_of_another(struct agent *a, const char *volume)
{
	const struct conf	 *conf = a->conf;
	const struct conf_volume *cv = conf_volume(conf, volume,
				    strlen(volume));

	return cv != NULL && !conf_is_home(conf, cv);
}

int
agent_push(struct agent *a, char *const arg[6], const char *how, int fd)
{
	struct push	 p = { .a = a, .e.copy = is(how, "copy"),
			    .e.gap = is(how, "gap") };
	struct stat	 st;
	void		*m = MAP_FAILED;
	int		 rc;

	p.e.volume = arg[0];
	if (how != NULL && !p.e.copy && !p.e.gap)
		return CM_EPROTO;
	if (!is_of_another(a, arg[0]))
		return CM_EPERM;
	if (hex(arg[1], &p.e.salt) != 0 || number(arg[2], &p.e.epoch) != 0 ||
	    number(arg[3], &p.e.segment) != 0 ||
	    number(arg[4], &p.e.from) != 0 || number(arg[5], &p.e.to) != 0 ||
	    p.e.to <= p.e.from)
		return CM_EPROTO;
	if (fstat(fd, &st) == -1)
		return log_errno(a->log, "entries");
	if (st.st_size > 0 && (m = mmap(NULL, (size_t)st.st_size, PROT_READ,
	    MAP_SHARED, fd, 0)) == MAP_FAILED)
		return log_errno(a->log, "entries: mmap");
	p.e.text = st.st_size > 0 ? m : "";
	p.e.len = (size_t)st.st_size;
	rc = agent_change(a, do_push, &p);
	if (m != MAP_FAILED)
		munmap(m, (size_t)st.st_size);
	return rc;
}

struct cursors {
	struct buf	*out;
	const char	*volume;
};

static int
add_cursor(void *arg, struct span k, struct span v)
{
	struct cursors	*c = arg;
	char		 volume[PLACE_VOLUME_MAX + 1];
	uint32_t	 segment;

	if (v.len != 4 || key_cursor_parse(k, volume, &segment, NULL) != 0)
		return CM_ECORRUPT;
	if (strcmp(volume, c->volume) == 0)
		buf_addf(c->out, "=%u\t%u\n", segment, get_u32(v.p));
	return c->out->err;
}

static int
add_gap(void *arg, struct span k, struct span v)
{
	struct cursors	*c = arg;
	char		 volume[PLACE_VOLUME_MAX + 1];
	uint32_t	 segment, offset;

	if (v.len != 4 || key_cursor_parse(k, volume, &segment, &offset) != 0)
		return CM_ECORRUPT;
	if (strcmp(volume, c->volume) != 0)
		return 1;
	buf_addf(c->out, "=gap\t%u\t%u\t%u\n", segment, offset,
	    get_u32(v.p));
	return c->out->err;
}

int
agent_cursors(struct agent *a, char *const arg[3], const char *how,
    struct buf *out)
{
	struct cursors	 c = { out, arg[0] };
	struct span	 from = { arg[0], strlen(arg[0]) + 1 };
	bool		 copy = is(how, "copy"), same;
	uint32_t	 salt, epoch;
	int		 rc;

	if (how != NULL && !copy)
		return CM_EPROTO;
	if (!is_of_another(a, arg[0]))
		return CM_EPERM;
	if (hex(arg[1], &salt) != 0 || number(arg[2], &epoch) != 0)
		return CM_EPROTO;
	/* cursors of another home do not count: its entries begin at 0 */
	if ((rc = catindex_home(&a->db, NULL, arg[0], salt, epoch, copy,
	    &same)) != 0 || !same)
		return rc;
	rc = kv_walk(a->db.cursors, NULL, from, from.len, add_cursor, &c);
	if (rc >= 0 && !copy)
		rc = kv_walk(a->db.gaps, NULL, from, from.len, add_gap, &c);
	return rc < 0 ? rc : 0;
}
