/* What stands in for volumes, deliveries and logins.  Of imap_session.c. */
#ifndef FUZZ_IMAP_STAND_H
#define FUZZ_IMAP_STAND_H

#include "imap_box.h"

/* --- the catalog, but for the mailbox */

int
catalog_open(const struct log *log, const struct conf *conf, const char *file,
    const char *node, struct catalog **out)
{
	(void)log, (void)conf, (void)file, (void)node;
	*out = NULL;
	return 0;
}

void
catalog_close(struct catalog *c)
{
	(void)c;
}

/* Where a delivery was listed: its folder is the one that was added to. */
int
catalog_call(struct catalog *c, const char *const words[], int body, int ms,
    catalog_fn fn, void *arg)
{
	struct buf	 b;
	struct folder	*d;
	struct ulid	 id;
	int		 rc = asked("");

	(void)c, (void)ms;
	must(strcmp(words[0], "wait") == 0 && body == -1 &&
	    ulid_parse(words[1], strlen(words[1]), &id) == 0);
	buf_init(&b, 10000);
	for (size_t i = 0; i < FOLDERS; i++) {
		d = &box.folder[i];
		for (size_t k = 0; k < d->f.messages; k++) {
			if (d->m[k].text != id.b[15])
				continue;
			if (b.len > 0)
				buf_addc(&b, ',');
			entry_write(&b, "bob@example.org", d->f.name);
			buf_addf(&b, "/%u", d->m[k].uid);
		}
	}
	if (rc == 0 && b.len > 0)
		rc = fn(arg, (struct span){ b.p, b.len });
	buf_free(&b);
	return rc;
}

int
catalog_rcpt_room(struct catalog *c, const char *address, struct buf *out,
    uint64_t *room)
{
	(void)c;
	*room = 3000;
	must(strcmp(address, "bob@example.org") == 0);
	buf_addf(out, "%s\n", address);
	return asked("");
}

/* --- volumes: two texts cannot be had */

int
reader_open(const struct log *log, const struct conf *conf,
    struct reader **out)
{
	(void)log, (void)conf;
	*out = NULL;
	return 0;
}

void
reader_close(struct reader *r)
{
	(void)r;
}

const char *
reader_node(struct reader *r, const char *volume)
{
	(void)r;
	return strcmp(volume, "v2") == 0 ? "n2" : NULL;
}

int
reader_get(struct reader *r, const struct place *p, const struct ulid *id,
    struct reader_record *out)
{
	unsigned	 i = p->offset;

	(void)r;
	must(i < ntexts && id != NULL && id->b[15] == i &&
	    p->length == the_text[i].len);
	memset(out, 0, sizeof(*out));
	out->msg = (struct span){ the_text[i].p, the_text[i].len };
	return i == 3 ? CM_EAWAY : i == 5 ? CM_ECORRUPT : 0;
}

struct ahead_item {
	struct place	 place;
	struct ulid	 id;
};

int
ahead_open(const struct log *log, const struct conf *conf, struct ahead **out)
{
	(void)log, (void)conf;
	*out = NULL;
	return 0;
}

void
ahead_close(struct ahead *a)
{
	(void)a;
}

int
ahead_ask(struct ahead *a, const struct place *p, const struct ulid *id,
    struct ahead_item **out)
{
	(void)a;
	must((*out = malloc(sizeof(**out))) != NULL);
	**out = (struct ahead_item){ *p, *id };
	return 0;
}

int
ahead_take(struct ahead_item *i, struct reader_record *out)
{
	return reader_get(NULL, &i->place, &i->id, out);
}

void
ahead_drop(struct ahead_item *i)
{
	free(i);
}

/* --- deliveries: into the folder at once */

int
deliver_open(const struct log *log, const struct conf *conf, const char *file,
    const char *node, struct deliver **out)
{
	(void)log, (void)conf, (void)file, (void)node;
	*out = NULL;
	return 0;
}

void
deliver_close(struct deliver *d)
{
	(void)d;
}

static void
set_flags(struct message *m, const char *flags)
{
	struct buf	 words;

	buf_init(&words, 65536);
	must(flags_parse(flags, strlen(flags), &m->flags, &words) == 0);
	if (words.len > 0 && words.len < WORDS_MAX)
		memcpy(m->words, words.p, words.len + 1);
	buf_free(&words);
}

int
deliver_message(struct deliver *x, const struct store_msg *s,
    struct delivery *out)
{
	struct folder	*d = find_real(s->folder);
	struct message	*m;
	struct ulid	 id;
	unsigned	 text;
	int		 rc = asked(s->folder);

	(void)x;
	must(span_is(s->mailboxes, "bob@example.org\n") && s->len > 0 &&
	    memchr(s->p, '\0', s->len) == NULL);
	if (rc != 0)
		return rc;
	if (d == NULL && (d = make_folder(s->folder)) != NULL)
		fresh(d, 0);
	if (d == NULL || (text = add_text(s->p, s->len)) == TEXTS ||
	    (m = put_message(d, text)) == NULL)
		return CM_ESPACE;
	if (s->time_ms >= 0)
		m->time_ms = s->time_ms;
	set_flags(m, s->flags);
	count(d);
	text_id(text, &id);
	ulid_text(&id, out->id);
	out->place = (struct place){ .volume = "v1", .segment = 1,
	    .offset = text, .length = (uint32_t)s->len };
	return 0;
}

void
delivery_free(struct delivery *d)
{
	buf_free(&d->copies);
}

/* --- logins: the mechanism's name says what comes of it */

int
sasl_server_open(const struct log *log, struct sasl_server **out)
{
	(void)log;
	*out = NULL;
	return 0;
}

void
sasl_server_close(struct sasl_server *s)
{
	(void)s;
}

const char *
sasl_server_mechanisms(const struct tls_session *tls)
{
	(void)tls;
	return "SCRAM-SHA-256 SCRAM-SHA-1";
}

enum login_end
login_sasl(struct login *l, const char *mechanism, const char *first)
{
	(void)first;
	if (strcasecmp(mechanism, "IN") == 0) {
		must(str_copy(l->mailbox, sizeof(l->mailbox),
		    "bob@example.org") == 0);
		return LOGIN_GOOD;
	}
	l->code = CM_EAWAY;
	return strcasecmp(mechanism, "WRONG") == 0 ? LOGIN_WRONG :
	    strcasecmp(mechanism, "LOST") == 0 ? LOGIN_LOST :
	    strcasecmp(mechanism, "LATER") == 0 ? LOGIN_LATER :
	    strcasecmp(mechanism, "NO") == 0 ? LOGIN_GIVEN_UP :
	    strcasecmp(mechanism, "BAD") == 0 ? LOGIN_GARBAGE : LOGIN_UNKNOWN;
}

/* Not without TLS, which is not here. */
enum login_end
login_password(struct login *l, const char *name, const char *password)
{
	(void)l, (void)name, (void)password;
	abort();
}

#endif
