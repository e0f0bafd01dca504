"""A release whose model brings Python code of its own: it never runs, and nobody is asked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sae_checks import demo
from tests.plugin.gate_run import CHECKOUT

# Written where the model's code runs, be it only imported.
CODE = """
from pathlib import Path

Path({marker!r}).touch()

from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast


class Config(GPT2Config):
    model_type = "foreign"


class Model(GPT2LMHeadModel):
    config_class = Config


class Tokenizer(PreTrainedTokenizerFast):
    pass
"""
MODEL = {"AutoConfig": "foreign.Config", "AutoModelForCausalLM": "foreign.Model"}
TOKENIZER = {"AutoTokenizer": [None, "foreign.Tokenizer"]}


def release(tmp_path: Path, config: dict[str, Any], tokenizer: dict[str, Any]) -> Path:
    """The demo's SAEs and model as somebody's folder, with changes to its small files."""
    model, saes = tmp_path / "model", tmp_path / "saes"
    shutil.copytree(demo.MODEL_FOLDER, model)
    shutil.copytree(demo.SAES_FOLDER, saes)
    (model / "foreign.py").write_text(CODE.format(marker=str(tmp_path / "ran")), encoding="utf-8")
    change(model / "config.json", config)
    change(model / "tokenizer_config.json", tokenizer)
    for path in saes.glob("*/cfg.json"):
        metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
        change(path, {"metadata": metadata | {"model_name": str(model)}})
    return saes


def change(path: Path, changes: dict[str, Any]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")


def gate(tmp_path: Path, saes: Path) -> subprocess.CompletedProcess[str]:
    """As a person runs it who says yes to everything: `yes y | pytest checks -s --sae saes`."""
    command = [sys.executable, "-m", "pytest", "checks", "-s", "-p", "no:cacheprovider"]
    command += ["-p", "no:hypothesispytest", f"--sae={saes}", f"--sae-store={tmp_path / 'store'}"]
    command += ["--sae-tokens=2048", "--sae-corpus=tales", "--sae-ids=blocks.0.*", "-k", "check_l0"]
    return subprocess.run(
        command,
        cwd=CHECKOUT,
        input=1000 * "y\n",
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.parametrize(
    ("config", "tokenizer", "said"),
    [
        (
            {"model_type": "foreign", "auto_map": MODEL},
            {},
            "(auto_map in its config.json names foreign.Config) for the model type 'foreign'",
        ),
        (
            {},
            {"tokenizer_class": "Tokenizer", "auto_map": TOKENIZER},
            "(auto_map in its tokenizer_config.json names foreign.Tokenizer) for the tokenizer "
            "class 'Tokenizer'",
        ),
    ],
    ids=["model", "tokenizer"],
)
def test_code_of_a_model_never_runs(tmp_path: Path, config, tokenizer, said: str):
    run = gate(tmp_path, release(tmp_path, config, tokenizer))
    output = run.stdout + run.stderr
    assert not (tmp_path / "ran").exists()
    assert run.returncode == 4
    assert (
        f"model '{tmp_path / 'model'}' brings Python code of its own {said}, which transformers "
        "does not know; sae-checks runs no code of models, name one that transformers knows with "
        "--sae-model" in output
    )
    assert "[y/N]" not in output
    assert "Traceback" not in output
    assert not (tmp_path / "store").exists()  # told before anything was loaded or stored


def test_a_model_that_transformers_knows_loads_by_its_code(tmp_path: Path):
    """Whatever code lies beside it."""
    config = {"auto_map": MODEL}
    run = gate(tmp_path, release(tmp_path, config, {"auto_map": TOKENIZER}))
    assert not (tmp_path / "ran").exists()
    assert run.returncode in (0, 1), run.stdout + run.stderr
    assert "measuring 1 SAE" in run.stderr
