#include "cluster/zoneview.h"

#include <stdlib.h>
#include <string.h>

#include "adapter/rr.h"
#include "base/str.h"

static int
open_shares(struct zoneview *v, const struct choose *c,
    _Atomic uint64_t ***out)
{
	_Atomic uint64_t **shares;
	char	 key[CONF_NAME_MAX + 16];
	int	 rc;

	shares = calloc(c->n + 1, sizeof(_Atomic uint64_t *));
	if (shares == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < c->n; i++) {
		if ((rc = str_fmt(key, sizeof(key), "answers %s",
		    c->node[i]->name)) != 0) {
			free(shares);
			return rc;
		}
		shares[i] = turns_counter(v->turns, key, strlen(key));
	}
	*out = shares;
	return 0;
}

static int
read_nodes(struct zoneview *v)
{
	uint64_t	 stamp = nodes_stamp(v->conf);
	_Atomic uint64_t **shares;
	struct nodes	 nodes;
	struct choose	 choose;
	int		 rc;

	if ((rc = nodes_load(v->log, v->conf, &nodes)) != 0)
		return rc;
	if ((rc = choose_open(v->conf, &nodes, &choose)) != 0) {
		nodes_free(&nodes);
		return rc;
	}
	if ((rc = open_shares(v, &choose, &shares)) != 0) {
		choose_close(&choose);
		nodes_free(&nodes);
		return rc;
	}
	free(v->shares);
	choose_close(&v->choose);
	nodes_free(&v->nodes);
	v->shares = shares;
	v->choose = choose;
	v->nodes = nodes;
	v->stamp = stamp;
	return 0;
}

int
zoneview_open(const struct log *log, const struct conf *conf,
    struct zoneview *v)
{
	int	 rc;

	memset(v, 0, sizeof(*v));
	v->log = log;
	v->conf = conf;
	if ((rc = zone_open(log, conf, &v->zone)) != 0 ||
	    (rc = turns_open(log, conf, &v->turns)) != 0 ||
	    (rc = read_nodes(v)) != 0)
		zoneview_close(v);
	return rc;
}

void
zoneview_close(struct zoneview *v)
{
	free(v->shares);
	choose_close(&v->choose);
	nodes_free(&v->nodes);
	turns_close(v->turns);
	zone_close(v->zone);
	memset(v, 0, sizeof(*v));
}

int
zoneview_look(struct zoneview *v, bool *changed)
{
	bool	 is_new = nodes_stamp(v->conf) != v->stamp;
	int	 rc = is_new ? read_nodes(v) : 0;

	if (changed != NULL)
		*changed = is_new && rc == 0;
	return rc;
}

_Atomic uint64_t *
zoneview_counter(const struct zoneview *v, const struct dns_name *name,
    unsigned type)
{
	char	 text[DNS_TEXT_MAX], word[RR_TYPE_MAX];
	char	 key[DNS_TEXT_MAX + RR_TYPE_MAX + 1];

	dns_name_text(name->b, text);
	rr_type_text(type, word);
	/* both fit */
	if (str_fmt(key, sizeof(key), "%s %s", word, text) != 0)
		key[0] = '\0';
	return turns_counter(v->turns, key, strlen(key));
}

int
zoneview_find(const struct zoneview *v, const struct dns_name *name,
    unsigned type, struct zone_set *set)
{
	uint16_t order[CONF_NODES_MAX];
	int	 rc;

	rc = zone_find(v->zone, &v->choose, name, type, set);
	if (rc != 0 || set->turn == ZONE_FIXED || set->n == 0 ||
	    v->choose.n > CONF_NODES_MAX)
		return rc;
	choose_order(&v->choose, atomic_fetch_add(zoneview_counter(v, name,
	    type), 1), order);
	atomic_fetch_add(v->shares[order[0]], 1);
	zone_set_turn(set, &v->choose, order);
	return 0;
}
