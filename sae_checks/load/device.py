"""The best device there is, told without loading torch wherever it can only be the processor."""

from __future__ import annotations

import platform
import re
import sys
from importlib.util import find_spec
from pathlib import Path

AUTO = "auto"

# Of an accelerator's driver, on Linux and in its Windows subsystem: NVIDIA's, AMD's, Windows's own.
_DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")


def best_device() -> str:
    """What `auto` stands for: "cuda" where torch can use such a device, else "mps", else "cpu"."""
    if not may_have_accelerator():
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def may_have_accelerator() -> bool:
    """Whether torch has to be asked: a run on stored tables must not load it to learn it is none.

    False only where the machine has no driver, or torch was built for the processor alone.
    """
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform.startswith("linux") and not any(map(_exists, _DRIVERS)):
        return False
    return not _built_for_processor()


def _exists(path: str) -> bool:
    return Path(path).exists()


def _built_for_processor() -> bool:
    """Whether torch's own file of versions names no CUDA, ROCm or other runtime."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    file = Path(spec.origin).parent / "version.py"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    runtimes = re.findall(r"^(cuda|hip|xpu)\b.*= *(.+?) *$", text, re.MULTILINE)
    return bool(runtimes) and all(value == "None" for _, value in runtimes)
