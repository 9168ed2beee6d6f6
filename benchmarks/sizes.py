"""What a pruned network weighs: bytes, exactness, time and memory of formats that people use, beside `prunescope pack`.

    python benchmarks/sizes.py                                # trains the digits recipe, prunes it by magnitude
    python benchmarks/sizes.py --dense a.safetensors --pruned b.safetensors --networks trained full

--dense and --pruned are checkpoints of this project; without the second the first is pruned to 80 % by magnitude, over all
layers. `full` is VGG16 as published (138 M weights) with Gaussian weights, 80 % of each layer removed by magnitude: for its time
and memory; a trained network has the honest bytes. Writing is network to bytes, reading bytes to network, in CPU seconds, the
least of all rounds; the two slow compressors write once, and not the large network. Memory is the peak of reading a file, its
own bytes included, above a copy of the process, in sizes of the network (Linux). zipnn (`pip install -e '.[bench]'`) needs
a C compiler.
"""

import argparse
import ctypes
import functools
import importlib.util
import lzma
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import scipy.sparse
import torch
import zstandard
from common import Peak, parser, where
from torch import Tensor

from prunescope.evaluation.packing import VALUES, pack, unpack
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.bits import Bits
from prunescope.networks.checkpoint import Checkpoint
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.selection import keep_top

ROOT = Path(__file__).resolve().parents[1]
SPARSITY = 0.8
SLOW = ("zstd -19", "xz -6")
State = dict[str, Tensor]


def _zipped(data: bytes) -> bytes:
    from zipnn import ZipNN

    return bytes(ZipNN(input_format="byte", bytearray_dtype="float32", threads=1).compress(bytearray(data)))


def _unzipped(data: bytes) -> bytes:
    from zipnn import ZipNN

    return bytes(ZipNN(input_format="byte", bytearray_dtype="float32", threads=1).decompress(data))


COMPRESSED: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "as it is": (lambda data: data, lambda data: data),
    "zstd -3": (zstandard.ZstdCompressor(level=3).compress, zstandard.ZstdDecompressor().decompress),
    "zstd -19": (zstandard.ZstdCompressor(level=19).compress, zstandard.ZstdDecompressor().decompress),
    "xz -6": (functools.partial(lzma.compress, preset=6), lzma.decompress),
} | ({"zipnn": (_zipped, _unzipped)} if importlib.util.find_spec("zipnn") else {})


def _csr(state: State, kind: type) -> bytes:
    """Weights as matrices (outputs, rest) in compressed sparse rows, everything else dense."""
    tensors = {}
    for name, tensor in state.items():
        if tensor.ndim < 2:
            tensors[name] = tensor
            continue
        rows = scipy.sparse.csr_matrix(tensor.reshape(len(tensor), -1).numpy())
        tensors |= {f"{name}|values": torch.from_numpy(rows.data), f"{name}|shape": torch.tensor(tensor.shape)}
        tensors |= {f"{name}|rows": torch.from_numpy(rows.indptr.astype(kind))}
        tensors |= {f"{name}|columns": torch.from_numpy(rows.indices.astype(kind))}
    return safetensors.torch.save(tensors)


def _dense(data: bytes) -> State:
    tensors = safetensors.torch.load(data)
    state = {name: tensor for name, tensor in tensors.items() if "|" not in name}
    for name in (name.removesuffix("|values") for name in tensors if name.endswith("|values")):
        values, columns, rows = (tensors[f"{name}|{part}"].numpy() for part in ("values", "columns", "rows"))
        shape = tensors[f"{name}|shape"].tolist()
        matrix = scipy.sparse.csr_matrix((values, columns, rows), shape=(shape[0], math.prod(shape[1:])))
        state[name] = torch.from_numpy(matrix.toarray()).view(shape)
    return state


def written(form: str, found: Checkpoint) -> bytes:
    """The network's file in a format of `rows`."""
    if form in VALUES:
        return pack(found, form)
    if form.startswith("CSR"):
        return _csr(found.state, np.int32 if "32" in form else np.int64)
    return COMPRESSED[form][0](safetensors.torch.save(found.state))


def read(form: str, data: bytes) -> State:
    if form in VALUES:
        return unpack(data, Path(form)).state
    return _dense(data) if form.startswith("CSR") else safetensors.torch.load(COMPRESSED[form][1](data))


def error(before: State, after: State) -> str:
    """ "yes" where every bit is the same, else the largest change of a weight over the largest weight of its layer."""
    if all(tensor.numpy().tobytes() == after[name].numpy().tobytes() for name, tensor in before.items()):
        return "yes"
    floats = [name for name, tensor in before.items() if tensor.is_floating_point() and tensor.any()]
    off = [((after[name] - before[name]).abs().max() / before[name].abs().max()).item() for name in floats]
    return f"no, {max(off):.1e}"


