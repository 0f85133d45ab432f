#include "cluster/catindex.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/time.h"
#include "cluster/account.h"
#include "cluster/change.h"
#include "cluster/expect.h"
#include "cluster/folder.h"

#define BUCKETS		4096
#define WORDS_MAX	65536
#define BATCH_BYTES	(32u << 20)
#define IDS_MAX		(12u << 20)	/* bytes of a journal's line */
#define REFS_MAX	100000		/* mailboxes of one record */
#define ENTRY_MAX	8192

/* Rows that the batch changes; written back at its end. */
struct account {
	struct account	*next;
	char		*name;
	struct buf	 raw;
	struct row_account row;
	bool		 missing;
	bool		 dirty;
};

struct folder {
	struct folder	*next, *next_made;
	char		*entry;		/* mailbox/folder, as in the record */
	size_t		 len;
	struct account	*account;
	char		 name[FOLDER_MAX + 1];
	struct row_folder row;
	uint64_t	 last;		/* the record that last took a UID */
	uint64_t	 found;		/* that was last found to be in it */
	uint32_t	 first;		/* next UID before this batch */
	uint64_t	 modseq;	/* of who took that */
	struct buf	 ids;		/* of who took UIDs, for the journal */
	bool		 absent;	/* it is made when it is needed */
	bool		 made;
	bool		 leapt;		/* UIDs were left out */
	bool		 dirty;
};

struct batch {
	struct catdb	*db;
	struct kv_txn	*txn;
	const char	*volume;
	uint32_t	 segment;
	uint32_t	 from, end;	/* how far the records were taken */
	uint32_t	 limit;
	uint64_t	 bytes;
	uint64_t	 serial;	/* counts records */
	struct catindex_source *source;	/* NULL: another node read it */
	bool		 building;
	bool		 again;
	bool		 in_gap;
	bool		 gap_left;	/* still not readable */
	bool		 expects;	/* see expect.h */
	struct catindex_result *res;
	struct folder	*folders[BUCKETS];
	struct folder	*made, **made_last;	/* in their order */
	struct account	*accounts[BUCKETS];
	struct buf	 mailbox, name, row, refs, keywords, given;
	struct target {
		struct folder	*folder;
		struct span	 flags;
		/* what the journal told; 0, false: nothing */
		uint32_t	 uid;
		uint64_t	 modseq;
		int64_t		 saved_ms;
		bool		 has_flags;
		bool		 copy;	/* a folder may be there again */
	}		*targets;
	size_t		 ntargets, cap;
};

static int
batch_init(struct batch *b)
{
	buf_init(&b->mailbox, 1024);
	buf_init(&b->name, 4096);
	buf_init(&b->row, ROW_MAX);
	buf_init(&b->refs, ROW_MAX);
	buf_init(&b->keywords, WORDS_MAX);
	buf_init(&b->given, ROW_MAX);
	b->made_last = &b->made;
	b->cap = 64;
	b->targets = calloc(b->cap, sizeof(*b->targets));
	return b->targets == NULL ? CM_ENOMEM : 0;
}

static void
batch_free(struct batch *b)
{
	struct folder	*f;
	struct account	*a;

	for (int i = 0; i < BUCKETS; i++) {
		while ((f = b->folders[i]) != NULL) {
			b->folders[i] = f->next;
			buf_free(&f->ids);
			free(f->entry);
			free(f);
		}
		while ((a = b->accounts[i]) != NULL) {
			b->accounts[i] = a->next;
			free(a->name);
			buf_free(&a->raw);
			free(a);
		}
	}
	buf_free(&b->mailbox);
	buf_free(&b->name);
	buf_free(&b->row);
	buf_free(&b->refs);
	buf_free(&b->keywords);
	buf_free(&b->given);
	free(b->targets);
}

static bool
is_deleted(struct batch *b, const char *mailbox)
{
	struct buf	 v;
	int		 rc;

	buf_init(&v, 1024);
	rc = kv_get(b->db->deleted, b->txn,
	    (struct span){ mailbox, strlen(mailbox) }, &v);
	buf_free(&v);
	return rc == 0;
}

static int
load_account(struct batch *b, struct account *a)
{
	int	 rc;

	rc = account_get(b->db, b->txn, a->name, &a->raw, &a->row);
	/*
	 * Mail was taken for it, so it was there: this catalog was built anew,
	 * or loaded from an older dump.
	 */
	if (rc == CM_ENOUSER && !is_deleted(b, a->name)) {
		rc = account_add(b->db, b->txn, a->name,
		    (struct span){ "", 0 }, time_now_ms());
		if (rc == 0)
			rc = account_get(b->db, b->txn, a->name, &a->raw,
			    &a->row);
		if (rc == 0)
			change_note_inbox(b->db, a->name,
			    a->row.last_validity);
	}
	if (rc == CM_ENOUSER || rc == CM_EEXIST) {
		a->missing = true;
		rc = 0;
	}
	return rc;
}

