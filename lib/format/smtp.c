#include "format/smtp.h"

#include <string.h>

static const char *const verbs[] = {
	"HELO", "EHLO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP",
	"QUIT", "VRFY", "EXPN", "HELP", "AUTH", "STARTTLS"
};

static struct span
trim(struct span s)
{
	while (s.len > 0 && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && (s.p[s.len - 1] == ' ' ||
	    s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

enum smtp_verb
smtp_verb(struct span line, struct span *args)
{
	size_t	 n = 0;

	while (n < line.len && line.p[n] != ' ' && line.p[n] != '\t')
		n++;
	*args = trim((struct span){ line.p + n, line.len - n });
	for (size_t i = 0; i < SMTP_UNKNOWN; i++)
		if (str_ieq(line.p, n, verbs[i]))
			return (enum smtp_verb)i;
	return SMTP_UNKNOWN;
}

const char *
smtp_verb_name(enum smtp_verb v)
{
	return v < SMTP_UNKNOWN ? verbs[v] : "?";
}

bool
smtp_is_text(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') ||
		    s.p[i] == 0x7f)
			return false;
	return true;
}

/* RFC 5321 section 4.1.4: a wrong name is no reason to refuse. */
bool
smtp_is_helo(struct span s)
{
	if (s.len == 0 || s.len > 255)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return true;
}

/*
 * The end of a path that begins behind "<": quotes may hold a ">".  s.len when
 * there is none.
 */
static size_t
path_end(struct span s)
{
	bool	 quoted = false;

	for (size_t i = 0; i < s.len; i++) {
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && s.p[i] == '>')
			return i;
	}
	return s.len;
}

/* RFC 5321 section 4.1.2: esmtp-keyword and esmtp-value. */
static bool
param_ok(const struct smtp_param *p)
{
	if (p->key.len == 0 || *p->key.p == '-')
		return false;
	for (size_t i = 0; i < p->key.len; i++) {
		char c = str_lower(p->key.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '-'))
			return false;
	}
	if (p->value.p != NULL && p->value.len == 0)
		return false;
	for (size_t i = 0; i < p->value.len; i++)
		if ((unsigned char)p->value.p[i] <= ' ' ||
		    p->value.p[i] == '=' || p->value.p[i] == 0x7f)
			return false;
	return true;
}

static int
take_params(struct span rest, struct smtp_path *out)
{
	struct span	 f;
	const char	*eq;

	while (str_field(&rest, ' ', &f)) {
		struct smtp_param *p = &out->param[out->nparams];

		if (f.len == 0)
			continue;
		if (out->nparams == SMTP_PARAMS_MAX)
			return CM_ETOOBIG;
		*p = (struct smtp_param){ .key = f };
		if ((eq = memchr(f.p, '=', f.len)) != NULL) {
			p->key.len = (size_t)(eq - f.p);
			p->value = (struct span){ eq + 1,
			    f.len - p->key.len - 1 };
		}
		if (!param_ok(p))
			return CM_EDATA;
		out->nparams++;
	}
	return 0;
}

int
smtp_path(struct span args, const char *word, struct smtp_path *out)
{
	size_t	 n = strlen(word), end;

	memset(out, 0, sizeof(*out));
	if (args.len <= n || !str_ieq(args.p, n, word) || args.p[n] != ':')
		return CM_EDATA;
	args = trim((struct span){ args.p + n + 1, args.len - n - 1 });
	if (args.len < 2 || *args.p != '<')
		return CM_EDATA;
	args.p++;
	args.len--;
	if ((end = path_end(args)) == args.len)
		return CM_EDATA;
	out->raw = (struct span){ args.p, end };
	args.p += end + 1;
	args.len -= end + 1;
	if (args.len > 0 && *args.p != ' ')
		return CM_EDATA;
	if (out->raw.len > 0 && address_parse(out->raw.p, out->raw.len,
	    out->address) != 0)
		return CM_EUSAGE;
	return take_params(args, out);
}

