/*
 * What mailbox.h gives, in lines; UIDS "-": none is given, "": an empty set.
 *
 * mailbox list MAILBOX FOLDER UIDVALIDITY UIDS SINCE WHAT: of messages what the
 * bits of WHAT say, tabs between, texts percent-encoded; then of the folder
 * "name uidvalidity uidnext messages unseen bytes modseq".
 * mailbox store MAILBOX FOLDER UIDVALIDITY UIDS SINCE|- add|del|set FLAGS: the
 * messages, then "modified UIDS".
 * mailbox expunge MAILBOX FOLDER UIDVALIDITY UIDS: "gone UIDS".
 * mailbox copy MAILBOX FOLDER UIDVALIDITY UIDS TO copy|move: "from UIDS", "to
 * UIDS", "uidvalidity NUMBER".
 * mailbox vanished MAILBOX FOLDER UIDVALIDITY - SINCE: "vanished UIDS".
 * mailbox folders MAILBOX: "name id uidvalidity uidnext messages unseen bytes
 * modseq use", and "subscribed"; use is "gone" when the name alone is there.
 * mailbox status MAILBOX FOLDER: such a line.
 * mailbox create MAILBOX FOLDER USE, delete MAILBOX FOLDER,
 * rename MAILBOX FROM TO, subscribe MAILBOX FOLDER 1|0.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cluster/mailbox.h"
#include "cluster/rows.h"
#include "cluster/tool.h"

struct listing {
	unsigned	 what;
	struct buf	 text;
};

static void
put(struct listing *l, struct span s)
{
	buf_reset(&l->text);
	buf_adds(&l->text, "");
	str_pct(&l->text, s.p, s.len, "");
	printf("\t%s", l->text.p);
}

static int
print(void *arg, const struct mailbox_message *m)
{
	struct listing	*l = arg;
	char		 id[ULID_LEN + 1];

	printf("%u\t%llu\t%u", m->uid, (unsigned long long)m->modseq,
	    m->flags);
	put(l, m->keywords);
	if (l->what & MAILBOX_STORED) {
		ulid_text(&m->id, id);
		buf_reset(&l->text);
		place_write(&l->text, &m->place);
		printf("\t%s\t%s\t%u\t%lld", id, l->text.p, m->size,
		    (long long)m->time_ms);
	}
	if (l->what & MAILBOX_ENVELOPE)
		put(l, m->envelope);
	if (l->what & MAILBOX_BODY)
		put(l, m->body);
	putchar('\n');
	return 0;
}

static uint64_t
number(const char *s, uint64_t max)
{
	uint64_t	 v;

	if (str_u64(s, strlen(s), max, &v) != 0)
		errx(EX_USAGE, "%s: not a number", s);
	return v;
}

struct call {
	struct mailbox	*m;
	const char	*folder;
	uint32_t	 validity;
	struct imap_set	 uids;
	bool		 all;
	char		**argv;		/* what follows */
};

static void
print_set(const char *what, struct imap_set *set)
{
	struct buf	 b;

	buf_init(&b, 4 << 20);
	buf_adds(&b, "");
	imap_set_write(&b, set);
	printf("%s %s\n", what, b.p);
	buf_free(&b);
	imap_set_free(set);
}

static int
list(const struct call *c)
{
	struct mailbox_folder f = { .validity = 0 };
	struct listing	 l = { .what = (unsigned)number(c->argv[1], 7) };
	int		 rc;

	buf_init(&l.text, 4 << 20);
	rc = mailbox_list(c->m, c->folder, c->validity, c->all ? NULL :
	    &c->uids, number(c->argv[0], UINT64_MAX), l.what, &f, print, &l);
	buf_reset(&l.text);
	str_pct(&l.text, f.name, strlen(f.name), "");
	if (f.validity != 0)
		printf("%s %u %u %u %u %llu %llu\n", l.text.p, f.validity,
		    f.uidnext, f.messages, f.unseen,
		    (unsigned long long)f.bytes, (unsigned long long)f.modseq);
	buf_free(&l.text);
	return rc;
}

static int
store(const struct call *c)
{
	struct mailbox_store s = { .how = c->argv[1][0] == 'a' ? MAILBOX_ADD :
			    c->argv[1][0] == 'd' ? MAILBOX_REMOVE :
			    MAILBOX_REPLACE };
	struct listing	 l = { .what = 0 };
	struct imap_set	 modified;
	struct buf	 keywords;
	int		 rc;

	buf_init(&l.text, 4 << 20);
	buf_init(&keywords, 65536);
	if ((s.conditional = c->argv[0][0] != '-'))
		s.since = number(c->argv[0], UINT64_MAX);
	if ((rc = flags_parse(c->argv[2], strlen(c->argv[2]), &s.flags,
	    &keywords)) == 0) {
		s.keywords = (struct span){ keywords.p, keywords.len };
		rc = mailbox_store(c->m, c->folder, c->validity, &c->uids, &s,
		    print, &l, &modified);
		print_set("modified", &modified);
	}
	buf_free(&keywords);
	buf_free(&l.text);
	return rc;
}

