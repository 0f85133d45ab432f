#include <arpa/inet.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "cluster/conf.h"
#include "tap.h"

static char	 dir[] = "/tmp/cm-unit-conf.XXXXXX";
static char	 file[64];
static struct buf said;		/* what was logged, a line each */

static void
remember(void *arg, enum log_level level, const char *line)
{
	(void)level;
	buf_addf(arg, "%s\n", line);
}

static const struct log lg = { CM_LOG_DEBUG, remember, &said };

/* Writes text as cluster.xml and loads it. */
static int
load(const char *text, const char *node, struct conf **c)
{
	buf_reset(&said);
	if (file_commit(NULL, file, text, strlen(text), 0600) != 0)
		return CM_EIO;
	return conf_load(&lg, file, node, c);
}

/* text must fail, with a line that holds "file:LINE: " and want. */
static void
bad(const char *text, int line, const char *want)
{
	struct conf	*c;
	char		 place[100];
	int		 rc;

	rc = load(text, NULL, &c);
	snprintf(place, sizeof(place), "%s:%d: ", file, line);
	if (!ok(rc == CM_ECONF && c == NULL && said.len > 0 &&
	    strncmp(said.p, place, strlen(place)) == 0 &&
	    strstr(said.p, want) != NULL, "line %d: %s", line, want))
		printf("#   code %d, said %s\n", rc,
		    said.len ? said.p : "nothing");
}

#define NODE	"<node name='n1'/>\n"
#define VOLUME	"<volume name='v1' home='n1' path='/d/v1'/>\n"
/* Line 1, then s from line 2 on, and a good node and volume behind it. */
#define WITH(s)	"<cluster>\n" s NODE VOLUME "</cluster>\n"

#define STATE(n) "<node name='" n "' state='/s/" n "'/>"
#define VOTES(c, w) "<cluster catalog='" c "' witness='" w "'>\n" STATE("n1") \
    STATE("n2") STATE("n3") STATE("n4")

static const char full[] =
    "<?xml version='1.0'?>\n"
    "<cluster name='example' catalog='n2' pair='safe'>\n"
    "<rule min-size='1M' priority='high' volumes=' v1  v2 '/>\n"
    "<volume name='v1' home='n1' path='//srv/./mail//v1/' segment='64K'>\n"
    "<copy node='n2' path='/disk2/v1'/><copy node='n1' path='/d2/v1'/>\n"
    "</volume>\n"
    "<domain name='EXAMPLE.org'/><domain name='b.example'/>\n"
    "<node name='n1' address='192.0.2.1' state='/var/cm' port='443' "
    "tls='/etc/cm'/>\n"
    "<policy select='least-load' copies='3' timeout='0.25' short='refuse' "
    "size='1G'/>\n"
    "<node name='n2'/>\n"
    "<volume name='v2' home='n2' path='/d/&amp;v2' closed='yes'/>\n"
    "<rule max-size='2k' priority='normal' volumes='v2'/>\n"
    "<rule volumes='v2'/>\n"
    "</cluster>\n";

