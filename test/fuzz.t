#!/bin/sh
# Every kept fuzz input runs through its target without a complaint.
n=0 bad=0
for d in "$ROOT"/test/fuzz/corpus/*/; do
	t=$(basename "$d")
	n=$((n + 1))
	if "$OUT/fuzz/$t" "$d" >/dev/null 2>&1; then
		echo "ok $n - $t: $(ls "$d" | wc -l) inputs"
	else
		echo "not ok $n - $t"
		"$OUT/fuzz/$t" "$d" 2>&1 | sed 's/^/# /' | head -40
		bad=1
	fi
done
echo "1..$n"
exit $bad
