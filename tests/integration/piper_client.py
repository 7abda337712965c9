"""A CAN node behind a socketcand server, on plain sockets, and a host of a PiPER on it: what test_piper_sim.py speaks instead of our code.

Bytes are those of the protocol's descriptions; nothing here knows our codec."""
import select
import socket
import struct
import time

from robots_bench import PATIENCE_S

MOVE_P, MOVE_J = 0, 1


class Node:
    """One connection in raw mode. Frames are taken when somebody waits for something; `last` has the newest of every id, `count` how many."""

    def __init__(self, port, channel="can0", receive_bytes=None):
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE_S)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.text, self.last, self.count, self.errors, self.odd = b"", {}, {}, [], 0
        assert self.reply() == "< hi >"
        assert self.ask("< open %s >" % channel) == "< ok >"
        assert self.ask("< rawmode >") == "< ok >"
        self.socket.setblocking(False)

    def close(self):
        self.socket.close()

    def reply(self):
        """One recv, which has to hold the whole reply and nothing else: python-can relies on it."""
        return self.socket.recv(1024).decode("ascii")

    def ask(self, text):
        self.socket.sendall(text.encode("ascii"))
        return self.reply()

    def raw(self, data):
        self.socket.setblocking(True)
        self.socket.sendall(data)
        self.socket.setblocking(False)

    def send(self, can_id, *data):
        self.raw(("< send %X %d %s >" % (can_id, len(data), " ".join("%x" % b for b in data))).encode("ascii"))

    def send_text(self, text):
        """155 00 00 2c c3 00 00 2c c3"""
        words = text.split()
        self.send(int(words[0], 16), *[int(w, 16) for w in words[1:]])

    def take(self, wait_s=0.05):
        """What has come, waiting for something to come."""
        if not select.select([self.socket], [], [], wait_s)[0]:
            return
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server has closed the connection")
        *whole, self.text = (self.text + data).split(b">")
        for message in whole:
            self.take_message(message.decode("ascii").strip("< ").split())

    def take_message(self, words):
        if words[0] == "error":
            self.errors.append(" ".join(words[1:]))
            return
        if words[0] != "frame" or len(words[1]) != 3 or len(words) != 4 or len(words[3]) != 16:
            self.odd += 1
            return
        can_id = int(words[1], 16)
        self.count[can_id] = self.count.get(can_id, 0) + 1
        self.last[can_id] = (float(words[2]), bytes.fromhex(words[3]))

    def drain(self):
        """Everything that lies there."""
        while select.select([self.socket], [], [], 0)[0]:
            self.take(0)

    def wait(self, what, condition, seconds=PATIENCE_S):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.take()
            if condition():
                return
        raise AssertionError("not within %g s: %s; newest frames %s" % (seconds, what, self.last))

    def forget(self):
        self.drain()
        self.last, self.count, self.errors, self.odd = {}, {}, [], 0

    def next_of(self, *ids):
        """A new frame of each."""
        self.forget()
        self.wait("new frames %s" % " ".join("%X" % i for i in ids), lambda: all(i in self.last for i in ids))
        return [self.last[i][1] for i in ids]


class Host(Node):
    """Commands and feedback of one PiPER."""

    def enable(self):
        """As the SDK's loop: again until all say so."""
        def done():
            self.send(0x471, 7, 2, 0, 0, 0, 0, 0, 0)
            return all(self.last.get(i, (0, bytes(8)))[1][5] & 0x40 for i in range(0x261, 0x267))
        self.wait("all joints enabled", done)

    def mode(self, move, percent=100, follow=0):
        self.send(0x151, 1, move, percent, follow, 0, 0, 0, 0)
        self.wait("mode %d" % move, lambda: self.status()[0] == 1 and self.status()[2] == move)

    def status(self):
        return self.next_of(0x2A1)[0]

    def six(self, first_id):
        return [v for data in self.next_of(first_id, first_id + 1, first_id + 2) for v in struct.unpack(">ii", data)]

    def joints_mdeg(self):
        return self.six(0x2A5)

    def pose(self):
        """um and mdeg"""
        return self.six(0x2A2)

    def gripper(self):
        """(um, effort, bits)"""
        return struct.unpack(">ihBx", self.next_of(0x2A8)[0])

    def target(self, first_id, values):
        for i in range(3):
            self.send(first_id + i, *struct.pack(">ii", *values[2 * i:2 * i + 2]))

    def goes_to_joints(self, want, within_mdeg=100):
        self.target(0x155, want)
        self.wait("joints %s" % want, lambda: max(abs(a - b) for a, b in zip(self.joints_mdeg(), want)) <= within_mdeg)
