/* Who is asked about each message: the element filters. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cluster/conf_impl.h"

#define CLAMD_PORT	3310
#define CLAMD_SIZE	(25u << 20)	/* StreamMaxLength, as it comes */
#define CLAMD_MS	60000
#define PROGRAM_MS	30000

static const struct conf_word kinds[] = {
	{ "clamd", CONF_CLAMD }, { "program", CONF_PROGRAM }, { NULL, 0 }
};
static const struct conf_word aways[] = {
	{ "defer", 0 }, { "accept", 1 }, { NULL, 0 }
};
static const struct conf_word infecteds[] = {
	{ "disarm", 1 }, { "quarantine", 0 }, { NULL, 0 }
};

static bool
is_ip(const char *s)
{
	unsigned char	 b[16];

	return inet_pton(AF_INET, s, b) == 1 || inet_pton(AF_INET6, s, b) == 1;
}

static int
read_clamd(const struct conf_reader *r, const struct xml_elem *e,
    struct conf_filter *f)
{
	const char	*host = xml_attr(e, "host");
	int		 disarm = 1, rc;

	if ((host == NULL) == (xml_attr(e, "socket") == NULL))
		return conf_bad(r, xml_line(e), "clamd has either socket or "
		    "host");
	if (host != NULL && !is_ip(host))
		return conf_bad(r, xml_line(e), "host=\"%s\" is not an IP "
		    "address", host);
	if ((rc = conf_word(r, e, "infected", infecteds, &disarm)) != 0 ||
	    (rc = conf_port(r, e, CLAMD_PORT, &f->port)) != 0)
		return rc;
	f->disarm = disarm == 1;
	if (host != NULL)
		return conf_keep(r, host, &f->host);
	return conf_path(r, e, "socket", NULL, &f->socket);
}

static int
read_program(const struct conf_reader *r, const struct xml_elem *e,
    struct conf_filter *f)
{
	size_t	 n = 0;
	char	**more;
	int	 rc;

	if ((rc = conf_names(r, e, "command", &f->command, &n)) != 0)
		return rc;
	/* a NULL at its end, as execv(3) has it */
	if ((more = reallocarray(f->command, n + 1, sizeof(*more))) == NULL) {
		free(f->command[n - 1]);
		f->command[n - 1] = NULL;
		return conf_no_memory(r);
	}
	f->command = more;
	f->command[n] = NULL;
	if (f->command[0][0] != '/')
		return conf_bad(r, xml_line(e), "command=\"%s\" is not "
		    "absolute", f->command[0]);
	return 0;
}

/* Named like the program, when nobody says otherwise. */
static int
name_it(const struct conf_reader *r, const struct xml_elem *e,
    struct conf_filter *f)
{
	const char	*name = xml_name(e);

	if (xml_attr(e, "name") != NULL)
		return conf_name(r, e, "name", &f->name);
	if (f->kind == CONF_PROGRAM)
		name = strrchr(f->command[0], '/') + 1;
	if (!conf_name_ok(name))
		return conf_bad(r, xml_line(e), "%s needs a name", name);
	return conf_keep(r, name, &f->name);
}

static int
read_filter(const struct conf_reader *r, const struct xml_elem *e,
    int kind, struct conf_filter *f)
{
	int	 accept = 0, rc;

	f->kind = (enum conf_filter_kind)kind;
	f->max_size = kind == CONF_CLAMD ? CLAMD_SIZE : CONF_SIZE_MAX;
	f->timeout_ms = kind == CONF_CLAMD ? CLAMD_MS : PROGRAM_MS;
	if ((rc = conf_size(r, e, "max-size", 1, CONF_SIZE_MAX,
	    &f->max_size)) != 0 ||
	    (rc = conf_seconds(r, e, "timeout", &f->timeout_ms)) != 0 ||
	    (rc = conf_word(r, e, "away", aways, &accept)) != 0)
		return rc;
	f->accept_away = accept == 1;
	rc = kind == CONF_CLAMD ? read_clamd(r, e, f) : read_program(r, e, f);
	return rc != 0 ? rc : name_it(r, e, f);
}

int
conf_read_filters(struct conf_reader *r, const struct xml_elem *e)
{
	struct conf	*c = r->conf;
	size_t		 max = 0;
	int		 kind, rc;

	if (r->filters_line != 0)
		return conf_bad(r, xml_line(e), "a second filters; the first "
		    "is in line %d", r->filters_line);
	r->filters_line = xml_line(e);
	for (const struct xml_elem *k = xml_child(e); k != NULL;
	    k = xml_next(k))
		max++;
	if (max > CONF_FILTERS_MAX)
		return conf_bad(r, xml_line(e), "more than %d filters",
		    CONF_FILTERS_MAX);
	if ((c->filters = calloc(max + 1, sizeof(*c->filters))) == NULL)
		return conf_no_memory(r);
	for (const struct xml_elem *k = xml_child(e); k != NULL;
	    k = xml_next(k)) {
		kind = -1;
		for (const struct conf_word *w = kinds; w->word != NULL; w++)
			if (strcmp(w->word, xml_name(k)) == 0)
				kind = w->value;
		if (kind != -1 && (rc = read_filter(r, k, kind,
		    &c->filters[c->nfilters++])) != 0)
			return rc;
	}
	return 0;
}

void
conf_filters_free(struct conf *c)
{
	for (size_t i = 0; i < c->nfilters; i++) {
		struct conf_filter *f = &c->filters[i];

		for (size_t k = 0; f->command != NULL &&
		    f->command[k] != NULL; k++)
			free(f->command[k]);
		free(f->command);
		free(f->name);
		free(f->socket);
		free(f->host);
	}
	free(c->filters);
}
