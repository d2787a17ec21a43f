#!/bin/bash
# Makes a Debian 12 or Ubuntu 24.04 droplet the control plane of Get a Redis, as root:
#
#   infra/deploy/install.sh redis.example.org [--certbot mail@example.org]
#
# The name is where people reach the service; with --certbot it gets a certificate from Let's Encrypt, else
# a self-made one. Run again, it finds what is done, takes changed settings and a newer checkout into
# service, and keeps every secret; the name is known by then. README.md beside this file has the rest.
set -eu
umask 022

readonly HERE=/opt/getaredis
readonly CONF=/etc/getaredis
readonly SETTINGS=$CONF/control-plane.env
readonly IMAGE_SETTINGS=$CONF/image.env
readonly STATE=/var/lib/getaredis
readonly METADATA=http://169.254.169.254/metadata/v1
readonly PROGRAMS=(getaredis-enrolment.service getaredis-jobs.service getaredis-api.service)
# What is ours to keep up to date, once it is installed; the program of the instances is image.ts's.
readonly PACKAGES=(nginx mariadb-server nftables openssl curl certbot)

say() { echo "✓ $*"; }
fail() {
	echo "install.sh: $*" >&2
	exit 1
}

read_arguments() {
	name='' mail=''
	while [ $# != 0 ]; do
		case $1 in
		--certbot) mail=${2:-} && shift ;;
		-*) fail "unknown option $1; usage: install.sh <public name> [--certbot <mail address>]" ;;
		*) name=$1 ;;
		esac
		shift
	done
	[ -n "$name" ] || name=$(cat "$CONF/name" 2>/dev/null || true)
	[[ $name =~ ^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$ ]] ||
		fail "name the service as people reach it, in small letters: install.sh redis.example.org"
}

check_place() {
	[ "$(id -u)" = 0 ] || fail "run this as root"
	[ "$(readlink -f "$(dirname "$0")/../..")" = "$HERE" ] ||
		fail "the units look for the checkout in $HERE: clone it there, and run $HERE/infra/deploy/install.sh"
	command -v apt-get >/dev/null || fail "this is for Debian and Ubuntu"
}

