#include "cluster/zonetool.h"

#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/rr.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "cluster/zoneview.h"

#define OUT_MAX		(256u << 20)
#define SERIAL_BACK	20	/* the serial's place from the end of SOA */

struct zoner {
	struct zoneview	 view;
	struct zone_set	 set;
	struct buf	 out;
};

static int
open_zoner(struct tool *t, const char *domain, struct zoner *z,
    struct dns_name *name)
{
	int	 rc;

	if (dns_name(name, domain, strlen(domain)) != 0)
		return log_fail(&t->log, CM_ENOHOST, "%s", domain);
	if ((rc = zoneview_open(&t->log, t->conf, &z->view)) != 0)
		return rc;
	zone_set_init(&z->set);
	buf_init(&z->out, OUT_MAX);
	return 0;
}

/* Writes what there is, if all went well. */
static int
close_zoner(struct tool *t, struct zoner *z, int rc, const char *domain)
{
	if (rc == 0)
		rc = z->out.err;
	if (rc == 0 && z->out.len > 0)
		rc = file_write(STDOUT_FILENO, z->out.p, z->out.len);
	if (rc != 0)
		log_fail(&t->log, rc, "%s", domain);
	buf_free(&z->out);
	zone_set_free(&z->set);
	zoneview_close(&z->view);
	return rc;
}

static int
by_pref(const void *a, const void *b)
{
	const unsigned char *const *x = a, *const *y = b;
	unsigned p = dns_get_u16(*x), q = dns_get_u16(*y);

	return (p > q) - (p < q);
}

static int
add_mx(struct zoner *z)
{
	const unsigned char **v = calloc(z->set.n + 1, sizeof(*v));
	char	 host[DNS_TEXT_MAX];

	if (v == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < z->set.n; i++)
		v[i] = zone_data(&z->set, i);
	qsort(v, z->set.n, sizeof(*v), by_pref);
	for (size_t i = 0; i < z->set.n; i++) {
		dns_name_text(v[i] + 2, host);
		buf_addf(&z->out, "%u %s\n", dns_get_u16(v[i]), host);
	}
	free(v);
	return 0;
}

int
zonetool_mx(struct tool *t, int argc, char **argv)
{
	struct dns_name	 name;
	struct zoner	 z;
	int		 rc;

	(void)argc;
	if ((rc = open_zoner(t, argv[0], &z, &name)) != 0)
		return rc;
	rc = zoneview_find(&z.view, &name, ns_t_mx, &z.set);
	if (rc == 0 && (z.set.n == 0 || z.set.type != ns_t_mx))
		rc = CM_ENOHOST;
	if (rc == 0)
		rc = add_mx(&z);
	return close_zoner(t, &z, rc, argv[0]);
}

/* A name is new each time it is printed: the file has to grow. */
static void
set_serial(struct zone_set *s)
{
	unsigned char	*p;
	uint32_t	 now = (uint32_t)(time_now_ms() / 1000);

	for (size_t i = 0; i < s->n; i++) {
		p = (unsigned char *)s->bytes.p + s->rr[i].at +
		    s->rr[i].len - SERIAL_BACK;
		dns_put_u16(p, now >> 16);
		dns_put_u16(p + 2, now & 0xffff);
	}
}

static int
print_set(void *arg, const struct dns_name *name, unsigned type)
{
	struct zoner	*z = arg;
	char		 owner[DNS_TEXT_MAX], word[RR_TYPE_MAX];
	int		 rc;

	/* a CNAME is there for each type that is asked for */
	if ((rc = zoneview_find(&z->view, name, type, &z->set)) != 0 ||
	    z->set.type != type)
		return rc;
	if (type == ns_t_soa)
		set_serial(&z->set);
	dns_name_text(name->b, owner);
	rr_type_text(type, word);
	for (size_t i = 0; rc == 0 && i < z->set.n; i++) {
		buf_addf(&z->out, "%s\t%u\tIN\t%s\t", owner, z->set.ttl,
		    word);
		rc = rr_to_text(type, zone_data(&z->set, i),
		    z->set.rr[i].len, &z->out);
		buf_addc(&z->out, '\n');
	}
	return rc;
}

int
zonetool_zone(struct tool *t, int argc, char **argv)
{
	struct dns_name	 name;
	struct zoner	 z;
	int		 rc;

	(void)argc;
	if ((rc = open_zoner(t, argv[0], &z, &name)) != 0)
		return rc;
	rc = zone_walk(z.view.zone, &name, print_set, &z);
	return close_zoner(t, &z, rc, argv[0]);
}
