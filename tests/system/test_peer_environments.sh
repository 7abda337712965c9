#!/bin/sh
# A registry out of reach lets the tests against real clients skip, loudly; a package that a registry in reach does not have is a failure.
# Not in real time: programs that write files and end.
# Nothing to sanitize: scripts alone.
set -eu
/usr/bin/python3 -c "import ensurepip" 2>/dev/null || { echo "python3-venv is not installed"; exit 77; }
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cp tests/peers/environments.sh "$folder"
printf 'gone\tno-such-package==1.0\n' >"$folder/environments.def"

# A registry on loopback that has pip, as far as the tools look.
/usr/bin/python3 - "$folder" >"$folder/port" <<'END' &
import http.server, os, sys, zipfile
simple = os.path.join(sys.argv[1], "simple", "pip")
os.makedirs(simple)
with zipfile.ZipFile(os.path.join(simple, "pip-99-py3-none-any.whl"), "w") as wheel:
    wheel.writestr("pip-99.dist-info/METADATA", "Metadata-Version: 2.1\nName: pip\nVersion: 99\n")
    wheel.writestr("pip-99.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("pip-99.dist-info/RECORD", "")
os.chdir(sys.argv[1])
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
server.serve_forever()
END
server=$!
tries=0
until [ -s "$folder/port" ]; do
	tries=$((tries + 1))
	[ $tries -lt 600 ] || { echo "FAIL: no registry on loopback"; exit 1; }
	sleep 0.05
done

# try WHAT INDEX EXIT SAYS
try() {
	code=0
	PIP_CONFIG_FILE=/dev/null PIP_RETRIES=0 PIP_INDEX_URL=$2 PIP_EXTRA_INDEX_URL='' PIP_NO_INDEX='' \
		sh "$folder/environments.sh" "$folder/made" >"$folder/log" 2>&1 || code=$?
	if [ $code -ne "$3" ] || ! grep -q "$4" "$folder/log" || [ -e "$folder/made/gone" ]; then
		echo "FAIL: $1: exit $code, want $3 and \"$4\":"
		cat "$folder/log"
		exit 1
	fi
}

try "registry out of reach" http://127.0.0.1:1/simple 0 SKIPPED
try "registry in reach" "http://127.0.0.1:$(cat "$folder/port")/simple" 1 'although the package registry answers'
echo "2 cases passed"
