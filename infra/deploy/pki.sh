#!/bin/bash
# Makes or renews the control plane's certificates, as root, and restarts the programs that hold copies
# of what has changed: each finishes what it is at. Arguments go to `npm run pki`, such as --rotate-ca.
set -eu
umask 022

readonly FOLDER=/etc/getaredis/pki
setting() { sed -n "s/^$1=//p" /etc/getaredis/control-plane.env | tail -n 1; }
before=$(readlink "$FOLDER/current" || true)
ENROLMENT_HOST=$(setting ENROLMENT_HOST) ENROLMENT_URL=$(setting ENROLMENT_URL) \
	/opt/getaredis/node_modules/.bin/node /opt/getaredis/infra/pki/main.ts "$FOLDER" "$@"
[ "$(readlink "$FOLDER/current")" = "$before" ] ||
	systemctl try-restart getaredis-api.service getaredis-jobs.service getaredis-enrolment.service
