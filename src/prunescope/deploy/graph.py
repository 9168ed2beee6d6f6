"""A finished network as an ONNX graph: torch's own numbers, any number of images, and in its metadata what it is.

torch folds batch norm into the convolution before it where there is one; weights keep their torch names.
"""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunescope.data.batches import normalisation
from prunescope.deploy.loading import Network
from prunescope.errors import PrunescopeError

CPU = torch.device("cpu")
IMAGES, LOGITS = "images", "logits"  # of every graph: its input and its output
OPSET = 20  # runtimes from 2024 on know it (onnxruntime 1.17)
RESIZING = (  # sources/images.py does it
    "upright as EXIF says; transparency on white; RGB; then the centre square, of the shorter side, resized to S = image_size by "
    "Pillow: image.resize((S, S), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)), left and top rounded "
    "down; an image of S x S stays as it is"
)
MOST = 2**31 - 2**24  # bytes of weights: a file of ONNX, which is one message of protobuf, has less than 2 GiB
ROUNDED = "_bf16"  # end of the name of a weight that is stored in bfloat16


def require_onnx(opset: int = OPSET) -> None:
    """Raise PrunescopeError where what exporting and running ONNX takes is not installed, or is older than an opset."""
    missing = []
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise PrunescopeError(f"{', '.join(missing)} not installed, wanted for ONNX: pip install 'prunescope[deploy]'")
    import onnx

    if not 1 <= opset <= (most := onnx.defs.onnx_opset_version()):
        raise PrunescopeError(f"found opset {opset}, wanted one of 1 to {most}, which onnx {onnx.__version__} knows")


def float_graph(network: Network, *, inside: bool = False, opset: int = OPSET) -> Any:
    """The onnx.ModelProto of a network of `loading.load`, in float32.

    Its input `images` is (N, 3, S, S) float32, normalised by `network.preprocess`; with `inside` it is (N, S, S, 3) uint8,
    squares as decoded, which the graph normalises itself. Its output `logits` is (N, K).
    PrunescopeError where torch cannot export it, or not for this `opset`, or where it is too large for one file.
    """
    require_onnx()
    if (weights := sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())) > MOST:
        raise PrunescopeError(
            f"found a network of {weights / 1e9:.2f} GB, wanted at most {MOST / 1e9:.2f}: more does not fit into one ONNX file"
        )
    inputs = network.preprocess.inputs
    size = inputs.image_size
    entry: nn.Module = _Inside(network) if inside else network
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8) if inside else torch.zeros((2, 3, size, size))
    try:
        with _quiet():
            program = torch.onnx.export(
                entry.eval(), (example,), dynamo=True, verbose=False, input_names=[IMAGES], output_names=[LOGITS],
                opset_version=opset, dynamic_shapes=({0: torch.export.Dim("batch")},),
            )  # fmt: skip
    except Exception as error:  # the exporter has many, of its own and of torch.export
        reason = str(error).strip().splitlines()
        raise PrunescopeError(
            f"torch {torch.__version__} cannot export this network to ONNX: {reason[0] if reason else type(error).__name__}"
        ) from error
    assert program is not None
    model = program.model_proto
    made = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if made != opset:  # torch tries to convert it, and keeps what it has where that fails
        raise PrunescopeError(
            f"found opset {made} in what torch {torch.__version__} exports of this network, wanted {opset}, which it "
            f"cannot make: ask for {made} to {OPSET}"
        )
    _without_prefix(model, "network.")
    describe(model, network, inside=inside)
    return model


class _Inside(nn.Module):
    """The network behind its own normalisation."""

    input_scale: Tensor
    input_shift: Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        inputs = network.preprocess.inputs
        for name, numbers in zip(("input_scale", "input_shift"), normalisation(inputs.mean, inputs.std, CPU), strict=True):
            self.register_buffer(name, numbers.flatten())  # of one dimension: no format rounds it as it does weights

    def forward(self, images: Tensor) -> Tensor:
        normalised = images.to(torch.float32).mul(self.input_scale).add(self.input_shift)
        return self.network(normalised.permute(0, 3, 1, 2))


def describe(model: Any, network: Network, *, inside: bool) -> None:
    """Write into the metadata of `model` what it takes, tells and is."""
    inputs = network.preprocess.inputs
    about = {
        "classes": json.dumps(inputs.classes),
        "image_size": str(inputs.image_size),
        "preprocessing": (
            "uint8 RGB squares (N, S, S, 3) of exactly S = image_size: normalisation is in the graph"
            if inside
            else "float32 (N, 3, S, S): (pixel / 255 - mean) / std"
        ),
        "resizing": RESIZING,
        "mean": json.dumps(inputs.mean),
        "std": json.dumps(inputs.std),
        "about": json.dumps(network.about, sort_keys=True),
        "values": "fp32",
    }
    del model.metadata_props[:]
    for key, value in about.items():
        model.metadata_props.add(key=f"prunescope.{key}", value=value)
    model.producer_name, model.doc_string = "prunescope", f"{inputs.dataset}: {', '.join(inputs.classes[:20])}"


def bf16_graph(model: Any) -> Any:
    """A copy whose weights of two or more dimensions are stored in bfloat16, half as large; the runtime computes in float32."""
    from onnx import TensorProto, helper, numpy_helper

    rounded = type(model)()
    rounded.CopyFrom(model)
    graph, casts = rounded.graph, []
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1:
            values = torch.from_numpy(numpy_helper.to_array(tensor).copy()).to(torch.bfloat16)
            name = tensor.name
            tensor.CopyFrom(
                helper.make_tensor(
                    name + ROUNDED, TensorProto.BFLOAT16, tensor.dims, values.view(torch.uint8).numpy().tobytes(), raw=True
                )
            )
            casts.append(helper.make_node("Cast", [name + ROUNDED], [name], to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    return rounded


def session(model: bytes, *, threads: int = 0) -> Any:
    """onnxruntime on the CPU; threads: 0 = as many as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()  # its own choice is bound to cores that may not be ours
    # Threads that wait in a loop after a pass would take the cores of another session that is timed in turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3  # errors: it warns of every weight that it folds
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def logits_of(running: Any, batches: Iterable[Tensor]) -> Tensor:
    """(N, K) float32 of all batches."""
    found = [torch.from_numpy(running.run([LOGITS], {IMAGES: np.ascontiguousarray(batch.numpy())})[0]) for batch in batches]
    return torch.cat(found)


def _without_prefix(model: Any, prefix: str) -> None:
    """Weights by the names that the network itself has for them."""
    graph = model.graph
    for named in (*graph.initializer, *graph.value_info):
        named.name = named.name.removeprefix(prefix)
    for node in graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                names[at] = name.removeprefix(prefix)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's talk; what fails raises."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
