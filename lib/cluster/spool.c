#include "cluster/spool.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/str.h"
#include "cluster/intake.h"
#include "cluster/spooldir.h"
#include "cluster/store.h"
#include "format/address.h"
#include "format/receipt.h"

#define TO_MAX		10000

struct spool {
	const struct log *log;
	const struct conf *conf;
	struct catalog	*catalog;
	struct store	*store;
	struct spooldir	 dir;
	char		 tmp[FILE_PATH_MAX];
	struct buf	 file;
	struct buf	 receipts;
	int		 out;
};

/* What a file says before its message. */
struct order {
	char		 sender[ADDRESS_MAX + 1];
	char		 folder[FOLDER_MAX + 1];
	char		**to;
	size_t		 n;
	size_t		 body;		/* where the message begins */
};

static void
order_free(struct order *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->to[i]);
	free(o->to);
}

static int
order_to(struct order *o, struct span v)
{
	char	**p;

	if (o->n == TO_MAX)
		return CM_ETOOBIG;
	if ((p = realloc(o->to, (o->n + 1) * sizeof(*p))) == NULL)
		return CM_ENOMEM;
	o->to = p;
	if ((p[o->n] = strndup(v.p, v.len)) == NULL)
		return CM_ENOMEM;
	o->n++;
	return 0;
}

static int
order_line(struct order *o, struct span l)
{
	struct span	 key;

	if (!str_field(&l, ' ', &key) || l.p == NULL)
		return CM_EDATA;
	if (span_is(key, "to"))
		return order_to(o, l);
	if (span_is(key, "folder"))
		return folder_name(l.p, l.len, o->folder);
	if (!span_is(key, "from"))
		return CM_EDATA;
	o->sender[0] = '\0';
	return l.len == 0 ? 0 : address_parse(l.p, l.len, o->sender);
}

static int
read_order(struct order *o, struct span file)
{
	const char	*start = file.p;
	struct span	 l;
	int		 rc;

	memset(o, 0, sizeof(*o));
	memcpy(o->folder, "INBOX", 6);
	while (str_field(&file, '\n', &l)) {
		if (l.len > 0 && l.p[l.len - 1] == '\r')
			l.len--;
		if (l.len == 0 && file.p != NULL) {
			o->body = (size_t)(file.p - start);
			return o->n > 0 ? 0 : CM_EDATA;
		}
		if ((rc = order_line(o, l)) != 0)
			return rc;
	}
	return CM_EDATA;
}

/* The same file always gets the same id: see spool.h. */
static void
file_id(const char *name, const struct stat *st, struct span file,
    struct ulid *id)
{
	unsigned char	 r[ULID_RANDOM];
	uint32_t	 v[3];

	v[0] = crc32c(0, name, strlen(name));
	v[1] = crc32c(v[0], file.p, file.len);
	v[2] = (uint32_t)st->st_ino;
	memcpy(r, v, sizeof(r));
	ulid_make(id, (int64_t)st->st_mtim.tv_sec * 1000 +
	    st->st_mtim.tv_nsec / 1000000, r);
}

static int
store_file(struct spool *s, const char *name, const struct stat *st)
{
	struct store_msg m = { .flags = "", .time_ms = -1 };
	struct intake	 in;
	struct order	 o;
	struct ulid	 id;
	struct buf	 boxes;
	int		 rc;

	buf_init(&boxes, RECEIPT_MAX);
	intake_init(&in, s->log, s->tmp, s->conf->max_size);
	if ((rc = read_order(&o, (struct span){ s->file.p ? s->file.p : "",
	    s->file.len })) != 0) {
		log_fail(s->log, rc, "%s/new/%s: lines before the message",
		    s->dir.path, name);
		goto out;
	}
	file_id(name, st, (struct span){ s->file.p, s->file.len }, &id);
	if ((rc = store_recipients(s->log, s->catalog, o.to, (int)o.n,
	    &boxes)) != 0 ||
	    (rc = intake_add(&in, s->file.p + o.body,
	    s->file.len - o.body)) != 0 ||
	    (rc = intake_get(&in, &m.p, &m.len)) != 0)
		goto out;
	m.sender = o.sender;
	m.folder = o.folder;
	m.mailboxes = (struct span){ boxes.p, boxes.len };
	m.id = &id;
	buf_reset(&s->receipts);
	if ((rc = store_append(s->store, &m, &s->receipts)) != 0 ||
	    (rc = store_commit(s->store)) != 0)
		goto out;
	/* from here the message is safe on this disk */
	rc = file_write(s->out, s->receipts.p, s->receipts.len);
	if (rc != 0)
		log_fail(s->log, rc, "output");
out:
	order_free(&o);
	intake_free(&in);
	buf_free(&boxes);
	return rc;
}

/* Can it never be stored as it is? */
static bool
is_final(int rc)
{
	return rc == CM_EDATA || rc == CM_ENOUSER || rc == CM_ETOOBIG;
}

static int
do_file(struct spool *s, const char *name)
{
	char		 path[FILE_PATH_MAX];
	struct stat	 st;
	int		 fd, rc;

	if ((rc = spooldir_path(&s->dir, "new", name, path)) != 0)
		return rc;
	buf_reset(&s->file);
	rc = spooldir_read(&s->dir, name, &s->file, &st, &fd);
	if (rc == CM_ENOINPUT)
		return 0;
	if (rc == 0) {
		close(fd);
		rc = store_file(s, name, &st);
	}
	if (rc == 0)
		return unlink(path) == -1 ? log_errno(s->log, "%s", path) : 0;
	if (!is_final(rc))
		return rc;
	return spooldir_fail(&s->dir, name) == 0 ? rc : CM_EIO;
}

int
spool_incoming(const struct log *log, const struct conf *conf,
    struct catalog *catalog, int out)
{
	struct spool	 s = { .log = log, .conf = conf, .catalog = catalog,
			    .out = out };
	struct dirent	**list = NULL;
	char		 path[FILE_PATH_MAX];
	int		 n, rc, worst = 0;

	buf_init(&s.file, conf->max_size + SPOOL_HEAD_MAX);
	buf_init(&s.receipts, RECEIPT_MAX);
	if ((rc = spooldir_open(&s.dir, log, conf, "incoming")) != 0 ||
	    (rc = spooldir_path(&s.dir, "tmp", "", s.tmp)) != 0 ||
	    (rc = spooldir_path(&s.dir, "new", "", path)) != 0 ||
	    (rc = store_open(log, conf, &s.store)) != 0)
		goto out;
	if ((n = scandir(path, &list, NULL, alphasort)) == -1) {
		rc = log_errno(log, "%s", path);
		goto out;
	}
	for (int i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.' &&
		    (rc = do_file(&s, list[i]->d_name)) != 0 &&
		    (worst == 0 || is_final(worst)))
			worst = rc;
		free(list[i]);
	}
	free(list);
	rc = worst;
out:
	store_close(s.store);
	buf_free(&s.file);
	buf_free(&s.receipts);
	return rc;
}
