"""docs/releases.md is what the command prints, from names alone, without network and torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sae_checks.cli import main
from sae_checks.cli import releases as command
from sae_checks.resolve import conversions
from sae_checks.resolve.directory import release_names

ROOT = Path(__file__).resolve().parents[2]
PAGE, README = ROOT / "docs" / "releases.md", ROOT / "README.md"

ALONE = """
import socket, sys

def refuse(*_):
    raise SystemExit("something wanted the network")

socket.socket.connect = socket.getaddrinfo = refuse
from sae_checks.cli import main

status = main(["releases"])
heavy = {"torch", "sae_lens", "transformer_lens", "transformers", "datasets"} & set(sys.modules)
raise SystemExit(f"imported {heavy}" if heavy else status)
"""


def test_the_page_is_what_the_command_prints():
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == PAGE.read_text(encoding="utf-8"), (
        "make it again: sae-checks releases > docs/releases.md"
    )


def test_every_entry_is_counted_once():
    summaries = [command.summarised(name) for name in release_names()]
    assert len(summaries) == 170
    assert sum(each.entries for each in summaries) == 13_857
    refused = sum(n for each in summaries for n in each.reasons.values())
    assert refused + sum(each.gateable for each in summaries) == 13_857


def test_with_transcoders_gated_99_of_100_entries_are(monkeypatch: pytest.MonkeyPatch):
    only = {"cross-layer transcoder": conversions.REFUSED["cross-layer transcoder"]}
    monkeypatch.setattr(command, "REFUSED", only)
    summaries = [command.summarised(name) for name in release_names()]
    refused = {each.name: dict(each.reasons) for each in summaries if each.reasons}
    assert refused == {
        "mntss-gemma-2-2b-2.5m-clt-as-per-layer": {only["cross-layer transcoder"]: 26}
    }
    gateable = sum(each.gateable for each in summaries)
    assert gateable == 13_831 > 0.99 * 13_857
    page = command.page("python -m sae_checks releases")
    assert "**13,831 (99.8%) can be gated**; 169 releases are gated" in page


def test_a_model_of_unknown_architecture_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command, "model_family", lambda name: None)
    row = [line for line in command.page("…").split("\n") if "`gpt2-small-mlp-tm`" in line]
    assert row == [
        "| `gpt2-small-mlp-tm` | gpt2-small | 12 | SAEs | `hook_mlp_out` | – | 12 | refused, "
        "because it holds SAEs of a model whose architecture is not known |"
    ]


def test_the_command_line(capsys: pytest.CaptureFixture[str]):
    assert main(["releases"]) == 0
    assert capsys.readouterr().out.startswith("# Releases of sae_lens's directory\n")


def test_the_readme_says_how_many_entries_can_be_gated():
    page, readme = (" ".join(each.read_text(encoding="utf-8").split()) for each in (PAGE, README))
    said = re.search(r"([\d,]+) of ([\d,]+) entries \(([\d.]+%)\) can be gated", readme)
    assert said is not None
    gateable, entries, share = said.groups()
    assert f"with {entries} entries. Of these entries **{gateable} ({share}) can be gated**" in page
