"""Imports and loaders of third parties, whose warnings are theirs to mend."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ignored_warnings() -> Iterator[None]:
    """For the length of a with block, warnings are dropped: under pytest they might be errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
