#include "cluster/routetool_int.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/account.h"
#include "cluster/route.h"
#include "format/address.h"


int
routetool_flush(struct tool *t, struct buf *out)
{
	int	 rc = out->err;

	if (rc == 0)
		rc = file_write(STDOUT_FILENO, out->p, out->len);
	buf_reset(out);
	return rc == 0 ? 0 : log_fail(&t->log, rc, "output");
}

static int
one_rcpt(struct tool *t, const char *address, struct buf *names,
    struct buf *out)
{
	struct span	 rest, l;
	char		 sep = '\t';
	int		 rc;

	buf_reset(names);
	rc = catalog_rcpt(t->catalog, address, names);
	if (rc == CM_ENOUSER || rc == CM_ENOHOST)
		return log_fail(&t->log, CM_ENOUSER, "%s", address);
	if (rc != 0)
		return CM_EAGAIN;
	rest = (struct span){ names->p, names->len };
	buf_adds(out, address);
	while (str_field(&rest, '\n', &l)) {
		if (l.len == 0)
			continue;
		buf_addc(out, sep);
		buf_add(out, l.p, l.len);
		sep = ',';
	}
	return buf_addc(out, '\n');
}

int
routetool_rcpt(struct tool *t, int argc, char **argv)
{
	struct buf	 names, out;
	int		 one, rc = 0, wr;

	buf_init(&names, ADDRESS_MAX * ACCOUNT_RESULTS_MAX);
	buf_init(&out, OUT_MAX);
	for (int i = 0; i < argc && rc != CM_EAGAIN; i++) {
		one = one_rcpt(t, argv[i], &names, &out);
		if (one == 0)
			one = routetool_flush(t, &out);
		if (rc == 0 || one == CM_EAGAIN)
			rc = one;
	}
	wr = routetool_flush(t, &out);
	buf_free(&names);
	buf_free(&out);
	return wr != 0 ? wr : rc;
}

int
routetool_select(struct tool *t, uint64_t size, enum priority priority)
{
	struct route_pick	 pick;
	struct buf		 out;
	int			 rc;

	if (size > t->conf->max_size)
		return log_fail(&t->log, CM_ETOOBIG, "a message of %llu bytes,"
		    " where %llu are the most", (unsigned long long)size,
		    (unsigned long long)t->conf->max_size);
	if ((rc = route_select(&t->log, t->conf, size, priority, &pick)) != 0)
		return rc;
	buf_init(&out, OUT_MAX);
	for (size_t i = 0; i < pick.n; i++)
		buf_addf(&out, "%s\n", pick.volume[i]->name);
	rc = routetool_flush(t, &out);
	buf_free(&out);
	return rc;
}
