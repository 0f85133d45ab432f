/* What the agent says of a rebuild of the catalog, for whoever runs it. */
#include <string.h>

#include "base/str.h"
#include "cluster/rebuild_int.h"

static void
say_from(const struct log *log, struct span line)
{
	if (span_is(line, "volumes"))
		log_warn(log, "without a dump: what is in no journal is not "
		    "known: passwords, aliases and flags; messages deleted "
		    "then come back, and folders get a new UIDVALIDITY");
	else if (span_is(line, "loading"))
		log_info(log, "the load that was cut off goes on");
	else if (span_is(line, "building"))
		log_info(log, "the rebuild that was begun goes on");
}

static void
say_replayed(const struct log *log, struct span line)
{
	struct span	 done;
	uint64_t	 refused;

	if (!str_field(&line, '\t', &done) || line.p == NULL ||
	    str_u64(line.p, line.len, UINT64_MAX, &refused) != 0)
		return;
	log_info(log, "changes done again from the journal: %.*s",
	    (int)done.len, done.p);
	if (refused > 0)
		log_warn(log, "changes that could not be: %llu",
		    (unsigned long long)refused);
}

/* NODE NUMBER KIND OBJECT WHY */
static void
say_no(const struct log *log, struct span line)
{
	struct span	 f[4];

	for (int i = 0; i < 4; i++)
		if (!str_field(&line, '\t', &f[i]))
			return;
	log_warn(log, "journal of %.*s, line %.*s: not done: %.*s %.*s: %.*s",
	    (int)f[0].len, f[0].p, (int)f[1].len, f[1].p, (int)f[2].len,
	    f[2].p, (int)f[3].len, f[3].p, (int)line.len,
	    line.p != NULL ? line.p : "");
}

static void
say_hole(const struct log *log, struct span line)
{
	struct span	 from;

	if (str_field(&line, '\t', &from) && line.p != NULL)
		log_warn(log, "batches of changes %.*s to %.*s are in no "
		    "journal that is here, or damaged there: not done",
		    (int)from.len, from.p, (int)line.len, line.p);
}

static void
say_waits(const struct log *log, struct span line)
{
	struct span	 n;

	if (str_field(&line, '\t', &n) && line.p != NULL)
		log_warn(log, "messages that the journal tells of, and no "
		    "volume gave so far: %.*s, changed by readers: %.*s; they "
		    "get their UIDs and flags when they are listed",
		    (int)n.len, n.p, (int)line.len, line.p);
}

static void
say_away(const struct log *log, struct span line)
{
	log_warn(log, "the journal of node %.*s could not be had: what was "
	    "changed while it led is not done again", (int)line.len, line.p);
}

static void
say_empty(const struct log *log, struct span line)
{
	(void)line;
	log_warn(log, "there is no journal: what was changed behind the dump "
	    "is lost");
}

static void
say_other(const struct log *log, struct span line)
{
	(void)line;
	log_warn(log, "the dump is of another catalog than the one that the "
	    "journal was last of: nothing of it is done again");
}

static void
say_split(const struct log *log, struct span line)
{
	log_warn(log, "two nodes led alone, and did not meet again: changes "
	    "of the one with fewer, not done: %.*s", (int)line.len, line.p);
}

static const struct {
	const char	*word;
	void		(*fn)(const struct log *, struct span);
} words[] = {
	{ "away", say_away },
	{ "empty", say_empty },
	{ "from", say_from },
	{ "hole", say_hole },
	{ "no", say_no },
	{ "other", say_other },
	{ "replayed", say_replayed },
	{ "split", say_split },
	{ "waits", say_waits },
};

int
rebuild_said(void *arg, struct span line)
{
	const struct log	*log = arg;
	struct span		 word;

	if (!str_field(&line, '\t', &word))
		return 0;
	if (line.p == NULL)
		line = (struct span){ "", 0 };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (span_is(word, words[i].word))
			words[i].fn(log, line);
	return 0;
}
