/* Requests about a volume's bytes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cluster/copy.h"
#include "cluster/mirror.h"
#include "cluster/reconcile.h"
#include "cluster/segment.h"
#include "cluster/sum.h"
#include "cluster/volume.h"
#include "format/record.h"
#include "protocol/stored_int.h"

#define TEXT_MAX	(64u << 20)	/* bytes of a list of segments */
#define SUM_MS		2000		/* no answer may take longer */

static int
reply(struct call *c, struct buf *b)
{
	if (b->err != 0)
		return b->err;
	httpd_text(c->req, 200, "text/plain", b->len ? b->p : "", b->len);
	return 0;
}

/* How far a home's log goes: vol_open mends it when it must. */
static int
home_end(struct call *c, struct vol_end *end)
{
	struct volume	*v;
	int		 rc;

	if ((rc = vol_open(c->log, c->conf, c->cv, &v)) != 0)
		return rc;
	*end = vol_committed(v);
	vol_close(v);
	return 0;
}

static int
place_size(struct call *c, struct vol_end end, uint32_t segment,
    uint32_t *size)
{
	if (c->index == -1)
		return home_size(c->log, c->dir, end, segment, size);
	return seg_size(c->log, c->dir, segment, size);
}

/* GET volume/V: what it is, and its segments; nothing when it is not there. */
int
stored_volume(struct call *c)
{
	struct seg_meta	 m;
	struct vol_end	 end = { PLACE_SEGMENT_MAX, 0 };
	struct buf	 b;
	uint32_t	*list = NULL, size;
	size_t		 n = 0;
	int		 rc;

	buf_init(&b, TEXT_MAX);
	if (c->index == -1 && (rc = home_end(c, &end)) != 0)
		goto out;
	rc = seg_meta_read(c->log, c->dir, &m);
	if (rc == CM_ENOINPUT) {
		rc = reply(c, &b);
		goto out;
	}
	if (rc != 0 || (rc = seg_list(c->log, c->dir, &list, &n)) != 0)
		goto out;
	buf_addf(&b, "name %s\nsalt %08x\nepoch %u\n", m.name, m.salt,
	    m.epoch);
	if (m.role != SEG_UNSAID) {
		buf_adds(&b, "role ");
		if ((rc = seg_role_write(&b, &m)) != 0)
			goto out;
		buf_addc(&b, '\n');
	}
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (list[i] > end.segment)
			continue;
		if ((rc = place_size(c, end, list[i], &size)) == 0)
			buf_addf(&b, "seg %u %u\n", list[i], size);
	}
	if (rc == 0)
		rc = reply(c, &b);
out:
	free(list);
	buf_free(&b);
	return rc;
}

/* "bytes=A-B" (RFC 9110 section 14.1.2); all of it without one. */
static int
parse_range(struct call *c, uint64_t size, uint64_t *from, uint64_t *len)
{
	const char	*s = httpd_header(c->req, "Range");
	struct span	 rest, a;
	uint64_t	 first, last;

	*from = 0;
	*len = size;
	if (s == NULL)
		return 0;
	if (strncmp(s, "bytes=", 6) != 0)
		return CM_EPROTO;
	rest = (struct span){ s + 6, strlen(s + 6) };
	if (!str_field(&rest, '-', &a) || rest.p == NULL ||
	    str_u64(a.p, a.len, UINT32_MAX, &first) != 0)
		return CM_EPROTO;
	last = UINT32_MAX;
	if (rest.len > 0 && (str_u64(rest.p, rest.len, UINT64_MAX,
	    &last) != 0 || last < first))
		return CM_EPROTO;
	if (first >= size)
		return CM_EEND;
	*from = first;
	*len = (last < size ? last + 1 : size) - first;
	return 0;
}

static int
say_end(struct call *c, uint32_t end)
{
	char	 text[32];

	snprintf(text, sizeof(text), "end %u\n", end);
	httpd_text(c->req, 200, "text/plain", text, strlen(text));
	return 0;
}

