#!/bin/sh
# Runs a client that has to be built first, which is done once in its user's folder: built.sh hiredis [steady]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
program=$HOME/$1
if [ ! -x "$program" ]; then
	case $1 in
	hiredis) gcc -O1 -o "$program" "$here/hiredis.c" -lhiredis -lssl -lcrypto ;;
	*) go build -o "$program" "$here/$1.go" "$here/steady.go" ;;
	esac
fi
shift
exec "$program" "$@"
