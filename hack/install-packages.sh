#!/bin/sh
# Installs the Debian packages of packages.txt that are missing. Says nothing when none is.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

missing=
for package in $(cat "$here/packages.txt" "$here"/../guest/kernel/packages.txt 2>/dev/null | sed 's/#.*//' | sort -u); do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
if [ "$(id -u)" != 0 ]; then
	echo "install-packages.sh: run as root: apt-get install$missing" >&2
	exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# Package lists of a fresh machine are empty or old.
# shellcheck disable=SC2086
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
	cat "$log" >&2
	echo "install-packages.sh: apt-get could not install:$missing" >&2
	exit 1
fi
