#!/bin/bash
# Puts the database back as a backup has it, as root: restore.sh /var/backups/getaredis/<time>. In a fleet, scaling is
# paused then, because the cloud has droplets that an older database does not know, and they would be destroyed
# as nobody's. README.md beside this file says what is lost, and when to resume scaling; for a single box,
# docs/single-box.md says it.
set -eu

dump=${1:-}/database.sql
[ -s "$dump" ] || {
	echo "usage: restore.sh <folder of a backup with database.sql>" >&2
	exit 64
}
programs=(getaredis-jobs.service getaredis-api.service)
[ -e /etc/getaredis/single-box.env ] || programs=(getaredis-enrolment.service "${programs[@]}")
systemctl stop "${programs[@]}" getaredis-migrate.service
mariadb <<-'SQL'
	DROP DATABASE IF EXISTS getaredis;
	CREATE DATABASE getaredis CHARACTER SET utf8mb4;
SQL
mariadb getaredis <"$dump"
# Of a schema from before there were switches, migrating makes the table.
systemctl start getaredis-migrate.service
what=''
if [ ! -e /etc/getaredis/single-box.env ]; then
	mariadb getaredis --execute "REPLACE INTO switches (name, paused, changed_at) VALUES ('scaling', 1, UTC_TIMESTAMP(3))"
	what='; scaling is paused'
fi
systemctl start "${programs[@]}"
echo "✓ the database is as $dump has it$what"
