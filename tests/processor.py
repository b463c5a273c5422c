"""What the processor that runs the tests can do."""

from pathlib import Path

__all__ = ["has_bfloat16"]


def has_bfloat16() -> bool:
    """Whether this processor says so itself, to the system."""
    described = Path("/proc/cpuinfo")
    flags = described.read_text(encoding="utf-8") if described.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags
