#!/bin/sh
# environments.sh FOLDER - makes the Python environments of environments.def in FOLDER, once. Where the package registry cannot be reached
# that is said loudly and the tests that want the environment skip; what a registry in reach does not have is a failure.
set -u
folder=$1
list=$(dirname "$0")/environments.def
failed=0
mkdir -p "$folder"

# Whether the registry that pip is told to use has anything at all: pip itself.
registry_answers() {
	probe=$(mktemp -d) || return 0
	timeout 100 "$1/bin/python" -m pip download -q --disable-pip-version-check --no-cache-dir --no-deps -d "$probe" pip >"$probe/said" 2>&1
	answers=$?
	rm -rf "$probe"
	return $answers
}

banner() {
	echo "#########################################################################################"
	printf '# %s\n' "$@"
	echo "#########################################################################################"
}

make_one() {
	name=$1 packages=$2
	[ "$(cat "$folder/$name/packages" 2>/dev/null)" != "$packages" ] || return 0
	rm -rf "${folder:?}/$name"
	echo "making $folder/$name: $packages"
	if ! /usr/bin/python3 -m venv "$folder/$name"; then
		banner "$name: python3 -m venv failed (Debian: python3-venv)"
		failed=1
		return
	fi
	# shellcheck disable=SC2086 # a list of packages
	if timeout 300 "$folder/$name/bin/python" -m pip install -q --disable-pip-version-check --only-binary :all: $packages; then
		echo "$packages" >"$folder/$name/packages"
		return
	fi
	if registry_answers "$folder/$name"; then
		banner "$name could not be installed although the package registry answers:" "is a version in $list gone?"
		failed=1
	else
		banner "$name could not be installed: the Python package registry is out of reach;" \
			"the tests against it are SKIPPED, so that nobody has shown that real clients still work"
	fi
	rm -rf "${folder:?}/$name"
}

tab=$(printf '\t')
while IFS=$tab read -r name packages; do
	case $name in '' | '#'*) continue ;; esac
	make_one "$name" "$packages"
done <"$list"
exit $failed
