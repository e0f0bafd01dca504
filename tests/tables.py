"""Tables with something else in the place of what they have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from sae_checks.records import Intervention, Table

_Table = TypeVar("_Table", bound=Table)
_LABELS = {
    "documents": "document",
    "clusters": "cluster",
    "massive": "massive",
    "prompt_tokens": "prompt_tokens",
    "sources": "source",
}
_SIDE = ("features", "ablations", "position_sums")


def changed(table: _Table, **values: Any) -> _Table:
    """The same table but for labels, side tables and fields by name; None takes one out."""
    labels, side, fields = dict(table.labels), dict(table.side), dict[str, Any]()
    for name, value in values.items():
        if name in _LABELS:
            labels.pop(_LABELS[name], None)
            if value is not None:
                labels[_LABELS[name]] = np.asarray(value)
        elif name in _SIDE:
            side.pop(name, None)
            if value is not None:
                side[name] = value
        elif name == "sae":
            fields["intervention"] = Intervention((value,))
        else:
            fields[name] = value
    return replace(table, labels=labels, side=side, **fields)