static int
find_account(struct batch *b, struct account **out)
{
	uint32_t	 h = crc32c(0, b->mailbox.p, b->mailbox.len) % BUCKETS;
	struct account	*a;
	int		 rc;

	for (a = b->accounts[h]; a != NULL; a = a->next)
		if (strcmp(a->name, b->mailbox.p) == 0)
			break;
	if (a == NULL) {
		if ((a = calloc(1, sizeof(*a))) == NULL)
			return CM_ENOMEM;
		buf_init(&a->raw, ROW_MAX);
		a->next = b->accounts[h];
		b->accounts[h] = a;
		if ((a->name = strdup(b->mailbox.p)) == NULL)
			return CM_ENOMEM;
		if ((rc = load_account(b, a)) != 0)
			return rc;
	}
	*out = a;
	return 0;
}

static int
load_folder(struct batch *b, struct folder *f)
{
	struct span	 name;
	int		 rc;

	if (f->account->missing)
		return 0;
	name = (struct span){ f->name, strlen(f->name) };
	rc = account_folder_get(b->db, b->txn, f->account->row.id, name,
	    &f->row);
	f->absent = rc == CM_ENOINPUT;
	if (rc == 0)
		f->leapt = account_leap(b->db, &f->row);
	f->first = f->row.uidnext;
	return f->absent ? 0 : rc;
}

/* Those that the record goes to, and that are not there. */
static int
make_folders(struct batch *b)
{
	struct folder	*f;
	int		 rc;

	for (size_t i = 0; i < b->ntargets; i++) {
		f = b->targets[i].folder;
		if (!f->absent)
			continue;
		rc = account_folder_make(b->db, b->txn, &f->account->row,
		    (struct span){ f->name, strlen(f->name) }, time_now_ms(),
		    &f->row);
		if (rc != 0)
			return rc;
		f->account->dirty = f->made = true;
		f->absent = false;
		*b->made_last = f;
		b->made_last = &f->next_made;
		f->leapt = account_leap(b->db, &f->row);
		f->first = f->row.uidnext;
	}
	return 0;
}

/* The folder of an entry; NULL when the entry makes no sense. */
static int
find_folder(struct batch *b, struct span entry, struct folder **out)
{
	uint32_t	 h = crc32c(0, entry.p, entry.len) % BUCKETS;
	struct folder	*f;
	int		 rc;

	*out = NULL;
	for (f = b->folders[h]; f != NULL; f = f->next)
		if (f->len == entry.len &&
		    memcmp(f->entry, entry.p, entry.len) == 0) {
			*out = f;
			return 0;
		}
	if (entry_parse(entry.p, entry.len, &b->mailbox, &b->name,
	    NULL) != 0)
		return 0;
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return CM_ENOMEM;
	if (folder_name(b->name.p, b->name.len, f->name) != 0) {
		free(f);
		return 0;
	}
	if ((f->entry = strndup(entry.p, entry.len)) == NULL) {
		free(f);
		return CM_ENOMEM;
	}
	f->len = entry.len;
	buf_init(&f->ids, IDS_MAX);
	f->next = b->folders[h];
	b->folders[h] = f;
	if ((rc = find_account(b, &f->account)) != 0 ||
	    (rc = load_folder(b, f)) != 0)
		return rc;
	*out = f;
	return 0;
}

static int
add_target(struct batch *b, const struct target *t)
{
	struct target	*p;

	if (b->ntargets == b->cap) {
		if ((p = realloc(b->targets, b->cap * 2 * sizeof(*p))) == NULL)
			return CM_ENOMEM;
		b->targets = p;
		b->cap *= 2;
	}
	b->targets[b->ntargets++] = *t;
	return 0;
}

/* Collects the folders the record goes to, each once. */
static int
find_targets(struct batch *b, struct span to)
{
	struct span	 entry, flags;
	struct folder	*f;
	int		 rc;

	b->ntargets = 0;
	b->serial++;
	while (record_to_next(&to, &entry, &flags)) {
		if ((rc = find_folder(b, entry, &f)) != 0)
			return rc;
		if (f == NULL || f->account->missing) {
			b->res->orphans++;
			continue;
		}
		if (f->last == b->serial || b->ntargets == REFS_MAX)
			continue;
		f->last = b->serial;
		if ((rc = add_target(b, &(struct target){ .folder = f,
		    .flags = flags })) != 0)
			return rc;
	}
	return 0;
}

static struct span
span_of(const struct buf *b)
{
	return (struct span){ b->len ? b->p : "", b->len };
}

/* Which UID a target gets when it is put there in its turn. */
static uint32_t
uid_of(const struct batch *b, size_t i)
{
	const struct target	*t = &b->targets[i];
	uint32_t		 uid = t->folder->row.uidnext;

	if (t->uid != 0)
		return t->uid;
	for (size_t k = 0; t->copy && k < i; k++)
		uid += b->targets[k].folder == t->folder &&
		    b->targets[k].uid == 0;
	return uid;
}

