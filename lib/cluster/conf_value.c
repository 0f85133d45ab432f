/* Values of attributes, each checked by itself. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cluster/conf_impl.h"

int
conf_bad(const struct conf_reader *r, int line, const char *fmt, ...)
{
	char	 text[1024];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return log_fail(r->log, CM_ECONF, "%s:%d: %s", r->file, line, text);
}

int
conf_no_memory(const struct conf_reader *r)
{
	return log_fail(r->log, CM_ENOMEM, "%s", r->file);
}

bool
conf_name_ok(const char *s)
{
	size_t	 len = strspn(s, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return len > 0 && len <= CONF_NAME_MAX && s[len] == '\0' &&
	    s[0] != '-';
}

/* An attribute that must be there. */
int
conf_need(const struct conf_reader *r, const struct xml_elem *e,
    const char *attr, const char **out)
{
	if ((*out = xml_attr(e, attr)) == NULL)
		return conf_bad(r, xml_line(e), "%s has no attribute %s",
		    xml_name(e), attr);
	return 0;
}

int
conf_keep(const struct conf_reader *r, const char *s, char **out)
{
	if ((*out = strdup(s)) == NULL)
		return conf_no_memory(r);
	return 0;
}

int
conf_name(const struct conf_reader *r, const struct xml_elem *e,
    const char *attr, char **out)
{
	const char	*s;
	int		 rc;

	if ((rc = conf_need(r, e, attr, &s)) != 0)
		return rc;
	if (!conf_name_ok(s))
		return conf_bad(r, xml_line(e), "%s=\"%s\" is not a name: 1 to "
		    "%d letters, digits, - and _, not starting with -",
		    attr, s, CONF_NAME_MAX);
	return conf_keep(r, s, out);
}

/*
 * One form for each folder, so that two names of one are seen: no double
 * slash, no "." and no slash at the end.  What is wrong, or NULL.
 */
static const char *
clean_path(const char *s, char *out)
{
	size_t	 n = 0, len;

	if (s[0] != '/')
		return "is not absolute";
	if (strlen(s) > CONF_PATH_MAX)
		return "is too long";
	while (*(s += strspn(s, "/")) != '\0') {
		len = strcspn(s, "/");
		if (len == 2 && s[0] == '.' && s[1] == '.')
			return "must not contain \"..\"";
		for (size_t i = 0; i < len; i++)
			if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
				return "contains a control character";
		if (len != 1 || s[0] != '.') {
			out[n++] = '/';
			memcpy(out + n, s, len);
			n += len;
		}
		s += len;
	}
	out[n] = '\0';
	return n == 0 ? "must not be the root folder" : NULL;
}

int
conf_path(const struct conf_reader *r, const struct xml_elem *e,
    const char *attr, const char *def, char **out)
{
	const char	*s, *why;
	char		 clean[CONF_PATH_MAX + 1];
	int		 rc;

	if (def != NULL && xml_attr(e, attr) == NULL)
		return conf_keep(r, def, out);
	if ((rc = conf_need(r, e, attr, &s)) != 0)
		return rc;
	if ((why = clean_path(s, clean)) != NULL)
		return conf_bad(r, xml_line(e), "%s=\"%s\" %s", attr, s, why);
	return conf_keep(r, clean, out);
}

/* An optional size from min to max; *out stays as it is without one. */
int
conf_size(const struct conf_reader *r, const struct xml_elem *e,
    const char *attr, uint64_t min, uint64_t max, uint64_t *out)
{
	const char	*s = xml_attr(e, attr);
	uint64_t	 v;

	if (s == NULL)
		return 0;
	if (str_size(s, &v) != 0)
		return conf_bad(r, xml_line(e), "%s=\"%s\" is not a size such "
		    "as 500K, 50M or 1G", attr, s);
	if (v < min || v > max)
		return conf_bad(r, xml_line(e), "%s=\"%s\" is not from %llu "
		    "to %llu bytes", attr, s, (unsigned long long)min,
		    (unsigned long long)max);
	*out = v;
	return 0;
}

/* An optional word of a list; *out stays as it is without one. */
int
conf_word(const struct conf_reader *r, const struct xml_elem *e,
    const char *attr, const struct conf_word *words, int *out)
{
	const char	*s = xml_attr(e, attr);
	struct buf	 all;
	int		 rc;

	if (s == NULL)
		return 0;
	for (const struct conf_word *w = words; w->word != NULL; w++) {
		if (strcmp(w->word, s) == 0) {
			*out = w->value;
			return 0;
		}
	}
	buf_init(&all, 256);
	for (const struct conf_word *w = words; w->word != NULL; w++)
		buf_addf(&all, "%s%s", w == words ? "" : " or ", w->word);
	rc = conf_bad(r, xml_line(e), "%s=\"%s\" is not %s", attr, s,
	    all.len > 0 ? all.p : "known");
	buf_free(&all);
	return rc;
}

