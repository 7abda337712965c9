"""pictures.py - known pictures, and what dreamvla-infer makes of them: the other side of tests that look into dreamvlad's policy."""
import ctypes
import json
import math
import subprocess

import numpy

import peers


def read_ppm(path):
    """[height][width][3]"""
    data = path.read_bytes()
    magic, width, height, depth = data.split(maxsplit=4)[:4]
    assert (magic, depth) == (b"P6", b"255")
    n = 3 * int(width) * int(height)
    return numpy.frombuffer(data[-n:], numpy.uint8).reshape(int(height), int(width), 3)


def write_ppm(path, picture):
    path.write_bytes(b"P6\n%d %d\n255\n" % (picture.shape[1], picture.shape[0]) + picture.tobytes())


def jpeg(picture, quality=90):
    """By libjpeg-turbo itself, as cameras do; 4:2:0."""
    library = ctypes.CDLL("libturbojpeg.so.0")
    library.tjInitCompress.restype = ctypes.c_void_p
    codec = ctypes.c_void_p(library.tjInitCompress())
    out, size = ctypes.POINTER(ctypes.c_ubyte)(), ctypes.c_ulong()
    rgb, subsampling_420 = 0, 2
    pixels = numpy.ascontiguousarray(picture)
    rc = library.tjCompress2(codec, pixels.ctypes.data_as(ctypes.c_void_p), pixels.shape[1], 0, pixels.shape[0], rgb,
                             ctypes.byref(out), ctypes.byref(size), subsampling_420, quality, 0)
    assert rc == 0
    data = ctypes.string_at(out, size.value)
    library.tjFree(out)
    library.tjDestroy(codec)
    return data


def rotation_vector(quaternion, near):
    """Of x, y, z, w: of the two that mean the same rotation, the one that is nearer."""
    length = math.hypot(*quaternion[:3])
    angle = 2 * math.atan2(length, quaternion[3])
    axis = [v / length for v in quaternion[:3]]
    both = [[angle * v for v in axis], [(angle - 2 * math.pi) * v for v in axis]]
    return min(both, key=lambda v: math.dist(v, near))


def state_of(q, gripper_m, mean):
    """policy.proprio [ee_pos, ee_rotvec, gripper_fingers] of a Panda that stands at q."""
    position, quaternion = peers.forward(q)
    return [*position, *rotation_vector(quaternion, mean[3:6]), gripper_m / 2, -gripper_m / 2]


def infer(files, state, instruction, crop, model=peers.CHECKPOINT, decoder="discrete", more=()):
    """dreamvla-infer's answer: actions, tokens, lost."""
    images = [word for file in files for word in ("--image", file)]
    done = subprocess.run([peers.BUILD / "dreamvla-infer", "--model", model, "--heads", model / "heads" / decoder, "--json",
                           "--decoder", decoder, *more, "--action-chunk", "8", "--unnorm-key", "libero_spatial_no_noops", "--center-crop", str(crop), *images,
                           "--state=" + ",".join(map(repr, state)), "--instruction", instruction],
                          capture_output=True, text=True, timeout=peers.PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
