"""Exported networks on TensorFlow, for a GPU. Imports TensorFlow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from artemis.errors import ModelError
from artemis.models.litert_network import open_signature, outputs_of
from artemis.system.native_talk import native_talk_silenced

try:
    with native_talk_silenced():
        import tensorflow as tf
except ImportError as error:
    raise ModelError(
        "TensorFlow: expected it to run the networks, as ARTEMIS_RUNTIME says. Received: not "
        "installed. Install the extra `train`, or set ARTEMIS_RUNTIME=litert."
    ) from error

_BATCH: Final = 64
_TYPES: Final = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT32: np.int32,
}


class TensorFlowNetwork:
    """Runs one batch at a time, on a GPU where there is one; see `artemis.models.network.Network`.

    The flatbuffer's operators are TensorFlow's own under other names, with the same weights: they
    are called one by one, in the file's order, within one graph.
    """

    precision = "f32"

    def __init__(self, path: Path, threads: int) -> None:
        runner, self.side = open_signature(path, 1)
        self.outputs = {name: shape for name, (_, shape) in outputs_of(runner).items()}
        self._lock = threading.Lock()
        graph = _Graph(path)
        picture = tf.TensorSpec((None, self.side, self.side, 1), tf.uint8)
        with native_talk_silenced():
            _settle(threads)
            self._call = tf.function(graph.run, input_signature=[picture])
            self._call(tf.zeros((1, self.side, self.side, 1), tf.uint8))

    def run(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return each output, by name, of ``(n, side, side)`` uint8 pictures."""
        parts = {name: [np.empty((0, *shape), "f4")] for name, shape in self.outputs.items()}
        with self._lock:
            for start in range(0, len(pictures), _BATCH):
                answers = self._call(tf.constant(pictures[start : start + _BATCH, ..., None]))
                for name, values in answers.items():
                    parts[name].append(values.numpy())
        return {name: np.concatenate(values) for name, values in parts.items()}


