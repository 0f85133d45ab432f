#include "cluster/rows.h"

#include <string.h>

#define VERSION	1
#define VERSION_MORE 2
#define VERSION_SAVED 3
#define REF	12
#define KEYWORDS_MAX 4096

static void
set_u32(char *p, uint32_t v)
{
	p[0] = (char)(v >> 24);
	p[1] = (char)(v >> 16);
	p[2] = (char)(v >> 8);
	p[3] = (char)v;
}

uint32_t
get_u32(const char *c)
{
	const unsigned char *p = (const unsigned char *)c;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

struct span
key_u32(char out[4], uint32_t v)
{
	set_u32(out, v);
	return (struct span){ out, 4 };
}

struct span
key_folder(char out[ROW_KEY_MAX], uint32_t account, const char *name,
    size_t len)
{
	if (len > FOLDER_MAX)
		len = FOLDER_MAX;
	set_u32(out, account);
	memcpy(out + 4, name, len);
	return (struct span){ out, 4 + len };
}

struct span
key_message(char out[12], const struct row_ref *r)
{
	set_u32(out, r->account);
	set_u32(out + 4, r->folder);
	set_u32(out + 8, r->uid);
	return (struct span){ out, 12 };
}

int
key_message_parse(struct span k, struct row_ref *r)
{
	if (k.len != 12)
		return CM_ECORRUPT;
	r->account = get_u32(k.p);
	r->folder = get_u32(k.p + 4);
	r->uid = get_u32(k.p + 8);
	return 0;
}

struct span
key_cursor(char out[ROW_KEY_MAX], const char *volume, uint32_t segment)
{
	size_t	 n = strlen(volume);

	memcpy(out, volume, n + 1);
	set_u32(out + n + 1, segment);
	return (struct span){ out, n + 5 };
}

struct span
key_gap(char out[ROW_KEY_MAX], const char *volume, uint32_t segment,
    uint32_t offset)
{
	struct span k = key_cursor(out, volume, segment);

	set_u32(out + k.len, offset);
	k.len += 4;
	return k;
}

int
key_cursor_parse(struct span k, char volume[64], uint32_t *segment,
    uint32_t *offset)
{
	const char	*nul = memchr(k.p, '\0', k.len);
	size_t		 n;

	if (nul == NULL)
		return CM_ECORRUPT;
	n = (size_t)(nul - k.p);
	if (n > PLACE_VOLUME_MAX || k.len != n + (offset ? 9 : 5))
		return CM_ECORRUPT;
	memcpy(volume, k.p, n + 1);
	*segment = get_u32(nul + 1);
	if (offset != NULL)
		*offset = get_u32(nul + 5);
	return 0;
}

static void
put32(struct buf *b, uint32_t v)
{
	char	 c[4];

	set_u32(c, v);
	buf_add(b, c, 4);
}

static void
put64(struct buf *b, uint64_t v)
{
	put32(b, (uint32_t)(v >> 32));
	put32(b, (uint32_t)v);
}

static void
put_span(struct buf *b, struct span s)
{
	put32(b, (uint32_t)s.len);
	buf_add(b, s.p, s.len);
}

static void
put_place(struct buf *b, const struct place *p)
{
	put_span(b, (struct span){ p->volume, strlen(p->volume) });
	put32(b, p->segment);
	put32(b, p->offset);
	put32(b, p->length);
}

/* Taking apart: the first failure empties the rest and stays. */
struct in {
	struct span	 s;
	bool		 bad;
};

static uint32_t
take32(struct in *in)
{
	uint32_t v;

	if (in->s.len < 4) {
		in->bad = true;
		in->s.len = 0;
		return 0;
	}
	v = get_u32(in->s.p);
	in->s.p += 4;
	in->s.len -= 4;
	return v;
}

static uint64_t
take64(struct in *in)
{
	uint64_t hi = take32(in);

	return hi << 32 | take32(in);
}

static struct span
take_bytes(struct in *in, size_t n)
{
	struct span	 s = { in->s.p, n };

	if (n > in->s.len) {
		in->bad = true;
		in->s.len = 0;
		return (struct span){ "", 0 };
	}
	in->s.p += n;
	in->s.len -= n;
	return s;
}

static struct span
take_span(struct in *in)
{
	return take_bytes(in, take32(in));
}

static void
take_place(struct in *in, struct place *p)
{
	struct span	 v = take_span(in);

	if (str_ncopy(p->volume, sizeof(p->volume), v.p, v.len) != 0)
		in->bad = true;
	p->segment = take32(in);
	p->offset = take32(in);
	p->length = take32(in);
}

static struct in
start(struct span s)
{
	struct in	 in = { s, false };

	if (take32(&in) != VERSION)
		in.bad = true;
	return in;
}

/* Of rows that have one more number, the last one, when that is not 0: so they
 * are what they were before there was one. */
static struct in
start_more(struct span s, bool *more)
{
	struct in	 in = { s, false };
	uint32_t	 v = take32(&in);

	*more = v == VERSION_MORE;
	if (v != VERSION && !*more)
		in.bad = true;
	return in;
}

static void
put_more(struct buf *b, uint32_t last)
{
	if (last != 0)
		put32(b, last);
}

static int
done(const struct in *in)
{
	return in->bad || in->s.len > 0 ? CM_ECORRUPT : 0;
}

int
row_account_put(struct buf *b, const struct row_account *r)
{
	buf_reset(b);
	put32(b, VERSION);
	put32(b, r->id);
	put32(b, r->next_folder);
	put32(b, r->last_validity);
	put64(b, r->quota);
	put64(b, r->bytes);
	put32(b, r->messages);
	put64(b, (uint64_t)r->created);
	put_span(b, r->verifier);
	put_span(b, r->sms);
	return b->err;
}

int
row_account_get(struct span s, struct row_account *r)
{
	struct in	 in = start(s);

	r->id = take32(&in);
	r->next_folder = take32(&in);
	r->last_validity = take32(&in);
	r->quota = take64(&in);
	r->bytes = take64(&in);
	r->messages = take32(&in);
	r->created = (int64_t)take64(&in);
	r->verifier = take_span(&in);
	r->sms = take_span(&in);
	return done(&in);
}

int
row_folder_put(struct buf *b, const struct row_folder *r)
{
	buf_reset(b);
	put32(b, r->use != 0 ? VERSION_MORE : VERSION);
	put32(b, r->id);
	put32(b, r->validity);
	put32(b, r->uidnext);
	put64(b, r->modseq);
	put32(b, r->messages);
	put32(b, r->unseen);
	put64(b, r->bytes);
	put32(b, r->leapt);
	put32(b, r->left_from);
	put32(b, r->left_to);
	put_more(b, r->use);
	return b->err;
}

int
row_folder_get(struct span s, struct row_folder *r)
{
	bool		 more;
	struct in	 in = start_more(s, &more);

	r->id = take32(&in);
	r->validity = take32(&in);
	r->uidnext = take32(&in);
	r->modseq = take64(&in);
	r->messages = take32(&in);
	r->unseen = take32(&in);
	r->bytes = take64(&in);
	r->leapt = take32(&in);
	r->left_from = take32(&in);
	r->left_to = take32(&in);
	r->use = more ? take32(&in) : 0;
	return done(&in);
}

int
row_message_put(struct buf *b, const struct row_message *r)
{
	buf_reset(b);
	put32(b, r->saved_ms != 0 ? VERSION_MORE : VERSION);
	buf_add(b, r->id.b, sizeof(r->id.b));
	put_place(b, &r->place);
	put32(b, r->size);
	put64(b, (uint64_t)r->time_ms);
	put64(b, r->modseq);
	put32(b, r->flags);
	put_span(b, r->keywords);
	if (r->saved_ms != 0)
		put64(b, (uint64_t)r->saved_ms);
	return b->err;
}

int
row_message_get(struct span s, struct row_message *r)
{
	bool		 more;
	struct in	 in = start_more(s, &more);
	struct span	 id = take_bytes(&in, sizeof(r->id.b));

	if (id.len == sizeof(r->id.b))
		memcpy(r->id.b, id.p, id.len);
	take_place(&in, &r->place);
	r->size = take32(&in);
	r->time_ms = (int64_t)take64(&in);
	r->modseq = take64(&in);
	r->flags = take32(&in);
	r->keywords = take_span(&in);
	r->saved_ms = more ? (int64_t)take64(&in) : 0;
	return done(&in);
}

int
row_expected_put(struct buf *b, const struct row_expected *r)
{
	buf_reset(b);
	put32(b, r->saved_ms != 0 ? VERSION_SAVED : r->folder != 0 ?
	    VERSION_MORE : VERSION);
	put32(b, r->account);
	put32(b, r->uid);
	put64(b, r->modseq);
	put32(b, r->what);
	put32(b, r->flags);
	put_span(b, r->keywords);
	if (r->saved_ms != 0) {
		put32(b, r->folder);
		put64(b, (uint64_t)r->saved_ms);
	} else {
		put_more(b, r->folder);
	}
	return b->err;
}

int
row_expected_get(struct span s, struct row_expected *r)
{
	struct in	 in = { s, false };
	uint32_t	 v = take32(&in);

	if (v < VERSION || v > VERSION_SAVED)
		in.bad = true;
	r->account = take32(&in);
	r->uid = take32(&in);
	r->modseq = take64(&in);
	r->what = take32(&in);
	r->flags = take32(&in);
	r->keywords = take_span(&in);
	r->folder = v >= VERSION_MORE ? take32(&in) : 0;
	r->saved_ms = v >= VERSION_SAVED ? (int64_t)take64(&in) : 0;
	return done(&in);
}

int
row_record_put(struct buf *b, const struct row_record *r)
{
	buf_reset(b);
	put32(b, VERSION);
	put_place(b, &r->place);
	put32(b, r->size);
	put64(b, (uint64_t)r->time_ms);
	put32(b, r->nrefs);
	buf_add(b, r->refs.p, r->refs.len);
	put_span(b, r->envelope);
	put_span(b, r->body);
	return b->err;
}

int
row_record_get(struct span s, struct row_record *r)
{
	struct in	 in = start(s);

	take_place(&in, &r->place);
	r->size = take32(&in);
	r->time_ms = (int64_t)take64(&in);
	r->nrefs = take32(&in);
	r->refs = take_bytes(&in, (size_t)r->nrefs * REF);
	r->envelope = take_span(&in);
	r->body = take_span(&in);
	return done(&in);
}

int
row_ref_add(struct buf *refs, const struct row_ref *r)
{
	char	 k[REF];

	key_message(k, r);
	return buf_add(refs, k, REF);
}

void
row_ref_get(struct span refs, uint32_t i, struct row_ref *r)
{
	r->account = get_u32(refs.p + (size_t)i * REF);
	r->folder = get_u32(refs.p + (size_t)i * REF + 4);
	r->uid = get_u32(refs.p + (size_t)i * REF + 8);
}

static const struct {
	uint32_t	 bit;
	const char	*name;
} names[] = {
	{ FLAG_ANSWERED, "\\Answered" },
	{ FLAG_DELETED, "\\Deleted" },
	{ FLAG_DRAFT, "\\Draft" },
	{ FLAG_FLAGGED, "\\Flagged" },
	{ FLAG_SEEN, "\\Seen" },
};

int
flags_write(struct buf *b, uint32_t flags, struct span keywords)
{
	const char	*sep = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & names[i].bit) {
			buf_addf(b, "%s%s", sep, names[i].name);
			sep = " ";
		}
	if (keywords.len > 0) {
		buf_adds(b, sep);
		buf_add(b, keywords.p, keywords.len);
	}
	return b->err;
}