bool
conf_domain_ok(const char *s)
{
	size_t	 len;

	if (strlen(s) > 253)
		return false;
	for (;; s += len + 1) {
		len = strspn(s, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
		if (len == 0 || len > 63 || s[0] == '-' || s[len - 1] == '-')
			return false;
		if (s[len] == '\0')
			return true;
		if (s[len] != '.')
			return false;
	}
}

int
conf_domain(const struct conf_reader *r, const struct xml_elem *e,
    const char *attr, char **out)
{
	const char	*s = xml_attr(e, attr);
	int		 rc;

	if (s == NULL)
		return 0;
	if (!conf_domain_ok(s))
		return conf_bad(r, xml_line(e), "%s=\"%s\" is not a domain "
		    "(write an international one in its xn-- form)", attr, s);
	if ((rc = conf_keep(r, s, out)) != 0)
		return rc;
	for (char *p = *out; *p != '\0'; p++)
		*p = str_lower(*p);
	return 0;
}

int
conf_port(const struct conf_reader *r, const struct xml_elem *e,
    unsigned def, unsigned *port)
{
	*port = def;
	return conf_number(r, e, "port", 1, 65535, port);
}

int
conf_number(const struct conf_reader *r, const struct xml_elem *e,
    const char *attr, uint64_t min, uint64_t max, unsigned *out)
{
	const char	*s = xml_attr(e, attr);
	uint64_t	 v;

	if (s == NULL)
		return 0;
	if (str_u64(s, strlen(s), max, &v) != 0 || v < min)
		return conf_bad(r, xml_line(e), "%s=\"%s\" is not from %llu to "
		    "%llu", attr, s, (unsigned long long)min,
		    (unsigned long long)max);
	*out = (unsigned)v;
	return 0;
}

int
conf_select(const struct conf_reader *r, const struct xml_elem *e,
    enum conf_select *out)
{
	static const struct conf_word words[] = {
		{ "round-robin", CONF_ROUND_ROBIN }, { "random", CONF_RANDOM },
		{ "least-load", CONF_LEAST_LOAD },
		{ "weighted", CONF_WEIGHTED }, { "static", CONF_STATIC },
		{ NULL, 0 }
	};
	int	 v = (int)*out, rc;

	rc = conf_word(r, e, "select", words, &v);
	*out = (enum conf_select)v;
	return rc;
}

int
conf_names(const struct conf_reader *r, const struct xml_elem *e,
    const char *attr, char ***out, size_t *n)
{
	struct span	 rest, f;
	const char	*s;
	size_t		 max = 1;
	int		 rc;

	if ((rc = conf_need(r, e, attr, &s)) != 0)
		return rc;
	for (const char *p = s; *p != '\0'; p++)
		max += *p == ' ';
	if ((*out = calloc(max, sizeof(**out))) == NULL)
		return conf_no_memory(r);
	rest = (struct span){ s, strlen(s) };
	while (str_field(&rest, ' ', &f)) {
		if (f.len == 0)
			continue;
		if (((*out)[*n] = strndup(f.p, f.len)) == NULL)
			return conf_no_memory(r);
		++*n;
	}
	if (*n == 0)
		return conf_bad(r, xml_line(e), "%s=\"%s\" names none", attr,
		    s);
	return 0;
}

int
conf_seconds(const struct conf_reader *r, const struct xml_elem *e,
    const char *attr, int *ms)
{
	const char	*s = xml_attr(e, attr), *dot;
	uint64_t	 whole, part = 0;
	size_t		 n;
	bool		 good;

	if (s == NULL)
		return 0;
	dot = strchrnul(s, '.');
	good = str_u64(s, (size_t)(dot - s), CONF_TIMEOUT_MAX / 1000,
	    &whole) == 0;
	if (good && *dot == '.') {
		n = strlen(dot + 1);
		good = n <= 3 && str_u64(dot + 1, n, 999, &part) == 0;
		for (; good && n < 3; n++)
			part *= 10;
	}
	if (good)
		whole = whole * 1000 + part;
	if (!good || whole == 0 || whole > CONF_TIMEOUT_MAX)
		return conf_bad(r, xml_line(e), "%s=\"%s\" is not from "
		    "0.001 to %d seconds", attr, s, CONF_TIMEOUT_MAX / 1000);
	*ms = (int)whole;
	return 0;
}
