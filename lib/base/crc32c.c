#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

#define POLY 0x82f63b78u	/* reflected 0x1EDC6F41 */
#define LANE 1024		/* bytes of each of three streams at a time */

static uint32_t		 table[8][256];
static uint32_t		 shift_lane[4][256];	/* crc moved over LANE zeros */
static pthread_once_t	 once = PTHREAD_ONCE_INIT;

static void
make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ POLY : c >> 1;
		table[0][i] = c;
	}
	for (int t = 1; t < 8; t++)
		for (int i = 0; i < 256; i++)
			table[t][i] = table[t - 1][i] >> 8 ^
			    table[0][table[t - 1][i] & 0xff];
	/* moving is linear, so a table for each byte of the crc will do */
	for (int b = 0; b < 4; b++)
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i << (8 * b);

			for (int k = 0; k < LANE; k++)
				c = c >> 8 ^ table[0][c & 0xff];
			shift_lane[b][i] = c;
		}
}

static uint32_t
raw_portable(uint32_t c, const unsigned char *p, size_t n)
{
	while (n >= 8) {
		uint32_t lo, hi;

		memcpy(&lo, p, 4);
		memcpy(&hi, p + 4, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		lo = __builtin_bswap32(lo);
		hi = __builtin_bswap32(hi);
#endif
		lo ^= c;
		c = table[7][lo & 0xff] ^ table[6][lo >> 8 & 0xff] ^
		    table[5][lo >> 16 & 0xff] ^ table[4][lo >> 24] ^
		    table[3][hi & 0xff] ^ table[2][hi >> 8 & 0xff] ^
		    table[1][hi >> 16 & 0xff] ^ table[0][hi >> 24];
		p += 8;
		n -= 8;
	}
	while (n-- > 0)
		c = c >> 8 ^ table[0][(c ^ *p++) & 0xff];
	return c;
}

#if defined(__x86_64__)
static uint32_t
moved(uint32_t c)
{
	return shift_lane[0][c & 0xff] ^ shift_lane[1][c >> 8 & 0xff] ^
	    shift_lane[2][c >> 16 & 0xff] ^ shift_lane[3][c >> 24];
}

/* Three streams hide the instruction's latency of three cycles. */
__attribute__((target("sse4.2")))
static uint32_t
raw_sse42(uint32_t crc, const unsigned char *p, size_t n)
{
	uint64_t a = crc, b, c, v;

	while (n >= 3 * LANE) {
		b = c = 0;
		for (size_t i = 0; i < LANE; i += 8) {
			memcpy(&v, p + i, 8);
			a = __builtin_ia32_crc32di(a, v);
			memcpy(&v, p + LANE + i, 8);
			b = __builtin_ia32_crc32di(b, v);
			memcpy(&v, p + 2 * LANE + i, 8);
			c = __builtin_ia32_crc32di(c, v);
		}
		a = moved((uint32_t)a) ^ b;
		a = moved((uint32_t)a) ^ c;
		p += 3 * LANE;
		n -= 3 * LANE;
	}
	while (n >= 8) {
		memcpy(&v, p, 8);
		a = __builtin_ia32_crc32di(a, v);
		p += 8;
		n -= 8;
	}
	while (n-- > 0)
		a = __builtin_ia32_crc32qi((uint32_t)a, *p++);
	return (uint32_t)a;
}
#endif

uint32_t
crc32c_portable(uint32_t crc, const void *p, size_t n)
{
	pthread_once(&once, make_tables);
	return ~raw_portable(~crc, p, n);
}

uint32_t
crc32c(uint32_t crc, const void *p, size_t n)
{
	pthread_once(&once, make_tables);
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~raw_sse42(~crc, p, n);
#endif
	return ~raw_portable(~crc, p, n);
}
