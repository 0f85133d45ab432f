#include "format/ulid.h"

#include <string.h>

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void
ulid_make(struct ulid *u, int64_t ms, const unsigned char random[ULID_RANDOM])
{
	for (int i = 0; i < 6; i++)
		u->b[i] = (unsigned char)((uint64_t)ms >> (40 - 8 * i));
	memcpy(u->b + 6, random, ULID_RANDOM);
}

void
ulid_text(const struct ulid *u, char out[ULID_LEN + 1])
{
	unsigned acc = 0;
	int	 bits = 2, n = 0;	/* 130 digits' bits for 128: 2 zeros */

	for (int i = 0; i < 16; i++) {
		acc = acc << 8 | u->b[i];
		bits += 8;
		while (bits >= 5) {
			bits -= 5;
			out[n++] = digits[acc >> bits & 31];
		}
	}
	out[n] = '\0';
}

int
ulid_parse(const char *p, size_t len, struct ulid *u)
{
	const char	*d;
	unsigned	 acc = 0;
	int		 bits = 0, n = 0;

	if (len != ULID_LEN || p[0] < '0' || p[0] > '7')
		return CM_EDATA;
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\0' || (d = strchr(digits, p[i])) == NULL)
			return CM_EDATA;
		acc = acc << 5 | (unsigned)(d - digits);
		bits += i == 0 ? 3 : 5;
		if (bits >= 8) {
			bits -= 8;
			u->b[n++] = (unsigned char)(acc >> bits);
		}
	}
	return 0;
}

int64_t
ulid_ms(const struct ulid *u)
{
	uint64_t	 ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | u->b[i];
	return (int64_t)ms;
}
