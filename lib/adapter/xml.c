#include "adapter/xml.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/SAX2.h>
#include <libxml/tree.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"

#define XML_REPORTS_MAX 20	/* lines logged about one file */

struct xml {
	xmlDocPtr	 doc;
	char		*path;
};

/* Where the library's messages about one file go, and what came so far. */
struct report {
	const struct log	*log;
	const char		*path;
	int			 code;	/* 0: nothing was wrong */
	int			 lines;
};

static void
report_line(struct report *r, int code, int line, const char *text)
{
	if (r->code == 0)
		r->code = code;
	if (r->lines++ >= XML_REPORTS_MAX)
		return;
	if (line > 0)
		log_fail(r->log, code, "%s:%d: %s", r->path, line, text);
	else
		log_fail(r->log, code, "%s: %s", r->path, text);
}

/* An xmlStructuredErrorFunc. */
static void
report_error(void *arg, xmlErrorPtr e)
{
	struct report	*r = arg;
	char		 text[512];
	size_t		 len;
	int		 code;

	if (e->level < XML_ERR_ERROR)
		return;
	/* A value may be long: what does not fit is cut. */
	len = e->message == NULL ? 0 : strcspn(e->message, "\n");
	if (len >= sizeof(text))
		len = sizeof(text) - 1;
	if (len > 0 && str_ncopy(text, sizeof(text), e->message, len) != 0)
		len = 0;
	code = e->code == XML_ERR_NO_MEMORY ? CM_ENOMEM : CM_ECONF;
	report_line(r, code, e->line, len > 0 ? text : "XML error");
}

/* The parser hands over its context; ours hangs on it. */
static void
parser_error(void *arg, xmlErrorPtr e)
{
	xmlParserCtxtPtr ctxt = arg;

	report_error(ctxt->_private, e);
}

/* Called at a DOCTYPE, before anything that it declares is read. */
static void
refuse_doctype(void *arg, const xmlChar *name, const xmlChar *external,
    const xmlChar *system)
{
	xmlParserCtxtPtr ctxt = arg;

	(void)name;
	(void)external;
	(void)system;
	report_line(ctxt->_private, CM_ECONF, xmlSAX2GetLineNumber(ctxt),
	    "a DOCTYPE is not allowed here");
	xmlStopParser(ctxt);
}

static int
parse(struct report *r, const struct buf *b, xmlDocPtr *out)
{
	xmlParserCtxtPtr ctxt;
	xmlDocPtr	 doc;

	if ((ctxt = xmlNewParserCtxt()) == NULL)
		return log_fail(r->log, CM_ENOMEM, "%s", r->path);
	ctxt->_private = r;
	ctxt->sax->serror = parser_error;
	ctxt->sax->internalSubset = refuse_doctype;
	doc = xmlCtxtReadMemory(ctxt, b->len == 0 ? "" : b->p, (int)b->len,
	    r->path, NULL, XML_PARSE_NONET | XML_PARSE_NOCDATA |
	    XML_PARSE_BIG_LINES);
	xmlFreeParserCtxt(ctxt);
	if (r->code == 0 && (doc == NULL || xmlDocGetRootElement(doc) == NULL))
		report_line(r, CM_ECONF, 1, "there is no element in it");
	if (r->code != 0) {
		xmlFreeDoc(doc);
		return r->code;
	}
	*out = doc;
	return 0;
}

int
xml_open(const struct log *log, const char *path, struct xml **out)
{
	struct report	 r = { log, path, 0, 0 };
	struct buf	 b;
	struct xml	*x;
	int		 rc;

	*out = NULL;
	xmlInitParser();	/* once for the process; later calls return */
	buf_init(&b, XML_FILE_MAX);
	if ((x = calloc(1, sizeof(*x))) == NULL ||
	    (x->path = strdup(path)) == NULL) {
		rc = log_fail(log, CM_ENOMEM, "%s", path);
		goto out;
	}
	if ((rc = file_read(log, path, &b)) == 0)
		rc = parse(&r, &b, &x->doc);
out:
	buf_free(&b);
	if (rc != 0)
		xml_free(x);
	else
		*out = x;
	return rc;
}

void
xml_free(struct xml *x)
{
	if (x == NULL)
		return;
	xmlFreeDoc(x->doc);
	free(x->path);
	free(x);
}

static int
schema_load(const struct log *log, const struct xml *src, xmlRelaxNGPtr *out)
{
	struct report		 r = { log, src->path, 0, 0 };
	xmlRelaxNGParserCtxtPtr	 ctxt;

	/* It works on a copy of the document. */
	if ((ctxt = xmlRelaxNGNewDocParserCtxt(src->doc)) == NULL)
		return log_fail(log, CM_ENOMEM, "%s", src->path);
	xmlRelaxNGSetParserStructuredErrors(ctxt, report_error, &r);
	*out = xmlRelaxNGParse(ctxt);
	xmlRelaxNGFreeParserCtxt(ctxt);
	if (*out == NULL && r.code == 0)
		report_line(&r, CM_ECONF, 0, "not a RELAX NG schema");
	return r.code;
}