static void
test_full(void)
{
	const struct conf_volume *v;
	struct conf		 *c;

	is_int(load(full, "n2", &c), 0, "a full file");
	if (c == NULL) {
		printf("#   %s\n", said.len ? said.p : "");
		return;
	}
	is_str(c->file, file, "file");
	is_str(c->name, "example", "cluster's name");
	is_str(c->self, "n2", "this node");
	ok(c->node == &c->nodes[1], "its entry");
	is_str(c->nodes[0].address, "192.0.2.1", "address");
	ok(c->nodes[1].address == NULL, "no address");
	is_str(c->nodes[0].state, "/var/cm", "state");
	is_str(c->nodes[1].state, "/var/lib/clustermail", "default state");
	is_int(c->nodes[0].port, 443, "port");
	is_int(c->nodes[1].port, CONF_PORT, "default port");
	is_str(c->nodes[0].tls, "/etc/cm", "tls");
	is_str(c->nodes[1].tls, "/var/lib/clustermail/tls", "default tls");
	ok(conf_has_catalog(c), "this node keeps the catalog");
	is_int(c->pair, CONF_SAFE, "pair");
	is_str(c->domains[0], "example.org", "domain in lower case");
	ok(!conf_is_open(c) && conf_has_domain(c, "Example.ORGx", 11) &&
	    !conf_has_domain(c, "example.or", 10), "domains");
	v = conf_volume(c, "v1x", 2);
	ok(v == &c->volumes[0] && conf_volume(c, "v3", 2) == NULL, "volumes");
	ok(!conf_is_home(c, v) && conf_is_home(c, &c->volumes[1]), "homes");
	is_str(v->path, "/srv/mail/v1", "a clean path");
	is_int(v->segment, 65536, "segment");
	ok(!v->closed && c->volumes[1].closed, "closed");
	is_int(v->ncopies, 2, "copies of v1");
	is_str(v->copies[1].node, "n1", "node of a copy");
	is_str(v->copies[1].path, "/d2/v1", "path of a copy");
	is_str(c->volumes[1].path, "/d/&v2", "a path with &");
	is_int(c->volumes[1].segment, 1 << 30, "default segment");
	ok(c->select == CONF_LEAST_LOAD && c->copies == 3 &&
	    c->timeout_ms == 250 && c->on_short == CONF_REFUSE &&
	    c->max_size == 1 << 30, "policy");
	is_int(c->nrules, 3, "rules");
	ok(c->rules[0].min_size == 1 << 20 && !c->rules[0].any_priority &&
	    c->rules[0].priority == PRIORITY_HIGH &&
	    c->rules[0].max_size == UINT64_MAX, "first rule");
	ok(c->rules[0].nvolumes == 2 &&
	    strcmp(c->rules[0].volumes[1], "v2") == 0, "its volumes");
	ok(c->rules[1].max_size == 2048 && c->rules[1].priority ==
	    PRIORITY_NORMAL, "second");
	ok(c->rules[2].any_priority, "third: either priority");
	ok(said.len == 0, "nothing was said");
	conf_free(c);
}

/* Labels become volumes, in the file's order behind those that are named. */
static void
test_labels(void)
{
	static const char	 text[] =
	    "<cluster><rule labels='a b'/><rule labels='b' volumes='v3'/>\n"
	    "<rule priority='low' labels=' a '/><node name='n1'/>\n"
	    "<volume name='v1' home='n1' path='/d/1' labels='b'/>\n"
	    "<volume name='v2' home='n1' path='/d/2' labels='a c'/>\n"
	    "<volume name='v3' home='n1' path='/d/3' labels=' b  a '/>\n"
	    "<volume name='v4' home='n1' path='/d/4'/></cluster>\n";
	static const char *const want[] = { "v1v2v3", "v3v1", "v2v3" };
	struct conf		*c;
	char			 got[32];

	is_int(load(text, "n1", &c), 0, "labels");
	if (c == NULL)
		return;
	for (size_t i = 0; i < 3; i++) {
		got[0] = '\0';
		for (size_t k = 0; k < c->rules[i].nvolumes && k < 8; k++)
			strcat(got, c->rules[i].volumes[k]);
		is_str(got, want[i], "rule %zu", i + 1);
	}
	ok(!c->rules[2].any_priority && c->rules[2].priority == PRIORITY_LOW,
	    "low priority");
	conf_free(c);
}

static void
test_witness(void)
{
	struct conf	*c;

	is_int(load(VOTES("n1 n2", "n3") VOLUME "</cluster>\n", "n3", &c), 0,
	    "a witness");
	if (c == NULL)
		return;
	is_str(c->witness, "n3", "by its name");
	ok(conf_is_witness(c) && !conf_has_catalog(c), "this node");
	ok(conf_names_catalog(c, "n3"), "it cannot be taken out");
	conf_free(c);
}

