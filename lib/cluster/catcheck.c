#include "cluster/catcheck.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/progress.h"
#include "cluster/catcheck_int.h"
#include "cluster/cancel.h"
#include "cluster/reader.h"
#include "cluster/reconcile.h"
#include "cluster/segment.h"
#include "cluster/volume.h"
#include "format/receipt.h"

#define BOX_MAX		(1u << 20)	/* bytes, of what is wrong */

/* A record as the catalog knows it. */
struct known {
	struct ulid	 id;
	uint32_t	 volume;	/* index; UINT32_MAX none */
	uint32_t	 segment, offset, length;
	uint32_t	 refs;		/* as its row says */
	uint32_t	 entries;	/* as the messages' rows say */
	bool		 seen;
};

struct cursor {
	uint32_t	 volume, segment, end;
};

struct check {
	const struct log *log;
	const struct conf *conf;
	struct stream	 out;
	uint64_t	 wrong;
	struct known	*known;
	struct ulid	*ids;		/* of known, sorted */
	size_t		 n, cap;
	struct cursor	*cursors;
	size_t		 ncursors, ccap;
	struct vol_end	*before;	/* what of each volume counted then */
	struct cancels	 cancels;	/* of the volume being scanned */
	/* messages are held until the records were read */
	struct known	*msgs;
	char		**names;
	size_t		 nmsgs, mcap;
	/* the folder whose messages are being read */
	char		*folder;
	uint32_t	 messages, count, uidnext;
	struct check_box box;		/* the mailbox */
	/* the segment being scanned */
	uint32_t	 volume, segment, indexed;
	struct progress	 progress;
	struct reader	*reader;
	bool		 away;		/* some places could not be asked */
};

__attribute__((format(printf, 2, 3)))
static void
wrong(struct check *c, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	buf_vaddf(&c->out.out, fmt, ap);
	va_end(ap);
	buf_addc(&c->out.out, '\n');
	c->wrong++;
	if (stream_flush(&c->out, 65536) != 0)
		c->out.out.err = CM_EIO;
}

static void *
grow(void *p, size_t n, size_t *cap, size_t size)
{
	void	*q;
	size_t	 more = *cap ? *cap * 2 : 1024;

	if (n < *cap)
		return p;
	if ((q = reallocarray(p, more, size)) != NULL)
		*cap = more;
	return q;
}

static uint32_t
volume_number(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->nvolumes; i++)
		if (strcmp(conf->volumes[i].name, name) == 0)
			return (uint32_t)i;
	return UINT32_MAX;
}

static const char *
volume_name(const struct check *c, uint32_t n)
{
	return n == UINT32_MAX ? "?" : c->conf->volumes[n].name;
}

static int
fill_known(struct check *c, struct span id, struct span place,
    struct known *k)
{
	struct place	 p;

	memset(k, 0, sizeof(*k));
	if (ulid_parse(id.p, id.len, &k->id) != 0 ||
	    place_parse(place.p, place.len, &p) != 0)
		return CM_EPROTO;
	k->volume = volume_number(c->conf, p.volume);
	k->segment = p.segment;
	k->offset = p.offset;
	k->length = p.length;
	return 0;
}

/* The last folder's message count against its row. */
static void
end_folder(struct check *c)
{
	if (c->folder != NULL && c->count != c->messages)
		wrong(c, "%s: %u messages, but its row says %u", c->folder,
		    c->count, c->messages);
	free(c->folder);
	c->folder = NULL;
}

static int
on_folder(struct check *c, struct span f[])
{
	uint64_t	 n;

	end_folder(c);
	if ((c->folder = strndup(f[1].p, f[1].len)) == NULL)
		return CM_ENOMEM;
	if (str_u64(f[6].p, f[6].len, UINT32_MAX, &n) != 0)
		return CM_EPROTO;
	c->messages = (uint32_t)n;
	if (str_u64(f[4].p, f[4].len, UINT32_MAX, &n) != 0)
		return CM_EPROTO;
	c->uidnext = (uint32_t)n;
	c->count = 0;
	return 0;
}

