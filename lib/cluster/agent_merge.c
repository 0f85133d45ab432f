/*
 * A split pair that meets again: what this node did alone is kept when its
 * catalog gives way, and sent to who leads; a leader does it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/time.h"
#include "cluster/agent_int.h"
#include "cluster/merge.h"
#include "cluster/relay_int.h"
#include "cluster/service.h"

#define MAGIC		"clustermail-merge 1"
#define PREFIX		"catalog.merge-"
#define FILE_MAX	(1u << 30)
#define CHUNK_LINES	500
#define CHUNK_BYTES	(4u << 20)
#define RETRY_MS	300
#define ANSWER_MS	30000
#define LOOK_MS		200	/* whether the agent is to end */
#define BUCKETS		4096

/* --- the leader --- */

struct request {
	struct agent	*a;
	struct merge	 m;
};

static int
do_merge(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*q = arg;
	int		 rc;

	/* from here on what that journal has of it is done by way of this
	 * one */
	if ((rc = merge_lines(d, x, &q->m)) == 0 && q->m.done != 0 &&
	    d->notes != NULL)
		buf_addf(d->notes, "%016llx\tmerge\n",
		    (unsigned long long)q->m.from);

	/* half of it must not be committed: not one of those that may be */
	switch (rc) {
	case CM_ENOUSER:
	case CM_EEXIST:
	case CM_ENOINPUT:
	case CM_EDATA:
	case CM_EEPOCH:
		return CM_ESOFT;
	default:
		return rc;
	}
}

static int
do_forget(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*q = arg;

	return merge_forget(d, x, q->m.from);
}

static int
parse_id(const char *s, uint64_t *id)
{
	return strlen(s) != 16 || str_hex(s, 16, id) != 0 ? CM_EPROTO : 0;
}

static void
report(struct agent *a, const struct merge *m, struct buf *out)
{
	struct span	 rest = { m->refusals.p, m->refusals.len }, l;

	while (rest.len > 0 && str_field(&rest, '\n', &l)) {
		if (l.len == 0)
			continue;
		log_warn(a->log, "catalog: not merged: %.*s", (int)l.len, l.p);
		buf_addf(out, "=no\t%.*s\n", (int)l.len, l.p);
	}
	buf_addf(out, "=done\t%llu\t%llu\n", (unsigned long long)m->done,
	    (unsigned long long)m->refused);
}

int
agent_merge(struct agent *a, char *const arg[2], int fd, struct buf *out)
{
	struct request	 q = { .a = a };
	struct stat	 st;
	void		*p = MAP_FAILED;
	int		 rc;

	q.m.conf = a->conf;
	q.m.journal = a->journal;
	if (parse_id(arg[0], &q.m.from) != 0 ||
	    parse_id(arg[1], &q.m.against) != 0)
		return CM_EPROTO;
	if (fstat(fd, &st) == -1)
		return log_errno(a->log, "merge");
	if (st.st_size > 0 && (p = mmap(NULL, (size_t)st.st_size, PROT_READ,
	    MAP_SHARED, fd, 0)) == MAP_FAILED)
		return log_errno(a->log, "merge: mmap");
	q.m.text = st.st_size > 0 ? p : "";
	q.m.len = (size_t)st.st_size;
	buf_init(&q.m.refusals, 2 * AGENT_LINE_MAX);
	if ((rc = agent_change(a, do_merge, &q)) == 0) {
		report(a, &q.m, out);
		/* a mailbox may be going */
		pthread_mutex_lock(&a->writing);
		a->purging = true;
		pthread_mutex_unlock(&a->writing);
		if (q.m.waits)
			rc = CM_EAGAIN;
	}
	buf_free(&q.m.refusals);
	if (p != MAP_FAILED)
		munmap(p, (size_t)st.st_size);
	return rc;
}

int
agent_merge_end(struct agent *a, const char *from)
{
	struct request	 q = { .a = a };

	if (parse_id(from, &q.m.from) != 0)
		return CM_EPROTO;
	return agent_change(a, do_forget, &q);
}

/* --- the loser: what is to be done again --- */