/* The row of the record; CM_EEXIST when its id was indexed before. */
static int
put_record(struct batch *b, const struct record_env *e,
    const struct place *place)
{
	struct row_record	 r = { .place = *place, .size = e->size,
				    .time_ms = e->time_ms,
				    .envelope = e->envelope, .body = e->body };
	struct row_ref		 ref;
	int			 rc;

	buf_reset(&b->refs);
	for (size_t i = 0; i < b->ntargets; i++) {
		struct folder *f = b->targets[i].folder;

		ref = (struct row_ref){ f->account->row.id, f->row.id,
		    uid_of(b, i) };
		row_ref_add(&b->refs, &ref);
	}
	r.nrefs = (uint32_t)b->ntargets;
	r.refs = span_of(&b->refs);
	if ((rc = b->refs.err) != 0 || (rc = row_record_put(&b->row, &r)) != 0)
		return rc;
	return kv_add(b->db->records, b->txn,
	    (struct span){ (const char *)e->id.b, 16 }, span_of(&b->row));
}

/* A UID is taken, and noted. */
static int
take_uid(struct folder *f, const struct ulid *id, uint64_t modseq)
{
	char	 text[ULID_LEN + 1];

	if (f->ids.len == 0)
		f->modseq = modseq;
	f->row.uidnext++;
	ulid_text(id, text);
	return buf_addf(&f->ids, f->ids.len ? ",%s" : "%s", text);
}

static int
put_message(struct batch *b, const struct target *t,
    const struct record_env *e, const struct place *place)
{
	struct folder		*f = t->folder;
	struct row_account	*a = &f->account->row;
	struct row_ref		 ref = { a->id, f->row.id, f->row.uidnext };
	struct row_message	 m = { .id = e->id, .place = *place,
				    .size = e->size, .time_ms = e->time_ms,
				    .modseq = t->modseq,
				    .saved_ms = t->saved_ms };
	char			 key[12];
	int			 rc;

	if (m.modseq == 0)
		m.modseq = ++f->row.modseq;
	if (t->uid != 0)
		ref.uid = t->uid;
	else if ((rc = take_uid(f, &e->id, m.modseq)) != 0)
		return rc;
	if (flags_parse(t->flags.p ? t->flags.p : "", t->flags.len, &m.flags,
	    &b->keywords) != 0)
		buf_reset(&b->keywords);
	m.keywords = span_of(&b->keywords);
	f->row.messages++;
	f->row.bytes += e->size;
	if (!(m.flags & FLAG_SEEN))
		f->row.unseen++;
	a->messages++;
	a->bytes += e->size;
	f->dirty = f->account->dirty = true;
	if ((rc = row_message_put(&b->row, &m)) != 0)
		return rc;
	return kv_put(b->db->messages, b->txn, key_message(key, &ref),
	    span_of(&b->row));
}

/* Is the UID another message's by now? */
static int
is_taken(struct batch *b, const struct target *t, uint32_t uid, bool *taken)
{
	struct row_ref	 ref = { t->folder->account->row.id,
			    t->folder->row.id, uid };
	char		 key[12];
	int		 rc;

	rc = kv_get(b->db->messages, b->txn, key_message(key, &ref), &b->row);
	*taken = rc == 0;
	return rc == CM_ENOINPUT ? 0 : rc;
}

/* A folder that had another name, by its id; *gone: it is not there. */
static int
follow_folder(struct batch *b, struct target *t, uint32_t id, bool *gone)
{
	struct folder	*f = t->folder, *now;
	struct buf	 entry;
	char		 name[FOLDER_MAX + 1];
	int		 rc;

	*gone = false;
	if (id == 0 || (!f->absent && f->row.id == id))
		return 0;
	*gone = true;
	rc = folder_find(b->db, b->txn, f->account->row.id, id, name);
	if (rc != 0)
		return rc == CM_ENOINPUT ? 0 : rc;
	buf_init(&entry, ENTRY_MAX);
	if ((rc = entry_write(&entry, f->account->name, name)) == 0 &&
	    (rc = find_folder(b, span_of(&entry), &now)) == 0 && now != NULL) {
		t->folder = now;
		*gone = false;
	}
	buf_free(&entry);
	return rc;
}

/* What the journal told: flags, and the UID if it can be had. */
static int
take_told(struct batch *b, struct target *t, const struct row_expected *r)
{
	struct folder	*f = t->folder;
	bool		 taken = false;
	size_t		 at = b->given.len;
	uint32_t	 uid = r->uid;
	uint64_t	 modseq = r->modseq;
	int		 rc;

	t->saved_ms = r->saved_ms;
	if (r->what == EXPECT_FLAGS || r->what == EXPECT_COPY) {
		buf_reset(&b->keywords);
		flags_write(&b->keywords, r->flags, r->keywords);
		buf_add(&b->given, b->keywords.p, b->keywords.len);
		t->has_flags = true;
		t->flags = (struct span){ NULL, b->given.len - at };
	}
	/* the row is not to be used from here on */
	if (uid != 0 && (rc = is_taken(b, t, uid, &taken)) != 0)
		return rc;
	/* those that are new are in a row, from the folder's next on */
	if (uid >= f->row.uidnext)
		taken = true;
	if (taken)
		log_warn(b->db->log, "%s/%s: UID %u is taken: a message gets "
		    "another one", f->account->name, f->name, uid);
	t->uid = taken ? 0 : uid;
	t->modseq = t->uid == 0 ? 0 : modseq;
	return b->given.err;
}

/* What the journal told of the message in that folder; *gone: it is not there
 * any more. */
