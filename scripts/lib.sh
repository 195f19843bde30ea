# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What every script here shares.  Sourced, never run.

set -euo pipefail
export LC_ALL=C

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
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
