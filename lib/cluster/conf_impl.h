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
	int			 mail_line;
	int			 relay_line;
	int			 dns_line;
	int			 filters_line;
	int			 root_line;
	bool			 has_copies;	/* the file says how many */
	bool			 has_short;
	struct conf_folder	*folders;	/* homes, copies, states */
	size_t			 nfolders;
};

/* Logs "file:line: text" and returns CM_ECONF. */
int	 conf_bad(const struct conf_reader *, int line, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
int	 conf_no_memory(const struct conf_reader *);
void	 conf_free_names(char **, size_t n);

/* --- conf_value.c: attributes; *out stays as it is without one --- */

struct conf_word {
	const char	*word;		/* NULL: the end of a list */
	int		 value;
};

/* One that must be there. */
int	 conf_need(const struct conf_reader *, const struct xml_elem *,
	    const char *attr, const char **out) CM_MUST;
int	 conf_keep(const struct conf_reader *, const char *, char **out)
	    CM_MUST;
/* A name that must be there. */
int	 conf_name(const struct conf_reader *, const struct xml_elem *,
	    const char *attr, char **out) CM_MUST;
/* An absolute path; def NULL: it must be there. */
int	 conf_path(const struct conf_reader *, const struct xml_elem *,
	    const char *attr, const char *def, char **out) CM_MUST;
int	 conf_size(const struct conf_reader *, const struct xml_elem *,
	    const char *attr, uint64_t min, uint64_t max, uint64_t *out)
	    CM_MUST;
int	 conf_word(const struct conf_reader *, const struct xml_elem *,
	    const char *attr, const struct conf_word *, int *out) CM_MUST;
/* A domain, in lower case. */
int	 conf_domain(const struct conf_reader *, const struct xml_elem *,
	    const char *attr, char **out) CM_MUST;
int	 conf_port(const struct conf_reader *, const struct xml_elem *,
	    unsigned def, unsigned *port) CM_MUST;
/* Seconds with at most three decimals, such as 5 or 0.25. */
int	 conf_seconds(const struct conf_reader *, const struct xml_elem *,
	    const char *attr, int *ms) CM_MUST;
int	 conf_number(const struct conf_reader *, const struct xml_elem *,
	    const char *attr, uint64_t min, uint64_t max, unsigned *out)
	    CM_MUST;
/* How one of several is chosen. */
int	 conf_select(const struct conf_reader *, const struct xml_elem *,
	    enum conf_select *) CM_MUST;
/* Words with blanks between them, one at least. */
int	 conf_names(const struct conf_reader *, const struct xml_elem *,
	    const char *attr, char ***out, size_t *n) CM_MUST;
/* A domain by its letters, at most 253 of them. */
bool	 conf_domain_ok(const char *);

/* --- conf_mail.c --- */

int	 conf_read_mail(struct conf_reader *, const struct xml_elem *) CM_MUST;
int	 conf_read_relay(struct conf_reader *, const struct xml_elem *)
	    CM_MUST;
void	 conf_mail_free(struct conf *);

/* --- conf_filter.c --- */

int	 conf_read_filters(struct conf_reader *, const struct xml_elem *)
	    CM_MUST;
void	 conf_filters_free(struct conf *);

/* --- conf_dns.c --- */

void	 conf_dns_defaults(struct conf_dns *);
int	 conf_read_dns(struct conf_reader *, const struct xml_elem *) CM_MUST;
/* What a node says of itself for the DNS. */
int	 conf_read_public(const struct conf_reader *, const struct xml_elem *,
	    struct conf_node *) CM_MUST;
/* How it fits the rest. */
int	 conf_check_dns(const struct conf_reader *) CM_MUST;
void	 conf_dns_free(struct conf *);

/* Elements and attributes into conf; each value checked by itself. */
int	 conf_read(struct conf_reader *, const struct xml_elem *root) CM_MUST;
void	 conf_reader_free(struct conf_reader *);
/* How the values fit each other. */
int	 conf_check(const struct conf_reader *) CM_MUST;

/* Letters, digits, - and _, not starting with -, at most CONF_NAME_MAX. */
bool	 conf_name_ok(const char *);

#endif
