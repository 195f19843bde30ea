# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# Reads patches/ and its quilt state.  Sourced after lib.sh.

# The directories that are laid over the kernel tree.
overlay=(drivers include tools/testing/selftests Documentation)

# overlay_files: our files in them, sorted.
overlay_files() {
	(cd "$top" && find "${overlay[@]}" -type f \( -name .kunitconfig -o \
		! -name '.*' ! -name '*~' ! -name '*.orig' ! -name '*.rej' \) | sort)
}

# series_of FILE: the patches that a series file names.
series_of() {
	if [[ -f $1 ]]; then sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$1"; fi
}

# message_of PATCH: what stands before its diff.
message_of() {
	sed -e '/^--- /,$d' -e '/^Index: /,$d' -e '/^---$/,$d' "$top/patches/$1"
}

# files_of DIR: the files that the patches in a directory change.
files_of() {
	local p

	series_of "$1/series" | while read -r p; do
		sed -n -e 's|^--- a/\([^[:space:]]*\).*|\1|p' \
			-e 's|^+++ b/\([^[:space:]]*\).*|\1|p' "$1/$p"
	done | sort -u
}

# pristine_of FILE: where a file of Linux's is as it was before any patch.
pristine_of() {
	local p

	for p in $(series_of "$linux/.pc/applied-patches"); do
		if [[ -e $linux/.pc/$p/$1 ]]; then
			say "$linux/.pc/$p/$1"
			return
		fi
	done
	say "$linux/$1"
}

# pristine_copy FILE DIR: that file to DIR/FILE, if Linux has it; the backup of
# a file that a patch creates is empty.
pristine_copy() {
	local from

	from=$(pristine_of "$1")
	[[ -s $from ]] || return 0
	mkdir -p "$(dirname "$2/$1")"
	cp -p "$from" "$2/$1"
}
