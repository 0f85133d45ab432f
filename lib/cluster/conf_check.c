#include "cluster/conf_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct named {
	const char	*name;
	int		 line;
};

static int
by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int		    d = strcmp(x->name, y->name);

	return d != 0 ? d : (x->line > y->line) - (x->line < y->line);
}

/* Sorts and says which name is there twice. */
static int
check_twice(const struct conf_reader *r, const char *what, struct named *v,
    size_t n)
{
	qsort(v, n, sizeof(*v), by_name);
	for (size_t i = 1; i < n; i++)
		if (strcmp(v[i - 1].name, v[i].name) == 0)
			return conf_bad(r, v[i].line, "%s \"%s\" is there "
			    "already, in line %d", what, v[i].name,
			    v[i - 1].line);
	return 0;
}

static bool
is_named(const struct named *v, size_t n, const char *name)
{
	struct named	 key = { name, 0 };
	size_t		 lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (by_name(&v[mid], &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && strcmp(v[lo].name, name) == 0;
}

/* Compares folder names with / before every other character. */
static int
path_cmp(const char *a, const char *b)
{
	while (*a == *b && *a != '\0')
		a++, b++;
	if (*a == '\0' || *b == '\0')
		return (*a != '\0') - (*b != '\0');
	if (*a == '/' || *b == '/')
		return (*b == '/') - (*a == '/');
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static bool
path_is_in(const char *path, const char *folder)
{
	size_t	 len = strlen(folder);

	return strncmp(path, folder, len) == 0 &&
	    (path[len] == '/' || path[len] == '\0');
}

struct place {
	const char	*node;
	char		*path;
	int		 line;
};

static int
by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int		    d;

	if ((d = strcmp(x->node, y->node)) != 0 ||
	    (d = path_cmp(x->path, y->path)) != 0)
		return d;
	return (x->line > y->line) - (x->line < y->line);
}

/*
 * In this order what lies in a folder stands right behind it, so a folder
 * that has another one in it shows in one pass over neighbours.
 */
static int
check_places(const struct conf_reader *r, struct place *v, size_t n)
{
	const struct place *a, *b;

	qsort(v, n, sizeof(*v), by_place);
	for (size_t i = 1; i < n; i++) {
		a = &v[i - 1];
		b = &v[i];
		if (strcmp(a->node, b->node) != 0 ||
		    !path_is_in(b->path, a->path))
			continue;
		if (strcmp(a->path, b->path) == 0)
			return conf_bad(r, b->line, "folder %s on node %s is "
			    "taken already, by line %d", b->path, b->node,
			    a->line);
		return conf_bad(r, b->line, "folder %s on node %s lies in %s "
		    "of line %d", b->path, b->node, a->path, a->line);
	}
	return 0;
}

static int
check_folders(const struct conf_reader *r)
{
	struct place	*v;
	int		 rc = 0;

	if ((v = calloc(r->nfolders + 1, sizeof(*v))) == NULL)
		return log_fail(r->log, CM_ENOMEM, "%s", r->file);
	for (size_t i = 0; rc == 0 && i < r->nfolders; i++) {
		v[i].node = r->folders[i].node;
		v[i].line = r->folders[i].line;
		if (asprintf(&v[i].path, "%s%s", r->folders[i].path,
		    r->folders[i].below) == -1) {
			v[i].path = NULL;
			rc = log_fail(r->log, CM_ENOMEM, "%s", r->file);
		}
	}
	if (rc == 0)
		rc = check_places(r, v, r->nfolders);
	for (size_t i = 0; i < r->nfolders; i++)
		free(v[i].path);
	free(v);
	return rc;
}

static bool
has_volumes(const struct conf *c, const char *node)
{
	for (size_t i = 0; i < c->nvolumes; i++)
		if (conf_is_on(&c->volumes[i], node))
			return true;
	return false;
}

/* It votes, and has nothing. */
static int
check_witness(const struct conf_reader *r)
{
	const struct conf *c = r->conf;

	if (c->witness == NULL)
		return 0;
	if (conf_node(c, c->witness, strlen(c->witness)) == NULL)
		return conf_bad(r, r->root_line, "witness: there is no node "
		    "\"%s\"", c->witness);
	for (size_t i = 0; i < c->ncatalogs; i++)
		if (strcmp(c->catalogs[i], c->witness) == 0)
			return conf_bad(r, r->root_line, "witness: node "
			    "\"%s\" keeps the catalog", c->witness);
	if (c->ncatalogs != 2)
		return conf_bad(r, r->root_line, "witness: it is for two "
		    "nodes in catalog, not for %zu", c->ncatalogs);
	if (has_volumes(c, c->witness))
		return conf_bad(r, r->root_line, "witness: node \"%s\" has "
		    "volumes or copies", c->witness);
	return 0;
}

static int
check_nodes(const struct conf_reader *r)
{
	const struct conf *c = r->conf;
	struct named	  *v;
	int		   rc;

	if ((v = calloc(c->nnodes + 1, sizeof(*v))) == NULL)
		return log_fail(r->log, CM_ENOMEM, "%s", r->file);
	for (size_t i = 0; i < c->nnodes; i++)
		v[i] = (struct named){ c->nodes[i].name, r->node_line[i] };
	rc = check_twice(r, "node", v, c->nnodes);
	for (size_t i = 0; rc == 0 && i < c->ncatalogs; i++)
		if (!is_named(v, c->nnodes, c->catalogs[i]))
			rc = conf_bad(r, r->root_line, "catalog: there is no "
			    "node \"%s\"", c->catalogs[i]);
	if (rc == 0)
		rc = check_witness(r);
	for (size_t i = 0; rc == 0 && i < r->nfolders; i++)
		if (!is_named(v, c->nnodes, r->folders[i].node))
			rc = conf_bad(r, r->folders[i].line,
			    "there is no node \"%s\"", r->folders[i].node);
	free(v);
	return rc;
}

static bool
has_label(const struct conf_volume *v, const char *label)
{
	for (size_t i = 0; i < v->nlabels; i++)
		if (strcmp(v->labels[i], label) == 0)
			return true;
	return false;
}

static bool
is_in_rule(const struct conf_rule *u, const char *volume)
{
	for (size_t i = 0; i < u->nvolumes; i++)
		if (strcmp(u->volumes[i], volume) == 0)
			return true;
	return false;
}

/* One that nobody has is a slip of the pen. */
static int
check_label(const struct conf_reader *r, const char *label, int line)
{
	for (size_t i = 0; i < r->conf->nvolumes; i++)
		if (has_label(&r->conf->volumes[i], label))
			return 0;
	return conf_bad(r, line, "no volume has the label \"%s\"", label);
}

/* The volumes with its labels, in the file's order, behind those it names. */
static int
expand_labels(const struct conf_reader *r, struct conf_rule *u, int line)
{
	const struct conf *c = r->conf;
	char		 **all;
	bool		   fits;
	int		   rc = 0;

	for (size_t i = 0; rc == 0 && i < u->nlabels; i++)
		rc = check_label(r, u->labels[i], line);
	if (rc != 0 || u->nlabels == 0)
		return rc;
	if ((all = reallocarray(u->volumes, u->nvolumes + c->nvolumes,
	    sizeof(*all))) == NULL)
		return conf_no_memory(r);
	u->volumes = all;
	for (size_t i = 0; rc == 0 && i < c->nvolumes; i++) {
		fits = false;
		for (size_t k = 0; k < u->nlabels; k++)
			fits |= has_label(&c->volumes[i], u->labels[k]);
		if (!fits || is_in_rule(u, c->volumes[i].name))
			continue;
		rc = conf_keep(r, c->volumes[i].name, &all[u->nvolumes]);
		u->nvolumes += rc == 0;
	}
	return rc;
}

static int
check_rules(const struct conf_reader *r, const struct named *volumes)
{
	struct conf_rule *u;
	int		  rc;

	for (size_t i = 0; i < r->conf->nrules; i++) {
		u = &r->conf->rules[i];
		for (size_t k = 0; k < u->nvolumes; k++)
			if (!is_named(volumes, r->conf->nvolumes,
			    u->volumes[k]))
				return conf_bad(r, r->rule_line[i],
				    "there is no volume \"%s\"",
				    u->volumes[k]);
		if (u->min_size > u->max_size)
			return conf_bad(r, r->rule_line[i],
			    "min-size is over max-size");
		if ((rc = expand_labels(r, u, r->rule_line[i])) != 0)
			return rc;
	}
	return 0;
}

static int
check_volumes(const struct conf_reader *r)
{
	const struct conf *c = r->conf;
	struct named	  *v;
	int		   rc;

	if ((v = calloc(c->nvolumes + 1, sizeof(*v))) == NULL)
		return log_fail(r->log, CM_ENOMEM, "%s", r->file);
	for (size_t i = 0; i < c->nvolumes; i++)
		v[i] = (struct named){ c->volumes[i].name, r->volume_line[i] };
	if ((rc = check_twice(r, "volume", v, c->nvolumes)) == 0)
		rc = check_rules(r, v);
	free(v);
	return rc;
}

static int
check_domains(const struct conf_reader *r)
{
	const struct conf *c = r->conf;
	struct named	  *v;
	int		   rc;

	if ((v = calloc(c->ndomains + 1, sizeof(*v))) == NULL)
		return log_fail(r->log, CM_ENOMEM, "%s", r->file);
	for (size_t i = 0; i < c->ndomains; i++)
		v[i] = (struct named){ c->domains[i], r->domain_line[i] };
	rc = check_twice(r, "domain", v, c->ndomains);
	free(v);
	return rc;
}

static int
check_copies(const struct conf_reader *r)
{
	const struct conf *c = r->conf;
	size_t		   most = 0;

	for (size_t i = 0; i < c->nvolumes; i++)
		if (c->volumes[i].ncopies > most)
			most = c->volumes[i].ncopies;
	if (c->copies > most + 1)
		return conf_bad(r, r->policy_line, "copies=\"%u\", but no "
		    "volume lies in more than %zu place%s", c->copies,
		    most + 1, most == 0 ? "" : "s");
	return 0;
}

int
conf_check(const struct conf_reader *r)
{
	int	 rc;

	if (r->conf->nnodes == 0)
		return log_fail(r->log, CM_ECONF, "%s: there is no node",
		    r->file);
	if (r->conf->nvolumes == 0)
		return log_fail(r->log, CM_ECONF, "%s: there is no volume",
		    r->file);
	if ((rc = check_domains(r)) != 0 || (rc = check_nodes(r)) != 0 ||
	    (rc = check_volumes(r)) != 0 || (rc = check_folders(r)) != 0)
		return rc;
	if ((rc = check_copies(r)) != 0)
		return rc;
	return conf_check_dns(r);
}