static int
on_message(struct check *c, struct span f[])
{
	void		*p, *q;
	const char	*uid;
	uint64_t	 n;
	size_t		 cap = c->mcap;

	if ((p = grow(c->msgs, c->nmsgs, &cap, sizeof(*c->msgs))) == NULL)
		return CM_ENOMEM;
	c->msgs = p;
	if ((q = grow(c->names, c->nmsgs, &c->mcap,
	    sizeof(*c->names))) == NULL)
		return CM_ENOMEM;
	c->names = q;
	if ((c->names[c->nmsgs] = strndup(f[1].p, f[1].len)) == NULL)
		return CM_ENOMEM;
	c->count++;
	uid = c->names[c->nmsgs];
	uid = strrchr(uid, '/') != NULL ? strrchr(uid, '/') + 1 : "";
	if (str_u64(uid, strlen(uid), UINT32_MAX, &n) != 0)
		return CM_EPROTO;
	if (n >= c->uidnext)
		wrong(c, "%s: its folder's next UID is %u",
		    c->names[c->nmsgs], c->uidnext);
	return fill_known(c, f[2], f[3], &c->msgs[c->nmsgs++]);
}

static int
on_record(struct check *c, struct span f[])
{
	struct known	*k;
	void		*p;

	if ((p = grow(c->known, c->n, &c->cap, sizeof(*k))) == NULL)
		return CM_ENOMEM;
	c->known = p;
	k = &c->known[c->n++];
	if (fill_known(c, f[1], f[2], k) != 0)
		return CM_EPROTO;
	if (!span_is(f[5], "-")) {
		k->refs = 1;
		for (size_t i = 0; i < f[5].len; i++)
			k->refs += f[5].p[i] == ',';
	}
	return 0;
}

static int
on_cursor(struct check *c, struct span f[])
{
	struct place	 p;
	void		*q;

	if (place_parse(f[1].p, f[1].len, &p) != 0)
		return CM_EPROTO;
	if ((q = grow(c->cursors, c->ncursors, &c->ccap,
	    sizeof(*c->cursors))) == NULL)
		return CM_ENOMEM;
	c->cursors = q;
	c->cursors[c->ncursors++] = (struct cursor){
	    volume_number(c->conf, p.volume), p.segment, p.length };
	return 0;
}

static int
on_gap(struct check *c, struct span f[])
{
	wrong(c, "%.*s: could not be read when it was to be indexed",
	    (int)f[1].len, f[1].p);
	return 0;
}

static const struct {
	const char	*word;
	size_t		 fields;	/* looked at, the word counted */
	int		(*fn)(struct check *, struct span[]);
} kinds[] = {
	{ "folder", 9, on_folder },
	{ "message", 4, on_message },
	{ "record", 6, on_record },
	{ "cursor", 2, on_cursor },
	{ "gap", 2, on_gap },
};

/* What was wrong with mailboxes and folders so far. */
static void
take_wrong(struct check *c)
{
	struct buf	*b = &c->box.wrong;
	struct span	 rest = { b->p, b->len }, l;

	while (rest.len > 0 && str_field(&rest, '\n', &l))
		if (l.len > 0)
			wrong(c, "%.*s", (int)l.len, l.p);
	buf_reset(b);
}

static int
on_line(void *arg, struct span line)
{
	struct check	*c = arg;
	struct span	 f[10];
	size_t		 n = 0;
	int		 rc;

	while (n < 10 && str_field(&line, '\t', &f[n]))
		n++;
	if ((rc = check_box_line(&c->box, f, n)) != 0)
		return rc;
	take_wrong(c);
	for (size_t i = 0; n > 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (span_is(f[0], kinds[i].word))
			return n < kinds[i].fields ? CM_EPROTO :
			    kinds[i].fn(c, f);
	return 0;
}

static int
by_id(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return memcmp(x->id.b, y->id.b, sizeof(x->id.b));
}

static int
by_place(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->volume != y->volume)
		return x->volume < y->volume ? -1 : 1;
	if (x->segment != y->segment)
		return x->segment < y->segment ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Every message's row against its record's row; dumps come sorted by id. */
static void
match_messages(struct check *c)
{
	struct known	*k;

	for (size_t i = 0; i < c->nmsgs; i++) {
		struct known *m = &c->msgs[i];

		k = c->n ? bsearch(m, c->known, c->n, sizeof(*k), by_id) : NULL;
		if (k == NULL) {
			wrong(c, "%s: its record is not in the catalog",
			    c->names[i]);
			continue;
		}
		k->entries++;
		if (by_place(m, k) != 0 || m->length != k->length)
			wrong(c, "%s: its place is not its record's",
			    c->names[i]);
	}
	for (size_t i = 0; i < c->n; i++) {
		char	 id[ULID_LEN + 1];

		k = &c->known[i];
		ulid_text(&k->id, id);
		if (k->refs != k->entries)
			wrong(c, "%s: %u entries, but its row says %u", id,
			    k->entries, k->refs);
	}
}

static int
by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ulid));
}

