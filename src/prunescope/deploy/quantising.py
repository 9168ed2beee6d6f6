"""Static INT8 of an ONNX graph by onnxruntime: weights symmetric per output channel, activations by what calibration saw.

Zero is a weight's zero point, so removed weights stay exactly zero.
"""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from prunescope.deploy.graph import IMAGES, ROUNDED
from prunescope.errors import PrunescopeError


def int8_graph(model: Any, calibration: Iterable[Tensor]) -> Any:
    """The quantised onnx.ModelProto (quantise, dequantise pairs: runtimes fuse them into integer kernels).

    calibration: batches of training images as the graph takes them, never of the test split; their smallest and largest
        activations become the ranges
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
            batch = next(self.batches, None)
            return None if batch is None else {IMAGES: np.ascontiguousarray(batch.numpy())}

    with tempfile.TemporaryDirectory() as folder, _quiet():
        given, made = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, given)
        quantize_static(
            given, made, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8, calibrate_method=CalibrationMethod.MinMax,
        )  # fmt: skip
        quantised = onnx.load(made)
    del quantised.metadata_props[:]
    quantised.metadata_props.extend(model.metadata_props)
    return quantised


def require_zeros(model: Any, masks: Mapping[str, Tensor]) -> None:
    """Raise PrunescopeError where a removed weight is not zero in a graph of any format.

    Weights are found by name; those that the exporter renamed or turned by their shape and their zeros. What it folded into
    something else, as Swin v2's position biases, is in the graph no more.
    """
    from onnx import numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer if len(tensor.dims) > 1}
    unnamed: dict[str, np.ndarray] = {}
    for name, mask in masks.items():
        key = next((key for key in (f"{name}_quantized", f"{name}{ROUNDED}", name) if key in weights), None)
        gone = ~mask.numpy()
        if key is None or tuple(weights[key].dims) != gone.shape:
            unnamed[name] = gone
        elif revived := int(np.count_nonzero(numpy_helper.to_array(weights.pop(key))[gone])):
            raise PrunescopeError(f"{revived:,} removed weights of {name} are not zero in the graph")
    for name, gone in unnamed.items():
        like = [numpy_helper.to_array(one) for one in weights.values() if sorted(one.dims) == sorted(gone.shape)]
        either = (way for one in like for way in (one, one.T) if way.shape == gone.shape)  # of a square one both
        alive = [int(np.count_nonzero(way[gone])) for way in either]
        if alive and min(alive):
            raise PrunescopeError(f"{min(alive):,} removed weights of {name} are not zero in the graph")


@contextlib.contextmanager
def _quiet():
    """Without onnxruntime's advice on standard output and in the log."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(level)
