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
# Who has not logged in to an instance is a stranger to it, and can keep nobody out: of a connection that has
# not logged in, the kernel lets little through, and it is over after some seconds (see janitor.sh, without which
# an idle one lives until Redis probes it). When more come than a usual lot of clients would open, each address
# and each /24 gets only a few. Addresses that have logged in to an instance before are not held up.
#
# That somebody has logged in is seen by the first bytes of a packet from Redis. Nobody can have Redis send such
# bytes without a password: in the text of its errors it replaces line ends, and each text ends with fixed
# words; so they do not begin a packet either, wherever a client has its packets cut. The one exception is the +OK
# for QUIT, after which Redis hangs up: a +OK alone keeps a connection, and says nothing yet about its address.
# Kernels before 5.16 cannot look into packets like that: then all of this is left out, and it is said.
#
# And an instance is reached at its published address alone. Docker before 28 lets a machine of the same
# network send to the address of a container, or to a port that is published on 127.0.0.1.
#
# Settings, by environment:
#   CONNECTIONS_PER_ADDRESS  connections of one address to one instance (40)
#   LOGIN_SECONDS            time that a connection has to log in (10)
#   LOGIN_KB                 kilobytes that an address may send to an instance in connections that have not logged
#                            in, at once; a 32nd of it comes back each second (32)
#   LOGINS_PENDING           connections to an instance that have not logged in, of all strangers together (200)
#   GATEWAY_NETWORK          addresses that gateways connect from, in CIDR notation (none)
#   INSTANCES_OPEN_TO        "everyone" may connect to instances, or "gateways" alone: the others are reset (everyone)
#
# Behind one address of a gateway there are clients of many, and it has limits for each of them itself. So it has as
# many connections as it likes, and is in no crowd; but who connects by it has to log in in time, as all have.
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
		    $EXEMPT
		    $CLOSED
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

