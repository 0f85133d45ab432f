#include "cluster/catdump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/file.h"
#include "base/time.h"
#include "cluster/account.h"
#include "cluster/expect.h"
#include "cluster/vanished.h"

#define MAGIC		"clustermail-catalog 1"
#define FLUSH		(1u << 20)
#define LOAD_STEP	5000		/* lines of one transaction */
#define REF_SIZE	12		/* bytes of a packed reference */

struct dump {
	struct catdb	*db;
	int		 fd;
	uint64_t	 lines;
	struct buf	 out;
	char		 account[1024];	/* whose folders are written */
	char		 folder[FOLDER_MAX + 1];
	struct buf	 entry;		/* account/folder, encoded */
	struct buf	 going;		/* keys of purge, each in 8 bytes */
};

#define GOING	8			/* account and folder; 0: all folders */

static int
end_line(struct dump *d)
{
	int	 rc;

	buf_addc(&d->out, '\n');
	d->lines++;
	if (d->out.err)
		return d->out.err;
	if (d->out.len < FLUSH)
		return 0;
	rc = file_write(d->fd, d->out.p, d->out.len);
	buf_reset(&d->out);
	return rc;
}

static void
field(struct dump *d, struct span s)
{
	buf_addc(&d->out, '\t');
	if (s.len == 0)
		buf_addc(&d->out, '-');
	else
		str_pct(&d->out, s.p, s.len, s.len == 1 && s.p[0] == '-' ?
		    "-" : "");
}

static void
number(struct dump *d, uint64_t v)
{
	buf_addc(&d->out, '\t');
	buf_addu(&d->out, v, 0);
}

static void
place_field(struct dump *d, const struct place *p)
{
	buf_addc(&d->out, '\t');
	place_write(&d->out, p);
}

static void
id_field(struct dump *d, const unsigned char *b)
{
	struct ulid	 u;
	char		 t[ULID_LEN + 1];

	memcpy(u.b, b, sizeof(u.b));
	ulid_text(&u, t);
	buf_addf(&d->out, "\t%s", t);
}

static void
date_field(struct dump *d, int64_t ms)
{
	char	 iso[TIME_ISO_SIZE];

	time_iso(iso, ms);
	buf_addf(&d->out, "\t%s", iso);
}

static int
dump_meta(void *arg, struct span k, struct span v)
{
	struct dump	*d = arg;

	if (span_is(k, "state") || span_is(k, "next_catalog") ||
	    span_is(k, CATDB_SECRET))
		return 0;
	buf_adds(&d->out, "meta");
	field(d, k);
	field(d, v);
	return end_line(d);
}

static int
dump_message(void *arg, struct span k, struct span v)
{
	struct dump		*d = arg;
	struct row_message	 m;
	struct row_ref		 ref;
	struct buf		 flags;
	int			 rc;

	if ((rc = key_message_parse(k, &ref)) != 0 ||
	    (rc = row_message_get(v, &m)) != 0)
		return rc;
	buf_adds(&d->out, "message\t");
	buf_add(&d->out, d->entry.p, d->entry.len);
	buf_addf(&d->out, "/%u", ref.uid);
	id_field(d, m.id.b);
	place_field(d, &m.place);
	number(d, m.size);
	date_field(d, m.time_ms);
	number(d, m.modseq);
	buf_init(&flags, 8192);
	flags_write(&flags, m.flags, m.keywords);
	field(d, (struct span){ flags.len ? flags.p : "", flags.len });
	buf_free(&flags);
	if (m.saved_ms != 0)
		date_field(d, m.saved_ms);
	return end_line(d);
}

