#!/bin/bash
# Bounds what instances send, as root. Transfer is billed, and neighbours share a host's line.
#
#   transfer.sh up      loads the rules; what instances have sent, and which are over their bound, stays known
#   transfer.sh look    sees once what each instance has sent, and slows those that are over their bound
#   transfer.sh watch   up, then looks every few seconds, until it is told to end
#   transfer.sh down    takes the rules away
#
# The rate holds for what leaves the machine: what its own programs read from an instance costs nobody
# anything, unless one of them is the gateway, which sends it on. What is more is dropped, and TCP slows down. Nothing is queued: no reply waits behind others. An
# instance's short replies get through beside its long ones, for a packet passes when its own length is left
# of the rate, and what the kernel sends of a long reply at a time is up to 64 KB long.
#
# Bytes are counted over an instance's life, where the kernel counts them anyway: at its end of the wire from
# its bridge. A new container has a new wire, which begins with 0 whatever address it has; and nothing
# is lost when this script starts again. An instance over its bound still answers, at 64 KB a second.
#
# Settings, by environment:
#   TRANSFER_BYTES_PER_SECOND  most that an instance sends out of the machine in a second (20000000)
#   TRANSFER_BYTES             most that it sends in its life; 0: as much as it likes (10000000000)
#   TRANSFER_LOOK_SECONDS      time between two looks (5)
#   GATEWAY_NETWORK            who connects to instances where there is an edge; one of 127.0.0.0/8: this machine itself
set -eu

readonly TABLE=getaredis_transfer TRICKLE_BYTES_PER_SECOND=65536
: "${TRANSFER_BYTES_PER_SECOND:=20000000}" "${TRANSFER_BYTES:=10000000000}" "${TRANSFER_LOOK_SECONDS:=5}"
: "${GATEWAY_NETWORK:=}"

require() { # name of a setting, pattern, what it has to be
	if ! [[ ${!1} =~ ^($2)$ ]]; then
		echo "transfer: $1 must be $3" >&2
		exit 64
	fi
}

# In one transaction: there is no moment without rules. Which interfaces are over their bound is kept; who
# has a rate begins anew, because it keeps the rate that it was given.
rules() {
	# Two seconds of it at once, for replies come in bursts; and never less than several packets of 64 KB.
	local burst=$((TRANSFER_BYTES_PER_SECOND * 2 > 1048576 ? TRANSFER_BYTES_PER_SECOND * 2 : 1048576)) bound local=""
	bound="iifname \"gar-*\" update @senders { ip saddr limit rate over $TRANSFER_BYTES_PER_SECOND bytes/second burst $burst bytes } counter drop"
	# A gateway on this machine: what it reads leaves by it.
	[[ $GATEWAY_NETWORK != 127.* ]] || local="add rule inet $TABLE input $bound"
	nft -f - <<-NFT
		add table inet $TABLE
		add set inet $TABLE senders { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 1m; }
		add chain inet $TABLE forward { type filter hook forward priority filter - 9; policy accept; }
		add chain inet $TABLE input { type filter hook input priority filter - 9; policy accept; }
		flush chain inet $TABLE forward
		flush chain inet $TABLE input
		flush set inet $TABLE senders
		add rule inet $TABLE forward $bound
		$local

		add table bridge $TABLE
		add set bridge $TABLE exceeding { type iface_index; }
		add set bridge $TABLE trickles { type iface_index; size 65535; flags dynamic,timeout; timeout 1m; }
		add chain bridge $TABLE prerouting { type filter hook prerouting priority dstnat; policy accept; }
		flush chain bridge $TABLE prerouting
		add rule bridge $TABLE prerouting ether type ip iif @exceeding update @trickles { iif limit rate over $TRICKLE_BYTES_PER_SECOND bytes/second burst 262144 bytes } counter drop
	NFT
}

# Interfaces by which instances are over their bound. Their numbers are never used twice.
exceeding() {
	local line
	((TRANSFER_BYTES > 0)) || return 0
	while read -r line; do
		[[ $line =~ ^([0-9]+):\ .*\ master\ gar-.*RX:[^\\]*\\\ *([0-9]+)\  ]] || continue
		((BASH_REMATCH[2] < TRANSFER_BYTES)) || echo "${BASH_REMATCH[1]}"
	done
}

look() {
	local links slowed refill=""
	# -r: with its backslashes, which part the lines of an interface.
	links=$(ip -oneline -statistics link show type veth)
	slowed=$(exceeding <<<"$links" | paste --serial --delimiters=,)
	# Each time while there are any: somebody may have loaded the rules anew.
	[[ $slowed != "$known" || -n $slowed ]] || return 0
	[[ -z $slowed ]] || refill="add element bridge $TABLE exceeding { $slowed }"
	printf 'flush set bridge %s exceeding\n%s\n' $TABLE "$refill" | nft -f -
	[[ $slowed == "${known#unseen}" ]] || echo "transfer: over their bound are now interfaces ${slowed:-none}" >&2
	known=$slowed
}

down() {
	local family
	for family in inet bridge; do
		printf 'table %s %s {}\ndelete table %s %s\n' $family $TABLE $family $TABLE
	done | nft -f -
}

require TRANSFER_BYTES_PER_SECOND '[1-9][0-9]{3,11}' 'a number of bytes from 1000 on'
require TRANSFER_BYTES '0|[1-9][0-9]{0,17}' 'a number of bytes, or 0'
require TRANSFER_LOOK_SECONDS '[1-9][0-9]{0,3}' 'a number of seconds'
known=unseen
case "${1:-}" in
up) rules ;;
look) look ;;
watch)
	trap 'exit 0' TERM INT
	rules
	exec {never}<> <(:)
	while true; do
		look
		# Sleeps without a process of its own, so that TERM ends it at once.
		read -r -t "$TRANSFER_LOOK_SECONDS" -u "$never" || true
	done
	;;
down) down ;;
*)
	echo "usage: transfer.sh up|look|watch|down" >&2
	exit 2
	;;
esac
