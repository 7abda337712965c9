"""test_camera_recording.py - JPEG frames through dreamvlad into a recording, and out of it again through dreamvla-camera --recording, to the
last byte; wrong files and names. In real time: whole programs."""
import base64
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import zmq

import peers
from recording import Recording

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from peer import jpeg, picture  # noqa: E402

CAMERA = peers.BUILD / "dreamvla-camera"
PICTURES = 7


def end_of(process):
    out, err = process.communicate(timeout=peers.PATIENCE_S)
    return process.returncode, out, err


class CameraRecording(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        pictures = cls.folder / "pictures"
        pictures.mkdir()
        for i in range(PICTURES):
            (pictures / f"{i}.jpg").write_bytes(jpeg(picture(i)))
        cls.path = cls.record(pictures)
        cls.frames = Recording(cls.path).of("/camera/wrist")

    @classmethod
    def record(cls, pictures):
        recordings = cls.folder / "recordings"
        recordings.mkdir()
        extra = f"record:\n  dir: {recordings}\n  at_start: false\n  min_free_mb: 0\n"
        with peers.bench(with_arm=False, with_cameras=False, extra=extra) as (daemon, _, _, request):
            camera = subprocess.Popen([CAMERA, "--config", daemon.config, "--camera", "wrist", "--folder", pictures, "--loop", "--rate-hz", "20"],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            frames = lambda: request(cmd="status")["counters"]["frames"]
            try:
                peers.until("frames", frames)
                assert request(cmd="record", action="start")["ok"]
                before = frames()
                peers.until("more frames", lambda: frames() > before + 3 * PICTURES)
                peers.stop_recording(request)
                shutil.copy(daemon.config, cls.folder / "config.yaml")
            finally:
                camera.terminate()
                code, _, err = end_of(camera)
        assert code == 0, err
        path, = recordings.iterdir()
        return path

    def again(self, *arguments, path=None):
        """What dreamvla-camera sends of it: the pictures, and how it ended."""
        context = zmq.Context()
        listener = context.socket(zmq.SUB)
        self.addCleanup(context.destroy, linger=0)
        listener.subscribe("camera/")
        listener.bind("tcp://127.0.0.1:*")
        process = subprocess.Popen([CAMERA, "--camera", "wrist", "--recording", path or self.path, "--json", "--cameras",
                                    listener.getsockopt_string(zmq.LAST_ENDPOINT), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        sent = []
        try:
            while process.poll() is None or listener.poll(200):
                if listener.poll(100):
                    sent.append(listener.recv_multipart()[2])
        finally:
            if process.poll() is None:
                process.kill()
        return sent, *end_of(process)

    def test_frames_are_recorded_as_they_came(self):
        self.assertGreater(len(self.frames), 3 * PICTURES)
        whole = {jpeg(picture(i)) for i in range(PICTURES)}
        for frame in self.frames:
            self.assertEqual((frame["frame_id"], frame["format"], frame["encoding"]), ("wrist", "jpeg", "jpeg"))
            self.assertIn(base64.b64decode(frame["data"], validate=True), whole)
        self.assertEqual({schema for topic, _, schema in Recording(self.path).channels.values() if topic == "/camera/wrist"}, {"foxglove.CompressedImage"})

    def test_they_come_out_as_they_went_in(self):
        sent, code, out, err = self.again("--duration", str(peers.PATIENCE_S))
        self.assertEqual(code, 0, err)
        self.assertEqual(sent, [base64.b64decode(frame["data"]) for frame in self.frames])
        end = json.loads(out.splitlines()[-1])
        self.assertEqual((end["frames"], end["damaged"]), (len(self.frames), 0))

    def test_one_that_began_late_is_replayed(self):
        done = subprocess.run([peers.BUILD / "dreamvlad", "--config", self.folder / "config.yaml", "--replay", self.path],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=peers.PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertIn("identical, bit for bit:", done.stdout)

    def test_half_a_file_is_sent_as_far_as_it_goes(self):
        half = self.folder / "half.mcap"
        half.write_bytes(self.path.read_bytes()[:-200])
        sent, code, _, err = self.again(path=half)
        self.assertEqual(code, 0, err)
        self.assertIn("it has no end", err)
        self.assertEqual(sent, [base64.b64decode(frame["data"]) for frame in self.frames][:len(sent)])

    def test_what_is_not_there_is_named(self):
        text = self.folder / "text.mcap"
        text.write_text("no recording")
        for more, path, words in ((("--recorded-as", "nobody"), None, "holds no /camera/nobody"), ((), text, "not an MCAP file"),
                                  ((), self.folder / "none.mcap", "No such file")):
            sent, code, _, err = self.again(*more, path=path)
            self.assertEqual((sent, code), ([], 1))
            self.assertIn(words, err)


if __name__ == "__main__":
    unittest.main()
