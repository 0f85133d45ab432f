#include <string.h>

#include "format/disarm.h"
#include "tap.h"

#define HEAD "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: " \
    "multipart/mixed; boundary=b\r\n\r\n"
#define NEW "Content-Type: text/plain; charset=us-ascii\r\n" \
    "Content-Disposition: inline\r\n\r\ngone\r\n"

static struct mime_tree	 tree;
static struct buf	 out;

/* The message with its leaves of that mask replaced. */
static const char *
without(const char *msg, unsigned mask)
{
	bool	 bad[16] = { false };
	size_t	 leaf = 0;

	mime_free(&tree);
	buf_free(&out);
	buf_init(&out, 100000);
	if (mime_scan(msg, strlen(msg), &tree) != 0)
		return "failed";
	for (size_t i = 0; i < tree.n && i < 16; i++)
		if (tree.parts[i].kind == MIME_LEAF)
			bad[i] = mask >> leaf++ & 1;
	if (disarm(msg, strlen(msg), &tree, bad, "gone\r\n", &out) != 0)
		return "failed";
	return out.p;
}

int
main(void)
{
	static const char two[] = HEAD "before\r\n--b\r\nContent-Type: a/b\r\n"
	    "\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\nafter\r\n";
	static const char nested[] = HEAD "--b\r\nContent-Type: message/rfc822"
	    "\r\n\r\nSubject: y\r\nContent-Type: a/b\r\n\r\nbody\r\n--b--\r\n";

	is_str(without(two, 0), two, "none: as it was");
	is_str(without(two, 1), HEAD "before\r\n--b\r\n" NEW "\r\n--b\r\n\r\n"
	    "two\r\n--b--\r\nafter\r\n", "the first part");
	is_str(without(two, 2), HEAD "before\r\n--b\r\nContent-Type: a/b\r\n"
	    "\r\none\r\n--b\r\n" NEW "\r\n--b--\r\nafter\r\n", "the second");
	is_str(without(two, 3), HEAD "before\r\n--b\r\n" NEW "\r\n--b\r\n" NEW
	    "\r\n--b--\r\nafter\r\n", "both");
	is_str(without("Subject: x\r\nContent-Type: a/b\r\nX: 1\r\n\r\nbody",
	    1), "Subject: x\r\nX: 1\r\n" NEW, "a message without parts keeps "
	    "its other fields");
	is_str(without(nested, 1), HEAD "--b\r\nContent-Type: message/rfc822"
	    "\r\n\r\nSubject: y\r\n" NEW "\r\n--b--\r\n", "one in a message");
	is_str(without("no header", 1), NEW, "a message without a header");
	is_str(without("A: 1", 1), "A: 1\r\n" NEW, "or without an end");
	is_str(without("", 1), NEW, "or without anything");
	is_str(without(HEAD "--b\r\nContent-Type: a/b", 1),
	    HEAD "--b\r\n" NEW, "cut off");
	mime_free(&tree);
	buf_free(&out);
	return tap_done();
}
