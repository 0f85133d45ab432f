#include "cluster/conf_impl.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

#define FILE_DEFAULT	"/etc/clustermail/cluster.xml"
#define SCHEMA		"cluster.rng"

/* Looked for beside the folder of the program, in this order. */
static const char *const share_dirs[] = {
	"../share",			/* bin/ of the source tree */
	"../share/clustermail",		/* installed */
	"../../../share",		/* build/san/bin/ */
};

/* A variable that is set and not empty, or NULL. */
static const char *
env(const char *name)
{
	const char	*s = getenv(name);

	return s != NULL && s[0] != '\0' ? s : NULL;
}

static int
find_schema(const struct log *log, char *path, size_t size)
{
	char		 exe[CONF_PATH_MAX];
	const char	*share = env("CM_SHARE");
	char		*slash;
	ssize_t		 n;

	if (share != NULL) {
		if (str_fmt(path, size, "%s/" SCHEMA, share) == 0 &&
		    file_exists(path))
			return 0;
		return log_fail(log, CM_ECONF, "%s/" SCHEMA ": the schema is "
		    "not there; see $CM_SHARE", share);
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n == -1)
		return log_errno(log, "/proc/self/exe");
	exe[n] = '\0';
	if ((slash = strrchr(exe, '/')) != NULL)
		*slash = '\0';
	for (size_t i = 0; i < sizeof(share_dirs) / sizeof(share_dirs[0]); i++)
		if (str_fmt(path, size, "%s/%s/" SCHEMA, exe,
		    share_dirs[i]) == 0 && file_exists(path))
			return 0;
	return log_fail(log, CM_ECONF, SCHEMA ": the schema is in no share "
	    "folder beside %s; set $CM_SHARE", exe);
}

/*
 * Values first, then the schema: where both see a fault, conf_read's line
 * says more (which attribute, and what it should be).
 */
static int
load_file(const struct log *log, const char *file, struct conf *c)
{
	struct conf_reader	 r = { .log = log, .file = file, .conf = c };
	struct xml		*x = NULL;
	char			 schema[FILE_PATH_MAX];
	int			 rc;

	if ((rc = xml_open(log, file, &x)) != 0 ||
	    (rc = conf_read(&r, xml_root(x))) != 0 ||
	    (rc = find_schema(log, schema, sizeof(schema))) != 0 ||
	    (rc = xml_validate(log, x, schema)) != 0)
		goto out;
	if ((c->file = strdup(file)) == NULL) {
		rc = log_fail(log, CM_ENOMEM, "%s", file);
		goto out;
	}
	rc = conf_check(&r);
out:
	conf_reader_free(&r);
	xml_free(x);
	return rc;
}

static int
choose_self(const struct log *log, const char *node, struct conf *c)
{
	char	 host[HOST_NAME_MAX + 1] = "";
	bool	 asked;

	if (node == NULL)
		node = env("CM_NODE");
	asked = node != NULL;
	if (!asked) {
		if (gethostname(host, sizeof(host)) == -1)
			return log_errno(log, "gethostname");
		host[sizeof(host) - 1] = '\0';
		*strchrnul(host, '.') = '\0';
		node = host;
	}
	c->node = conf_node(c, node, strlen(node));
	if (c->node == NULL && !asked && c->nnodes == 1)
		c->node = &c->nodes[0];
	if (c->node == NULL)
		return log_fail(log, CM_ECONF, "node %s is not in %s; use -n",
		    node, c->file);
	if ((c->self = strdup(c->node->name)) == NULL)
		return log_fail(log, CM_ENOMEM, "node %s", node);
	return 0;
}