static int
take_expected(struct batch *b, struct target *t, const struct ulid *id,
    bool *gone)
{
	struct folder		*f = t->folder;
	struct row_expected	 r;
	int			 rc;

	*gone = false;
	rc = expect_get(b->db, b->txn, id, f->account->name, f->name, &b->row,
	    &r);
	if (rc != 0)
		return rc == CM_ENOINPUT ? 0 : rc;
	if ((rc = expect_del(b->db, b->txn, id, f->account->name,
	    f->name)) != 0)
		return rc;
	*gone = r.what == EXPECT_GONE || r.account != f->account->row.id;
	if (*gone || (rc = follow_folder(b, t, r.folder, gone)) != 0 || *gone)
		return rc;
	return take_told(b, t, &r);
}

static int
take_copy(void *arg, struct span entry, const struct row_expected *r)
{
	struct batch	*b = arg;
	struct target	 t = { .copy = true };
	bool		 gone;
	int		 rc;

	if ((rc = find_folder(b, entry, &t.folder)) != 0)
		return rc;
	/* the mailbox went, or is another one of that name */
	if (t.folder == NULL || t.folder->account->missing ||
	    t.folder->account->row.id != r->account)
		return 0;
	if ((rc = follow_folder(b, &t, r->folder, &gone)) != 0 || gone)
		return rc;
	if ((rc = take_told(b, &t, r)) != 0)
		return rc;
	return add_target(b, &t);
}

/* Of all folders that it goes to. */
static int
expected_targets(struct batch *b, const struct ulid *id)
{
	size_t	 n = 0, at = 0, was;
	bool	 gone;
	int	 rc;

	buf_reset(&b->given);
	for (size_t i = 0; i < b->ntargets; i++) {
		was = b->given.len;
		if ((rc = take_expected(b, &b->targets[i], id, &gone)) != 0)
			return rc;
		/* two may have led to one */
		if (gone || b->targets[i].folder->found == b->serial) {
			b->given.len = was;
			continue;
		}
		b->targets[i].folder->found = b->serial;
		b->targets[n++] = b->targets[i];
	}
	b->ntargets = n;
	if ((rc = expect_take_copies(b->db, b->txn, id, take_copy, b)) != 0)
		return rc;
	/* it has stopped growing */
	for (size_t i = 0; i < b->ntargets; i++)
		if (b->targets[i].has_flags) {
			b->targets[i].flags.p = b->given.p ? b->given.p + at :
			    "";
			at += b->targets[i].flags.len;
		}
	return 0;
}

/* Was it indexed before?  Then nobody is made for its sake. */
static int
is_known(struct batch *b, const struct ulid *id, bool *known)
{
	int	 rc;

	*known = false;
	if (!b->building && !b->again && !b->in_gap && !b->expects)
		return 0;	/* put_record tells */
	rc = kv_get(b->db->records, b->txn,
	    (struct span){ (const char *)id->b, 16 }, &b->row);
	*known = rc == 0;
	return rc == CM_ENOINPUT ? 0 : rc;
}

/* Was it taken back?  Of a repaired gap that is not yet known. */
static int
is_cancelled(struct batch *b, uint32_t offset, bool *yes)
{
	struct catindex_source	*s = b->source;
	struct vol_end		 at = { b->segment, offset };
	int			 rc;

	*yes = false;
	if (s == NULL)
		return 0;
	if (b->in_gap && (rc = cancels_cover(b->db->log, s->dir, s->salt,
	    &s->cancels, at, s->counted)) != 0)
		return rc;
	*yes = cancels_has(&s->cancels, b->segment, offset);
	return 0;
}

static int
index_record(struct batch *b, const struct seg_item *it)
{
	struct record_env	 e;
	struct place		 place;
	bool			 known;
	int			 rc;

	if (record_env_parse(it->env, it->head.env_len, &e) != 0)
		return CM_ECORRUPT;
	if (e.cancel.p != NULL)
		return 0;
	if ((rc = is_known(b, &e.id, &known)) != 0 || known)
		return rc;
	if ((rc = is_cancelled(b, it->offset, &known)) != 0 || known)
		return rc;
	if (str_copy(place.volume, sizeof(place.volume), b->volume) != 0)
		return CM_ESOFT;
	place.segment = b->segment;
	place.offset = it->offset;
	place.length = it->length;
	if ((rc = find_targets(b, e.to)) != 0 ||
	    (b->expects && (rc = expected_targets(b, &e.id)) != 0) ||
	    (rc = make_folders(b)) != 0)
		return rc;
	rc = put_record(b, &e, &place);
	if (rc == CM_EEXIST)
		return 0;
	for (size_t i = 0; rc == 0 && i < b->ntargets; i++)
		rc = put_message(b, &b->targets[i], &e, &place);
	b->res->records++;
	b->bytes += it->head.env_len;
	return rc;
}

static int
put_gap(struct batch *b, uint32_t offset, uint32_t length)
{
	char	 key[ROW_KEY_MAX], val[4];

	log_warn(b->db->log, "volume %s: segment %08u: %u bytes at %u cannot "
	    "be read (cm-rebuild check -r)", b->volume, b->segment, length,
	    offset);
	return kv_put(b->db->gaps, b->txn,
	    key_gap(key, b->volume, b->segment, offset), key_u32(val, length));
}

