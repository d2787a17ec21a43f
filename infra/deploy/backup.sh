#!/bin/bash
# Keeps what cannot be made again, as root: the database, and /etc/getaredis with certificates, settings and
# secrets. The newest 14 stay in /var/backups/getaredis; copy them to another machine, and guard them there.
set -eu
umask 077

readonly FOLDER=/var/backups/getaredis
readonly KEPT=14

mkdir -p "$FOLDER"
rm -rf "$FOLDER"/*.new
name=$FOLDER/$(date --utc +%Y%m%dT%H%M%SZ)
mkdir "$name.new"
tar --create --gzip --file "$name.new/etc.tar.gz" --directory / etc/getaredis
# A database elsewhere is not backed up here. Single transaction: nobody waits, and the copy is of one moment.
if grep -qs '^MYSQL_URL=.*@127\.0\.0\.1:3306/getaredis$' /etc/getaredis/{control-plane,single-box}.env; then
	mariadb-dump --single-transaction getaredis >"$name.new/database.sql"
fi
# Two within a second are one.
rm -rf "$name"
mv "$name.new" "$name"
echo "✓ backup $name"
find "$FOLDER" -mindepth 1 -maxdepth 1 -type d | sort | head -n "-$KEPT" | xargs --no-run-if-empty rm -r
