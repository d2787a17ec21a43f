#!/bin/bash
# Closes connections to instances that have not logged in in time, on Redis's side and the client's. Which
# they are, the kernel knows (see firewall.sh); their sockets are closed from outside, so that nothing inside an
# instance has to be trusted, to answer, or to have room. It also forgets which addresses had logged in to an
# instance that is gone: the next one may get its address.
#
# Settings, by environment:
#   JANITOR_SECONDS  time between two sweeps (2)
#   JANITOR_ONCE     1: sweep once, and end with an error when that failed
#   DOCKER_HOST      where the docker command finds the engine (default: its own)
#
# Needs root. While the firewall does not know who has logged in, which some kernels never do, it has nothing to do.
set -u
export LC_ALL=C

readonly ENGINE_SECONDS=10 TABLE="inet getaredis"
: "${JANITOR_SECONDS:=2}" "${JANITOR_ONCE:=}"
if ! [[ $JANITOR_SECONDS =~ ^[1-9][0-9]{0,3}$ ]]; then
	echo "janitor: JANITOR_SECONDS must be a number of seconds" >&2
	exit 64
fi

# Network namespace of the container with an address, the container with it, and what each container has.
declare -A namespace_of=() container_at=() facts_of=()
# Connections that were closed, for as long as the kernel lists them.
declare -A closed=()
known_interfaces= looks=3 fault=

say() { echo "janitor: $*" >&2; }

# In the background and waited for, so that TERM ends this script and not just the command.
patiently() {
	timeout "$ENGINE_SECONDS" "$@" &
	wait $!
}

# Not by /sys, which shows the network of whoever mounted it.
names_of_interfaces() {
	local name
	while IFS=: read -r name _; do printf '%s ' "${name// /}"; done </proc/net/dev
}

# The elements of a set of the firewall's, a line each: "192.0.2.1 50000 172.18.0.2".
elements_of() { # name of the set
	local text
	# shellcheck disable=SC2086 # two words
	text=$(nft list set $TABLE "$1" 2>/dev/null) || return
	[[ $text == *elements\ =\ {* ]] || return 0
	text=${text#*elements = {}
	text=${text%%\}*}
	text=${text// . / }
	printf '%s\n' "${text//,/$'\n'}"
}

# Reads which container has which address. Only what is new is asked for.
read_containers() {
	local ids id namespace address unknown=() answer
	ids=$(patiently docker ps --quiet --no-trunc --filter label=getaredis.instance) || return
	for id in $ids; do
		# One that has been started again has another.
		namespace=${facts_of[$id]:-}
		[[ -n $namespace && -e ${namespace% *} ]] || unknown+=("$id")
	done
	if ((${#unknown[@]} > 0)); then
		# Containers that end meanwhile make it fail, and the others are told all the same.
		answer=$(patiently docker inspect --format \
			'{{.Id}} {{.NetworkSettings.SandboxKey}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' \
			"${unknown[@]}" 2>/dev/null)
		while read -r id namespace address _; do
			# Not connected yet, or not any more.
			[[ -n $namespace && -n $address ]] && facts_of[$id]="$namespace $address"
		done <<<"$answer"
	fi
	local -A before=()
	for address in "${!container_at[@]}"; do before[$address]=${container_at[$address]}; done
	namespace_of=() container_at=()
	for id in $ids; do
		read -r namespace address <<<"${facts_of[$id]:-}"
		[[ -n $address ]] || continue
		namespace_of[$address]=$namespace
		container_at[$address]=$id
	done
	for id in "${!facts_of[@]}"; do
		[[ " ${ids//$'\n'/ } " == *" $id "* ]] || unset "facts_of[$id]"
	done
	forget_callers
}

# Forgets who had logged in where another container is now, or none. That is also so with one that came since the
# last sweep: the address may have been another's in between.
forget_callers() {
	local client instance
	while read -r client instance _; do
		[[ -n $instance && ${container_at[$instance]:-none} != "${before[$instance]:-}" ]] || continue
		# Gone by itself by now is as good.
		# shellcheck disable=SC2086
		nft delete element $TABLE known "{ $client . $instance }" 2>/dev/null
	done < <(elements_of known)
}

# Whether somebody is known to an instance that no container is seen of.
is_gone_known() {
	local instance
	while read -r _ instance _; do
		[[ -z $instance || -n ${container_at[$instance]:-} ]] || return 0
	done < <(elements_of known)
	return 1
}

# Closes the sockets of an instance that belong to some connections.
close_connections() { # address of the instance, "<address> <port>" of each client
	local namespace=${namespace_of[$1]:-} filter client
	shift
	while (($# > 0)); do
		filter=
		# An argument has a longest length.
		for client in "${@:1:100}"; do
			filter+="${filter:+ or }( dst ${client% *} and dport = :${client#* } )"
		done
		nsenter --net="$namespace" -- ss --kill --no-header --numeric --tcp state connected "$filter" >/dev/null || return
		shift $(($# < 100 ? $# : 100))
	done
}

sweep() {
	local pending client port instance key clients interfaces failed=0
	local -A in_time=() overdue=() still=()
	# There are other interfaces when containers came or went; the engine lists a new one some time later.
	interfaces=$(names_of_interfaces)
	[[ $interfaces == "$known_interfaces" ]] || looks=3
	known_interfaces=$interfaces
	# Or one came and went between two sweeps.
	! is_gone_known || looks=$((looks > 0 ? looks : 1))
	if ((looks > 0)); then
		looks=$((looks - 1))
		read_containers || failed=1
	fi
	# In this order: what is pending first, and in time then, is in both.
	pending=$(elements_of pending) || return
	[[ -n $pending ]] || { closed=() && return "$failed"; }
	while read -r client port instance _; do
		[[ -n $instance ]] && in_time["$client $port $instance"]=1
	done < <(elements_of in_time)
	while read -r client port instance _; do
		key="$client $port $instance"
		[[ -n $instance && -z ${in_time[$key]:-} ]] || continue
		still[$key]=1
		[[ -n ${closed[$key]:-} ]] || overdue[$instance]+="$client $port"$'\n'
	done <<<"$pending"
	closed=()
	for key in "${!still[@]}"; do closed[$key]=1; done
	for instance in "${!overdue[@]}"; do
		[[ -e ${namespace_of[$instance]:-none} ]] || read_containers || failed=1
		# An instance that is gone has no connections.
		[[ -n ${namespace_of[$instance]:-} ]] || continue
		mapfile -t clients <<<"${overdue[$instance]%$'\n'}"
		if ! close_connections "$instance" "${clients[@]}"; then
			failed=1 looks=3
			for client in "${clients[@]}"; do unset "closed[$client $instance]"; done
		fi
	done
	return "$failed"
}

trap 'exit 0' TERM INT
if [[ $JANITOR_ONCE == 1 ]]; then
	sweep
	exit
fi
exec {never}<> <(:)
while true; do
	if sweep; then
		fault=
	elif [[ $fault != said ]]; then
		say "connections are not closed now: the firewall is not up or cannot tell who has logged in, or the engine or" \
			"a socket's end failed"
		fault=said
	fi
	read -r -t "$JANITOR_SECONDS" -u "$never" || true
done
