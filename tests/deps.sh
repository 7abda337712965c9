#!/bin/sh
# Installs the Debian packages given as arguments that are not there yet; prints the command where it may not.
set -eu
missing=""
for package in "$@"; do
	state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
	case $state in *" installed") ;; *) missing="$missing $package" ;; esac
done
[ -n "$missing" ] || exit 0
echo "deps: these Debian packages are missing:$missing"
if [ "$(id -u)" -eq 0 ]; then
	sudo=""
elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
	sudo="sudo"
else
	echo "deps: not root and no sudo; run this as root, then try again:" >&2
	echo "    apt-get update && apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi
$sudo apt-get update -q
# shellcheck disable=SC2086  # a list of words
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends $missing
