#include "base/err.h"

#include <errno.h>
#include <stddef.h>
#include <sysexits.h>

static const struct {
	int		 code;
	int		 exit;
	const char	*text;
} errors[] = {
	{ CM_OK, EX_OK, "success" },
	{ CM_EUSAGE, EX_USAGE, "wrong usage" },
	{ CM_EDATA, EX_DATAERR, "malformed input" },
	{ CM_ENOINPUT, EX_NOINPUT, "does not exist" },
	{ CM_ENOUSER, EX_NOUSER, "no valid recipient on specified domain" },
	{ CM_ENOHOST, EX_NOHOST, "domain is not served here" },
	{ CM_ESOFT, EX_SOFTWARE, "internal error" },
	{ CM_EEXIST, EX_CANTCREAT, "exists already" },
	{ CM_EIO, EX_IOERR, "input/output error" },
	{ CM_ENOMEM, EX_TEMPFAIL, "out of memory" },
	{ CM_ELOCK, EX_TEMPFAIL, "lock is busy" },
	{ CM_ESPACE, EX_TEMPFAIL, "no space left" },
	{ CM_ETIMEOUT, EX_TEMPFAIL, "timed out" },
	{ CM_EAWAY, EX_TEMPFAIL, "cannot be reached" },
	{ CM_EPROTO, EX_PROTOCOL, "protocol error" },
	{ CM_EPERM, EX_NOPERM, "permission denied" },
	{ CM_ECONF, EX_CONFIG, "configuration error" },
	{ CM_ECORRUPT, EX_DATAERR, "stored data is damaged" },
	{ CM_EOFFSET, EX_TEMPFAIL, "copy ends elsewhere" },
	{ CM_EEPOCH, EX_TEMPFAIL, "epoch is older than the copy's" },
	{ CM_ESHORT, EX_TEMPFAIL, "too few copies" },
	{ CM_EQUOTA, EX_TEMPFAIL, "mailbox is full" },
	{ CM_ETOOBIG, EX_DATAERR, "too large" },
	{ CM_ESTALE, EX_TEMPFAIL, "was replaced meanwhile" },
	{ CM_EEND, EX_OK, "end" },
	{ CM_EAGAIN, EX_TEMPFAIL, "try again" },
};

const char *
cm_strerror(int code)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].code == code)
			return errors[i].text;
	return "unknown error";
}

int
cm_exit(int code)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].code == code)
			return errors[i].exit;
	return EX_SOFTWARE;
}

int
cm_errno(int sys)
{
	switch (sys) {
	case 0:
		return CM_OK;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return CM_ESPACE;
	case ENOENT:
	case ENOTDIR:
		return CM_ENOINPUT;
	case EACCES:
	case EPERM:
	case EROFS:
		return CM_EPERM;
	case EEXIST:
		return CM_EEXIST;
	case ENOMEM:
		return CM_ENOMEM;
	case EAGAIN:
	case EMFILE:
	case ENFILE:
		return CM_EAGAIN;
	case ETIMEDOUT:
		return CM_ETIMEOUT;
	case ECONNREFUSED:
	case EPIPE:
	case ECONNRESET:
		return CM_EAWAY;
	default:
		return CM_EIO;
	}
}