/* The folder of the embedded default, absolute: a tool may chdir. */
static int
home_dir(const struct log *log, char *dir, size_t size)
{
	const char	*home = env("CM_HOME"), *below = "";
	char		 cwd[PATH_MAX], text[4096];
	struct passwd	 pw, *found = NULL;
	int		 rc = 0;

	if (home == NULL) {
		below = "/.clustermail";
		home = env("HOME");
	}
	if (home == NULL) {
		if ((errno = getpwuid_r(getuid(), &pw, text, sizeof(text),
		    &found)) != 0)
			return log_errno(log, "getpwuid");
		if (found == NULL || found->pw_dir[0] == '\0')
			return log_fail(log, CM_ECONF, "no home folder is "
			    "known; set $CM_HOME");
		home = found->pw_dir;
	}
	if (home[0] == '/') {
		rc = str_fmt(dir, size, "%s%s", home, below);
	} else {
		if (getcwd(cwd, sizeof(cwd)) == NULL)
			return log_errno(log, "getcwd");
		rc = str_fmt(dir, size, "%s/%s%s", cwd, home, below);
	}
	if (rc != 0)
		return log_fail(log, rc, "%s", home);
	return 0;
}

/* One node with one volume without copies. */
static int
embedded(const struct log *log, const char *node, struct conf *c)
{
	struct conf_volume *v;
	struct conf_node   *n;
	char		    dir[CONF_PATH_MAX + 1], path[CONF_PATH_MAX + 1];
	int		    rc;

	if (node == NULL && (node = env("CM_NODE")) == NULL)
		node = "local";
	if (!conf_name_ok(node))
		return log_fail(log, CM_ECONF, "\"%s\" is not a node's name",
		    node);
	if ((rc = home_dir(log, dir, sizeof(dir))) != 0)
		return rc;
	if ((rc = str_fmt(path, sizeof(path), "%s/v1", dir)) != 0)
		return log_fail(log, rc, "%s", dir);
	c->nodes = calloc(1, sizeof(*c->nodes));
	c->volumes = calloc(1, sizeof(*c->volumes));
	if (c->nodes == NULL || c->volumes == NULL)
		return log_fail(log, CM_ENOMEM, "%s", dir);
	n = &c->nodes[c->nnodes++];
	c->node = n;
	n->capacity = CONF_CAPACITY;
	v = &c->volumes[c->nvolumes++];
	v->segment = CONF_SEGMENT_MAX;
	c->self = strdup(node);
	if ((c->catalogs = calloc(1, sizeof(*c->catalogs))) == NULL ||
	    (c->catalogs[c->ncatalogs++] = strdup(node)) == NULL)
		return log_fail(log, CM_ENOMEM, "%s", dir);
	n->name = strdup(node);
	n->state = strdup(dir);
	n->tls = strdup(dir);
	n->port = CONF_PORT;
	v->name = strdup("v1");
	v->home = strdup(node);
	v->path = strdup(path);
	if (c->self == NULL || n->name == NULL ||
	    n->state == NULL || n->tls == NULL || v->name == NULL ||
	    v->home == NULL ||
	    v->path == NULL)
		return log_fail(log, CM_ENOMEM, "%s", dir);
	return 0;
}

/* A file that is there but cannot be seen is not missing. */
static bool
is_missing(const char *path)
{
	return access(path, F_OK) == -1 &&
	    (errno == ENOENT || errno == ENOTDIR);
}

int
conf_load(const struct log *log, const char *file, const char *node,
    struct conf **out)
{
	struct conf	*c;
	int		 rc;

	*out = NULL;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return log_fail(log, CM_ENOMEM, "configuration");
	c->select = CONF_ROUND_ROBIN;
	c->copies = 1;
	c->timeout_ms = 5000;
	c->on_short = CONF_DEGRADE;
	c->max_size = (uint64_t)50 << 20;
	c->sessions = CONF_SESSIONS;
	c->per_client = CONF_PER_CLIENT;
	c->per_account = CONF_PER_ACCOUNT;
	c->recipients = CONF_RECIPIENTS;
	conf_dns_defaults(&c->dns);
	if (file == NULL)
		file = env("CM_CLUSTER");
	if (file == NULL && !is_missing(FILE_DEFAULT))
		file = FILE_DEFAULT;
	if (file == NULL) {
		rc = embedded(log, node, c);
	} else {
		rc = load_file(log, file, c);
		if (rc == 0)
			rc = choose_self(log, node, c);
	}
	if (rc != 0)
		conf_free(c);
	else
		*out = c;
	return rc;
}

