"""In which arithmetic a network is trained on the machine at hand."""

from typing import Literal

import torch

__all__ = ["Precision", "autocast", "precision_on"]

Precision = Literal["bf16", "fp32"]

# Instruction sets that multiply bfloat16, by the names that torch has for them: x86 and ARM.
_BFLOAT16 = ("avx512_bf16", "amx_bf16", "avx10_2", "bf16")


def precision_on(device: torch.device, wanted: Precision) -> Precision:
    """What a training computes in.

    A CPU without bfloat16 has it only by conversions around every operation, many times slower than single
    precision, which is the more exact of the two: such a CPU takes that.

    Args:
        device: that computes.
        wanted: by the recipe.

    >>> precision_on(torch.device("cpu"), "fp32")
    'fp32'
    """
    if wanted == "bf16" and device.type == "cpu":
        ask = getattr(torch.cpu, "get_capabilities", None)
        if ask is None:  # an older torch, which cannot tell
            return wanted
        known = ask()
        return "bf16" if any(known.get(name) for name in _BFLOAT16) else "fp32"
    return wanted


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """A context in which operations compute in `precision_on(device, precision)`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision_on(device, precision) == "bf16")
