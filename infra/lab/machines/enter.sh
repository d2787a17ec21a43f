#!/bin/bash
# Makes the control groups of a lab machine, enters them, and becomes its first process in namespaces.
# usage: enter.sh <label of its control groups> <command…>
#
# With version 1 there is a tree a controller, and a group in each. With version 2 there is one tree, where
# a group that has processes cannot share out its controllers: this process stays in "outside", for the
# machine's own processes there is "machine".
set -eu

label=$1
shift
all=/sys/fs/cgroup

# What engines limit containers by. A controller that cannot be shared out here limits nothing there.
share_out() { # group
	local controller
	for controller in cpu memory pids; do
		{ echo "+$controller" >"$1/cgroup.subtree_control"; } 2>/dev/null || true
	done
}

if [ -e "$all/cgroup.controllers" ]; then
	mkdir -p "$all/$label/outside" "$all/$label/machine"
	share_out "$all"
	share_out "$all/$label"
	echo $$ >"$all/$label/outside/cgroup.procs"
else
	for tree in "$all"/*/; do
		[ -e "$tree/cgroup.procs" ] || continue
		mkdir -p "$tree$label"
		# A new set of cores and memory is empty until it is told.
		for file in cpuset.cpus cpuset.mems; do
			[ -e "$tree$file" ] && cat "$tree$file" >"$tree$label/$file"
		done
		echo $$ >"$tree$label/cgroup.procs"
	done
fi
# unshare ends with the process that started it, and the machine with unshare.
exec setpriv --pdeathsig KILL unshare --mount --net --uts --ipc --pid --fork --kill-child "$@"
