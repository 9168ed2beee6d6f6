"""The commands that use a finished network: predict, export, pack, unpack. They import what they need when they run."""

import argparse
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prunescope.deploy import outputs
from prunescope.errors import PrunescopeError

CHECKED = 512  # images on which an exported file is compared with torch
CALIBRATED = 512  # training images that INT8 is calibrated on
FEWEST = 8  # as of params.yaml's deploy.calibration_images
NAMES = "backslashreplace"  # names of files may be no text, or none that the terminal has: no reason to lose all answers


def add_to(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """The subcommands, each with the function below that runs it."""
    predicting = add("predict", "what a finished network says of image files")
    predicting.set_defaults(run=predict)
    _network(predicting)
    predicting.add_argument("images", nargs="+", type=Path, help="image files (DICOM with pydicom), or folders of them")
    predicting.add_argument("--format", choices=("table", "csv", "json"), default="table")
    predicting.add_argument("--out", type=Path, help="a file to write, in place of the terminal")
    predicting.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")

    exporting = add("export", "a finished network as ONNX or plain weights, compared with torch on real images")
    exporting.set_defaults(run=export)
    _network(exporting)
    exporting.add_argument("--onnx", type=Path, metavar="OUT", help="an ONNX file (pip install 'prunescope[deploy]')")
    exporting.add_argument("--weights", type=Path, metavar="OUT", help="a safetensors file of the state dict alone")
    exporting.add_argument("--values", choices=("fp32", "bf16", "int8"), default="fp32", help="of the ONNX file's weights")
    exporting.add_argument(
        "--preprocessing", choices=("beside", "inside"), default="beside",
        help="inside: the graph takes uint8 squares; beside (default): normalised float32, as a .json beside it says",
    )  # fmt: skip
    exporting.add_argument("--opset", type=int, default=20, help="of ONNX (default: %(default)s)")
    exporting.add_argument("--images", type=Path, help="a folder of images to compare and calibrate on, where there is no store")

    packing = add("pack", "a pruned checkpoint as a small file: a bitmask, and values of 32, 16 or 8 bits")
    packing.set_defaults(run=pack)
    packing.add_argument("checkpoint", type=Path)
    packing.add_argument("packed", type=Path)
    packing.add_argument(
        "--values", choices=("fp32", "fp16", "bf16", "int8"), default="fp32",
        help="fp32 (default) is lossless; int8: whole steps of 1/127 of each row's largest weight",
    )  # fmt: skip

    unpacking = add("unpack", "a packed file as a checkpoint again")
    unpacking.set_defaults(run=unpack)
    unpacking.add_argument("packed", type=Path)
    unpacking.add_argument("checkpoint", type=Path)


def _network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="checkpoints/finished/<cell>/<method>.safetensors, or a packed file")
    parser.add_argument(
        "--store",
        type=Path,
        help="its prepared data set, of files that do not say what they take (export: default prepared/<its data set>)",
    )


def predict(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from prunescope import runtime
    from prunescope.deploy.loading import load
    from prunescope.deploy.pictures import files_of
    from prunescope.deploy.predicting import FORMS, predict
    from prunescope.files import replacing

    networks = [path for path in arguments.images if path.suffix in (".safetensors", ".packed") and path.is_file()]
    if networks:
        raise PrunescopeError(f"found {networks[0]} among the images, wanted one network a call, before them")
    paths, device = files_of(arguments.images), runtime.device(arguments.device)
    if arguments.out:
        outputs.require("--out", arguments.out, apart_from=(arguments.checkpoint, *paths))
    runtime.prepare(0, device)  # full float32 on a GPU, as the test split was measured
    network = load(arguments.checkpoint, store=arguments.store)
    lines_alone = not arguments.out and arguments.format != "table" and sys.stdout.isatty()
    said = tqdm(
        predict(network, paths, device=device), total=len(paths), unit="image", file=sys.stderr,
        disable=True if lines_alone or len(paths) == 1 else None,
    )  # fmt: skip
    broken = []

    def noted() -> Iterator[Any]:
        for one in said:
            if one.error:
                broken.append(one)
            yield one

    lines = FORMS[arguments.format](noted(), network.classes)
    if arguments.out:
        with replacing(arguments.out) as temporary, temporary.open("w", encoding="utf-8", errors=NAMES, newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)
        print(f"{arguments.out}: {_counted(len(paths) - len(broken))}")
    else:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors=NAMES)
        for line in lines:
            print(line)
    if broken:
        print(
            f"error: {len(broken):,} of {_counted(len(paths))} cannot be read: {broken[0].path}: {broken[0].error}",
            file=sys.stderr,
        )
    return 1 if broken else 0


