/* What fields say of a message's priority. */
#include "format/priority.h"
#include "tap.h"

static enum priority
of(const char *header)
{
	return priority_of((struct span){ header, strlen(header) });
}

int
main(void)
{
	static const char *const high[] = {
		"Priority: urgent\r\n", "PRIORITY:URGENT\r\n",
		"Subject: x\r\npriority:\r\n\tUrgent (really)\r\n",
		"X-Priority: 1\r\n", "X-Priority: 1 (Highest)\r\n",
		"X-Priority:2\r\n", "Importance: High\r\n",
		"Importance: low\r\nPriority: urgent\r\n",
	};
	static const char *const low[] = {
		"Priority: non-urgent\r\n", "Priority: Non-Urgent\n",
		"X-Priority: 5 (Lowest)\r\n", "X-Priority: 4\r\n",
		"Importance: LOW\r\n",
		"Priority: normal\r\nImportance: low\r\n",
	};
	static const char *const normal[] = {
		"", "Priority: normal\r\n", "Priority: urgently\r\n",
		"Priority: not urgent\r\n", "X-Priority: 3\r\n",
		"X-Priority: 12\r\n", "X-Priority: -1\r\n", "Priority:\r\n",
		"Importance: highest\r\n", "Subject: Priority: urgent\r\n",
		"X-Priority: \xc3\xa4\r\n",
		"Subject: x\r\n\r\nPriority: urgent\r\n",
		"Priority: normal\r\nPriority: urgent\r\n",
	};
	enum priority	 p;

	for (size_t i = 0; i < sizeof(high) / sizeof(high[0]); i++)
		is_int(of(high[i]), PRIORITY_HIGH, "high %zu", i);
	for (size_t i = 0; i < sizeof(low) / sizeof(low[0]); i++)
		is_int(of(low[i]), PRIORITY_LOW, "low %zu", i);
	for (size_t i = 0; i < sizeof(normal) / sizeof(normal[0]); i++)
		is_int(of(normal[i]), PRIORITY_NORMAL, "normal %zu", i);
	ok(priority_of((struct span){ "Priority: \0urgent\r\n", 19 }) ==
	    PRIORITY_NORMAL, "a NUL is no blank");
	ok(priority_parse("low", &p) == 0 && p == PRIORITY_LOW &&
	    priority_parse("high", &p) == 0 && p == PRIORITY_HIGH &&
	    priority_parse("urgent", &p) == CM_EDATA, "words");
	is_str(priority_word(PRIORITY_NORMAL), "normal", "and back");
	return tap_done();
}
