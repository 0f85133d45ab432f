/* What the conf*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_CONF_IMPL_H
#define CM_CONF_IMPL_H

#include "adapter/xml.h"
#include "cluster/conf.h"

/* A folder that a node keeps to one purpose, and who says so. */
struct conf_folder {
	const char	*node;
	const char	*path;
	const char	*below;		/* "" or "/run" and such, of path */
	int		 line;
};

/*
 * cluster.xml on its way to a struct conf: the lines of its elements, in the
 * order of conf's arrays, for messages.
 */
struct conf_reader {
	const struct log	*log;
	const char		*file;
	struct conf		*conf;
	int			*domain_line;
	int			*node_line;
	int			*volume_line;
	int			*rule_line;
	int			 policy_line;
	int			 root_line;
	bool			 has_copies;	/* the file says how many */
	bool			 has_short;
	struct conf_folder	*folders;	/* homes, copies, states */
	size_t			 nfolders;
};

/* Logs "file:line: text" and returns CM_ECONF. */
int	 conf_bad(const struct conf_reader *, int line, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* Elements and attributes into conf; each value checked by itself. */
int	 conf_read(struct conf_reader *, const struct xml_elem *root) CM_MUST;
void	 conf_reader_free(struct conf_reader *);
/* How the values fit each other. */
int	 conf_check(const struct conf_reader *) CM_MUST;

/* Letters, digits, - and _, not starting with -, at most CONF_NAME_MAX. */
bool	 conf_name_ok(const char *);

#endif
