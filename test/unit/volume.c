/* The log of a volume: many writers, dead ones, crashes, replaced files. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/acks.h"
#include "cluster/control.h"
#include "cluster/recover.h"
#include "cluster/volume.h"
#include "tap.h"

static char		 base[] = "/tmp/cm-volume.XXXXXX";
static char		 home[100], copy[100];
static char		 n1[] = "n1", v1[] = "v1";
static struct conf_copy	 copies[1] = { { n1, copy } };
static struct conf_node	 node = { .name = n1, .state = base };
static struct conf_volume vol = { .name = v1, .home = n1, .path = home,
			    .segment = 65536 };
static struct conf	 conf = { .self = n1, .node = &node, .nodes = &node,
			    .nnodes = 1, .volumes = &vol, .nvolumes = 1 };

static void
fresh(void)
{
	char	 cmd[300];

	snprintf(cmd, sizeof(cmd), "rm -rf %s/*", base);
	if (system(cmd) != 0)
		abort();
	vol.ncopies = 0;
	vol.copies = copies;
}

static struct volume *
must_open(void)
{
	struct volume	*v;

	if (vol_open(NULL, &conf, &vol, &v) != 0)
		abort();
	return v;
}

static int
append(struct volume *v, const char *msg, struct place *p)
{
	static const char env[] = "id 01ARYZ6S41TSV4RRFFQ69G5FAV\n";

	return vol_append(v, env, sizeof(env) - 1, msg, strlen(msg), p);
}

struct tally {
	unsigned	 good, other;
};

static int
count(void *arg, const struct seg_item *it)
{
	struct tally	*t = arg;

	if (it->what == SEG_RECORD)
		t->good++;
	else
		t->other++;
	return 0;
}

/* What is in all segments. */
static struct tally
scan_all(struct volume *v)
{
	struct tally	 t = { 0, 0 };
	struct seg_scan	 s = { .salt = vol_meta(v)->salt, .messages = true,
			    .fn = count, .arg = &t };
	uint32_t	*list;
	size_t		 n;

	if (seg_list(NULL, home, &list, &n) != 0)
		abort();
	for (size_t i = 0; i < n; i++) {
		s.segment = list[i];
		if (seg_size(NULL, home, list[i], &s.to) != 0 ||
		    seg_open(NULL, home, list[i], O_RDONLY, &s.fd) != 0 ||
		    seg_scan(NULL, &s) != 0)
			abort();
		close(s.fd);
	}
	free(list);
	return t;
}

static void
test_basic(void)
{
	struct volume	*v, *w;
	struct place	 p, q;
	struct stat	 st;
	char		 path[200];

	fresh();
	is_int(vol_open(NULL, &conf, &vol, &v), 0, "a new volume");
	is_int(append(v, "one", &p), 0, "append");
	ok(p.segment == 1 && p.offset == 0, "at the start");
	is_int(vol_end_before(vol_synced(v), vol_committed(v)), 1,
	    "committed, not yet synced");
	is_int(vol_sync(v, &p), 0, "sync");
	is_int(vol_end_before(vol_synced(v), vol_committed(v)), 0, "synced");
	w = must_open();
	is_int(append(w, "two", &q), 0, "another handle");
	is_int(q.offset, p.length, "goes on behind it");
	is_int(append(v, "three", &p), 0, "the first one");
	is_int(p.offset, q.offset + q.length, "sees that");
	snprintf(path, sizeof(path), "%s/00000001.seg", home);
	ok(stat(path, &st) == 0 && st.st_size == p.offset + p.length,
	    "the file ends there");
	vol_close(v);
	vol_close(w);
	vol_close(NULL);
	vol.home = copy;
	is_int(vol_open(NULL, &conf, &vol, &v), CM_EAWAY, "another's home");
	vol.home = n1;
}

#define WRITERS 8
#define EACH 300

static void
test_many(void)
{
	struct volume	*v;
	struct tally	 t;
	struct place	 p;
	pid_t		 pid[WRITERS];
	int		 st, bad = 0;

	fresh();
	for (int i = 0; i < WRITERS; i++) {
		if ((pid[i] = fork()) != 0)
			continue;
		v = must_open();
		for (int j = 0; j < EACH; j++)
			if (append(v, "some message or other", &p) != 0 ||
			    (j % 10 == 0 && vol_sync(v, &p) != 0))
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < WRITERS; i++)
		if (waitpid(pid[i], &st, 0) == -1 || st != 0)
			bad++;
	is_int(bad, 0, "%d writers at once", WRITERS);
	v = must_open();
	t = scan_all(v);
	is_int(t.good, WRITERS * EACH, "every record is there");
	is_int(t.other, 0, "and nothing else");
	ok(vol_committed(v).segment > 2, "over several segments");
	vol_close(v);
}

