#include "format/priority.h"

#include <string.h>

#include "format/header.h"

static const char *const words[] = {
	[PRIORITY_LOW] = "low",
	[PRIORITY_NORMAL] = "normal",
	[PRIORITY_HIGH] = "high",
};

static const struct {
	const char	*field;
	const char	*word;
	enum priority	 means;
} table[] = {
	{ "Priority", "urgent", PRIORITY_HIGH },
	{ "Priority", "non-urgent", PRIORITY_LOW },
	{ "Importance", "high", PRIORITY_HIGH },
	{ "Importance", "low", PRIORITY_LOW },
	{ "X-Priority", "1", PRIORITY_HIGH },
	{ "X-Priority", "2", PRIORITY_HIGH },
	{ "X-Priority", "4", PRIORITY_LOW },
	{ "X-Priority", "5", PRIORITY_LOW },
};
#define NTABLE (sizeof(table) / sizeof(table[0]))

/* Letters, digits and - that come first, behind blanks and folds. */
static struct span
first_word(struct span v)
{
	size_t	 i = 0, n = 0;

	while (i < v.len && strchr(" \t\r\n", v.p[i]) != NULL &&
	    v.p[i] != '\0')
		i++;
	while (i + n < v.len) {
		char c = str_lower(v.p[i + n]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-')
			break;
		n++;
	}
	return (struct span){ v.p + i, n };
}

enum priority
priority_of(struct span header)
{
	struct header_field	 f;
	struct span		 w = { "", 0 };
	bool			 low = false;

	for (size_t i = 0; i < NTABLE; i++) {
		if (i == 0 || strcmp(table[i].field, table[i - 1].field) != 0)
			w = header_find(header, table[i].field, &f) ?
			    first_word(f.value) : (struct span){ "", 0 };
		if (!str_ieq(w.p, w.len, table[i].word))
			continue;
		if (table[i].means == PRIORITY_HIGH)
			return PRIORITY_HIGH;
		low = true;
	}
	return low ? PRIORITY_LOW : PRIORITY_NORMAL;
}

int
priority_parse(const char *word, enum priority *out)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0) {
			*out = (enum priority)i;
			return 0;
		}
	return CM_EDATA;
}

const char *
priority_word(enum priority p)
{
	return (size_t)p < sizeof(words) / sizeof(words[0]) ? words[p] : "?";
}
