#include "format/part_text.h"

#include "format/charset.h"
#include "format/header.h"
#include "format/mime_param.h"
#include "format/transfer.h"

#define CHARSET_MAX	100

struct kind {
	bool		 text, html, message;
	struct buf	 charset;
};

static void
read_kind(struct span header, struct kind *k)
{
	struct header_field f;
	struct mime_param p;
	struct span	 v, type, sub;

	k->text = true;
	k->html = k->message = false;
	if (!header_find(header, "content-type", &f))
		return;
	v = f.value;
	if (!mime_param_type(&v, &type, &sub))
		return;
	k->text = str_ieq(type.p, type.len, "text");
	k->message = str_ieq(type.p, type.len, "message");
	k->html = k->text && str_ieq(sub.p, sub.len, "html");
	while (mime_param_next(&v, &p)) {
		if (!str_ieq(p.name.p, p.name.len, "charset"))
			continue;
		if (mime_param_text(p.value, &k->charset) != 0)
			buf_reset(&k->charset);
		break;
	}
	/* bytes over 127 are none of it: let them be found out */
	if (k->charset.len > 0 &&
	    str_ieq(k->charset.p, k->charset.len, "us-ascii"))
		buf_reset(&k->charset);
}

int
part_text(struct span header, struct span body, bool messages,
    struct buf *raw, struct buf *out, bool *html)
{
	enum transfer	 how = transfer_of(header);
	struct kind	 k;
	int		 rc = CM_ENOINPUT;

	buf_init(&k.charset, CHARSET_MAX);
	read_kind(header, &k);
	*html = k.html;
	if ((k.text || (k.message && messages)) && how != TRANSFER_UNKNOWN) {
		rc = 0;
		buf_reset(raw);
		if (how != TRANSFER_NONE) {
			rc = transfer_decode(how, body, raw);
			body = (struct span){ raw->len > 0 ? raw->p : "",
			    raw->len };
		}
		if (rc == 0)
			rc = charset_decode((struct span){ k.charset.len > 0 ?
			    k.charset.p : "", k.charset.len }, body, out);
	}
	buf_free(&k.charset);
	return rc;
}
