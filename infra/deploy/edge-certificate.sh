#!/bin/bash
# Gives the gateway the newest certificate for *.EDGE_DOMAIN, as root: fullchain.pem and privkey.pem of the folder
# EDGE_CERT_DIR, or of certbot's own for the edge. certbot runs this after each renewal, and
# getaredis-edge-certificate.timer once a day for a folder that somebody else keeps. The gateway sees by itself that
# there is another one, and drops no connection.
#
# A certificate that cannot be used takes no other one's place: it has to be valid for a day or more, for the domain's
# names, and with this key.
set -eu
umask 077

readonly CERTIFICATES=/etc/getaredis/edge GATEWAY=getaredis-gateway DAY_SECONDS=86400
readonly CERTBOTS=/etc/letsencrypt/live/getaredis-edge

fail() {
	echo "edge-certificate.sh: $*" >&2
	exit 1
}

setting() { sed -n "s/^$1=//p" /etc/getaredis/{control-plane,single-box}.env 2>/dev/null | tail -n 1; }

check() { # folder
	local chain=$1/fullchain.pem key=$1/privkey.pem public
	public=$(openssl x509 -in "$chain" -noout -pubkey 2>/dev/null) || fail "$from/fullchain.pem is no certificate"
	[ "$public" = "$(openssl pkey -in "$key" -pubout 2>/dev/null)" ] ||
		fail "$from/privkey.pem is not the key of the certificate beside it"
	openssl x509 -in "$chain" -noout -checkend $DAY_SECONDS >/dev/null ||
		fail "the certificate in $from is over, or will be in a day: $(openssl x509 -in "$chain" -noout -enddate)"
	openssl x509 -in "$chain" -noout -checkhost "any.$domain" | grep -q 'does match' ||
		fail "the certificate in $from is not for *.$domain"
}

domain=$(setting EDGE_DOMAIN)
# Without an edge there is nothing to do, as when certbot renews what it was once asked for.
[ -n "$domain" ] || exit 0
from=$(setting EDGE_CERT_DIR)
from=${from:-$CERTBOTS}
[ -r "$from/fullchain.pem" ] && [ -r "$from/privkey.pem" ] || fail "$from has no fullchain.pem and privkey.pem"
getent passwd $GATEWAY >/dev/null ||
	useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin $GATEWAY
install -d -m 750 -g $GATEWAY $CERTIFICATES

# Copied first: what is checked is what is taken.
name=$(cat "$from/fullchain.pem" "$from/privkey.pem" | sha256sum | cut -c1-16)
[ "$(readlink $CERTIFICATES/current || true)" != "$name" ] || exit 0
new=$CERTIFICATES/$name
rm -rf "$new" && install -d -m 750 -g $GATEWAY "$new"
trap 'rm -rf "$new"' EXIT
install -m 640 -g $GATEWAY -t "$new" "$from/fullchain.pem" "$from/privkey.pem"
check "$new"
trap - EXIT
# Both files at once: at no moment is there one's key with the other's certificate.
ln -sfn "$name" $CERTIFICATES/current.new
mv --no-target-directory $CERTIFICATES/current.new $CERTIFICATES/current
find $CERTIFICATES -mindepth 1 -maxdepth 1 -type d ! -name "$name" -exec rm -r {} +
echo "✓ certificate for *.$domain, valid until $(openssl x509 -in "$new/fullchain.pem" -noout -enddate | cut -d= -f2)"