# A connection that has to log in is marked from its first packet on, and no more once it has: those that were open
# before are left alone, and loading the rules again forgets nobody. Of the marks, which others may use as well,
# two bits are ours: 0x20000000 has to log in, 0x40000000 was told +OK once. A full set lets through.
login_rules() {
	# Of a number of connections, half may come at once, and the other half within LOGIN_SECONDS.
	crowd=$((LOGINS_PENDING * 24 / 100)) others=$((LOGINS_PENDING * 26 / 100))
	address=$((LOGINS_PENDING * 3 / 200 + 1)) network=$((LOGINS_PENDING * 3 / 100 + 1))
	a_minute() { echo "$(($1 * 60 / LOGIN_SECONDS + 1))/minute burst $1 packets"; }
	# Whoever has logged in before may wait for a Redis that is busy.
	patience=$((LOGIN_SECONDS > 60 ? LOGIN_SECONDS : 60))
	cat <<-NFT
		table inet getaredis {
		  # Addresses that have logged in to an instance.
		  set known {
		    type ipv4_addr . ipv4_addr
		    size 65535
		    flags dynamic,timeout
		    timeout 1d
		  }
		  # Connections that have not logged in; those that are not in the second set any more had time enough.
		  set pending {
		    type ipv4_addr . inet_service . ipv4_addr
		    size 65535
		    flags dynamic,timeout
		    timeout $((patience + 60))s
		  }
		  set in_time {
		    type ipv4_addr . inet_service . ipv4_addr
		    size 65535
		    flags dynamic,timeout
		    timeout ${LOGIN_SECONDS}s
		  }
		  # Where in its connection a +OK was: sent again, it is the same one.
		  set told_ok {
		    typeof ip daddr . tcp dport . ip saddr . tcp sequence
		    size 65535
		    flags dynamic,timeout
		    timeout 20m
		  }
		  # How much strangers have done lately.
		  set crowds {
		    type ipv4_addr
		    size 65535
		    flags dynamic,timeout
		    timeout 5m
		  }
		  set others {
		    type ipv4_addr
		    size 65535
		    flags dynamic,timeout
		    timeout 5m
		  }
		  set addresses {
		    type ipv4_addr . ipv4_addr
		    size 65535
		    flags dynamic,timeout
		    timeout 5m
		  }
		  set networks {
		    type ipv4_addr . ipv4_addr
		    size 65535
		    flags dynamic,timeout
		    timeout 5m
		  }
		  set talkers {
		    type ipv4_addr . ipv4_addr
		    size 65535
		    flags dynamic,timeout
		    timeout 5m
		  }
		  chain logins {
		    type filter hook forward priority filter - 11; policy accept;
		    iifname "gar-*" ct direction reply ct mark & 0x60000000 != 0 goto answer
		    oifname "gar-*" ct state new ct mark & 0x20000000 == 0 tcp flags & (fin | syn | rst | ack) == syn goto newcomer
		    oifname "gar-*" ct mark & 0x20000000 != 0 ip saddr . tcp sport . ip daddr != @in_time counter reject with tcp reset
		    oifname "gar-*" ct mark & 0x20000000 != 0 $OTHERS ip saddr . ip daddr != @known update @talkers { ip saddr . ip daddr limit rate over $((LOGIN_KB * 32)) bytes/second burst $((LOGIN_KB * 1024)) bytes } counter drop
		  }
		  chain newcomer {
		    ip saddr . ip daddr @known update @in_time { ip saddr . tcp sport . ip daddr timeout ${patience}s } goto await_login
		    $UNBOUNDED
		    update @crowds { ip daddr limit rate $(a_minute "$crowd") } goto stranger
		    # Without an answer: a client that is welcome tries again by itself, a second later.
		    update @addresses { ip saddr . ip daddr limit rate over $(a_minute "$address") } counter drop
		    update @networks { ip saddr & 255.255.255.0 . ip daddr limit rate over $(a_minute "$network") } counter drop
		    update @others { ip daddr limit rate over $(a_minute "$others") } counter drop
		    goto stranger
		  }
		  chain stranger {
		    update @in_time { ip saddr . tcp sport . ip daddr } goto await_login
		  }
		  chain await_login {
		    update @pending { ip saddr . tcp sport . ip daddr } ct mark set ct mark | 0x20000000
		  }
		  chain answer {
		    tcp flags & (fin | rst) != 0 goto settle
		    # +OK, and something after it.
		    @ih,0,40 0x2b4f4b0d0a @ih,40,8 >= 0 goto logged_in
		    # +OK as it is for AUTH, and for QUIT; then a second one, of some command.
		    @ih,0,40 0x2b4f4b0d0a ct mark & 0x40000000 == 0 add @told_ok { ip daddr . tcp dport . ip saddr . tcp sequence } ct mark set ct mark | 0x40000000
		    @ih,0,40 0x2b4f4b0d0a ct mark & 0x20000000 != 0 delete @pending { ip daddr . tcp dport . ip saddr } ct mark set ct mark & 0xdfffffff accept
		    @ih,0,40 0x2b4f4b0d0a ct mark & 0x40000000 != 0 ip daddr . tcp dport . ip saddr . tcp sequence != @told_ok goto logged_in
		    # +PONG, and what has a length or is a number, of up to five digits: HELLO answers so, too.
		    @ih,0,56 0x2b504f4e470d0a goto logged_in
		    @ih,0,8 { $TYPES } @ih,8,8 $DIGIT @ih,16,16 $CRLF goto logged_in
		    @ih,0,8 { $TYPES } @ih,8,8 $DIGIT @ih,16,8 $DIGIT @ih,24,16 $CRLF goto logged_in
		    @ih,0,8 { $TYPES } @ih,8,8 $DIGIT @ih,16,8 $DIGIT @ih,24,8 $DIGIT @ih,32,16 $CRLF goto logged_in
		    @ih,0,8 { $TYPES } @ih,8,8 $DIGIT @ih,16,8 $DIGIT @ih,24,8 $DIGIT @ih,32,8 $DIGIT @ih,40,16 $CRLF goto logged_in
		    @ih,0,8 { $TYPES } @ih,8,8 $DIGIT @ih,16,8 $DIGIT @ih,24,8 $DIGIT @ih,32,8 $DIGIT @ih,40,8 $DIGIT @ih,48,16 $CRLF goto logged_in
		    # Too late, whatever moves: Redis is told that the client has hung up.
		    ct mark & 0x20000000 != 0 ip daddr . tcp dport . ip saddr != @in_time counter reject with tcp reset
		  }
		  chain logged_in {
		    update @known { ip daddr . ip saddr }
		    goto settle
		  }
		  chain settle {
		    delete @pending { ip daddr . tcp dport . ip saddr }
		    ct mark set ct mark & 0x9fffffff
		  }
		}
	NFT
}

