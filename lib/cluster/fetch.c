#include "cluster/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/file.h"
#include "base/progress.h"
#include "cluster/ahead.h"
#include "cluster/maildir.h"
#include "cluster/reader.h"
#include "format/mbox.h"
#include "format/receipt.h"

#define OUT_CHUNK	(256u * 1024)
#define OUT_MAX		((size_t)RECORD_MSG_MAX * 2)
#define LIST_KEEP	(1024u * 1024)	/* of a list in memory */
#define PART		(64u * 1024)	/* of a message, to be quoted */
#define ENTRY_MAX	8192
#define AHEAD_MAX	256		/* messages that wait for their turn */
#define AHEAD_BYTES	(16u << 20)	/* of theirs in memory */
#define AHEAD_ONE	(4u << 20)	/* a larger message comes by itself */

/* A message that waits for its turn to be written. */
struct slot {
	char		*line;
	size_t		 len;
	uint32_t	 bytes;
	struct ahead_item *item;	/* NULL: read in its turn */
};

struct run {
	const struct fetch *f;
	struct reader	*reader;
	struct maildir	*maildir;
	struct buf	 out;
	struct stream	 lines;		/* the list, or what is read */
	int		 spill;		/* file with the list, or -1 */
	uint64_t	 listed;
	struct progress	 progress;
	struct buf	 mailbox;
	struct buf	 folder;
	struct buf	 found;		/* a line of the catalog */
	struct buf	 line;		/* the one for an entry of input */
	int		 worst;		/* the first failure */
	struct ahead	*ahead;		/* NULL: nothing is on other nodes */
	struct slot	 slot[AHEAD_MAX];	/* a ring, in order */
	size_t		 first, nslots;
	uint64_t	 under_way;	/* bytes */
};

/* One message to write out, from a line. */
struct want {
	struct span	 name;		/* entry or id, for people */
	bool		 is_entry;
	struct ulid	 id;
	struct place	 place;
	struct span	 flags;
};

/* Keeps in mind what does not stop the run. */
static void
fail(struct run *r, int code)
{
	if (r->worst == 0)
		r->worst = code;
}

static int
flush(struct run *r, size_t least)
{
	if (r->out.err)
		return log_fail(r->f->log, r->out.err, "output");
	if (r->out.len < least || r->out.len == 0)
		return 0;
	if (file_write(r->f->out, r->out.p, r->out.len) != 0)
		return log_errno(r->f->log, "output");
	buf_reset(&r->out);
	return 0;
}

/* The list goes to a file when it is long. */
static int
spill(struct run *r)
{
	struct buf	*b = &r->lines.in;
	char		 path[FILE_PATH_MAX];
	int		 rc;

	if (str_fmt(path, sizeof(path), "%s/run",
	    r->f->conf->node->state) != 0)
		return log_fail(r->f->log, CM_ETOOBIG, "list");
	if (r->spill == -1) {
		r->spill = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (r->spill == -1)
			return log_errno(r->f->log, "%s: file for the list",
			    path);
	}
	if ((rc = file_write(r->spill, b->p, b->len)) != 0)
		return log_fail(r->f->log, rc, "%s: file for the list", path);
	buf_reset(b);
	return 0;
}

static int
keep_line(void *arg, struct span line)
{
	struct run	*r = arg;
	struct buf	*b = &r->lines.in;
	int		 rc;

	r->listed++;
	buf_add(b, line.p, line.len);
	if ((rc = buf_addc(b, '\n')) != 0)
		return log_fail(r->f->log, rc, "list");
	return b->len >= LIST_KEEP ? spill(r) : 0;
}

/* The lines that were kept are now read, from memory or the file. */
static int
rewind_lines(struct run *r)
{
	int	 rc;

	if (r->spill == -1) {
		r->lines.eof = true;
		return 0;
	}
	if ((rc = spill(r)) != 0)
		return rc;
	if (lseek(r->spill, 0, SEEK_SET) == -1)
		return log_errno(r->f->log, "file for the list");
	r->lines.fd = r->spill;
	return 0;
}

static int
first_line(void *arg, struct span line)
{
	struct run	*r = arg;

	return buf_add(&r->found, line.p, line.len) != 0 ? CM_ENOMEM : 1;
}

/*
 * The catalog's line for one message, in found; CM_ENOINPUT without a line to
 * the log when there is none.
 */
