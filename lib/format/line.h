/* Lines that end with CRLF or LF.  Level 1, private to lib/format. */
#ifndef CM_LINE_H
#define CM_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/*
 * The line at p: its length with its end; *text is the length without.  The
 * last line may have no end.
 */
static inline size_t
line_span(const char *p, size_t len, size_t *text)
{
	const char	*nl = len ? memchr(p, '\n', len) : NULL;

	if (nl == NULL)
		return *text = len;
	*text = (size_t)(nl - p);
	if (*text > 0 && nl[-1] == '\r')
		--*text;
	return (size_t)(nl - p) + 1;
}

/* What may stand between the words of a raw header value. */
static inline bool
line_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

#endif