/*
 * A segment that ends within a record, or with bytes that are none.  The rest
 * may come from a copy, so the cursor stays here: it would never be read
 * whole from behind it.  What counts may end within a record.
 */
static int
leave_tail(struct batch *b, const struct seg_item *it)
{
	if (it->offset > b->from &&	/* said once */
	    b->segment != b->source->counted.segment)
		log_warn(b->db->log, "volume %s: segment %08u: the last %u "
		    "bytes, at %u, cannot be read (cm-rebuild check -r)",
		    b->volume, b->segment, it->length, it->offset);
	return 0;
}

/* Returns 1 when the batch is full. */
static int
on_item(void *arg, const struct seg_item *it)
{
	struct batch	*b = arg;
	int		 rc = CM_ECORRUPT;

	if (it->what == SEG_TAIL && !b->in_gap)
		return leave_tail(b, it);
	if (it->what == SEG_RECORD || it->what == SEG_UNREAD)
		rc = index_record(b, it);
	if (rc == CM_ECORRUPT) {
		b->gap_left = true;
		rc = b->in_gap ? 0 : put_gap(b, it->offset, it->length);
	}
	if (rc != 0)
		return rc;
	b->end = it->offset + it->length;
	if (b->in_gap)
		return 0;
	return b->res->records >= b->limit || b->bytes >= BATCH_BYTES;
}

static int
scan(struct batch *b, struct catindex_source *s, uint32_t segment,
    uint32_t from, uint32_t to)
{
	struct seg_scan	 sc = { .salt = s->salt, .segment = segment,
			    .from = from, .to = to, .fn = on_item, .arg = b };
	int		 rc;

	b->source = s;
	b->volume = s->volume;
	b->segment = segment;
	b->from = b->end = from;
	b->again = s->again;
	/* a gap is trusted only when the message's bytes are right too */
	sc.messages = b->in_gap;
	rc = seg_open(b->db->log, s->dir, segment, O_RDONLY, &sc.fd);
	if (rc != 0)
		return rc;
	rc = seg_scan(b->db->log, &sc);
	close(sc.fd);
	return rc;
}

/* How far a segment may be indexed. */
static int
segment_limit(const struct log *log, const struct catindex_source *s,
    uint32_t segment, uint32_t *limit)
{
	if (segment > s->counted.segment) {
		*limit = 0;
		return 0;
	}
	if (segment == s->counted.segment) {
		*limit = s->counted.offset;
		return 0;
	}
	return seg_size(log, s->dir, segment, limit);
}

/* Returns 1 when the batch is full. */
static int
index_segment(struct batch *b, struct catindex_source *s, uint32_t segment)
{
	uint32_t	 cur, limit;
	int		 rc, full;

	if ((rc = segment_limit(b->db->log, s, segment, &limit)) != 0 ||
	    (rc = catdb_cursor(b->db, b->txn, s->volume, segment,
	    &cur)) != 0)
		return rc;
	if (cur >= limit)
		return 0;
	if ((rc = cancels_cover(b->db->log, s->dir, s->salt, &s->cancels,
	    (struct vol_end){ segment, cur }, s->counted)) != 0)
		return rc;
	if ((full = scan(b, s, segment, cur, limit)) < 0)
		return full;
	if ((rc = catdb_set_cursor(b->db, b->txn, s->volume, segment,
	    b->end)) != 0)
		return rc;
	return full;
}

/* What is noted of a volume's home, and what is there. */
static int
homes(struct catdb *db, struct kv_txn *txn,
    const struct catindex_source *s, char was[CATDB_HOME_SIZE],
    char now[CATDB_HOME_SIZE])
{
	int	 rc;

	if ((rc = str_fmt(now, CATDB_HOME_SIZE, "%08x %u", s->salt,
	    s->epoch)) != 0)
		return rc;
	return catdb_home(db, txn, s->volume, was);
}

static int
index_source(struct batch *b, struct catindex_source *s)
{
	uint32_t	*list;
	size_t		 n;
	int		 rc = 0;

	if (s->counted.segment == 0)
		return 0;	/* it is not open */
	/* the usual case: only the open segment has anything new */
	if (s->low == s->counted.segment && s->low != 0)
		return index_segment(b, s, s->low);
	if ((rc = seg_list(b->db->log, s->dir, &list, &n)) != 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (list[i] < s->low)
			continue;
		if ((rc = index_segment(b, s, list[i])) == 0)
			s->low = list[i];
	}
	free(list);
	return rc;
}

/* A volume that was lost and made again begins with other records. */
static int
know_home(struct batch *b, struct catindex_source *s)
{
	char	 was[CATDB_HOME_SIZE], now[CATDB_HOME_SIZE];
	size_t	 n;
	bool	 same;
	int	 rc;

	if (s->known || s->counted.segment == 0)
		return 0;
	/* a home that was put back from before it was made anew elsewhere must
	 * not take that one's cursors away */
	if ((rc = catindex_home(b->db, b->txn, s->volume, s->salt, s->epoch,
	    false, &same)) != 0 ||
	    (rc = homes(b->db, b->txn, s, was, now)) != 0)
		return rc;
	s->known = true;
	if (strcmp(was, now) == 0)
		return 0;
	if ((rc = catdb_drop_cursors(b->db, b->txn, s->volume, &n)) != 0)
		return rc;
	s->low = 0;
	s->again = n > 0;
	if (n > 0)
		log_warn(b->db->log, "volume %s: this is not the home it was "
		    "(salt and epoch %s, now %s): all of it is indexed again; "
		    "cm-catalog check names what was lost", s->volume,
		    was[0] != '\0' ? was : "not known", now);
	return catdb_set_home(b->db, b->txn, s->volume, now);
}

