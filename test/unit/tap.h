/* Just enough TAP (Test Anything Protocol) for C tests. */
#ifndef TAP_H
#define TAP_H

#include <stdio.h>
#include <string.h>

static int	tap_count, tap_failed;

#define ok(cond, ...) tap_ok(!!(cond), __FILE__, __LINE__, #cond, __VA_ARGS__)
#define is_int(got, want, ...) do {					\
	long long g_ = (long long)(got), w_ = (long long)(want);	\
	if (!tap_ok(g_ == w_, __FILE__, __LINE__, #got " == " #want,	\
	    __VA_ARGS__))						\
		printf("#   got %lld, wanted %lld\n", g_, w_);		\
} while (0)
#define is_str(got, want, ...) do {					\
	const char *g_ = (got), *w_ = (want);				\
	if (!tap_ok(g_ != NULL && strcmp(g_, w_) == 0, __FILE__,	\
	    __LINE__, #got " == " #want, __VA_ARGS__))			\
		printf("#   got    %s\n#   wanted %s\n",		\
		    g_ ? g_ : "(null)", w_);				\
} while (0)

__attribute__((format(printf, 5, 6)))
static inline int
tap_ok(int good, const char *file, int line, const char *what,
    const char *fmt, ...)
{
	__builtin_va_list ap;

	tap_count++;
	printf("%sok %d - ", good ? "" : "not ", tap_count);
	__builtin_va_start(ap, fmt);
	vprintf(fmt, ap);
	__builtin_va_end(ap);
	printf("\n");
	if (!good) {
		tap_failed++;
		printf("#   %s:%d: %s\n", file, line, what);
	}
	return good;
}

static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}

#endif