/* UIDs or modseqs that it gave in a folder, or a mailbox that it added. */
struct range {
	struct range	*next;
	char		*key;		/* uids TAB MAILBOX/FOLDER TAB
					 * UIDVALIDITY, modseq TAB
					 * MAILBOX/FOLDER, or MAILBOX */
	uint32_t	 from, to;
	uint64_t	 low, high;	/* modseqs; 0: none */
	uint32_t	 validity;	/* of that folder; 0: not known */
	uint64_t	 added;		/* the last line that did */
};

struct keep {
	struct range	*range[BUCKETS];
	struct buf	 lines;
	struct buf	 note;
	uint64_t	 number;	/* of the last line */
};

static struct range **
bucket(struct keep *k, struct span key)
{
	return &k->range[crc32c(0, key.p, key.len) % BUCKETS];
}

static struct range *
find_range(struct keep *k, struct span key)
{
	struct range	*r = *bucket(k, key);

	while (r != NULL && !span_is(key, r->key))
		r = r->next;
	return r;
}

static struct range *
range_of(struct keep *k, const char *p, size_t len)
{
	struct span	 key = { p, len };
	struct range	**b = bucket(k, key), *r;

	if ((r = find_range(k, key)) != NULL)
		return r;
	if ((r = calloc(1, sizeof(*r))) == NULL ||
	    (r->key = strndup(p, len)) == NULL) {
		free(r);
		return NULL;
	}
	r->from = UINT32_MAX;
	r->low = UINT64_MAX;
	r->next = *b;
	*b = r;
	return r;
}

/* The range of a folder; what: UIDs of a UIDVALIDITY, or modseqs. */
static struct range *
range_in(struct keep *k, const char *what, struct span folder)
{
	buf_reset(&k->note);
	buf_addf(&k->note, "%s\t", what);
	return buf_add(&k->note, folder.p, folder.len) != 0 ? NULL :
	    range_of(k, k->note.p, k->note.len);
}

/* Modseqs of a folder; high 0: only that it had that UIDVALIDITY. */
static int
add_modseqs(struct keep *k, struct span folder, uint32_t validity,
    uint64_t low, uint64_t high)
{
	struct range	*r;

	if ((r = range_in(k, "modseq", folder)) == NULL)
		return CM_ENOMEM;
	if (validity > r->validity)
		r->validity = validity;
	if (high != 0 && low < r->low)
		r->low = low;
	if (high > r->high)
		r->high = high;
	return 0;
}

enum { FOLDER, VALIDITY, FIRST, NEXT, GIVEN_MODSEQ, NFIELDS };

/* uids MAILBOX/FOLDER UIDVALIDITY FIRST NEXT [MODSEQ [IDS]] */
static int
keep_uids(struct keep *k, struct span rest)
{
	struct span	 f[NFIELDS];
	uint64_t	 v[NFIELDS] = { 0 };
	uint64_t	 low = 1;	/* what it was before is not told */
	struct range	*r;

	for (int i = 0; i < NFIELDS && (i < GIVEN_MODSEQ || rest.p != NULL);
	    i++)
		if (!str_field(&rest, '\t', &f[i]) || (i > FOLDER && str_u64(
		    f[i].p, f[i].len, i == GIVEN_MODSEQ ? INT64_MAX :
		    UINT32_MAX, &v[i]) != 0))
			return 0;
	if ((r = range_in(k, "uids", (struct span){ f[FOLDER].p,
	    f[FOLDER].len + 1 + f[VALIDITY].len })) == NULL)
		return CM_ENOMEM;
	if (v[FIRST] < r->from)
		r->from = (uint32_t)v[FIRST];
	if (v[NEXT] > r->to)
		r->to = (uint32_t)v[NEXT];
	if (rest.p != NULL && v[NEXT] > v[FIRST]) {
		low = v[GIVEN_MODSEQ];
		v[GIVEN_MODSEQ] += v[NEXT] - v[FIRST] - 1;
	}
	return add_modseqs(k, f[FOLDER], (uint32_t)v[VALIDITY], low,
	    v[GIVEN_MODSEQ]);
}

/* The modseq that a message's line has in one field got its folder, of the
 * entry in another one. */
