#include "cluster/cattool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/file.h"
#include "cluster/mailbox.h"
#include "format/address.h"
#include "format/receipt.h"

#define CHUNK	256		/* receipts asked about together */
#define FLUSH	65536
#define FOREVER	(-1)
#define LEAD_MS	60000		/* for another node to lead */

/* Lines of an answer to fd 1. */
static int
print_line(void *arg, struct span line)
{
	struct stream	*out = arg;

	buf_add(&out->out, line.p, line.len);
	buf_addc(&out->out, '\n');
	return stream_flush(out, FLUSH);
}

static int
print_answer(struct tool *t, const char *const words[], int ms)
{
	struct stream	 out;
	int		 rc, wr;

	stream_init(&out, STDOUT_FILENO, 0, -1);
	rc = catalog_call(t->catalog, words, -1, ms, print_line, &out);
	wr = stream_flush(&out, 1);
	if (wr != 0 && rc == 0)
		rc = log_fail(&t->log, wr, "output");
	buf_free(&out.out);
	buf_free(&out.in);
	return rc;
}

struct item {
	char		*text;
	struct receipt	 r;
	char		 line[256];
};

struct add {
	struct tool		*t;
	struct item		 item[CHUNK];
	struct catalog_ask	 ask[CHUNK];
	size_t			 n;
	int			 worst;
};

static int
make_request(struct item *it, struct catalog_ask *ask)
{
	struct buf	 b;
	int		 rc;

	buf_init(&b, sizeof(it->line) - 1);
	buf_addf(&b, "wait\t%s\t", it->r.id);
	place_write(&b, &it->r.place);
	rc = b.err ? b.err : str_copy(it->line, sizeof(it->line), b.p);
	buf_free(&b);
	ask->line = it->line;
	return rc;
}

static int
print_receipts(struct add *a)
{
	struct stream	 out;
	int		 rc;

	stream_init(&out, STDOUT_FILENO, 0, -1);
	for (size_t i = 0; i < a->n; i++) {
		struct catalog_ask *k = &a->ask[i];
		struct item *it = &a->item[i];

		if (k->code != 0) {
			a->worst = log_fail(&a->t->log, k->code, "%s is stored,"
			    " but not known to be listed", it->r.id);
			continue;
		}
		it->r.entries.p = k->answer.len ? k->answer.p : "";
		it->r.entries.len = k->answer.len;
		receipt_write(&out.out, &it->r);
	}
	rc = stream_flush(&out, 1);
	buf_free(&out.out);
	buf_free(&out.in);
	return rc == 0 ? 0 : log_fail(&a->t->log, rc, "output");
}

static int
do_chunk(struct add *a)
{
	int	 rc;

	for (size_t i = 0; i < a->n; i++) {
		buf_init(&a->ask[i].answer, RECEIPT_MAX);
		a->ask[i].code = CM_EAWAY;
	}
	rc = catalog_ask_all(a->t->catalog, a->ask, a->n);
	/* those that were answered before it failed are good */
	if (rc != CM_ENOMEM) {
		int wr = print_receipts(a);

		if (rc == 0 || wr != 0)
			rc = wr;
	}
	for (size_t i = 0; i < a->n; i++) {
		buf_free(&a->ask[i].answer);
		free(a->item[i].text);
	}
	a->n = 0;
	return rc;
}

static int
add_line(struct add *a, struct span line, uint64_t number)
{
	struct item	*it = &a->item[a->n];
	int		 rc;

	if ((it->text = strndup(line.p, line.len)) == NULL)
		return CM_ENOMEM;
	rc = receipt_parse(it->text, line.len, &it->r);
	if (rc == 0)
		rc = make_request(it, &a->ask[a->n]);
	if (rc != 0) {
		free(it->text);
		a->worst = log_fail(&a->t->log, CM_EDATA, "input line %llu is "
		    "no receipt", (unsigned long long)number);
		return 0;
	}
	a->n++;
	return 0;
}