static void
test_defaults(void)
{
	struct conf	*c;

	is_int(load(WITH(""), NULL, &c), 0, "the least file");
	if (c == NULL)
		return;
	is_str(c->self, "n1", "the only node is this one");
	ok(conf_is_open(c), "no domains");
	ok(conf_has_catalog(c), "the first node keeps the catalog");
	is_int(c->pair, CONF_AVAILABLE, "a pair goes on");
	ok(c->select == CONF_ROUND_ROBIN && c->copies == 1 &&
	    c->timeout_ms == 5000 && c->on_short == CONF_DEGRADE &&
	    c->max_size == 50 << 20, "policy of one node");
	conf_free(c);

	is_int(load(WITH("<node name='n2'/><node name='n3'/><volume name='v2'"
	    " home='n2' path='/d'><copy node='n3' path='/d'/></volume>"),
	    "n3", &c), 0, "three nodes");
	if (c == NULL)
		return;
	ok(c->copies == 2 && c->on_short == CONF_REFUSE,
	    "policy of three nodes with copies");
	conf_free(c);
	is_int(load(WITH("<node name='n2'/>"), "n2", &c), 0, "two nodes");
	if (c != NULL)
		is_int(c->on_short, CONF_DEGRADE, "two nodes degrade");
	conf_free(c);
	conf_free(NULL);
}

static void
test_values(void)
{
	bad(WITH("<domain/>"), 2, "domain has no attribute name");
	bad(WITH("<domain name='a..b'/>"), 2, "is not a domain");
	bad(WITH("\n<domain name='-a.b'/>"), 3, "is not a domain");
	bad(WITH("<node name='-x'/>"), 2, "is not a name");
	bad(WITH("<node name='a b'/>"), 2, "is not a name");
	bad(WITH("<node name='aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaa'/>"), 2, "is not a name");
	bad(WITH("<node name='n2' address='a b'/>"), 2, "address=");
	bad(WITH("<node name='n2' state='run'/>"), 2, "is not absolute");
	bad(WITH("<node name='n2' port='0'/>"), 2, "is not from 1 to 65535");
	bad(WITH("<node name='n2' port='65536'/>"), 2, "is not from 1 to");
	bad("<cluster pair='both'>\n" NODE VOLUME "</cluster>\n", 1,
	    "pair");
	bad("<cluster catalog='n9'>\n" NODE VOLUME "</cluster>\n", 1,
	    "there is no node \"n9\"");
	bad(VOTES("n1 n2", "n9") VOLUME "</cluster>\n", 1,
	    "witness: there is no node \"n9\"");
	bad(VOTES("n1 n2", "n2") VOLUME "</cluster>\n", 1,
	    "witness: node \"n2\" keeps the catalog");
	bad(VOTES("n1", "n2") VOLUME "</cluster>\n", 1,
	    "it is for two nodes in catalog, not for 1");
	bad(VOTES("n1 n2 n4", "n3") VOLUME "</cluster>\n", 1,
	    "it is for two nodes in catalog, not for 3");
	bad(VOTES("n2 n3", "n1") VOLUME "</cluster>\n", 1,
	    "witness: node \"n1\" has volumes or copies");
	bad(VOTES("n1 n2", "-") VOLUME "</cluster>\n", 1, "is not a name");
	bad(WITH("<volume name='v2' home='n1'/>"), 2, "no attribute path");
	bad(WITH("<volume name='v2' path='/x'/>"), 2, "no attribute home");
	bad(WITH("<volume name='v2' home='n1' path='/a/../b'/>"), 2, "\"..\"");
	bad(WITH("<volume name='v2' home='n1' path='//.'/>"), 2, "root");
	bad(WITH("<volume name='v2' home='n1' path='/a&#10;b'/>"), 2,
	    "control character");
	bad(WITH("<volume name='v2' home='n1' path='/x' segment='63K'/>"), 2,
	    "is not from 65536 to 1073741824");
	bad(WITH("<volume name='v2' home='n1' path='/x' segment='2G'/>"), 2,
	    "is not from 65536");
	bad(WITH("<volume name='v2' home='n1' path='/x' segment='1T'/>"), 2,
	    "is not a size");
	bad(WITH("<volume name='v2' home='n1' path='/x' closed='true'/>"), 2,
	    "is not yes or no");
	bad(WITH("<volume name='v2' home='n1' path='/x'>\n"
	    "<copy node='n1'/></volume>"), 3, "copy has no attribute path");
	bad(WITH("<policy select='fast'/>"), 2, "round-robin or random or");
	bad(WITH("<policy copies='0'/>"), 2, "is not from 1 to");
	bad(WITH("<policy copies='two'/>"), 2, "is not from 1 to");
	bad(WITH("<policy timeout='0'/>"), 2, "is not from 0.001");
	bad(WITH("<policy timeout='0.0001'/>"), 2, "is not from 0.001");
	bad(WITH("<policy timeout='5.'/>"), 2, "is not from 0.001");
	bad(WITH("<policy timeout='3600.001'/>"), 2, "is not from 0.001");
	bad(WITH("<policy short='never'/>"), 2, "refuse or degrade");
	bad(WITH("<policy size='0'/>"), 2, "is not from 1");
	bad(WITH("<policy size='2G'/>"), 2, "is not from 1");
	bad(WITH("<rule volumes='  '/>"), 2, "names none");
	bad(WITH("<rule/>"), 2, "volumes");
	bad(WITH("<rule labels=' '/>"), 2, "labels");
	bad(WITH("<rule labels='none' volumes='v1'/>"), 2,
	    "no volume has the label \"none\"");
	bad(WITH("<rule priority='some' volumes='v1'/>"), 2,
	    "high or normal or low");
}

