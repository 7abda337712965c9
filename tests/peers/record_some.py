"""record_some.py FOLDER - dreamvlad records into FOLDER among the peers of the system tests, one file after the other; prints as JSON every
target that the arm has got meanwhile. Run by Debian's python3, which has ZeroMQ."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import peers  # noqa: E402

keys = f"record:\n  dir: {sys.argv[1]}\n  min_free_mb: 0\n"
with peers.bench(extra=keys) as (daemon, arm, _, request):
    peers.into_auto(request)
    peers.until("targets of the policy", lambda: sum(t["source"] == "policy" for t in list(arm.targets)) > 400)
    request(cmd="record", action="mark", label="here")
    daemon.terminate()
    json.dump(list(arm.targets), sys.stdout)
