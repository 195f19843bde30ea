# SPDX-License-Identifier: GPL-2.0-only
#
# Reads what a guest's init let through (tools/testing/vm/init) and prints a
# line for each test: "pass NAME", "fail NAME: why" or "skip NAME: why".  A
# failed test's own output follows its line, each line with a "|" before it.
#
# Between "vm: run PROGRAM" and "vm: exit STATUS" is a program's TAP.  What its
# plan promised and did not come, a status that its results do not explain, and
# a program that reports nothing are failures too.

function strip(s) { gsub(/\r/, "", s); sub(/^[ \t]+/, "", s); sub(/[ \t]+$/, "", s); return s }

function verdict(kind, name, why) {
	print kind " " prog ":" name (why == "" ? "" : ": " why)
	if (kind == "fail") {
		failed++
		printf "%s", text
	}
	text = ""
}

function begin(name) {
	prog = name; plan = -1; seen = failed = 0; current = text = whole_skip = ""
}

function finish(status, ended) {
	if (prog == "")
		return
	if (!ended)
		verdict("fail", current == "" ? "program" : current,
			"the guest ended while it ran")
	else if (whole_skip != "")
		verdict("skip", "program", whole_skip)
	else if (status == 124 || status == 137)
		verdict("fail", current == "" ? "program" : current, "took too long")
	else if (plan > seen)
		verdict("fail", current == "" ? "program" : current,
			plan - seen " of " plan " tests did not report, exit status " status)
	else if (status != 0 && failed == 0 && status != 4)
		verdict("fail", "program", "exit status " status)
	else if (seen == 0)
		verdict("fail", "program", "reported no test, exit status " status)
	prog = ""
}

{ sub(/\r$/, "") }
/^vm: run / { finish(0, 0); begin($3); next }
/^vm: exit / { finish($3, 1); next }
/^vm: / { next }
prog == "" { next }
/^1\.\.0 *# *SKIP/ { whole_skip = strip(substr($0, index($0, "SKIP") + 4)); next }
/^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; next }
/^TAP version/ { next }
/^#  RUN / { current = $3; next }
/^(not )?ok [0-9]+/ {
	bad = /^not /
	name = $0
	sub(/^(not )?ok [0-9]+ *(- )?/, "", name)
	why = ""
	if (match(name, /# *(SKIP|skip|error|TODO)/)) {
		why = strip(substr(name, RSTART + RLENGTH))
		skip = (substr(name, RSTART, RLENGTH) ~ /SKIP|skip/)
		name = strip(substr(name, 1, RSTART - 1))
	} else {
		skip = 0
	}
	if (name == "")
		name = current == "" ? $1 " " $2 : current
	seen++
	verdict(bad ? "fail" : skip ? "skip" : "pass", name, why)
	current = ""
	next
}
/^# (FAILED|PASSED|Totals|Starting)/ { next }
{ text = text "| " $0 "\n" }
END { finish(0, 0) }