def _settle(threads: int) -> None:
    """Take so many threads, a GPU's memory as it is needed, and its full precision."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        return  # it has begun to work for another network, which has settled this
    tf.config.experimental.enable_tensor_float_32_execution(False)


class _Graph:
    """The operators of a flatbuffer, in order, and its constants."""

    def __init__(self, path: Path) -> None:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
        (graph,), (signature,) = model.subgraphs, model.signatureDefs
        self._picture = signature.inputs[0].tensorIndex
        self._outputs = {o.name.decode(): o.tensorIndex for o in signature.outputs}
        self._constants = {
            number: _constant(model.buffers[tensor.buffer].data, tensor)
            for number, tensor in enumerate(graph.tensors)
            if model.buffers[tensor.buffer].data is not None
        }
        codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
        self._steps = [
            (_operator(codes[op.opcodeIndex], path), op.builtinOptions, op.inputs, op.outputs[0])
            for op in graph.operators
        ]

    def run(self, picture: Any) -> dict[str, Any]:
        """Return the outputs of a batch of pictures, by name."""
        values = {number: tf.constant(value) for number, value in self._constants.items()}
        values[self._picture] = picture
        for operator, options, inputs, output in self._steps:
            # An input that an operator does without has the number -1.
            given = [values[k] if k >= 0 else None for k in inputs]
            values[output] = operator(options, *given)
        return {name: values[number] for name, number in self._outputs.items()}


def _constant(data: NDArray[np.uint8], tensor: Any) -> NDArray[Any]:
    shape = () if tensor.shape is None else tuple(tensor.shape)
    return np.asarray(data, np.uint8).view(_TYPES[tensor.type]).reshape(shape)


def _operator(code: int, path: Path) -> Callable[..., Any]:
    try:
        return _OPERATORS[code]
    except KeyError:
        names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
        raise ModelError(
            f"{path}: expected operators that Artemis's own networks are made of. Received: "
            f"{names.get(code, code)}. Set ARTEMIS_RUNTIME=litert for it."
        ) from None


def _activated(options: Any, x: Any) -> Any:
    kinds = schema.ActivationFunctionType
    activations = {kinds.NONE: tf.identity, kinds.RELU: tf.nn.relu, kinds.RELU6: tf.nn.relu6}
    return activations[options.fusedActivationFunction](x)


def _convolve(options: Any, x: Any, kernels: Any, bias: Any) -> Any:
    kernels = tf.transpose(kernels, (1, 2, 3, 0))
    strides = (options.strideH, options.strideW)
    dilations = (options.dilationHFactor, options.dilationWFactor)
    made = tf.nn.conv2d(x, kernels, strides, _padding(options), dilations=dilations)
    return _activated(options, made + bias)


def _convolve_each(options: Any, x: Any, kernels: Any, bias: Any) -> Any:
    height, width = kernels.shape[1:3]
    kernels = tf.reshape(kernels, (height, width, -1, options.depthMultiplier))
    strides = (1, options.strideH, options.strideW, 1)
    dilations = (options.dilationHFactor, options.dilationWFactor)
    made = tf.nn.depthwise_conv2d(x, kernels, strides, _padding(options), dilations=dilations)
    return _activated(options, made + bias)


def _connect(options: Any, x: Any, weights: Any, bias: Any) -> Any:
    made = tf.matmul(tf.reshape(x, (-1, weights.shape[1])), weights, transpose_b=True)
    return _activated(options, made if bias is None else made + bias)


def _pool(options: Any, x: Any) -> Any:
    size, strides = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
    return _activated(options, tf.nn.max_pool2d(x, size, strides, _padding(options)))


def _resize(options: Any, x: Any, size: Any) -> Any:
    return tf.raw_ops.ResizeBilinear(
        images=x,
        size=size,
        align_corners=options.alignCorners,
        half_pixel_centers=options.halfPixelCenters,
    )


def _slice(options: Any, x: Any, begin: Any, end: Any, strides: Any) -> Any:
    return tf.strided_slice(
        x,
        begin,
        end,
        strides,
        begin_mask=options.beginMask,
        end_mask=options.endMask,
        ellipsis_mask=options.ellipsisMask,
        new_axis_mask=options.newAxisMask,
        shrink_axis_mask=options.shrinkAxisMask,
    )


def _padding(options: Any) -> str:
    return "SAME" if options.padding == schema.Padding.SAME else "VALID"


_OF: Final = schema.BuiltinOperator
_OPERATORS: Final[Mapping[int, Callable[..., Any]]] = {
    _OF.ADD: lambda options, x, y: _activated(options, x + y),
    _OF.CAST: lambda _, x: tf.cast(x, tf.float32),
    _OF.CONCATENATION: lambda options, *x: _activated(options, tf.concat(x, options.axis)),
    _OF.CONV_2D: _convolve,
    _OF.DEPTHWISE_CONV_2D: _convolve_each,
    _OF.DEQUANTIZE: lambda _, x: tf.cast(x, tf.float32),
    _OF.FULLY_CONNECTED: _connect,
    _OF.LOGISTIC: lambda _, x: tf.sigmoid(x),
    _OF.MAX_POOL_2D: _pool,
    _OF.MEAN: lambda options, x, axes: tf.reduce_mean(x, axes, keepdims=options.keepDims),
    _OF.MUL: lambda options, x, y: _activated(options, x * y),
    _OF.PACK: lambda options, *x: tf.stack(x, options.axis),
    _OF.RESHAPE: lambda _, x, shape: tf.reshape(x, shape),
    _OF.RESIZE_BILINEAR: _resize,
    _OF.SHAPE: lambda _, x: tf.shape(x),
    _OF.SOFTMAX: lambda options, x: tf.nn.softmax(options.beta * x),
    _OF.STRIDED_SLICE: _slice,
    _OF.SUB: lambda options, x, y: _activated(options, x - y),
}
"""By LiteRT's operator: what TensorFlow calls to do the same; options first, then inputs."""
