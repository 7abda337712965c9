"""ask.py ADDRESS JSON: one request on a control socket; prints the reply as JSON."""
import json
import sys

import msgpack
import zmq

context = zmq.Context()
s = context.socket(zmq.REQ)
s.linger, s.rcvtimeo, s.sndtimeo = 0, 20000, 20000
s.connect(sys.argv[1])
s.send(msgpack.packb(json.loads(sys.argv[2])))
print(json.dumps(msgpack.unpackb(s.recv())))
context.destroy()