int
smtp_xtext(struct span s, struct buf *out)
{
	uint64_t	 v;
	char		 hex[2];

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] != '+') {
			buf_addc(out, s.p[i]);
			continue;
		}
		if (i + 2 >= s.len)
			return CM_EDATA;
		hex[0] = str_lower(s.p[i + 1]);
		hex[1] = str_lower(s.p[i + 2]);
		if (str_hex(hex, 2, &v) != 0 || v < ' ' || v == 0x7f)
			return CM_EDATA;
		buf_addc(out, (char)v);
		i += 2;
	}
	return out->err;
}

void
smtp_reply(struct buf *b, int code, const char *enhanced, const char *text)
{
	struct span	 rest = { text, strlen(text) }, l;

	while (str_field(&rest, '\n', &l))
		buf_addf(b, "%d%c%s%s%.*s\r\n", code,
		    rest.p != NULL ? '-' : ' ', enhanced,
		    enhanced[0] ? " " : "", (int)l.len, l.p);
}

void
smtp_data_init(struct smtp_data *d)
{
	memset(d, 0, sizeof(*d));
	d->state = DATA_LINE;
}

/* A byte of a line's text, or a bare end of one. */
static void
text_byte(struct smtp_data *d, char c, struct buf *out)
{
	buf_addc(out, c);
	d->nul |= c == '\0';
	d->line += c != '\r';
	d->long_line |= d->line > SMTP_LINE_MAX - 2;
	d->bare_lf |= c == '\n';
	d->state = c == '\r' ? DATA_CR : DATA_TEXT;
}

/* As many bytes as are nothing special. */
static size_t
plain_run(struct smtp_data *d, const struct span *in, struct buf *out)
{
	size_t	 n = in->len;
	const char *p;

	if ((p = memchr(in->p, '\r', n)) != NULL)
		n = (size_t)(p - in->p);
	if ((p = memchr(in->p, '\n', n)) != NULL)
		n = (size_t)(p - in->p);
	if (n > 0) {
		buf_add(out, in->p, n);
		d->nul |= memchr(in->p, '\0', n) != NULL;
		d->line += n;
		d->long_line |= d->line > SMTP_LINE_MAX - 2;
	}
	return n;
}

static void
line_end(struct smtp_data *d, struct buf *out)
{
	buf_addc(out, '\n');
	d->line = 0;
	d->state = DATA_LINE;
}

static bool
step(struct smtp_data *d, char c, struct buf *out)
{
	switch (d->state) {
	case DATA_LINE:
		if (c == '.')
			d->state = DATA_DOT;
		else
			text_byte(d, c, out);
		return false;
	case DATA_DOT:
		if (c == '\r')
			d->state = DATA_DOT_CR;
		else
			text_byte(d, c, out);
		return false;
	case DATA_DOT_CR:
		if (c == '\n')
			return true;
		/* the dot was stuffed, and a bare CR is behind it */
		d->bare_cr = true;
		buf_addc(out, '\r');
		text_byte(d, c, out);
		return false;
	case DATA_CR:
		if (c == '\n') {
			line_end(d, out);
			return false;
		}
		d->bare_cr = true;
		break;
	case DATA_TEXT:
		break;
	}
	text_byte(d, c, out);
	return false;
}

bool
smtp_data_feed(struct smtp_data *d, struct span *in, struct buf *out)
{
	size_t	 n;
	bool	 end;

	while (in->len > 0) {
		if (d->state == DATA_TEXT) {
			n = plain_run(d, in, out);
			in->p += n;
			in->len -= n;
			if (in->len == 0)
				break;
		}
		end = step(d, *in->p, out);
		in->p++;
		in->len--;
		if (end)
			return true;
	}
	return false;
}

void
smtp_data_look(struct smtp_data *d, struct span in)
{
	for (size_t i = 0; i < in.len; i++) {
		char c = in.p[i];

		if (c == '\n' && d->state == DATA_CR) {
			d->line = 0;
			d->state = DATA_LINE;
			continue;
		}
		d->bare_cr |= d->state == DATA_CR;
		d->bare_lf |= c == '\n';
		d->nul |= c == '\0';
		d->line += c != '\r';
		d->long_line |= d->line > SMTP_LINE_MAX - 2;
		d->state = c == '\r' ? DATA_CR : DATA_TEXT;
	}
}

void
smtp_data_end(struct smtp_data *d)
{
	d->bare_cr |= d->state == DATA_CR;
}
