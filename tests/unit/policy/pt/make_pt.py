"""Makes the `.pt` files of this folder, with the PyTorch of the interpreter that runs it, and what must come out of them.

    PYTHON make_pt.py [--refused]

Writes torch-<version>/<case>--0_checkpoint.pt, for each a line in torch-<version>/expected.json: name, type, shape and bytes (hex)
of every tensor, as PyTorch holds them. --refused adds what a head file must not be; test_pickle_files.c knows what is said
about each. The versions here: 1.6.0 (the first that writes ZIP files), 1.13.1, 2.0.1, 2.1.2, 2.4.1, 2.6.0, 2.13.0; --refused with 1.13.1 and
2.13.0.
"""

import collections
import json
import os
import sys
import warnings
import zipfile

import numpy
import torch

VERSION = torch.__version__.split("+")[0]
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch-" + VERSION)
NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}


def content(x):
    """Bytes of a tensor in row-major order; through float32 because old versions cannot show bfloat16 to numpy."""
    wide = x.detach().contiguous().float().numpy()
    if x.dtype == torch.bfloat16:
        return (wide.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()
    return wide.astype(numpy.float16 if x.dtype == torch.float16 else numpy.float32).tobytes()


def describe(tensors):
    return {name: {"type": NAMES[x.dtype], "shape": list(x.shape), "bytes": content(x).hex()} for name, x in tensors.items()}


class Wrapped(torch.nn.Module):
    """As DistributedDataParallel names things."""

    def __init__(self, inside):
        super().__init__()
        self.module = inside


def small_module():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.LayerNorm(3), torch.nn.Linear(3, 2))


def ramp(*shape):
    return (torch.arange(float(numpy.prod(shape, dtype=int))) / 4 - 1).reshape(shape)


def accepted():
    base = ramp(4, 3)
    yield "state_dict", small_module().state_dict()
    yield "module_prefix", Wrapped(small_module().half()).state_dict()
    yield "plain_dict", {"a": ramp(2, 3).bfloat16(), "b": ramp(5)}
    yield "ordered_dict", collections.OrderedDict(b=ramp(5).half(), a=ramp(2, 3).bfloat16())
    yield "ranks", {"scalar": torch.tensor(0.75), "empty": torch.empty(0, 3), "empty_rows": torch.empty(3, 0).half(),
                    "one": torch.tensor([2.0]).bfloat16(), "five": ramp(1, 2, 1, 3, 1)}
    yield "views", {"all": base, "same": base, "rows": base[1:3], "last": base[3], "flat": base.view(-1)[5:9],
                    "turned_row": base[:1, :].t()[:, 0]}
    yield "parameters", dict(small_module().named_parameters())
    numbers = ramp(40)
    yield "many", {"layer.%d.weight" % i: numbers[i:i + 1] for i in range(40)}


def refused():
    yield "transposed", {"a": ramp(2, 3), "w": ramp(2, 3).t()}
    yield "gaps", {"w": ramp(4, 3)[:, :2]}
    yield "repeated", {"w": ramp(3).expand(2, 3)}
    yield "float64", {"a": ramp(1), "w": ramp(2).double()}
    yield "int64", {"a": ramp(1), "w": torch.arange(2)}
    yield "bool", {"w": torch.tensor([True])}
    yield "uint8", {"w": torch.zeros(2, dtype=torch.uint8)}
    yield "complex64", {"w": torch.zeros(2, dtype=torch.complex64)}
    yield "quantized", {"w": torch.quantize_per_tensor(ramp(2), 0.5, 0, torch.qint8)}
    yield "sparse", {"w": ramp(2, 2).to_sparse()}
    yield "seven_dimensions", {"w": ramp(1, 1, 1, 1, 1, 1, 2)}
    yield "epoch_beside", {"w": ramp(1), "epoch": 7}
    yield "loss_beside", {"w": ramp(1), "loss": 0.5}
    yield "size_beside", {"w": ramp(1), "size": torch.Size([2, 3])}
    yield "list_beside", {"w": ramp(1), "steps": [1, 2]}
    yield "numpy_beside", {"w": ramp(1), "mean": numpy.float64(0.5)}
    yield "nested", {"epoch": 7, "model_state_dict": small_module().state_dict()}
    yield "no_dict", [ramp(2)]
    yield "tensor_only", ramp(2)
    yield "number_key", {1: ramp(2)}
    if hasattr(torch, "_neg_view"):
        yield "negated", {"w": torch._neg_view(ramp(2))}


def path_of(case):
    return os.path.join(FOLDER, case + "--0_checkpoint.pt")


def save_located(case, value, location):
    """As if the tensors had been on that device."""
    original = torch.serialization.location_tag
    torch.serialization.location_tag = lambda storage: location
    torch.save(value, path_of(case))
    torch.serialization.location_tag = original


def save_refused():
    for case, value in refused():
        torch.save(value, path_of(case))
    torch.save(small_module(), path_of("whole_module"))
    state = {"w": ramp(2)}
    for protocol in (4, 5):
        torch.save(state, path_of("protocol%d" % protocol), pickle_protocol=protocol)
    torch.save(state, path_of("legacy"), _use_new_zipfile_serialization=False)
    torch.jit.script(small_module()).save(path_of("torchscript"))
    with zipfile.ZipFile(path_of("state_dict")) as stored, \
            zipfile.ZipFile(path_of("deflated"), "w", zipfile.ZIP_DEFLATED) as out:
        for name in stored.namelist():
            out.writestr(name, stored.read(name))


def main():
    warnings.simplefilter("ignore")
    os.makedirs(FOLDER, exist_ok=True)
    expected = {}
    for case, value in accepted():
        expected[case] = describe(value)
        torch.save(value, path_of(case))
    expected["on_cuda"] = describe({"w": ramp(3)})
    save_located("on_cuda", {"w": ramp(3)}, "cuda:0")
    if "--refused" in sys.argv[1:]:
        save_refused()
    with open(os.path.join(FOLDER, "expected.json"), "w") as file:
        json.dump(expected, file, indent=0, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
