#!/bin/sh
# environments.sh FOLDER - makes the Python environments of environments.def in FOLDER, once. What cannot be had is said loudly and left
# out; the tests that want it then skip.
set -u
folder=$1
list=$(dirname "$0")/environments.def
mkdir -p "$folder"

make_one() {
	name=$1 packages=$2
	[ "$(cat "$folder/$name/packages" 2>/dev/null)" != "$packages" ] || return 0
	rm -rf "${folder:?}/$name"
	echo "making $folder/$name: $packages"
	# shellcheck disable=SC2086 # a list of packages
	if /usr/bin/python3 -m venv "$folder/$name" &&
		timeout 300 "$folder/$name/bin/python" -m pip install -q --disable-pip-version-check --only-binary :all: $packages; then
		echo "$packages" >"$folder/$name/packages"
		return 0
	fi
	rm -rf "${folder:?}/$name"
	echo "#########################################################################################"
	echo "# $name could not be installed (is the Python package registry in reach?):"
	echo "# the tests against it are SKIPPED, so that nobody has shown that real clients still work"
	echo "#########################################################################################"
}

tab=$(printf '\t')
while IFS=$tab read -r name packages; do
	case $name in '' | '#'*) continue ;; esac
	make_one "$name" "$packages"
done <"$list"
