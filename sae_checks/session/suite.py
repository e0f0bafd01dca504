"""The suite that comes with the package: its checks, and the limits that they are held to."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from sae_checks.checking import check_of
from sae_checks.judge.check import Check

_PACKAGE = Path(__file__).resolve().parent.parent
# In a wheel the suite and its limits travel inside the package; in a checkout they stand beside it.
_HOME = _PACKAGE if (_PACKAGE / "checks").is_dir() else _PACKAGE.parent
BUNDLED_CHECKS = _HOME / "checks"
BUNDLED_THRESHOLDS = _HOME / "thresholds.toml"


@cache
def bundled_checks() -> dict[str, Check]:
    """The suite's own checks by name, whichever of them a run collects."""
    found: dict[str, Check] = {}
    for path in sorted(BUNDLED_CHECKS.glob("check_*.py")):
        spec = importlib.util.spec_from_file_location(f"sae_checks._bundled.{path.stem}", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        checks = (check_of(value) for value in vars(module).values())
        found |= {made.name: made for made in checks if made is not None}
    return found