#define GAPS_STEP 100		/* read from the table at a time */

struct gap {
	char		 volume[64];
	uint32_t	 segment, offset, length;
};

struct gaps {
	struct gap	 gap[GAPS_STEP];
	size_t		 n;
	char		 next[ROW_KEY_MAX + 1];	/* behind the last key */
	size_t		 next_len;
};

static int
gap_row(void *arg, struct span key, struct span value)
{
	struct gaps	*g = arg;
	struct gap	*p = &g->gap[g->n];

	if (value.len != 4 || key.len >= sizeof(g->next) ||
	    key_cursor_parse(key, p->volume, &p->segment, &p->offset) != 0)
		return CM_ECORRUPT;
	p->length = get_u32(value.p);
	memcpy(g->next, key.p, key.len);
	g->next[key.len] = '\0';
	g->next_len = key.len + 1;
	return ++g->n == GAPS_STEP ? 1 : 0;
}

static int
index_gap(struct batch *b, struct catindex_source *src, size_t n,
    const struct gap *p)
{
	struct catindex_source *s = NULL;
	char		 key[ROW_KEY_MAX];
	int		 rc;

	for (size_t i = 0; i < n; i++)
		if (strcmp(src[i].volume, p->volume) == 0)
			s = &src[i];
	if (s == NULL)
		return 0;
	b->gap_left = false;
	rc = scan(b, s, p->segment, p->offset, p->offset + p->length);
	if (rc == CM_EEND || rc == CM_ENOINPUT || rc == CM_EIO)
		return 0;		/* not there yet */
	if (rc != 0 || b->gap_left)
		return rc;
	return kv_del(b->db->gaps, b->txn, key_gap(key, p->volume, p->segment,
	    p->offset));
}

/* Tries the gaps again: a repair may have brought the bytes back. */
static int
index_gaps(struct batch *b, struct catindex_source *src, size_t n)
{
	struct gaps	 g = { .next_len = 0 };
	int		 rc;

	b->in_gap = true;
	do {
		g.n = 0;
		rc = kv_walk(b->db->gaps, b->txn,
		    (struct span){ g.next, g.next_len }, 0, gap_row, &g);
		for (size_t i = 0; rc >= 0 && i < g.n; i++)
			rc = index_gap(b, src, n, &g.gap[i]);
	} while (rc >= 0 && g.n == GAPS_STEP);
	b->in_gap = false;
	return rc < 0 ? rc : 0;
}

static void
note_uids(struct batch *b, const struct folder *f)
{
	struct change_uids	 u = { f->row.validity, f->first,
				    f->row.uidnext, f->modseq,
				    span_of(&f->ids) };

	if (f->leapt)
		change_note_leap(b->db, f->account->name, f->name, &f->row);
	if (f->made || f->ids.len > 0)
		change_note_uids(b->db, f->account->name, f->name, &u);
}

static int
write_back(struct batch *b)
{
	struct folder	*f;
	struct account	*a;
	int		 rc;

	/* so each gets its id and UIDVALIDITY when that is done again */
	for (f = b->made; f != NULL; f = f->next_made)
		note_uids(b, f);
	for (int i = 0; i < BUCKETS; i++) {
		for (f = b->folders[i]; f != NULL; f = f->next) {
			if (f->dirty && (rc = account_folder_put(b->db, b->txn,
			    f->account->row.id, (struct span){ f->name,
			    strlen(f->name) }, &f->row)) != 0)
				return rc;
			/* those that the journal told are in it */
			if (!f->made && f->dirty)
				note_uids(b, f);
		}
		for (a = b->accounts[i]; a != NULL; a = a->next)
			if (a->dirty && (rc = account_put(b->db, b->txn,
			    a->name, &a->row)) != 0)
				return rc;
	}
	return 0;
}

int
catindex_batch(struct catdb *db, struct kv_txn *txn,
    struct catindex_source *src, size_t n, uint32_t limit, bool building,
    bool retry_gaps, struct catindex_result *res)
{
	struct batch	*b;
	int		 rc, full = 0;

	memset(res, 0, sizeof(*res));
	if ((b = calloc(1, sizeof(*b))) == NULL)
		return CM_ENOMEM;
	b->db = db;
	b->txn = txn;
	b->limit = limit;
	b->building = building;
	b->res = res;
	res->bad = n;
	if ((rc = batch_init(b)) == 0)
		rc = expect_any(db, txn, &b->expects);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if ((rc = know_home(b, &src[i])) != 0)
			res->bad = i;
	if (rc == 0 && retry_gaps)
		rc = index_gaps(b, src, n);
	for (size_t i = 0; rc == 0 && full == 0 && i < n; i++) {
		res->bad = i;
		full = index_source(b, &src[i]);
		if (full < 0)
			rc = full;
	}
	if (rc == 0)
		rc = write_back(b);
	res->more = full == 1;
	batch_free(b);
	free(b);
	return rc;
}

