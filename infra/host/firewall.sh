#!/bin/sh
# Keeps instances from opening connections: `firewall.sh up` or `firewall.sh down`, as root.
#
# From a bridge named gar-* only answers leave: packets that belong to a connection which somebody
# opened towards the instance. Nothing else passes, neither to other networks, nor to this machine
# itself, nor to another instance on the same bridge. The rules are a table of our own: Docker's
# chains and anybody else's are not touched, and since an accept in one table never overrules a
# drop in another, theirs cannot open what is closed here.
#
# `up` replaces an earlier table in one transaction: there is no moment without rules. It can be
# run again at any time; so can `down`.
set -eu

rules() {
	cat <<-'NFT'
		table inet getaredis {}
		delete table inet getaredis
		table inet getaredis {
		  chain answers_only {
		    # "reply" and not just "established": a connection that an instance opened before these
		    # rules were loaded is cut, too. An ICMP error about a client's packet counts as reply.
		    ct state established,related ct direction reply accept
		    counter drop
		  }
		  chain forward {
		    type filter hook forward priority filter - 10; policy accept;
		    iifname "gar-*" jump answers_only
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