static int
keep_modseq(struct keep *k, struct span rest, int entry, int modseq)
{
	struct span	 folder = { NULL, 0 }, f = { NULL, 0 };
	uint64_t	 v;

	for (int i = 0; i <= modseq; i++) {
		if (!str_field(&rest, '\t', &f))
			return 0;
		if (i == entry)
			folder = f;
	}
	while (folder.len > 0 && folder.p[--folder.len] != '/')
		continue;
	return str_u64(f.p, f.len, INT64_MAX, &v) != 0 ? 0 :
	    add_modseqs(k, folder, 0, v, v);
}

/* What readers there may have been told. */
static int
keep_seen(void *arg, const struct journal_line *l)
{
	struct keep	*k = arg;
	struct span	 rest = l->fields, name;
	struct range	*r;
	int		 rc;

	if (span_is(l->kind, "user-add") && str_field(&rest, '\t', &name)) {
		if ((r = range_of(k, name.p, name.len)) == NULL)
			return CM_ENOMEM;
		r->added = l->number;
		return 0;
	}
	if (span_is(l->kind, "uids"))
		return keep_uids(k, rest);
	if (span_is(l->kind, "flag"))
		return keep_modseq(k, rest, 0, 7);
	if (span_is(l->kind, "expunge"))
		return keep_modseq(k, rest, 0, 5);
	if (span_is(l->kind, "copy"))
		return keep_modseq(k, rest, 5, 7);
	if (!span_is(l->kind, "move"))
		return 0;
	rc = keep_modseq(k, rest, 5, 7);
	return rc != 0 ? rc : keep_modseq(k, rest, 0, 9);
}

/* The line that last added the mailbox of this one; 0: none did. */
static uint64_t
added(struct keep *k, const struct journal_line *l)
{
	struct span	 rest = l->fields, name;
	struct range	*r;

	if (!str_field(&rest, '\t', &name) ||
	    (r = find_range(k, name)) == NULL)
		return 0;
	return r->added;
}

/*
 * Mailboxes are there before the mail that was taken for them is listed: they
 * may be known as deleted where it goes on, and late mail for such a one is
 * left out.
 */
static int
keep_mailbox(void *arg, const struct journal_line *l)
{
	struct keep		*k = arg;
	struct journal_line	 out = *l;

	if (!span_is(l->kind, "user-add") || added(k, l) != l->number)
		return 0;
	out.number = ++k->number;
	return journal_write(&k->lines, &out);
}

static int
keep_change(void *arg, const struct journal_line *l)
{
	struct keep		*k = arg;
	struct journal_line	 out = *l;

	if (!journal_is_change(l->kind) || span_is(l->kind, "user-add") ||
	    (span_is(l->kind, "user-del") && added(k, l) > l->number))
		return 0;
	out.number = ++k->number;
	return journal_write(&k->lines, &out);
}

/* As a note, when it is one of UIDs or else modseqs. */
static bool
note_range(struct keep *k, const struct range *r, bool uids)
{
	buf_reset(&k->note);
	if (r->added != 0 || (uids ? r->to == 0 : r->high == 0))
		return false;
	buf_addf(&k->note, "-\t%s\t", r->key);
	if (uids)
		buf_addf(&k->note, "%u\t%u", r->from, r->to);
	else
		buf_addf(&k->note, "%u\t%llu\t%llu", r->validity,
		    (unsigned long long)(r->low > 0 ? r->low - 1 : 0),
		    (unsigned long long)r->high);
	return true;
}

static int
write_ranges(struct keep *k, uint64_t fork, bool uids)
{
	struct journal_line	 out = { .fork = fork,
				    .time_ms = time_now_ms() };

	for (int i = 0; i < BUCKETS; i++)
		for (struct range *r = k->range[i]; r != NULL; r = r->next) {
			if (!note_range(k, r, uids))
				continue;
			if (k->note.err != 0)
				return k->note.err;
			out.note = (struct span){ k->note.p, k->note.len };
			out.number = ++k->number;
			if (journal_write(&k->lines, &out) != 0)
				return k->lines.err;
		}
	return 0;
}

