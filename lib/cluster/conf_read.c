#include "cluster/conf_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define STATE_DEFAULT	"/var/lib/clustermail"
#define STATE_FOLDERS	4	/* catalog, run, spool, tls */

static const struct conf_word yes_no[] = {
	{ "yes", 1 }, { "no", 0 }, { NULL, 0 }
};
static const struct conf_word shorts[] = {
	{ "refuse", CONF_REFUSE }, { "degrade", CONF_DEGRADE }, { NULL, 0 }
};
static const struct conf_word pairs[] = {
	{ "available", CONF_AVAILABLE }, { "safe", CONF_SAFE }, { NULL, 0 }
};
static const struct conf_word priorities[] = {
	{ "high", PRIORITY_HIGH }, { "normal", PRIORITY_NORMAL },
	{ "low", PRIORITY_LOW }, { NULL, 0 }
};

static void
add_folder(struct conf_reader *r, const char *node, const char *path,
    const char *below, int line)
{
	r->folders[r->nfolders++] =
	    (struct conf_folder){ node, path, below, line };
}

static int
read_node(struct conf_reader *r, const struct xml_elem *e,
    struct conf_node *n)
{
	const char	*s = xml_attr(e, "address");
	char		 tls[CONF_PATH_MAX + 5];
	int		 drain = 0, rc;

