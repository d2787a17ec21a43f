#!/bin/bash
# Puts the release before into service again, as root; run once more, it goes forward again. Database and settings stay
# as they are: migrations only ever add, so an older release runs on a newer schema. docs/single-box.md says more.
set -eu

main() {
	local root=/opt/getaredis here there
	[ "$(id -u)" = 0 ] || {
		echo "roll-back.sh: this needs root: run it as root, or with sudo" >&2
		exit 1
	}
	exec 9>/run/lock/getaredis-set-up
	flock --nonblock 9 || {
		echo "roll-back.sh: a set-up of this machine is under way: wait until it is done" >&2
		exit 1
	}
	[ -e $root/previous ] && [ "$(readlink $root/previous)" != "$(readlink $root/current)" ] || {
		echo "roll-back.sh: there is no release before the one in service" >&2
		exit 1
	}
	here=$(readlink $root/current) there=$(readlink $root/previous)
	bash "$root/$there/infra/deploy/single-box/activate.sh" || {
		local code=$?
		[ $code = 3 ] || {
			echo "roll-back.sh: version ${there##*/} is not healthy, so ${here##*/} comes back" >&2
			bash "$root/$here/infra/deploy/single-box/activate.sh"
			exit 1
		}
	}
	ln -sfn "$here" $root/previous
}

# Read whole before anything is done: the file may be another by the end.
main "$@"
exit
