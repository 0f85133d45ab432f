/* What only the leader's agent can do is asked of it. */
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cluster/agent_int.h"
#include "cluster/catdump.h"
#include "cluster/relay_int.h"

#define ANSWER_MS	15000
#define SLOW_MS		600000	/* of a dump, a load, a rebuild, a sync */
#define OWN_MS		3000	/* for this node to have it too */
#define FLUSH		65536

void
agent_forward_end(struct agent_forward *f)
{
	if (f->up)
		stream_close(&f->s);
	f->up = false;
}

static int
dial(struct agent *a, struct agent_forward *f)
{
	char	 name[CONF_NAME_MAX + 1];
	int	 fd, rc;

	if (f->up)
		return 0;
	replica_leader(a->replica, name);
	if (name[0] == '\0' || replica_role(a->replica) == REPLICA_LEADER)
		return CM_EAWAY;
	if ((rc = relay_leader(NULL, a->conf, name, &fd)) != 0)
		return rc;
	stream_init(&f->s, fd, CATDUMP_LINE_MAX, ANSWER_MS);
	f->up = true;
	return 0;
}

/* The lines of a request's body, its last one, ".", too. */
static int
send_body(struct agent_forward *f, struct stream *client)
{
	struct span	 l;
	int		 rc;

	do {
		if ((rc = stream_line(client, &l)) != 0)
			return rc;
		buf_add(&f->s.out, l.p, l.len);
		buf_addc(&f->s.out, '\n');
		if ((rc = stream_flush(&f->s, FLUSH)) != 0)
			return rc;
	} while (!span_is(l, "."));
	return 0;
}

/* ".CODE TAB TEXT" */
static int
last_line(struct agent_forward *to, struct span l, int *code)
{
	struct span	 f;
	uint64_t	 v;

	l.p++;
	l.len--;
	if (!str_field(&l, '\t', &f) || f.len == 0)
		return CM_EPROTO;
	if (span_is(f, "0"))
		v = 0;
	else if (f.p[0] != '-' || str_u64(f.p + 1, f.len - 1, 1000, &v) != 0)
		return CM_EPROTO;
	*code = -(int)v;
	if (l.p == NULL ||
	    str_ncopy(to->text, sizeof(to->text), l.p, l.len) != 0)
		to->text[0] = '\0';
	return 0;
}

/* Passes an answer on; to NULL: the last of its lines is kept in one. */
static int
answer(struct agent_forward *f, struct stream *to, struct buf *one, int *code)
{
	struct span	 l;
	int		 rc;

	for (;;) {
		if ((rc = stream_line(&f->s, &l)) != 0)
			return rc;
		if (l.len == 0 || (l.p[0] != '=' && l.p[0] != '.'))
			return CM_EPROTO;
		if (l.p[0] == '.')
			return last_line(f, l, code);
		if (to != NULL) {
			buf_add(&to->out, l.p, l.len);
			buf_addc(&to->out, '\n');
			if ((rc = stream_flush(to, FLUSH)) != 0)
				return rc;
		} else {
			buf_reset(one);
			buf_add(one, l.p, l.len);
		}
	}
}

/* "=GENERATION TAB FILE TAB OFFSET" */
static int
parse_token(const struct buf *b, struct replica_token *t)
{
	struct span	 l = { b->p, b->len }, f;
	uint64_t	 v[3];

	if (l.len < 2)
		return CM_EPROTO;
	l.p++;
	l.len--;
	for (int i = 0; i < 3; i++)
		if (!str_field(&l, '\t', &f) ||
		    str_u64(f.p, f.len, UINT32_MAX, &v[i]) != 0)
			return CM_EPROTO;
	t->generation = (uint32_t)v[0];
	t->lsn = (struct kv_lsn){ (uint32_t)v[1], (uint32_t)v[2] };
	return 0;
}

/* Who wrote reads what it wrote, at this node too. */
static int
wait_own(struct agent *a, struct agent_forward *f)
{
	struct replica_token	 t;
	struct buf		 one;
	int			 rc, code = 0;

	buf_init(&one, 4096);
	rc = answer(f, NULL, &one, &code);
	if (rc == 0 && code == 0)
		rc = parse_token(&one, &t);
	buf_free(&one);
	if (rc != 0)
		return rc;
	/* it is done; a node that is far behind catches up by itself */
	if (code == 0 && replica_wait(a->replica, &t, OWN_MS) != 0)
		log_warn(a->log, "catalog: this node is behind its leader");
	return 0;
}

/* Asks, and passes the answer on.  The text of its last line stays, whatever
 * the token's answer is. */
static int
ask(struct agent *a, struct agent_forward *f, struct stream *client,
    struct span line, int *code)
{
	char	 text[sizeof(f->text)];
	int	 rc;

	f->s.timeout_ms = f->slow ? SLOW_MS : ANSWER_MS;
	buf_add(&f->s.out, line.p, line.len);
	buf_addc(&f->s.out, '\n');
	if (f->body && (rc = send_body(f, client)) != 0)
		return rc;
	buf_adds(&f->s.out, "token\n");
	if ((rc = stream_flush(&f->s, 1)) != 0 ||
	    (rc = answer(f, client, NULL, code)) != 0)
		return rc;
	memcpy(text, f->text, sizeof(text));
	rc = wait_own(a, f);
	memcpy(f->text, text, sizeof(text));
	return rc;
}

int
agent_forward(struct agent *a, struct agent_forward *f,
    struct stream *client, struct span line)
{
	static const char away[] = "no node that leads the catalog can be "
	    "reached";
	int	 rc, code = 0;

	if ((rc = dial(a, f)) != 0) {
		memcpy(f->text, away, sizeof(away));
		return CM_ESTALE;
	}
	if ((rc = ask(a, f, client, line, &code)) == 0) {
		/* it leads no more: the next one is dialled */
		if (code == CM_ESTALE || code == CM_EAWAY)
			agent_forward_end(f);
		return code;
	}
	agent_forward_end(f);
	memcpy(f->text, away, sizeof(away));
	return CM_EAWAY;
}