/* "SALT EPOCH", as in meta. */
static int
home_parse(const char *text, uint32_t *salt, uint32_t *epoch)
{
	struct span	 l = { text, strlen(text) }, f;
	uint64_t	 a, b;

	if (!str_field(&l, ' ', &f) || str_hex(f.p, f.len, &a) != 0 ||
	    l.p == NULL || str_u64(l.p, l.len, UINT32_MAX, &b) != 0)
		return CM_ECORRUPT;
	*salt = (uint32_t)a;
	*epoch = (uint32_t)b;
	return 0;
}

int
catindex_home(struct catdb *db, struct kv_txn *txn, const char *volume,
    uint32_t salt, uint32_t epoch, bool copy, bool *same)
{
	char		 was[CATDB_HOME_SIZE];
	uint32_t	 had_salt, had_epoch;
	int		 rc;

	*same = false;
	if ((rc = catdb_home(db, txn, volume, was)) != 0 || was[0] == '\0')
		return rc;
	if ((rc = home_parse(was, &had_salt, &had_epoch)) != 0)
		return rc;
	if (salt != had_salt)
		return copy ? CM_EEPOCH : 0;
	*same = epoch == had_epoch;
	return epoch < had_epoch ? CM_EEPOCH : 0;
}

/* One line of another node's entries. */
static int
push_line(struct batch *b, struct span l, struct buf *env)
{
	struct seg_item	 it = { .what = SEG_UNREAD };
	struct span	 kind, f[2];
	uint64_t	 v[2];
	int		 rc;

	if (!str_field(&l, '\t', &kind))
		return CM_EPROTO;
	for (int i = 0; i < 2; i++)
		if (!str_field(&l, '\t', &f[i]) ||
		    str_u64(f[i].p, f[i].len, UINT32_MAX, &v[i]) != 0)
			return CM_EPROTO;
	it.offset = (uint32_t)v[0];
	it.length = (uint32_t)v[1];
	if (v[0] + v[1] > b->end || it.offset < b->from)
		return CM_EPROTO;
	b->from = it.offset + it.length;
	if (span_is(kind, "G"))
		return b->in_gap ? CM_EPROTO :
		    put_gap(b, it.offset, it.length);
	if (span_is(kind, "C"))
		return 0;
	buf_reset(env);
	if (!span_is(kind, "R") || l.p == NULL ||
	    str_unpct(env, l.p, l.len) != 0 || env->len == 0)
		return CM_EPROTO;
	it.env = env->p;
	it.head.env_len = (uint32_t)env->len;
	rc = index_record(b, &it);
	if (rc != CM_ECORRUPT)
		return rc;
	return b->in_gap ? rc : put_gap(b, it.offset, it.length);
}

/* Is it the stretch that the catalog waits for? */
static int
is_next(struct batch *b, const struct catindex_entries *e)
{
	char	 key[ROW_KEY_MAX];
	uint32_t cursor;
	int	 rc;

	if (!e->gap) {
		rc = catdb_cursor(b->db, b->txn, e->volume, e->segment,
		    &cursor);
		return rc == 0 && cursor != e->from ? CM_EEXIST : rc;
	}
	rc = kv_get(b->db->gaps, b->txn, key_gap(key, e->volume, e->segment,
	    e->from), &b->row);
	if (rc == CM_ENOINPUT)
		return CM_EEXIST;
	return rc == 0 && (b->row.len != 4 ||
	    get_u32(b->row.p) != e->to - e->from) ? CM_EEXIST : rc;
}

/* It has it. */
static int
go_behind(struct batch *b, const struct catindex_entries *e)
{
	char	 key[ROW_KEY_MAX];

	return e->gap ? kv_del(b->db->gaps, b->txn, key_gap(key, e->volume,
	    e->segment, e->from)) : catdb_set_cursor(b->db, b->txn, e->volume,
	    e->segment, e->to);
}

static int
push_lines(struct batch *b, const struct catindex_entries *e)
{
	struct span	 rest = { e->text, e->len }, l;
	struct buf	 env;
	int		 rc;

	if ((rc = is_next(b, e)) != 0)
		return rc;
	buf_init(&env, RECORD_ENV_MAX + 1);
	while (rc == 0 && rest.len > 0 && str_field(&rest, '\n', &l))
		if (l.len > 0)
			rc = push_line(b, l, &env);
	buf_free(&env);
	/* a stretch that its lines do not fill must not be passed over */
	if (rc == 0 && b->from != e->to)
		rc = CM_EPROTO;
	if (rc == 0)
		rc = go_behind(b, e);
	return rc == 0 ? write_back(b) : rc;
}

