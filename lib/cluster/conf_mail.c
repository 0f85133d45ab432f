/* What the services for clients need: the elements mail and relay. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cluster/conf_impl.h"

#define PORT_SUBMISSION	587
#define PORT_SUBMISSIONS 465
#define PORT_SMTP	25

static const struct conf_word ways[] = {
	{ "starttls", CONF_TLS_STARTTLS }, { "implicit", CONF_TLS_IMPLICIT },
	{ "none", CONF_TLS_NONE }, { NULL, 0 }
};

/* An address, or one with / and the number of bits. */
static bool
parse_network(const char *s, struct conf_network *n)
{
	char		 text[INET6_ADDRSTRLEN];
	const char	*slash = strchrnul(s, '/');
	unsigned char	 v4[4];
	uint64_t	 bits, most = 128;

	if (str_ncopy(text, sizeof(text), s, (size_t)(slash - s)) != 0)
		return false;
	if (inet_pton(AF_INET, text, v4) == 1) {
		memset(n->address, 0, 10);
		memset(n->address + 10, 0xff, 2);
		memcpy(n->address + 12, v4, 4);
		most = 32;
	} else if (inet_pton(AF_INET6, text, n->address) != 1)
		return false;
	bits = most;
	if (*slash == '/' && str_u64(slash + 1, strlen(slash + 1), most,
	    &bits) != 0)
		return false;
	n->bits = (unsigned)(bits + 128 - most);
	return true;
}

static bool
has_bits_behind(const struct conf_network *n)
{
	for (unsigned i = n->bits; i < 128; i++)
		if (n->address[i / 8] & (0x80 >> i % 8))
			return true;
	return false;
}

static int
read_networks(const struct conf_reader *r, const struct xml_elem *e,
    const char *name, struct conf_network **out, size_t *n)
{
	const struct xml_elem *c;
	const char	*s;
	size_t		 max = 0;
	int		 rc;

	for (c = xml_child(e); c != NULL; c = xml_next(c))
		max += strcmp(xml_name(c), name) == 0;
	if (max > CONF_NETWORKS_MAX)
		return conf_bad(r, xml_line(e), "more than %d %s elements",
		    CONF_NETWORKS_MAX, name);
	if ((*out = calloc(max + 1, sizeof(**out))) == NULL)
		return conf_no_memory(r);
	for (c = xml_child(e); c != NULL; c = xml_next(c)) {
		if (strcmp(xml_name(c), name) != 0)
			continue;
		if ((rc = conf_need(r, c, "network", &s)) != 0)
			return rc;
		if (!parse_network(s, &(*out)[*n]))
			return conf_bad(r, xml_line(c), "network=\"%s\" is not "
			    "an address, or one with / and bits", s);
		if (has_bits_behind(&(*out)[*n]))
			return conf_bad(r, xml_line(c), "network=\"%s\" has "
			    "bits behind its prefix", s);
		++*n;
	}
	return 0;
}

int
conf_read_mail(struct conf_reader *r, const struct xml_elem *e)
{
	struct conf	*c = r->conf;
	int		 rc = 0;

	if (r->mail_line != 0)
		return conf_bad(r, xml_line(e), "a second mail; the first is "
		    "in line %d", r->mail_line);
	r->mail_line = xml_line(e);
	if ((xml_attr(e, "certificate") == NULL) !=
	    (xml_attr(e, "key") == NULL))
		return conf_bad(r, xml_line(e), "certificate and key go "
		    "together");
	if (xml_attr(e, "key") != NULL &&
	    ((rc = conf_path(r, e, "certificate", NULL,
	    &c->certificate)) != 0 ||
	    (rc = conf_path(r, e, "key", NULL, &c->key)) != 0))
		return rc;
	if ((rc = conf_number(r, e, "sessions", 1, 100000,
	    &c->sessions)) != 0 ||
	    (rc = conf_number(r, e, "per-client", 1, 100000,
	    &c->per_client)) != 0 ||
	    (rc = conf_number(r, e, "per-account", 1, 100000,
	    &c->per_account)) != 0 ||
	    (rc = conf_number(r, e, "recipients", 100, 100000,
	    &c->recipients)) != 0 ||
	    (rc = read_networks(r, e, "proxy", &c->proxies,
	    &c->nproxies)) != 0)
		return rc;
	return read_networks(r, e, "trust", &c->trusted, &c->ntrusted);
}