static int
find(struct run *r, const char *mailbox, const char *folder, uint32_t uid)
{
	char		 num[16];
	const char	*words[] = { "list", mailbox, folder, num, NULL };
	struct span	 rest, entry;
	struct buf	 a, b;
	uint32_t	 got = 0;
	int		 rc;

	buf_reset(&r->found);
	if ((rc = str_fmt(num, sizeof(num), "%u", uid)) != 0)
		return rc;
	rc = catalog_call(r->f->catalog, words, -1, CATALOG_CALL_MS,
	    first_line, r);
	if (rc != 1)
		return rc == 0 ? CM_ENOINPUT : rc;
	/* it lists from that UID on */
	buf_init(&a, ENTRY_MAX);
	buf_init(&b, ENTRY_MAX);
	rest = (struct span){ r->found.p, r->found.len };
	rc = CM_EPROTO;
	if (str_field(&rest, '\t', &entry) &&
	    entry_parse(entry.p, entry.len, &a, &b, &got) == 0)
		rc = got == uid ? 0 : CM_ENOINPUT;
	buf_free(&a);
	buf_free(&b);
	return rc == CM_EPROTO ? log_fail(r->f->log, rc, "catalog: list") : rc;
}

static bool
is_missing(int rc)
{
	return rc == CM_ENOUSER || rc == CM_ENOHOST || rc == CM_ENOINPUT;
}

/* What the catalog has not is told of, and does not stop the run. */
static int
missing(struct run *r, int rc, struct span name)
{
	if (!is_missing(rc))
		return rc;
	if (rc == CM_ENOINPUT)
		log_fail(r->f->log, rc, "entry %.*s", (int)name.len, name.p);
	else
		log_fail(r->f->log, rc, "mailbox %.*s", (int)name.len,
		    name.p);
	fail(r, rc);
	return 0;
}

static int
list_entry(struct run *r, struct span name, const char *mailbox,
    const char *folder, uint32_t uid)
{
	int	 rc;

	rc = find(r, mailbox, folder, uid);
	if (rc != 0)
		return missing(r, rc, name);
	return keep_line(r, (struct span){ r->found.p, r->found.len });
}

/*
 * Adds what an operand names to the list.  The list is complete before the
 * first message goes out, so the agent never waits for a slow reader.
 */
static int
list_operand(struct run *r, const char *s)
{
	const struct fetch	*f = r->f;
	const char		*words[] = { "list", s, f->folder, NULL };
	struct span		 name = { s, strlen(s) };
	struct buf		 label;
	uint32_t		 uid;
	int			 rc;

	if (entry_parse(s, strlen(s), &r->mailbox, &r->folder, &uid) == 0)
		return list_entry(r, name, r->mailbox.p, r->folder.p, uid);
	if (f->uid == 0) {
		rc = catalog_call(f->catalog, words, -1, CATALOG_CALL_MS,
		    keep_line, r);
		if (rc == CM_ENOINPUT)	/* that is no folder's name */
			name = (struct span){ f->folder, strlen(f->folder) };
		return missing(r, rc, name);
	}
	buf_init(&label, ENTRY_MAX);
	entry_write(&label, s, f->folder ? f->folder : "INBOX");
	buf_addf(&label, "/%u", f->uid);
	name = (struct span){ label.p, label.len };
	rc = label.err ? label.err : list_entry(r, name, s,
	    f->folder ? f->folder : "INBOX", f->uid);
	buf_free(&label);
	return rc;
}

/* id, place, copies, mailbox/folder,...: the first of them names the folder. */
static int
parse_receipt(struct run *r, struct span rest, struct want *w)
{
	struct span	 f, first;

	w->is_entry = false;
	if (!str_field(&rest, '\t', &f) ||
	    ulid_parse(f.p, f.len, &w->id) != 0)
		return CM_EDATA;
	w->name = f;
	if (!str_field(&rest, '\t', &f) ||
	    place_parse(f.p, f.len, &w->place) != 0)
		return CM_EDATA;
	buf_reset(&r->folder);
	buf_adds(&r->folder, "INBOX");
	if (!str_field(&rest, '\t', &f) || !str_field(&rest, '\t', &f))
		return 0;
	if (!str_field(&f, ',', &first) || entry_parse(first.p, first.len,
	    &r->mailbox, &r->folder, NULL) != 0)
		return CM_EDATA;
	return 0;
}

