#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "tap.h"

static void
test_crc32c(void)
{
	unsigned char	*big = malloc(100000);
	unsigned char	 b[32];
	int		 bad = 0;

	/* RFC 3720 appendix B.4 */
	memset(b, 0, 32);
	is_int(crc32c(0, b, 32), 0x8a9136aa, "crc32c of 32 zeros");
	memset(b, 0xff, 32);
	is_int(crc32c(0, b, 32), 0x62a8ab43, "crc32c of 32 ones");
	for (int i = 0; i < 32; i++)
		b[i] = (unsigned char)i;
	is_int(crc32c(0, b, 32), 0x46dd794e, "crc32c of 0..31");
	is_int(crc32c_portable(0, b, 32), 0x46dd794e, "portable crc32c");
	for (int i = 0; i < 100000; i++)
		big[i] = (unsigned char)(i * 7 + i / 251);
	for (size_t n = 0; n < 100000; n += 1 + n / 13)
		if (crc32c(0, big + n % 9, n - n % 9) !=
		    crc32c_portable(0, big + n % 9, n - n % 9))
			bad++;
	is_int(bad, 0, "both crc32c agree on every length");
	is_int(crc32c(crc32c(0, big, 5000), big + 5000, 7777),
	    crc32c(0, big, 12777), "crc32c continues");
	free(big);
}

static void
test_buf(void)
{
	struct buf	 b;

	buf_init(&b, 10);
	is_int(buf_adds(&b, "12345"), 0, "fits");
	is_int(buf_adds(&b, "123456"), CM_ETOOBIG, "over the ceiling");
	is_str(b.p, "12345", "a failed addition changes nothing");
	is_int(buf_addc(&b, 'x'), CM_ETOOBIG, "the error stays");
	buf_reset(&b);
	is_int(buf_addf(&b, "%d-%s", 1, "abcdefgh"), 0, "exactly full");
	buf_drop(&b, 2);
	is_str(b.p, "abcdefgh", "dropped from the front");
	buf_free(&b);
	buf_free(NULL);
}

static void
test_str(void)
{
	struct span	 rest = { "a\t\tc", 4 }, f;
	struct buf	 b, c;
	uint64_t	 v;
	char		 d[4];

	ok(str_field(&rest, '\t', &f) && span_is(f, "a"), "first field");
	ok(str_field(&rest, '\t', &f) && span_is(f, ""), "empty field");
	ok(str_field(&rest, '\t', &f) && span_is(f, "c"), "last field");
	ok(!str_field(&rest, '\t', &f), "no more");
	is_int(str_copy(d, sizeof(d), "abcd"), CM_ETOOBIG, "copy too long");
	is_str(d, "", "nothing is cut");
	is_int(str_u64("18446744073709551615", 20, UINT64_MAX, &v), 0, "max");
	is_int(str_u64("18446744073709551616", 20, UINT64_MAX, &v), CM_EDATA,
	    "over max");
	is_int(str_u64("7", 1, 5, &v), CM_EDATA, "one digit over max");
	is_int(str_u64("", 0, 5, &v), CM_EDATA, "no digits");
	is_int(str_u64("1 ", 2, 5, &v), CM_EDATA, "blank behind");
	ok(str_size("50M", &v) == 0 && v == 50 << 20, "50M");
	is_int(str_size("M", &v), CM_EDATA, "no number");
	ok(str_hex("00ff", 4, &v) == 0 && v == 255, "hex");
	is_int(str_hex("0F", 2, &v), CM_EDATA, "upper-case hex");
	buf_init(&b, 100);
	buf_init(&c, 100);
	str_pct(&b, "a/b,c %\n", 8, "/,");
	is_str(b.p, "a%2Fb%2Cc%20%25%0A", "percent-encoded");
	is_int(str_unpct(&c, b.p, b.len), 0, "decodes");
	is_str(c.p, "a/b,c %\n", "to the same");
	is_int(str_unpct(&c, "%0", 2), CM_EDATA, "cut %%XX");
	is_int(str_unpct(&c, "%00", 3), CM_EDATA, "no NUL");
	buf_free(&b);
	buf_free(&c);
}

static void
test_time(void)
{
	char	 iso[TIME_ISO_SIZE];
	int64_t	 ms;

	time_iso(iso, 1700000000123);
	is_str(iso, "2023-11-14T22:13:20.123Z", "iso time");
	ok(time_parse_iso(iso, 24, &ms) == 0 && ms == 1700000000123, "back");
	is_int(time_parse_iso("2023-13-14T22:13:20.123Z", 24, &ms), CM_EDATA,
	    "month 13");
	is_int(time_parse_iso("2023-11-14 22:13:20.123Z", 24, &ms), CM_EDATA,
	    "blank for T");
}

static void
test_file(void)
{
	char		 dir[] = "/tmp/cm-unit.XXXXXX", path[100];
	struct buf	 b;

	if (mkdtemp(dir) == NULL)
		return;
	buf_init(&b, 5);
	snprintf(path, sizeof(path), "%s/a/b/c", dir);
	is_int(file_mkdirs(NULL, path, 0700), 0, "mkdirs");
	is_int(file_mkdirs(NULL, path, 0700), 0, "mkdirs twice");
	snprintf(path, sizeof(path), "%s/a/f", dir);
	is_int(file_commit(NULL, path, "hello", 5, 0600), 0, "commit");
	is_int(file_read(NULL, path, &b), 0, "read, exactly the ceiling");
	is_str(b.p, "hello", "same bytes");
	is_int(file_commit(NULL, path, "hello!", 6, 0600), 0, "again");
	buf_reset(&b);
	is_int(file_read(NULL, path, &b), CM_ETOOBIG, "over the ceiling");
	snprintf(path, sizeof(path), "%s/none/f", dir);
	is_int(file_commit(NULL, path, "x", 1, 0600), CM_ENOINPUT, "no dir");
	buf_free(&b);
	snprintf(path, sizeof(path), "%s/a/b/c", dir); rmdir(path);
	snprintf(path, sizeof(path), "%s/a/b", dir); rmdir(path);
	snprintf(path, sizeof(path), "%s/a/f", dir); unlink(path);
	snprintf(path, sizeof(path), "%s/a", dir); rmdir(path);
	is_int(rmdir(dir), 0, "no temporary file is left");
}

int
main(void)
{
	test_crc32c();
	test_buf();
	test_str();
	test_time();
	test_file();
	return tap_done();
}