static void
test_form(void)
{
	bad("<cluster>\n<node\n</cluster>", 3, "error parsing attribute");
	bad("<cluster>\n</cluster>x", 2, "Extra content");
	bad("", 1, "");
	bad("<clster/>", 1, "is clster, not cluster");
	bad(WITH("<domian name='a.b'/>"), 2, "domian");
	bad(WITH("<node name='n2' adress='x'/>"), 2, "adress");
	bad(WITH("<volume name='v2' home='n1' path='/x'>\n<domain "
	    "name='a.b'/></volume>"), 3, "domain");
	bad(WITH("text"), 1, "text");
	bad("<!DOCTYPE cluster [\n<!ENTITY x SYSTEM '/etc/passwd'>\n]>\n"
	    "<cluster>&x;</cluster>", 1, "DOCTYPE");
	ok(strstr(said.p, "root:") == NULL, "no entity is expanded");
	bad("<!DOCTYPE cluster SYSTEM 'http://192.0.2.1/x'>\n<cluster/>", 1,
	    "DOCTYPE");
	bad("<cluster>\n&x;</cluster>", 2, "Entity 'x' not defined");
}

static void
test_together(void)
{
	struct conf	*c;

	bad(WITH("<domain name='a.b'/>\n<domain name='A.b'/>"), 3,
	    "\"a.b\" is there already, in line 2");
	bad(WITH("<node name='n1'/>\n"), 3, "\"n1\" is there already");
	bad(WITH("<volume name='v1' home='n1' path='/x'/>\n\n"), 5,
	    "\"v1\" is there already, in line 2");
	bad(WITH("<volume name='v2' home='n2' path='/x'/>"), 2,
	    "there is no node \"n2\"");
	bad(WITH("<volume name='v2' home='n1' path='/x'>\n\n"
	    "<copy node='n3' path='/y'/></volume>\n"), 4, "node \"n3\"");
	bad(WITH("<volume name='v2' home='n1' path='/d/v1/'/>\n"), 4,
	    "/d/v1 on node n1 is taken already, by line 2");
	bad(WITH("<volume name='v2' home='n1' path='/x'><copy node='n1' "
	    "path='/x'/></volume>"), 2, "is taken already");
	bad(WITH("<volume name='v2' home='n1' path='/d/v1/a'/>"), 2,
	    "/d/v1/a on node n1 lies in /d/v1");
	bad(WITH("<volume name='v2' home='n1' path='/d'/>\n<volume name='v3' "
	    "home='n1' path='/d.x'/>"), 4, "lies in /d of line 2");
	bad(WITH("<volume name='v2' home='n1' path='/var/lib/clustermail'/>"),
	    2, "/var/lib/clustermail/catalog on node n1 lies in");
	bad(WITH("<volume name='v2' home='n1' "
	    "path='/var/lib/clustermail/run/v2'/>\n"), 2, "lies in");
	is_int(load(WITH("<node name='n2'/><volume name='v2' home='n2' "
	    "path='/d/v1'><copy node='n1' path='/var/lib/clustermail/v2'/>"
	    "</volume>"), "n1", &c), 0, "the same folder on two nodes, and "
	    "one beside the others in state");
	conf_free(c);
	bad(WITH("<rule volumes='v1 v9'/>"), 2, "there is no volume \"v9\"");
	bad(WITH("<rule min-size='2M' max-size='1M' volumes='v1'/>"), 2,
	    "min-size is over max-size");
	bad(WITH("<policy/>\n<policy/>"), 3, "a second policy");
	bad(WITH("<policy copies='2'/>"), 2, "no volume lies in more than 1");
	is_int(load("<cluster>" VOLUME "</cluster>", NULL, &c), CM_ECONF,
	    "no node");
	is_int(load("<cluster>" NODE "</cluster>", NULL, &c), CM_ECONF,
	    "no volume");
}

