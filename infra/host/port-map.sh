#!/bin/bash
# Balances ports of this host over containers, and over ports of other hosts, as root.
#
#   port-map.sh load FILE  loads a document, or refuses it and leaves all as it was
#   port-map.sh look       sees once whether the kernel has what was loaded, and loads it again when it has not
#   port-map.sh watch      keeps what the control plane has in Redis loaded, and reports it, until it is told to end
#   port-map.sh down       takes all away
#
# The kernel itself sends each new connection to a member, by a table of buckets that client address and port choose
# from; no byte passes through a program. Machines with the same table send a connection to the same member, so one can
# go on where another has ended, if its kernel takes up connections in their middle: conntrack.sh has droplets refuse
# that. The control plane knows who the members are and fills the table:
#
#   port-map 1 REVISION
#   port NUMBER SIZE on|stopped
#   member INDEX ADDRESS PORT direct|child takes|rests
#   buckets INDEX,INDEX,...    as many as SIZE; left out when no member takes connections
#   end
#
# A member that rests keeps the connections it has; so does a port that is stopped. Who is no member any more, or of a
# port that is not there any more, has its connections reset. `direct` members see their clients' addresses, for
# their answers pass here; answers of a child would not, so its connections come from this host.
#
# The rules are a table of our own. Docker lets nothing through to a port that a container has not published: for
# that, one rule for our connections stands in DOCKER-USER, the chain that Docker leaves to others. ip_forward is
# set when it was off, and put back. `down` leaves nothing behind.
#
# Without Redis, or when its answer makes no sense, what is loaded stays. A refused password ends it with code 77, wrong
# settings with 64, and what is loaded stays as well. Nothing but bash, awk, nft and coreutils is
# needed, and iptables where Docker uses it.
#
# Settings, by environment:
#   PORT_MAP_DIR                   where it keeps what it has loaded (/run/getaredis-port-map)
#   PROC                           where the kernel shows its settings (/proc)
#   HOST_NAME, HEARTBEAT_REDIS_*   as heartbeat.sh has them; for `watch`
#   PORT_MAP_FAREWELL_SECONDS      when the last port has gone, what is still connected is reset for so long, and then
#                                  all is taken away (60)
set -eu
# Lengths in Redis's protocol are in bytes.
export LC_ALL=C

readonly TABLE="inet getaredis_port_map" MARK=0x10000000
readonly CONNECT_SECONDS=2 REPLY_SECONDS=3 REPORT_SECONDS=2 REPORT_TTL_SECONDS=10 LONGEST_PAUSE_SECONDS=5
# What a look at all elements costs in processor time is a fiftieth at most, however large the tables are.
readonly LOOK_SHARE=50
: "${PORT_MAP_DIR:=/run/getaredis-port-map}" "${PROC:=/proc}" "${PORT_MAP_FAREWELL_SECONDS:=60}"
readonly FORWARD=$PROC/sys/net/ipv4/ip_forward

say() { echo "port-map: $*" >&2; }

misconfigured() {
	say "$*"
	exit 64
}

