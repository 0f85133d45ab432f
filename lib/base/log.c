#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE 2048

static void
put_stderr(void *arg, enum log_level level, const char *text)
{
	char	 line[LOG_LINE + 128];
	int	 n;

	n = snprintf(line, sizeof(line), "%s: %s%s\n", (const char *)arg,
	    level == CM_LOG_WARN ? "warning: " : "", text);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = sizeof(line) - 1;
	if (write(STDERR_FILENO, line, (size_t)n) == -1)
		return;
}

void
log_stderr(struct log *l, const char *prog)
{
	l->max = CM_LOG_INFO;
	l->put = put_stderr;
	l->arg = (void *)(uintptr_t)prog;
}

void
log_silent(struct log *l)
{
	memset(l, 0, sizeof(*l));
}

__attribute__((format(printf, 4, 0)))
static void
put(const struct log *l, enum log_level level, const char *tail,
    const char *fmt, va_list ap)
{
	char	 line[LOG_LINE];
	int	 n;

	if (l == NULL || l->put == NULL || level > l->max)
		return;
	n = vsnprintf(line, sizeof(line), fmt, ap);
	if (n < 0)
		return;
	if (tail != NULL && (size_t)n < sizeof(line))
		snprintf(line + n, sizeof(line) - (size_t)n, ": %s", tail);
	for (char *p = line; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	l->put(l->arg, level, line);
}

int
log_fail(const struct log *l, int code, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	put(l, CM_LOG_ERROR, cm_strerror(code), fmt, ap);
	va_end(ap);
	return code;
}

int
log_errno(const struct log *l, const char *fmt, ...)
{
	int	 sys = errno;
	va_list	 ap;
	char	 text[128];

	va_start(ap, fmt);
	put(l, CM_LOG_ERROR, strerror_r(sys, text, sizeof(text)), fmt, ap);
	va_end(ap);
	errno = sys;
	return cm_errno(sys);
}

void
log_warn(const struct log *l, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	put(l, CM_LOG_WARN, NULL, fmt, ap);
	va_end(ap);
}

void
log_info(const struct log *l, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	put(l, CM_LOG_INFO, NULL, fmt, ap);
	va_end(ap);
}

void
log_debug(const struct log *l, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	put(l, CM_LOG_DEBUG, NULL, fmt, ap);
	va_end(ap);
}
