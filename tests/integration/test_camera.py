#!/usr/bin/python3
"""dreamvla-camera from a folder of pictures to what dreamvlad's socket hears, and everything that is no camera. V4L2 itself is tested on
the kernel's virtual camera (tests/emulated/camera.sh)."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peer import PATIENCE_S, PROGRAMS, jpeg, now_ns, picture, wait_until  # noqa: E402

PROGRAM = os.path.join(PROGRAMS, "dreamvla-camera")
TJFLAG_ACCURATEDCT = 4096
CONFIG = """
sockets: {cameras: "%s"}
policy: {model: /tmp, cameras: [wrist]}
cameras: {wrist: {}}
camera: {max_width: 640, max_height: 480}
robots: [{name: arm, model: panda}]
"""


class Camera(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, linger=0)
        self.listener = None
        self.pictures = {}

    def listen(self, address="tcp://127.0.0.1:*"):
        self.listener = self.context.socket(zmq.SUB)
        self.listener.subscribe("camera/")
        self.listener.bind(address)
        return self.listener.getsockopt_string(zmq.LAST_ENDPOINT)

    def put(self, name, data):
        with open(os.path.join(self.folder.name, name + ".new"), "wb") as f:
            f.write(data)
        os.rename(f.name, os.path.join(self.folder.name, name))
        self.pictures[name] = data

    def start(self, *arguments):
        p = subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (p.kill(), p.communicate()))
        return p

    def folder_camera(self, address, *more):
        return self.start("--camera", "wrist", "--folder", self.folder.name, "--cameras", address, "--json", *more)

    def next(self):
        self.assertTrue(self.listener.poll(PATIENCE_S * 1000), "no frame")
        topic, head, data = self.listener.recv_multipart()
        self.assertEqual(topic, b"camera/wrist")
        return msgpack.unpackb(head), data

    def until(self, wanted):
        """Frames up to the first with these bytes."""
        for _ in range(1000):
            head, data = self.next()
            if data == wanted:
                return head
        self.fail("a picture never came")

    def ends(self, p, code):
        out, err = p.communicate(timeout=PATIENCE_S)
        self.assertEqual(p.returncode, code, err)
        return out, err


class Folder(Camera):
    def test_pictures_by_name_as_they_are_once(self):
        for i in (0, 1, 2, 10):
            self.put("frame_%d.jpg" % i, jpeg(picture(i)))
        self.put("notes.txt", b"no picture")
        p = self.folder_camera(self.listen(), "--rate-hz", "50")
        frames = [self.next() for _ in range(4)]
        out, err = self.ends(p, 0)
        self.assertEqual([data for _, data in frames], [self.pictures["frame_%d.jpg" % i] for i in (0, 1, 2, 10)])
        heads = [head for head, _ in frames]
        self.assertEqual([h["seq"] for h in heads], [1, 2, 3, 4])
        self.assertEqual(len({h["from"] for h in heads}), 1)
        for h in heads:
            self.assertEqual((h["v"], h["encoding"], h["width"], h["height"]), (1, "jpeg", 224, 224))
            self.assertLess(abs(now_ns() - h["stamp_ns"]), PATIENCE_S * 1e9)
        self.assertEqual(sorted(h["stamp_ns"] for h in heads), [h["stamp_ns"] for h in heads])
        end = json.loads(out.splitlines()[-1])
        self.assertEqual((end["topic"], end["frames"], end["damaged"], end["restarts"]), ("camera/wrist", 4, 0, 0))

    def test_begins_when_somebody_listens(self):
        self.put("a.jpg", jpeg(picture(0)))
        address = self.listen("ipc://" + os.path.join(self.folder.name, "cameras"))
        self.listener.unbind(address)
        p = self.folder_camera(address)
        self.assertIn("waits until somebody listens", wait_until(lambda: next((line for line in p.stderr if "waits" in line), None), "waiting"))
        self.assertIsNone(p.poll())
        self.listener.bind(address)
        self.assertEqual(self.next()[1], self.pictures["a.jpg"])
        self.ends(p, 0)

    def test_ppm_becomes_jpeg(self):
        image = picture(3)
        self.put("a.ppm", b"P6 # by hand\n224 224\n255\n" + image.tobytes())
        p = self.folder_camera(self.listen())
        head, data = self.next()
        self.assertEqual((head["encoding"], head["width"], data[:2]), ("jpeg", 224, b"\xff\xd8"))
        self.assertEqual(data, jpeg(image, flags=TJFLAG_ACCURATEDCT))
        self.ends(p, 0)

    def test_bad_pictures_are_passed_over_and_counted(self):
        whole = jpeg(picture(0))
        self.put("a.jpg", whole)
        self.put("b.jpg", b"")
        self.put("c.jpg", whole[:len(whole) // 2])
        self.put("d.ppm", b"P6\n224 224\n255\n" + bytes(1000))
        self.put("e.ppm", b"P6\n4000000000 224\n255\n" + bytes(1000))
        self.put("f.jpg", bytes(5000))
        os.mkdir(os.path.join(self.folder.name, "g.jpg"))
        os.mkfifo(os.path.join(self.folder.name, "h.jpg"))
        self.put("i.jpg", jpeg(picture(1)))
        p = self.folder_camera(self.listen(), "--rate-hz", "100")
        self.assertEqual([self.next()[1] for _ in range(2)], [whole, self.pictures["i.jpg"]])
        out, err = self.ends(p, 0)
        self.assertEqual(json.loads(out.splitlines()[-1])["damaged"], 7)
        for name, says in [("b.jpg", "0 bytes"), ("c.jpg", "half a JPEG"), ("d.ppm", "half a picture"), ("e.ppm", "at most"),
                           ("f.jpg", "no JPEG"), ("g.jpg", "no file"), ("h.jpg", "no file")]:
            self.assertRegex(err, "%s: .*%s" % (name, says))

    def test_larger_than_dreamvlad_accepts(self):
        """The configuration of this one accepts 640 x 480, which a picture made 700 wide by its frame header is beyond."""
        data = jpeg(picture(0))
        at = data.index(b"\xff\xc0") + 7
        self.put("a.jpg", data[:at] + (700).to_bytes(2, "big") + data[at + 2:])
        self.put("b.jpg", data)
        config = os.path.join(self.folder.name, "bench.yaml")
        with open(config, "w") as f:
            f.write(CONFIG % self.listen())
        p = self.start("--config", config, "--camera", "wrist", "--folder", self.folder.name, "--json")
        self.assertEqual(self.next()[1], data)
        out, err = self.ends(p, 0)
        self.assertIn("700x224", err)
        self.assertEqual(json.loads(out.splitlines()[-1])["too_large"], 1)
        p = self.start("--config", config, "--camera", "head", "--folder", self.folder.name)
        self.assertIn("there is no head, only wrist", self.ends(p, 1)[1])

    def test_a_folder_that_changes(self):
        self.put("a.jpg", jpeg(picture(0)))
        self.put("b.jpg", jpeg(picture(1)))
        p = self.folder_camera(self.listen(), "--loop", "--rate-hz", "100")
        self.until(self.pictures["b.jpg"])
        self.put("c.jpg", jpeg(picture(2)))
        self.until(self.pictures["c.jpg"])
        os.unlink(os.path.join(self.folder.name, "a.jpg"))
        os.unlink(os.path.join(self.folder.name, "b.jpg"))
        self.put("c.jpg", jpeg(picture(5)))
        self.until(self.pictures["c.jpg"])
        os.unlink(os.path.join(self.folder.name, "c.jpg"))
        self.assertRegex(self.ends(p, 1)[1], "no pictures|can be read")

    def test_sigterm_and_duration_end_it_cleanly(self):
        self.put("a.jpg", jpeg(picture(0)))
        address = self.listen()
        p = self.folder_camera(address, "--loop")
        self.next()
        p.send_signal(signal.SIGTERM)
        out, _ = self.ends(p, 0)
        self.assertGreaterEqual(json.loads(out.splitlines()[-1])["frames"], 1)
        p = self.folder_camera(address, "--loop", "--duration", "0.2")
        self.ends(p, 0)

    def test_a_listener_that_does_not_read(self):
        """The camera goes on at its rate and counts what found no room; who reads again gets new frames."""
        self.listener = self.context.socket(zmq.SUB)
        self.listener.subscribe("camera/")
        self.listener.setsockopt(zmq.RCVHWM, 2)
        address = "ipc://" + os.path.join(self.folder.name, "cameras")
        self.listener.bind(address)
        self.put("a.jpg", jpeg(picture(0)))
        seconds, rate_hz = 3.0, 200
        p = self.folder_camera(address, "--loop", "--rate-hz", str(rate_hz), "--duration", str(seconds))
        head, _ = self.next()
        time.sleep(seconds * 0.6)
        read = 1
        while head["seq"] < rate_hz * seconds * 0.3:  # made while nobody read; old ones first
            head, _ = self.next()
            read += 1
        out, _ = self.ends(p, 0)
        end = json.loads(out.splitlines()[-1])
        self.assertGreater(end["unsent"], 0)
        self.assertGreaterEqual(end["frames"], read)
        self.assertGreater(end["frames"] + end["unsent"], rate_hz * seconds / 2)
        self.assertLess(end["seconds"], seconds + 1)

    def test_realtime_clock(self):
        self.put("a.jpg", jpeg(picture(0)))
        p = self.folder_camera(self.listen(), "--clock", "realtime")
        self.assertLess(abs(time.time_ns() - self.next()[0]["stamp_ns"]), PATIENCE_S * 1e9)
        self.ends(p, 0)


class Refused(Camera):
    def refused(self, code, says, *arguments):
        self.assertRegex(self.ends(self.start(*arguments), code)[1], says)

    def test_used_wrongly(self):
        for arguments, says in [
                ([], "source is missing"), (["--camera", "a"], "source is missing"), (["--folder", "/tmp"], "--camera NAME is missing"),
                (["--camera", "a/b", "--folder", "/tmp"], "letters, digits"), (["--camera", "a", "--folder", "/tmp", "--size", "640x"], "--size"),
                (["--camera", "a", "--folder", "/tmp", "--format", "yuyv"], "does not belong to --folder"),
                (["--camera", "a", "--device", "/dev/video0", "--size", "0x480"], "--size: found 0x480"),
                (["--camera", "a", "--device", "/dev/video0", "--size", "640x480x3"], "--size: found"),
                (["--camera", "a", "--device", "/dev/video0", "--rate-hz", "nan"], "--rate-hz: found nan"),
                (["--camera", "a", "--device", "/dev/video0", "--loop"], "--loop does not belong to --device"),
                (["--camera", "a", "--device", "/dev/video0", "--folder", "/tmp"], "one process has one source"),
                (["--camera", "a", "--folder", "/tmp", "--clock", "ntp"], "monotonic or realtime"),
                (["--camera", "a", "--folder", "/tmp", "--key", "k"], "belong together"), (["--nonsense"], "--help")]:
            with self.subTest(arguments=arguments):
                self.refused(2, says, *arguments)

    def test_no_camera(self):
        file = os.path.join(self.folder.name, "file")
        with open(file, "w") as f:
            f.write("no device")
        for device, says in [("/dev/video987", "No such file"), (file, "is no device"), ("/dev/null", "is no video device"),
                             (self.folder.name, "--folder")]:
            with self.subTest(device=device):
                self.refused(1, says, "--camera", "a", "--device", device)

    def test_no_folder(self):
        for folder, says in [(self.folder.name, "no pictures"), ("/nowhere", "No such file"), ("/dev/null", "Not a directory")]:
            with self.subTest(folder=folder):
                self.refused(1, says, "--camera", "a", "--folder", folder)

    def test_none_can_be_read(self):
        self.put("a.jpg", b"")
        p = self.folder_camera(self.listen(), "--loop")
        wait_until(lambda: self.listener.poll(10) or p.poll() is not None, "the end")  # a ZeroMQ socket subscribes when it is looked at
        self.assertIn("none of its 1 pictures can be read", self.ends(p, 1)[1])

    def test_list_and_help(self):
        out, _ = self.ends(self.start("--list", "--json"), 0)
        self.assertIsInstance(json.loads(out)["devices"], list)
        self.assertIn("--device", self.ends(self.start("--help"), 0)[0])


if __name__ == "__main__":
    unittest.main()