# Reads a document. Writes its rules to one file and the elements of their maps and sets to another, one a line:
# "<map> <key> : <value>", "<set> <key>". Whatever is not exactly as expected ends it.
compile() { # document, rules, elements
	awk -v rules="$2" -v elements="$3" -v table="$TABLE" -v mark="$MARK" '
		function fail(why) {
			print "line " NR ": " why >"/dev/stderr"
			failed = 1
			exit 1
		}
		function is_whole(text, least, most) {
			return length(text) <= 5 && text ~ /^(0|[1-9][0-9]*)$/ && text + 0 >= least && text + 0 <= most
		}
		# Of this machine itself, of a link or of many is no member.
		function is_address(text, part, number, at) {
			number = split(text, part, ".")
			if (number != 4) return 0
			for (at = 1; at <= 4; at++) if (!is_whole(part[at], 0, 255)) return 0
			return part[1] > 0 && part[1] != 127 && part[1] < 224 && !(part[1] == 169 && part[2] == 254)
		}
		function end_port() {
			if (port == "") return
			maps = maps "map p" port " {\n typeof numgen inc mod " size " : ip daddr . tcp dport\n}\n"
			maps = maps "set m" port " {\n type ipv4_addr . inet_service\n}\n"
			chains = chains "chain c" port " {\n ip daddr . tcp dport != @m" port " counter reject with tcp reset\n}\n"
			known = known (known == "" ? "" : ", ") port " : goto c" port
			replies = replies (replies == "" ? "" : ", ") port " : accept"
			if (has_buckets) starts = starts " tcp dport " port " ct mark set ct mark | " mark \
				" dnat ip to jhash ip saddr . tcp sport mod " size " seed 0x1 map @p" port "\n"
		}
		NR == 1 {
			if ($0 !~ /^port-map 1 [0-9a-f]+$/) fail("this is no document that we know")
			next
		}
		ended { fail("something comes after the end") }
		$1 == "port" && NF == 4 {
			end_port()
			if (!is_whole($2, 1, 65535) || $2 in ports) fail("a port is wrong, or there twice")
			if (!is_whole($3, 13, 65537) || ($4 != "on" && $4 != "stopped")) fail("a port is described wrongly")
			if (++number_of_ports > 256) fail("too many ports")
			port = $2; size = $3; is_on = $4 == "on"; members = 0; has_buckets = 0
			ports[port] = 1
			next
		}
		$1 == "member" && NF == 6 {
			if (port == "" || has_buckets || $2 != members "") fail("a member is out of place")
			if (!is_address($3) || !is_whole($4, 1, 65535)) fail("a member has no address")
			if (($5 != "direct" && $5 != "child") || ($6 != "takes" && $6 != "rests")) fail("a member is described wrongly")
			to[members] = $3 " . " $4; takes[members] = $6 == "takes"
			members++
			if (!((port " " $3 " " $4) in seen)) print "m" port, $3 " . " $4 >elements
			seen[port " " $3 " " $4] = 1
			if ($5 == "child" && !(($3 " " $4) in child)) print "children", $3 " . " $4 >elements
			if ($5 == "child") child[$3 " " $4] = 1
			next
		}
		$1 == "buckets" && NF == 2 {
			if (port == "" || !is_on || has_buckets) fail("buckets are out of place")
			if (split($2, bucket, ",") != size) fail("there are not as many buckets as there have to be")
			for (at = 1; at <= size; at++) {
				if (!is_whole(bucket[at], 0, members - 1) || !takes[bucket[at]]) fail("a bucket has no member")
				print "p" port, at - 1, ":", to[bucket[at]] >elements
			}
			has_buckets = 1
			next
		}
		$0 == "end" { end_port(); ended = 1; next }
		{ fail("it cannot be read") }
		END {
			if (failed) exit 1
			if (!ended) fail("the end is missing")
			printf "" >>elements
			print "table " table " {}\ndelete table " table "\ntable " table " {" >rules
			printf "%s", maps >rules
			print "set children {\n type ipv4_addr . inet_service\n}" >rules
			printf "%s", chains >rules
			print "chain balance {\n" starts "}" >rules
			print "chain prerouting {\n type nat hook prerouting priority dstnat - 5; policy accept;" >rules
			print " meta nfproto ipv4 fib daddr type local goto balance\n}" >rules
			print "chain output {\n type nat hook output priority -105; policy accept;" >rules
			print " ip daddr != 127.0.0.0/8 fib daddr type local goto balance\n}" >rules
			print "chain postrouting {\n type nat hook postrouting priority srcnat - 5; policy accept;" >rules
			print " ct mark & " mark " != 0 ip daddr . tcp dport @children masquerade\n}" >rules
			print "chain forward {\n type filter hook forward priority filter - 8; policy accept;" >rules
			if (known != "") {
				print " ct mark & " mark " != 0 ct direction original meta l4proto tcp ct original proto-dst vmap { " known " }" >rules
				print " ct mark & " mark " != 0 meta l4proto tcp ct original proto-dst vmap { " replies " }" >rules
			}
			print " ct mark & " mark " != 0 meta l4proto tcp counter reject with tcp reset\n}\n}" >rules
		}
	' "$1"
}

