#include "protocol/session_main.h"

#include <string.h>

#include "base/str.h"

#define IDLE_S	60

void
session_main_init(struct session_main *m, const char *prog)
{
	memset(m, 0, sizeof(*m));
	tool_init(&m->tool, prog);
	m->options.idle_s = IDLE_S;
}

static bool
number(const char *s, uint64_t max, uint64_t *out)
{
	return str_u64(s, strlen(s), max, out) == 0 && *out > 0;
}

bool
session_main_option(struct session_main *m, int opt, const char *arg)
{
	uint64_t	 v;

	switch (opt) {
	case 'i':
		if (!number(arg, 1000000, &v))
			return false;
		m->options.idle_s = (int)v;
		return true;
	case 'p':
		m->options.proxy = true;
		return true;
	case 't':
		m->options.implicit = true;
		return true;
	case 'w':
		if (!number(arg, 100000, &v))
			return false;
		m->options.workers = (unsigned)v;
		return true;
	default:
		return tool_option(&m->tool, opt, arg);
	}
}

int
session_main_run(struct session_main *m, const struct session_service *s)
{
	m->options.file = m->tool.file;
	m->options.node = m->tool.node;
	return cm_exit(session_run(s, &m->options));
}
