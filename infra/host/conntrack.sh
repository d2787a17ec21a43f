#!/bin/bash
# Makes room in the kernel's table of connections, as root: all instances of a host share it, and when it is
# full, nobody gets in. A kernel's own table on 2 GB has 65,536 places and keeps a silent connection for five days.
#
#   size        a power of two, about one place for each 10 KB of memory: 262,144 on 2 GB, which take 4 % of it
#               when all are used. A table that is larger already stays as it is.
#   time-outs   a silent connection is kept for two hours, 120 times as long as Redis waits before it asks
#               whether its client is there (tcp-keepalive 60); what opens or closes, for half a minute or so.
#   loose       only a handshake makes a new entry: packets from nowhere do not fill the table
#
# The machine's own settings in /etc/sysctl.d are not touched: these last until the machine starts again.
# It can be run again at any time. What a kernel does not let us set is reported, and ends nothing.
#
# Setting, by environment:
#   PROC  where the kernel shows its settings (/proc)
set -eu

: "${PROC:=/proc}"
readonly NETFILTER=$PROC/sys/net/netfilter LEAST=65536 MOST=1048576

say() { echo "conntrack: $*" >&2; }

put() { # value, file
	if [ ! -w "$2" ]; then
		say "${2#"$PROC/sys/"} cannot be set to $1 here"
		return
	fi
	echo "$1" >"$2"
}

size_for_memory() {
	local memory_kb wanted=$LEAST
	memory_kb=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' "$PROC/meminfo")
	while ((wanted < memory_kb / 10 && wanted < MOST)); do wanted=$((wanted * 2)); done
	echo "$wanted"
}

make_room() {
	local size
	size=$(size_for_memory)
	(($(cat "$NETFILTER/nf_conntrack_max") < size)) || return 0
	# The buckets first: a long table in few buckets would be slow to search.
	put $((size / 2)) "$NETFILTER/nf_conntrack_buckets"
	put "$size" "$NETFILTER/nf_conntrack_max"
}

[ -e "$NETFILTER/nf_conntrack_max" ] || modprobe nf_conntrack 2>/dev/null || true
if [ ! -e "$NETFILTER/nf_conntrack_max" ]; then
	say "the kernel keeps no table of connections"
	exit 0
fi
make_room
while read -r name seconds; do
	put "$seconds" "$NETFILTER/nf_conntrack_tcp_timeout_$name"
done <<-'SECONDS'
	established 7200
	syn_sent 20
	syn_recv 20
	fin_wait 30
	close_wait 30
	last_ack 15
	time_wait 30
	close 10
	max_retrans 120
	unacknowledged 120
SECONDS
put 0 "$NETFILTER/nf_conntrack_tcp_loose"
put 1 "$PROC/sys/net/ipv4/tcp_syncookies"
