/* Changes of folders and copies whose answer is lost: an agent that plays a
 * part, and what is asked of it. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/file.h"
#include "cluster/mailbox.h"
#include "tap.h"

#define LOST	""		/* the request is taken, and the agent dies */
#define NONE	".0\t\n"
#define FOLDER(id, validity, use) \
	"=x\t" validity "\t5\t4\t0\t9\t7\t" id "\t" use "\t0\t1\n.0\t\n"

static struct log	 silent;
static const char *const *part;		/* answers, NULL behind them */
static struct buf	 asked;		/* requests, a line each */
static int		 listener;

static void
serve(int fd)
{
	struct stream	 s;
	struct span	 l;

	stream_init(&s, fd, 65536, 10000);
	while (stream_line(&s, &l) == 0) {
		buf_add(&asked, l.p, l.len);
		buf_addc(&asked, '\n');
		if (*part == NULL)
			break;
		buf_adds(&s.out, *part);
		if (*(*part++) == '\0' || stream_flush(&s, 1) != 0)
			break;
	}
	stream_close(&s);
}

static void *
agent(void *arg)
{
	int	 fd;

	while ((fd = accept(listener, NULL, NULL)) != -1)
		serve(fd);
	return arg;
}

static struct catalog *
open_catalog(const char *dir)
{
	static struct conf_node	 node = { .name = NULL };
	static struct conf	 conf = { .node = &node };
	struct catalog		*c;

	free(node.state);
	node.state = strdup(dir);
	if (catalog_open(&silent, &conf, NULL, NULL, &c) != 0)
		abort();
	return c;
}

typedef int	(*call_fn)(struct mailbox *);

static void
play(struct catalog *c, const char *const *answers, call_fn fn, int want,
    const char *requests, const char *name)
{
	struct mailbox	*m;

	part = answers;
	buf_reset(&asked);
	if (mailbox_open(c, "a@b", &m) != 0)
		abort();
	is_int(fn(m), want, "%s", name);
	mailbox_close(m);
	is_str(asked.p, requests, "%s: asked", name);
}

static int
create(struct mailbox *m)
{
	return mailbox_create(m, "x", 32);
}

static int
delete(struct mailbox *m)
{
	return mailbox_delete(m, "x");
}

static int
change_name(struct mailbox *m)
{
	return mailbox_rename(m, "x", "y");
}

static int
copy(struct mailbox *m)
{
	struct mailbox_copied c;
	struct imap_set	 s = { .n = 0 };
	int		 rc;

	if (imap_set_add(&s, 4, 4) != 0)
		abort();
	rc = mailbox_copy(m, "x", 0, &s, "y", false, &c);
	mailbox_copied_free(&c);
	imap_set_free(&s);
	return rc;
}

#define ADD	"folder-add\ta@b\tx\t32\n"
#define LOOK	"folders\ta@b\tx\n"
#define DEL	"folder-del\ta@b\tx\n"
#define RENAME	"folder-rename\ta@b\tx\ty\n"
#define COPY	"copy\ta@b\tx\t0\t4\ty\tcopy\n"

static void
test_all(struct catalog *c)
{
#define PLAY(fn, want, asked, name, ...) \
	play(c, (const char *const []){ __VA_ARGS__, NULL }, fn, want, asked, \
	    name)
	PLAY(create, 0, ADD ADD LOOK, "made, and nobody was told", LOST,
	    ".-7\t\n", FOLDER("3", "9", "32"));
	PLAY(create, CM_EEXIST, ADD ADD LOOK, "one with another use is there",
	    LOST, ".-7\t\n", FOLDER("3", "9", "64"));
	PLAY(create, 0, ADD ADD, "not made, and made then", LOST, NONE);
	PLAY(create, CM_EEXIST, ADD, "it was there", ".-7\t\n");
	PLAY(delete, 0, LOOK DEL "folder-del\ta@b\tx\t9\n",
	    "deleted, and nobody was told", FOLDER("3", "9", "0"), LOST,
	    ".-3\t\n");
	PLAY(delete, CM_ENOINPUT, LOOK DEL, "it was not there", NONE,
	    ".-3\t\n");
	PLAY(change_name, 0, LOOK RENAME RENAME "folders\ta@b\ty\n",
	    "renamed, and nobody was told", FOLDER("3", "9", "0"), LOST,
	    ".-3\t\n", FOLDER("3", "9", "0"));
	PLAY(change_name, CM_EEXIST, LOOK RENAME RENAME "folders\ta@b\ty\n",
	    "another one has the name", FOLDER("3", "9", "0"), LOST,
	    ".-7\t\n", FOLDER("4", "9", "0"));
	PLAY(copy, CM_EAWAY, COPY, "a copy is not made twice", LOST);
}

int
main(void)
{
	char	 dir[] = "/tmp/lost-answer.XXXXXX", path[200];
	struct catalog	*c;
	pthread_t	 t;

	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/run", dir);
	signal(SIGPIPE, SIG_IGN);
	buf_init(&asked, 65536);
	if (file_mkdirs(&silent, path, 0700) != 0)
		abort();
	snprintf(path, sizeof(path), "%s/run/catalog.sock", dir);
	if (stream_listen(&silent, path, &listener) != 0 ||
	    pthread_create(&t, NULL, agent, NULL) != 0)
		abort();
	c = open_catalog(dir);
	test_all(c);
	catalog_close(c);
	shutdown(listener, SHUT_RDWR);
	pthread_join(t, NULL);
	unlink(path);
	snprintf(path, sizeof(path), "%s/run", dir);
	rmdir(path);
	rmdir(dir);
	buf_free(&asked);
	return tap_done();
}
