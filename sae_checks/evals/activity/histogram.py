"""How densities of features are spread over powers of ten, in one line."""

from __future__ import annotations

import numpy as np

from sae_checks.records import FloatArray

_BARS = "▁▂▃▄▅▆▇█"
_LEAST = -6  # whatever is less dense stands with 10⁻⁶


def density_histogram(density: FloatArray) -> str:
    """Features by the share of tokens that they are active on, as in "silent ▂ 66 | 0.1% █ 380".

    Each bar is of the features from its share up to ten times that; the last one reaches to 100%.

    Args:
        density: (features,) between 0 and 1.
    """
    silent, active = int((density == 0).sum()), density[density > 0]
    # 0.1 is 10⁻¹, whatever a logarithm rounds to.
    decades = np.floor(np.log10(active) + 1e-12).clip(_LEAST, -1).astype(np.int64)
    counts = {"silent": silent}
    for power in range(min(decades, default=-1), 0):
        counts[f"{100 * 10.0**power:g}%"] = int((decades == power).sum())
    most = max(*counts.values(), 1)
    return " | ".join(
        f"{name} {_BARS[(len(_BARS) * count - 1) // most]} {count:,}" if count else f"{name} 0"
        for name, count in counts.items()
    )