static int
dump_folder(void *arg, struct span k, struct span v)
{
	struct dump		*d = arg;
	struct row_folder	 f;
	char			 key[12];
	struct row_ref		 ref = { 0 };
	int			 rc;

	if (k.len < 4 || (rc = row_folder_get(v, &f)) != 0)
		return CM_ECORRUPT;
	if ((rc = str_ncopy(d->folder, sizeof(d->folder), k.p + 4,
	    k.len - 4)) != 0)
		return rc;
	buf_reset(&d->entry);
	entry_write(&d->entry, d->account, d->folder);
	buf_addf(&d->out, "folder\t%s", d->entry.p);
	number(d, f.id);
	number(d, f.validity);
	number(d, f.uidnext);
	number(d, f.modseq);
	number(d, f.messages);
	number(d, f.unseen);
	number(d, f.bytes);
	number(d, f.use);
	if ((rc = end_line(d)) != 0)
		return rc;
	ref.account = get_u32(k.p);
	ref.folder = f.id;
	return kv_walk(d->db->messages, NULL, key_message(key, &ref), 8,
	    dump_message, d);
}

static int
dump_subscribed(void *arg, struct span k, struct span v)
{
	struct dump	*d = arg;

	(void)v;
	if (k.len < 4 || str_ncopy(d->folder, sizeof(d->folder), k.p + 4,
	    k.len - 4) != 0)
		return CM_ECORRUPT;
	buf_adds(&d->out, "subscribed\t");
	entry_write(&d->out, d->account, d->folder);
	return end_line(d);
}

static int
dump_account(void *arg, struct span k, struct span v)
{
	struct dump		*d = arg;
	struct row_account	 a;
	char			 key[4];
	int			 rc;

	if ((rc = row_account_get(v, &a)) != 0 ||
	    (rc = str_ncopy(d->account, sizeof(d->account), k.p, k.len)) != 0)
		return rc;
	buf_adds(&d->out, "account");
	field(d, k);
	number(d, a.id);
	number(d, a.next_folder);
	number(d, a.last_validity);
	number(d, a.quota);
	number(d, a.bytes);
	number(d, a.messages);
	date_field(d, a.created);
	field(d, a.verifier);
	field(d, a.sms);
	if ((rc = end_line(d)) != 0 || (rc = kv_walk(d->db->folders, NULL,
	    key_u32(key, a.id), 4, dump_folder, d)) != 0)
		return rc;
	return kv_walk(d->db->subscribed, NULL, key_u32(key, a.id), 4,
	    dump_subscribed, d);
}

static int
dump_deleted(void *arg, struct span k, struct span v)
{
	struct dump	*d = arg;

	(void)v;
	buf_adds(&d->out, "deleted");
	field(d, k);
	return end_line(d);
}

static int
dump_alias(void *arg, struct span k, struct span v)
{
	struct dump	*d = arg;

	buf_adds(&d->out, "alias");
	field(d, k);
	field(d, v);
	return end_line(d);
}

/* What is deleted and not gone yet is not in the dump. */
static int
note_going(void *arg, struct span k, struct span v)
{
	struct dump	*d = arg;
	char		 none[4] = { 0 };

	(void)v;
	if (k.len != 4 && k.len != GOING)
		return CM_ECORRUPT;
	buf_add(&d->going, k.p, k.len);
	return buf_add(&d->going, none, GOING - k.len);
}

static bool
is_going(const struct dump *d, const struct row_ref *r)
{
	const char	*p = d->going.p;

	for (size_t i = 0; i < d->going.len; i += GOING)
		if (get_u32(p + i) == r->account &&
		    (get_u32(p + i + 4) == 0 ||
		    get_u32(p + i + 4) == r->folder))
			return true;
	return false;
}

static void
refs_field(struct dump *d, const struct row_record *r)
{
	struct row_ref	 ref;
	const char	*sep = "\t";

	for (uint32_t i = 0; i < r->nrefs; i++) {
		row_ref_get(r->refs, i, &ref);
		if (is_going(d, &ref))
			continue;
		buf_addf(&d->out, "%s%u.%u.%u", sep, ref.account, ref.folder,
		    ref.uid);
		sep = ",";
	}
	if (sep[0] == '\t')
		buf_adds(&d->out, "\t-");
}

