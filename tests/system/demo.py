"""demo.py - a short run of `dreamvla-bench demo` as the tests make it: sockets in a folder of their own, so that nothing else on this
machine is met."""
import pathlib
import subprocess

import peers

SECONDS = 6  # as in test_demo.sh
SOCKETS = ("cameras", "operators", "states", "targets", "status", "control")


def write_config(config, folder, change=lambda text: text):
    """The path of one of the demo's configurations with sockets in the folder. change: what to do to its text."""
    text = change((peers.ROOT / "config" / config).read_text().replace("../tests/", f"{peers.ROOT}/tests/"))
    for port in (7421, 7422):
        text = text.replace(f"tcp://127.0.0.1:{port}", f"ipc://{folder}/arm-{port}")
    text += "sockets:\n" + "".join(f"  {name}: ipc://{folder}/{name}\n" for name in SOCKETS)
    path = pathlib.Path(folder) / "demo.yaml"
    path.write_text(text)
    return path


def run_demo(robot, config, folder, change=lambda text: text):
    """The exit status and all that was printed. config: of the demo's, in config/; change: what to do to its text."""
    path = write_config(config, folder, change)
    done = subprocess.run([peers.BUILD / "dreamvla-bench", "demo", "--robot", robot, "--programs", peers.BUILD, "--config", path,
                           "--seconds", str(SECONDS)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    return done.returncode, done.stdout
