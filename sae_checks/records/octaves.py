"""Octaves of positions, and the one direction in each along which activations are followed.

Activations at early positions lie far from the mean activation c of all, each octave of positions
(1, 2:3, 4:7, ...) on a side of its own. `offset_projection` tells, of each token, how far along the
mean offset of its octave it lies: what the standard error of explained variance has to know of x,
which is not stored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A column of the token table, in units of activation. It comes with `position_sums`.
OFFSET_PROJECTION = "offset_projection"


def octaves(context: int) -> NDArray[np.int64]:
    """(C,) the octave of each position: floor(log2(position)); of position 0, which is in no cell,
    that of position 1.
    """
    positions = np.arange(context, dtype=np.int64)
    return np.array([max(int(position), 1).bit_length() - 1 for position in positions])