static int
dump_record(void *arg, struct span k, struct span v)
{
	struct dump		*d = arg;
	struct row_record	 r;
	int			 rc;

	if (k.len != 16)
		return CM_ECORRUPT;
	if ((rc = row_record_get(v, &r)) != 0)
		return rc;
	buf_adds(&d->out, "record");
	id_field(d, (const unsigned char *)k.p);
	place_field(d, &r.place);
	number(d, r.size);
	date_field(d, r.time_ms);
	refs_field(d, &r);
	field(d, r.envelope);
	field(d, r.body);
	return end_line(d);
}

static int
dump_place(struct dump *d, const char *word, struct span k, struct span v,
    bool gap)
{
	char		 vol[PLACE_VOLUME_MAX + 1];
	uint32_t	 seg, off = 0;

	if (v.len != 4 ||
	    key_cursor_parse(k, vol, &seg, gap ? &off : NULL) != 0)
		return CM_ECORRUPT;
	buf_addf(&d->out, "%s\t%s:%08u:%u:%u", word, vol, seg, off,
	    get_u32(v.p));
	return end_line(d);
}

static int
dump_cursor(void *arg, struct span k, struct span v)
{
	return dump_place(arg, "cursor", k, v, false);
}

static int
dump_gap(void *arg, struct span k, struct span v)
{
	return dump_place(arg, "gap", k, v, true);
}

static int
dump_expected(void *arg, struct span k, struct span v)
{
	static const char *const words[] = { "new", "flags", "gone" };
	struct dump		*d = arg;
	struct row_expected	 r;
	struct expect_copy	 c;
	struct span		 entry;
	struct buf		 flags;
	int			 rc;

	if ((rc = row_expected_get(v, &r)) != 0 ||
	    (rc = expect_key_parse(k, &entry, &c)) != 0)
		return rc;
	if (r.what > EXPECT_COPY || (r.what == EXPECT_COPY) != (c.uid != 0))
		return CM_ECORRUPT;
	buf_adds(&d->out, c.uid != 0 ? "copy" : "expected");
	id_field(d, (const unsigned char *)k.p);
	buf_addc(&d->out, '\t');
	buf_add(&d->out, entry.p, entry.len);
	if (c.uid != 0)
		buf_addf(&d->out, "/%u\t%u", c.uid, c.validity);
	number(d, r.account);
	number(d, r.uid);
	number(d, r.modseq);
	if (c.uid == 0)
		buf_addf(&d->out, "\t%s", words[r.what]);
	buf_init(&flags, 8192);
	flags_write(&flags, r.flags, r.keywords);
	field(d, (struct span){ flags.len ? flags.p : "", flags.len });
	buf_free(&flags);
	number(d, r.folder);
	if (r.saved_ms != 0)
		date_field(d, r.saved_ms);
	return end_line(d);
}

int
catdump_write(struct catdb *db, int fd)
{
	struct span	 all = { "", 0 };
	struct dump	 d = { .db = db, .fd = fd };
	const struct {
		struct kv	*kv;
		kv_fn		 fn;
	} parts[] = {
		{ db->meta, dump_meta }, { db->accounts, dump_account },
		{ db->aliases, dump_alias }, { db->records, dump_record },
		{ db->cursors, dump_cursor }, { db->gaps, dump_gap },
		{ db->deleted, dump_deleted },
		{ db->expected, dump_expected },
	};
	int		 rc;

	buf_init(&d.out, FLUSH + CATDUMP_LINE_MAX);
	buf_init(&d.entry, 8192);
	buf_init(&d.going, ROW_MAX);
	buf_adds(&d.out, MAGIC);
	if ((rc = end_line(&d)) == 0)
		rc = kv_walk(db->purge, NULL, all, 0, note_going, &d);
	for (size_t i = 0; rc == 0 && i < sizeof(parts) / sizeof(parts[0]);
	    i++)
		rc = kv_walk(parts[i].kv, NULL, all, 0, parts[i].fn, &d);
	if (rc == 0) {
		buf_addf(&d.out, "end\t%llu", (unsigned long long)d.lines);
		rc = end_line(&d);
	}
	if (rc == 0)
		rc = file_write(fd, d.out.p, d.out.len);
	buf_free(&d.out);
	buf_free(&d.entry);
	buf_free(&d.going);
	return rc;
}

