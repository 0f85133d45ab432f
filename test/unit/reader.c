#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/time.h"
#include "cluster/reader.h"
#include "cluster/volume.h"
#include "tap.h"

#define MSG "Subject: x\r\n\r\nhello %d\r\n"

static char		 base[64];
static struct buf	 said;

static void
put(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	buf_addf(&said, "%s\n", line);
}

static struct log logger = { CM_LOG_INFO, put, NULL };

/* A node with the home of v1 and two copies, and another one's copy. */
struct world {
	struct conf		 conf;
	struct conf_node	 node;
	struct conf_volume	 volume;
	struct conf_copy	 copies[3];
	char			 path[4][80];
};

static char self[] = "n1", other[] = "n2", name[] = "v1";

static void
world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	for (int i = 0; i < 4; i++)
		snprintf(w->path[i], sizeof(w->path[i]), "%s/%d", base, i);
	w->node.name = self;
	w->node.name = self;
	w->node.state = base;
	w->conf.self = self;
	w->conf.node = w->conf.nodes = &w->node;
	w->conf.nnodes = 1;
	w->conf.volumes = &w->volume;
	w->conf.nvolumes = 1;
	w->volume.name = name;
	w->volume.home = self;
	w->volume.path = w->path[0];
	w->volume.segment = CONF_SEGMENT_MIN;
	w->volume.copies = w->copies;
	w->volume.ncopies = 3;
	for (int i = 0; i < 3; i++) {
		w->copies[i].node = i == 1 ? other : self;
		w->copies[i].path = w->path[i + 1];
	}
}

__attribute__((format(printf, 1, 2)))
static void
run(const char *fmt, ...)
{
	char	 cmd[512];
	__builtin_va_list ap;

	__builtin_va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	__builtin_va_end(ap);
	if (system(cmd) != 0)
		printf("# failed: %s\n", cmd);
}

static void
env_of(struct buf *b, int n, size_t size)
{
	struct record_env	 e = { 0 };

	memset(e.id.b, 1, sizeof(e.id.b));
	e.id.b[15] = (unsigned char)n;
	e.id.b[14] = (unsigned char)(n >> 8);
	e.time_ms = 1700000000000;
	e.sender = (struct span){ "ann@example.net", 15 };
	e.size = (uint32_t)size;
	e.to = (struct span){ "to bob@example.org/INBOX\n", 25 };
	e.envelope = e.body = (struct span){ "()", 2 };
	buf_reset(b);
	if (record_env_write(b, &e) != 0)
		printf("# no envelope\n");
}

static void
append(struct volume *v, int n, const char *msg, size_t len, struct place *p)
{
	struct buf	 env;

	buf_init(&env, 65536);
	env_of(&env, n, len);
	if (vol_append(v, env.p, env.len, msg, len, p) != 0)
		printf("# not appended\n");
	buf_free(&env);
}

static void
fill(struct world *w, struct place *places, int n)
{
	struct seg_meta	 m = { .name = "v1", .salt = 1, .epoch = 1 };
	struct volume	*v;
	char		 msg[100];

	/* it is there: another node need not be asked whether it may be made */
	ok(file_mkdirs(&logger, w->path[0], 0700) == 0 &&
	    seg_meta_write(&logger, w->path[0], &m) == 0, "a folder");
	ok(vol_open(&logger, &w->conf, &w->volume, &v) == 0, "a volume");
	for (int i = 0; i < n; i++) {
		snprintf(msg, sizeof(msg), MSG, i);
		append(v, i, msg, strlen(msg), &places[i]);
	}
	vol_close(v);
}

/* Changes one byte of a record, n from its end when negative. */
static void
damage(const char *dir, const struct place *p, int n)
{
	char	 c = 0;
	int	 fd;
	off_t	 at = p->offset + (n < 0 ? (off_t)p->length + n : n);

	if (seg_open(NULL, dir, p->segment, O_RDWR, &fd) != 0) {
		printf("# cannot damage\n");
		return;
	}
	if (pread(fd, &c, 1, at) == 1)
		c ^= 1;
	if (pwrite(fd, &c, 1, at) != 1)
		printf("# cannot damage\n");
	close(fd);
}

static bool
has(const char *text)
{
	return said.len > 0 && strstr(said.p, text) != NULL;
}

static bool
is_msg(const struct reader_record *rec, int n)
{
	char	 msg[100];

	snprintf(msg, sizeof(msg), MSG, n);
	return span_is(rec->msg, msg) && rec->env.id.b[15] == (n & 255) &&
	    span_is(rec->env.sender, "ann@example.net");
}