# Statements of nft for elements, a thousand each.
statements() { # add or delete
	awk -v verb="$1" -v table="$TABLE" '
		function flush_elements() { if (text != "") print verb " element " table " " set " { " text " }"; text = ""; number = 0 }
		$1 != set || number == 1000 { flush_elements(); set = $1 }
		{
			sub(/^[^ ]+ /, "")
			if (verb == "delete") sub(/ : .*/, "")
			text = text (number ? ", " : "") $0
			number++
		}
		END { flush_elements() }
	'
}

# The kernel's rules as they are now, in a few bytes.
listed() {
	nft --stateless list table $TABLE 2>/dev/null | cksum
}

# Packets of ours are let through where Docker would drop them.
pass_docker() { # -I or -D
	command -v iptables >/dev/null && iptables --wait --list-rules DOCKER-USER >/dev/null 2>&1 || return 0
	local rule=(DOCKER-USER --match connmark --mark "$MARK/$MARK" --jump ACCEPT)
	if [[ $1 == -I ]]; then
		iptables --wait --check "${rule[@]}" 2>/dev/null || iptables --wait --insert "${rule[@]}"
	else
		while iptables --wait --delete "${rule[@]}" 2>/dev/null; do :; done
	fi
}

# On, and what it was found as is noted once.
forward() {
	[[ $(<"$FORWARD") != 1 ]] || return 0
	[[ -e $PORT_MAP_DIR/ip_forward ]] || cat "$FORWARD" >"$PORT_MAP_DIR/ip_forward"
	echo 1 >"$FORWARD"
}

put_forward_back() {
	[[ -e $PORT_MAP_DIR/ip_forward ]] || return 0
	cat "$PORT_MAP_DIR/ip_forward" >"$FORWARD"
	rm "$PORT_MAP_DIR/ip_forward"
}

# Loads a document in one transaction: what differs when the rules are the same, else all. Nothing is changed when the
# document is refused, by us or by the kernel; why, is in `fault` then.
load() { # document
	local new=$PORT_MAP_DIR/new
	mkdir -p "$PORT_MAP_DIR"
	rm -f "$new".*
	if ! fault=$(compile "$1" "$new.rules" "$new.elements" 2>&1); then return 1; fi
	sort "$new.elements" >"$new.sorted"
	if is_loaded && cmp --silent "$new.rules" "$PORT_MAP_DIR/rules"; then
		{
			comm -13 "$new.sorted" "$PORT_MAP_DIR/elements" | statements delete
			comm -23 "$new.sorted" "$PORT_MAP_DIR/elements" | statements add
		} >"$new.nft"
	else
		{ cat "$new.rules" && statements add <"$new.sorted"; } >"$new.nft"
	fi
	# The kernel first: a script that ends here loads again what was, and is told again what has to be.
	if ! fault=$(nft -f "$new.nft" 2>&1); then
		fault=$(head -n 1 <<<"$fault")
		return 1
	fi
	cp "$1" "$new.document"
	mv "$new.rules" "$PORT_MAP_DIR/rules"
	mv "$new.sorted" "$PORT_MAP_DIR/elements"
	mv "$new.document" "$PORT_MAP_DIR/document"
	listed >"$PORT_MAP_DIR/listed"
	rm -f "$new".*
	let_through
}

# Whether the kernel has what was loaded.
is_loaded() {
	[[ -e $PORT_MAP_DIR/listed ]] && [[ $(listed) == "$(<"$PORT_MAP_DIR/listed")" ]]
}

let_through() {
	forward
	pass_docker -I || say "the rule in DOCKER-USER cannot be set: containers are reached by published ports alone"
}

look() { # whole: at all elements; else at whether the rules are there
	[[ -e $PORT_MAP_DIR/document ]] || return 0
	if [[ ${1:-} == whole ]]; then
		let_through
		! is_loaded || return 0
	else
		forward
		! nft list chain $TABLE forward >/dev/null 2>&1 || return 0
	fi
	say "somebody has changed the rules of the ports: they are loaded again"
	load_again
}

load_again() {
	rm -f "$PORT_MAP_DIR/listed"
	cp "$PORT_MAP_DIR/document" "$PORT_MAP_DIR/kept"
	load "$PORT_MAP_DIR/kept" || say "they could not be loaded: $fault"
	rm -f "$PORT_MAP_DIR/kept"
}