/* Reading.  With db NULL the lines are only checked. */
struct load {
	struct catdb	*db;
	struct kv_txn	*txn;
	struct span	 f[12];		/* fields, raw */
	size_t		 nf;
	struct buf	 text[12];	/* decoded on demand */
	struct buf	 row;
	uint32_t	 account;
	uint32_t	 folder;
	bool		 ended;
	uint64_t	 lines;
};

static int
want_number(const struct load *l, size_t i, uint64_t max, uint64_t *v)
{
	return str_u64(l->f[i].p, l->f[i].len, max, v);
}

static int
want_u32(const struct load *l, size_t i, uint32_t *v)
{
	uint64_t	 n;
	int		 rc;

	rc = want_number(l, i, UINT32_MAX, &n);
	*v = rc == 0 ? (uint32_t)n : 0;
	return rc;
}

static int
want_text(struct load *l, size_t i, struct span *s)
{
	struct buf	*b = &l->text[i];

	buf_reset(b);
	*s = (struct span){ "", 0 };
	if (span_is(l->f[i], "-"))
		return 0;
	if (l->f[i].len == 0 || str_unpct(b, l->f[i].p, l->f[i].len) != 0)
		return CM_EDATA;
	*s = (struct span){ b->p, b->len };
	return 0;
}

static int
put(const struct load *l, struct kv *kv, struct span key)
{
	if (l->row.err)
		return l->row.err;
	return kv_put(kv, l->txn, key, (struct span){ l->row.p, l->row.len });
}

static int
load_meta(struct load *l)
{
	struct span	 k, v;

	if (want_text(l, 1, &k) != 0 || want_text(l, 2, &v) != 0)
		return CM_EDATA;
	return l->db == NULL ? 0 : kv_put(l->db->meta, l->txn, k, v);
}

static int
load_account(struct load *l)
{
	struct row_account	 a = { 0 };
	struct span		 name;
	char			 key[4];
	int			 rc;

	if (want_text(l, 1, &name) != 0 || want_u32(l, 2, &a.id) != 0 ||
	    want_u32(l, 3, &a.next_folder) != 0 ||
	    want_u32(l, 4, &a.last_validity) != 0 ||
	    want_number(l, 5, UINT64_MAX, &a.quota) != 0 ||
	    want_number(l, 6, UINT64_MAX, &a.bytes) != 0 ||
	    want_u32(l, 7, &a.messages) != 0 ||
	    time_parse_iso(l->f[8].p, l->f[8].len, &a.created) != 0 ||
	    want_text(l, 9, &a.verifier) != 0 ||
	    want_text(l, 10, &a.sms) != 0)
		return CM_EDATA;
	l->account = a.id;
	if (l->db == NULL)
		return 0;
	row_account_put(&l->row, &a);
	if ((rc = put(l, l->db->accounts, name)) != 0)
		return rc;
	return kv_put(l->db->names, l->txn, key_u32(key, a.id), name);
}

static int
load_folder(struct load *l)
{
	struct row_folder	 f = { 0 };
	char			 key[ROW_KEY_MAX];
	int			 rc;

	if (entry_parse(l->f[1].p, l->f[1].len, &l->text[0], &l->text[1],
	    NULL) != 0 || l->text[1].len > FOLDER_MAX ||
	    want_u32(l, 2, &f.id) != 0 || want_u32(l, 3, &f.validity) != 0 ||
	    want_u32(l, 4, &f.uidnext) != 0 ||
	    want_number(l, 5, UINT64_MAX, &f.modseq) != 0 ||
	    want_u32(l, 6, &f.messages) != 0 ||
	    want_u32(l, 7, &f.unseen) != 0 ||
	    want_number(l, 8, UINT64_MAX, &f.bytes) != 0 ||
	    (l->nf > 9 && want_u32(l, 9, &f.use) != 0))
		return CM_EDATA;
	l->folder = f.id;
	if (l->db == NULL)
		return 0;
	/* what went before is not in the dump */
	if ((rc = vanished_begin(l->db, l->txn, l->account, f.id,
	    f.modseq)) != 0)
		return rc;
	row_folder_put(&l->row, &f);
	return put(l, l->db->folders, key_folder(key, l->account,
	    l->text[1].p, l->text[1].len));
}

