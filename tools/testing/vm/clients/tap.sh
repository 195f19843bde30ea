# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What the scripts here share: they run in a guest and report in TAP.

number=0
bad=0
logs=
pid=

plan() {
	echo "TAP version 13"
	echo "1..$1"
}

# check NAME COMMAND...: a test, that passes when the command does.  The first
# that fails shows the files named in $logs.
check() {
	name=$1
	shift
	number=$((number + 1))
	if "$@"; then
		echo "ok $number $name"
		return
	fi
	# shellcheck disable=SC2086 # a list of words
	[ "$bad" -gt 0 ] || tail -n 60 $logs
	bad=$((bad + 1))
	echo "not ok $number $name"
}

# What took too long is shown too, and ended.
# shellcheck disable=SC2086
trap 'tail -n 60 $logs; kill -KILL $pid; exit 1' TERM

# wait_for SECONDS COMMAND...: until the command succeeds; not for longer than the
# client, process $pid, runs.
wait_for() {
	tries=$(($1 * 5))
	shift
	until "$@" 2>/dev/null; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] && kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.2
	done
}

# use_container vfio|iommu: who answers at /dev/vfio/vfio from now on: VFIO's own
# container, as in a guest that has just started, or /dev/iommu.
use_container() {
	case $1 in
	vfio) container=/dev/vfio/vfio ;;
	iommu)
		container=/dev/iommu
		ln -sf "$container" /dev/vfio/vfio
		;;
	esac
}

# list_files PID: the names of the files a process has open.
list_files() {
	for fd in "/proc/$1/fd"/*; do
		readlink "$fd"
	done
}