static void
keep_free(struct keep *k)
{
	struct range	*r;

	for (int i = 0; i < BUCKETS; i++)
		while ((r = k->range[i]) != NULL) {
			k->range[i] = r->next;
			free(r->key);
			free(r);
		}
	buf_free(&k->lines);
	buf_free(&k->note);
	free(k);
}

/*
 * First the UIDs, then the modseqs, which mean nothing where the UIDs got
 * another UIDVALIDITY, and the new mailboxes; then the changes in their order.
 */
static int
write_file(struct agent *a, struct keep *k, const char *path, uint64_t lost,
    uint64_t against)
{
	struct buf	 all;
	uint64_t	 nuids;
	int		 rc;

	buf_init(&all, FILE_MAX);
	if ((rc = journal_walk_part(a->journal, lost, keep_seen, k)) != 0 ||
	    (rc = write_ranges(k, lost, true)) != 0 ||
	    (rc = write_ranges(k, lost, false)) != 0 ||
	    (rc = journal_walk_part(a->journal, lost, keep_mailbox, k)) != 0)
		goto out;
	nuids = k->number;
	if ((rc = journal_walk_part(a->journal, lost, keep_change, k)) != 0)
		goto out;
	buf_addf(&all, MAGIC " %016llx %016llx %lld %llu %llu\n",
	    (unsigned long long)lost, (unsigned long long)against,
	    (long long)time_now_ms(), (unsigned long long)nuids,
	    (unsigned long long)k->number);
	if (k->lines.len > 0)
		buf_add(&all, k->lines.p, k->lines.len);
	rc = all.err != 0 ? all.err :
	    file_commit(a->log, path, all.p, all.len, 0600);
	log_info(a->log, "%s: %llu lines are to be merged", path,
	    (unsigned long long)k->number);
out:
	buf_free(&all);
	return rc;
}

int
agent_merge_keep(struct agent *a, uint64_t lost, uint64_t against)
{
	char		 path[FILE_PATH_MAX];
	struct keep	*k;
	int		 rc;

	if (str_fmt(path, sizeof(path), "%s/" PREFIX "%016llx", a->state_dir,
	    (unsigned long long)lost) != 0)
		return CM_ETOOBIG;
	if (file_exists(path))
		return 0;
	if ((k = calloc(1, sizeof(*k))) == NULL)
		return log_fail(a->log, CM_ENOMEM, "%s", path);
	buf_init(&k->lines, FILE_MAX);
	buf_init(&k->note, AGENT_LINE_MAX);
	rc = write_file(a, k, path, lost, against);
	keep_free(k);
	return rc == 0 ? 0 : log_fail(a->log, rc, "%s", path);
}

/* --- the loser: sending it --- */

struct file {
	char		 path[FILE_PATH_MAX];
	char		 from[17], against[17];
	uint64_t	 time_ms, nuids, total;	/* nuids: before mail */
	uint64_t	 done, refused;
	struct buf	 text;
	size_t		 at;		/* of its first line that is due */
	uint64_t	 next;		/* the number of that */
};

struct merger {
	struct agent	*a;
	struct service	*s;
	struct stream	 st;
	bool		 up;
};

/* MAGIC FROM AGAINST TIME UIDS TOTAL */
static int
parse_head(struct span l, struct file *f)
{
	struct span	 w[7];
	uint64_t	 id;

	for (int i = 0; i < 7; i++)
		if (!str_field(&l, ' ', &w[i]))
			return CM_ECORRUPT;
	if (!span_is(w[0], "clustermail-merge") || !span_is(w[1], "1") ||
	    w[2].len != 16 || w[3].len != 16 ||
	    str_hex(w[2].p, 16, &id) != 0 || str_hex(w[3].p, 16, &id) != 0 ||
	    str_u64(w[4].p, w[4].len, INT64_MAX, &f->time_ms) != 0 ||
	    str_u64(w[5].p, w[5].len, UINT64_MAX, &f->nuids) != 0 ||
	    str_u64(w[6].p, w[6].len, UINT64_MAX, &f->total) != 0 ||
	    f->nuids > f->total)
		return CM_ECORRUPT;
	return str_ncopy(f->from, sizeof(f->from), w[2].p, 16) != 0 ?
	    CM_ECORRUPT : str_ncopy(f->against, sizeof(f->against), w[3].p,
	    16);
}

