#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/time.h"
#include "protocol/session_int.h"

#define LINE_SIZE	2400

/* syslog(3), and standard error, which is STATE/run/NAME.log by now. */
static void
put(void *arg, enum log_level level, const char *text)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO,
			    LOG_DEBUG };
	char		 line[LINE_SIZE], when[TIME_ISO_SIZE];
	int		 n;

	syslog(priority[level], "%s", text);
	time_iso(when, time_now_ms());
	n = snprintf(line, sizeof(line), "%s %s[%ld]: %s%s\n", when,
	    (const char *)arg, (long)getpid(),
	    level == CM_LOG_WARN ? "warning: " :
	    level == CM_LOG_ERROR ? "error: " : "", text);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line)) {
		n = sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	if (write(STDERR_FILENO, line, (size_t)n) == -1)
		return;		/* nobody is left to be told */
}

void
session_log_open(struct log *log, const char *prog)
{
	/* each process opens its own when it has something to say */
	openlog(prog, LOG_PID, LOG_MAIL);
	log->max = CM_LOG_INFO;
	log->put = put;
	log->arg = (void *)(uintptr_t)prog;
}

void
session_log_close(void)
{
	closelog();
}

static bool
is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

void
session_log_field(struct buf *b, const char *key, const char *value)
{
	size_t		 n = strnlen(value, SESSION_FIELD_MAX + 1), i = 0;
	bool		 cut = n > SESSION_FIELD_MAX;
	unsigned char	 c;

	if (cut)
		n = SESSION_FIELD_MAX;
	buf_addf(b, " %s=", key);
	while (i < n && is_plain((unsigned char)value[i]))
		i++;
	if (i == n && n > 0 && !cut) {
		buf_add(b, value, n);
		return;
	}
	buf_addc(b, '"');
	for (i = 0; i < n; i++) {
		c = (unsigned char)value[i];
		if (c < ' ' || c >= 0x7f)
			buf_addf(b, "\\x%02x", c);
		else if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else
			buf_addc(b, (char)c);
	}
	buf_adds(b, cut ? "\"..." : "\"");
}
