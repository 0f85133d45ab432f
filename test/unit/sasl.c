#include <stdbool.h>
#include <stdlib.h>

#include "adapter/sasl.h"
#include "base/str.h"
#include "tap.h"

/*
 * The password, salt and count of RFC 7677 section 3 (user "user", password
 * "pencil").  The keys were computed by Python's hashlib and hmac, and give
 * the proof and the server signature that are printed there:
 *
 *	salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, 4096)
 *	client = hmac.new(salted, b"Client Key", "sha256").digest()
 *	stored = hashlib.sha256(client).digest()
 *	server = hmac.new(salted, b"Server Key", "sha256").digest()
 */
#define SALT	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
#define STORED	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
#define SERVER	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

/* The same by SHA-1, with the salt and count of RFC 5802 section 5. */
#define OTHER	"SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$" \
		"6dlGYMOdZcOPutkcNY8U2g7vK9Y=:" \
		"D+CSWLOshSulAsxiupA+qs2/fTE="

/* The same salt, password "Ia4". */
static const char ia4[] = SALT
    "F90Vnp09XWE9s19s9pYDtgHUjSibPJTe+zGOEMP+N/0=:"
    "OApoT4RzgkUr/SUMoHInrizJl8uKWxXwGLHM8H1Mryo=";
static const char pencil[] = SALT STORED ":" SERVER;

static char	 said[512];

static void
remember(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	snprintf(said, sizeof(said), "%s", line);
}

static const struct log lg = { CM_LOG_DEBUG, remember, NULL };

static int
verify(const char *verifier, const char *password)
{
	return sasl_verify_plain(&lg, verifier, password, strlen(password));
}

static void
test_known(void)
{
	said[0] = '\0';
	is_int(verify(pencil, "pencil"), 0, "RFC 7677: pencil");
	is_int(verify(pencil, "Pencil"), CM_EPERM, "Pencil");
	is_int(verify(pencil, "pencil "), CM_EPERM, "a blank behind");
	is_int(verify(pencil, ""), CM_EPERM, "empty");
	is_int(sasl_verify_plain(&lg, pencil, "pencil\0x", 8), CM_EPERM,
	    "a NUL does not end it");
	is_int(sasl_verify_plain(&lg, pencil, "pencilx", 6), 0,
	    "the length ends it");
	/* RFC 4013 section 3: soft hyphen goes, feminine ordinal is an a. */
	is_int(verify(ia4, "I\xc2\xad\xc2\xaa" "4"), 0, "SASLprep");
	is_int(verify(ia4, "I\xaa" "4"), CM_EPERM, "not UTF-8");
	is_str(said, "", "a wrong password is not logged");
}

static void
test_damaged(void)
{
	static const char *const bad[] = {
		"", "pencil", "SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
		STORED ":" SERVER,
		SALT, SALT STORED, SALT STORED ":", SALT ":" SERVER,
		SALT STORED ":" SERVER "$", SALT STORED ":" SERVER ":x",
		"SCRAM-SHA-256$4096$" STORED ":" SERVER,
		"SCRAM-SHA-256$4096:$" STORED ":" SERVER,
		"SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$" STORED ":" SERVER,
		"SCRAM-SHA-256$-1:W22ZaJ0SNY7soEsUEjb6gQ==$" STORED ":"
		SERVER,
		"SCRAM-SHA-256$4000000000:W22ZaJ0SNY7soEsUEjb6gQ==$" STORED
		":" SERVER,
		"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"W22ZaJ0SNY7soEsUEjb6gQ==:" SERVER,
		"SCRAM-SHA-256$4096:W22!aJ0SNY7soEsUEjb6gQ==$" STORED ":"
		SERVER,
	};
	char	 longer[SASL_VERIFIER_SIZE + 100];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(verify(bad[i], "pencil"), CM_ECORRUPT,
		    "damaged verifier %zu", i);
	memset(longer, 'A', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	memcpy(longer, SALT, strlen(SALT));
	is_int(verify(longer, "pencil"), CM_ECORRUPT, "too long a verifier");
	ok(strstr(said, "verifier") != NULL, "is logged");
}

static void
test_make(void)
{
	char	 a[SASL_VERIFIER_SIZE], b[SASL_VERIFIER_SIZE], small[40];

	is_int(sasl_verifier(NULL, "s3cret", 6, 0, a, sizeof(a)), 0, "make");
	is_int(sasl_verifier(NULL, "s3cret", 6, 4096, b, sizeof(b)), 0,
	    "with 4096");
	ok(strncmp(a, "SCRAM-SHA-256$10000:", 20) == 0, "the default");
	ok(strncmp(b, "SCRAM-SHA-256$4096:", 19) == 0, "as asked");
	is_int(strcspn(b, " "), strlen(pencil), "same form");
	ok(strncmp(strchr(b, ' '), " SCRAM-SHA-1$4096:", 18) == 0,
	    "and the other one");
	ok(strcmp(strchr(a, ':'), strchr(b, ':')) != 0, "another salt");
	is_int(verify(a, "s3cret"), 0, "verifies");
	is_int(verify(b, "s3cret"), 0, "this one too");
	is_int(verify(a, "s3cre"), CM_EPERM, "another password doesn't");
	is_int(sasl_verifier(NULL, "\xc3\xbc\xe2\x84\xa6", 5, 4096, b,
	    sizeof(b)), 0, "beyond ASCII");
	is_int(verify(b, "u\xcc\x88\xcf\x89"), CM_EPERM, "case matters");
	is_int(verify(b, "u\xcc\x88\xce\xa9"), 0, "another way to type it");
	is_int(sasl_verifier(NULL, "s3cret", 6, 4096, small, sizeof(small)),
	    CM_ETOOBIG, "no room");
}

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static void
test_two(void)
{
	static const char *const bad[] = {
		"", " ", " " OTHER, OTHER, OTHER " " SALT STORED ":" SERVER,
		SALT STORED ":" SERVER " ", SALT STORED ":" SERVER "  " OTHER,
		SALT STORED ":" SERVER OTHER, SALT STORED ":" SERVER " x",
		SALT STORED ":" SERVER " " OTHER " ",
		SALT STORED ":" SERVER " " OTHER "x",
		SALT STORED ":" SERVER " " OTHER " " OTHER,
		SALT STORED ":" SERVER " " SALT STORED ":" SERVER,
		SALT STORED ":" SERVER " SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$"
		STORED ":" SERVER,
	};
	static const char two[] = SALT STORED ":" SERVER " " OTHER;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		is_int(sasl_verifier_check(sp(bad[i])), CM_ECORRUPT,
		    "no verifiers: %s", bad[i]);
		ok(!sasl_verifier_is_whole(sp(bad[i])), "nor whole");
	}
	is_int(sasl_verifier_check(sp(pencil)), 0, "one is right");
	ok(!sasl_verifier_is_whole(sp(pencil)), "but not whole");
	is_int(sasl_verifier_check(sp(two)), 0, "two are");
	ok(sasl_verifier_is_whole(sp(two)), "whole");
	is_int(verify(two, "pencil"), 0, "the password of two");
	is_int(verify(two, "Pencil"), CM_EPERM, "and another one");
}