int
catindex_push(struct catdb *db, struct kv_txn *txn,
    const struct catindex_entries *e, struct catindex_result *res)
{
	struct catindex_source	 s = { .volume = e->volume, .salt = e->salt,
				    .epoch = e->epoch, .counted = { 1, 0 } };
	struct batch		*b;
	bool			 same;
	int			 rc;

	memset(res, 0, sizeof(*res));
	if ((rc = catindex_home(db, txn, e->volume, e->salt, e->epoch,
	    e->copy, &same)) != 0)
		return rc;
	/* the gaps of another home are none of this one's */
	if (e->gap && !same)
		return CM_EEXIST;
	if ((b = calloc(1, sizeof(*b))) == NULL)
		return CM_ENOMEM;
	b->db = db;
	b->txn = txn;
	b->res = res;
	b->again = true;
	b->in_gap = e->gap;
	b->volume = e->volume;
	b->segment = e->segment;
	b->from = e->from;
	b->end = e->to;
	if ((rc = batch_init(b)) == 0 &&
	    (rc = expect_any(db, txn, &b->expects)) == 0 &&
	    (rc = know_home(b, &s)) == 0)
		rc = push_lines(b, e);
	batch_free(b);
	free(b);
	return rc;
}

/* Records that may have got UIDs since a dump was made. */
struct waiting {
	struct catdb	*db;
	struct kv_txn	*txn;
	uint64_t	 n;
};

#define RECORD_MIN	100		/* bytes; they are longer */
#define LOST_MAX	(1u << 20)	/* with a home; none to count */

static int
count_item(void *arg, const struct seg_item *it)
{
	struct waiting		*w = arg;
	struct record_env	 e;
	bool			 knows;
	int			 rc;

	if ((it->what == SEG_RECORD || it->what == SEG_UNREAD) &&
	    record_env_parse(it->env, it->head.env_len, &e) == 0) {
		if ((rc = expect_knows(w->db, w->txn, &e.id, &knows)) != 0)
			return rc;
		if (knows)
			return 0;
	}
	/* what cannot be read now could be read then */
	if (it->what == SEG_TAIL || it->what == SEG_HOLE)
		w->n += it->length / RECORD_MIN;
	w->n++;
	return 0;
}

static int
count_gap(void *arg, struct span key, struct span value)
{
	struct waiting	*w = arg;

	(void)key;
	if (value.len != 4)
		return CM_ECORRUPT;
	w->n += get_u32(value.p) / RECORD_MIN + 1;
	return 0;
}

static int
count_segment(struct waiting *w, const struct catindex_source *s,
    uint32_t segment, bool all)
{
	struct seg_scan	 sc = { .salt = s->salt, .segment = segment,
			    .fn = count_item, .arg = w };
	int		 rc;

	if ((rc = segment_limit(w->db->log, s, segment, &sc.to)) != 0 ||
	    (!all && (rc = catdb_cursor(w->db, w->txn, s->volume, segment,
	    &sc.from)) != 0))
		return rc;
	if (sc.from >= sc.to)
		return 0;
	rc = seg_open(w->db->log, s->dir, segment, O_RDONLY, &sc.fd);
	if (rc != 0)
		return rc;
	rc = seg_scan(w->db->log, &sc);
	close(sc.fd);
	return rc;
}

static int
count_waiting(struct waiting *w, const struct catindex_source *s)
{
	char		 was[CATDB_HOME_SIZE], now[CATDB_HOME_SIZE];
	uint32_t	*list;
	size_t		 n;
	bool		 all;
	int		 rc;

	if (s->counted.segment == 0)
		return 0;	/* never made */
	if ((rc = homes(w->db, w->txn, s, was, now)) != 0 ||
	    (rc = seg_list(w->db->log, s->dir, &list, &n)) != 0)
		return rc;
	if ((all = strcmp(was, now) != 0) && was[0] != '\0')
		w->n += LOST_MAX;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = count_segment(w, s, list[i], all);
	free(list);
	return rc;
}

struct raise {
	struct catdb	*db;
	struct kv_txn	*txn;
	uint64_t	 by;
};

static int
raise_uid(void *arg, struct span key, struct span value)
{
	struct raise		*r = arg;
	struct row_folder	 f;
	struct buf		 b;
	uint64_t		 next;
	int			 rc;

	if ((rc = row_folder_get(value, &f)) != 0)
		return rc;
	next = f.uidnext + r->by;
	f.uidnext = next > UINT32_MAX ? UINT32_MAX : (uint32_t)next;
	buf_init(&b, ROW_MAX);
	if ((rc = row_folder_put(&b, &f)) == 0)
		rc = kv_put(r->db->folders, r->txn, key, span_of(&b));
	buf_free(&b);
	return rc;
}

int
catindex_raise_uids(struct catdb *db, struct kv_txn *txn, uint64_t by)
{
	struct raise	 r = { db, txn, by };

	return by == 0 ? 0 : kv_walk(db->folders, txn, (struct span){ "", 0 },
	    0, raise_uid, &r);
}

int
catindex_skip_uids(struct catdb *db, struct kv_txn *txn,
    struct catindex_source *src, size_t n, bool others, uint64_t *by)
{
	struct waiting	 w = { db, txn, others ? LOST_MAX : 0 };
	struct span	 all = { "", 0 };
	int		 rc;

	for (size_t i = 0; i < n; i++)
		if ((rc = count_waiting(&w, &src[i])) != 0)
			return rc;
	if ((rc = kv_walk(db->gaps, txn, all, 0, count_gap, &w)) != 0)
		return rc;
	*by = w.n;
	return catindex_raise_uids(db, txn, w.n);
}
