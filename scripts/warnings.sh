# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# Which warnings of a build are ours.  Sourced after patches.sh.

# warnings_in LOG FILES: what a build said of some files, as "path:line:text".
warnings_in() {
	grep -E ': (warning|error):' "$1" | sed "s|^$linux/||" | sort -u |
		awk -F: -v files="$2" '
			BEGIN {
				n = split(files, name, "\n")
				for (i = 1; i <= n; i++)
					wanted[name[i]] = 1
			}
			$1 in wanted'
}

# new_warnings_in LOG FILES: the same for files of Linux's, less the warnings
# about lines that stood there before our patches.
new_warnings_in() {
	local warning f line

	warnings_in "$1" "$2" | while read -r warning; do
		IFS=: read -r f line _ <<<"$warning"
		if ! grep -qxF -e "$(sed -n "${line}p" "$linux/$f")" "$(pristine_of "$f")"; then
			say "$warning"
		fi
	done
}