int
cattool_add(struct tool *t, int argc, char **argv)
{
	struct add	*a;
	struct stream	 in;
	struct span	 line;
	uint64_t	 number = 0;
	int		 rc;

	(void)argc;
	(void)argv;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return log_fail(&t->log, CM_ENOMEM, "add");
	a->t = t;
	stream_init(&in, STDIN_FILENO, RECEIPT_MAX, -1);
	while ((rc = stream_line(&in, &line)) == 0) {
		if ((rc = add_line(a, line, ++number)) != 0)
			break;
		if (a->n > 0 && (a->n == CHUNK || !stream_has_line(&in)) &&
		    (rc = do_chunk(a)) != 0)
			break;
	}
	if (rc == CM_EEND)
		rc = a->n > 0 ? do_chunk(a) : 0;
	else if (rc == CM_EDATA || rc == CM_ETOOBIG)
		log_fail(&t->log, rc, "input line %llu",
		    (unsigned long long)number + 1);
	if (rc == 0)
		rc = a->worst;
	buf_free(&in.in);
	buf_free(&in.out);
	free(a);
	return rc;
}

int
cattool_list(struct tool *t, int argc, char **argv)
{
	const char	*words[] = { "list", NULL, NULL, NULL };
	int		 rc;

	if (argc == 3 && strcmp(argv[0], "-F") == 0) {
		words[1] = argv[2];
		words[2] = argv[1];
	} else if (argc == 1 && argv[0][0] != '-') {
		words[1] = argv[0];
	} else {
		return CM_EUSAGE;
	}
	rc = print_answer(t, words, CATALOG_CALL_MS);
	if (rc == CM_ENOUSER)
		log_fail(&t->log, rc, "%s", words[1]);
	return rc;
}

struct folders {
	struct stream	 out;
	char		 mailbox[ADDRESS_MAX + 1];
};

static int
print_folder(void *arg, const struct mailbox_folder *f)
{
	struct folders	*q = arg;

	if (!f->exists)
		return 0;
	entry_write(&q->out.out, q->mailbox, f->name);
	buf_addf(&q->out.out, "\t%u\t%u\t%u\t%u\t%llu\t%llu\n",
	    f->validity, f->uidnext, f->messages, f->unseen,
	    (unsigned long long)f->bytes, (unsigned long long)f->modseq);
	return stream_flush(&q->out, FLUSH);
}

int
cattool_folders(struct tool *t, int argc, char **argv)
{
	struct folders	 q;
	struct mailbox	*m;
	int		 rc;

	(void)argc;
	if (address_key(argv[0], strlen(argv[0]), q.mailbox) != 0)
		return log_fail(&t->log, CM_ENOUSER, "%s", argv[0]);
	if ((rc = mailbox_open(t->catalog, q.mailbox, &m)) != 0)
		return log_fail(&t->log, rc, "%s", argv[0]);
	stream_init(&q.out, STDOUT_FILENO, 0, -1);
	rc = mailbox_folders(m, print_folder, &q);
	if (rc == CM_ENOUSER)
		log_fail(&t->log, rc, "%s", argv[0]);
	else if (rc == 0 && (rc = stream_flush(&q.out, 1)) != 0)
		log_fail(&t->log, rc, "output");
	buf_free(&q.out.out);
	buf_free(&q.out.in);
	mailbox_close(m);
	return rc;
}

int
cattool_dump(struct tool *t, int argc, char **argv)
{
	const char	*words[] = { "dump", NULL, NULL };

	if (argc == 1) {
		if (strcmp(argv[0], "-l") != 0)
			return CM_EUSAGE;
		words[1] = "here";
	}
	return print_answer(t, words, FOREVER);
}

int
cattool_load(struct tool *t, int argc, char **argv)
{
	const char	*words[] = { "load", NULL, NULL };

	if (argc == 1) {
		if (strcmp(argv[0], "-f") != 0)
			return CM_EUSAGE;
		words[1] = "force";
	}
	return catalog_call(t->catalog, words, STDIN_FILENO, FOREVER, NULL,
	    NULL);
}

int
cattool_stat(struct tool *t, int argc, char **argv)
{
	const char	*words[] = { "stat", NULL };

	(void)argc;
	(void)argv;
	return print_answer(t, words, CATALOG_CALL_MS);
}

struct lead {
	struct stream	 out;
	const char	*node;
};

static int
print_held(void *arg, struct span line)
{
	struct lead	*l = arg;
	struct span	 f;

	if (str_field(&line, '\t', &f) && span_is(f, "held") &&
	    line.p != NULL)
		buf_addf(&l->out.out, "%s leads; changes waited for %.*s ms\n",
		    l->node, (int)line.len, line.p);
	return l->out.out.err;
}