static int
load_file(struct merger *m, const char *name, struct file *f)
{
	struct span	 rest, l;
	int		 rc;

	memset(f, 0, sizeof(*f));
	buf_init(&f->text, FILE_MAX);
	if (str_fmt(f->path, sizeof(f->path), "%s/%s", m->a->state_dir,
	    name) != 0)
		return CM_ETOOBIG;
	if ((rc = file_read(m->a->log, f->path, &f->text)) != 0)
		return rc;
	rest = (struct span){ f->text.p, f->text.len };
	if (rest.len == 0 || !str_field(&rest, '\n', &l) ||
	    parse_head(l, f) != 0)
		return log_fail(m->a->log, CM_ECORRUPT, "%s: not what this "
		    "node writes", f->path);
	f->at = l.len + 1;
	f->next = 1;
	return 0;
}

/* The oldest one; CM_ENOINPUT when there is none. */
static int
find_file(struct merger *m, struct file *out)
{
	struct file	 f;
	struct dirent	*e;
	bool		 any = false;
	DIR		*d;

	if ((d = opendir(m->a->state_dir)) == NULL)
		return CM_ENOINPUT;
	while ((e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, PREFIX, sizeof(PREFIX) - 1) != 0 ||
		    strlen(e->d_name) != sizeof(PREFIX) - 1 + 16)
			continue;
		if (load_file(m, e->d_name, &f) != 0 ||
		    (any && f.time_ms >= out->time_ms)) {
			buf_free(&f.text);
			continue;
		}
		if (any)
			buf_free(&out->text);
		*out = f;
		any = true;
	}
	closedir(d);
	return any ? 0 : CM_ENOINPUT;
}

static void
hang_up(struct merger *m)
{
	if (m->up)
		stream_close(&m->st);
	m->up = false;
}

static int
dial(struct merger *m)
{
	int	 fd, rc;

	if (m->up)
		return 0;
	if ((rc = service_find(m->s, &fd)) != 0)
		return rc;
	stream_init(&m->st, fd, AGENT_LINE_MAX, LOOK_MS);
	m->up = true;
	return 0;
}

/* "=done TAB NUMBER TAB REFUSED", "=no TAB ...", ".CODE TAB TEXT" */
static int
read_answer(struct merger *m, struct file *f, int *code)
{
	int64_t		 end = time_mono_ms() + ANSWER_MS;
	struct span	 l, w;
	uint64_t	 v[2];
	int		 rc;

	for (;;) {
		while ((rc = stream_line(&m->st, &l)) == CM_ETIMEOUT &&
		    !m->a->stop && time_mono_ms() < end)
			continue;
		if (rc != 0)
			return rc;
		if (!str_field(&l, '\t', &w))
			return CM_EPROTO;
		if (w.len > 0 && w.p[0] == '.') {
			*code = span_is(w, ".0") ? 0 : CM_EAGAIN;
			return 0;
		}
		if (span_is(w, "=no") && l.p != NULL) {
			log_warn(m->a->log, "catalog: not merged: %.*s",
			    (int)l.len, l.p);
			continue;
		}
		for (int i = 0; i < 2; i++)
			if (!str_field(&l, '\t', &w) || str_u64(w.p, w.len,
			    UINT64_MAX, &v[i]) != 0)
				return CM_EPROTO;
		f->done = v[0];
		f->refused = v[1];
	}
}

/* Some lines from the first that is due on; none only asks how far it is. */
static void
add_lines(struct merger *m, struct file *f, bool ask)
{
	struct buf	*o = &m->st.out;
	size_t		 least = o->len, at;
	uint64_t	 n;

	while (f->next <= f->done && f->at < f->text.len) {
		f->at += strcspn(f->text.p + f->at, "\n") + 1;
		f->next++;
	}
	at = f->at;
	for (n = f->next; !ask && at < f->text.len && o->len - least <
	    CHUNK_BYTES && (n - f->next < CHUNK_LINES || n <= f->nuids); n++) {
		size_t len = strcspn(f->text.p + at, "\n") + 1;

		/* what a reader saw is known before anything else comes */
		if (f->next <= f->nuids && n > f->nuids)
			break;
		buf_add(o, f->text.p + at, len);
		at += len;
	}
	buf_adds(o, ".\n");
}

