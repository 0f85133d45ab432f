/* What others choose this node by. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/busy.h"
#include "cluster/delay.h"
#include "cluster/load_int.h"
#include "cluster/route.h"

/* Those that serve clients; see session_service. */
static const char *const services[] = {
	"smtpd", "lmtpd", "submission", "pop3d", "imapd",
};

static void
add_machine(struct load *l)
{
	long	 n = sysconf(_SC_NPROCESSORS_ONLN);

	l->processors = n > 0 ? (uint64_t)n : 1;
	if (getloadavg(&l->load, 1) < 1)
		l->load = 0;
}

static int
add_services(const struct conf *conf, struct load *l)
{
	struct busy_count	 count[BUSY_MAX];
	struct load_service	*s;
	size_t			 n;
	int			 rc;

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		n = busy_read(conf->node->state, services[i], count);
		for (size_t k = 0; k < n; k++) {
			if ((rc = load_grow((void **)&l->service,
			    l->nservices, sizeof(*s))) != 0)
				return rc;
			s = &l->service[l->nservices++];
			s->sessions = count[k].sessions;
			s->limit = count[k].limit;
			if ((rc = str_copy(s->name, sizeof(s->name),
			    services[i])) != 0)
				return rc;
		}
	}
	return 0;
}

static int
add_sets(const struct log *log, const struct conf *conf, struct load *l)
{
	struct nodes		 ns;
	struct load_set		*s;
	struct nodes_said	 said;
	int			 rc;

	if ((rc = nodes_load(log, conf, &ns)) != 0)
		return rc == CM_ENOMEM ? rc : 0;
	for (size_t i = 0; rc == 0 && i < ns.n; i++) {
		said = nodes_said(&ns.node[i]);
		if (!nodes_said_any(&said))
			continue;
		if ((rc = load_grow((void **)&l->set, l->nsets,
		    sizeof(*s))) != 0)
			break;
		s = &l->set[l->nsets++];
		s->said = said;
		rc = str_copy(s->node, sizeof(s->node),
		    ns.node[i].conf->name);
	}
	nodes_free(&ns);
	return rc;
}

int
load_brief(const struct log *log, const struct conf *conf, struct load *l)
{
	int	 rc;

	memset(l, 0, sizeof(*l));
	add_machine(l);
	l->delay_ms = delay_read(conf->node->state);
	l->space = route_space(conf);
	if ((rc = str_copy(l->node, sizeof(l->node), conf->self)) != 0 ||
	    (rc = add_services(conf, l)) != 0 ||
	    (rc = add_sets(log, conf, l)) != 0)
		load_free(l);
	return rc;
}

double
load_percent(const struct load *l)
{
	double	 most = 0, share;

	for (size_t i = 0; i < l->nservices; i++) {
		if (l->service[i].limit == 0)
			continue;
		share = (double)l->service[i].sessions /
		    (double)l->service[i].limit;
		if (share > most)
			most = share;
	}
	return 100 * l->load / (double)(l->processors ? l->processors : 1) +
	    100 * most + 100 * (double)l->delay_ms / LOAD_DELAY_MS;
}

uint64_t
load_clients(const struct load *l)
{
	uint64_t	 n = 0;

	for (size_t i = 0; i < l->nservices; i++)
		n += l->service[i].sessions;
	return n;
}
