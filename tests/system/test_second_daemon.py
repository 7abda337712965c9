"""test_second_daemon.py - two real dreamvlads and one arm. The worst case is set up: what both send reaches the arm, and both hear it,
through a hub between them. The second one cannot move the arm, until an operator gives it away."""
import contextlib
import threading
import time
import unittest

import zmq

import peers
import whole


class Hub(threading.Thread):
    """Passes on every message from what is bound or connected on one side to the other, both ways of a publisher's life."""

    def __init__(self, context, heard_at, told_to, bind):
        super().__init__(daemon=True)
        self.sub, self.pub = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
        for socket in (self.sub, self.pub):
            socket.linger = 0
        if bind == "sub":
            self.sub.bind(heard_at)
            for address in told_to:
                self.pub.connect(address)
        else:
            for address in heard_at:
                self.sub.connect(address)
            self.pub.bind(told_to)

    def run(self):
        with contextlib.suppress(zmq.ZMQError):  # ends with its context
            zmq.proxy(self.sub, self.pub)
        self.sub.close()
        self.pub.close()


class Second(whole.Bench):
    """A bench whose arm hears two daemons, and is heard by both; cameras and devices belong to the first one."""

    def start_all(self):
        self.second = whole.write_config(self.folder, "second", self.door)
        of_arm = whole.write_config(self.folder, "arm", self.door, states=f"ipc://{self.folder}/hub-states",
                                    targets=f"ipc://{self.folder}/hub-targets")
        names = ("main", "second")
        self.hubs = zmq.Context()
        Hub(self.hubs, f"ipc://{self.folder}/hub-states", [f"ipc://{self.folder}/{n}-states" for n in names], "sub").start()
        Hub(self.hubs, [f"ipc://{self.folder}/{n}-targets" for n in names], f"ipc://{self.folder}/hub-targets", "pub").start()
        self.start_sim()
        self.start_arm(of_arm)
        self.start_daemon()
        peers.until("attach", self.attached)

    def start_second(self):
        self.other = self.start("dreamvlad", "--config", self.second)
        self.other_targets = self.listen(f"ipc://{self.folder}/second-targets")
        peers.until("the second daemon", lambda: (self.ask_other(cmd="status", patience_s=0.5) or {"mode": "BOOT"})["mode"] != "BOOT")

    def ask_other(self, **request):
        return self.ask_at(f"ipc://{self.folder}/second-control", **request)

    def close(self):
        super().close()
        self.hubs.destroy(linger=0)


class SecondDaemon(unittest.TestCase):
    def test_it_cannot_attach_nor_move_the_arm(self):
        with whole.bench(Second) as b:
            b.into_motion()
            b.start_second()
            first = b.ask_arm()["accepted_from"]
            status = peers.until("the refusal", lambda: (s := b.ask_other(cmd="status"))["arms"]["arm"]["refused"] and s)
            self.assertIn(f"another one drives this arm: {first:016x}", status["arms"]["arm"]["refused"])
            self.assertFalse(status["arms"]["arm"]["attached"])
            def refused():  # as soon as it has heard of the arm at all
                reply = b.ask_other(cmd="mode", mode="auto")
                self.assertFalse(reply["ok"])
                return "arm arm: not attached" in reply["error"]

            peers.until("the pre-flight to miss the attach", refused)
            self.assertFalse(b.ask_other(cmd="home")["ok"])
            device = whole.Device(b, f"ipc://{b.folder}/second-operators")
            for pressed in (False, True) * 3:  # nor does a person at the second one
                device.set(deadman=pressed, values=[0.0, 0.0, 0.1, 0.0, 0.0, 0.0])
                time.sleep(0.1)
            self.assertNotEqual(b.ask_other(cmd="status")["mode"], "TELEOP")
            b.ask_other(cmd="reset")
            time.sleep(0.6)  # longer than the pause between two attempts
            self.assertEqual(b.other_targets.all, [])
            self.assertEqual(b.ask_arm()["accepted_from"], first)
            self.assertNotEqual(b.mode(), "FAULT")
            b.assert_within_limits(self)

    def test_an_operator_gives_the_arm_away(self):
        with whole.bench(Second) as b:
            b.into_motion()
            b.start_second()
            first = b.ask_arm()["accepted_from"]
            # Who the second one is stands in its status topic, as in every map.
            status = b.listen(f"ipc://{b.folder}/second-status", "status")
            other = peers.until("its number", lambda: status.all and status.all[-1]["from"])
            tcp = [0, 0, 0.1034, 0, 0, -0.3826834, 0.9238795]
            attach = {"cmd": "attach", "from": other, "model": "panda", "dof": 7, "tcp": tcp}
            refused = b.ask_arm(**attach)
            self.assertIn("another one drives", refused["error"])
            self.assertTrue(b.ask_arm(**attach, takeover=True)["ok"])
            fault = peers.until("FAULT of the first", lambda: (s := b.ask(cmd="status"))["mode"] == "FAULT" and s)
            self.assertIn("no longer obeys this daemon", fault["reason"])
            peers.until("the second to have it", lambda: b.ask_other(cmd="status")["arms"]["arm"]["attached"])
            state = b.stand()
            new = peers.until("its targets", lambda: b.other_targets.all)
            for q, wanted in zip(new[0]["q"], state["q_d"]):
                self.assertAlmostEqual(q, wanted, places=6)
            self.assertEqual({t["source"] for t in new}, {"hold"})
            self.assertNotEqual(first, other)
            self.assertEqual(b.ask_arm()["accepted_from"], other)
            self.assertIn("another one took over", b.arm.text())
            self.assertFalse(b.ask(cmd="mode", mode="auto")["ok"])
            b.assert_within_limits(self)


if __name__ == "__main__":
    unittest.main()