static int
read_login(const struct conf_reader *r, const struct xml_elem *e,
    struct conf_relay *y)
{
	const char	*user = xml_attr(e, "user");
	int		 rc;

	if ((user == NULL) != (xml_attr(e, "password") == NULL))
		return conf_bad(r, xml_line(e), "user and password go "
		    "together");
	if (user == NULL)
		return 0;
	if (user[0] == '\0')
		return conf_bad(r, xml_line(e), "user=\"\" is empty");
	if (y->tls == CONF_TLS_NONE)
		return conf_bad(r, xml_line(e), "tls=\"none\" would send the "
		    "password in plain");
	if ((rc = conf_keep(r, user, &y->user)) != 0)
		return rc;
	return conf_path(r, e, "password", NULL, &y->password);
}

int
conf_read_relay(struct conf_reader *r, const struct xml_elem *e)
{
	struct conf_relay *y = &r->conf->relay;
	const char	*s;
	int		 tls = CONF_TLS_STARTTLS, rc;

	if (r->relay_line != 0)
		return conf_bad(r, xml_line(e), "a second relay; the first is "
		    "in line %d", r->relay_line);
	r->relay_line = xml_line(e);
	if ((rc = conf_need(r, e, "host", &s)) != 0 ||
	    (rc = conf_word(r, e, "tls", ways, &tls)) != 0)
		return rc;
	if (s[0] == '\0' || strlen(s) > 255 || s[strspn(s,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789.:_-")] != '\0')
		return conf_bad(r, xml_line(e), "host=\"%s\" is neither an "
		    "address nor a host name", s);
	y->tls = (enum conf_tls)tls;
	if ((rc = conf_keep(r, s, &y->host)) != 0 ||
	    (rc = conf_port(r, e, tls == CONF_TLS_IMPLICIT ?
	    PORT_SUBMISSIONS : tls == CONF_TLS_NONE ? PORT_SMTP :
	    PORT_SUBMISSION, &y->port)) != 0)
		return rc;
	if (xml_attr(e, "ca") != NULL &&
	    (rc = conf_path(r, e, "ca", NULL, &y->ca)) != 0)
		return rc;
	return read_login(r, e, y);
}

void
conf_mail_free(struct conf *c)
{
	free(c->certificate);
	free(c->key);
	free(c->proxies);
	free(c->trusted);
	free(c->relay.host);
	free(c->relay.ca);
	free(c->relay.user);
	free(c->relay.password);
}

bool
conf_in_network(const struct conf_network *v, size_t n,
    const unsigned char address[16])
{
	for (size_t i = 0; i < n; i++) {
		unsigned whole = v[i].bits / 8, rest = v[i].bits % 8;

		if (memcmp(v[i].address, address, whole) == 0 &&
		    (rest == 0 || ((v[i].address[whole] ^ address[whole]) &
		    (0xff00 >> rest) & 0xff) == 0))
			return true;
	}
	return false;
}

int
conf_hostname(const struct conf *c, char *out, size_t n)
{
	if (c->node->hostname != NULL)
		return str_copy(out, n, c->node->hostname);
	if (gethostname(out, n) == 0 && memchr(out, '\0', n) != NULL &&
	    strchr(out, '.') != NULL)
		return 0;
	if (c->ndomains > 0)
		return str_fmt(out, n, "%s.%s", c->self, c->domains[0]);
	return str_copy(out, n, c->self);
}
