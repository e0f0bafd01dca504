"""A baseline's file whose values are of other types, with a checksum that fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.baseline.test_refused_files import HINT, refusal, resigned


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("setting", None, "setting is no dict but None"),
        ("setting", "words", "setting is no dict but 'words'"),
        ("setting", [], "setting is no dict but []"),
        ("release", 10**12, "release is no str but 1000000000000"),
        ("written", {}, "written is no str but {}"),
        ("saes", [[1, 2, 3]], "a name of an SAE is no str but 1"),
    ],
)
def test_values_of_other_types(tmp_path: Path, key: str, value: object, told: str):
    path = resigned(tmp_path / "base.json", lambda content: content.update({key: value}))
    assert refusal(path) == f"the baseline {path} cannot be read (TypeError: {told}); {HINT}"