/* A keyword is an atom, RFC 3501 section 9. */
static bool
is_atom(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= 0x20 ||
		    (unsigned char)s.p[i] >= 0x7f ||
		    strchr("(){%*\"\\]", s.p[i]) != NULL)
			return false;
	return s.len > 0;
}

bool
flags_has(struct span keywords, struct span word)
{
	struct span	 f;

	while (keywords.len > 0 && str_field(&keywords, ' ', &f))
		if (f.len == word.len && f.len > 0 &&
		    memcmp(f.p, word.p, f.len) == 0)
			return true;
	return false;
}

int
flags_parse(const char *p, size_t len, uint32_t *flags, struct buf *keywords)
{
	struct span	 rest = { p, len }, f;
	size_t		 i;

	*flags = 0;
	buf_reset(keywords);
	while (str_field(&rest, ' ', &f)) {
		if (f.len == 0)
			continue;
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (str_ieq(f.p, f.len, names[i].name))
				break;
		if (i < sizeof(names) / sizeof(names[0])) {
			*flags |= names[i].bit;
			continue;
		}
		if (!is_atom(f) || keywords->len + f.len > KEYWORDS_MAX)
			return CM_EDATA;
		if (keywords->len > 0)
			buf_addc(keywords, ' ');
		buf_add(keywords, f.p, f.len);
	}
	return keywords->err;
}
