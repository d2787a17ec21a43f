# What the set-ups of a fleet's control plane and of a single box share; sourced by install.sh and by
# single-box/activate.sh. Whoever sources it has set
#   HERE      the code that is put into service
#   SETTINGS  its file of settings and secrets
#   facts     arguments of sed that fill in templates; grows as things become known

readonly CONF=/etc/getaredis
readonly IMAGE_SETTINGS=$CONF/image.env
readonly STATE=/var/lib/getaredis
# What is ours to keep up to date, once it is installed; the program of the instances is image.ts's.
readonly PACKAGES=(nginx mariadb-server nftables openssl curl certbot haproxy)

say() { echo "✓ $*"; }
warn() { echo "! $*" >&2; }
fail() {
	echo "install.sh: $*" >&2
	exit 1
}

# Nobody answers here: files that the operator has changed stay as they are.
apt() {
	DEBIAN_FRONTEND=noninteractive sh "$HERE/infra/servers/apt-get.sh" -o Dpkg::Use-Pty=0 \
		-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold --yes -qq "$@" </dev/null
}

# Commands and packages in turn: what is there already, from wherever, is not installed again.
have() {
	local missing=()
	while [ $# != 0 ]; do
		command -v "$1" >/dev/null || missing+=("$2")
		shift 2
	done
	[ "${#missing[@]}" != 0 ] || return 0
	# The lists may be missing or too old: that is only known when the first try fails. All that dpkg says
	# is in /var/log/apt/term.log.
	noting_packages install_packages "${missing[@]}" ||
		fail "apt-get could not install ${missing[*]}"
	say "packages ${missing[*]}"
}

install_packages() {
	apt install --no-install-recommends "$@" >/dev/null ||
		{ apt update && apt install --no-install-recommends "$@" >/dev/null; }
}

# Notes which packages a command has installed, for the uninstall of a single box.
noting_packages() { # words of a command
	local before code=0
	before=$(list_packages)
	"$@" || code=$?
	comm -13 <(echo "$before") <(list_packages) >>"$STATE/packages"
	return $code
}

list_packages() {
	dpkg-query --show --showformat='${db:Status-Abbrev} ${Package}\n' | awk '/^ii/ { print $2 }' | sort -u
}

# A stock machine's lists are as old as its image, and what it has installed as well.
upgrade() {
	local stamp=/var/lib/apt/periodic/update-success-stamp package before installed=()
	if [ -z "$(find "$stamp" -mmin -1440 2>/dev/null)" ]; then
		if apt update -o APT::Update::Error-Mode=any -o Acquire::Retries=1 -o Acquire::http::Timeout=15; then
			mkdir -p "$(dirname "$stamp")"
			touch "$stamp"
		else
			warn "the package lists could not be updated: security updates may be missing"
		fi
	fi
	# No list has changed since the last time, so there is nothing newer.
	if [ -e "$STATE/upgraded" ] && [ -z "$(find /var/lib/apt/lists -newer "$STATE/upgraded" -print -quit)" ]; then
		return 0
	fi
	for package in "${PACKAGES[@]}"; do
		[[ $(dpkg-query --show --showformat='${db:Status-Abbrev}' "$package" 2>/dev/null || true) != ii* ]] ||
			installed+=("$package")
	done
	[ "${#installed[@]}" != 0 ] || return 0
	before=$(dpkg-query --show "${installed[@]}")
	if apt install --only-upgrade --no-install-recommends "${installed[@]}" >/dev/null; then
		touch "$STATE/upgraded"
	else
		warn "some of ${installed[*]} could not be upgraded: security updates may be missing"
	fi
	[ "$(dpkg-query --show "${installed[@]}")" = "$before" ] || say "upgraded what there was of ${installed[*]}"
}

# Enables units, and starts them with --now; asking first takes a tenth of the time.
enable() { # --now or nothing, units
	local unit now=()
	[ "$1" != --now ] || { now=(--now) && shift; }
	for unit in "$@"; do
		if systemctl is-enabled --quiet "$unit" 2>/dev/null &&
			{ [ "${#now[@]}" = 0 ] || systemctl is-active --quiet "$unit"; }; then
			continue
		fi
		systemctl enable --quiet "${now[@]}" "$unit" 2>/dev/null || fail "$unit cannot be enabled: systemctl status $unit"
	done
}

setting() { # name, what it is when it is not set
	local value
	value=$(sed -n "s/^$1=//p" "$SETTINGS" | tail -n 1)
	echo "${value:-${2:-}}"
}

# Names and values in turn: adds settings that a file from before does not have, set or commented out by hand.
complete_settings() {
	while [ $# != 0 ]; do
		grep -q "^#\?$1=" "$SETTINGS" || echo "$1=$2" >>"$SETTINGS"
		shift 2
	done
}

# Puts a template with the facts of this machine into its place, whole or not at all; has_changed tells whether that
# changed it.
render() { # template, place, mode, group
	local secret made=()
	for secret in 'mysql password' 'redis password' 'ops token' 'server secret'; do
		made+=(-e "s|<$secret>|$(openssl rand -hex 24)|g")
	done
	(umask 077 && sed "${facts[@]}" "${made[@]}" "$HERE/infra/deploy/$1" >"$2.new")
	put "$2.new" "$2" "$3" "$4"
}

# The same for a file that is made already.
put() { # file, place, mode, group
	chown "root:$4" "$1"
	chmod "$3" "$1"
	has_changed=yes
	! cmp --silent "$1" "$2" || has_changed=no
	mv "$1" "$2"
}

mysql_password() {
	setting MYSQL_URL | sed -n 's|^mysql://getaredis:\([A-Za-z0-9]*\)@127\.0\.0\.1:3306/getaredis$|\1|p'
}
redis_password() { setting REDIS_URL | sed -n 's|^redis://getaredis:\([A-Za-z0-9]*\)@127\.0\.0\.1:6380$|\1|p'; }
sha256() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

# The command line on everybody's path; a program of that name that somebody else has put there stays.
link_command_line() { # folder of the code
	local link=/usr/local/bin/getaredis
	if [ -e $link ] && [ ! -L $link ]; then
		warn "$link is a file of somebody else's: the command line is $1/apps/cli/getaredis"
	else
		ln -sfn "$1/apps/cli/getaredis" $link
	fi
}

# Where sshd listens, and where it is connected now: both stay open, whatever the other says.
ssh_ports() {
	{
		sshd -T 2>/dev/null | awk '$1 == "port" { print $2 }' || true
		# With a socket unit it is systemd that listens.
		systemctl show --property=Listen ssh.socket 2>/dev/null | grep -o ':[0-9]* (Stream)' | tr -dc '0-9\n' || true
		ss --no-header --numeric --tcp --processes 2>/dev/null | awk '/"sshd/ { print $4 }' | sed 's/.*://' || true
		ss --no-header --numeric --tcp --processes --listening 2>/dev/null |
			awk '/"sshd/ { print $4 }' | sed 's/.*://' || true
		# "<client> <its port> <our address> <our port>", where sudo has left it.
		echo "${SSH_CONNECTION:-}" | awk '{ print $4 }'
	} | awk '/^[0-9]+$/ && $1 > 0 && !seen[$1]++' | sort -n | paste -sd, | sed 's/^$/22/'
}

set_up_mariadb() {
	local password host
	password=$(mysql_password)
	[ -n "$password" ] || { say "MYSQL_URL names another database: none is set up here" && return; }
	have mariadbd-safe mariadb-server
	enable --now mariadb.service
	for host in localhost 127.0.0.1; do
		printf '%s;\n' "CREATE DATABASE IF NOT EXISTS getaredis CHARACTER SET utf8mb4" \
			"CREATE USER IF NOT EXISTS 'getaredis'@'$host' IDENTIFIED BY '$password'" \
			"ALTER USER 'getaredis'@'$host' IDENTIFIED BY '$password'" \
			"GRANT ALL PRIVILEGES ON getaredis.* TO 'getaredis'@'$host'"
	done | mariadb
	# Older packages made accounts without a name, for anybody.
	printf '%s;\n' "DELETE FROM mysql.global_priv WHERE user = ''" "DELETE FROM mysql.db WHERE user = ''" \
		'FLUSH PRIVILEGES' | mariadb
}

# Installs the distribution's Redis without its own instance. Its program is in the image of the instances as well.
have_redis() {
	local was_there=yes
	command -v redis-server >/dev/null || was_there=no
	have redis-server redis-server
	# The distribution's own instance came with the package just now, and nobody uses it.
	[ $was_there = yes ] || systemctl disable --quiet --now redis-server.service
}

# Runs an instance of our own, as /etc/redis/redis-getaredis.conf.new has it.
start_redis() {
	local drop_in=/etc/systemd/system/redis-server@getaredis.service.d/network.conf
	mkdir -p "$(dirname $drop_in)"
	if ! cmp --silent "$HERE/infra/deploy/units/redis-network.conf" $drop_in; then
		install -m 644 "$HERE/infra/deploy/units/redis-network.conf" $drop_in
		systemctl daemon-reload
	fi
	enable redis-server@getaredis.service
	put /etc/redis/redis-getaredis.conf.new /etc/redis/redis-getaredis.conf 640 redis
	[ $has_changed = no ] || systemctl restart redis-server@getaredis.service
	systemctl start redis-server@getaredis.service
}

# What nginx shows: the certificate that certbot has got for the name, else what is there, else a self-made one.
provide_certificate() {
	mkdir -p "$CONF/tls"
	if [ -e "/etc/letsencrypt/live/$name/privkey.pem" ]; then
		ln -sfn -t "$CONF/tls" "/etc/letsencrypt/live/$name/fullchain.pem" "/etc/letsencrypt/live/$name/privkey.pem"
	elif [ ! -e "$CONF/tls/privkey.pem" ]; then
		# From a backup they are links to certificates of the machine before.
		rm -f "$CONF/tls/privkey.pem" "$CONF/tls/fullchain.pem"
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj "/CN=$name" \
			-addext "subjectAltName=$(subject_kind):$name" \
			-keyout "$CONF/tls/privkey.pem" -out "$CONF/tls/fullchain.pem" 2>/dev/null ||
				fail "openssl could not make a certificate in $CONF/tls"
		say "a self-made certificate for $name; browsers warn of it"
	fi
}

subject_kind() { if [[ $name =~ ^[0-9.]+$ ]]; then echo IP; else echo DNS; fi; }

enable_site() {
	ln -sfn ../sites-available/getaredis.conf /etc/nginx/sites-enabled/getaredis.conf
	rm -f /etc/nginx/sites-enabled/default
	nginx -t -q
	enable nginx.service
	systemctl reload-or-restart nginx.service
}

ask_certbot() {
	have certbot certbot
	certbot certonly --quiet --non-interactive --agree-tos --email "$mail" \
		--webroot --webroot-path "$STATE/acme" --domain "$name" --deploy-hook 'systemctl reload nginx.service'
}
