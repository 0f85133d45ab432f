#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/str.h"

#define LAST_MS 253402300799999LL	/* 9999-12-31T23:59:59.999Z */

static int64_t
clock_us(clockid_t id)
{
	struct timespec	 ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
time_now_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}

int64_t
time_mono_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t
time_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

void
time_sleep_ms(int ms)
{
	struct timespec	 ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		continue;
}

void
time_iso(char out[TIME_ISO_SIZE], int64_t ms)
{
	struct tm	 tm;
	time_t		 t;

	if (ms < 0)
		ms = 0;
	if (ms > LAST_MS)
		ms = LAST_MS;
	t = (time_t)(ms / 1000);
	gmtime_r(&t, &tm);
	snprintf(out, TIME_ISO_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned)(tm.tm_year + 1900) % 10000u,
	    (unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u,
	    (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
	    (unsigned)tm.tm_sec % 100u, (unsigned)(ms % 1000));
}

int
time_parse_iso(const char *p, size_t len, int64_t *ms)
{
	static const struct { int at, n, min, max; } f[] = {
		{ 0, 4, 1970, 9999 }, { 5, 2, 1, 12 }, { 8, 2, 1, 31 },
		{ 11, 2, 0, 23 }, { 14, 2, 0, 59 }, { 17, 2, 0, 60 },
		{ 20, 3, 0, 999 },
	};
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	uint64_t	 v[7];
	struct tm	 tm = { 0 };

	if (len != TIME_ISO_SIZE - 1)
		return CM_EDATA;
	for (size_t i = 0; i < len; i++)
		if (form[i] != 'd' && p[i] != form[i])
			return CM_EDATA;
	for (size_t i = 0; i < 7; i++)
		if (str_u64(p + f[i].at, (size_t)f[i].n, (uint64_t)f[i].max,
		    &v[i]) != 0 || v[i] < (uint64_t)f[i].min)
			return CM_EDATA;
	tm.tm_year = (int)v[0] - 1900;
	tm.tm_mon = (int)v[1] - 1;
	tm.tm_mday = (int)v[2];
	tm.tm_hour = (int)v[3];
	tm.tm_min = (int)v[4];
	tm.tm_sec = (int)v[5];
	*ms = (int64_t)timegm(&tm) * 1000 + (int64_t)v[6];
	return 0;
}

int
time_asctime(char *out, size_t n, int64_t ms)
{
	static const char	*day[] = { "Sun", "Mon", "Tue", "Wed", "Thu",
				    "Fri", "Sat" };
	static const char	*mon[] = { "Jan", "Feb", "Mar", "Apr", "May",
				    "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
				    "Dec" };
	time_t			 t;
	struct tm		 tm;

	if (ms < 0)
		ms = 0;
	if (ms > LAST_MS)
		ms = LAST_MS;
	t = (time_t)(ms / 1000);
	gmtime_r(&t, &tm);
	return snprintf(out, n, "%s %s %2d %02d:%02d:%02d %d",
	    day[tm.tm_wday], mon[tm.tm_mon], tm.tm_mday, tm.tm_hour,
	    tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}