static void
test_node(void)
{
	static const char two[] = WITH("<node name='no-such-host'/>");
	char		  want[200];
	struct conf	 *c;

	is_int(load(two, "n9", &c), CM_ECONF, "-n with an unknown node");
	snprintf(want, sizeof(want), "node n9 is not in %s; use -n", file);
	ok(said.len > 0 && strstr(said.p, want) != NULL, "%s", want);
	is_int(load(two, NULL, &c), CM_ECONF, "host name is no node");
	setenv("CM_NODE", "n1", 1);
	is_int(load(two, NULL, &c), 0, "$CM_NODE");
	conf_free(c);
	is_int(load(two, "n9", &c), CM_ECONF, "-n goes before $CM_NODE");
	setenv("CM_NODE", "n9", 1);
	is_int(load(WITH(""), NULL, &c), CM_ECONF,
	    "a named node must be there, though there is one only");
	unsetenv("CM_NODE");
}

static void
test_host(void)
{
	char		 host[65] = "", text[300];
	struct conf	*c;

	if (gethostname(host, sizeof(host) - 1) == -1)
		return;
	host[strcspn(host, ".")] = '\0';
	snprintf(text, sizeof(text), "<cluster>%s%s<node name='%s'/>"
	    "</cluster>", NODE, VOLUME, host);
	if (load(text, NULL, &c) == 0)
		is_str(c->self, host, "this node by the host's name");
	else
		ok(strcmp(host, "n1") == 0, "host's name is one more node");
	conf_free(c);
}

static void
test_files(void)
{
	char		 none[100], link[100];
	struct conf	*c;

	snprintf(none, sizeof(none), "%s/none.xml", dir);
	buf_reset(&said);
	is_int(conf_load(&lg, none, NULL, &c), CM_ENOINPUT, "-C missing");
	ok(said.len > 0 && strstr(said.p, none) != NULL, "is named");
	setenv("CM_CLUSTER", none, 1);
	is_int(conf_load(&lg, NULL, NULL, &c), CM_ENOINPUT,
	    "$CM_CLUSTER missing");
	is_int(load(WITH(""), NULL, &c), 0, "-C goes before $CM_CLUSTER");
	conf_free(c);
	setenv("CM_CLUSTER", file, 1);
	is_int(conf_load(&lg, NULL, NULL, &c), 0, "$CM_CLUSTER");
	if (c != NULL)
		is_str(c->file, file, "is the file");
	conf_free(c);
	unsetenv("CM_CLUSTER");

	/* A share folder that has no schema. */
	snprintf(link, sizeof(link), "%s", getenv("CM_SHARE"));
	setenv("CM_SHARE", dir, 1);
	buf_reset(&said);
	is_int(load(WITH(""), NULL, &c), CM_ECONF, "no schema");
	ok(said.len > 0 && strstr(said.p, "cluster.rng") != NULL,
	    "the schema is named");
	setenv("CM_SHARE", link, 1);
}

