"""Folders that hold more than a release, and change while they are looked through."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sae_checks.errors import ReleaseError
from sae_checks.resolve import find
from sae_checks.resolve.folder import walk
from tests.resolve.saes import write_sae


def test_a_folder_as_wide_as_the_systems_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Thousands of others' files, depth, sockets, loops and names that are no text."""
    write_sae(tmp_path / "b" / "mine")
    write_sae(tmp_path / "b" / "mine-10")
    write_sae(tmp_path / "b" / "mine-9")
    for number in range(2_000):
        (tmp_path / f"other-{number}").mkdir()
    (tmp_path / "/".join(["deep"] * 500)).mkdir(parents=True)
    (tmp_path / "other-0" / "loop").symlink_to(tmp_path / "other-0")
    (tmp_path / "other-1" / "nowhere").symlink_to(tmp_path / "absent")
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")
    os.mkfifo(tmp_path / "other-2" / "pipe")
    monkeypatch.chdir(tmp_path / "other-3")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        found = find(str(tmp_path))
    assert [entry.sae_id for entry in found.entries] == ["b/mine", "b/mine-9", "b/mine-10"]


def test_what_is_deleted_meanwhile_was_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_sae(tmp_path / "a")
    gone = tmp_path / "gone"
    gone.mkdir()
    scan = os.scandir

    def scandir(path: str | Path) -> object:
        if Path(path) == gone and gone.exists():
            gone.rmdir()
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert walk(tmp_path).configs == {tmp_path / "a"}
    assert not gone.exists()


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As the system says it to one who is not its owner."""
    write_sae(tmp_path / "a")
    closed = tmp_path / "closed"
    closed.mkdir()
    scan = os.scandir

    def scandir(path: str | Path) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ReleaseError) as caught:
        find(str(tmp_path))
    assert str(caught.value) == (
        f"{closed} cannot be read (Permission denied), so that SAEs in it would not be gated; give "
        "a folder that holds the release alone"
    )