/* entry, id, place, size, date, flags */
static int
parse_listed(struct run *r, struct span rest, struct want *w)
{
	struct span	 f;
	uint32_t	 uid;

	w->is_entry = true;
	if (!str_field(&rest, '\t', &w->name) || entry_parse(w->name.p,
	    w->name.len, &r->mailbox, &r->folder, &uid) != 0)
		return CM_EDATA;
	if (!str_field(&rest, '\t', &f) ||
	    ulid_parse(f.p, f.len, &w->id) != 0)
		return CM_EDATA;
	if (!str_field(&rest, '\t', &f) ||
	    place_parse(f.p, f.len, &w->place) != 0)
		return CM_EDATA;
	for (int i = 0; i < 3 && str_field(&rest, '\t', &f); i++)
		if (i == 2 && !span_is(f, "-"))
			w->flags = f;
	return 0;
}

/*
 * The record may have been moved to another place since the list was made:
 * asks the catalog again.  1: there is another place to try.
 */
static int
has_moved(struct run *r, struct want *w)
{
	struct want	 now = { 0 };
	struct buf	 mailbox, folder;
	uint32_t	 uid;
	int		 rc;

	if (!w->is_entry)
		return 0;
	buf_init(&mailbox, ENTRY_MAX);
	buf_init(&folder, ENTRY_MAX);
	rc = entry_parse(w->name.p, w->name.len, &mailbox, &folder, &uid);
	if (rc == 0)
		rc = find(r, mailbox.p, folder.p, uid);
	buf_free(&mailbox);
	buf_free(&folder);
	if (rc != 0)
		return is_missing(rc) || rc == CM_EDATA ? 0 : rc;
	if (parse_listed(r, (struct span){ r->found.p, r->found.len },
	    &now) != 0 || (strcmp(now.place.volume, w->place.volume) == 0 &&
	    now.place.segment == w->place.segment &&
	    now.place.offset == w->place.offset))
		return 0;
	w->place = now.place;
	return 1;
}

/* Quotes it part by part, so that a large message is not held twice. */
static int
put_mbox(struct run *r, const struct reader_record *rec)
{
	struct span	 s = rec->env.sender, m = rec->msg;
	char		 sender[MBOX_FROM_MAX];
	const char	*nl;
	size_t		 n;
	int		 rc;

	if (s.len >= sizeof(sender))
		s.len = sizeof(sender) - 1;
	memcpy(sender, s.len ? s.p : "", s.len);
	sender[s.len] = '\0';
	mbox_from_line(&r->out, sender, rec->env.time_ms);
	while (m.len > PART) {
		nl = memchr(m.p + PART, '\n', m.len - PART);
		n = nl != NULL ? (size_t)(nl - m.p) + 1 : m.len;
		if (n == m.len)
			break;
		mbox_quote(&r->out, m.p, n);
		if (r->out.err == 0)
			r->out.len--;	/* the empty line behind it */
		if ((rc = flush(r, OUT_CHUNK)) != 0)
			return rc;
		m.p += n;
		m.len -= n;
	}
	mbox_quote(&r->out, m.p, m.len);
	return flush(r, OUT_CHUNK);
}

static int
put_raw(struct run *r, const struct reader_record *rec)
{
	int	 rc;

	if (rec->msg.len < OUT_CHUNK) {
		buf_add(&r->out, rec->msg.p, rec->msg.len);
		return flush(r, OUT_CHUNK);
	}
	if ((rc = flush(r, 1)) != 0)
		return rc;
	if (file_write(r->f->out, rec->msg.p, rec->msg.len) != 0)
		return log_errno(r->f->log, "output");
	return 0;
}

static int
put_maildir(struct run *r, const struct reader_record *rec,
    const struct want *w)
{
	struct maildir_msg	 m = { 0 };
	int			 rc;

	m.folder = r->folder.p;
	m.id = rec->env.id;
	m.time_ms = rec->env.time_ms;
	m.flags = w->flags;
	m.msg = rec->msg;
	if ((rc = maildir_add(r->maildir, &m)) == CM_EDATA) {
		fail(r, rc);
		rc = 0;
	}
	return rc;
}

