"""The figures that a release declares of an SAE: in its files, in its path, in the directory.

What stands nearest to the weights counts: the directory's figures are copies. Of one release it
names an L0 of 78 for weights whose own path says 48.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from sae_checks.records.declared import Declared, DeclaredFigure

_IN_PATH = re.compile(r"average_l0_(\d+)")
_DIRECTORY, _PATH, _CONFIG = "sae_lens's directory", "its path", "its cfg.json"


def declared_figures(
    get: Callable[[str], Any],
    location: str,
    directory: Mapping[str, float],
    *,
    target_l0: bool,
) -> Declared:
    """What is declared of an SAE, its data set aside.

    Args:
        get: looks a name up in its configuration.
        location: where its weights lie.
        directory: the directory's figures, by its own names.
        target_l0: whether the directory's L0 is what training aimed at.

    What is written and is no such figure is not declared.
    """
    figures = [
        (_number(get("l0"), above=0.0), _CONFIG, False),
        (_in_path(location), _PATH, False),
        (directory.get("l0"), _DIRECTORY, target_l0),
        # The k of a TopK SAE is its L0, but for tokens with fewer features above 0.
        (_number(_k(get), above=0.0), _CONFIG, True),
    ]
    variance = [
        (_number(get(name)), _CONFIG, False)
        for name in ("explained_variance", "variance_explained")
    ]
    variance.append((directory.get("variance_explained"), _DIRECTORY, False))
    return Declared(_first(figures), _first(variance))


def _first(figures: list[tuple[float | None, str, bool]]) -> DeclaredFigure | None:
    return next((DeclaredFigure(v, said, to) for v, said, to in figures if v is not None), None)


def _in_path(location: str) -> float | None:
    match = _IN_PATH.search(location.partition(":")[2])
    return None if match is None else float(match.group(1))


def _k(get: Callable[[str], Any]) -> Any:
    if get("architecture") == "topk" or get("activation_fn_str") == "topk":
        arguments = get("activation_fn_kwargs")
        return get("k") or (arguments.get("k") if isinstance(arguments, Mapping) else None)
    return None


def _number(value: Any, *, above: float = -math.inf) -> float | None:
    """A figure; None where what is written is none, as a logger that broke off leaves NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # of an integer of hundreds of digits
        return None
    return number if math.isfinite(number) and number > above else None
