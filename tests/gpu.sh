#!/bin/sh
# gpu.sh - what only a GPU can show, one part after another; a part that fails does not keep the next from running.
#
#   B=build/release tests/gpu.sh RESULTS [PART...]        make check-gpu RESULTS=... does this
#
#   conform   every operation against the cpu backend, bf16, then fp32                                       5 minutes at most
#   bench     dreamvla-bench gpu: the table of all variants against their floors                             3
#   golden    the golden cases with backend cuda                                                             7
#   profile   kernels of the bench's first row by their share of the time: nsys, or ncu where that is missing 3
#   torch     the bench beside PyTorch, eager and compiled ($PYTHON; most of it its compiler)               10
#   sanitize  conform bf16 under compute-sanitizer's four tools beside each other, our own kernels alone     8
#
# conform BACKEND bf16 attention runs one kind of operation alone, for the one who mends it.
#
# Without a PART all of them, in the order of what they tell: 36 minutes at most. RESULTS/PART.log has what a part said, bench.json and torch.json the
# numbers, summary.txt the outcome. One whose program is not there is skipped, and says so. Exits 1 when one failed, 77 when there is no GPU.
set -u

usage() {
	echo "usage: B=build/release tests/gpu.sh RESULTS [conform|bench|golden|profile|torch|sanitize ...]" >&2
	exit 2
}
[ $# -ge 1 ] || usage
results=$1
shift
parts=${*:-conform bench golden profile torch sanitize}
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

# not_ours TOOL: cuBLASLt's kernels are not ours to look into, and take most of the time; but initcheck has to see what they write. The option had
# another name before 2025.
not_ours() {
	[ "$1" != initcheck ] || return
	option=--kernel-name-exclude
	compute-sanitizer --help 2>&1 | grep -q -e $option || option=--kernel-regex-exclude
	echo "$option kns=gemm,kns=cutlass,kns=nvjet,kns=cublas,kns=splitK"
}

# The four tools need little of the GPU each.
sanitize() {
	for tool in memcheck racecheck initcheck synccheck; do
		{
			# shellcheck disable=SC2046 # two words or none
			timeout 480 compute-sanitizer --tool "$tool" $(not_ours "$tool") --error-exitcode 9 "$conform" cuda bf16 >"$results/$tool.part" 2>&1
			echo "$tool: exit $?" >>"$results/$tool.part"
		} &
	done
	wait
	bad=0 blind=
	for tool in memcheck racecheck initcheck synccheck; do
		tail -40 "$results/$tool.part"
		if grep -q 'Device not supported' "$results/$tool.part"; then
			blind=77
		elif ! tail -1 "$results/$tool.part" | grep -qx "$tool: exit 0"; then
			bad=1
		fi
		rm "$results/$tool.part"
	done
	[ -z "$blind" ] || echo "compute-sanitizer cannot look into a GPU here (Device not supported), as in some containers"
	[ $bad -eq 0 ] || return $bad
	return ${blind:-0}
}

# Durations of some 600 kernels of the first row's rounds, as many as a chunk has; the one who reads adds them up by name.
ncu_profile() {
	timeout 180 ncu --metrics gpu__time_duration.sum --graph-profiling node --clock-control none --profile-from-start off --launch-count 600 --csv \
		"$B/dreamvla-bench" gpu --seconds 1 >"$results/ncu.csv" 2>&1
	code=$?
	cat "$results/ncu.csv"
	! grep -qE 'ERR_NVGPUCTRPERM|Failed to initialize the profiler' "$results/ncu.csv" || { echo "ncu may not read the GPU's counters here" && return 77; }
	return $code
}

to_json() {
	file=$1
	shift
	"$@" --json >"$file" && "$PYTHON" -m json.tool "$file"
}

run_part() {
	case $1 in
	conform) timeout 150 "$conform" cuda bf16 && timeout 150 "$conform" cuda fp32 ;;
	golden) timeout 400 tests/run.sh quick 'golden/cuda-fp32$' 'golden/cuda-bf16$' ;;
	sanitize) sanitize ;;
	bench) to_json "$results/bench.json" timeout 180 "$B/dreamvla-bench" gpu --seconds 2 ;;
	torch) to_json "$results/torch.json" timeout 580 "$B/dreamvla-bench" gpu --seconds 3 --torch "$PYTHON" ;;
	profile)
		if ! command -v nsys >/dev/null; then
			ncu_profile
			return
		fi
		# The first row's rounds alone, and the kernels within its graphs one by one.
		timeout 180 nsys profile --force-overwrite true --output "$results/nsys" --stats=true --capture-range=cudaProfilerApi --capture-range-end=stop \
			--cuda-graph-trace=node "$B/dreamvla-bench" gpu --seconds 1
		;;
	esac
}

# most_min PART: minutes that it may take; the table above says the same.
most_min() {
	case $1 in conform) echo 5 ;; bench | profile) echo 3 ;; golden) echo 7 ;; sanitize) echo 8 ;; torch) echo 10 ;; esac
}

needed() {
	case $1 in sanitize) echo compute-sanitizer ;; profile) command -v nsys >/dev/null && echo nsys || echo ncu ;; bench | torch) echo "$PYTHON" ;; *) echo sh ;; esac
}

failed=0
for part in $parts; do
	began=$(date +%s)
	if ! command -v "$(needed "$part")" >/dev/null; then
		outcome="skipped: no $(needed "$part") here"
	else
		echo "$part: $(most_min "$part") minutes at most" >&2
		run_part "$part" >"$results/$part.log" 2>&1
		code=$?
		case $code in
		0) outcome=passed ;;
		77) outcome="skipped: $(tail -n 1 "$results/$part.log")" ;;
		*) outcome="FAILED (exit $code): $results/$part.log" failed=1 ;;
		esac
	fi
	printf '%-9s %4d s  %s\n' "$part" $(($(date +%s) - began)) "$outcome" | tee -a "$results/summary.txt"
done
exit $failed
