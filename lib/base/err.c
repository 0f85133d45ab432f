#include "base/err.h"

#include <errno.h>
#include <stddef.h>
#include <sysexits.h>

static const struct {
	int		 code;
	int		 exit;
	int		 http;		/* RFC 9110, RFC 4918 */
	const char	*text;
} errors[] = {
	{ CM_OK, EX_OK, 200, "success" },
	{ CM_EUSAGE, EX_USAGE, 400, "wrong usage" },
	{ CM_EDATA, EX_DATAERR, 400, "malformed input" },
	{ CM_ENOINPUT, EX_NOINPUT, 404, "does not exist" },
	{ CM_ENOUSER, EX_NOUSER, 404,
	    "no valid recipient on specified domain" },
	{ CM_ENOHOST, EX_NOHOST, 404, "domain is not served here" },
	{ CM_ESOFT, EX_SOFTWARE, 500, "internal error" },
	{ CM_EEXIST, EX_CANTCREAT, 405, "exists already" },
	{ CM_EIO, EX_IOERR, 500, "input/output error" },
	{ CM_ENOMEM, EX_TEMPFAIL, 503, "out of memory" },
	{ CM_ELOCK, EX_TEMPFAIL, 423, "lock is busy" },
	{ CM_ESPACE, EX_TEMPFAIL, 507, "no space left" },
	{ CM_ETIMEOUT, EX_TEMPFAIL, 504, "timed out" },
	{ CM_EAWAY, EX_TEMPFAIL, 502, "cannot be reached" },
	{ CM_EPROTO, EX_PROTOCOL, 400, "protocol error" },
	{ CM_EPERM, EX_NOPERM, 403, "permission denied" },
	{ CM_ECONF, EX_CONFIG, 421, "configuration error" },
	{ CM_ECORRUPT, EX_DATAERR, 422, "stored data is damaged" },
	{ CM_EOFFSET, EX_TEMPFAIL, 409, "copy ends elsewhere" },
	{ CM_EEPOCH, EX_TEMPFAIL, 412, "epoch is older than the copy's" },
	{ CM_ESHORT, EX_TEMPFAIL, 424, "too few copies" },
	{ CM_EQUOTA, EX_TEMPFAIL, 507, "mailbox is full" },
	{ CM_ETOOBIG, EX_DATAERR, 413, "too large" },
	{ CM_ESTALE, EX_TEMPFAIL, 503, "was replaced meanwhile" },
	{ CM_EEND, EX_OK, 416, "end" },
	{ CM_EAGAIN, EX_TEMPFAIL, 503, "try again" },
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
cm_http(int code)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].code == code)
			return errors[i].http;
	return 500;
}

int
cm_from_http(int status)
{
	static const int codes[] = {
		CM_EPROTO, CM_ENOINPUT, CM_EIO, CM_EAGAIN, CM_ELOCK,
		CM_ESPACE, CM_ETIMEOUT, CM_EAWAY, CM_EPERM, CM_ECONF,
		CM_ECORRUPT, CM_EOFFSET, CM_EEPOCH, CM_ESHORT, CM_ETOOBIG,
		CM_EEND, CM_EEXIST,
	};

	if (status >= 200 && status < 300)
		return 0;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (cm_http(codes[i]) == status)
			return codes[i];
	return status >= 500 ? CM_EAGAIN : CM_EPROTO;
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