/* The dump gives records by id; the segments are scanned by place. */
static int
sort_known(struct check *c)
{
	if (c->n == 0)
		return 0;
	if ((c->ids = calloc(c->n, sizeof(*c->ids))) == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < c->n; i++)
		c->ids[i] = c->known[i].id;
	qsort(c->known, c->n, sizeof(*c->known), by_place);
	return 0;
}

static int
on_item(void *arg, const struct seg_item *it)
{
	struct check		*c = arg;
	struct known		 key = { .volume = c->volume,
				    .segment = c->segment,
				    .offset = it->offset };
	struct known		*k;
	struct record_env	 e;
	char			 id[ULID_LEN + 1];
	const char		*vol = volume_name(c, c->volume);
	struct vol_end		 end = { c->segment,
				    it->offset + it->length };

	progress_add(&c->progress, it->length);
	k = c->n ? bsearch(&key, c->known, c->n, sizeof(*k), by_place) : NULL;
	if (k != NULL)
		k->seen = true;
	if (it->what != SEG_RECORD ||
	    record_env_parse(it->env, it->head.env_len, &e) != 0) {
		wrong(c, "%s:%08u:%u:%u: damaged (cm-rebuild check -r)", vol,
		    c->segment, it->offset, it->length);
		return 0;
	}
	ulid_text(&e.id, id);
	if (k == NULL) {
		/* stored twice under one id: the first counts, by design */
		if (c->n > 0 && bsearch(&e.id, c->ids, c->n, sizeof(*c->ids),
		    by_bytes) != NULL)
			return 0;
		if (e.cancel.p != NULL ||
		    cancels_has(&c->cancels, c->segment, it->offset))
			return 0;
		/* stored while the dump was made, or still waiting for its
		 * copies: no fault */
		if (vol_end_before(c->before[c->volume], end))
			return 0;
		wrong(c, "%s:%08u:%u:%u: %s is not in the catalog%s", vol,
		    c->segment, it->offset, it->length, id,
		    it->offset < c->indexed ? "" : " yet");
	} else if (memcmp(k->id.b, e.id.b, 16) != 0) {
		wrong(c, "%s:%08u:%u:%u: holds %s, not what the catalog says",
		    vol, c->segment, it->offset, it->length, id);
	} else if (k->length != it->length) {
		wrong(c, "%s:%08u:%u:%u: the catalog says length %u", vol,
		    c->segment, it->offset, it->length, k->length);
	}
	return 0;
}

static int
scan_segment(struct check *c, const struct volume *v, uint32_t segment,
    uint32_t size)
{
	struct seg_scan	 s = { .salt = vol_meta(v)->salt,
			    .segment = segment, .to = size, .messages = true,
			    .fn = on_item, .arg = c };
	int		 rc;

	c->segment = segment;
	c->indexed = 0;
	for (size_t i = 0; i < c->ncursors; i++)
		if (c->cursors[i].volume == c->volume &&
		    c->cursors[i].segment == segment)
			c->indexed = c->cursors[i].end;
	if (c->indexed > size)
		wrong(c, "%s:%08u: ends at %u, but was indexed up to %u",
		    vol_name(v), segment, size, c->indexed);
	rc = seg_open(c->log, vol_dir(v), segment, O_RDONLY, &s.fd);
	if (rc != 0)
		return log_fail(c->log, rc, "%s:%08u", vol_name(v), segment);
	rc = seg_scan(c->log, &s);
	close(s.fd);
	return rc;
}

/* A record of a volume whose home is elsewhere, by whichever copy is good. */
static int
check_elsewhere(struct check *c, struct known *k)
{
	struct reader_record	 r;
	struct place		 p = { .segment = k->segment,
				    .offset = k->offset, .length = k->length };
	int			 rc;

	if ((rc = str_copy(p.volume, sizeof(p.volume),
	    volume_name(c, k->volume))) != 0)
		return rc;
	rc = reader_get(c->reader, &p, &k->id, &r);
	progress_add(&c->progress, k->length);
	k->seen = true;
	if (rc == CM_ENOMEM)
		return rc;
	if (rc == CM_EAWAY)
		c->away = true;
	else if (rc == CM_ENOINPUT)
		k->seen = false;
	else if (rc != 0)
		wrong(c, "%s:%08u:%u:%u: no good copy (cm-rebuild check -r)",
		    p.volume, p.segment, p.offset, p.length);
	return 0;
}

