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

# npm 9 links no command that two packages have, though only the one for this kind of machine is installed.
has_node() {
	[ ! -x node_modules/.bin/node ] || return 0
	for path in node_modules/node-linux-*/bin/node; do
		[ ! -x "$path" ] || ln -sfn "../${path#node_modules/}" node_modules/.bin/node
	done
	[ -x node_modules/.bin/node ]
}

is_installed() {
	has_node || return 1
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
	# Development packages too, whatever NODE_ENV says: the same checkout runs the tests. No package runs a script
	# of its own as it is installed: nothing comes but what package-lock.json has the hash of.
	if ! npm ci --include=dev --include=optional --ignore-scripts \
		--no-audit --no-fund --no-progress --loglevel=error; then
		echo "npm ci failed; what it said is above" >&2
		exit 1
	fi
	# To npm, a package for one kind of machine is optional: it passes over in silence what it cannot get, and
	# what comes with another hash.
	if ! has_node; then
		echo "npm ci installed no Node.js. There are builds for Linux on x64 and on arm64 (this is $(uname -s) on" \
			"$(uname -m)), and a build whose hash is not that in package-lock.json is refused. npm's log is the" \
			"newest file in $(npm config get cache)/_logs" >&2
		exit 1
	fi
	echo "✓ npm packages"
fi
# Only when it changes: somebody else may own what is installed.
[ "$(cat "$stamp" 2>/dev/null || true)" = "$lock" ] || printf '%s\n' "$lock" >"$stamp"

# Replaces this shell, so that signals reach the program.
exec node_modules/.bin/node "$file" "$@"
