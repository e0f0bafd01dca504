"""Warnings of third parties that tests cannot mend; every other warning is an error."""

from __future__ import annotations

import hypothesis
import pytest

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
