/* XML files and their schemas: the one user of libxml2.  Level 2. */
#ifndef CM_XML_H
#define CM_XML_H

#include <stddef.h>

#include "base/err.h"
#include "base/log.h"

#define XML_FILE_MAX	((size_t)16 << 20)	/* bytes of one file */

struct xml;		/* a document in memory */
struct xml_elem;	/* one of its elements; lives as long as it */

/*
 * Reads a file of at most XML_FILE_MAX bytes.  Nothing else is read: no
 * network, no other file; a DOCTYPE is refused, so there are no entities
 * beyond the five of XML itself.  What is wrong is logged as "path:line:
 * text".  CM_ENOINPUT, CM_EPERM and the like when the file cannot be read,
 * CM_ETOOBIG, CM_ENOMEM, CM_ECONF when it is not well-formed.  xml_free the
 * result.
 */
int	 xml_open(const struct log *, const char *path, struct xml **)
	    CM_MUST;
void	 xml_free(struct xml *);

/*
 * Holds the document against a RELAX NG schema (XML syntax), a file that is
 * trusted.  CM_ECONF when it does not fit, or when the schema is missing or
 * wrong; "path:line: text" is logged for each thing found, up to a limit.
 */
int	 xml_validate(const struct log *, const struct xml *,
	    const char *schema) CM_MUST;

/* The outermost element; there always is one. */
const struct xml_elem *xml_root(const struct xml *);
/* The first element inside, and the next one beside; NULL at the end. */
const struct xml_elem *xml_child(const struct xml_elem *);
const struct xml_elem *xml_next(const struct xml_elem *);

/* All strings are UTF-8 and live as long as the document. */
const char *xml_name(const struct xml_elem *);
/* An attribute (without namespace) of the element; NULL when not there. */
const char *xml_attr(const struct xml_elem *, const char *name);
/* The line where its start tag ends. */
int	 xml_line(const struct xml_elem *);

/*
 * Changing a document; elements are those of it.  Strings are copied, and
 * what was got of the attribute before is gone.  CM_ENOMEM.
 */
int	 xml_set(struct xml *, const struct xml_elem *, const char *name,
	    const char *value) CM_MUST;
void	 xml_unset(struct xml *, const struct xml_elem *, const char *name);
/* A new last element in another one, on a line of its own. */
int	 xml_add(struct xml *, const struct xml_elem *in, const char *name,
	    const struct xml_elem **out) CM_MUST;
/* Takes an element out, with all that is in it, and its line. */
void	 xml_remove(struct xml *, const struct xml_elem *);
/* The document as text, for the caller to xml_text_free. */
int	 xml_text(const struct log *, const struct xml *, char **text,
	    size_t *len) CM_MUST;
void	 xml_text_free(char *);

#endif