down() {
	printf 'table %s {}\ndelete table %s\n' "$TABLE" "$TABLE" | nft -f -
	pass_docker -D
	put_forward_back
	rm -rf "${PORT_MAP_DIR:?}"/*
	# It may be systemd's.
	rmdir "$PORT_MAP_DIR" 2>/dev/null || true
}

require() { # name of a setting, pattern, what it has to be
	[[ ${!1} =~ ^($2)$ ]] || misconfigured "$1 must be $3"
}

read_settings() {
	: "${HOST_NAME:=}" "${HEARTBEAT_REDIS_HOST:=}" "${HEARTBEAT_REDIS_PORT:=6379}"
	: "${HEARTBEAT_REDIS_USER:=host-$HOST_NAME}" "${HEARTBEAT_REDIS_PASSWORD:=}" "${HEARTBEAT_REDIS_PASSWORD_FILE:=}"
	require HOST_NAME '[A-Za-z0-9][A-Za-z0-9.-]{0,62}' 'letters, digits, dots and dashes'
	require HEARTBEAT_REDIS_HOST '[^[:space:]/]+' 'a host name or address'
	require HEARTBEAT_REDIS_PORT '[1-9][0-9]{0,4}' 'a port'
	require PORT_MAP_FAREWELL_SECONDS '0|[1-9][0-9]{0,4}' 'a number of seconds'
	password=$HEARTBEAT_REDIS_PASSWORD
	# What we start has no business with it.
	unset HEARTBEAT_REDIS_PASSWORD
	if [[ -n $HEARTBEAT_REDIS_PASSWORD_FILE ]]; then
		password=$(<"$HEARTBEAT_REDIS_PASSWORD_FILE") || misconfigured "cannot read HEARTBEAT_REDIS_PASSWORD_FILE"
	fi
	[[ -n $password ]] || misconfigured "set HEARTBEAT_REDIS_PASSWORD_FILE or HEARTBEAT_REDIS_PASSWORD"
}

# Sleeps without a process of its own, so that TERM ends it at once.
pause() { # seconds
	read -r -t "$1" -u "$never" || true
}

connect() {
	# Opening /dev/tcp cannot be given a time limit, a process that tries it can.
	timeout "$CONNECT_SECONDS" bash -c 'exec 3<>"/dev/tcp/$0/$1"' \
		"$HEARTBEAT_REDIS_HOST" "$HEARTBEAT_REDIS_PORT" 2>/dev/null || return 1
	{ exec {redis}<>"/dev/tcp/$HEARTBEAT_REDIS_HOST/$HEARTBEAT_REDIS_PORT"; } 2>/dev/null || return 1
	local answer
	answer=$(ask AUTH "$HEARTBEAT_REDIS_USER" "$password") || answer="no answer"
	case $answer in
	+OK) return 0 ;;
	-WRONGPASS* | -NOAUTH* | -NOPERM*)
		# Waiting does not help; whoever starts this again may have another password. What is loaded stays.
		say "REFUSED by Redis as user $HEARTBEAT_REDIS_USER: ${answer#-}"
		exit 77
		;;
	*)
		say "Redis answered AUTH with: $answer"
		disconnect
		return 1
		;;
	esac
}

disconnect() {
	[[ -z $redis ]] || exec {redis}>&-
	redis=
}

# Sends one command and prints the first line of its answer; false when none comes.
ask() { # words of the command
	local request="*$#"$'\r\n' word answer
	for word in "$@"; do
		request+="\$${#word}"$'\r\n'"$word"$'\r\n'
	done
	{ printf '%s' "$request" >&"$redis"; } 2>/dev/null || return 1
	read -r -t "$REPLY_SECONDS" -u "$redis" answer || return 1
	printf '%s' "${answer%$'\r'}"
}

# A field of what the control plane wants here, into a file. Empty when there is none; false when Redis does not answer.
fetch() { # field, file
	local answer length
	: >"$2"
	answer=$(ask HGET "port-map:$HOST_NAME" "$1") || return 1
	[[ $answer != '$-1' && $answer != _ ]] || return 0
	[[ $answer =~ ^\$([0-9]{1,7})$ ]] || {
		say "Redis answered HGET with: ${answer:0:100}"
		return 1
	}
	length=${BASH_REMATCH[1]}
	timeout "$REPLY_SECONDS" head --bytes="$((length + 2))" <&"$redis" >"$2.read" || return 1
	(($(stat --format=%s "$2.read") == length + 2)) || return 1
	head --bytes="$length" "$2.read" >"$2"
	rm "$2.read"
}

report() { # loaded or refused, revision, reason
	local reason=${3//[^A-Za-z0-9 .,:_-]/ } json
	printf -v json '{"revision":"%s","result":"%s","reason":"%s"}' "$2" "$1" "${reason:0:200}"
	[[ $(ask SET "port-map-state:$HOST_NAME" "$json" EX "$REPORT_TTL_SECONDS") == +OK ]] || return 1
	reported_at=$SECONDS
}

# Loads what is wanted, and reports what is there.
follow() {
	local revision
	fetch revision "$PORT_MAP_DIR/wanted" || return 1
	revision=$(<"$PORT_MAP_DIR/wanted")
	if [[ -n $revision && $revision != "$judged" ]]; then
		fetch document "$PORT_MAP_DIR/wanted" || return 1
		if [[ $(head -n 1 "$PORT_MAP_DIR/wanted") != "port-map 1 $revision" ]]; then
			# Written anew between the two questions: the next ones get the newer one.
			return 0
		fi
		judged=$revision
		if [[ ! -e $PORT_MAP_DIR/document ]] && ! grep --quiet '^port ' "$PORT_MAP_DIR/wanted"; then
			# Nothing is wanted, and nothing is there.
			state=loaded fault=
		elif load "$PORT_MAP_DIR/wanted"; then
			state=loaded loaded_at=$SECONDS
		else
			state=refused
			say "the document $revision is refused: $fault"
		fi
		reported_at=
	fi
	say_farewell
	if [[ -n $judged ]] && [[ -z $reported_at || $((SECONDS - reported_at)) -ge $REPORT_SECONDS ]]; then
		report "$state" "$judged" "$fault"
	fi
}

# Takes all away a while after the last port has gone.
say_farewell() {
	[[ -e $PORT_MAP_DIR/document ]] && ((SECONDS - loaded_at >= PORT_MAP_FAREWELL_SECONDS)) || return 0
	! grep --quiet '^port ' "$PORT_MAP_DIR/document" || return 0
	down
	mkdir -p "$PORT_MAP_DIR"
}

# Waits a second at most: the control plane nudges when there is news.
wait_for_news() {
	local answer
	answer=$(ask BLPOP "port-map-nudge:$HOST_NAME" 1) || return 1
	case $answer in
	'*-1' | '$-1' | _) ;;
	'*2')
		for _ in 1 2 3 4; do read -r -t "$REPLY_SECONDS" -u "$redis" || return 1; done
		;;
	*)
		say "Redis answered BLPOP with: ${answer:0:100}"
		return 1
		;;
	esac
}

watch() {
	local next_look=0 began took pause_seconds=1
	trap 'exit 0' TERM INT
	# A lost connection is an error to see, not a signal to die of.
	trap '' PIPE
	exec {never}<> <(:)
	redis='' judged='' state='' reported_at='' loaded_at=0 fault=''
	mkdir -p "$PORT_MAP_DIR"
	while true; do
		began=${EPOCHREALTIME/./}
		if ((began >= next_look)); then
			look whole || true
			took=$((${EPOCHREALTIME/./} - began))
			next_look=$((began + took * LOOK_SHARE))
		else
			look || true
		fi
		if { [[ -n $redis ]] || connect; } && follow && wait_for_news; then
			pause_seconds=1
		else
			disconnect
			pause "$pause_seconds"
			pause_seconds=$((pause_seconds * 2 < LONGEST_PAUSE_SECONDS ? pause_seconds * 2 : LONGEST_PAUSE_SECONDS))
		fi
	done
}

case "${1:-}" in
load)
	load "${2:?the file of a document}" || {
		say "refused: $fault"
		exit 65
	}
	;;
look) look whole ;;
watch)
	read_settings
	watch
	;;
down) down ;;
*)
	echo "usage: port-map.sh load FILE|look|watch|down" >&2
	exit 2
	;;
esac
