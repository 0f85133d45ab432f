/* One space of error codes for the whole library.  Level 0. */
#ifndef CM_ERR_H
#define CM_ERR_H

#define CM_MUST __attribute__((warn_unused_result))

/*
 * A function returns 0 or one of these.  Whether a failure is temporary or
 * permanent, and what it is called outside, is decided by the table in err.c
 * alone.
 */
enum cm_err {
	CM_OK = 0,
	CM_EUSAGE = -1,		/* wrong arguments */
	CM_EDATA = -2,		/* input does not have the form it must have */
	CM_ENOINPUT = -3,	/* an input file or object does not exist */
	CM_ENOUSER = -4,	/* no such mailbox */
	CM_ENOHOST = -5,	/* no such domain */
	CM_ESOFT = -6,		/* a bug: something that cannot be */
	CM_EEXIST = -7,		/* exists already */
	CM_EIO = -8,		/* the disk failed */
	CM_ENOMEM = -9,		/* no memory */
	CM_ELOCK = -10,		/* a lock was not had in time */
	CM_ESPACE = -11,	/* no room on the disk */
	CM_ETIMEOUT = -12,	/* no answer in time */
	CM_EAWAY = -13,		/* a service or copy cannot be reached */
	CM_EPROTO = -14,	/* the other side broke the protocol */
	CM_EPERM = -15,		/* not allowed */
	CM_ECONF = -16,		/* cluster.xml is wrong */
	CM_ECORRUPT = -17,	/* stored bytes are not what was written */
	CM_EOFFSET = -18,	/* an append does not fit the copy's end */
	CM_EEPOCH = -19,	/* an older home tries to write */
	CM_ESHORT = -20,	/* fewer copies than the policy asks for */
	CM_EQUOTA = -21,	/* the mailbox is full */
	CM_ETOOBIG = -22,	/* over a limit */
	CM_ESTALE = -23,	/* reopen the handle and try again */
	CM_EEND = -24,		/* nothing more: not a failure */
	CM_EAGAIN = -25,	/* not now; nothing was done */
};

/* A short English text, static; never NULL. */
const char	*cm_strerror(int code);

/* The sysexits(3) value for a code; 75 means "try again". */
int		 cm_exit(int code);

/* The HTTP status between nodes, and the code that a status stands for. */
int		 cm_http(int code);
int		 cm_from_http(int status);

/* The code for a value of errno; CM_EIO where nothing fits better. */
int		 cm_errno(int sys);

#endif