static void
test_complete(void)
{
	static const char two[] = SALT STORED ":" SERVER " " OTHER;
	char	 secret[SASL_SECRET_SIZE], other[SASL_SECRET_SIZE];
	char	 a[SASL_VERIFIER_SIZE], b[SASL_VERIFIER_SIZE];

	is_int(sasl_secret(secret), 0, "a secret");
	is_int(sasl_secret(other), 0, "another");
	is_int(strlen(secret), SASL_SECRET_SIZE - 1, "its length");
	ok(strcmp(secret, other) != 0, "is another");
	is_int(sasl_complete(secret, "a", sp(two), a, sizeof(a)), 0, "both");
	is_str(a, two, "nothing is added");
	is_int(sasl_complete(secret, "a", sp(pencil), a, sizeof(a)), 0, "one");
	ok(strncmp(a, pencil, strlen(pencil)) == 0, "stays");
	ok(sasl_verifier_is_whole(sp(a)), "and one is added");
	is_int(sasl_complete(secret, "a", sp(""), b, sizeof(b)), 0, "none");
	ok(sasl_verifier_is_whole(sp(b)), "two are added");
	is_str(strchr(b, ' '), strchr(a, ' '), "the one is the same");
	is_int(verify(b, "pencil"), CM_EPERM, "nothing fits");
	is_int(verify(b, secret), CM_EPERM, "not even the secret");
	is_int(sasl_complete(secret, "a", sp(""), a, sizeof(a)), 0, "again");
	is_str(a, b, "is the same");
	is_int(sasl_complete(secret, "b", sp(""), a, sizeof(a)), 0, "name");
	ok(strcmp(a, b) != 0, "another name, others");
	is_int(sasl_complete(other, "a", sp(""), a, sizeof(a)), 0, "secret");
	ok(strcmp(a, b) != 0, "another secret, others");
	is_int(sasl_complete(secret, "a", sp("x"), a, sizeof(a)), CM_ECORRUPT,
	    "not of that form");
	is_int(sasl_complete(secret, "a", sp(""), a, 150), CM_ETOOBIG,
	    "no room");
}

static void
refused(const char *password, size_t len, const char *why)
{
	char	 out[SASL_VERIFIER_SIZE];

	said[0] = '\0';
	is_int(sasl_verifier(&lg, password, len, 0, out, sizeof(out)),
	    CM_EDATA, "refused: %s", why);
	if (!ok(strstr(said, why) != NULL, "and said so"))
		printf("#   said %s\n", said);
}

static void
test_refused(void)
{
	char	 big[SASL_PASSWORD_MAX + 1], out[SASL_VERIFIER_SIZE];

	memset(big, 'x', sizeof(big));
	refused("", 0, "empty");
	refused("a\0b", 3, "NUL");
	refused(big, sizeof(big), "too long");
	refused("\xc2\xad", 2, "empty after SASLprep");
	refused("a\x07" "b", 3, "forbids");
	refused("\xff\xfe", 2, "not UTF-8");
	refused("\xf0\x9f\x98\x80", 4, "forbids");	/* not in Unicode 3.2 */
	is_int(sasl_verifier(NULL, big, SASL_PASSWORD_MAX, 4096, out,
	    sizeof(out)), 0, "the longest");
	is_int(sasl_verifier(NULL, "x", 1, 4095, out, sizeof(out)),
	    CM_EUSAGE, "too few iterations");
	is_int(sasl_verifier(NULL, "x", 1, SASL_ITERATIONS_MAX + 1, out,
	    sizeof(out)), CM_EUSAGE, "too many");
}

int
main(void)
{
	test_known();
	test_damaged();
	test_make();
	test_two();
	test_complete();
	test_refused();
	return tap_done();
}
