# SPDX-License-Identifier: GPL-2.0-only
#
# later.awk LIST VERDICTS
#
# Passes verdicts on, the failures that LIST expects as "skip NAME: later: WHY"
# without their output.  What LIST says and did not fail, or failed in a way of
# its own ("fail NAME: took too long"), is a failure.

function name_of(s) { sub(/^[a-z]+ /, "", s); sub(/: .*/, "", s); return s }

BEGIN { FS = "\t" }
FNR == NR {
	if (!/^#/ && NF)
		why[$1] = $2
	next
}
/^\|/ {
	if (!hide)
		print
	next
}
{ hide = 0; name = name_of($0) }
/^(pass|fail|skip) / && (name in why) {
	seen[name] = 1
	if ($0 == "fail " name) {
		hide = 1
		print "skip " name ": later: " why[name]
		next
	}
	print "fail " name ": expected to fail, but: " $0
	next
}
{ print }
END {
	for (name in why)
		if (!(name in seen))
			print "fail " name ": expected to fail, but did not report"
}