/* Writers are killed at any moment; each tells what it had acknowledged. */
static void
test_killed(void)
{
	struct volume	*v;
	struct tally	 t;
	struct place	 p;
	unsigned	 acked = 0, n;
	int		 fds[2];
	pid_t		 pid;

	fresh();
	vol_close(must_open());
	for (int i = 0; i < 60; i++) {
		if (pipe(fds) == -1)
			abort();
		if ((pid = fork()) == 0) {
			v = must_open();
			for (n = 1;; n++)
				if (append(v, "message", &p) != 0 ||
				    vol_sync(v, &p) != 0 ||
				    write(fds[1], "x", 1) != 1)
					_exit(1);
		}
		close(fds[1]);
		usleep((useconds_t)(1000 + i * 137 % 9000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		char c[4096];
		ssize_t r;
		while ((r = read(fds[0], c, sizeof(c))) > 0)
			acked += (unsigned)r;
		close(fds[0]);
	}
	v = must_open();
	is_int(append(v, "last", &p), 0, "goes on after 60 kills");
	is_int(vol_sync(v, &p), 0, "and syncs");
	t = scan_all(v);
	ok(t.good >= acked + 1, "%u acknowledged, %u there", acked, t.good);
	is_int(t.other, 0, "no torn bytes are left");
	is_int(p.segment, vol_committed(v).segment, "no scan was needed");
	vol_close(v);
}

/* A writer that dies between its write and its commit. */
static void
test_dead_holder(void)
{
	struct volume	*v;
	struct control	*c;
	struct place	 p, q;
	struct tally	 t;
	bool		 died;
	int		 fd, seg;
	pid_t		 pid;

	fresh();
	v = must_open();
	is_int(append(v, "one", &p), 0, "one");
	if ((pid = fork()) == 0) {
		char junk[5000] = "cmr1 junk";

		if (control_map(NULL, home, &c, &fd) != 0 ||
		    shlock_take(&c->append, 1000, &died) != 0 ||
		    seg_open(NULL, home, 1, O_RDWR, &seg) != 0 ||
		    pwrite(seg, junk, sizeof(junk), p.length) == -1)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	is_int(append(v, "two", &q), 0, "the next writer is not held up");
	is_int(q.offset, p.length, "and writes over the torn bytes");
	t = scan_all(v);
	ok(t.good == 2 && t.other == 0, "nothing torn is left behind it");
	vol_close(v);
}

/* A writer that died in roll() leaves an empty next segment, and the one before
 * it may be written to once more before the machine goes down. */
static void
test_torn_before_empty(void)
{
	static const char junk[100] = "torn";
	struct volume	*v;
	struct place	 p, q;
	struct tally	 t;
	char		 path[200];
	int		 fd;

	fresh();
	v = must_open();
	is_int(append(v, "one", &p), 0, "one");
	vol_close(v);
	is_int(seg_open(NULL, home, 1, O_RDWR, &fd), 0, "the first segment");
	ok(pwrite(fd, junk, sizeof(junk), p.length) == sizeof(junk), "torn");
	close(fd);
	is_int(seg_open(NULL, home, 2, O_RDWR | O_CREAT, &fd), 0, "an empty"
	    " one");
	close(fd);
	snprintf(path, sizeof(path), "%s/control", home);
	unlink(path);
	v = must_open();
	is_int(append(v, "two", &q), 0, "goes on");
	is_int(q.segment, 3, "in a new one");
	t = scan_all(v);
	ok(t.good == 2 && t.other == 0, "the torn bytes before it are cut");
	vol_close(v);
}

/* A home that was moved away, made anew, and came back. */
static void
test_old_home(void)
{
	struct volume	*v;
	struct seg_meta	 m;
	struct place	 p;

	fresh();
	v = must_open();
	is_int(append(v, "one", &p), 0, "one");
	m = *vol_meta(v);
	vol_close(v);
	m.epoch++;
	vol.ncopies = 1;
	is_int(file_mkdirs(NULL, copy, 0700), 0, "a copy");
	is_int(seg_meta_write(NULL, copy, &m), 0, "of a newer home");
	is_int(vol_open(NULL, &conf, &vol, &v), CM_EEPOCH, "the old one is"
	    " refused");
}

/* A folder put back from a snapshot has a control file of the same boot. */
static void
test_old_control(void)
{
	struct volume	*v;
	struct place	 p;
	struct tally	 t;
	char		 cmd[700];

	fresh();
	v = must_open();
	is_int(append(v, "one", &p), 0, "one");
	vol_close(v);
	snprintf(cmd, sizeof(cmd), "cp %s/control %s/old", home, home);
	is_int(system(cmd), 0, "a snapshot of the control file");
	v = must_open();
	is_int(append(v, "two", &p), 0, "two");
	snprintf(cmd, sizeof(cmd), "mv %s/old %s/control", home, home);
	is_int(system(cmd), 0, "is put back");
	is_int(append(v, "three", &p), 0, "three");
	is_int(p.segment, 2, "goes to a new segment");
	t = scan_all(v);
	ok(t.good == 3 && t.other == 0, "and nothing is written over");
	vol_close(v);
}

/* A folder that was emptied under those who have it open is no volume. */
static void
test_emptied(void)
{
	struct volume	*v;
	struct place	 p;
	char		 cmd[300];

	fresh();
	v = must_open();
	is_int(append(v, "one", &p), 0, "one");
	snprintf(cmd, sizeof(cmd), "rm -r %s && mkdir %s", home, home);
	is_int(system(cmd), 0, "emptied");
	is_int(append(v, "two", &p), CM_ENOINPUT, "not written to");
	vol_close(v);
	v = must_open();
	is_int(append(v, "three", &p), 0, "who opens it makes it");
	vol_close(v);
}

static void
test_replaced(void)
{
	struct volume	*v, *w;
	struct place	 p, q;
	char		 path[200];

	fresh();
	v = must_open();
	is_int(append(v, "one", &p), 0, "one");
	snprintf(path, sizeof(path), "%s/control", home);
	unlink(path);
	is_int(vol_sync(v, &p), 0, "sync without the control file");
	w = must_open();
	is_int(append(w, "two", &q), 0, "another one repairs");
	is_int(q.segment, 2, "and seals the first segment");
	is_int(append(v, "three", &p), 0, "the old handle follows");
	ok(p.segment == 2 && p.offset == q.length, "into the same place");
	is_int(scan_all(v).good, 3, "nothing is lost");
	/* as after a reboot */
	vol_close(w);
	int fd = open(path, O_RDWR);
	ok(fd != -1 && pwrite(fd, "another boot", 12, 16) == 12, "boot id");
	close(fd);
	w = must_open();
	is_int(append(w, "four", &q), 0, "after a reboot");
	is_int(q.segment, 3, "a new segment");
	/* cut under the feet of those who write */
	snprintf(path, sizeof(path), "%s/00000003.seg", home);
	is_int(truncate(path, 10), 0, "cut");
	is_int(append(w, "five", &q), 0, "goes on");
	/* what it held may have been indexed: its places are not given again */
	is_int(q.segment, 4, "in a new segment");
	is_int(q.offset, 0, "from its start");
	vol_close(v);
	vol_close(w);
}

static void
test_numbers(void)
{
	struct volume	*v;
	struct place	 p;
	char		 path[200];

	/* a copy has more than a home that was put back from a backup */
	fresh();
	vol.ncopies = 1;
	v = must_open();
	is_int(append(v, "one", &p), 0, "one");
	is_int(file_mkdirs(NULL, copy, 0700), 0, "copy");
	is_int(seg_meta_write(NULL, copy, vol_meta(v)), 0, "is one");
	snprintf(path, sizeof(path), "%s/00000007.seg", copy);
	is_int(file_commit(NULL, path, "x", 1, 0600), 0, "with segment 7");
	vol_close(v);
	snprintf(path, sizeof(path), "%s/control", home);
	unlink(path);
	v = must_open();
	is_int(append(v, "two", &p), 0, "two");
	is_int(p.segment, 8, "no number is used twice");
	vol_close(v);
	/* the home is gone, the copy is there */
	char cmd[200];
	snprintf(cmd, sizeof(cmd), "rm -rf %s", home);
	is_int(system(cmd), 0, "home removed");
	is_int(vol_open(NULL, &conf, &vol, &v), CM_ENOINPUT,
	    "no new home beside an old copy");
	ok(!file_exists(home), "not even its folder");
	vol.ncopies = 0;
}

static void
test_frozen(void)
{
	struct volume	*v;
	struct place	 p;
	struct stat	 st;
	char		 path[200];
	int		 lock, fd;
	pid_t		 pid;

	fresh();
	v = must_open();
	is_int(append(v, "one", &p), 0, "one");
	is_int(vol_freeze(NULL, home, &lock), 0, "freeze");
	if ((pid = fork()) == 0) {
		close(lock);	/* or the child holds it too */
		struct volume *w = must_open();

		_exit(append(w, "two", &p) != 0);
	}
	usleep(50000);
	snprintf(path, sizeof(path), "%s/00000001.seg", home);
	ok(stat(path, &st) == 0 && st.st_size == p.length,
	    "writers wait while it is frozen");
	vol_unfreeze(home, lock, false);
	waitpid(pid, &fd, 0);
	is_int(fd, 0, "and go on then");
	is_int(scan_all(v).good, 2, "both are there");
	vol_close(v);
}

/* A record that somebody put into his message is none. */
static void
test_quoted(void)
{
	struct seg_scan	 s = { .messages = true, .fn = count };
	struct tally	 t = { 0, 0 };
	struct volume	*v;
	struct place	 p, q;
	char		 path[200], inner[2000];
	int		 fd;

	fresh();
	v = must_open();
	is_int(append(v, "first", &p), 0, "first");
	snprintf(path, sizeof(path), "%s/00000001.seg", home);
	fd = open(path, O_RDWR);
	memset(inner, 0, sizeof(inner));
	ok(pread(fd, inner, p.length, 0) == p.length, "its bytes");
	is_int(append(v, inner, &q), 0, "are the message of a second");
	is_int(append(v, "third", &p), 0, "third");
	ok(pwrite(fd, "XXXX", 4, q.offset) == 4, "whose header is damaged");
	s.fd = fd;
	s.salt = vol_meta(v)->salt;
	s.segment = 1;
	s.to = p.offset + p.length;
	s.arg = &t;
	is_int(seg_scan(NULL, &s), 0, "scan");
	ok(t.good == 2 && t.other == 1, "the quoted record is not taken for "
	    "one (%u good)", t.good);
	close(fd);
	vol_close(v);
}

static struct vol_end
behind(const struct place *p)
{
	return (struct vol_end){ p->segment, p->offset + p->length };
}

static bool
counts(struct volume *v, const struct place *p)
{
	return !vol_end_before(vol_counted(v), behind(p));
}

/* What counts waits for copies, and what was taken back never does alone. */
static void
test_cancel(void)
{
	static const char env[] = "id 01ARYZ6S41TSV4RRFFQ69G5FAV\n";
	struct volume	*v, *w;
	struct place	 p[4];
	uint64_t	 synced;

	fresh();
	vol.ncopies = 1;
	conf.copies = 2;
	v = must_open();
	for (int i = 0; i < 4; i++)
		is_int(append(v, "x", &p[i]), 0, "append");
	is_int(vol_sync(v, &p[3]), 0, "sync");
	ok(!counts(v, &p[0]), "on this disk alone it does not count");
	conf.on_short = CONF_DEGRADE;
	ok(counts(v, &p[3]), "with degrade it does");
	conf.on_short = CONF_REFUSE;
	vol_acked(v, behind(&p[0]));
	ok(counts(v, &p[0]) && !counts(v, &p[1]), "what the copy has counts");
	is_int(vol_cancel(v, &p[0], env, sizeof(env) - 1), CM_EEXIST,
	    "and is not taken back");
	ok(!vol_may_be_cancelled(&vol, &p[0]), "which is known at once");
	is_int(vol_cancel(v, &p[2], env, sizeof(env) - 1), 0,
	    "another is taken back");
	ok(vol_may_be_cancelled(&vol, &p[2]), "which is known too");
	ok(!vol_may_be_cancelled(&vol, &p[3]), "what is behind it was not");
	vol_acked(v, behind(&p[3]));
	ok(counts(v, &p[1]) && !counts(v, &p[2]) && !counts(v, &p[3]),
	    "it does not count without what takes it back");
	ok(vol_is_acked(v, behind(&p[1])) && !vol_is_acked(v, behind(&p[3])),
	    "nor is it done for who waits");
	vol_acked(v, vol_committed(v));
	/* the copies are ahead of this disk, or it was looked at before them */
	w = must_open();
	synced = atomic_load(&vol_control(v)->synced);
	atomic_store(&vol_control(v)->synced,
	    (uint64_t)p[3].segment << 32 | p[3].offset);
	ok(counts(w, &p[3]) && atomic_load(&vol_control(v)->synced) == synced,
	    "what is less on this disk is synced first");
	vol_close(w);
	ok(counts(v, &p[3]), "with it, all counts");
	vol_acked(v, behind(&p[0]));
	ok(counts(v, &p[3]), "and goes on to");
	is_int(append(v, "y", &p[0]), 0, "append");
	is_int(vol_sync(v, &p[0]), 0, "sync");
	vol_close(v);
	vol_forget_control(home);
	v = must_open();
	ok(counts(v, &p[0]), "after a scan all counts");
	is_int(vol_cancel(v, &p[0], env, sizeof(env) - 1), CM_ESTALE,
	    "and is not taken back");
	ok(vol_may_be_cancelled(&vol, &p[0]), "but may have been before");
	vol_close(v);
	conf.copies = 0;
}

/* As the shipper does. */
static void
tell(struct volume *v, const struct place *p, uint64_t failing)
{
	struct vol_end	 e[1] = { { 0, 0 } };

	if (p != NULL)
		e[0] = behind(p);
	vol_acked(v, e[0]);
	acks_tell(vol_control(v), e, 1, failing);
}

/* One who waits learns only from a shipper that is there now, of the same
 * copies and the same home, and nothing that was taken back. */
static void
test_acks(void)
{
	static const char env[] = "id 01ARYZ6S41TSV4RRFFQ69G5FAV\n";
	struct volume	*v;
	struct acks	 a;
	struct place	 p[3];
	struct buf	 labels;
	unsigned	 asked;

	fresh();
	vol.ncopies = 1;
	conf.copies = 2;
	buf_init(&labels, 1000);
	v = must_open();
	acks_init(&a, &conf, &vol);
	for (int i = 0; i < 3; i++)
		is_int(append(v, "x", &p[i]), 0, "append");
	is_int(vol_sync(v, &p[2]), 0, "sync");
	ok(!acks_begin_wait(&a, 1), "no shipper tells anything");
	acks_begin(vol_control(v), acks_copies(&conf, &vol));
	ok(!acks_begin_wait(&a, 1), "nor one that only begins");
	asked = acks_asked(vol_control(v));
	tell(v, NULL, 0);
	ok(acks_begin_wait(&a, 1), "one that tells is asked");
	ok(acks_asked(vol_control(v)) != asked, "and can see that");
	acks_nap(vol_control(v), asked, 60000);
	ok(!acks_wait(&a, behind(&p[0]), 1, 10), "the copy does not have it");
	ok(acks_wait(&a, behind(&p[0]), 0, 10), "who asks for none has it");
	tell(v, &p[1], 0);
	ok(acks_wait(&a, behind(&p[0]), 1, 10), "the copy has it");
	ok(acks_wait(&a, behind(&p[1]), 1, 10), "and all that it was sent");
	ok(!acks_wait(&a, behind(&p[2]), 1, 10), "but not more");
	acks_labels(&a, behind(&p[1]), &labels);
	is_str(labels.p, ",n1#1", "its name");
	buf_reset(&labels);
	acks_labels(&a, behind(&p[2]), &labels);
	is_int(labels.len, 0, "it does not have the last one");
	tell(v, &p[1], 1);
	ok(!acks_begin_wait(&a, 1), "a copy that fails is not waited for");
	tell(v, &p[1], 0);
	is_int(vol_cancel(v, &p[2], env, sizeof(env) - 1), 0, "taken back");
	ok(acks_is_kept(&a, &p[2]) == false, "is seen");
	acks_tell(vol_control(v), (struct vol_end[]){ behind(&p[2]) }, 1, 0);
	ok(!acks_wait(&a, behind(&p[2]), 1, 10),
	    "and it is not done before what takes it back");
	conf.copies = 1;
	acks_free(&a);
	acks_init(&a, &conf, &vol);
	ok(!acks_begin_wait(&a, 0), "a shipper with another cluster.xml");
	conf.copies = 2;
	acks_free(&a);
	acks_init(&a, &conf, &vol);
	tell(v, &p[1], 0);
	ok(acks_begin_wait(&a, 1), "the right one again");
	time_sleep_ms(700);
	ok(!acks_wait(&a, behind(&p[0]), 1, 10), "one that is silent is dead");
	tell(v, &p[1], 0);
	ok(acks_wait(&a, behind(&p[0]), 1, 10), "or was not");
	vol_forget_control(home);
	ok(!acks_wait(&a, behind(&p[0]), 1, 10), "another home");
	acks_free(&a);
	vol_close(v);
	buf_free(&labels);
	conf.copies = 0;
}

int
main(void)
{
	char	 cmd[200];

	if (mkdtemp(base) == NULL)
		return 1;
	snprintf(home, sizeof(home), "%s/home", base);
	snprintf(copy, sizeof(copy), "%s/copy", base);
	test_basic();
	test_many();
	test_killed();
	test_dead_holder();
	test_replaced();
	test_torn_before_empty();
	test_old_home();
	test_emptied();
	test_old_control();
	test_numbers();
	test_frozen();
	test_quoted();
	test_cancel();
	test_acks();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	is_int(system(cmd), 0, "clean");
	return tap_done();
}
