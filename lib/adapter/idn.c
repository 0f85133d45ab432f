#include "adapter/idn.h"

#include <idn2.h>
#include <string.h>

#include "base/str.h"
#include "format/address.h"

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s & 0x80)
			return false;
	return true;
}

int
idn_address(const char *address, char *out)
{
	const char	*domain = address_domain(address);
	char		*ascii;
	int		 rc;

	if (domain == NULL || is_ascii(domain))
		return str_copy(out, ADDRESS_MAX + 1, address);
	if (idn2_to_ascii_8z(domain, &ascii, IDN2_NFC_INPUT |
	    IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES) != IDN2_OK)
		return CM_EDATA;
	rc = str_fmt(out, ADDRESS_MAX + 1, "%.*s%s",
	    (int)(domain - address), address, ascii);
	idn2_free(ascii);
	return rc == 0 ? 0 : CM_EDATA;
}