static int
load_subscribed(struct load *l)
{
	char	 key[ROW_KEY_MAX];

	if (entry_parse(l->f[1].p, l->f[1].len, &l->text[0], &l->text[1],
	    NULL) != 0 || l->text[1].len > FOLDER_MAX)
		return CM_EDATA;
	return l->db == NULL ? 0 : kv_put(l->db->subscribed, l->txn,
	    key_folder(key, l->account, l->text[1].p, l->text[1].len),
	    (struct span){ "1", 1 });
}

/* The last field of some lines: of copies. */
static int
want_saved(struct load *l, size_t i, int64_t *ms)
{
	return l->nf <= i ? 0 :
	    time_parse_iso(l->f[i].p, l->f[i].len, ms);
}

static int
load_message(struct load *l)
{
	struct row_message	 m = { .flags = 0 };
	struct row_ref		 ref = { l->account, l->folder, 0 };
	struct span		 flags;
	char			 key[12];

	if (entry_parse(l->f[1].p, l->f[1].len, &l->text[0], &l->text[1],
	    &ref.uid) != 0 ||
	    ulid_parse(l->f[2].p, l->f[2].len, &m.id) != 0 ||
	    place_parse(l->f[3].p, l->f[3].len, &m.place) != 0 ||
	    want_u32(l, 4, &m.size) != 0 ||
	    time_parse_iso(l->f[5].p, l->f[5].len, &m.time_ms) != 0 ||
	    want_number(l, 6, UINT64_MAX, &m.modseq) != 0 ||
	    want_text(l, 7, &flags) != 0 ||
	    flags_parse(flags.p, flags.len, &m.flags, &l->text[0]) != 0 ||
	    want_saved(l, 8, &m.saved_ms) != 0)
		return CM_EDATA;
	m.keywords = (struct span){ l->text[0].len ? l->text[0].p : "",
	    l->text[0].len };
	if (l->db == NULL)
		return 0;
	row_message_put(&l->row, &m);
	return put(l, l->db->messages, key_message(key, &ref));
}

static int
load_deleted(struct load *l)
{
	struct span	 k;

	if (want_text(l, 1, &k) != 0)
		return CM_EDATA;
	return l->db == NULL ? 0 : kv_put(l->db->deleted, l->txn, k,
	    (struct span){ "1", 1 });
}

static int
load_alias(struct load *l)
{
	struct span	 k, v;

	if (want_text(l, 1, &k) != 0 || want_text(l, 2, &v) != 0)
		return CM_EDATA;
	return l->db == NULL ? 0 : kv_put(l->db->aliases, l->txn, k, v);
}

/* account.folder.uid,… */
static int
parse_refs(struct span s, struct buf *out, uint32_t *n)
{
	struct span	 ref, part;
	uint64_t	 v[3];
	struct row_ref	 r;

	*n = 0;
	buf_reset(out);
	if (span_is(s, "-"))
		return 0;
	while (str_field(&s, ',', &ref)) {
		for (int i = 0; i < 3; i++)
			if (!str_field(&ref, '.', &part) ||
			    str_u64(part.p, part.len, UINT32_MAX, &v[i]) != 0)
				return CM_EDATA;
		if (ref.p != NULL)
			return CM_EDATA;
		r = (struct row_ref){ (uint32_t)v[0], (uint32_t)v[1],
		    (uint32_t)v[2] };
		row_ref_add(out, &r);
		++*n;
	}
	return out->err;
}

