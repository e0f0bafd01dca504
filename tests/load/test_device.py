"""`--sae-device auto`: the best device there is; torch is asked only where it may know of one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sae_checks.load import device
from sae_checks.load.device import best_device, may_have_accelerator


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's own file of versions, on a Linux machine with a driver."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(device, "_exists", lambda path: path == "/dev/nvidiactl")
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(device, "find_spec", lambda name: spec)
    return tmp_path / "version.py"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("cuda: Optional[str] = None\nhip: Optional[str] = None\n", False),
        ("cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n", True),
        ("cuda = None\nhip = '6.4'\n", True),
        ("debug = False\n", True),  # of a torch that says it otherwise: asked, to be sure
    ],
)
def test_torch_is_asked_where_it_was_built_for_more(versions, text, asked):
    versions.write_text(text, encoding="utf-8")
    assert may_have_accelerator() is asked


def test_a_machine_without_a_driver_has_its_processor(versions, monkeypatch):
    versions.write_text("cuda = '12.8'\n", encoding="utf-8")
    monkeypatch.setattr(device, "_exists", lambda path: False)
    assert not may_have_accelerator()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert best_device() == "cpu"


@pytest.mark.parametrize(
    ("cuda", "mps", "best"),
    [(True, False, "cuda"), (True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_best_that_torch_can_use(monkeypatch, cuda, mps, best):
    monkeypatch.setattr(device, "may_have_accelerator", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device() == best


def test_a_mac_of_its_own_kind_asks_torch(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    for machine, asked in (("arm64", True), ("x86_64", False)):
        monkeypatch.setattr(device.platform, "machine", lambda machine=machine: machine)
        assert may_have_accelerator() is asked