/* What is written to the log when nobody has it whole. */
static int
not_fetched(struct run *r, const struct want *w, int rc)
{
	log_fail(r->f->log, rc, "%.*s: no good copy of %s:%08u:%u:%u%s",
	    (int)w->name.len, w->name.p, w->place.volume, w->place.segment,
	    w->place.offset, w->place.length, rc == CM_EAWAY ?
	    " on the nodes that answer" : "");
	/* a record that nobody has is as lost as a damaged one */
	fail(r, rc == CM_ENOINPUT ? CM_ECORRUPT : rc);
	return 0;
}

/* item: it is being read already; or NULL. */
static int
fetch_one(struct run *r, struct want *w, struct ahead_item *item)
{
	struct reader_record	 rec;
	int			 rc, moved;

	rc = item != NULL ? ahead_take(item, &rec) :
	    reader_get(r->reader, &w->place, &w->id, &rec);
	if (rc == CM_ENOINPUT || rc == CM_ECORRUPT) {
		if ((moved = has_moved(r, w)) < 0)
			return moved;
		if (moved)
			rc = reader_get(r->reader, &w->place, &w->id, &rec);
	}
	if (rc == CM_ENOMEM)
		return rc;
	if (rc != 0)
		return not_fetched(r, w, rc);
	switch (r->f->form) {
	case FETCH_MBOX:
		return put_mbox(r, &rec);
	case FETCH_RAW:
		return put_raw(r, &rec);
	default:
		return put_maildir(r, &rec, w);
	}
}

/* A line of the catalog or a receipt. */
static int
parse_placed(struct run *r, struct span line, struct want *w)
{
	memset(w, 0, sizeof(*w));
	return parse_listed(r, line, w) == 0 ? 0 : parse_receipt(r, line, w);
}

/*
 * What a line of input names, and the line that says where it is; 1 when that
 * was told to be missing.
 */
static int
parse_line(struct run *r, struct span *l, struct want *w)
{
	struct span	 line = *l;
	uint32_t	 uid;
	int		 rc;

	memset(w, 0, sizeof(*w));
	if (parse_listed(r, line, w) == 0)
		return 0;
	/* an entry alone */
	if (memchr(line.p, '\t', line.len) == NULL &&
	    entry_parse(line.p, line.len, &r->mailbox, &r->folder,
	    &uid) == 0) {
		rc = find(r, r->mailbox.p, r->folder.p, uid);
		if (rc != 0)
			return (rc = missing(r, rc, line)) == 0 ? 1 : rc;
		/* not in found, which another look at the catalog uses */
		buf_reset(&r->line);
		if ((rc = buf_add(&r->line, r->found.p, r->found.len)) != 0)
			return rc;
		*l = (struct span){ r->line.p, r->line.len };
		return parse_listed(r, *l, w);
	}
	return parse_receipt(r, line, w);
}

static void
free_slot(struct run *r)
{
	struct slot	*s = &r->slot[r->first];

	ahead_drop(s->item);
	free(s->line);
	r->under_way -= s->bytes;
	r->first = (r->first + 1) % AHEAD_MAX;
	r->nslots--;
}

/* Writes the message that has waited for longest. */
static int
pop(struct run *r)
{
	struct slot	*s = &r->slot[r->first];
	struct want	 w;
	int		 rc;

	rc = parse_placed(r, (struct span){ s->line, s->len }, &w);
	if (rc == 0)
		rc = fetch_one(r, &w, s->item);
	free_slot(r);
	progress_add(&r->progress, 1);
	return rc;
}

static int
pop_all(struct run *r)
{
	int	 rc = 0;

	while (rc == 0 && r->nslots > 0)
		rc = pop(r);
	return rc;
}

/* Has it read ahead, and written in its turn. */
static int
push(struct run *r, struct span line, const struct want *w, bool remote)
{
	uint32_t	 bytes = 0;
	struct slot	*s;
	int		 rc;

	remote &= w->place.length <= AHEAD_ONE;
	if (remote)
		bytes = w->place.length;
	while (r->nslots == AHEAD_MAX ||
	    (r->nslots > 0 && r->under_way + bytes > AHEAD_BYTES))
		if ((rc = pop(r)) != 0)
			return rc;
	if (r->ahead == NULL && (rc = ahead_open(r->f->log, r->f->conf,
	    &r->ahead)) != 0)
		return rc;
	s = &r->slot[(r->first + r->nslots) % AHEAD_MAX];
	memset(s, 0, sizeof(*s));
	if ((s->line = strndup(line.p, line.len)) == NULL)
		return log_fail(r->f->log, CM_ENOMEM, "list");
	s->len = line.len;
	s->bytes = bytes;
	r->under_way += bytes;
	r->nslots++;
	return remote ? ahead_ask(r->ahead, &w->place, &w->id, &s->item) : 0;
}

