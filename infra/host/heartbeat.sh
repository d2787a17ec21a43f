#!/bin/bash
# Reports to Redis every few seconds that this host is alive: one key with a lifetime, nothing else.
#
# Settings, by environment:
#   HOST_NAME                      name of the host; the key is host:<name>
#   PUBLIC_IP, PRIVATE_IP          its addresses; PRIVATE_IP may be empty
#   DOCKER_PORT                    TCP port of its engine, 0 when the engine has only a unix socket
#   DOCKER_HOST                    where the docker command finds the engine (default: its own)
#   HEARTBEAT_REDIS_HOST, _PORT    where Redis is (port: 6379)
#   HEARTBEAT_REDIS_USER           default: host-<name>
#   HEARTBEAT_REDIS_PASSWORD_FILE  file that holds the password; or HEARTBEAT_REDIS_PASSWORD itself
#   HEARTBEAT_SECONDS              time between two heartbeats (4)
#   HEARTBEAT_TTL_SECONDS          lifetime of the key (10)
#
# A Redis that is away, hangs or is not ready is tried again for ever, after 1 s up to 15 s. A
# refused password is different: waiting does not help. It is reported on standard error and ends the
# script with code 77, and its supervisor starts it again. Wrong settings end it with 64.
# Nothing but bash, timeout and the docker command is needed.
set -u
# Lengths in Redis's protocol are in bytes, times in UTC.
export LC_ALL=C TZ=UTC

readonly REPLY_SECONDS=3 ENGINE_SECONDS=3 CONNECT_SECONDS=5 LONGEST_PAUSE_SECONDS=15

say() {
	printf 'heartbeat of %s: %s\n' "${HOST_NAME:-?}" "$*" >&2
}

misconfigured() {
	say "$*"
	exit 64
}

require() { # name of a setting, pattern, what it has to be
	[[ ${!1} =~ ^($2)$ ]] || misconfigured "$1 must be $3"
}

read_settings() {
	: "${HOST_NAME:=}" "${PUBLIC_IP:=}" "${PRIVATE_IP:=}" "${DOCKER_PORT:=0}"
	: "${HEARTBEAT_REDIS_HOST:=}" "${HEARTBEAT_REDIS_PORT:=6379}" "${HEARTBEAT_REDIS_USER:=host-$HOST_NAME}"
	: "${HEARTBEAT_REDIS_PASSWORD:=}" "${HEARTBEAT_REDIS_PASSWORD_FILE:=}"
	: "${HEARTBEAT_SECONDS:=4}" "${HEARTBEAT_TTL_SECONDS:=10}"
	# What goes into the JSON text is so narrow that nothing in it ever needs escaping.
	require HOST_NAME '[A-Za-z0-9][A-Za-z0-9.-]{0,62}' 'letters, digits, dots and dashes'
	require PUBLIC_IP '[0-9a-fA-F.:]+' 'an IP address'
	require PRIVATE_IP '[0-9a-fA-F.:]*' 'an IP address or empty'
	require DOCKER_PORT '0|[1-9][0-9]{0,4}' 'a port, or 0'
	require HEARTBEAT_REDIS_HOST '[^[:space:]/]+' 'a host name or address'
	require HEARTBEAT_REDIS_PORT '[1-9][0-9]{0,4}' 'a port'
	require HEARTBEAT_SECONDS '[1-9][0-9]{0,3}' 'a number of seconds'
	require HEARTBEAT_TTL_SECONDS '[1-9][0-9]{0,3}' 'a number of seconds'
	((HEARTBEAT_TTL_SECONDS > HEARTBEAT_SECONDS)) ||
		misconfigured "HEARTBEAT_TTL_SECONDS must be more than HEARTBEAT_SECONDS"

	password=$HEARTBEAT_REDIS_PASSWORD
	# What we start, the docker command, has no business with it.
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
		"$HEARTBEAT_REDIS_HOST" "$HEARTBEAT_REDIS_PORT" 2>/dev/null ||
		return 1
	{ exec {redis}<>"/dev/tcp/$HEARTBEAT_REDIS_HOST/$HEARTBEAT_REDIS_PORT"; } 2>/dev/null
}

