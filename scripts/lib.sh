# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What every script here shares.  Sourced, never run.

set -euo pipefail
export LC_ALL=C

# as make names it in what compilers say
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$top/build
linux=$build/linux
self=$(basename "$0")

# A caller's make must not hand its flags or job server to ours.
unset MAKEFLAGS MAKELEVEL MAKEOVERRIDES MFLAGS

# plain COMMAND...: runs it without the caller's variables.  A DEBUG, W, CC or
# CFLAGS among them would change what is built, or have it built anew.
plain() {
	env -i PATH="$PATH" HOME="${HOME-/}" LC_ALL=C \
		${TMPDIR:+TMPDIR="$TMPDIR"} "$@"
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$self" "$*" >&2; }
die() { warn "$*"; exit 1; }

# report COMMAND...: shows what the command says of how far something has come: on a
# terminal in one line that changes, in a log once a minute.
reported=0
report() {
	local every=60

	[[ ! -t 1 ]] || every=1
	((SECONDS - reported >= every)) || return 0
	reported=$SECONDS
	if [[ -t 1 ]]; then
		printf '\033[K%s\r' "$("$@" | paste -sd';' | cut -c "1-$((${COLUMNS:-80} - 1))")"
	else
		"$@"
	fi
}
report_end() { [[ ! -t 1 ]] || printf '\033[K'; }

# remember NAME NUMBER: for the next time, such as how many seconds it took
remember() {
	mkdir -p "$build/times"
	say "$2" >"$build/times/$1"
}
recall() { cat "$build/times/$1" 2>/dev/null || true; }
last_time() {
	local seconds

	seconds=$(recall "$1")
	if [[ $seconds ]]; then say "last time $seconds s"; else say "for the first time"; fi
}

# timed NAME COMMAND...: runs it, and shows since when, and what it took last time
timed() {
	local name=$1 start=$SECONDS status=0 ticker
	shift

	while sleep 1 && kill -0 $$ 2>/dev/null; do
		report say "$name: $((SECONDS - start)) s, $(last_time "$name")"
	done &
	ticker=$!
	"$@" || status=$?
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	report_end
	[[ $status -ne 0 ]] || remember "$name" $((SECONDS - start))
	return "$status"
}

# lock_build NAME: only one process at a time changes a thing under build/; the
# lock lasts until the calling script ends.
lock_build() {
	mkdir -p "$build"
	exec 9>"$build/$1"
	flock 9
}

# kmake TREE ARG...: make in the kernel tree with its output in build/TREE
kmake() {
	local tree=$1
	shift
	plain make -C "$linux" O="$build/$tree" ARCH=x86_64 "$@" </dev/null 9>&-
}

# Everything that a command needs before it can start: the packages, then the
# kernel tree with our files in it.
prepare() {
	"$top/scripts/setup" --missing-only
	"$top/scripts/graft"
}