static void
test_order(struct world *w, struct reader *r, const struct place *p)
{
	struct reader_record	 rec;
	struct ulid		 id;
	int			 good = 0;

	for (int i = 0; i < 300; i++)
		good += reader_get(r, &p[i], NULL, &rec) == 0 &&
		    is_msg(&rec, i);
	is_int(good, 300, "all records, in order");
	good = 0;
	for (int i = 299; i >= 0; i -= 7)
		good += reader_get(r, &p[i], NULL, &rec) == 0 &&
		    is_msg(&rec, i);
	is_int(good, 43, "backwards");
	is_int(said.len, 0, "nothing was said");
	memset(id.b, 1, sizeof(id.b));
	id.b[14] = 0;
	id.b[15] = 5;
	is_int(reader_get(r, &p[5], &id, &rec), 0, "by its id");
	is_int(reader_get(r, &p[6], &id, &rec), CM_ECORRUPT,
	    "another id lies there");
	is_int(reader_candidates(r, "v1"), 3, "candidates on this node");
	is_int(reader_candidates(r, "v2"), 0, "none of another volume");
	is_str(reader_path(r, "v1", 0), w->path[0], "the home is the first");
	is_str(reader_path(r, "v1", 2), w->path[3], "then the copies here");
	ok(reader_path(r, "v1", 3) == NULL, "and no more");
}

static void
test_damage(struct world *w, struct reader *r, const struct place *p)
{
	struct reader_record	 rec;
	char			 line[256];
	struct buf		 b;

	buf_reset(&said);
	damage(w->path[0], &p[10], -5);
	damage(w->path[0], &p[11], RECORD_HEAD + 5);
	damage(w->path[0], &p[12], 7);
	damage(w->path[0], &p[13], -1);
	reader_close(r);
	if (reader_open(&logger, &w->conf, &r) != 0)
		return;
	for (int i = 10; i < 14; i++)
		ok(reader_get(r, &p[i], NULL, &rec) == 0 && is_msg(&rec, i),
		    "damaged at home, read from a copy");
	buf_init(&b, 256);
	place_write(&b, &p[10]);
	snprintf(line, sizeof(line), "%s: damaged in %s; another copy is "
	    "used\n", b.p, w->path[0]);
	buf_free(&b);
	ok(has(line), "the copy is named");
	buf_reset(&said);
	is_int(reader_get(r, &p[10], NULL, &rec), 0, "read again");
	is_int(said.len, 0, "said once only");
	is_int(reader_get_from(r, 0, &p[10], NULL, &rec), CM_ECORRUPT,
	    "from the home alone");
	is_int(reader_get_from(r, 1, &p[10], NULL, &rec), 0,
	    "from the copy alone");
	is_int(said.len, 0, "both in silence");

	damage(w->path[1], &p[10], -5);
	is_int(reader_get(r, &p[10], NULL, &rec), 0, "two are damaged");
	damage(w->path[3], &p[10], -5);
	reader_close(r);	/* it would have the bytes from before */
	buf_reset(&said);
	if (reader_open(&logger, &w->conf, &r) != 0)
		return;
	is_int(reader_get(r, &p[10], NULL, &rec), CM_ECORRUPT,
	    "all are damaged");
	ok(has("damaged in") && !has("another copy"), "told");
	damage(w->path[1], &p[10], -5);
	is_int(reader_get(r, &p[10], NULL, &rec), 0,
	    "one is repaired under an open reader");
	reader_close(r);
}

static void
test_missing(struct world *w, const struct place *p)
{
	struct reader_record	 rec;
	struct reader		*r;
	struct place		 q = p[20];

	buf_reset(&said);
	if (reader_open(&logger, &w->conf, &r) != 0)
		return;
	run("rm -r %s", w->path[0]);
	is_int(reader_get(r, &p[20], NULL, &rec), 0, "the home is gone");
	is_int(reader_get_from(r, 0, &p[20], NULL, &rec), CM_ENOINPUT,
	    "asked alone");
	run("rm %s/00000001.seg", w->path[1]);
	is_int(reader_get(r, &p[21], NULL, &rec), 0, "a segment is gone");
	is_int(said.len, 0, "that is no news");
	q.length = UINT32_MAX - q.offset;
	is_int(reader_get(r, &q, NULL, &rec), CM_ECORRUPT,
	    "a place with a monstrous length");
	q.length = 3;
	is_int(reader_get(r, &q, NULL, &rec), CM_ECORRUPT,
	    "one with none to speak of");
	q = p[20];
	q.segment = 77;
	is_int(reader_get(r, &q, NULL, &rec), CM_ENOINPUT, "no such segment");
	q = p[20];
	q.offset = 1u << 30;
	is_int(reader_get(r, &q, NULL, &rec), CM_ENOINPUT, "behind the end");
	memcpy(q.volume, "v9", 3);
	is_int(reader_get(r, &q, NULL, &rec), CM_ENOINPUT, "no such volume");
	buf_reset(&said);
	run("sed -i 's/name v1/name v2/' %s/volume", w->path[1]);
	run("cp %s/*.seg %s", w->path[3], w->path[1]);
	reader_close(r);
	if (reader_open(&logger, &w->conf, &r) != 0)
		return;
	is_int(reader_get_from(r, 1, &p[20], NULL, &rec), CM_ECONF,
	    "a folder of another volume");
	is_int(reader_get(r, &p[20], NULL, &rec), 0, "is passed over");
	ok(has("is not a folder of volume v1"), "and told of");
	buf_reset(&said);
	is_int(reader_get(r, &p[21], NULL, &rec), 0, "again");
	is_int(said.len, 0, "told once");
	run("rm -r %s %s", w->path[1], w->path[3]);
	reader_close(r);
	if (reader_open(&logger, &w->conf, &r) != 0)
		return;
	is_int(reader_get(r, &p[20], NULL, &rec), CM_ENOINPUT,
	    "nobody has it");
	reader_close(r);
}

