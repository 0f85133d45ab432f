/*
 * mailbox MAILBOX FOLDER UIDVALIDITY SINCE WHAT UIDS|-: what mailbox_list has,
 * in lines: of the folder "name uidvalidity uidnext messages unseen bytes
 * modseq", of messages what the bits of WHAT say, with tabs between; texts are
 * percent-encoded.  UIDS "-": none is given, "": an empty set.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cluster/mailbox.h"
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

static int
list(struct tool *t, char **argv)
{
	struct mailbox_folder f = { .validity = 0 };
	struct listing	 l = { .what = (unsigned)number(argv[5], 7) };
	struct imap_set	 uids = { .n = 0 };
	struct span	 set = { argv[6], strlen(argv[6]) };
	struct mailbox	*m = NULL;
	int		 rc = 0;

	buf_init(&l.text, 4 << 20);
	if (set.len > 0 && argv[6][0] != '-')
		rc = imap_set_parse(set, &uids);
	imap_set_resolve(&uids, UINT32_MAX);
	if (rc == 0)
		rc = mailbox_open(t->catalog, argv[1], &m);
	if (rc == 0)
		rc = mailbox_list(m, argv[2], (uint32_t)number(argv[3],
		    UINT32_MAX), argv[6][0] == '-' ? NULL : &uids,
		    number(argv[4], UINT64_MAX), l.what, &f, print, &l);
	buf_reset(&l.text);
	str_pct(&l.text, f.name, strlen(f.name), "");
	if (f.validity != 0)
		printf("%s %u %u %u %u %llu %llu\n", l.text.p, f.validity,
		    f.uidnext, f.messages, f.unseen,
		    (unsigned long long)f.bytes, (unsigned long long)f.modseq);
	mailbox_close(m);
	imap_set_free(&uids);
	buf_free(&l.text);
	return rc;
}

int
main(int argc, char **argv)
{
	struct tool	 t;
	int		 rc;

	tool_init(&t, "mailbox");
	if (argc != 7)
		errx(EX_USAGE, "mailbox folder uidvalidity since what uids");
	if ((rc = tool_open(&t)) == 0)
		rc = list(&t, argv);
	if (rc != 0)
		printf("%s\n", cm_strerror(rc));
	tool_close(&t);
	return cm_exit(rc);
}