/* GET volume/V/SEG?sum=S&from=F&to=T&max=M: its records' sum, see sum.h. */
static int
say_sum(struct call *c)
{
	const char	*s = httpd_query(c->req, "sum");
	struct seg_meta	 m;
	struct sum	 sum = { .at = 0 };
	struct buf	 b;
	uint64_t	 v, to, max;
	int		 rc;

	if (strlen(s) != 8 || str_hex(s, 8, &v) != 0)
		return CM_EPROTO;
	sum.sum = (uint32_t)v;
	if (call_number(c, "from", UINT32_MAX, &v) != 0 ||
	    call_number(c, "to", UINT32_MAX, &to) != 0 ||
	    call_number(c, "max", UINT32_MAX, &max) != 0 || v >= to)
		return CM_EPROTO;
	sum.at = (uint32_t)v;
	if ((rc = seg_meta_read(c->log, c->dir, &m)) != 0)
		return rc;
	buf_init(&b, TEXT_MAX);
	rc = sum_read(c->log, c->dir, m.salt, c->segment, (uint32_t)to,
	    (uint32_t)max, SUM_MS, &sum);
	if (rc == 0 && (rc = sum_write(&b, &sum)) == 0)
		rc = reply(c, &b);
	sum_free(&sum);
	buf_free(&b);
	return rc;
}

/* GET volume/V/SEG: its bytes; with "end" how many are on disk. */
int
stored_segment(struct call *c)
{
	struct stat	 st;
	uint64_t	 from, len;
	int		 fd, rc;

	if (httpd_query(c->req, "sum") != NULL)
		return say_sum(c);
	if ((rc = seg_open(c->log, c->dir, c->segment, O_RDWR, &fd)) != 0)
		return rc;
	if (fstat(fd, &st) == -1) {
		rc = log_errno(c->log, "%s", c->dir);
	} else if (httpd_query(c->req, "end") != NULL) {
		/* bytes of a writer that was killed may not be on disk */
		rc = fdatasync(fd) == -1 ? log_errno(c->log, "%s", c->dir) :
		    say_end(c, (uint32_t)st.st_size);
	} else if ((rc = parse_range(c, (uint64_t)st.st_size, &from,
	    &len)) == 0) {
		atomic_fetch_add(&c->sd->sent, len);
		httpd_file(c->req, fd, from, len,
		    httpd_header(c->req, "Range") != NULL);
		return 0;
	}
	close(fd);
	return rc;
}

/* The home that asks must be the volume's, and no older than the copy. */
static int
read_meta(struct call *c, struct seg_meta *m)
{
	const char	*salt = httpd_query(c->req, "salt");
	uint64_t	 v;
	int		 rc;

	memset(m, 0, sizeof(*m));
	if ((rc = str_copy(m->name, sizeof(m->name), c->cv->name)) != 0)
		return rc;
	if (salt == NULL || strlen(salt) != 8 || str_hex(salt, 8, &v) != 0)
		return CM_EPROTO;
	m->salt = (uint32_t)v;
	if (call_number(c, "epoch", UINT32_MAX, &v) != 0 || v == 0)
		return CM_EPROTO;
	m->epoch = (uint32_t)v;
	return 0;
}

/* *end: of the segment, after it was changed or was found to end elsewhere. */
static int
change(struct call *c, struct copy *copy, uint32_t *end)
{
	uint64_t	 at;
	int		 rc;

	if (httpd_query(c->req, "cut") != NULL) {
		if ((rc = call_number(c, "cut", UINT32_MAX, &at)) != 0)
			return rc;
		*end = (uint32_t)at;
		return copy_cut(copy, c->segment, (uint32_t)at);
	}
	if ((rc = call_number(c, "offset", UINT32_MAX, &at)) != 0)
		return rc;
	if (at + c->len > UINT32_MAX)
		return CM_EPROTO;
	if (httpd_query(c->req, "patch") != NULL) {
		/* in the midst only: what is longer is appended */
		if ((rc = copy_end(copy, c->segment, end)) != 0)
			return rc;
		return at + c->len > *end ? CM_EOFFSET : copy_patch(copy,
		    c->segment, (uint32_t)at, c->body, c->len);
	}
	*end = (uint32_t)(at + c->len);
	rc = copy_append(copy, c->segment, (uint32_t)at, c->body, c->len);
	if (rc != CM_EOFFSET)
		return rc;
	return copy_end(copy, c->segment, end) == 0 ? CM_EOFFSET : CM_EIO;
}

