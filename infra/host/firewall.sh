#!/bin/sh
# Keeps instances from opening connections: `firewall.sh up` or `firewall.sh down`, as root.
#
# From a bridge named gar-* only answers leave: packets that belong to a connection which somebody
# opened towards the instance. Nothing else passes, neither to other networks, nor to this machine
# itself, nor to another instance on the same bridge. The rules are a table of our own: Docker's
# chains and anybody else's are not touched, and since an accept in one table never overrules a
# drop in another, theirs cannot open what is closed here.
#
# Towards an instance, one address has so many connections at a time: an instance takes 50 altogether,
# and a stranger without its password is not to hold them all. What is more is reset. The machine's own
# connections are not counted, nor those that were open when the rules were loaded.
#
# And an instance is reached at its published address alone. Docker before 28 lets a machine of the same
# network send to the address of a container, or to a port that is published on 127.0.0.1.
#
# Setting, by environment:
#   CONNECTIONS_PER_ADDRESS  connections of one address to one instance (40)
#
# `up` replaces an earlier table in one transaction: there is no moment without rules. It can be
# run again at any time; so can `down`.
set -eu

rules() {
	cat <<-NFT
		table inet getaredis {}
		delete table inet getaredis
		table inet getaredis {
		  # Pairs of client and instance, with their connections; the kernel drops those without any.
		  set callers {
		    type ipv4_addr . ipv4_addr
		    size 65535
		    flags dynamic
		  }
		  chain prerouting {
		    # Before Docker's translation of published ports: a packet that goes to a bridge of ours already now,
		    # or to this machine's loopback, is not addressed to what was published for its sender.
		    type filter hook prerouting priority raw; policy accept;
		    iifname != "gar-*" fib daddr oifname "gar-*" counter drop
		    iifname != "lo" ip daddr 127.0.0.0/8 counter drop
		  }
		  chain answers_only {
		    # "reply" and not just "established": a connection that an instance opened before these
		    # rules were loaded is cut, too. An ICMP error about a client's packet counts as reply.
		    ct state established,related ct direction reply accept
		    counter drop
		  }
		  chain forward {
		    type filter hook forward priority filter - 10; policy accept;
		    iifname "gar-*" jump answers_only
		    # Docker has translated the published port by now: each instance is an address of its own. When
		    # the set is full, new pairs get through uncounted.
		    oifname "gar-*" ct state new add @callers { ip saddr . ip daddr ct count over $CONNECTIONS_PER_ADDRESS } counter reject with tcp reset
		  }
		  chain input {
		    type filter hook input priority filter - 10; policy accept;
		    iifname "gar-*" jump answers_only
		  }
		}
	NFT
}

# Packets between two ports of one bridge reach the forward chain above only with br_netfilter.
filter_bridged_packets() {
	switch=/proc/sys/net/bridge/bridge-nf-call-iptables
	[ -e "$switch" ] || modprobe br_netfilter 2>/dev/null || true
	if [ ! -e "$switch" ]; then
		echo "firewall.sh: the kernel has no br_netfilter: instances of one host could reach each other" >&2
		exit 1
	fi
	for family in iptables ip6tables; do
		echo 1 >"/proc/sys/net/bridge/bridge-nf-call-$family"
	done
}

: "${CONNECTIONS_PER_ADDRESS:=40}"
case $CONNECTIONS_PER_ADDRESS in
'' | 0* | *[!0-9]* | ??????*)
	echo "firewall.sh: CONNECTIONS_PER_ADDRESS must be a number from 1 to 99999" >&2
	exit 64
	;;
esac

case "${1:-}" in
up)
	filter_bridged_packets
	rules | nft -f -
	;;
down)
	printf 'table inet getaredis {}\ndelete table inet getaredis\n' | nft -f -
	;;
*)
	echo "usage: firewall.sh up|down" >&2
	exit 2
	;;
esac
