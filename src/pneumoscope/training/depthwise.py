"""Depthwise convolutions that train quickly on a CPU.

torch's backward of a depthwise convolution takes a slow path on CPUs where the kernel is 5x5 (gradient of the
weight) or the stride is 2 (gradient of the input), in bfloat16 above all: there it takes most of an
EfficientNet's step. The same gradients come from kernels that are fast: the weight's from a convolution of
groups of 16 channels, of which the diagonal is kept; the input's from a forward convolution of the output's
gradient, spread out by zeros. The forward pass is torch's own.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["FastDepthwise", "depthwise_convolution"]

_GROUP = 16
_SLOW_KERNEL = 5


class FastDepthwise(TorchFunctionMode):
    """While active, depthwise convolutions of square kernels on the CPU have the fast backward.

    >>> with FastDepthwise():
    ...     y = torch.nn.Conv2d(32, 32, 5, padding=2, groups=32)(torch.zeros(1, 32, 8, 8))
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Take over the convolutions that would be slow; everything else is torch's."""
        if func is functional.conv2d and not kwargs and len(args) == 7 and _would_be_slow(*args):
            inputs, weight, bias, stride, padding, _, _ = args
            if torch.is_autocast_enabled("cpu"):
                dtype = torch.get_autocast_dtype("cpu")
                inputs, weight = inputs.to(dtype), weight.to(dtype)
            convolved = depthwise_convolution(inputs, weight, stride[0], padding[0])
            return convolved if bias is None else convolved + bias.to(convolved.dtype)[:, None, None]
        return func(*args, **(kwargs or {}))


def _would_be_slow(
    inputs: Tensor, weight: Tensor, _bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> bool:
    channels, per_group, height, width = weight.shape
    return (
        inputs.device.type == "cpu"
        and torch.is_grad_enabled()
        and groups == channels == inputs.shape[1]
        and per_group == 1
        and channels % _GROUP == 0
        and height == width
        and isinstance(padding, tuple | list)
        and tuple(dilation) == (1, 1)
        and stride[0] == stride[1]
        and padding[0] == padding[1] < height
        and (height >= _SLOW_KERNEL or stride[0] > 1)
    )


def depthwise_convolution(inputs: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Convolve every channel with its own kernel.

    Args:
        inputs: (B, C, H, W) float; C a multiple of 16.
        weight: (C, 1, k, k) of the same type.
        stride: of both directions.
        padding: on all sides, below k.

    Returns:
        (B, C, h, w), as `conv2d` with C groups gives.
    """
    convolved: Tensor = _Depthwise.apply(inputs, weight, stride, padding)
    return convolved


class _Depthwise(Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.stride, ctx.padding = stride, padding
        return torch.conv2d(inputs, weight, None, stride, padding, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (gradient,) = gradients
        inputs, weight = ctx.saved_tensors
        of_inputs = of_weight = None
        if ctx.needs_input_grad[0]:
            of_inputs = _gradient_of_inputs(gradient, inputs, weight, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            of_weight = _gradient_of_weight(gradient, inputs, weight, ctx.stride, ctx.padding)
        return of_inputs, of_weight, None, None


def _native(
    gradient: Tensor, inputs: Tensor, weight: Tensor, stride: int, padding: int, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Torch's own backward: gradients of inputs, weight and bias, those that are wanted."""
    groups = inputs.shape[1] // weight.shape[1]
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient,
        inputs,
        weight,
        None,
        [stride, stride],
        [padding, padding],
        [1, 1],
        False,
        [0, 0],
        groups,
        wanted,
    )
    return found


def _gradient_of_inputs(
    gradient: Tensor, inputs: Tensor, weight: Tensor, stride: int, padding: int
) -> Tensor:
    """(B, C, H, W): correlation with the kernel turned by 180 degrees, after zeros undo the stride."""
    if stride == 1:
        return _native(gradient, inputs, weight, stride, padding, [True, False, False])[0]
    batch, channels, height, width = inputs.shape
    kernel = weight.shape[-1]
    spread = gradient.new_zeros(
        (batch, channels, height + 2 * padding - kernel + 1, width + 2 * padding - kernel + 1)
    ).contiguous(memory_format=torch.channels_last)
    spread[:, :, ::stride, ::stride] = gradient
    return torch.conv2d(spread, weight.flip(2, 3), None, 1, kernel - 1 - padding, 1, channels)


def _gradient_of_weight(
    gradient: Tensor, inputs: Tensor, weight: Tensor, stride: int, padding: int
) -> Tensor:
    """(C, 1, k, k): the diagonal of what every 16 channels say about each other."""
    channels, _, kernel, _ = weight.shape
    if kernel < _SLOW_KERNEL:
        return _native(gradient, inputs, weight, stride, padding, [False, True, False])[1]
    dense = weight.new_empty((channels, _GROUP, kernel, kernel))
    found = _native(gradient, inputs, dense, stride, padding, [False, True, False])[1]
    blocks = found.view(channels // _GROUP, _GROUP, _GROUP, kernel, kernel)
    own = blocks.diagonal(dim1=1, dim2=2)  # (C / 16, k, k, 16)
    return own.permute(0, 3, 1, 2).reshape(channels, 1, kernel, kernel)