/* Is there such a mailbox?  Accounts come before records. */
static int
has_account(struct load *l, uint32_t id, bool *has)
{
	char	 key[4];
	int	 rc = 0;

	*has = id == l->account;
	if (*has)
		return 0;
	rc = kv_get(l->db->names, l->txn, key_u32(key, id), &l->row);
	if (rc == 0) {
		*has = true;
		l->account = id;	/* the next one is often the same */
	}
	return rc == CM_ENOINPUT ? 0 : rc;
}

/* A mailbox that was being deleted is not in the dump. */
static int
drop_refs(struct load *l, struct buf *refs, uint32_t *n)
{
	struct row_ref	 ref;
	uint32_t	 kept = 0;
	bool		 has;
	int		 rc;

	for (uint32_t i = 0; i < *n; i++) {
		row_ref_get((struct span){ refs->p, refs->len }, i, &ref);
		if ((rc = has_account(l, ref.account, &has)) != 0)
			return rc;
		if (has)
			key_message(refs->p + (size_t)kept++ * REF_SIZE, &ref);
	}
	*n = kept;
	refs->len = (size_t)kept * REF_SIZE;
	return 0;
}

static int
load_record(struct load *l)
{
	struct row_record	 r = { .nrefs = 0 };
	struct ulid		 id;
	int			 rc;

	if (ulid_parse(l->f[1].p, l->f[1].len, &id) != 0 ||
	    place_parse(l->f[2].p, l->f[2].len, &r.place) != 0 ||
	    want_u32(l, 3, &r.size) != 0 ||
	    time_parse_iso(l->f[4].p, l->f[4].len, &r.time_ms) != 0 ||
	    parse_refs(l->f[5], &l->text[5], &r.nrefs) != 0 ||
	    want_text(l, 6, &r.envelope) != 0 ||
	    want_text(l, 7, &r.body) != 0)
		return CM_EDATA;
	if (l->db == NULL)
		return 0;
	if ((rc = drop_refs(l, &l->text[5], &r.nrefs)) != 0)
		return rc;
	r.refs = (struct span){ l->text[5].len ? l->text[5].p : "",
	    l->text[5].len };
	row_record_put(&l->row, &r);
	return put(l, l->db->records,
	    (struct span){ (const char *)id.b, sizeof(id.b) });
}

static int
load_cursor(struct load *l)
{
	struct place	 p;

	if (place_parse(l->f[1].p, l->f[1].len, &p) != 0)
		return CM_EDATA;
	return l->db == NULL ? 0 : catdb_set_cursor(l->db, l->txn, p.volume,
	    p.segment, p.length);
}

static int
load_gap(struct load *l)
{
	struct place	 p;
	char		 key[ROW_KEY_MAX], val[4];

	if (place_parse(l->f[1].p, l->f[1].len, &p) != 0)
		return CM_EDATA;
	return l->db == NULL ? 0 : kv_put(l->db->gaps, l->txn,
	    key_gap(key, p.volume, p.segment, p.offset),
	    key_u32(val, p.length));
}

static int
load_expected(struct load *l)
{
	struct row_expected	 r = { .what = EXPECT_NEW };
	struct ulid		 id;
	struct span		 flags;

	if (ulid_parse(l->f[1].p, l->f[1].len, &id) != 0 ||
	    entry_parse(l->f[2].p, l->f[2].len, &l->text[1], &l->text[2],
	    NULL) != 0 || l->text[2].len > FOLDER_MAX ||
	    want_u32(l, 3, &r.account) != 0 || want_u32(l, 4, &r.uid) != 0 ||
	    want_number(l, 5, UINT64_MAX, &r.modseq) != 0 ||
	    want_text(l, 7, &flags) != 0 ||
	    flags_parse(flags.p, flags.len, &r.flags, &l->text[0]) != 0 ||
	    (l->nf > 8 && want_u32(l, 8, &r.folder) != 0))
		return CM_EDATA;
	if (span_is(l->f[6], "flags"))
		r.what = EXPECT_FLAGS;
	else if (span_is(l->f[6], "gone"))
		r.what = EXPECT_GONE;
	else if (!span_is(l->f[6], "new"))
		return CM_EDATA;
	r.keywords = (struct span){ l->text[0].len ? l->text[0].p : "",
	    l->text[0].len };
	return l->db == NULL ? 0 : expect_put(l->db, l->txn, &id,
	    l->text[1].p, l->text[2].p, &r);
}

