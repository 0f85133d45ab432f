/*
 * PowerDNS's pipe backend: https://doc.powerdns.com/authoritative/backends/
 * pipe.html.  It asks for a name's records, all types at once, and puts the
 * answer together itself.
 */
#include <arpa/nameser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/rr.h"
#include "base/file.h"
#include "base/str.h"
#include "cluster/confwatch.h"
#include "cluster/zonetool.h"
#include "cluster/zoneview.h"

#define VERSION_MAX	5
#define FIELDS_MAX	8
#define OUT_MAX		(64u << 20)

struct pdns {
	struct tool	*tool;
	struct confwatch *watch;
	const struct conf *conf;	/* what the view was made from */
	struct zoneview	 view;
	unsigned	 version;	/* 0: no greeting yet */
	struct zone_set	 set;
	struct buf	 out;
	size_t		 id;		/* of the domain at hand, from 1 */
};

/* Its view is that of the newest configuration that is right. */
static int
look(struct pdns *p)
{
	const struct conf *now = confwatch_get(p->watch);
	struct zoneview	   view;
	int		   rc;

	if (now == p->conf) {
		confwatch_put(p->watch, now);
		return zoneview_look(&p->view, NULL);
	}
	if ((rc = zoneview_open(&p->tool->log, now, &view)) != 0) {
		confwatch_put(p->watch, now);
		return p->conf != NULL ? 0 : rc;
	}
	if (p->conf != NULL) {
		zoneview_close(&p->view);
		confwatch_put(p->watch, p->conf);
	}
	p->view = view;
	p->conf = now;
	return 0;
}

/* Its number, the place in cluster.xml; 0: none of ours. */
static size_t
number_of(const struct pdns *p, const struct dns_name *name, size_t apex)
{
	char	 text[DNS_TEXT_MAX];
	size_t	 len;

	dns_name_text(name->b + apex, text);
	len = strlen(text) - 1;		/* without the dot */
	for (size_t i = 0; i < p->conf->ndomains; i++)
		if (str_ieq(text, len, p->conf->domains[i]))
			return i + 1;
	return 0;
}

/* The first field of MX and SRV, the priority, is one of its own. */
static void
add_content(struct pdns *p, unsigned type, const struct buf *text)
{
	const char	*blank = type == ns_t_mx || type == ns_t_srv ?
			    memchr(text->p, ' ', text->len) : NULL;
	size_t		 first = blank == NULL ? 0 :
			    (size_t)(blank - text->p);

	if (blank != NULL) {
		buf_add(&p->out, text->p, first);
		buf_addc(&p->out, '\t');
		first++;
	}
	buf_add(&p->out, text->p + first, text->len - first);
}

static void
strip_dot(char *name)
{
	size_t	 n = strlen(name);

	if (n > 1)
		name[n - 1] = '\0';
}

static int
add_records(struct pdns *p, const struct dns_name *name)
{
	char		 owner[DNS_TEXT_MAX], word[RR_TYPE_MAX];
	struct buf	 text;
	int		 rc = 0;

	dns_name_text(name->b, owner);
	strip_dot(owner);
	rr_type_text(p->set.type, word);
	buf_init(&text, 4 * DNS_TCP_MAX);
	for (size_t i = 0; rc == 0 && i < p->set.n; i++) {
		buf_reset(&text);
		rc = rr_to_text(p->set.type, zone_data(&p->set, i),
		    p->set.rr[i].len, &text);
		if (rc != 0 || text.len == 0)
			continue;
		buf_addf(&p->out, "DATA\t%s%s\tIN\t%s\t%u\t%zu\t",
		    p->version >= 3 ? "0\t1\t" : "", owner, word, p->set.ttl,
		    p->id);
		add_content(p, p->set.type, &text);
		buf_addc(&p->out, '\n');
	}
	buf_free(&text);
	return rc;
}

/* One type of a name; wildcards are PowerDNS's to find. */
static int
add_type(void *arg, const struct dns_name *name, unsigned type)
{
	struct pdns	*p = arg;
	int		 rc;

	rc = zoneview_find(&p->view, name, type, &p->set);
	if (rc != 0 || p->set.wild || p->set.n == 0 || p->set.type != type)
		return rc;
	p->id = number_of(p, name, p->set.apex);
	return add_records(p, name);
}