void
conf_free_names(char **s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(s[i]);
	free(s);
}

static void
free_volume(struct conf_volume *v)
{
	for (size_t i = 0; i < v->ncopies; i++) {
		free(v->copies[i].node);
		free(v->copies[i].path);
	}
	free(v->copies);
	conf_free_names(v->labels, v->nlabels);
	free(v->name);
	free(v->home);
	free(v->path);
}

static void
free_rule(struct conf_rule *u)
{
	conf_free_names(u->volumes, u->nvolumes);
	conf_free_names(u->labels, u->nlabels);
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->nnodes; i++) {
		free(c->nodes[i].name);
		free(c->nodes[i].address);
		free(c->nodes[i].hostname);
		free(c->nodes[i].public);
		free(c->nodes[i].state);
		free(c->nodes[i].tls);
	}
	for (size_t i = 0; i < c->nvolumes; i++)
		free_volume(&c->volumes[i]);
	for (size_t i = 0; i < c->nrules; i++)
		free_rule(&c->rules[i]);
	conf_free_names(c->domains, c->ndomains);
	conf_mail_free(c);
	conf_dns_free(c);
	conf_filters_free(c);
	free(c->nodes);
	free(c->volumes);
	free(c->rules);
	free(c->file);
	free(c->name);
	free(c->self);
	conf_free_names(c->catalogs, c->ncatalogs);
	free(c->witness);
	free(c);
}

bool
conf_is_open(const struct conf *c)
{
	return c->ndomains == 0;
}

bool
conf_has_domain(const struct conf *c, const char *domain, size_t len)
{
	for (size_t i = 0; i < c->ndomains; i++)
		if (str_ieq(domain, len, c->domains[i]))
			return true;
	return false;
}

const struct conf_volume *
conf_volume(const struct conf *c, const char *name, size_t len)
{
	struct span	 s = { name, len };

	for (size_t i = 0; i < c->nvolumes; i++)
		if (span_is(s, c->volumes[i].name))
			return &c->volumes[i];
	return NULL;
}

const struct conf_node *
conf_node(const struct conf *c, const char *name, size_t len)
{
	struct span	 s = { name, len };

	for (size_t i = 0; i < c->nnodes; i++)
		if (span_is(s, c->nodes[i].name))
			return &c->nodes[i];
	return NULL;
}

bool
conf_has_catalog(const struct conf *c)
{
	for (size_t i = 0; i < c->ncatalogs; i++)
		if (strcmp(c->catalogs[i], c->self) == 0)
			return true;
	return false;
}

bool
conf_drains(const struct conf *c, const char *node)
{
	const struct conf_node *n = conf_node(c, node, strlen(node));

	return n != NULL && n->drain;
}

bool
conf_is_on(const struct conf_volume *v, const char *node)
{
	bool	 on = node == NULL || strcmp(v->home, node) == 0;

	for (size_t i = 0; i < v->ncopies && !on; i++)
		on = strcmp(v->copies[i].node, node) == 0;
	return on;
}

bool
conf_takes_mail(const struct conf *c, const struct conf_volume *v)
{
	return !v->closed && !conf_drains(c, v->home);
}

bool
conf_is_witness(const struct conf *c)
{
	return c->witness != NULL && strcmp(c->witness, c->self) == 0;
}

bool
conf_names_catalog(const struct conf *c, const char *node)
{
	if (c->witness != NULL && strcmp(c->witness, node) == 0)
		return true;
	for (size_t i = 0; i < c->ncatalogs; i++)
		if (strcmp(c->catalogs[i], node) == 0)
			return c->catalogs_given || c->ncatalogs == 1;
	return false;
}

bool
conf_is_home(const struct conf *c, const struct conf_volume *v)
{
	return strcmp(v->home, c->self) == 0;
}

unsigned
conf_copies_wanted(const struct conf *c, const struct conf_volume *v)
{
	unsigned n = c->copies > 0 ? c->copies - 1 : 0;

	return n < v->ncopies ? n : (unsigned)v->ncopies;
}