int
stored_may_change(struct call *c)
{
	if (c->index == -1)
		return CM_EPERM;
	if (strcmp(httpd_peer(c->req), c->cv->home) != 0)
		return log_fail(c->log, CM_EPERM, "node %s writes to a copy "
		    "of volume %s, whose home is %s", httpd_peer(c->req),
		    c->cv->name, c->cv->home);
	return 0;
}

/* POST volume/V/SEG: append (409 and the end if it is another), patch, cut. */
int
stored_change(struct call *c)
{
	struct copy	*copy = NULL;
	struct seg_meta	 m;
	uint32_t	 end = 0;
	int		 rc;

	/* cluster.xml may be another one by now */
	if ((rc = stored_may_change(c)) != 0 || (rc = read_meta(c, &m)) != 0 ||
	    (rc = copy_open_dir(c->log, c->dir, &m, &copy)) != 0)
		return rc;
	rc = change(c, copy, &end);
	copy_close(copy);
	if (rc == 0) {
		/* from here these bytes are safe on this disk */
		atomic_fetch_add(&c->sd->appended, c->len);
		return say_end(c, end);
	}
	if (rc == CM_EOFFSET) {
		httpd_say(c->req, cm_http(rc), "end %u", end);
		return 0;
	}
	return rc;
}

static void
to_mirror(struct call *c, struct mirror *m, unsigned copies)
{
	*m = (struct mirror){ .log = c->log, .conf = c->conf,
	    .file = c->conf->file, .node = c->sd->node, .copies = copies };
}

/* Appended, synced and mirrored. */
static int
keep(struct call *c, struct volume *v, size_t env_len, unsigned copies,
    struct buf *out)
{
	struct mirror	 m;
	struct place	 place;
	int		 rc;

	if ((rc = vol_append(v, c->body, env_len, c->body + env_len,
	    c->len - env_len, &place)) != 0 ||
	    (rc = vol_sync(v, &place)) != 0)
		return rc;
	to_mirror(c, &m, copies);
	place_write(out, &place);
	buf_addc(out, '\t');
	if ((rc = mirror_one(&m, &place, out)) == CM_ESHORT &&
	    mirror_take_back(&m, &place) == CM_EEXIST) {
		/* the copies got it at the last moment */
		buf_reset(out);
		place_write(out, &place);
		buf_addc(out, '\t');
		rc = mirror_one(&m, &place, out);
	}
	if (rc != 0)
		return rc;
	buf_addc(out, '\n');
	return out->err;
}

/*
 * POST volume/V: another node, whose own volumes have too few copies, has a
 * record stored here: envelope part (env bytes of it) and message.
 */
int
stored_keep(struct call *c)
{
	struct record_env	 e;
	struct volume		*v;
	struct buf		 out;
	uint64_t		 env_len, copies;
	int			 rc;

	if (c->index != -1 ||
	    call_number(c, "env", RECORD_ENV_MAX, &env_len) != 0 ||
	    call_number(c, "copies", CONF_COPIES_MAX + 1, &copies) != 0 ||
	    env_len > c->len || copies == 0)
		return CM_EPROTO;
	if (!conf_takes_mail(c->conf, c->cv))
		return CM_EPERM;
	if (record_env_parse(c->body, env_len, &e) != 0 ||
	    e.size != c->len - env_len)
		return CM_EDATA;
	if ((rc = vol_open(c->log, c->conf, c->cv, &v)) != 0)
		return rc == CM_ENOINPUT ? CM_EAGAIN : rc;
	buf_init(&out, 65536);
	rc = keep(c, v, env_len, (unsigned)copies, &out);
	vol_close(v);
	/* from here the record is safe on that many nodes */
	if (rc == 0)
		rc = reply(c, &out);
	buf_free(&out);
	return rc;
}

/* POST ship/V: a copy waits for what its home has. */
int
stored_ship(struct call *c)
{
	struct mirror	 m;
	int		 rc;

	if (c->index != -1)
		return CM_EPROTO;
	to_mirror(c, &m, 1);
	if ((rc = mirror_start(&m, c->cv)) != 0)
		return rc;
	httpd_text(c->req, 200, "text/plain", "", 0);
	return 0;
}