# The first byte of a reply that has a length or is a number: \$ * : % ~ > and of -1, - takes a digit's place.
TYPES='0x24, 0x2a, 0x3a, 0x25, 0x7e, 0x3e'
DIGIT='{ 0x2d, 0x30-0x39 }'
CRLF=0x0d0a

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

require_number() { # name of a setting, its value
	case $2 in
	'' | 0* | *[!0-9]* | ??????*)
		echo "firewall.sh: $1 must be a number from 1 to 99999" >&2
		exit 64
		;;
	esac
}

: "${CONNECTIONS_PER_ADDRESS:=40}" "${LOGIN_SECONDS:=10}" "${LOGIN_KB:=32}" "${LOGINS_PENDING:=200}"
: "${GATEWAY_NETWORK:=}" "${INSTANCES_OPEN_TO:=everyone}"
require_number CONNECTIONS_PER_ADDRESS "$CONNECTIONS_PER_ADDRESS"
require_number LOGIN_SECONDS "$LOGIN_SECONDS"
require_number LOGIN_KB "$LOGIN_KB"
require_number LOGINS_PENDING "$LOGINS_PENDING"
case $GATEWAY_NETWORK in
*[!0-9./]*)
	echo "firewall.sh: GATEWAY_NETWORK must be a network such as 10.114.0.0/20" >&2
	exit 64
	;;
esac
case $INSTANCES_OPEN_TO:$GATEWAY_NETWORK in
everyone:* | gateways:?*) ;;
*)
	echo "firewall.sh: INSTANCES_OPEN_TO must be everyone, or gateways with a GATEWAY_NETWORK" >&2
	exit 64
	;;
esac

# Rules about gateways, empty where there are none.
EXEMPT='' CLOSED='' OTHERS='' UNBOUNDED=''
if [ -n "$GATEWAY_NETWORK" ]; then
	EXEMPT="oifname \"gar-*\" ct state new ip saddr $GATEWAY_NETWORK accept"
	OTHERS="ip saddr != $GATEWAY_NETWORK"
	UNBOUNDED="ip saddr $GATEWAY_NETWORK goto stranger"
fi
[ "$INSTANCES_OPEN_TO" = everyone ] ||
	CLOSED='oifname "gar-*" ct state new counter reject with tcp reset'

case "${1:-}" in
up)
	filter_bridged_packets
	if fault=$( (rules && login_rules) | nft -f - 2>&1); then exit; fi
	rules | nft -f -
	# Rules are loaded now; what is wrong with the others is for the operator to know.
	echo "firewall.sh: STRANGERS ARE NOT BOUNDED but by their number for each address: this kernel or this nft cannot" \
		"look into packets (Linux 5.16 and nftables 1.0.1 can). $(echo "$fault" | head -n 1)" >&2
	;;
down)
	printf 'table inet getaredis {}\ndelete table inet getaredis\n' | nft -f -
	;;
*)
	echo "usage: firewall.sh up|down" >&2
	exit 2
	;;
esac