static int
question(struct pdns *p, const struct span *f, size_t n)
{
	struct dns_name	 name;
	char		 word[RR_TYPE_MAX];
	unsigned	 type;
	int		 rc;

	if (n < 4 || dns_name(&name, f[1].p, f[1].len) != 0)
		return CM_EDATA;
	if (str_ncopy(word, sizeof(word), f[3].p, f[3].len) != 0)
		return CM_EDATA;
	if ((type = rr_type(word)) == 0)
		return CM_EDATA;
	if (type != ns_t_any)
		return add_type(p, &name, type);
	rc = zone_name(p->view.zone, &name, add_type, p);
	return rc == CM_ENOHOST ? 0 : rc;
}

/* A whole domain, by its number. */
static int
transfer(struct pdns *p, const struct span *f, size_t n)
{
	struct dns_name	 name;
	uint64_t	 id;
	const char	*domain;

	if (n < 2 || str_u64(f[1].p, f[1].len, p->conf->ndomains, &id) != 0 ||
	    id == 0)
		return CM_EDATA;
	domain = p->conf->domains[id - 1];
	if (dns_name(&name, domain, strlen(domain)) != 0)
		return CM_EDATA;
	return zone_walk(p->view.zone, &name, add_type, p);
}

static int
greeting(struct pdns *p, const struct span *f, size_t n)
{
	uint64_t v;

	if (n != 2 || !span_is(f[0], "HELO") ||
	    str_u64(f[1].p, f[1].len, VERSION_MAX, &v) != 0 || v == 0)
		return CM_EDATA;
	p->version = (unsigned)v;
	return 0;
}

/* The answer to a line; FAIL says that it could not be made. */
static void
answer(struct pdns *p, const struct span *f, size_t n)
{
	int	 rc;

	buf_reset(&p->out);
	if (p->version == 0) {
		if ((rc = greeting(p, f, n)) == 0)
			buf_adds(&p->out, "OK\tcm-route\n");
	} else if ((rc = look(p)) == 0) {
		if (span_is(f[0], "Q"))
			rc = question(p, f, n);
		else if (span_is(f[0], "AXFR"))
			rc = transfer(p, f, n);
		else if (!span_is(f[0], "PING") && !span_is(f[0], "CMD"))
			rc = CM_EDATA;
		if (rc == 0)
			buf_adds(&p->out, "END\n");
	}
	if (rc == 0 && p->out.err == 0)
		return;
	buf_reset(&p->out);
	buf_adds(&p->out, "FAIL\n");
}

static int
serve(struct pdns *p)
{
	struct span	 f[FIELDS_MAX], rest;
	char		*line = NULL;
	size_t		 room = 0, n;
	ssize_t		 len;
	int		 rc = 0;

	while (rc == 0 && (len = getline(&line, &room, stdin)) > 0) {
		if (line[len - 1] == '\n')
			len--;
		rest = (struct span){ line, (size_t)len };
		for (n = 0; n < FIELDS_MAX && str_field(&rest, '\t',
		    &f[n]); n++)
			continue;
		if (n == 0)
			f[n++] = (struct span){ line, 0 };
		answer(p, f, n);
		rc = file_write(STDOUT_FILENO, p->out.p, p->out.len);
	}
	free(line);
	return rc;
}

int
zonetool_pdns(struct tool *t, int argc, char **argv)
{
	struct pdns	 p = { .tool = t };
	int		 rc;

	(void)argc;
	(void)argv;
	if ((rc = confwatch_open(&t->log, t->file, t->node, &p.watch)) != 0)
		return rc;
	zone_set_init(&p.set);
	buf_init(&p.out, OUT_MAX);
	/* what is wrong with the zones is said before the first question */
	if ((rc = look(&p)) == 0)
		rc = serve(&p);
	if (p.conf != NULL) {
		zoneview_close(&p.view);
		confwatch_put(p.watch, p.conf);
	}
	zone_set_free(&p.set);
	buf_free(&p.out);
	confwatch_close(p.watch);
	return rc;
}
