"""`sae-checks list` and `show`: what names tell of releases, and what their files do."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from sae_checks import demo
from sae_checks.cli import main
from sae_checks.cli.list_releases import rows
from sae_checks.cli.table import table
from sae_checks.resolve import directory


def test_what_is_skimmed_is_what_the_whole_directory_says():
    for name in directory.release_names():
        skimmed, read = directory.skim(name), directory.read_release(name)
        assert skimmed.model == read["model"], name
        assert skimmed.conversion == read.get("conversion_func"), name
        assert list(skimmed.entries) == directory.named(read), name


def test_every_release_is_listed():
    assert {row.name for row in rows(None)} == set(directory.release_names())


def test_what_names_tell():
    found = {row.name: row.cells for row in rows(None)}
    assert found["gpt2-small-res-jb"] == (
        "gpt2-small-res-jb", "gpt2-small", "13", "SAEs", "in its files", "in its files", "yes",
    )  # fmt: skip
    assert found["gpt2-small-hook-z-kk"][5] == "not declared"
    assert found["sae_bench_pythia70m_sweep_topk_ctx128_0730"][5] == "128"
    assert found["sae_bench_gemma-2-2b_topk_width-2pow14_date-1109"][4] == "16,384"
    assert found["qwen-scope-3-8b-base-w64k-l50"][4] == "64k"
    assert found["gemma-scope-2b-pt-res"][4] == "4k–1m"
    assert found["mntss-gemma-2-2b-2.5m-clt-as-per-layer"][6] == "no"


@pytest.mark.parametrize(
    ("wanted", "some"),
    [("RES-JB", "gpt2-small-res-jb"), ("*-kk", "gpt2-small-hook-z-kk"), ("pythia-70m", "pythia")],
)
def test_a_filter_is_part_of_a_name_or_a_glob(wanted, some):
    found = [f"{row.name} {row.model}".lower() for row in rows(wanted)]
    assert any(some in name for name in found)
    assert len(found) < 20


def test_the_table(capsys):
    assert main(["list", "res-jb-feature"]) == 0
    assert capsys.readouterr().out == (
        "release                              model       entries  kinds  features      "
        "training context  gateable\n"
        "gpt2-small-res-jb-feature-splitting  gpt2-small  8        SAEs   in its files  "
        "in its files      yes\n"
        "\n1 release; `sae-checks show NAME` says more of one\n"
    )


def test_control_characters_never_reach_the_terminal():
    assert list(table(("a", "b"), [("\x1b[31m", "x")])) == ["a         b", "\\x1b[31m  x"]


@pytest.mark.parametrize("width", [60, 80, 105])
@pytest.mark.parametrize("words", [["list"], ["show", "tales"]], ids=" ".join)
def test_a_table_fits_the_terminal_and_a_pipe_has_it_whole(words, width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(words) == 0
    piped = capsys.readouterr().out.splitlines()
    assert max(map(len, piped)) > 105
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(words) == 0
    wrapped = capsys.readouterr().out
    least = 10 * 6 + 9 * 2  # below which ten columns cannot be read
    assert max(map(len, wrapped.splitlines())) <= max(width, least if words[0] == "show" else 0)


def test_cells_are_wrapped_between_words_where_that_is_enough():
    rows = [("first one", "a second cell", "x"), ("b", "c", "y")]
    assert list(table(("one", "two", "z"), rows, 22)) == [
        "one       two        z",
        "first     a second   x",
        "  one       cell",
        "b         c          y",
    ]
    assert list(table(("one", "two"), [("blocks.0.hook_resid_pre", "here")], 24)) == [
        "one                 two",
        "blocks.0.hook_resi  here",
        "  d_pre",
    ]


def test_the_demo_is_shown(capsys):
    assert main(["show", "tales"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "tales: 5 SAEs",
        "model: tales, with BOS",
        "data: tales",
        "gateable: yes",
        "",
    ]
    assert lines[6].split() == [
        "blocks.0.hook_resid_pre", "blocks.0.hook_resid_pre", "where", "it", "reads", "standard",
        "128", "768", "64", "6.72", "–", "yes",
    ]  # fmt: skip
    assert lines[5].split("  ")[-1] == "declares data"
    assert [line.split()[0] for line in lines[-2:]] == [  # as the model comes to them
        "blocks.3.hook_resid_pre",
        "blocks.3.hook_resid_post",
    ]


def test_a_folder_that_contradicts_itself_is_shown_and_cannot_be_gated(tmp_path: Path, capsys):
    saes = tmp_path / "saes"
    shutil.copytree(demo.SAES_FOLDER, saes)
    config = next(iter(sorted(saes.rglob("cfg.json"))))
    content = json.loads(config.read_text(encoding="utf-8"))
    content["metadata"]["prepend_bos"] = False
    config.write_text(json.dumps(content), encoding="utf-8")
    assert main(["show", str(saes)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "saes: 5 SAEs, by name alone"
    assert lines[1].startswith("gateable: no: ")
    assert len(lines) == 3 + 5


def test_a_release_that_is_refused(capsys):
    name = "mntss-gemma-2-2b-2.5m-clt-as-per-layer"
    assert main(["show", name]) == 1
    reason = directory.refusal(name, directory.read_release(name))
    assert capsys.readouterr().out == f"gateable: no: {reason}\n"
