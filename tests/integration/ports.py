"""Free ports for sockets that are bound a moment later, by another process.

They lie below those that Linux gives to outgoing connections (ip_local_port_range begins at 32768), so that none of these can
take one meanwhile, and are drawn at random, so that test runs side by side rarely meet."""
import random
import socket

FIRST, LAST = 15000, 32000


def free_addresses(n):
    addresses = []
    for port in random.SystemRandom().sample(range(FIRST, LAST), 200 + n):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        addresses.append("tcp://127.0.0.1:%d" % port)
        if len(addresses) == n:
            return addresses
    raise AssertionError("no %d free ports from %d to %d" % (n, FIRST, LAST))