int
cattool_lead(struct tool *t, int argc, char **argv)
{
	const char	*words[] = { "lead", NULL, NULL };
	struct lead	 l;
	bool		 verbose = strcmp(argv[0], "-v") == 0;
	int		 rc, wr;

	if (argc != 1 + verbose || argv[verbose][0] == '-')
		return CM_EUSAGE;
	l.node = words[1] = argv[verbose];
	stream_init(&l.out, STDOUT_FILENO, 0, -1);
	rc = catalog_call(t->catalog, words, -1, LEAD_MS, verbose ?
	    print_held : NULL, &l);
	if ((wr = stream_flush(&l.out, 1)) != 0 && rc == 0)
		rc = log_fail(&t->log, wr, "output");
	buf_free(&l.out.out);
	buf_free(&l.out.in);
	return rc;
}

int
cattool_sync(struct tool *t, int argc, char **argv)
{
	const char	*words[] = { "sync", NULL };

	(void)argc;
	(void)argv;
	return catalog_call(t->catalog, words, -1, FOREVER, NULL, NULL);
}

int
cattool_stop(struct tool *t, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return catalog_stop(t->catalog);
}

/* One entry of flag or expunge. */
struct change {
	struct tool	*t;
	const char	*add, *del;	/* flags; NULL: expunge */
};

static int
change_entry(const struct change *c, struct span entry)
{
	const char	*words[7] = { "expunge", NULL };
	struct buf	 mailbox, folder;
	char		 uid[12];
	uint32_t	 n;
	int		 rc;

	buf_init(&mailbox, 4096);
	buf_init(&folder, 4096);
	rc = entry_parse(entry.p, entry.len, &mailbox, &folder, &n);
	if (rc == 0)
		rc = str_fmt(uid, sizeof(uid), "%u", n);
	if (rc == 0) {
		words[1] = mailbox.p;
		words[2] = folder.p;
		words[3] = uid;
		words[4] = c->add;
		words[5] = c->add != NULL ? c->del : NULL;
		if (c->add != NULL)
			words[0] = "flag";
		rc = catalog_call(c->t->catalog, words, -1, CATALOG_CALL_MS,
		    NULL, NULL);
	}
	if (rc != 0)
		log_fail(&c->t->log, rc, "entry %.*s", (int)entry.len,
		    entry.p);
	buf_free(&mailbox);
	buf_free(&folder);
	return rc;
}

/* Entries as operands, or the first fields of lines on fd 0. */
static int
change_all(const struct change *c, int argc, char **argv)
{
	struct stream	 in;
	struct span	 line, f;
	int		 rc, worst = 0;

	for (int i = 0; i < argc; i++)
		if ((rc = change_entry(c, (struct span){ argv[i],
		    strlen(argv[i]) })) != 0)
			worst = rc;
	if (argc > 0)
		return worst;
	stream_init(&in, STDIN_FILENO, RECEIPT_MAX, -1);
	while ((rc = stream_line(&in, &line)) == 0)
		if (str_field(&line, '\t', &f) &&
		    (rc = change_entry(c, f)) != 0)
			worst = rc;
	buf_free(&in.in);
	buf_free(&in.out);
	return rc == CM_EEND ? worst : log_fail(&c->t->log, rc, "input");
}

int
cattool_expunge(struct tool *t, int argc, char **argv)
{
	struct change	 c = { .t = t };

	return change_all(&c, argc, argv);
}

int
cattool_flag(struct tool *t, int argc, char **argv)
{
	struct change	 c = { .t = t };
	struct buf	 add, del;
	int		 i, rc;

	buf_init(&add, 8192);
	buf_init(&del, 8192);
	for (i = 0; i < argc && (argv[i][0] == '+' || argv[i][0] == '-'); i++)
		buf_addf(argv[i][0] == '+' ? &add : &del, "%s ", argv[i] + 1);
	c.add = add.len ? add.p : "";
	c.del = del.len ? del.p : "";
	if (i == 0)
		rc = CM_EUSAGE;
	else if (add.err || del.err)
		rc = log_fail(&t->log, CM_ETOOBIG, "flags");
	else
		rc = change_all(&c, argc - i, argv + i);
	buf_free(&add);
	buf_free(&del);
	return rc;
}
