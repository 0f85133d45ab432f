/*
 * libcurl, loaded when the first client of http.h or smtpc.h is opened
 * (dlopen): most runs of the small tools talk to nobody, and must not pay for
 * its start (5 ms).  Private to lib/adapter; level 2.
 */
#ifndef CM_CURL_H
#define CM_CURL_H

/* The types in its macros' checks are functions of a library not linked. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/err.h"
#include "base/log.h"

#define CURL_LIBRARY	"libcurl-gnutls.so.4"

#define CURL_FUNCTIONS(f)						\
	f(global_init) f(easy_init) f(easy_cleanup)			\
	f(easy_setopt) f(easy_getinfo) f(easy_perform)			\
	f(easy_recv) f(easy_send) f(easy_strerror)			\
	f(multi_init) f(multi_cleanup) f(multi_setopt)			\
	f(multi_add_handle) f(multi_remove_handle)			\
	f(multi_perform) f(multi_poll)					\
	f(multi_info_read) f(multi_strerror)				\
	f(slist_append) f(slist_free_all)

/*
 * Its functions, once curl_load came back with 0.  The one state in lib/ that
 * is not in a handle: it is written once and never changes.
 */
#define CURL_MEMBER(name)	__typeof__(curl_##name) *name;
extern struct curl {
	CURL_FUNCTIONS(CURL_MEMBER)
} curl;

/* From any thread, any number of times.  CM_ESOFT, with a line. */
int	 curl_load(const struct log *) CM_MUST;

#endif
