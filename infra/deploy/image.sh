#!/bin/bash
# Makes the instances' image anew, as root, when its package has an update: getaredis-image.timer runs this daily.
# Every host gets the new image before the programs that ask for it start again; instances that run keep theirs
# until they end. An image that the setting INSTANCE_IMAGE names is its owner's affair.
#
# `image.sh provide` only sees to it that the engine of a single box has the image of the settings.
set -eu
umask 022

HERE=$(readlink -f "$(dirname "$0")/../..")
readonly HERE IMAGE_SETTINGS=/etc/getaredis/image.env ARCHIVE=/var/lib/getaredis/redis-image.tar
SETTINGS=/etc/getaredis/control-plane.env
is_box=no
if [ -e /etc/getaredis/single-box.env ]; then
	SETTINGS=/etc/getaredis/single-box.env is_box=yes
fi
readonly SETTINGS is_box

setting() { sed -n "s/^$1=//p" "$SETTINGS" | tail -n 1; }

send_image() {
	if [ $is_box = yes ]; then
		provide_here
		return
	fi
	PKI_DIR=/etc/getaredis/pki "$HERE/node_modules/.bin/node" \
		--env-file="$IMAGE_SETTINGS" --env-file="$SETTINGS" "$HERE/infra/deploy/send-image.ts"
}
provide_here() {
	local reference own
	export DOCKER_HOST=unix:///run/docker.sock
	own=$(setting INSTANCE_IMAGE)
	reference=${own:-$(sed -n 's/^INSTANCE_IMAGE=//p' "$IMAGE_SETTINGS")}
	! docker image inspect "$reference" >/dev/null 2>&1 || return 0
	if [ -n "$own" ]; then
		docker pull --quiet "$own"
	else
		docker load --quiet --input "$ARCHIVE"
		# Those of before, but for what runs: docker refuses to remove that.
		docker image ls --format '{{.Repository}}:{{.Tag}}' 'getaredis/*' | grep -vFx "$reference" |
			xargs --no-run-if-empty docker image rm >/dev/null 2>&1 || true
	fi
}
# The control plane's own Redis may run the program of before the update.
renew_redis() {
	local pid
	pid=$(systemctl show --property=MainPID --value redis-server@getaredis.service)
	case $(readlink "/proc/$pid/exe" || true) in
	*' (deleted)') systemctl restart redis-server@getaredis.service ;;
	esac
}

if [ "${1:-}" = provide ]; then
	provide_here
	exit
fi
[ -z "$(setting INSTANCE_IMAGE)" ] || exit 0
before=$(cat "$IMAGE_SETTINGS" 2>/dev/null || true)
"$HERE/node_modules/.bin/node" "$HERE/infra/deploy/image.ts" "$ARCHIVE" "$IMAGE_SETTINGS"
renew_redis
[ "$(cat "$IMAGE_SETTINGS")" != "$before" ] || exit 0
[ $is_box = yes ] || [ -n "$(setting DIGITALOCEAN_TOKEN)" ] || exit 0
send_image
systemctl try-restart getaredis-jobs.service getaredis-api.service
[ $is_box = no ] || exit 0
systemctl try-restart getaredis-enrolment.service
# To hosts that have joined meanwhile, with the image of before.
send_image
