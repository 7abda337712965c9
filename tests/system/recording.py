"""recording.py - an MCAP file read by https://mcap.dev/spec and nothing of our own code: chunk by chunk, so that a file without an end can be
read up to its last whole chunk."""
import json
import pathlib
import struct
import zlib

import zstandard

MAGIC = b"\x89MCAP0\r\n"
SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, FOOTER, DATA_END = 3, 4, 5, 6, 7, 2, 15


def text(data, at):
    n, = struct.unpack_from("<I", data, at)
    return data[at + 4:at + 4 + n].decode(), at + 4 + n


def records(data, at=0):
    """(opcode, content) up to the last whole one."""
    while at + 9 <= len(data):
        opcode, n = struct.unpack_from("<BQ", data, at)
        if at + 9 + n > len(data):
            return
        yield opcode, data[at + 9:at + 9 + n]
        at += 9 + n


def unpack(chunk):
    size, crc = struct.unpack_from("<QI", chunk, 16)
    compression, at = text(chunk, 28)
    assert compression == "zstd", compression
    plain = zstandard.ZstdDecompressor().decompress(chunk[at + 8:], max_output_size=size)
    assert len(plain) == size and zlib.crc32(plain) == crc
    return plain


def record_of(opcode, content):
    return struct.pack("<BQ", opcode, len(content)) + content


def sized(data):
    return struct.pack("<I", len(data)) + data


def write(path, topics):
    """An MCAP file of somebody else: topics: topic -> [(log_ns, message)], as JSON in one chunk without compression, and no summary."""
    chunk, times = record_of(SCHEMA, struct.pack("<H", 1) + sized(b"foxglove.CompressedImage") + sized(b"jsonschema") + sized(b"{}")), []
    messages = []
    for number, (topic, sent) in enumerate(topics.items()):
        chunk += record_of(CHANNEL, struct.pack("<HH", number, 1) + sized(topic.encode()) + sized(b"json") + sized(b""))
        messages += [(log_ns, number, message) for log_ns, message in sent]
    for log_ns, number, message in sorted(messages, key=lambda m: m[0]):
        times.append(log_ns)
        chunk += record_of(MESSAGE, struct.pack("<HIQQ", number, 0, log_ns, log_ns) + json.dumps(message).encode())
    head = struct.pack("<QQQI", min(times), max(times), len(chunk), zlib.crc32(chunk)) + sized(b"") + struct.pack("<Q", len(chunk))
    pathlib.Path(path).write_bytes(MAGIC + record_of(1, sized(b"") + sized(b"a test")) + record_of(CHUNK, head + chunk) +
                                   record_of(15, struct.pack("<I", 0)) + record_of(FOOTER, struct.pack("<QQI", 0, 0, 0)) + MAGIC)


def change(path, topic, new):
    """The same file with new(data) for every message of the topic: chunks without compression, and no summary, whose places are others now."""
    data, out, number = pathlib.Path(path).read_bytes(), [], None
    for opcode, content in records(data, len(MAGIC)):
        if opcode == DATA_END:
            break
        if opcode == CHUNK:
            parts = list(records(unpack(content)))
            for kind, part in parts:
                if kind == CHANNEL and text(part, 4)[0] == topic:
                    number = part[:2]
            plain = b"".join(record_of(kind, part[:22] + new(part[22:]) if kind == MESSAGE and part[:2] == number else part) for kind, part in parts)
            content = content[:16] + struct.pack("<QI", len(plain), zlib.crc32(plain)) + sized(b"") + struct.pack("<Q", len(plain)) + plain
        elif opcode == CHANNEL and text(content, 4)[0] == topic:
            number = content[:2]
        if opcode != MESSAGE_INDEX:
            out.append(record_of(opcode, content))
    pathlib.Path(path).write_bytes(MAGIC + b"".join(out) + record_of(DATA_END, struct.pack("<I", 0)) +
                                   record_of(FOOTER, struct.pack("<QQI", 0, 0, 0)) + MAGIC)


class Recording:
    """messages: topic -> [(log_ns, publish_ns, message)]; JSON is decoded, raw bytes are not. ended: the footer is there."""

    def __init__(self, path):
        data = pathlib.Path(path).read_bytes()
        assert data.startswith(MAGIC)
        self.messages, self.schemas, self.ended = {}, {}, False
        self.channels = {}
        for opcode, content in records(data, len(MAGIC)):
            self.take(opcode, content)
            if opcode == FOOTER:
                self.ended = True
                return

    def take(self, opcode, content):
        if opcode == SCHEMA:
            name, at = text(content, 2)
            encoding, at = text(content, at)
            self.schemas[struct.unpack_from("<H", content)[0]] = (name, encoding, text(content, at)[0])
        elif opcode == CHANNEL:
            number, schema = struct.unpack_from("<HH", content)
            topic, at = text(content, 4)
            self.channels[number] = (topic, text(content, at)[0], self.schemas[schema][0])
        elif opcode == CHUNK:
            for inner, message in records(unpack(content)):
                assert inner == MESSAGE
                self.take_message(message)

    def take_message(self, content):
        channel, _, log_ns, publish_ns = struct.unpack_from("<HIQQ", content)
        topic, encoding, _ = self.channels[channel]
        message = json.loads(content[22:]) if encoding == "json" else content[22:]
        self.messages.setdefault(topic, []).append((log_ns, publish_ns, message))

    def of(self, topic):
        return [message for _, _, message in self.messages.get(topic, [])]