static int
expunge(const struct call *c)
{
	struct imap_set	 gone;
	int		 rc;

	rc = mailbox_expunge(c->m, c->folder, c->validity, c->all ? NULL :
	    &c->uids, &gone);
	print_set("gone", &gone);
	return rc;
}

static int
copy(const struct call *c)
{
	struct mailbox_copied done;
	int		 rc;

	rc = mailbox_copy(c->m, c->folder, c->validity, &c->uids, c->argv[0],
	    c->argv[1][0] == 'm', &done);
	print_set("from", &done.from);
	print_set("to", &done.to);
	printf("uidvalidity %u\n", done.validity);
	return rc;
}

static int
vanished(const struct call *c)
{
	struct imap_set	 gone;
	int		 rc;

	rc = mailbox_vanished(c->m, c->folder, c->validity,
	    number(c->argv[0], UINT64_MAX), &gone);
	print_set("vanished", &gone);
	return rc;
}

static int
print_folder(void *arg, const struct mailbox_folder *f)
{
	struct buf	 b;
	char		 use[16] = "gone";

	(void)arg;
	buf_init(&b, 4096);
	str_pct(&b, f->name, strlen(f->name), "");
	if (f->exists)
		snprintf(use, sizeof(use), "%u", f->use);
	printf("%s %u %u %u %u %u %llu %llu %s%s\n", b.p, f->id, f->validity,
	    f->uidnext, f->messages, f->unseen, (unsigned long long)f->bytes,
	    (unsigned long long)f->modseq, use,
	    f->subscribed ? " subscribed" : "");
	buf_free(&b);
	return 0;
}

static int
print_status(struct mailbox *m, const char *folder)
{
	struct mailbox_folder f;
	int		 rc = mailbox_status(m, folder, &f);

	return rc == 0 ? print_folder(NULL, &f) : rc;
}

static int
call_folder(struct mailbox *m, int argc, char **argv)
{
	const char	*what = argv[1];

	if (argc == 3 && strcmp(what, "folders") == 0)
		return mailbox_folders(m, print_folder, NULL);
	if (argc == 4 && strcmp(what, "status") == 0)
		return print_status(m, argv[3]);
	if (argc == 4 && strcmp(what, "delete") == 0)
		return mailbox_delete(m, argv[3]);
	if (argc == 5 && strcmp(what, "create") == 0)
		return mailbox_create(m, argv[3], (uint32_t)number(argv[4],
		    UINT32_MAX));
	if (argc == 5 && strcmp(what, "rename") == 0)
		return mailbox_rename(m, argv[3], argv[4]);
	if (argc == 5 && strcmp(what, "subscribe") == 0)
		return mailbox_subscribe(m, argv[3], argv[4][0] == '1');
	return CM_EUSAGE;
}

static int
folder(struct tool *t, int argc, char **argv)
{
	struct mailbox	*m;
	int		 rc;

	if ((rc = mailbox_open(t->catalog, argv[2], &m)) != 0)
		return rc;
	rc = call_folder(m, argc, argv);
	mailbox_close(m);
	return rc;
}

static int
call(struct tool *t, int argc, char **argv)
{
	struct call	 c = { .folder = argv[3], .all = argv[5][0] == '-',
			    .validity = (uint32_t)number(argv[4], UINT32_MAX),
			    .argv = argv + 6 };
	struct span	 set = { argv[5], strlen(argv[5]) };
	int		 rc = 0;

	if (set.len > 0 && !c.all)
		rc = imap_set_parse(set, &c.uids);
	imap_set_resolve(&c.uids, UINT32_MAX);
	if (rc == 0)
		rc = mailbox_open(t->catalog, argv[2], &c.m);
	if (rc == 0)
		rc = argv[1][0] == 'l' && argc == 8 ? list(&c) :
		    argv[1][0] == 's' && argc == 9 ? store(&c) :
		    argv[1][0] == 'e' && argc == 6 ? expunge(&c) :
		    argv[1][0] == 'c' && argc == 8 ? copy(&c) :
		    argv[1][0] == 'v' && argc == 7 ? vanished(&c) : CM_EUSAGE;
	mailbox_close(c.m);
	imap_set_free(&c.uids);
	return rc;
}

int
main(int argc, char **argv)
{
	struct tool	 t;
	int		 rc;

	tool_init(&t, "mailbox");
	if (argc < 3)
		errx(EX_USAGE, "what mailbox ...");
	if ((rc = tool_open(&t)) == 0)
		rc = argc < 6 ? folder(&t, argc, argv) :
		    call(&t, argc, argv);
	if (rc != 0)
		printf("%s\n", cm_strerror(rc));
	tool_close(&t);
	/* elsewhere the end is no failure */
	return rc == CM_EEND ? EX_NOINPUT : cm_exit(rc);
}
