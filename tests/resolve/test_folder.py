"""Folders that hold more than a release, and change while they are looked through."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
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


@pytest.fixture
def closable() -> Iterator[Path]:
    """A folder of somebody who is not root, whose own folders can be closed to them."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        if root:
            os.chown(path, 65534, 65534)
            os.seteuid(65534)
        try:
            yield path
        finally:
            for parent, folders, _ in os.walk(path):
                for name in folders:
                    if not os.path.islink(Path(parent) / name):
                        (Path(parent) / name).chmod(0o700)
            if root:
                os.seteuid(0)


def test_a_folder_that_cannot_be_read(closable: Path):
    write_sae(closable / "a")
    closed = closable / "closed"
    closed.mkdir(mode=0)
    with pytest.raises(ReleaseError) as caught:
        find(str(closable))
    assert str(caught.value) == (
        f"{closed} cannot be read (Permission denied), so that SAEs in it would not be gated; give "
        "a folder that holds the release alone"
    )


@pytest.mark.parametrize(
    ("mode", "linked", "told"),
    [
        (0o000, False, "mine/b cannot be read (Permission denied)"),
        (0o400, False, "mine/b/cfg.json cannot be read (Permission denied)"),  # is listed
        (0o100, False, "mine/b cannot be read (Permission denied)"),
        (0o000, True, "mine/link cannot be read (Permission denied)"),
        (0o400, True, "mine/link is a link that is not followed"),
        (0o100, True, "mine/link cannot be read (Permission denied)"),
    ],
)
def test_what_may_not_be_looked_into_is_refused(closable: Path, mode: int, linked: bool, told: str):
    write_sae(closable / "mine" / "a")
    closed = write_sae(closable / ("elsewhere" if linked else "mine") / "b")
    if linked:
        (closable / "mine" / "link").symlink_to(closed)
    closed.chmod(mode)
    with pytest.raises(ReleaseError) as caught:
        find(str(closable / "mine"))
    assert str(caught.value).startswith(f"{closable}/{told}")


def test_a_file_behind_a_link_that_may_not_be_followed(closable: Path):
    write_sae(closable / "mine" / "a")
    sae, elsewhere = write_sae(closable / "mine" / "b"), closable / "elsewhere"
    elsewhere.mkdir()
    (sae / "cfg.json").rename(elsewhere / "cfg.json")
    (sae / "cfg.json").symlink_to(elsewhere / "cfg.json")
    assert len(find(str(closable / "mine")).entries) == 2
    elsewhere.chmod(0)
    with pytest.raises(ReleaseError, match=r"cfg.json cannot be read \(Permission denied\)"):
        find(str(closable / "mine"))


@pytest.mark.parametrize("missing", ["cfg.json", "sae_weights.safetensors", ""])
def test_links_to_links_and_to_half_an_sae_are_not_passed_over(tmp_path: Path, missing: str):
    write_sae(tmp_path / "mine" / "a")
    hidden = write_sae(tmp_path / "hidden" / "b")
    if missing:
        (hidden / missing).unlink()
    (tmp_path / "between").mkdir()
    (tmp_path / "between" / "back").symlink_to(tmp_path / "between")
    (tmp_path / "between" / "on").symlink_to(tmp_path / "hidden")
    (tmp_path / "mine" / "link").symlink_to(tmp_path / "between")
    with pytest.raises(ReleaseError, match="mine/link is a link that is not followed"):
        find(str(tmp_path / "mine"))


def test_a_link_into_the_release_itself_hides_nothing(tmp_path: Path):
    write_sae(tmp_path / "mine" / "a")
    (tmp_path / "mine" / "again").symlink_to(tmp_path / "mine")
    assert [entry.sae_id for entry in find(str(tmp_path / "mine")).entries] == ["a"]
