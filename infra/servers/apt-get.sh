#!/bin/sh
# apt-get that waits while another program holds one of its locks, and reports that: `sh apt-get.sh <arguments>`.
# Ubuntu and Debian update themselves, and people install things. DPkg::Lock::Timeout, apt's own remedy, waits
# for dpkg's locks only: with those of the lists or of the archives taken, apt-get fails at once.
set -u

readonly LONGEST_WAIT_SECONDS=600
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT
trap 'exit 1' INT TERM HUP

waited=0
while true; do
	code=0
	LC_ALL=C apt-get "$@" 2>"$said" || code=$?
	holder=$(sed -n 's/^E: Could not get lock \(.*\)$/\1/p' "$said" | head -n 1)
	[ "$code" != 0 ] && [ -n "$holder" ] && [ "$waited" -lt "$LONGEST_WAIT_SECONDS" ] || break
	[ "$waited" != 0 ] || echo "waiting for another program that uses apt: $holder" >&2
	sleep 1
	waited=$((waited + 1))
done
cat "$said" >&2
exit "$code"