/* Records over a window, and ones that come while the reader has it open. */
static void
test_growing(struct world *w)
{
	struct reader_record	 rec;
	struct reader		*r;
	struct volume		*v;
	struct place		 p[3];
	struct seg_meta		 m = { .name = "v1",
				    .salt = 0x1234abcd, .epoch = 1 };
	const size_t		 big = 3 << 20;
	char			*msg = malloc(big);

	run("rm -rf %s/*", base);
	/* made: nobody on n2 is asked whether it may be */
	if (msg == NULL || file_mkdirs(&logger, w->path[0], 0700) != 0 ||
	    seg_meta_write(&logger, w->path[0], &m) != 0)
		abort();
	memset(msg, 'x', big);
	w->volume.segment = CONF_SEGMENT_MAX;
	if (vol_open(&logger, &w->conf, &w->volume, &v) != 0 ||
	    reader_open(&logger, &w->conf, &r) != 0)
		abort();
	append(v, 1, msg, 100, &p[0]);
	is_int(reader_get(r, &p[0], NULL, &rec), 0, "a first record");
	append(v, 2, msg, big, &p[1]);
	ok(reader_get(r, &p[1], NULL, &rec) == 0 && rec.msg.len == big &&
	    memcmp(rec.msg.p, msg, big) == 0, "a large one that came after");
	append(v, 3, msg, 5000, &p[2]);
	ok(reader_get(r, &p[2], NULL, &rec) == 0 && rec.msg.len == 5000,
	    "and a small one");
	damage(w->path[0], &p[1], 1 << 20);
	is_int(reader_get(r, &p[1], NULL, &rec), CM_ECORRUPT,
	    "the large one damaged");
	reader_close(r);
	vol_close(v);
	free(msg);
}

/* With a number of records in $READER_BENCH: how fast it reads them. */
static void
bench(struct world *w, int n)
{
	struct reader_record	 rec;
	struct reader		*r;
	struct volume		*v;
	struct place		*p = calloc((size_t)n, sizeof(*p));
	char			*msg = calloc(1, 8192);
	uint64_t		 bytes = 0;
	int64_t			 t;

	run("rm -rf %s/*", base);
	if (vol_open(&logger, &w->conf, &w->volume, &v) != 0 ||
	    reader_open(&logger, &w->conf, &r) != 0)
		return;
	for (int i = 0; i < n; i++)
		append(v, i, msg, 4096 + (size_t)(i * 37 % 4096), &p[i]);
	for (int k = 0; k < 3; k++) {
		t = time_mono_us();
		bytes = 0;
		for (int i = 0; i < n; i++)
			if (reader_get(r, &p[i], NULL, &rec) == 0)
				bytes += rec.bytes.len;
		t = time_mono_us() - t;
		printf("# %d records, %.0f MB in %.0f ms: %.0f MB/s\n", n,
		    (double)bytes / 1e6, (double)t / 1e3,
		    (double)bytes / (double)t);
	}
	reader_close(r);
	vol_close(v);
	free(p);
	free(msg);
}

int
main(void)
{
	static struct place	 p[300];
	struct world		 w;
	struct reader		*r;
	char			 tmpl[] = "/tmp/reader.XXXXXX";
	const char		*n = getenv("READER_BENCH");
	uint64_t		 count;

	if (mkdtemp(tmpl) == NULL)
		return 1;
	snprintf(base, sizeof(base), "%s", tmpl);
	buf_init(&said, 1 << 20);
	world_init(&w);
	fill(&w, p, 300);
	run("cp -r %s %s && cp -r %s %s", w.path[0], w.path[1], w.path[0],
	    w.path[3]);
	ok(reader_open(&logger, &w.conf, &r) == 0, "a reader");
	test_order(&w, r, p);
	test_damage(&w, r, p);
	test_missing(&w, p);
	test_growing(&w);
	if (n != NULL && str_u64(n, strlen(n), 10000000, &count) == 0)
		bench(&w, (int)count);
	run("rm -rf %s", base);
	buf_free(&said);
	reader_close(NULL);
	return tap_done();
}
