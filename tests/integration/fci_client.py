"""A client of Franka's control interface written from the protocol's tables, not from our code: sockets and struct only."""
import random
import select
import socket
import struct
import time

ROBOT, GRIPPER = 1337, 1338
IDS = {  # by protocol: Move, StopMove, SetJointImpedance, AutomaticErrorRecovery, the last id
    5: (1, 2, 5, 12, 13), 6: (1, 2, 4, 10, 11), 7: (1, 2, 4, 10, 11), 8: (1, 2, 4, 10, 12), 9: (1, 2, 4, 10, 12), 10: (1, 2, 4, 10, 11)}
STATE_BYTES = {5: 2373, 6: 2373, 7: 2373, 8: 2373, 9: 2373, 10: 1377}
COMMAND_BYTES = {5: 370, 6: 370, 7: 371, 8: 371, 9: 371, 10: 371}
DEVIATION = struct.pack("<6d", 10.0, 3.12, 6.2831853, 10.0, 3.12, 6.2831853)


def free_address():
    """An address of the loopback network of our own, because the protocol's ports are fixed."""
    for _ in range(100):
        address = "127.%d.%d.%d" % (random.randint(1, 254), random.randint(0, 254), random.randint(1, 254))
        with socket.socket() as s:
            try:
                s.bind((address, ROBOT))
            except OSError:
                continue
        return address
    raise AssertionError("no free loopback address")


class State:
    def __init__(self, version, raw):
        wide = version < 10
        reals = struct.Struct("<7d" if wide else "<7f")
        self.id = struct.unpack_from("<Q", raw)[0]
        self.q = reals.unpack_from(raw, 1184 if wide else 596)
        self.q_d = reals.unpack_from(raw, 1240 if wide else 624)
        self.dq = reals.unpack_from(raw, 1296 if wide else 652)
        self.generator, self.controller = raw[2280 if wide else 1288], raw[2281 if wide else 1289]
        self.errors = raw[2282:2323] if wide else raw[1290:1331]
        self.reflex_reason = raw[2323:2364] if wide else raw[1331:1372]
        self.mode = raw[2364 if wide else 1372]


class Gone(Exception):
    """The server has ended the connection."""


class Client:
    def __init__(self, address, port=ROBOT, patience_s=30):
        self.address, self.patience_s, self.n = address, patience_s, 0
        self.tcp = socket.create_connection((address, port), timeout=patience_s)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1" if address.startswith("127.") else "0.0.0.0", 0))
        self.udp.settimeout(patience_s)
        self.pending = b""

    def close(self):
        self.tcp.close()
        self.udp.close()

    def send(self, command, payload=b"", size=None):
        raw = struct.pack("<III", command, self.n, 12 + len(payload) if size is None else size) + payload
        self.n += 1
        self.tcp.sendall(raw)
        return self.n - 1

    def take(self, n):
        while len(self.pending) < n:
            try:
                more = self.tcp.recv(65536)
            except ConnectionError:
                more = b""
            if not more:
                raise Gone()
            self.pending += more
        out, self.pending = self.pending[:n], self.pending[n:]
        return out

    def answer(self):
        """(command, id, payload) of the next response."""
        command, number, size = struct.unpack("<III", self.take(12))
        return command, number, self.take(size - 12)

    def ask(self, command, payload=b""):
        number = self.send(command, payload)
        got, answered, body = self.answer()
        assert (got, answered) == (command, number), (got, answered)
        return body

    def connect(self, version):
        self.version = version
        port = self.udp.getsockname()[1]
        status, theirs = struct.unpack("<BH", self.ask(0, struct.pack("<HH", version, port)))
        return status, theirs

    def state(self):
        """The newest state; where none is there, the next one."""
        raw = None
        while True:
            ready = select.select([self.udp], [], [], self.patience_s if raw is None else 0)[0]
            if not ready:
                assert raw is not None, "no state"
                break
            raw, self.server = self.udp.recvfrom(4096)
        assert len(raw) == STATE_BYTES[self.version], len(raw)
        return State(self.version, raw)

    def wait_state(self, condition, what):
        end = time.monotonic() + self.patience_s
        while time.monotonic() < end:
            s = self.state()
            if condition(s):
                return s
        raise AssertionError("no state: " + what)

    def move(self, controller=0, generator=0):
        payload = struct.pack("<II", controller, generator) + DEVIATION + (bytes(57) if self.version == 10 else b"")
        return self.ask(IDS[self.version][0], payload)[0]

    def command(self, state, q=None, dq=None, finished=False, tau=None):
        raw = struct.pack("<Q7d7d16d6d2dBB7d", state.id, *(q or [0.0] * 7), *(dq or [0.0] * 7), *[0.0] * 24, 0, finished, *(tau or [0.0] * 7))
        raw += b"\0" if self.version >= 7 else b""
        assert len(raw) == COMMAND_BYTES[self.version]
        self.udp.sendto(raw, self.server)
