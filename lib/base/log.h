/* Where messages for people go.  Level 0. */
#ifndef CM_LOG_H
#define CM_LOG_H

#include "base/err.h"

enum log_level { CM_LOG_ERROR, CM_LOG_WARN, CM_LOG_INFO, CM_LOG_DEBUG };

/*
 * Every handle of the library carries one.  A NULL log is silent.  put gets
 * one line without its end; it may be called from several threads.
 */
struct log {
	enum log_level	 max;	/* lines above it are dropped */
	void		(*put)(void *, enum log_level, const char *);
	void		*arg;
};

/* Lines go to file descriptor 2 as "prog: text".  prog is kept. */
void	log_stderr(struct log *, const char *prog);
/* Lines go nowhere. */
void	log_silent(struct log *);

/* Writes an error line, ends it with the code's text, returns the code. */
int	log_fail(const struct log *, int code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* As log_fail, with errno's text and the code that cm_errno gives. */
int	log_errno(const struct log *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	log_warn(const struct log *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	log_info(const struct log *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	log_debug(const struct log *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

#endif