static void
embedded_at(const char *node, const char *want_node, const char *want_dir)
{
	char		 path[300];
	struct conf	*c;

	is_int(conf_load(&lg, NULL, node, &c), 0, "embedded default");
	if (c == NULL)
		return;
	snprintf(path, sizeof(path), "%s/v1", want_dir);
	ok(c->file == NULL, "no file");
	is_str(c->self, want_node, "its node");
	is_str(c->node->state, want_dir, "its state");
	is_str(c->volumes[0].path, path, "its volume");
	ok(c->nvolumes == 1 && c->nnodes == 1 && c->copies == 1 &&
	    conf_is_open(c) && c->volumes[0].ncopies == 0 &&
	    conf_is_home(c, c->volumes), "one of each, no copies");
	conf_free(c);
}

static void
test_embedded(void)
{
	const char	*old = getenv("HOME");
	struct passwd	*pw = getpwuid(getuid());
	char		 want[300], cwd[200];
	struct conf	*c;

	if (access("/etc/clustermail/cluster.xml", F_OK) == 0) {
		ok(1, "embedded default # SKIP this machine has a file");
		return;
	}
	snprintf(want, sizeof(want), "%s", old != NULL ? old : "");
	setenv("HOME", "/home/ann", 1);
	embedded_at(NULL, "local", "/home/ann/.clustermail");
	unsetenv("HOME");
	if (pw != NULL) {
		char at[300];

		snprintf(at, sizeof(at), "%s/.clustermail", pw->pw_dir);
		embedded_at("x1", "x1", at);
	}
	if (old != NULL)
		setenv("HOME", want, 1);
	setenv("CM_HOME", "/m", 1);
	embedded_at(NULL, "local", "/m");
	setenv("CM_HOME", "sub", 1);
	if (chdir(dir) == 0 && getcwd(cwd, sizeof(cwd)) != NULL) {
		snprintf(want, sizeof(want), "%s/sub", cwd);
		embedded_at(NULL, "local", want);
	}
	unsetenv("CM_HOME");
	is_int(conf_load(&lg, NULL, "a/b", &c), CM_ECONF, "no node's name");
}

static void
test_examples(const char *root)
{
	static const char *const names[] = {
		"cluster-one-node.xml", "cluster-two-disks.xml"
	};
	char		 path[4096];
	struct conf	*c;

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/examples/%s", root,
		    names[i]);
		buf_reset(&said);
		is_int(conf_load(&lg, path, NULL, &c), 0, "examples/%s",
		    names[i]);
		if (said.len > 0)
			printf("#   %s\n", said.p);
		conf_free(c);
	}
}

/* The long example in cluster.xml(5). */
static void
test_manual(const char *root)
{
	char		 path[4096], *start, *end;
	struct buf	 b;
	struct conf	*c = NULL;

	buf_init(&b, 1 << 20);
	snprintf(path, sizeof(path), "%s/man/cluster.xml.5", root);
	if (file_read(NULL, path, &b) != 0 ||
	    (start = strstr(b.p, "<?xml")) == NULL ||
	    (end = strstr(start, ".Ed\n")) == NULL) {
		ok(0, "%s has an example", path);
	} else {
		*end = '\0';
		is_int(load(start, "n1", &c), 0, "cluster.xml(5)'s example");
	}
	conf_free(c);
	buf_free(&b);
}

static void
test_big(void)
{
	struct conf	*c;

	is_int(load(WITH(""), NULL, &c), 0, "small");
	conf_free(c);
	is_int(truncate(file, (16 << 20) + 1), 0, "over 16 MiB");
	is_int(conf_load(&lg, file, NULL, &c), CM_ETOOBIG, "is refused");
}

static bool
is_in(const struct conf_network *v, size_t n, const char *text)
{
	unsigned char	 a[16];

	if (inet_pton(AF_INET6, text, a) != 1)
		return false;
	return conf_in_network(v, n, a);
}

