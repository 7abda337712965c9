#!/usr/bin/python3
"""PyPI's mcap, unmodified, reads what dreamvlad has recorded: every message of every topic, by the indexes and without them, checksums
checked; and a file that was cut anywhere, up to its last whole chunk.

environments: mcap-1.6.0
"""
import base64
import io
import json
import os
import pathlib
import random
import struct
import subprocess
import tempfile
import unittest

from mcap.exceptions import McapError
from mcap.reader import NonSeekingReader, SeekingReader
from mcap.records import Chunk, Message
from mcap.stream_reader import StreamReader

HERE = pathlib.Path(__file__).resolve().parent
CUTS = 60


class Mcap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["/usr/bin/python3", HERE / "record_some.py", folder], stdout=subprocess.PIPE, text=True, check=True)
            path, = pathlib.Path(folder).iterdir()
            assert path.suffix == ".mcap", path
            cls.bytes = path.read_bytes()
        cls.sent = {t["seq"]: t for t in json.loads(done.stdout)}

    def by_index(self):
        return list(SeekingReader(io.BytesIO(self.bytes), validate_crcs=True).iter_messages(log_time_order=True))

    def test_indexes_streams_and_statistics_agree(self):
        summary = SeekingReader(io.BytesIO(self.bytes), validate_crcs=True).get_summary()
        indexed = self.by_index()
        streamed = list(NonSeekingReader(io.BytesIO(self.bytes), validate_crcs=True).iter_messages(log_time_order=True))
        key = lambda found: sorted((c.topic, m.sequence, m.log_time, m.publish_time, m.data) for _, c, m in found)
        self.assertEqual(key(indexed), key(streamed))
        self.assertEqual(summary.statistics.message_count, len(indexed))
        self.assertEqual(summary.statistics.chunk_count, len(summary.chunk_indexes))
        self.assertEqual(summary.statistics.message_start_time, min(m.log_time for _, _, m in indexed))
        self.assertEqual(summary.statistics.message_end_time, max(m.log_time for _, _, m in indexed))
        for number, count in summary.statistics.channel_message_counts.items():
            sequences = sorted(m.sequence for _, c, m in indexed if c.id == number)
            self.assertEqual(sequences, list(range(1, count + 1)))

    def test_every_message_is_what_its_schema_says(self):
        kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}
        for schema, channel, message in self.by_index():
            if channel.message_encoding != "json":
                self.assertEqual((channel.message_encoding, schema.encoding), ("x-dreamvla", "x-dreamvla"))
                continue
            self.assertEqual(schema.encoding, "jsonschema")
            found, want = json.loads(message.data), json.loads(schema.data)["properties"]
            for name in want.keys() & found.keys():
                self.assertIsInstance(found[name], kinds[want[name]["type"]], (channel.topic, name))
            self.assertGreater(len(want.keys() & found.keys()), 2, channel.topic)

    def test_targets_and_pictures_are_those_that_went_to_and_fro(self):
        of = {}
        for _, channel, message in self.by_index():
            if channel.message_encoding == "json":
                of.setdefault(channel.topic, []).append(json.loads(message.data))
        recorded = {t["seq"]: t for t in of["/target/arm"]}
        self.assertGreater(len(recorded.keys() & self.sent.keys()), 400)
        for seq in recorded.keys() & self.sent.keys():
            sent = {**self.sent[seq], "from": str(self.sent[seq]["from"])}  # 64 bits: a text, for readers whose numbers are doubles
            self.assertEqual({k: recorded[seq][k] for k in sent}, sent)
        for name in ("overhead", "wrist"):
            for frame in of[f"/camera/{name}"]:
                self.assertEqual(len(base64.b64decode(frame["data"], validate=True)), frame["step"] * frame["height"])
        self.assertEqual([e["reason"] for e in of["/event"] if e["kind"] == "mark"], ["here"])

    def test_metadata_names_the_configuration(self):
        found = {m.name: m.metadata for m in SeekingReader(io.BytesIO(self.bytes)).iter_metadata()}
        self.assertEqual(found["dreamvla.config"]["control.rate_hz"], "200")
        self.assertTrue(found["dreamvla"]["version"])

    def whole_messages(self, data):
        """Without summary and indexes: every message up to where the file ends."""
        n = 0
        try:
            for record in StreamReader(io.BytesIO(data), validate_crcs=True).records:
                n += isinstance(record, Message)
        except (McapError, EOFError, struct.error):  # the last: how this reader says that the data end within an index
            pass
        return n

    def test_a_file_cut_anywhere_keeps_its_whole_chunks(self):
        ends = [0]
        for record in StreamReader(io.BytesIO(self.bytes), emit_chunks=True).records:
            if isinstance(record, Chunk):
                at = self.bytes.index(record.data)
                ends.append(at + len(record.data))
        counts = [self.whole_messages(self.bytes[:end]) for end in ends]
        self.assertEqual(counts[-1], len(self.by_index()))
        dice = random.Random(int(os.environ.get("SEED", "1")))
        for _ in range(CUTS):
            cut = dice.randrange(len(self.bytes))
            before = max(i for i, end in enumerate(ends) if end <= cut)
            self.assertEqual(self.whole_messages(self.bytes[:cut]), counts[before], cut)


if __name__ == "__main__":
    unittest.main()
