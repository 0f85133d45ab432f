/*
 * fsync_rate DIR SECONDS [SIZE]: how many appends of SIZE bytes, each with
 * its fdatasync, the disk of DIR takes in a second: what one who commits
 * every message alone can reach at most.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "base/time.h"

#define SIZE_MOST	(64UL << 20)

/* Appends per second; negative, with errno, when the disk does not. */
static double
measure(int fd, const char *p, size_t size, int64_t span_us)
{
	int64_t	 start = time_mono_us(), now;
	long	 n = 0;

	do {
		if (file_write(fd, p, size) != 0 || fdatasync(fd) == -1)
			return -1;
		n++;
		now = time_mono_us();
	} while (now - start < span_us);
	return (double)n * 1e6 / (double)(now - start);
}

int
main(int argc, char **argv)
{
	char		 path[FILE_PATH_MAX];
	char		*p;
	uint64_t	 seconds, size = 4096;
	double		 rate;
	int		 fd, sys;

	if (argc < 3 || argc > 4 ||
	    str_u64(argv[2], strlen(argv[2]), 3600, &seconds) != 0 ||
	    (argc == 4 && str_size(argv[3], &size) != 0) || size == 0 ||
	    size > SIZE_MOST) {
		fprintf(stderr, "usage: fsync_rate DIR SECONDS [SIZE]\n");
		return EX_USAGE;
	}
	if (str_fmt(path, sizeof(path), "%s/fsync_rate.XXXXXX", argv[1]) != 0)
		errx(EX_USAGE, "%s: too long", argv[1]);
	if ((p = malloc(size)) == NULL)
		err(EX_OSERR, NULL);
	memset(p, 'x', size);
	if ((fd = mkostemp(path, O_APPEND | O_CLOEXEC)) == -1)
		err(EX_CANTCREAT, "%s", path);
	/* Its name stays till then: some file systems don't sync without. */
	rate = measure(fd, p, size, (int64_t)seconds * 1000000);
	sys = errno;
	unlink(path);
	free(p);
	if (rate < 0)
		errx(EX_IOERR, "%s: %s", path, strerror(sys));
	printf("%.1f\n", rate);
	return 0;
}