def export(arguments: argparse.Namespace) -> None:
    from prunescope.deploy.loading import load

    if not (arguments.onnx or arguments.weights):
        raise PrunescopeError("found neither --onnx OUT nor --weights OUT, wanted one: what to write")
    if arguments.weights:
        outputs.require("--weights", arguments.weights, apart_from=(arguments.checkpoint,))
        if arguments.onnx and arguments.onnx.absolute() == arguments.weights.absolute():
            raise PrunescopeError(f"found {arguments.onnx} as --onnx and as --weights, wanted two names")
    if arguments.onnx:
        from prunescope.deploy.exporting import require_place
        from prunescope.deploy.graph import require_onnx

        require_onnx(arguments.opset)
        outputs.require("--onnx", arguments.onnx, apart_from=(arguments.checkpoint,))
        require_place(arguments.onnx, inside=arguments.preprocessing == "inside")
    network = load(arguments.checkpoint, store=arguments.store)
    if arguments.onnx:
        from prunescope.deploy import exporting

        checked, calibration = _images(arguments, network)
        found = exporting.export(
            network, arguments.onnx, checked, form=arguments.values, inside=arguments.preprocessing == "inside",
            opset=arguments.opset, calibration=calibration,
        )  # fmt: skip
        size = arguments.onnx.stat().st_size
        if arguments.values == "int8":
            print(f"calibrated on {_counted(len(calibration))} of {arguments.images or 'the training split'}")
        print(f"{arguments.onnx}: {arguments.values}, {size:,} bytes, opset {arguments.opset}, batch of any size\n{found}")
    if arguments.weights:
        from safetensors.torch import save

        from prunescope.files import write_bytes

        state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
        write_bytes(arguments.weights, save(state, metadata={"format": "pt"}))
        print(f"{arguments.weights}: {len(state)} tensors, torchvision's names; removed weights are zeros")


def _counted(images: int) -> str:
    return f"{images:,} image{'s' * (images != 1)}"


def _images(arguments: argparse.Namespace, network: Any) -> tuple[Any, Any]:
    """(images with labels to compare on, of the validation split; training images to calibrate on), or both of a folder."""
    import numpy as np

    from prunescope.data import store as stores
    from prunescope.deploy.exporting import Squares, evenly
    from prunescope.deploy.pictures import files_of, square

    inputs = network.preprocess.inputs
    if arguments.images:
        paths, read = files_of([arguments.images]), []
        for path in (paths[place] for place in evenly(len(paths), CHECKED + CALIBRATED)):  # not the first class's folder alone
            try:
                read.append(square(path, inputs)[0])
            except Exception as error:  # decoders raise whatever they like on broken bytes
                raise PrunescopeError(f"{path}: {error}") from error
        if arguments.values == "int8" and len(read) < 2 * FEWEST:
            raise PrunescopeError(
                f"--images: found {_counted(len(read))} in {arguments.images}, wanted at least {2 * FEWEST} for int8: half of "
                "them set the ranges, and should be like all that the network will see"
            )
        squares = np.stack(read)
        return Squares(squares[::2]), squares[1::2]
    folder = arguments.store or Path("prepared") / inputs.dataset
    if not folder.is_dir():
        raise PrunescopeError(
            f"found no prepared data set at {folder}, wanted real images to compare the file with torch on: "
            "name it with --store, or a folder of images with --images"
        )
    store = stores.read(folder)
    if (store.classes, store.image_size) != (inputs.classes, inputs.image_size):
        raise PrunescopeError(f"{folder} has other classes or another image size than {arguments.checkpoint} was trained on")
    spread = {}
    for split, most in (("val", CHECKED), ("train", CALIBRATED)):
        chosen = store.indices(split)
        spread[split] = chosen[evenly(len(chosen), most)]
    return Squares(store.images[spread["val"]], store.labels[spread["val"]]), store.images[spread["train"]]


def pack(arguments: argparse.Namespace) -> None:
    from prunescope.evaluation import packing
    from prunescope.files import write_bytes
    from prunescope.networks import checkpoint

    outputs.require("packed", arguments.packed, apart_from=(arguments.checkpoint,))
    read = checkpoint.read(arguments.checkpoint)
    data = packing.pack(read, arguments.values)
    write_bytes(arguments.packed, data)
    dense = sum(tensor.numel() * tensor.element_size() for tensor in read.state.values())
    print(f"{arguments.packed}: {len(data):,} bytes, {dense / len(data):.2f} times smaller than the {dense:,} of dense float32")


def unpack(arguments: argparse.Namespace) -> None:
    from prunescope.evaluation import packing
    from prunescope.networks import checkpoint

    if not arguments.packed.is_file():
        raise PrunescopeError(f"no packed file at {arguments.packed}; make one with: prunescope pack checkpoint packed")
    outputs.require("checkpoint", arguments.checkpoint, apart_from=(arguments.packed,))
    checkpoint.write(arguments.checkpoint, packing.unpack(arguments.packed.read_bytes(), arguments.packed))
    print(f"{arguments.checkpoint}: a checkpoint that the stages and prunescope.load take")
