"""A baseline as a text file that lives in a repository: one line per cell, so that diffs read well.

    {
     "format": 1,
     "release": "gpt2-small-res-jb",
     "setting": {...},
     "saes": [...],
     "cells": [
      ["delta_ce", "blocks.3.hook_resid_pre", "128:159", "", 0.1234, 97, 3104, "text", [...]],
      ...
    ]}

The last list of a cell says how its value moves without each group of texts, to four digits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sae_checks.baseline import Baseline, BaselineSae
from sae_checks.checking import CellKey
from sae_checks.errors import BaselineError
from sae_checks.judge.paired import Replicated

FORMAT = 1


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline, all or nothing, with everything in a fixed order."""
    pairs = (f"{json.dumps(key)}: {json.dumps(v)}" for key, v in sorted(baseline.setting.items()))
    saes = (json.dumps([sae.sae_id, sae.hook_point, sae.weights_key]) for sae in baseline.saes)
    cells = (json.dumps(_row(key, cell)) for key, cell in sorted(baseline.cells.items()))
    text = (
        f'{{\n "format": {FORMAT},\n "release": {json.dumps(baseline.release)},\n'
        f' "setting": {{{_lines(pairs)}}},\n "saes": [{_lines(saes)}],\n'
        f' "cells": [{_lines(cells)}]\n}}'
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(text + "\n", encoding="utf-8")
    scratch.replace(path)


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        BaselineError: there is no such file, or it is damaged or of another format.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise BaselineError(
                f"the baseline {path} is of format {content['format']}, this is format {FORMAT}; "
                "write it anew with --sae-baseline-update"
            )
        return Baseline(
            release=content["release"],
            setting=content["setting"],
            saes=tuple(BaselineSae(*each) for each in content["saes"]),
            cells=dict(_cell(row) for row in content["cells"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaselineError(
            f"the baseline {path} cannot be read ({type(error).__name__}: {error}); restore it, or "
            "write it anew with --sae-baseline-update"
        ) from error


def _lines(parts: Iterable[str]) -> str:
    """Parts of a list or object, each on a line of its own."""
    return "\n" + ",\n".join(f"  {part}" for part in parts) + "\n "


def _row(key: CellKey, cell: Replicated) -> list[object]:
    moves = [float(f"{move:.3e}") for move in cell.moves.tolist()]
    value = None if math.isnan(cell.value) else cell.value
    row: list[object] = [*key, value, cell.texts, cell.tokens, cell.unit_name, moves]
    return [*row, cell.reason] if cell.reason else row


def _cell(row: list[Any]) -> tuple[CellKey, Replicated]:
    check, sae, positions, task, value, texts, tokens, unit_name, moves, *reason = row
    return CellKey(check, sae, positions, task), Replicated(
        value=math.nan if value is None else float(value),
        moves=np.array(moves, dtype=np.float64),
        texts=int(texts),
        tokens=int(tokens),
        unit_name=unit_name,
        reason=reason[0] if reason else "",
    )