/* What the catalog knows of it can be looked at, but not what it lacks. */
static int
read_volume(struct check *c, uint32_t number)
{
	int	 rc = 0;

	for (size_t i = 0; i < c->n && rc == 0; i++)
		if (c->known[i].volume == number)
			rc = check_elsewhere(c, &c->known[i]);
	return rc;
}

static int
scan_volume(struct check *c, uint32_t number)
{
	const struct conf_volume *cv = &c->conf->volumes[number];
	struct volume	*v;
	struct vol_end	 end;
	uint32_t	*list = NULL, size;
	size_t		 n = 0;
	int		 rc;

	if (!conf_is_home(c->conf, cv))
		return read_volume(c, number);
	if ((rc = vol_open(c->log, c->conf, cv, &v)) != 0) {
		wrong(c, "%s: its home cannot be opened", cv->name);
		return 0;
	}
	c->volume = number;
	end = vol_synced(v);
	if ((rc = cancels_cover(c->log, vol_dir(v), vol_meta(v)->salt,
	    &c->cancels, (struct vol_end){ 1, 0 }, end)) != 0 ||
	    (rc = seg_list(c->log, vol_dir(v), &list, &n)) != 0)
		goto out;
	for (size_t i = 0; i < n && rc == 0; i++)
		if (list[i] <= end.segment &&
		    (rc = home_size(c->log, vol_dir(v), end, list[i],
		    &size)) == 0 && size > 0)
			rc = scan_segment(c, v, list[i], size);
out:
	free(list);
	cancels_free(&c->cancels);
	vol_close(v);
	return rc;
}

/* What counts in a volume by now must be in the dump that follows. */
static int
note_ends(struct check *c)
{
	struct volume	*v;

	if ((c->before = calloc(c->conf->nvolumes + 1,
	    sizeof(*c->before))) == NULL)
		return log_fail(c->log, CM_ENOMEM, "check");
	for (size_t i = 0; i < c->conf->nvolumes; i++) {
		if (!conf_is_home(c->conf, &c->conf->volumes[i]) ||
		    vol_open(c->log, c->conf, &c->conf->volumes[i], &v) != 0)
			continue;
		c->before[i] = vol_counted(v);
		vol_close(v);
	}
	return 0;
}

static void
report_unseen(struct check *c)
{
	char	 id[ULID_LEN + 1];

	for (size_t i = 0; i < c->n; i++) {
		struct known *k = &c->known[i];

		if (k->seen)
			continue;
		ulid_text(&k->id, id);
		wrong(c, "%s:%08u:%u:%u: %s is in the catalog, but there is "
		    "no record", volume_name(c, k->volume), k->segment,
		    k->offset, k->length, id);
	}
}

static void
check_free(struct check *c)
{
	for (size_t i = 0; i < c->nmsgs; i++)
		free(c->names[i]);
	free(c->names);
	free(c->msgs);
	free(c->known);
	free(c->ids);
	free(c->cursors);
	free(c->before);
	free(c->folder);
	check_box_free(&c->box);
	reader_close(c->reader);
	buf_free(&c->out.out);
	buf_free(&c->out.in);
}

int
catcheck(const struct log *log, const struct conf *conf, struct catalog *cat,
    int out)
{
	const char	*words[] = { "dump", "look", NULL };
	struct check	 c = { .log = log, .conf = conf };
	int		 rc;

	stream_init(&c.out, out, 0, -1);
	buf_init(&c.box.wrong, BOX_MAX);
	if ((rc = reader_open(log, conf, &c.reader)) == 0 &&
	    (rc = note_ends(&c)) == 0)
		rc = catalog_call(cat, words, -1, -1, on_line, &c);
	if (rc == CM_EAGAIN) {
		/* a volume cannot be read: say what there is to say */
		words[1] = "now";
		rc = catalog_call(cat, words, -1, -1, on_line, &c);
	}
	if (rc != 0)
		goto out;
	end_folder(&c);
	check_box_end(&c.box);
	take_wrong(&c);
	match_messages(&c);
	if ((rc = sort_known(&c)) != 0)
		goto out;
	progress_start(&c.progress, "checking", 0, true);
	for (uint32_t i = 0; i < conf->nvolumes && rc == 0; i++)
		rc = scan_volume(&c, i);
	progress_end(&c.progress);
	report_unseen(&c);
	if (rc == 0)
		rc = stream_flush(&c.out, 1);
	if (rc == 0 && c.wrong > 0)
		rc = CM_ECORRUPT;
	else if (rc == 0 && c.away)
		rc = log_fail(log, CM_EAWAY, "not all records could be looked "
		    "at");
out:
	check_free(&c);
	return rc;
}
