#!/bin/bash
# Stands for cloud-init: runs the user-data of the metadata service as root, once in a machine's life.
set -eu

dir=/var/lib/cloud
[ ! -e "$dir/user-data" ] || exit 0
# Of an empty answer curl would make no file.
: >"$dir/user-data.new"
until curl --fail --silent --show-error --max-time 5 --output "$dir/user-data.new" \
	http://169.254.169.254/metadata/v1/user-data; do
	sleep 0.2
done
mv "$dir/user-data.new" "$dir/user-data"
[ "$(head -c 2 "$dir/user-data")" = '#!' ] || exit 0
chmod 700 "$dir/user-data"
"$dir/user-data" >/var/log/cloud-init-output.log 2>&1