# Commands and packages in turn: what is there already, from wherever, is not installed again.
have() {
	local missing=()
	while [ $# != 0 ]; do
		command -v "$1" >/dev/null || missing+=("$2")
		shift 2
	done
	[ "${#missing[@]}" != 0 ] || return 0
	export DEBIAN_FRONTEND=noninteractive
	local apt=(sh "$HERE/infra/servers/apt-get.sh" -o Dpkg::Use-Pty=0 --yes -qq)
	# The lists may be missing or too old: that is only known when the first try fails. All that dpkg says
	# is in /var/log/apt/term.log.
	"${apt[@]}" install --no-install-recommends "${missing[@]}" >/dev/null ||
		{ "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "${missing[@]}" >/dev/null; } ||
		fail "apt-get could not install ${missing[*]}"
	say "packages ${missing[*]}"
}

# A stock machine's lists are as old as its image, and what it has installed as well.
upgrade() {
	local stamp=/var/lib/apt/periodic/update-success-stamp package before installed=()
	export DEBIAN_FRONTEND=noninteractive
	local apt=(sh "$HERE/infra/servers/apt-get.sh" -o Dpkg::Use-Pty=0 --yes -qq)
	if [ -z "$(find "$stamp" -mmin -1440 2>/dev/null)" ]; then
		if "${apt[@]}" update -o APT::Update::Error-Mode=any -o Acquire::Retries=1 -o Acquire::http::Timeout=15; then
			mkdir -p "$(dirname "$stamp")"
			touch "$stamp"
		else
			echo "! the package lists could not be read anew: security updates may be missing" >&2
		fi
	fi
	for package in "${PACKAGES[@]}"; do
		[[ $(dpkg-query --show --showformat='${db:Status-Abbrev}' "$package" 2>/dev/null || true) != ii* ]] ||
			installed+=("$package")
	done
	[ "${#installed[@]}" != 0 ] || return 0
	before=$(dpkg-query --show "${installed[@]}")
	"${apt[@]}" install --only-upgrade --no-install-recommends "${installed[@]}" >/dev/null ||
		echo "! some of ${installed[*]} could not be upgraded: security updates may be missing" >&2
	[ "$(dpkg-query --show "${installed[@]}")" = "$before" ] || say "upgraded what there was of ${installed[*]}"
}

metadata() {
	curl --fail --silent --show-error --max-time 5 "$METADATA/$1" ||
		fail "the droplet's metadata do not answer: is this a droplet with a private network?"
}

read_addresses() {
	private_address=$(metadata interfaces/private/0/ipv4/address)
	private_network=$(ip -4 route show proto kernel |
		awk -v source="$private_address" '{ for (i = 1; i < NF; i++) if ($i == "src" && $(i + 1) == source) print $1 }')
	[[ $private_network == */* ]] || fail "no route leads to the private network of $private_address"
	region=$(metadata region)
	ssh_ports=$(sshd -T 2>/dev/null | awk '$1 == "port" { print $2 }' | paste -sd, || true)
}

setting() { # name, what it is when it is not set
	local value
	value=$(sed -n "s/^$1=//p" "$SETTINGS" | tail -n 1)
	echo "${value:-${2:-}}"
}

# Puts a template with the facts of this machine into its place, whole or not at all; has_changed tells whether that
# changed it.
render() { # template, place, mode, group
	local facts=(-e "s|<name>|$name|g" -e "s|<region>|$region|g" -e "s|<ssh ports>|${ssh_ports:-22}|g"
		-e "s|<private address>|$private_address|g" -e "s|<private network>|$private_network|g")
	[ ! -e "$SETTINGS" ] || facts+=(-e "s|<connections of an address>|$(setting PRIVATE_CONNECTIONS_PER_ADDRESS 8)|g"
		-e "s|<connects a minute>|$(setting PRIVATE_CONNECTS_PER_MINUTE 120)|g"
		-e "s|<connections>|$(setting PRIVATE_CONNECTIONS 1000)|g"
		-e "s|<password hash>|$(printf %s "$(redis_password)" | sha256sum | cut -d' ' -f1)|g")
	for secret in 'mysql password' 'redis password' 'ops token' 'server secret'; do
		facts+=(-e "s|<$secret>|$(openssl rand -hex 24)|g")
	done
	(umask 077 && sed "${facts[@]}" "$HERE/infra/deploy/$1" >"$2.new")
	chown "root:$4" "$2.new"
	chmod "$3" "$2.new"
	has_changed=yes
	! cmp --silent "$2.new" "$2" || has_changed=no
	mv "$2.new" "$2"
}

mysql_password() {
	setting MYSQL_URL | sed -n 's|^mysql://getaredis:\([A-Za-z0-9]*\)@127\.0\.0\.1:3306/getaredis$|\1|p'
}
redis_password() { setting REDIS_URL | sed -n 's|^redis://getaredis:\([A-Za-z0-9]*\)@127\.0\.0\.1:6380$|\1|p'; }

make_settings() {
	mkdir -p "$CONF" "$STATE/acme"
	echo "$name" >"$CONF/name"
	if [ ! -e "$SETTINGS" ]; then
		render control-plane.env.example "$SETTINGS" 600 root
		say "settings in $SETTINGS"
	fi
	private_address=$(setting ENROLMENT_HOST) private_network=$(setting PRIVATE_NETWORK)
}

take_checkout() {
	[ -x "$HERE/node_modules/.bin/node" ] || have npm npm
	# Whatever it runs, it installs the npm packages first, when they are missing or have changed.
	sh "$HERE/infra/run.sh" infra/pki/main.ts --help >/dev/null
	# Every program runs as a user of its own, and each reads the checkout.
	chmod go=rx "$HERE"
	chmod -R go=rX "$HERE/apps" "$HERE/infra" "$HERE/migrations" "$HERE/public" "$HERE/node_modules" "$HERE/package.json"
	say "checkout $HERE with its npm packages"
}

set_up_mariadb() {
	local password host
	password=$(mysql_password)
	[ -n "$password" ] || { say "MYSQL_URL names another database: none is set up here" && return; }
	have mariadbd-safe mariadb-server
	systemctl enable --quiet --now mariadb.service
	for host in localhost 127.0.0.1; do
		printf '%s;\n' "CREATE DATABASE IF NOT EXISTS getaredis CHARACTER SET utf8mb4" \
			"CREATE USER IF NOT EXISTS 'getaredis'@'$host' IDENTIFIED BY '$password'" \
			"ALTER USER 'getaredis'@'$host' IDENTIFIED BY '$password'" \
			"GRANT ALL PRIVILEGES ON getaredis.* TO 'getaredis'@'$host'"
	done | mariadb
	# Older packages made accounts without a name, for anybody.
	printf '%s;\n' "DELETE FROM mysql.global_priv WHERE user = ''" "DELETE FROM mysql.db WHERE user = ''" \
		'FLUSH PRIVILEGES' | mariadb
	say "MariaDB, database getaredis"
}

set_up_redis() {
	local was_there=yes
	command -v redis-server >/dev/null || was_there=no
	# Its program is in the image of the instances, wherever the control plane's own Redis is.
	have redis-server redis-server
	# The distribution's own instance came with the package just now, and nobody uses it.
	[ $was_there = yes ] || systemctl disable --quiet --now redis-server.service
	[ -n "$(redis_password)" ] || { say "REDIS_URL names another Redis: none is set up here" && return; }
	mkdir -p /etc/systemd/system/redis-server@getaredis.service.d
	install -m 644 "$HERE/infra/deploy/units/redis-network.conf" \
		/etc/systemd/system/redis-server@getaredis.service.d/network.conf
	systemctl daemon-reload
	systemctl enable --quiet redis-server@getaredis.service
	render redis.conf /etc/redis/redis-getaredis.conf 640 redis
	[ $has_changed = no ] || systemctl restart redis-server@getaredis.service
	systemctl start redis-server@getaredis.service
	say "Redis for heartbeats on $private_address"
}

make_image() {
	if [ -n "$(setting INSTANCE_IMAGE)" ]; then
		: >"$IMAGE_SETTINGS"
		say "droplets pull the image $(setting INSTANCE_IMAGE)"
	else
		"$HERE/node_modules/.bin/node" "$HERE/infra/deploy/image.ts" "$STATE/redis-image.tar" "$IMAGE_SETTINGS"
	fi
}

set_up_units() {
	install -m 644 "$HERE"/infra/deploy/units/getaredis-* /etc/systemd/system/
	systemctl daemon-reload
	systemctl enable --quiet --now getaredis-pki.timer getaredis-backup.timer getaredis-image.timer
	bash "$HERE/infra/deploy/pki.sh"
}

set_up_firewall() {
	local name
	have nft nftables
	for name in PRIVATE_CONNECTIONS_PER_ADDRESS PRIVATE_CONNECTS_PER_MINUTE PRIVATE_CONNECTIONS; do
		[[ $(setting "$name" 1) =~ ^[1-9][0-9]{0,5}$ ]] || fail "$name in $SETTINGS must be a whole number"
	done
	render firewall.nft "$CONF/firewall.nft" 644 root
	systemctl enable --quiet getaredis-firewall.service
	systemctl restart getaredis-firewall.service
	say "firewall: ${ssh_ports:-22}, 80 and 443 are open, and to $private_network 6380 and 8443"
}

set_up_nginx() {
	have nginx nginx
	mkdir -p "$CONF/tls"
	if [ -e "/etc/letsencrypt/live/$name/privkey.pem" ]; then
		ln -sfn -t "$CONF/tls" "/etc/letsencrypt/live/$name/fullchain.pem" "/etc/letsencrypt/live/$name/privkey.pem"
	elif [ ! -e "$CONF/tls/privkey.pem" ]; then
		# From a backup they are links to certificates of the machine before.
		rm -f "$CONF/tls/privkey.pem" "$CONF/tls/fullchain.pem"
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj "/CN=$name" \
			-addext "subjectAltName=DNS:$name" \
			-keyout "$CONF/tls/privkey.pem" -out "$CONF/tls/fullchain.pem" 2>/dev/null ||
				fail "openssl could not make a certificate in $CONF/tls"
		say "a self-made certificate for $name; browsers warn of it"
	fi
	render nginx-site.conf /etc/nginx/sites-available/getaredis.conf 644 root
	ln -sfn ../sites-available/getaredis.conf /etc/nginx/sites-enabled/getaredis.conf
	rm -f /etc/nginx/sites-enabled/default
	nginx -t -q
	systemctl enable --quiet nginx.service
	systemctl reload-or-restart nginx.service
	say "nginx for https://$name/"
}

get_certificate() {
	[ -n "$mail" ] || return 0
	[ ! -e "/etc/letsencrypt/live/$name/privkey.pem" ] || return 0
	have certbot certbot
	certbot certonly --non-interactive --agree-tos --email "$mail" \
		--webroot --webroot-path "$STATE/acme" --domain "$name" --deploy-hook 'systemctl reload nginx.service'
	set_up_nginx
}

send_image() {
	PKI_DIR=$CONF/pki "$HERE/node_modules/.bin/node" \
		--env-file="$IMAGE_SETTINGS" --env-file="$SETTINGS" "$HERE/infra/deploy/send-image.ts"
}

start() {
	if [ -z "$(setting DIGITALOCEAN_TOKEN)" ]; then
		printf '\nOne thing is left: set DIGITALOCEAN_TOKEN in %s, look over the rest of it, and run\n  %s\n' \
			"$SETTINGS" "$HERE/infra/deploy/install.sh"
		return
	fi
	systemctl enable --quiet getaredis-migrate.service "${PROGRAMS[@]}"
	systemctl restart getaredis-migrate.service
	send_image
	systemctl restart "${PROGRAMS[@]}"
	# To hosts that have joined meanwhile, with the image of before.
	send_image
	curl --silent --fail --retry 30 --retry-delay 1 --retry-connrefused --output /dev/null http://127.0.0.1:8080/healthz ||
		fail "the API does not answer: journalctl -u getaredis-api"
	printf '\nGet a Redis runs: https://%s/\n' "$name"
	printf '  ops     the token is OPS_TOKEN in %s\n  logs    journalctl -fu "getaredis-*"\n' "$SETTINGS"
}

read_arguments "$@"
check_place
upgrade
have curl curl openssl openssl ip iproute2
read_addresses
make_settings
take_checkout
set_up_mariadb
set_up_redis
make_image
set_up_units
set_up_firewall
set_up_nginx
get_certificate
start
