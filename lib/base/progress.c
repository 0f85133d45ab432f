#include "base/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"

#define BAR 30

void
progress_start(struct progress *p, const char *what, uint64_t total,
    bool bytes)
{
	memset(p, 0, sizeof(*p));
	p->what = what;
	p->total = total;
	p->bytes = bytes;
	p->on = isatty(STDERR_FILENO) == 1;
	p->start = p->last = time_mono_ms();
}

static void
amount(char *out, size_t n, uint64_t v, bool bytes)
{
	if (bytes)
		snprintf(out, n, "%.1f MiB", (double)v / 1048576.0);
	else
		snprintf(out, n, "%llu", (unsigned long long)v);
}

static void
draw(struct progress *p, int64_t now)
{
	char	 line[256], bar[BAR + 1], done[32], rate[32];
	double	 secs = (double)(now - p->start) / 1000.0;
	double	 part;
	int	 n;

	amount(done, sizeof(done), p->done, p->bytes);
	amount(rate, sizeof(rate), (uint64_t)((double)p->done / secs),
	    p->bytes);
	if (p->total > 0) {
		part = (double)p->done / (double)p->total;
		if (part > 1)
			part = 1;
		memset(bar, ' ', BAR);
		memset(bar, '#', (size_t)(part * BAR));
		bar[BAR] = '\0';
		n = snprintf(line, sizeof(line),
		    "\r%s [%s] %3.0f%% %s, %s/s, %.0f s left \033[K", p->what,
		    bar, part * 100, done, rate,
		    part > 0 ? secs / part - secs : 0.0);
	} else {
		n = snprintf(line, sizeof(line), "\r%s %s, %s/s \033[K",
		    p->what, done, rate);
	}
	if (n > 0 && (size_t)n < sizeof(line) &&
	    write(STDERR_FILENO, line, (size_t)n) > 0)
		p->drawn = true;
}

void
progress_add(struct progress *p, uint64_t n)
{
	int64_t	 now;

	p->done += n;
	if (!p->on)
		return;
	now = time_mono_ms();
	if (now - p->start < 2000 || now - p->last < 250)
		return;
	p->last = now;
	draw(p, now);
}

void
progress_end(struct progress *p)
{
	if (p->drawn && write(STDERR_FILENO, "\r\033[K", 4) == -1)
		p->drawn = false;
}
