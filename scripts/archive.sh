#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Packages of Debian's that are unpacked below build/ and not installed.  To be
# sourced behind lib.sh.  apt has a configuration and lists of its own for them; the
# machine's stay as they are.

# not_there WHY: ends with a status of its own, for which a caller skips what wants it
not_there() {
	warn "$*"
	exit 2
}

# archive_open DIR LINE...: DIR is where all of it is, the LINEs are for apt.conf.
# Brings the lists up to date, once a day.  When that fails, those of an earlier day
# serve; and not each suite need have each architecture.
archive_open() {
	archive=$1
	shift
	mkdir -p "$archive/state/lists/partial" "$archive/cache/archives/partial" \
		"$archive/debs" "$archive/root"
	: >"$archive/status"
	printf '%s;\n' "Dir::State \"$archive/state\"" \
		"Dir::State::status \"$archive/status\"" \
		"Dir::Cache \"$archive/cache\"" 'Acquire::Languages "none"' \
		'APT::Sandbox::User "root"' "$@" >"$archive/apt.conf"
	export APT_CONFIG=$archive/apt.conf
	[[ -z $(find "$archive/updated" -mtime -1 2>/dev/null) ]] || return 0
	! apt-get -o APT::Update::Error-Mode=any update >"$archive/update.log" 2>&1 </dev/null ||
		touch "$archive/updated"
}

# archive_unpack PACKAGE: its newest version is below root then; or an earlier one,
# when the archive is not reached
archive_unpack() {
	local package=$1 version had deb why

	had=$(cat "$archive/$package.version" 2>/dev/null) || had=''
	version=$(apt-cache madison "$package" 2>/dev/null |
		awk '$NF == "Packages" { print $3; exit }')
	[[ $version || $had ]] ||
		not_there "the archive has no $package, or is not reached:" \
			"$(tail -n 1 "$archive/update.log")"
	[[ $version && $version != "$had" ]] || return 0

	why="$package $version could not be had"
	rm -f "$archive/debs/"*
	(cd "$archive/debs" && apt-get download -q "$package=$version") \
		>"$archive/log" 2>&1 </dev/null || {
		[[ $had ]] || not_there "$why: $(tail -n 1 "$archive/log")"
		warn "$why, $had is used"
		return 0
	}
	say "unpacking $package $version" >&2
	deb=$(echo "$archive/debs/"*)
	rm -f "$archive/$package.version"
	dpkg -x "$deb" "$archive/root" || die "$deb could not be unpacked: is the disk full?"
	rm -f "$deb"
	say "$version" >"$archive/$package.version"
}