static int
send_some(struct merger *m, struct file *f, bool ask)
{
	int	 rc, code = 0;

	if ((rc = dial(m)) != 0)
		return rc;
	buf_addf(&m->st.out, "merge\t%s\t%s\n", f->from, f->against);
	add_lines(m, f, ask);
	if ((rc = m->st.out.err) == 0 && (rc = stream_flush(&m->st, 1)) == 0)
		rc = read_answer(m, f, &code);
	if (rc != 0) {
		hang_up(m);
		return rc;
	}
	return code;
}

static void
note(struct merger *m, const struct file *f)
{
	struct agent	*a = m->a;

	pthread_mutex_lock(&a->mu);
	memcpy(a->merge.from, f->from, sizeof(a->merge.from));
	a->merge.done = f->done;
	a->merge.total = f->total;
	a->merge.refused = f->refused;
	pthread_mutex_unlock(&a->mu);
	if (f->done >= f->nuids)
		a->relay->hold = false;
}

/* All is confirmed: first the file goes, then the count of it. */
static int
finish(struct merger *m, struct file *f)
{
	int	 rc, code;

	if (unlink(f->path) == -1)
		return log_errno(m->a->log, "%s", f->path);
	if ((rc = file_sync_dir(m->a->log, m->a->state_dir)) != 0)
		return rc;
	log_info(m->a->log, "catalog: what this node did alone is merged: "
	    "%llu lines, %llu of them could not be done",
	    (unsigned long long)f->total,
	    (unsigned long long)f->refused);
	if ((rc = dial(m)) != 0)
		return rc;
	buf_addf(&m->st.out, "merge-end\t%s\n", f->from);
	if ((rc = stream_flush(&m->st, 1)) != 0 ||
	    (rc = read_answer(m, f, &code)) != 0)
		hang_up(m);
	return rc;
}

static void
send_file(struct merger *m, struct file *f)
{
	struct agent	*a = m->a;
	bool		 ask = true, waited = false;
	int		 rc;

	note(m, f);
	while (!a->stop) {
		rc = send_some(m, f, ask);
		if (rc == 0)
			ask = false;
		note(m, f);
		if (rc == 0 && f->done >= f->total)
			break;
		/* what this node stored is listed there first */
		if (!waited && f->done >= f->nuids) {
			relay_push_wait(a->relay);
			waited = true;
		}
		if (rc != 0)
			time_sleep_ms(RETRY_MS);
	}
	if (!a->stop && finish(m, f) != 0)
		log_debug(a->log, "a count of merged changes stays");
}

static void *
merger_main(void *arg)
{
	struct merger	*m = arg;
	struct file	 f;

	while (!m->a->stop && find_file(m, &f) == 0) {
		send_file(m, &f);
		buf_free(&f.text);
	}
	m->a->relay->hold = false;
	hang_up(m);
	free(m);
	return NULL;
}

int
agent_merge_start(struct agent *a, struct service *s, pthread_t *thread)
{
	struct merger	*m;
	struct file	 f;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return CM_ENOMEM;
	m->a = a;
	m->s = s;
	if (find_file(m, &f) == 0) {
		a->relay->hold = true;
		buf_free(&f.text);
	}
	if (pthread_create(thread, NULL, merger_main, m) != 0) {
		free(m);
		return CM_EAGAIN;
	}
	return 0;
}

void
agent_merge_stat(struct agent *a, struct buf *out)
{
	pthread_mutex_lock(&a->mu);
	if (a->merge.from[0] != '\0')
		buf_addf(out, "=merge\t%s\t%llu of %llu\t%llu not made\n",
		    a->merge.from, (unsigned long long)a->merge.done,
		    (unsigned long long)a->merge.total,
		    (unsigned long long)a->merge.refused);
	pthread_mutex_unlock(&a->mu);
}