/* At once when it is here, and nothing before it waits. */
static int
do_want(struct run *r, struct span line, struct want *w)
{
	bool	 remote = reader_node(r->reader, w->place.volume) != NULL;
	int	 rc;

	if (remote || r->nslots > 0)
		return push(r, line, w, remote);
	rc = fetch_one(r, w, NULL);
	progress_add(&r->progress, 1);
	return rc;
}

static int
do_line(struct run *r, struct span line, uint64_t number)
{
	struct want	 w;
	int		 rc = parse_line(r, &line, &w);

	if (rc == 0)
		return do_want(r, line, &w);
	progress_add(&r->progress, 1);
	if (rc == CM_EDATA) {
		log_fail(r->f->log, rc, "input line %llu is neither an entry "
		    "nor a receipt", (unsigned long long)number);
		fail(r, rc);
	}
	return rc == CM_EDATA || rc == 1 ? 0 : rc;
}

static int
do_lines(struct run *r)
{
	struct span	 line;
	uint64_t	 number = 0;
	int		 rc, end;

	for (;;) {
		/* what is ready goes out before waiting for more */
		if (!stream_has_line(&r->lines) && r->spill == -1 &&
		    ((rc = pop_all(r)) != 0 || (rc = flush(r, 1)) != 0))
			return rc;
		if ((rc = stream_line(&r->lines, &line)) != 0)
			break;
		if ((rc = do_line(r, line, ++number)) != 0)
			return rc;
	}
	if (rc != CM_EEND)
		log_fail(r->f->log, rc, "input line %llu",
		    (unsigned long long)number + 1);
	if ((end = pop_all(r)) == 0)
		end = flush(r, 1);
	return rc == CM_EEND || end != 0 ? end : rc;
}

static int
run_init(struct run *r, const struct fetch *f)
{
	int	 rc;

	memset(r, 0, sizeof(*r));
	r->f = f;
	r->spill = -1;
	buf_init(&r->out, OUT_MAX);
	buf_init(&r->mailbox, ENTRY_MAX);
	buf_init(&r->folder, ENTRY_MAX);
	buf_init(&r->found, RECEIPT_MAX);
	buf_init(&r->line, RECEIPT_MAX);
	stream_init(&r->lines, -1, RECEIPT_MAX, -1);
	rc = reader_open(f->log, f->conf, &r->reader);
	if (rc == 0 && f->form == FETCH_MAILDIR)
		rc = maildir_open(f->log, f->dir, f->conf->self, &r->maildir);
	return rc;
}

static void
run_free(struct run *r)
{
	while (r->nslots > 0)
		free_slot(r);
	ahead_close(r->ahead);
	reader_close(r->reader);
	maildir_close(r->maildir);
	if (r->spill != -1)
		close(r->spill);
	r->lines.fd = -1;	/* the caller's, or closed by now */
	stream_close(&r->lines);
	buf_free(&r->out);
	buf_free(&r->mailbox);
	buf_free(&r->folder);
	buf_free(&r->found);
	buf_free(&r->line);
}

int
fetch_run(const struct fetch *f, char *const operands[], int n)
{
	struct run	 r;
	int		 rc;

	rc = run_init(&r, f);
	for (int i = 0; rc == 0 && i < n; i++)
		rc = list_operand(&r, operands[i]);
	if (rc == 0 && n > 0)
		rc = rewind_lines(&r);
	else
		r.lines.fd = f->in;
	if (rc == 0) {
		progress_start(&r.progress, "messages", r.listed, false);
		rc = do_lines(&r);
		progress_end(&r.progress);
	}
	/* what was written before something failed is whole: it may stay */
	if (r.maildir != NULL && rc != CM_ESPACE) {
		int end = maildir_commit(r.maildir);

		if (rc == 0)
			rc = end;
	}
	run_free(&r);
	return rc == 0 ? r.worst : rc;
}
