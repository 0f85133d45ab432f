#include "adapter/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct curl		 curl;
static char		 why[256];	/* it could not be loaded */
static pthread_once_t	 once = PTHREAD_ONCE_INIT;

static void
load(void)
{
	void	*lib, *f = NULL;

	if ((lib = dlopen(CURL_LIBRARY, RTLD_NOW | RTLD_LOCAL)) == NULL)
		goto fail;
#define SYMBOL(name)							\
	if ((f = dlsym(lib, "curl_" #name)) == NULL)			\
		goto fail;						\
	memcpy(&curl.name, &f, sizeof(f));
	CURL_FUNCTIONS(SYMBOL)
	if (curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		return;
	snprintf(why, sizeof(why), CURL_LIBRARY ": cannot start");
	return;
fail:
	snprintf(why, sizeof(why), "%s", dlerror());
}

int
curl_load(const struct log *log)
{
	pthread_once(&once, load);
	return why[0] == '\0' ? 0 : log_fail(log, CM_ESOFT, "%s", why);
}
