#!/bin/sh
# Runs one of our TypeScript programs on the Node.js that the project pins, whatever Node.js this
# machine has: `sh infra/run.sh <file.ts> [arguments]`. Installs the npm packages first when
# they are missing or package-lock.json has changed since.
set -eu

file=$1
shift
cd "$(dirname "$0")/.."

stamp=node_modules/.installed-from
lock=$(cksum <package-lock.json)

is_installed() {
	[ -x node_modules/.bin/node ] || return 1
	[ "$(cat "$stamp" 2>/dev/null || true)" != "$lock" ] || return 0
	# Installed by hand: npm writes this file last.
	[ node_modules/.package-lock.json -nt package-lock.json ]
}

if ! is_installed; then
	if ! command -v npm >/dev/null; then
		echo "npm is missing. On Debian or Ubuntu: apt-get install npm; elsewhere see https://nodejs.org" >&2
		exit 1
	fi
	echo "… npm packages, Node.js among them: about 30 s the first time"
	# Not a word about the machine's own Node.js being too old: it runs nothing but npm.
	# Development packages too, whatever NODE_ENV says: the same checkout runs the tests.
	if ! npm ci --include=dev --no-audit --no-fund --no-progress --loglevel=error; then
		echo "npm ci failed; what it said is above" >&2
		exit 1
	fi
	echo "✓ npm packages"
fi
# Only when it changes: somebody else may own what is installed.
[ "$(cat "$stamp" 2>/dev/null || true)" = "$lock" ] || printf '%s\n' "$lock" >"$stamp"

# Replaces this shell, so that signals reach the program.
exec node_modules/.bin/node "$file" "$@"
