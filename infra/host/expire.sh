#!/bin/bash
# Removes instances that have outlived their lease, from the host itself: a container carries the
# time after which it has to be gone as label getaredis.not-after, in unix seconds. The control
# plane ends leases in time; this is what holds when there is no control plane.
#
# Settings, by environment:
#   EXPIRE_SECONDS  time between two checks (60)
#   EXPIRE_ONCE     1: check once, and end with an error when that failed
#   DOCKER_HOST     where the docker command finds the engine (default: its own)
set -u

readonly ENGINE_SECONDS=30
: "${EXPIRE_SECONDS:=60}" "${EXPIRE_ONCE:=}"
if ! [[ $EXPIRE_SECONDS =~ ^[1-9][0-9]*$ ]]; then
	echo "expire: EXPIRE_SECONDS must be a number of seconds" >&2
	exit 64
fi

# In the background and waited for, so that TERM ends this script and not just the command.
patiently() {
	timeout "$ENGINE_SECONDS" "$@" &
	wait $!
}

remove_expired() {
	local now id not_after failed=0
	printf -v now '%(%s)T' -1
	# Also the stopped ones: they hold a port and a name. No label value, no lease: not ours to judge.
	while read -r id not_after; do
		if [[ $id == failed ]]; then
			echo "expire: the engine gave no list of containers" >&2
			return 1
		fi
		# Digits without a leading zero: anything else is no time, and would be read as octal.
		[[ $not_after =~ ^[1-9][0-9]{0,11}$ ]] || continue
		((not_after < now)) || continue
		if patiently docker rm --force --volumes "$id" >/dev/null; then
			echo "expire: removed $id, its time was up $((now - not_after)) s ago" >&2
		else
			failed=1
		fi
	done < <(patiently docker ps --all --no-trunc --filter label=getaredis.not-after \
		--format '{{.ID}} {{.Label "getaredis.not-after"}}' || echo failed)
	return "$failed"
}

trap 'exit 0' TERM INT
if [[ $EXPIRE_ONCE == 1 ]]; then
	remove_expired
	exit
fi
exec {never}<> <(:)
while true; do
	# What failed has been reported, and is tried again at the next check.
	remove_expired || true
	read -r -t "$EXPIRE_SECONDS" -u "$never" || true
done