static int
load_copy(struct load *l)
{
	struct row_expected	 r = { .what = EXPECT_COPY };
	struct expect_copy	 c;
	struct ulid		 id;
	struct span		 flags;

	if (ulid_parse(l->f[1].p, l->f[1].len, &id) != 0 ||
	    entry_parse(l->f[2].p, l->f[2].len, &l->text[1], &l->text[2],
	    &c.uid) != 0 || l->text[2].len > FOLDER_MAX ||
	    want_u32(l, 3, &c.validity) != 0 ||
	    want_u32(l, 4, &r.account) != 0 || want_u32(l, 5, &r.uid) != 0 ||
	    want_number(l, 6, UINT64_MAX, &r.modseq) != 0 ||
	    want_text(l, 7, &flags) != 0 ||
	    flags_parse(flags.p, flags.len, &r.flags, &l->text[0]) != 0 ||
	    want_u32(l, 8, &r.folder) != 0 ||
	    want_saved(l, 9, &r.saved_ms) != 0)
		return CM_EDATA;
	r.keywords = (struct span){ l->text[0].len ? l->text[0].p : "",
	    l->text[0].len };
	return l->db == NULL ? 0 : expect_put_copy(l->db, l->txn, &id,
	    l->text[1].p, l->text[2].p, &c, &r);
}

static int
load_end(struct load *l)
{
	uint64_t	 n;

	if (want_number(l, 1, UINT64_MAX, &n) != 0 || n != l->lines)
		return CM_EDATA;
	l->ended = true;
	return 0;
}

static const struct {
	const char	*word;
	size_t		 fields, more;	/* more: not in older dumps */
	int		(*fn)(struct load *);
} kinds[] = {
	{ "meta", 3, 0, load_meta },
	{ "account", 11, 0, load_account },
	{ "folder", 9, 1, load_folder },
	{ "subscribed", 2, 0, load_subscribed },
	{ "message", 8, 1, load_message },
	{ "alias", 3, 0, load_alias },
	{ "deleted", 2, 0, load_deleted },
	{ "expected", 8, 1, load_expected },
	{ "copy", 9, 1, load_copy },
	{ "record", 8, 0, load_record },
	{ "cursor", 2, 0, load_cursor },
	{ "gap", 2, 0, load_gap },
	{ "end", 2, 0, load_end },
};

static int
load_line(struct load *l, struct span line)
{
	if (l->ended)
		return CM_EDATA;
	if (l->lines == 0)
		return span_is(line, MAGIC) ? 0 : CM_EDATA;
	l->nf = 0;
	while (l->nf < 12 && str_field(&line, '\t', &l->f[l->nf]))
		l->nf++;
	if (line.p != NULL)
		return CM_EDATA;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (span_is(l->f[0], kinds[i].word))
			return l->nf >= kinds[i].fields && l->nf <=
			    kinds[i].fields + kinds[i].more ?
			    kinds[i].fn(l) : CM_EDATA;
	return CM_EDATA;
}

