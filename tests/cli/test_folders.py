"""Files that commands write, tried before any work."""

from __future__ import annotations

import os
from pathlib import Path

from sae_checks.cli.folders import refuse_unwritable


def test_what_is_there_stays_as_it_is(tmp_path: Path):
    link, kept = tmp_path / "link.md", tmp_path / "kept.md"
    link.symlink_to(tmp_path / "not-there.md")
    kept.write_text("kept", encoding="utf-8")
    refuse_unwritable(link)
    refuse_unwritable(kept)
    refuse_unwritable(tmp_path / "new.md")
    assert sorted(os.listdir(tmp_path)) == ["kept.md", "link.md"]
    assert kept.read_text(encoding="utf-8") == "kept"
