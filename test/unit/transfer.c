/* Content-Transfer-Encoding undone. */
#include "format/transfer.h"
#include "tap.h"

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static void
decodes(enum transfer e, const char *in, const char *want, const char *name)
{
	struct buf	 b;

	buf_init(&b, 1000);
	buf_adds(&b, "");
	is_int(transfer_decode(e, sp(in), &b), 0, "%s", name);
	is_str(b.p, want, "and what it is");
	buf_free(&b);
}

static void
of(const char *header, enum transfer want, const char *name)
{
	is_int(transfer_of(sp(header)), want, "%s", name);
}

static void
test_of(void)
{
	of("Subject: x\r\n", TRANSFER_NONE, "none");
	of("Content-Transfer-Encoding: base64\r\n", TRANSFER_BASE64, "base64");
	of("A: b\r\ncontent-transfer-encoding:\r\n BASE64 \r\n",
	    TRANSFER_BASE64, "folded, in any case");
	of("Content-Transfer-Encoding: quoted-printable\r\n", TRANSFER_QP,
	    "quoted-printable");
	of("Content-Transfer-Encoding: 8bit\r\n", TRANSFER_NONE, "8bit");
	of("Content-Transfer-Encoding: 7bit;\r\n", TRANSFER_NONE, "7bit;");
	of("Content-Transfer-Encoding: x-uue\r\n", TRANSFER_UNKNOWN,
	    "another one");
	of("Content-Transfer-Encoding:\r\n", TRANSFER_NONE, "nothing");
}

static void
test_base64(void)
{
	enum transfer	 e = TRANSFER_BASE64;
	struct buf	 b;

	decodes(e, "", "", "nothing");
	decodes(e, "Zg==", "f", "one byte");
	decodes(e, "Zm8=", "fo", "two");
	decodes(e, "Zm9v", "foo", "three");
	decodes(e, "Zm9v\r\nYmFy\r\n", "foobar", "lines");
	decodes(e, "Zm 9!v", "foo", "other characters");
	decodes(e, "Zg==Zm9v", "ffoo", "two pieces");
	decodes(e, "Zm9vY", "foo", "a cut one");
	decodes(e, "Zm9vYg", "foob", "without padding");
	decodes(e, "====", "", "nothing but padding");
	buf_init(&b, 2);
	is_int(transfer_decode(e, sp("Zm9v"), &b), CM_ETOOBIG, "too much");
	buf_free(&b);
}

static void
test_qp(void)
{
	enum transfer	 e = TRANSFER_QP;

	decodes(e, "", "", "nothing");
	decodes(e, "a=3Db", "a=b", "an escape");
	decodes(e, "=c3=A9", "\xc3\xa9", "in any case");
	decodes(e, "a=\r\nb\r\nc", "ab\r\nc", "a soft line break");
	decodes(e, "a=  \r\nb", "ab", "with blanks behind it");
	decodes(e, "a  \t\r\nb", "a\r\nb", "blanks at a line's end");
	decodes(e, "a=20\r\nb", "a \r\nb", "a blank that is meant");
	decodes(e, "a=\nb\nc", "ab\nc", "LF alone");
	decodes(e, "a=zz=", "a=zz", "broken ones stay");
	decodes(e, "=4", "=4", "a cut one");
	decodes(e, "a=", "a", "a soft break at the end");
}

int
main(void)
{
	test_of();
	test_base64();
	test_qp();
	decodes(TRANSFER_NONE, "a=3D", "a=3D", "none");
	decodes(TRANSFER_UNKNOWN, "a=3D", "a=3D", "an unknown one");
	return tap_done();
}