static void
test_mail(void)
{
	struct conf	*c;
	char		 name[256];

	if (!ok(load(WITH("<domain name='example.org'/>"
	    "<mail certificate='/c' key='/k' sessions='7' per-client='3'"
	    " per-account='4' recipients='100'><trust network='192.0.2.0/25'/>"
	    "<trust network='2001:db8::/33'/><proxy network='127.0.0.1'/>"
	    "</mail><relay host='smart.example' user='u' password='/p'/>"),
	    NULL, &c) == 0, "mail and relay"))
		return;
	ok(strcmp(c->certificate, "/c") == 0 && strcmp(c->key, "/k") == 0 &&
	    c->sessions == 7 && c->per_client == 3 && c->per_account == 4 &&
	    c->recipients == 100,
	    "their values");
	ok(is_in(c->trusted, c->ntrusted, "::ffff:192.0.2.127") &&
	    !is_in(c->trusted, c->ntrusted, "::ffff:192.0.2.128") &&
	    is_in(c->trusted, c->ntrusted, "2001:db8:7fff::1") &&
	    !is_in(c->trusted, c->ntrusted, "2001:db8:8000::1"),
	    "who is in a network");
	ok(is_in(c->proxies, c->nproxies, "::ffff:127.0.0.1") &&
	    !is_in(c->proxies, c->nproxies, "::ffff:127.0.0.2") &&
	    !is_in(c->proxies, c->nproxies, "::1"), "an address by itself");
	ok(c->relay.port == 587 && c->relay.tls == CONF_TLS_STARTTLS &&
	    strcmp(c->relay.user, "u") == 0, "the relay's defaults");
	ok(conf_hostname(c, name, sizeof(name)) == 0 && name[0] != '\0' &&
	    strchr(name, '.') != NULL, "a host name: %s", name);
	conf_free(c);
	if (ok(load("<cluster><node name='n1' hostname='MX.example.org'/>"
	    VOLUME "</cluster>", NULL, &c) == 0, "a host name that is given")) {
		ok(conf_hostname(c, name, sizeof(name)) == 0 &&
		    strcmp(name, "mx.example.org") == 0 &&
		    c->sessions == CONF_SESSIONS && c->per_account ==
		    CONF_PER_ACCOUNT && c->relay.host == NULL,
		    "is it");
		conf_free(c);
	}
	bad(WITH("<mail key='/k'/>\n"), 2, "go together");
	bad(WITH("<mail/>\n<mail/>\n"), 3, "a second mail");
	bad(WITH("<mail sessions='0'/>\n"), 2, "is not from 1");
	bad(WITH("<mail per-account='0'/>\n"), 2, "is not from 1");
	bad(WITH("<mail recipients='99'/>\n"), 2, "is not from 100");
	bad(WITH("<mail>\n<trust network='10.0.0.1/8'/></mail>\n"), 3,
	    "behind its prefix");
	bad(WITH("<mail>\n<trust network='10.0.0.0/33'/></mail>\n"), 3,
	    "not an address");
	bad(WITH("<mail>\n<trust network='everyone'/></mail>\n"), 3,
	    "not an address");
	bad(WITH("<relay/>\n"), 2, "no attribute host");
	bad(WITH("<relay host='h' tls='maybe'/>\n"), 2, "is not starttls");
	bad(WITH("<relay host='h' user='u'/>\n"), 2, "go together");
	bad(WITH("<relay host='h' tls='none' user='u' password='/p'/>\n"), 2,
	    "in plain");
	bad(WITH("<relay host='h'/>\n<relay host='h'/>\n"), 3,
	    "a second relay");
}

int
main(void)
{
	const char	*root = getenv("ROOT");
	char		 share[4096];

	if (root == NULL)
		root = ".";
	snprintf(share, sizeof(share), "%s/share", root);
	setenv("CM_SHARE", share, 1);
	unsetenv("CM_NODE");
	unsetenv("CM_CLUSTER");
	unsetenv("CM_HOME");
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(file, sizeof(file), "%s/cluster.xml", dir);
	buf_init(&said, 65536);
	test_full();
	test_labels();
	test_defaults();
	test_witness();
	test_values();
	test_form();
	test_together();
	test_node();
	test_host();
	test_files();
	test_examples(root);
	test_manual(root);
	test_big();
	test_mail();
	test_embedded();
	unlink(file);
	is_int(rmdir(dir), 0, "nothing is left");
	buf_free(&said);
	return tap_done();
}
