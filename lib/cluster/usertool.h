/* What cm-user's commands do; each reads fd 0 and writes fd 1.  Level 3. */
#ifndef CM_USERTOOL_H
#define CM_USERTOOL_H

#include "cluster/tool.h"

/*
 * argv: the operands behind the command's name.  All return CM_EUSAGE for
 * wrong ones, CM_EDATA for what is not an address, CM_EEXIST, CM_ENOUSER,
 * CM_ENOHOST, or what catalog_call returns, with a line for each.  Where there
 * are several addresses, one that fails does not stop the others.
 */
int	 usertool_add(struct tool *, int argc, char **argv) CM_MUST;
int	 usertool_alias(struct tool *, int argc, char **argv) CM_MUST;
/* CM_EPERM: nobody logs in with that name and the password on fd 0. */
int	 usertool_check(struct tool *, int argc, char **argv) CM_MUST;
int	 usertool_del(struct tool *, int argc, char **argv) CM_MUST;
int	 usertool_import(struct tool *, int argc, char **argv) CM_MUST;
int	 usertool_list(struct tool *, int argc, char **argv) CM_MUST;
int	 usertool_passwd(struct tool *, int argc, char **argv) CM_MUST;
int	 usertool_set(struct tool *, int argc, char **argv) CM_MUST;

/*
 * Shared with userimport.c.  user_key is address_key that wants a domain too.
 * user_ask sends a change that is one of the agent's requests, and says
 * nothing when it is refused: user_fail does, with what about the address.
 * A value has the form of user-set's last word; quota "-" and sms "-" clear.
 */
int	 user_key(const char *p, size_t len, char *out) CM_MUST;
int	 user_ask(struct tool *, const char *const words[]) CM_MUST;
int	 user_fail(struct tool *, int code, const char *address);
int	 user_quota(const char *p, size_t len, char out[24]) CM_MUST;
int	 user_sms(const char *p, size_t len, char out[24]) CM_MUST;

#endif
