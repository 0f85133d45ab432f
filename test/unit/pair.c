/*
 * Of two nodes with a catalog each: whose log is taken, and which UIDs are left
 * to the other one.
 */
#include <stdlib.h>

#include "cluster/account.h"
#include "cluster/replica_int.h"
#include "tap.h"

static void
test_takes(void)
{
	struct replica	*r = calloc(1, sizeof(*r));

	if (r == NULL)
		abort();
	r->self_state.role = REPLICA_FOLLOWER;
	ok(replica_pair_takes(r, 1), "who follows takes the leader's log");
	r->peer[0].said.alone = 7;
	ok(replica_pair_takes(r, 1), "of one that led alone, too");
	r->peer[0].said.alone = 0;
	r->self_state.alone = 5;
	ok(!replica_pair_takes(r, 1), "who led alone takes none: it would undo "
	    "what it did");
	r->self_state.role = REPLICA_NONE;
	ok(!replica_pair_takes(r, 1), "nor before it leads again");
	r->self_state.role = REPLICA_LEADER;
	ok(replica_pair_takes(r, 1), "as a leader it hears its follower");
	r->peer[0].said.alone = 7;
	ok(!replica_pair_takes(r, 1), "but not one that led alone too");
	free(r);
}

static void
test_leap(void)
{
	_Atomic uint64_t	 leaps;
	struct catdb		 db = { .leaps = NULL };
	struct row_folder	 one = { .uidnext = 100 }, two = one, old = one;

	account_leap(&db, &one);
	is_int(one.uidnext, 100, "with one catalog none is left out");
	db.leaps = &leaps;
	leaps = account_leap_of(0, false);
	account_leap(&db, &one);
	is_int(one.uidnext, 100, "nor with both nodes there");
	leaps = account_leap_of(0xabcd00000007, true);
	ok(account_leap(&db, &one), "some are left out");
	is_int(one.uidnext, 100 + ACCOUNT_LEAP / 2, "alone: the first one");
	leaps = account_leap_of(0xabcd00000008, false);
	account_leap(&db, &two);
	is_int(two.uidnext, 100 + ACCOUNT_LEAP, "alone: the second one");
	ok(!account_leap(&db, &two), "once in a lead");
	is_int(two.uidnext, 100 + ACCOUNT_LEAP, "so it stays");
	/* what the one gave, the other one left out */
	ok(account_left_out(&two, 8, one.uidnext, one.uidnext + 1000),
	    "the first one's are left out");
	ok(account_left_out(&two, 8, 100, two.uidnext), "up to the last");
	ok(!account_left_out(&two, 8, 99, 101), "one before is not");
	ok(!account_left_out(&two, 8, one.uidnext, two.uidnext + 1),
	    "nor one behind");
	ok(!account_left_out(&two, 7, one.uidnext, one.uidnext + 1),
	    "nor in another lead");
	ok(!account_left_out(&old, 0, 0, 0), "nor in none");
	leaps = account_leap_of(9, false);
	account_leap(&db, &two);
	is_int(two.uidnext, 100 + 2 * ACCOUNT_LEAP, "in the next lead again");
	old.uidnext = (1u << 31) + 1;
	account_leap(&db, &old);
	is_int(old.uidnext, (1u << 31) + 1LL, "not when few are left");
}

int
main(void)
{
	test_takes();
	test_leap();
	return tap_done();
}