static int
load_lines(const struct log *log, struct load *l, int fd, const char *name)
{
	struct stream	 s;
	struct span	 line;
	int		 rc = 0, in;

	if (lseek(fd, 0, SEEK_SET) == -1 || (in = dup(fd)) == -1)
		return log_errno(log, "%s", name);
	stream_init(&s, in, CATDUMP_LINE_MAX, -1);
	while (rc == 0 && (rc = stream_line(&s, &line)) == 0) {
		rc = load_line(l, line);
		if (rc == 0 && l->db != NULL && l->lines % LOAD_STEP == 0) {
			if ((rc = kv_commit(l->txn)) == 0)
				rc = kv_begin(l->db->env, &l->txn);
			else
				l->txn = NULL;
		}
		l->lines++;
	}
	stream_close(&s);
	if (rc == CM_EEND)
		rc = l->ended ? 0 : CM_EDATA;
	if (rc != 0)
		log_fail(log, rc, "%s:%llu: %s", name,
		    (unsigned long long)(l->lines ? l->lines : 1),
		    l->ended ? "lines behind the end" :
		    "not a line of a whole catalog dump");
	return rc;
}

/* "meta TAB NAME TAB NUMBER" */
static void
take_point(struct span line, struct catdb_point *p)
{
	struct span	 name;
	uint64_t	*to;

	line.p += 5;
	line.len -= 5;
	if (!str_field(&line, '\t', &name) || line.p == NULL)
		return;
	to = span_is(name, "catalog") ? &p->catalog :
	    span_is(name, "batch") ? &p->batch : NULL;
	if (to != NULL && str_u64(line.p, line.len, UINT64_MAX, to) != 0)
		*to = 0;
}

int
catdump_point(const struct log *log, int fd, struct catdb_point *p)
{
	struct stream	 s;
	struct span	 line;
	int		 rc, in;

	memset(p, 0, sizeof(*p));
	if (lseek(fd, 0, SEEK_SET) == -1 || (in = dup(fd)) == -1)
		return log_errno(log, "dump");
	stream_init(&s, in, CATDUMP_LINE_MAX, -1);
	if ((rc = stream_line(&s, &line)) == 0)
		while ((rc = stream_line(&s, &line)) == 0 && line.len > 5 &&
		    memcmp(line.p, "meta\t", 5) == 0)
			take_point(line, p);
	stream_close(&s);
	return rc;
}

static void
load_init(struct load *l, struct catdb *db)
{
	memset(l, 0, sizeof(*l));
	l->db = db;
	buf_init(&l->row, ROW_MAX);
	for (int i = 0; i < 12; i++)
		buf_init(&l->text[i], CATDUMP_LINE_MAX);
}

static void
load_free(struct load *l)
{
	buf_free(&l->row);
	for (int i = 0; i < 12; i++)
		buf_free(&l->text[i]);
}

int
catdump_check(const struct log *log, int fd, const char *name)
{
	struct load	 l;
	int		 rc;

	load_init(&l, NULL);
	rc = load_lines(log, &l, fd, name);
	load_free(&l);
	return rc;
}

/* One transaction that sets the state. */
static int
change_state(struct catdb *db, enum catdb_state state, catdump_fn fn,
    void *arg)
{
	struct kv_txn	*x;
	int		 rc;

	if ((rc = kv_begin(db->env, &x)) != 0)
		return rc;
	if (fn != NULL)
		rc = fn(db, x, arg);
	if (rc == 0)
		rc = catdb_set_state(db, x, state);
	if (rc != 0) {
		kv_abort(x);
		return rc;
	}
	return kv_commit(x);
}

static int
clear(struct catdb *db, struct kv_txn *x, void *arg)
{
	(void)arg;
	return catdb_clear(db, x);
}

int
catdump_load(struct catdb *db, int fd, const char *name,
    enum catdb_state final, catdump_fn last, void *arg)
{
	struct load	 l;
	int		 rc;

	if ((rc = catdump_check(db->log, fd, name)) != 0 ||
	    (rc = change_state(db, CATDB_LOADING, clear, NULL)) != 0)
		return rc;
	load_init(&l, db);
	if ((rc = kv_begin(db->env, &l.txn)) == 0) {
		rc = load_lines(db->log, &l, fd, name);
		if (rc == 0)
			rc = kv_commit(l.txn);
		else
			kv_abort(l.txn);
	}
	load_free(&l);
	return rc == 0 ? change_state(db, final, last, arg) : rc;
}