disconnect() {
	[[ -z $redis ]] || exec {redis}>&-
	redis=
}

# Sends one command and checks its answer: true for OK, false for anything else.
command_redis() { # words of the command
	local request="*$#"$'\r\n' word answer
	for word in "$@"; do
		request+="\$${#word}"$'\r\n'"$word"$'\r\n'
	done
	{ printf '%s' "$request" >&"$redis"; } 2>/dev/null || return 1
	if ! read -r -t "$REPLY_SECONDS" -u "$redis" answer; then
		say "Redis gave no answer to $1"
		return 1
	fi
	answer=${answer%$'\r'}
	case $answer in
	+OK) return 0 ;;
	-WRONGPASS* | -NOAUTH* | -NOPERM*)
		say "REFUSED by Redis as user $HEARTBEAT_REDIS_USER: ${answer#-}"
		exit 77
		;;
	*)
		say "Redis answered $1 with: $answer"
		return 1
		;;
	esac
}

# Number of our running containers; null when the engine does not answer in time.
count_containers() {
	local line answers
	containers=0
	exec {answers}< <(timeout "$ENGINE_SECONDS" docker ps --quiet --filter label=getaredis.instance 2>/dev/null &&
		echo complete)
	while read -r -t $((ENGINE_SECONDS + 1)) -u "$answers" line; do
		if [[ $line == complete ]]; then
			exec {answers}<&-
			return
		fi
		containers=$((containers + 1))
	done
	exec {answers}<&-
	containers=null
}

read_memory() {
	local name value _
	mem_available_mb=0
	while read -r name value _; do
		if [[ $name == MemAvailable: ]]; then
			mem_available_mb=$((value / 1024))
			return
		fi
	done </proc/meminfo
}

beat() {
	local sent_at json
	count_containers
	read_memory
	printf -v sent_at '%(%Y-%m-%dT%H:%M:%SZ)T' -1
	printf -v json '{"name":"%s","publicIp":"%s","privateIp":"%s","dockerPort":%d,"containers":%s,"memAvailableMb":%s,"sentAt":"%s"}' \
		"$HOST_NAME" "$PUBLIC_IP" "$PRIVATE_IP" "$DOCKER_PORT" "$containers" "$mem_available_mb" "$sent_at"
	# The lifetime goes with the value: a key without one would show a host as alive that is gone.
	command_redis SET "host:$HOST_NAME" "$json" EX "$HEARTBEAT_TTL_SECONDS"
}

# Sends heartbeats for as long as the connection works.
beat_on() {
	local started_at
	command_redis AUTH "$HEARTBEAT_REDIS_USER" "$password" || return
	while started_at=$SECONDS && beat; do
		if ((pause_seconds != 1)); then say "connected"; fi
		pause_seconds=1
		# Redis says nothing unasked, so this waits; and it ends early when Redis hangs up.
		wait_seconds=$((HEARTBEAT_SECONDS - (SECONDS - started_at)))
		((wait_seconds > 0)) || continue
		read -r -t "$wait_seconds" -u "$redis"
		(($? > 128)) || return
	done
}

trap 'exit 0' TERM INT
# A lost connection is an error to see, not a signal to die of.
trap '' PIPE
read_settings
exec {never}<> <(:)
redis=
# 0 stands for a start, when the first connection is worth a line.
pause_seconds=0

while true; do
	if connect; then
		beat_on
		disconnect
	fi
	((pause_seconds > 0)) || pause_seconds=1
	say "no connection to Redis at $HEARTBEAT_REDIS_HOST:$HEARTBEAT_REDIS_PORT, next try in $pause_seconds s"
	pause "$pause_seconds"
	pause_seconds=$((pause_seconds * 2 < LONGEST_PAUSE_SECONDS ? pause_seconds * 2 : LONGEST_PAUSE_SECONDS))
done
