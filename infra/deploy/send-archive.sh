#!/bin/bash
# Sends a host the images of an archive that comes on standard input, as root on the control plane or the single box:
#
#   docker save web:1 | ssh control-plane sudo /opt/getaredis/infra/deploy/send-archive.sh host-a
#
# Nothing of the archive is kept here.
set -eu

HERE=$(readlink -f "$(dirname "$0")/../..")
SETTINGS=/etc/getaredis/control-plane.env
if [ -e /etc/getaredis/single-box.env ]; then
	SETTINGS=/etc/getaredis/single-box.env
else
	export PKI_DIR=/etc/getaredis/pki
fi
exec "$HERE/node_modules/.bin/node" --env-file="$SETTINGS" "$HERE/infra/deploy/send-archive.ts" "${1:?the name of a host}"
