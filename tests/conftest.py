"""Warnings of third parties that tests cannot mend; every other warning is an error."""

from __future__ import annotations

import os

import hypothesis
import pytest

# The models are too small to share out: on a busy machine, threads that wait for each other take
# seven times as long. Set before torch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says something of the machine, not of the code.
hypothesis.settings.register_profile("sae_checks", deadline=None)
hypothesis.settings.load_profile("sae_checks")

_THIRD_PARTY_WARNINGS = (
    # sae_lens imports TransformerLens's old module of utilities.
    "ignore:The 'utils' module has been deprecated:DeprecationWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    for warning in _THIRD_PARTY_WARNINGS:
        config.addinivalue_line("filterwarnings", warning)