def magnitude(dense: Checkpoint, layers: bool) -> Checkpoint:
    """The network with SPARSITY of its weights removed by magnitude: of all together, or of each layer."""
    network = dense.network()
    weights = prunable(network)
    groups = [{name: weight} for name, weight in weights.items()] if layers else [weights]
    masks: State = {}
    for group in groups:
        keep = round(sum(weight.numel() for weight in group.values()) * (1 - SPARSITY))
        masks |= keep_top({name: weight.detach().abs() for name, weight in group.items()}, ones(group), keep)
    apply_(weights, masks)
    return Checkpoint("pruned", dense.architecture, network.state_dict(), Bits(masks))


def digits(folder: Path) -> Checkpoint:
    """VGG16 with batch norm, trained by the recipe of the digits."""

    def stage(script: str, *options: str) -> None:
        subprocess.run([sys.executable, str(ROOT / script), *options], check=True, cwd=folder, stdout=sys.stderr, env=os.environ)

    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    cell = ("--dataset", "digits", "--store", "store")
    stage("stages/download.py", *cell, "--metrics", "m.json")
    stage("stages/weights.py", "--model", "vgg16_bn", *cell, "--weights", "weights", "--start", "start")
    made = ("--checkpoint", "dense.safetensors", "--metrics", "m.json", "--history", "h.csv")
    stage("stages/pretrain.py", "--model", "vgg16_bn", "--seed", "0", *cell, "--start", "start", *made)
    return checkpoint.read(folder / "dense.safetensors")


def table(dense: Checkpoint, pruned: Checkpoint, rounds: int, slow: bool, folder: Path) -> str:
    """A row for each network and format."""
    whole = len(safetensors.torch.save(dense.state))
    kinds = [("dense", form) for form in COMPRESSED] + [
        ("pruned", form) for form in (*COMPRESSED, "CSR, int64", "CSR, int32", *VALUES)
    ]
    kinds = [kind for kind in kinds if slow or kind[1] not in SLOW]
    networks, files, took = {"dense": dense, "pruned": pruned}, {}, {}
    for kind in kinds:
        took[kind] = []
        for _ in range(1 if kind[1] in SLOW else rounds):
            files[kind] = timed(took[kind], written, kind[1], networks[kind[0]])
    lines = ["| network | file | bytes | times smaller | lossless | write, CPU s | read, CPU s | memory of reading |",
             "| :-- | :-- | --: | --: | :-- | --: | --: | --: |"]  # fmt: skip
    for of, form in kinds:
        path = folder / "file"
        path.write_bytes(files[of, form])
        memory = memory_of(form, path) * 2**20 / whole
        reading: list[float] = []
        for _ in range(rounds):
            after = timed(reading, read, form, files[of, form])
        same = error(networks[of].state, after)
        what = f"packed, {form}" if form in VALUES else form if form.startswith("CSR") else f"safetensors, {form}"
        size, seconds = len(files[of, form]), (min(took[of, form]), min(reading))
        lines.append(f"| {of} | {what.removesuffix(', as it is')} | {size:,} | {whole / size:.2f} | {same} | "
                     f"{seconds[0]:.3g} | {seconds[1]:.3g} | {memory:.2f} |")  # fmt: skip
    return "\n".join(lines)


def timed(seconds: list[float], function: Callable, *given: object) -> Any:
    """What a function gives; its CPU seconds are appended: one thread, and a shared machine would show in wall time."""
    started = time.process_time()
    made = function(*given)
    seconds.append(time.process_time() - started)
    return made


def memory_of(form: str, path: Path) -> float:
    """Peak MiB of reading a file, above a copy of this process that has given back what it does not use."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def measure() -> None:
        ctypes.CDLL(None).malloc_trim(0)
        with Peak() as peak:
            read(form, path.read_bytes())
        sender.send(peak.mib)

    child = context.Process(target=measure)
    child.start()
    sender.close()
    found = receiver.recv()
    child.join()
    return found


def arguments() -> argparse.Namespace:
    add = parser(__doc__)
    add.add_argument("--dense", type=Path, help="a checkpoint of a trained dense network; none: the digits recipe is trained")
    add.add_argument("--pruned", type=Path, help="a checkpoint of the same network pruned; none: --dense by magnitude")
    add.add_argument("--networks", nargs="+", choices=("trained", "full"), default=["trained"])
    return add.parse_args()


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads or 1)
    print(where(torch.device("cpu")), f"· zstandard {zstandard.__version__}", "" if "zipnn" in COMPRESSED else "· no zipnn here")
    with tempfile.TemporaryDirectory() as folder:
        if "trained" in args.networks:
            dense = checkpoint.read(args.dense) if args.dense else digits(Path(folder))
            pruned = checkpoint.read(args.pruned) if args.pruned else magnitude(dense, layers=False)
            print(f"\n{dense.architecture}, {pruned.about or 'pruned by magnitude over all layers'}\n")
            print(table(dense, pruned, args.rounds, True, Path(folder)), flush=True)
        if "full" in args.networks:
            torch.manual_seed(0)
            full = Architecture("vgg16", 1000)
            dense = Checkpoint("dense", full, build(full).state_dict())
            print(f"\n{full}, Gaussian weights, {SPARSITY:.0%} of each layer removed by magnitude\n")
            print(table(dense, magnitude(dense, layers=True), args.rounds, False, Path(folder)))


if __name__ == "__main__":
    main()
