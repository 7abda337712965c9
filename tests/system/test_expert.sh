#!/bin/sh
# test_expert.sh - the expert succeeds in 99 of 100 worlds and more: what it shows a policy is a way that leads there, and the world, control
# and safety let it be gone. The unit test of the same does a few of them.
# Not in real time: all of it runs on virtual time.
# Too long for make check: 1,000 episodes.
# Nothing to sanitize: tests/unit/bench/test_trial and tests/integration/test_trial.py run the same code.
set -eu
B=${B:-build/release}
for task in pick put; do
	"$B/dreamvla-sim" --evaluate 500 --seed 100000 --config config/demo-pick.yaml --task $task --policy expert --json |
		/usr/bin/python3 -c 'import json, sys
r = json.load(sys.stdin)
print({k: v for k, v in r.items() if k != "each"})
sys.exit(r["successes"] < 495)'
done
