# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# Configures kernel trees and shows their builds.  Sourced after lib.sh.

# menu_files: the files with our options, as the menu in Kconfig names them.
menu_files() {
	sed -n "s|^source \"\(.*\)\"|$top/\1|p" "$top/Kconfig"
}

# kconfig_inputs FRAGMENT...: a sum over everything that decides on a .config.
kconfig_inputs() {
	{
		cat "$build/linux.base" "$@"
		menu_files | xargs cat
		grep -lsZ '^+++ .*/Kconfig' "$top"/patches/*.patch | xargs -0r cat
	} | sha256sum | cut -d' ' -f1
}

# configure TREE FRAGMENT...: tinyconfig plus the fragments, if anything of
# that changed.  A .config that comes out the same keeps its time stamp.
configure() {
	local tree=$1 out=$build/$1 inputs
	shift

	inputs=$(kconfig_inputs "$@")
	if [[ -f $out/.config && -f $out/.inputs && $(cat "$out/.inputs") == "$inputs" ]]; then
		return
	fi
	say "$tree: configuring"
	mkdir -p "$out"
	rm -f "$out/.inputs" "$out/.config.was"
	[[ ! -f $out/.config ]] || mv "$out/.config" "$out/.config.was"
	if ! {
		kmake "$tree" tinyconfig &&
			plain "$linux/scripts/kconfig/merge_config.sh" -m -O "$out" \
				"$out/.config" "$@" &&
			kmake "$tree" olddefconfig
	} >"$out.config.log" 2>&1; then
		tail -n 20 "$out.config.log" >&2
		die "$tree could not be configured, see $out.config.log"
	fi
	check_config "$out/.config" "$@"
	if cmp -s "$out/.config" "$out/.config.was"; then
		mv "$out/.config.was" "$out/.config"
	fi
	rm -f "$out/.config.was"
	say "$inputs" >"$out/.inputs"
}

# check_config CONFIG FRAGMENT...: each option the fragments ask for must have
# taken; where two of them name one option, the last wins.
check_config() {
	local config=$1 bad
	shift

	bad=$(awk '
		FNR == 1 { file++ }
		/^CONFIG_[A-Za-z0-9_]*=/ {
			name = substr($0, 1, index($0, "=") - 1)
			value = substr($0, index($0, "=") + 1)
		}
		/^# CONFIG_[A-Za-z0-9_]* is not set/ { name = $2; value = "n" }
		name == "" { next }
		file == 1 { have[name] = value }
		file > 1 { want[name] = value }
		{ name = "" }
		END {
			for (n in want) {
				h = (n in have) ? have[n] : "n"
				if (h != want[n])
					print "  " n "=" want[n] " came out as " h
			}
		}' "$config" "$@" | sort)
	[[ -z $bad ]] || die "the kernel did not take these options:
$bad
A dependency is missing, or the option is gone from this kernel."
}

# progress NAME LOG [TOTAL]: copies a build's output to LOG and shows how far it is,
# of TOTAL objects if that is known.
progress() {
	local n=0 line of=${3:+ of some $3}

	: >"$2"
	while IFS= read -r line; do
		printf '%s\n' "$line" >>"$2"
		[[ $line =~ ^\ \ (CC|AS|LD|AR|HOSTCC)\ .*\ ([^ ]+)$ ]] || continue
		n=$((n + 1))
		report say "$1: $n$of objects, $SECONDS s  ${BASH_REMATCH[2]}"
	done
	report_end
}

# objects_in LOG: how many a build made
objects_in() {
	grep -cE '^  (CC|AS|LD|AR|HOSTCC) ' "$1" || true
}

# show_errors LOG: the lines of a build that say why it failed.
show_errors() {
	{
		grep -nE -A3 '(error|warning):|undefined (reference|symbol)|^ERROR|\*\*\*' \
			"$1" || tail -n 20 "$1"
	} | tail -n 60 >&2
}
