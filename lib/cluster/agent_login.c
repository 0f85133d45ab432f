/* What the agent says of those who log in. */
#include <string.h>

#include "adapter/sasl.h"
#include "cluster/account.h"
#include "cluster/agent_int.h"
#include "format/address.h"

/*
 * A mailbox's name by which it is known, or what nobody is called, as it was
 * given: in both it is the same whatever the case of its letters.
 */
static int
canonical(const char *name, char out[SASL_NAME_MAX + 1], bool *is_address)
{
	char	 key[ADDRESS_MAX + 1];
	size_t	 len = strlen(name);

	*is_address = address_key(name, len, key) == 0;
	if (str_copy(out, SASL_NAME_MAX + 1, *is_address ? key : name) != 0)
		return CM_EDATA;
	for (char *p = out; !*is_address && *p != '\0'; p++)
		*p = str_lower(*p);
	return 0;
}

static int
find(struct agent *a, const char *mailbox, struct buf *verifier)
{
	struct row_account	 acct;
	struct buf		 raw;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	rc = account_get(&a->db, NULL, mailbox, &raw, &acct);
	if (rc == 0 && acct.verifier.len == 0)
		rc = CM_ENOUSER;
	if (rc == 0)
		rc = buf_add(verifier, acct.verifier.p, acct.verifier.len);
	if (raw.p != NULL)
		explicit_bzero(raw.p, raw.len);
	buf_free(&raw);
	return rc;
}

int
agent_verifier(struct agent *a, const char *login, struct buf *out)
{
	char		 name[SASL_NAME_MAX + 1], secret[SASL_SECRET_SIZE];
	char		 all[SASL_VERIFIER_SIZE];
	struct buf	 have;
	bool		 is_address;
	int		 rc, found;

	if (canonical(login, name, &is_address) != 0)
		return CM_EDATA;
	buf_init(&have, ROW_MAX);
	found = is_address ? find(a, name, &have) : CM_ENOUSER;
	rc = found == CM_ENOUSER ? 0 : found;
	if (rc == 0)
		rc = catdb_secret(&a->db, NULL, secret);
	/* a node that has not got the tables yet, or their first change */
	if (rc == 0 && secret[0] == '\0')
		rc = CM_EAGAIN;
	if (rc == 0)
		rc = sasl_complete(secret, name, (struct span){ have.p,
		    have.len }, all, sizeof(all));
	if (rc == 0) {
		buf_addf(out, "=%s\t", found == 0 ? name : "");
		str_pct(out, all, strlen(all), "");
		rc = buf_addc(out, '\n');
	}
	if (have.p != NULL)
		explicit_bzero(have.p, have.len);
	buf_free(&have);
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(all, sizeof(all));
	return rc != 0 ? rc : found;
}
