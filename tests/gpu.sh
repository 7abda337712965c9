#!/bin/sh
# gpu.sh - what only a GPU can show, one part after another; a part that fails does not keep the next from running.
#
#   B=build/release tests/gpu.sh RESULTS [PART...]        make check-gpu RESULTS=... does this
#
#   conform   every operation against the cpu backend, both precisions
#   golden    the golden cases with backend cuda
#   sanitize  conform under compute-sanitizer's four tools, which run beside each other
#   bench     dreamvla-bench gpu: the table of all variants against their floors
#   torch     the same beside PyTorch, eager and compiled ($PYTHON; some minutes, most of it its compiler)
#   profile   kernels by their share of the time (nsys)
#
# Without a PART all of them, a quarter of an hour or so. RESULTS/PART.log has what a part said, bench.json and torch.json the numbers, summary.txt the outcome.
# Each part has a time limit; one whose program is not there is skipped, and says so. Exits 1 when one failed, 77 when there is no GPU.
set -u

usage() {
	echo "usage: B=build/release tests/gpu.sh RESULTS [conform|golden|sanitize|bench|torch|profile ...]" >&2
	exit 2
}
[ $# -ge 1 ] || usage
results=$1
shift
parts=${*:-conform golden sanitize bench torch profile}
for part in $parts; do
	case $part in conform | golden | sanitize | bench | torch | profile) ;; *) usage ;; esac
done
B=${B:-build/release}
PYTHON=${PYTHON:-python3}
conform=$B/tests/conform/conform

if ! nvidia-smi -L >/dev/null 2>&1; then
	echo "gpu: no NVIDIA GPU here ('nvidia-smi -L' lists none)"
	exit 77
fi
if ! "$conform" --list | grep -qx cuda; then
	echo "gpu: $B was built without CUDA, or without its tests: make CUDA=1 all unit"
	exit 1
fi
mkdir -p "$results" || exit 1
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit --format=csv >"$results/summary.txt"

# The four tools need little of the GPU each.
sanitize() {
	for tool in memcheck racecheck initcheck synccheck; do
		{
			timeout 420 compute-sanitizer --tool "$tool" --error-exitcode 9 "$conform" cuda >"$results/$tool.part" 2>&1
			echo "$tool: exit $?" >>"$results/$tool.part"
		} &
	done
	wait
	bad=0
	for tool in memcheck racecheck initcheck synccheck; do
		tail -40 "$results/$tool.part"
		tail -1 "$results/$tool.part" | grep -qx "$tool: exit 0" || bad=1
		rm "$results/$tool.part"
	done
	return $bad
}

to_json() {
	file=$1
	shift
	"$@" --json >"$file" && "$PYTHON" -m json.tool "$file"
}

run_part() {
	case $1 in
	conform) timeout 300 "$conform" cuda ;;
	golden) timeout 400 tests/run.sh quick golden/cuda- ;;
	sanitize) sanitize ;;
	bench) to_json "$results/bench.json" timeout 180 "$B/dreamvla-bench" gpu --seconds 2 ;;
	torch) to_json "$results/torch.json" timeout 580 "$B/dreamvla-bench" gpu --seconds 3 --torch "$PYTHON" ;;
	profile)
		timeout 180 nsys profile --force-overwrite true --output "$results/nsys" --stats=true "$B/dreamvla-bench" gpu --seconds 1
		;;
	esac
}

needed() {
	case $1 in sanitize) echo compute-sanitizer ;; profile) echo nsys ;; torch) echo "$PYTHON" ;; *) echo sh ;; esac
}

failed=0
for part in $parts; do
	began=$(date +%s)
	if ! command -v "$(needed "$part")" >/dev/null; then
		outcome="skipped: no $(needed "$part") here"
	elif run_part "$part" >"$results/$part.log" 2>&1; then
		outcome=passed
	else
		outcome="FAILED (exit $?): $results/$part.log"
		failed=1
	fi
	printf '%-9s %4d s  %s\n' "$part" $(($(date +%s) - began)) "$outcome" | tee -a "$results/summary.txt"
done
exit $failed