	if ((rc = conf_name(r, e, "name", &n->name)) != 0 ||
	    (rc = conf_path(r, e, "state", STATE_DEFAULT, &n->state)) != 0 ||
	    (rc = str_fmt(tls, sizeof(tls), "%s/tls", n->state)) != 0 ||
	    (rc = conf_path(r, e, "tls", tls, &n->tls)) != 0 ||
	    (rc = conf_port(r, e, CONF_PORT, &n->port)) != 0 ||
	    (rc = conf_domain(r, e, "hostname", &n->hostname)) != 0 ||
	    (rc = conf_read_public(r, e, n)) != 0 ||
	    (rc = conf_word(r, e, "drain", yes_no, &drain)) != 0)
		return rc;
	n->drain = drain == 1;
	/* Volumes may lie beside these in the state folder, not in them. */
	add_folder(r, n->name, n->state, "/catalog", xml_line(e));
	add_folder(r, n->name, n->state, "/run", xml_line(e));
	add_folder(r, n->name, n->state, "/spool", xml_line(e));
	if (strcmp(n->tls, tls) == 0)
		add_folder(r, n->name, n->state, "/tls", xml_line(e));
	if (s == NULL)
		return 0;
	if (s[0] == '\0' || strlen(s) > 255 || s[strspn(s,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789.:_-")] != '\0')
		return conf_bad(r, xml_line(e), "address=\"%s\" is neither an "
		    "address nor a host name", s);
	return conf_keep(r, s, &n->address);
}

static size_t
count(const struct xml_elem *e, const char *name)
{
	size_t	 n = 0;

	for (e = xml_child(e); e != NULL; e = xml_next(e))
		n += strcmp(xml_name(e), name) == 0;
	return n;
}

static int
read_volume(struct conf_reader *r, const struct xml_elem *e,
    struct conf_volume *v)
{
	struct conf_copy *c;
	size_t		 n = count(e, "copy");
	uint64_t	 places = 0;
	int		 closed = 0, rc;

	v->segment = CONF_SEGMENT_MAX;
	if ((rc = conf_name(r, e, "name", &v->name)) != 0 ||
	    (rc = conf_name(r, e, "home", &v->home)) != 0 ||
	    (rc = conf_path(r, e, "path", NULL, &v->path)) != 0 ||
	    (rc = conf_size(r, e, "segment", CONF_SEGMENT_MIN,
	    CONF_SEGMENT_MAX, &v->segment)) != 0 ||
	    (rc = conf_word(r, e, "closed", yes_no, &closed)) != 0 ||
	    (rc = conf_size(r, e, "places", 1, CONF_COPIES_MAX + 1,
	    &places)) != 0)
		return rc;
	if (xml_attr(e, "labels") != NULL && (rc = conf_names(r, e, "labels",
	    &v->labels, &v->nlabels)) != 0)
		return rc;
	v->closed = closed == 1;
	v->places = (unsigned)places;
	add_folder(r, v->home, v->path, "", xml_line(e));
	if (n > CONF_COPIES_MAX)
		return conf_bad(r, xml_line(e), "more than %d copies",
		    CONF_COPIES_MAX);
	if (n > 0 && (v->copies = calloc(n, sizeof(*v->copies))) == NULL)
		return conf_no_memory(r);
	for (e = xml_child(e); e != NULL; e = xml_next(e)) {
		if (strcmp(xml_name(e), "copy") != 0)
			continue;
		c = &v->copies[v->ncopies++];
		if ((rc = conf_name(r, e, "node", &c->node)) != 0 ||
		    (rc = conf_path(r, e, "path", NULL, &c->path)) != 0)
			return rc;
		add_folder(r, c->node, c->path, "", xml_line(e));
	}
	return 0;
}

static int
read_rule(const struct conf_reader *r, const struct xml_elem *e,
    struct conf_rule *u)
{
	int	 priority = PRIORITY_NORMAL, rc;

	u->max_size = UINT64_MAX;
	u->any_priority = xml_attr(e, "priority") == NULL;
	if ((rc = conf_size(r, e, "min-size", 0, UINT64_MAX,
	    &u->min_size)) != 0 ||
	    (rc = conf_size(r, e, "max-size", 0, UINT64_MAX,
	    &u->max_size)) != 0 ||
	    (rc = conf_word(r, e, "priority", priorities, &priority)) != 0)
		return rc;
	u->priority = (enum priority)priority;
	if (xml_attr(e, "labels") != NULL) {
		if ((rc = conf_names(r, e, "labels", &u->labels,
		    &u->nlabels)) != 0 || xml_attr(e, "volumes") == NULL)
			return rc;
	}
	return conf_names(r, e, "volumes", &u->volumes, &u->nvolumes);
}

static int
read_policy(struct conf_reader *r, const struct xml_elem *e)
{
	struct conf	*c = r->conf;
	const char	*s = xml_attr(e, "copies");
	int		 on_short = (int)c->on_short;
	uint64_t	 n;
	int		 rc;

	r->policy_line = xml_line(e);
	r->has_copies = s != NULL;
	r->has_short = xml_attr(e, "short") != NULL;
	if (s != NULL) {
		if (str_u64(s, strlen(s), CONF_COPIES_MAX + 1, &n) != 0 ||
		    n == 0)
			return conf_bad(r, xml_line(e), "copies=\"%s\" is not "
			    "from 1 to %d", s, CONF_COPIES_MAX + 1);
		c->copies = (unsigned)n;
	}
	if ((rc = conf_select(r, e, &c->select)) != 0 ||
	    (rc = conf_word(r, e, "short", shorts, &on_short)) != 0 ||
	    (rc = conf_seconds(r, e, "timeout", &c->timeout_ms)) != 0)
		return rc;
	c->on_short = (enum conf_short)on_short;
	return conf_size(r, e, "size", 1, CONF_SIZE_MAX, &c->max_size);
}

/* n elements get room in conf and for their lines. */
static int
room(const struct conf_reader *r, const struct xml_elem *root,
    const char *name, size_t max, size_t each, void **array, int **lines)
{
	size_t	 n = count(root, name);

	if (n > max)
		return conf_bad(r, xml_line(root), "more than %zu %s elements",
		    max, name);
	*array = calloc(n + 1, each);
	*lines = calloc(n + 1, sizeof(**lines));
	if (*array == NULL || *lines == NULL)
		return conf_no_memory(r);
	return 0;
}

static int
make_room(struct conf_reader *r, const struct xml_elem *root)
{
	struct conf	*c = r->conf;
	size_t		 folders = 0;
	void		*domains = NULL, *nodes = NULL, *volumes = NULL;
	void		*rules = NULL;
	int		 rc;

	for (const struct xml_elem *e = xml_child(root); e != NULL;
	    e = xml_next(e))
		folders += 1 + count(e, "copy") +
		    (strcmp(xml_name(e), "node") == 0 ? STATE_FOLDERS : 0);
	if ((r->folders = calloc(folders + 1, sizeof(*r->folders))) == NULL)
		return conf_no_memory(r);
	rc = room(r, root, "domain", CONF_DOMAINS_MAX, sizeof(*c->domains),
	    &domains, &r->domain_line);
	if (rc == 0)
		rc = room(r, root, "node", CONF_NODES_MAX, sizeof(*c->nodes),
		    &nodes, &r->node_line);
	if (rc == 0)
		rc = room(r, root, "volume", CONF_VOLUMES_MAX,
		    sizeof(*c->volumes), &volumes, &r->volume_line);
	if (rc == 0)
		rc = room(r, root, "rule", CONF_RULES_MAX, sizeof(*c->rules),
		    &rules, &r->rule_line);
	c->domains = domains;
	c->nodes = nodes;
	c->volumes = volumes;
	c->rules = rules;
	return rc;
}

/* Unknown elements are passed over here: the schema tells about them. */
static int
read_element(struct conf_reader *r, const struct xml_elem *e)
{
	struct conf	*c = r->conf;
	const char	*name = xml_name(e), *unused;
	int		 line = xml_line(e), rc;

	if (strcmp(name, "domain") == 0) {
		r->domain_line[c->ndomains] = line;
		if ((rc = conf_need(r, e, "name", &unused)) != 0)
			return rc;
		return conf_domain(r, e, "name", &c->domains[c->ndomains++]);
	}
	if (strcmp(name, "node") == 0) {
		r->node_line[c->nnodes] = line;
		return read_node(r, e, &c->nodes[c->nnodes++]);
	}
	if (strcmp(name, "volume") == 0) {
		r->volume_line[c->nvolumes] = line;
		return read_volume(r, e, &c->volumes[c->nvolumes++]);
	}
	if (strcmp(name, "rule") == 0) {
		r->rule_line[c->nrules] = line;
		return read_rule(r, e, &c->rules[c->nrules++]);
	}
	if (strcmp(name, "mail") == 0)
		return conf_read_mail(r, e);
	if (strcmp(name, "relay") == 0)
		return conf_read_relay(r, e);
	if (strcmp(name, "filters") == 0)
		return conf_read_filters(r, e);
	if (strcmp(name, "dns") == 0)
		return conf_read_dns(r, e);
	if (strcmp(name, "policy") == 0) {
		if (r->policy_line != 0)
			return conf_bad(r, line, "a second policy; the first "
			    "is in line %d", r->policy_line);
		return read_policy(r, e);
	}
	return 0;
}

/* All nodes, or the first of many: each change waits for more than half. */
static int
default_catalogs(const struct conf_reader *r)
{
	struct conf	*c = r->conf;
	size_t		 n = c->nnodes < CONF_CATALOGS ? c->nnodes :
			    CONF_CATALOGS;
	int		 rc = 0;

	if (n == 0)
		return 0;
	if ((c->catalogs = calloc(n, sizeof(*c->catalogs))) == NULL)
		return conf_no_memory(r);
	for (; rc == 0 && c->ncatalogs < n; c->ncatalogs++)
		rc = conf_keep(r, c->nodes[c->ncatalogs].name,
		    &c->catalogs[c->ncatalogs]);
	return rc;
}

int
conf_read(struct conf_reader *r, const struct xml_elem *root)
{
	struct conf	*c = r->conf;
	int		 pair = CONF_AVAILABLE, rc;

	if (strcmp(xml_name(root), "cluster") != 0)
		return conf_bad(r, xml_line(root), "the outermost element is "
		    "%s, not cluster", xml_name(root));
	if (xml_attr(root, "name") != NULL &&
	    (rc = conf_name(r, root, "name", &c->name)) != 0)
		return rc;
	if (xml_attr(root, "catalog") != NULL &&
	    (rc = conf_names(r, root, "catalog", &c->catalogs,
	    &c->ncatalogs)) != 0)
		return rc;
	if ((rc = conf_word(r, root, "pair", pairs, &pair)) != 0)
		return rc;
	c->pair = (enum conf_pair)pair;
	if (xml_attr(root, "witness") != NULL &&
	    (rc = conf_name(r, root, "witness", &c->witness)) != 0)
		return rc;
	r->root_line = xml_line(root);
	if ((rc = make_room(r, root)) != 0)
		return rc;
	for (const struct xml_elem *e = xml_child(root); e != NULL;
	    e = xml_next(e))
		if ((rc = read_element(r, e)) != 0)
			return rc;
	if (!r->has_short)
		c->on_short = c->nnodes <= 2 ? CONF_DEGRADE : CONF_REFUSE;
	c->catalogs_given = c->catalogs != NULL;
	if (!c->catalogs_given && (rc = default_catalogs(r)) != 0)
		return rc;
	for (size_t i = 0; !r->has_copies && i < c->nvolumes; i++)
		if (c->volumes[i].ncopies > 0)
			c->copies = 2;
	return 0;
}

void
conf_reader_free(struct conf_reader *r)
{
	free(r->domain_line);
	free(r->node_line);
	free(r->volume_line);
	free(r->rule_line);
	free(r->folders);
}
