/* By itself: who has no catalog needs it, too. */
#include "base/str.h"
#include "cluster/sysbox.h"

int
sysbox_name(const char *what, const char *node, char out[SYSBOX_SIZE])
{
	int	 rc = str_fmt(out, SYSBOX_SIZE, "%s@%s.invalid", what, node);

	for (char *p = out; *p != '\0'; p++)
		*p = str_lower(*p);
	return rc;
}
