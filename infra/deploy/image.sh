#!/bin/bash
# Makes the instances' image anew, as root, when its package has an update: getaredis-image.timer runs this daily.
# Every host gets the new image before the programs that ask for it start again; instances that run keep theirs
# until they end. An image that the setting INSTANCE_IMAGE names is its owner's affair.
set -eu
umask 022

readonly HERE=/opt/getaredis
readonly SETTINGS=/etc/getaredis/control-plane.env
readonly IMAGE_SETTINGS=/etc/getaredis/image.env

setting() { sed -n "s/^$1=//p" "$SETTINGS" | tail -n 1; }
send_image() {
	PKI_DIR=/etc/getaredis/pki "$HERE/node_modules/.bin/node" \
		--env-file="$IMAGE_SETTINGS" --env-file="$SETTINGS" "$HERE/infra/deploy/send-image.ts"
}
# The control plane's own Redis may run the program of before the update.
renew_redis() {
	local pid
	pid=$(systemctl show --property=MainPID --value redis-server@getaredis.service)
	case $(readlink "/proc/$pid/exe" || true) in
	*' (deleted)') systemctl restart redis-server@getaredis.service ;;
	esac
}

[ -z "$(setting INSTANCE_IMAGE)" ] || exit 0
before=$(cat "$IMAGE_SETTINGS" 2>/dev/null || true)
"$HERE/node_modules/.bin/node" "$HERE/infra/deploy/image.ts" /var/lib/getaredis/redis-image.tar "$IMAGE_SETTINGS"
renew_redis
[ "$(cat "$IMAGE_SETTINGS")" != "$before" ] || exit 0
[ -n "$(setting DIGITALOCEAN_TOKEN)" ] || exit 0
send_image
systemctl try-restart getaredis-enrolment.service getaredis-jobs.service getaredis-api.service
# To hosts that have joined meanwhile, with the image of before.
send_image