int
xml_validate(const struct log *log, const struct xml *x, const char *schema)
{
	struct report		 r = { log, x->path, 0, 0 };
	struct xml		*src = NULL;
	xmlRelaxNGPtr		 rng = NULL;
	xmlRelaxNGValidCtxtPtr	 ctxt = NULL;
	int			 rc;

	if ((rc = xml_open(log, schema, &src)) != 0) {
		rc = rc == CM_ENOMEM ? rc : CM_ECONF;
		goto out;
	}
	if ((rc = schema_load(log, src, &rng)) != 0)
		goto out;
	if ((ctxt = xmlRelaxNGNewValidCtxt(rng)) == NULL) {
		rc = log_fail(log, CM_ENOMEM, "%s", x->path);
		goto out;
	}
	xmlRelaxNGSetValidStructuredErrors(ctxt, report_error, &r);
	if (xmlRelaxNGValidateDoc(ctxt, x->doc) != 0 && r.code == 0)
		report_line(&r, CM_ECONF, 0, "does not fit its schema");
	rc = r.code;
out:
	xmlRelaxNGFreeValidCtxt(ctxt);
	xmlRelaxNGFree(rng);
	xml_free(src);
	return rc;
}

/* struct xml_elem is never defined: a pointer to it is an xmlNode. */
static const xmlNode *
node_of(const struct xml_elem *e)
{
	return (const void *)e;
}

static const struct xml_elem *
element_from(const xmlNode *n)
{
	while (n != NULL && n->type != XML_ELEMENT_NODE)
		n = n->next;
	return (const void *)n;
}

const struct xml_elem *
xml_root(const struct xml *x)
{
	return element_from(xmlDocGetRootElement(x->doc));
}

const struct xml_elem *
xml_child(const struct xml_elem *e)
{
	return element_from(node_of(e)->children);
}

const struct xml_elem *
xml_next(const struct xml_elem *e)
{
	return element_from(node_of(e)->next);
}

const char *
xml_name(const struct xml_elem *e)
{
	return (const char *)node_of(e)->name;
}

const char *
xml_attr(const struct xml_elem *e, const char *name)
{
	const xmlAttr	*a;

	for (a = node_of(e)->properties; a != NULL; a = a->next) {
		if (a->ns != NULL || strcmp((const char *)a->name, name) != 0)
			continue;
		/* Without entities a value is one text, or none when empty. */
		if (a->children == NULL || a->children->content == NULL)
			return "";
		return (const char *)a->children->content;
	}
	return NULL;
}

int
xml_line(const struct xml_elem *e)
{
	return (int)xmlGetLineNo(node_of(e));
}

/* Whoever has the document may change what is in it. */
static xmlNode *
edit(struct xml *x, const struct xml_elem *e)
{
	(void)x;
	return (void *)(uintptr_t)e;
}

int
xml_set(struct xml *x, const struct xml_elem *e, const char *name,
    const char *value)
{
	return xmlSetProp(edit(x, e), (const xmlChar *)name,
	    (const xmlChar *)value) == NULL ? CM_ENOMEM : 0;
}

void
xml_unset(struct xml *x, const struct xml_elem *e, const char *name)
{
	(void)xmlUnsetProp(edit(x, e), (const xmlChar *)name);
}

static bool
is_blank(const xmlNode *n)
{
	return n != NULL && n->type == XML_TEXT_NODE && xmlIsBlankNode(n);
}

/* The line break and the blanks before an element; "\n" when on its line. */
static const char *
indent_of(const xmlNode *n)
{
	const char	*s, *nl;

	if (!is_blank(n->prev))
		return "\n";
	s = (const char *)n->prev->content;
	return (nl = strrchr(s, '\n')) != NULL ? nl : "\n";
}

static int
add_text(xmlNode *in, const char *a, const char *b)
{
	xmlNode	*t;

	if ((t = xmlNewText((const xmlChar *)a)) == NULL)
		return CM_ENOMEM;
	xmlNodeAddContent(t, (const xmlChar *)b);
	if (xmlAddChild(in, t) != NULL)
		return 0;
	xmlFreeNode(t);
	return CM_ENOMEM;
}

static const xmlNode *
last_element(const xmlNode *in)
{
	const xmlNode	*n = in->last;

	while (n != NULL && n->type != XML_ELEMENT_NODE)
		n = n->prev;
	return n;
}

int
xml_add(struct xml *x, const struct xml_elem *parent, const char *name,
    const struct xml_elem **out)
{
	xmlNode		*in = edit(x, parent), *n, *end = NULL;
	const xmlNode	*last = last_element(in);
	char		 blanks[256];
	int		 rc;

	*out = NULL;
	if (str_copy(blanks, sizeof(blanks), indent_of(last != NULL ? last :
	    in)) != 0)
		blanks[0] = '\0';
	/* the blanks before the end tag stay there */
	if (is_blank(in->last)) {
		end = in->last;
		xmlUnlinkNode(end);
	}
	if ((rc = add_text(in, blanks, last != NULL ? "" : "  ")) == 0 &&
	    (n = xmlNewChild(in, NULL, (const xmlChar *)name, NULL)) != NULL)
		*out = (const void *)n;
	if (end != NULL)
		xmlAddChild(in, end);
	else if (rc == 0)
		rc = add_text(in, indent_of(in), "");
	return *out == NULL ? CM_ENOMEM : rc;
}

void
xml_remove(struct xml *x, const struct xml_elem *e)
{
	xmlNode	*n = edit(x, e), *before = n->prev;

	if (is_blank(before)) {
		xmlUnlinkNode(before);
		xmlFreeNode(before);
	}
	xmlUnlinkNode(n);
	xmlFreeNode(n);
}

int
xml_text(const struct log *log, const struct xml *x, char **text, size_t *len)
{
	xmlChar	*p = NULL;
	int	 n = 0;

	xmlDocDumpMemory(x->doc, &p, &n);
	if (p == NULL)
		return log_fail(log, CM_ENOMEM, "%s", x->path);
	*text = (char *)p;
	*len = (size_t)n;
	return 0;
}

void
xml_text_free(char *text)
{
	if (text != NULL)
		xmlFree(text);
}
