/* Runs a fuzz target on files and on the files in folders: no fuzzer needed. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"

#define INPUT_MAX (64 << 20)

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
run_file(const char *path)
{
	struct buf	 b;
	uint8_t		*copy;
	int		 rc;

	buf_init(&b, INPUT_MAX);
	if ((rc = file_read(NULL, path, &b)) != 0) {
		fprintf(stderr, "%s: %s\n", path, cm_strerror(rc));
		buf_free(&b);
		return rc;
	}
	/* Of exactly that size, so that ASan sees a read beyond the end. */
	copy = malloc(b.len ? b.len : 1);
	if (copy == NULL)
		abort();
	if (b.len > 0)
		memcpy(copy, b.p, b.len);
	LLVMFuzzerTestOneInput(copy, b.len);
	free(copy);
	buf_free(&b);
	return 0;
}

static int
run_dir(const char *dir)
{
	char		 path[FILE_PATH_MAX];
	struct dirent	*e;
	DIR		*d;
	int		 rc = 0, one;

	if ((d = opendir(dir)) == NULL) {
		perror(dir);
		return CM_ENOINPUT;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if ((one = str_fmt(path, sizeof(path), "%s/%s", dir,
		    e->d_name)) == 0)
			one = run_file(path);
		if (one != 0)
			rc = one;
	}
	closedir(d);
	return rc;
}

int
main(int argc, char **argv)
{
	struct stat	 st;
	int		 rc = 0, one;

	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			one = run_dir(argv[i]);
		else
			one = run_file(argv[i]);
		if (one != 0)
			rc = 1;
	}
	return rc;
}
