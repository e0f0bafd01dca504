"""What a run is asked to do: the --sae options, each with an ini key, parsed before all else."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from sae_checks.errors import UserError
from sae_checks.judge.thresholds import Question
from sae_checks.records import FEATURE_WINDOW, PositionRange

DEFAULT_TOKENS = 100_000  # the study's own number: 100 texts of 1,024 tokens
DEFAULT_ITEMS = 1_000  # of a task: the study's own number
DEFAULT_CONTEXT = 1_024  # the study's own context, and as much as a longer model is given unasked


@dataclass(frozen=True)
class Options:
    """The parsed options of one run; field names are the option names."""

    release: str | None = None
    ids: tuple[str, ...] = ()
    model: str | None = None
    corpus: str | None = None
    tokens: int = DEFAULT_TOKENS
    context: int | None = None
    training_context: int | None = None
    seed: int = 0
    packing: str | None = None
    ranges: tuple[PositionRange, ...] = ()
    special_tokens: str = "keep"
    device: str = "cpu"
    dtype: str = "float32"
    batch_tokens: int | None = None
    task: tuple[str, ...] | None = None  # None: those that fit the corpus
    items: int = DEFAULT_ITEMS
    answer: str = "first_token"
    feature_window: int = FEATURE_WINDOW
    ablate: int = 0
    fixed: bool = False
    plan: bool = False
    baseline: str | None = None
    baseline_update: bool = False
    baseline_force: bool = False
    equivalence: bool = False
    match: tuple[tuple[str, str], ...] = ()
    accept: Path | None = None
    store: Path = field(default_factory=lambda: Path(platformdirs.user_cache_dir("sae-checks")))
    thresholds: Path | None = None
    measurements: Path | None = None

    @property
    def question(self) -> Question:
        """What comparisons with the baseline ask."""
        return "equivalence" if self.equivalence else "regression"


@dataclass(frozen=True)
class Option:
    """One command line option and its ini key (its name with underscores for dashes)."""

    name: str  # "--sae-tokens"
    parse: Callable[[str], Any]
    help: str
    metavar: str = "X"
    field: str = ""

    @property
    def ini(self) -> str:
        return self.name.lstrip("-").replace("-", "_")

    def seen_from(self, folder: Path, text: str) -> str:
        """The option's text with paths made relative to a folder, as far as they exist there."""
        if self.parse not in (_path, _name, _tasks):
            return text
        parts = text.split(",") if self.parse is _tasks else [text]
        seen = [folder / Path(part.strip()).expanduser() for part in parts]
        return ",".join(
            str(path) if path.exists() else part for path, part in zip(seen, parts, strict=True)
        )

    @property
    def target(self) -> str:
        """The field of `Options` it sets."""
        return self.field or self.ini.removeprefix("sae_")


def _positive(text: str) -> int:
    number = _whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text!r}")
    return number


def _whole(text: str) -> int:
    try:
        return int(text.replace(",", ""))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from error


def _globs(text: str) -> tuple[str, ...]:
    globs = tuple(part.strip() for part in text.split(",") if part.strip())
    if not globs:
        raise argparse.ArgumentTypeError(f"must name an SAE or a glob, not {text!r}")
    return globs


def _name(text: str) -> str:
    """A name as it is; a file or folder that exists as its whole path."""
    path = Path(text).expanduser()
    return str(path.resolve()) if path.exists() else text


def _tasks(text: str) -> tuple[str, ...]:
    """Names and files with commas between them; files that exist as whole paths."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    # A folder that happens to be called as a task is does not hide it.
    names = tuple(_name(part) if part.endswith(".jsonl") else part for part in parts)
    if not names:
        raise argparse.ArgumentTypeError(f"must name a task or a file, or be none, not {text!r}")
    if "none" in names and len(names) > 1:
        raise argparse.ArgumentTypeError(f"must be none alone or name tasks, not {text!r}")
    return () if names == ("none",) else names


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(choices)}, not {text!r}")
        return text

    return parse


def _ranges(text: str) -> tuple[PositionRange, ...]:
    from sae_checks.records.ranges import parse_ranges

    try:
        return parse_ranges(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs "candidate=baseline" with commas between them."""
    found = [tuple(name.strip() for name in part.split("=")) for part in text.split(",")]
    if any(len(pair) != 2 or not all(pair) for pair in found):
        raise argparse.ArgumentTypeError(f"must be candidate=baseline pairs, not {text!r}")
    if len({pair[0] for pair in found}) < len(found):
        raise argparse.ArgumentTypeError(f"names an SAE twice in {text!r}")
    return tuple((pair[0], pair[1]) for pair in found)


def _path(text: str) -> Path:
    return Path(text).expanduser().resolve()


OPTIONS: tuple[Option, ...] = (
    Option(
        "--sae",
        _name,
        "what is gated: a release of sae_lens's directory, a folder of SAEs saved by sae_lens, or "
        "a hub repo id; the bundled demo 'tales' without it",
        "NAME",
        field="release",
    ),
    Option(
        "--sae-ids", _globs, "only the SAEs whose id matches; several globs with commas", "GLOB"
    ),
    Option(
        "--sae-model",
        _name,
        "load this model (name or local folder) instead of the one the SAEs name",
        "NAME",
    ),
    Option(
        "--sae-corpus",
        _name,
        "texts to measure on: a data set id, a local .parquet, .jsonl or .txt file, 'pydoc' (prose "
        "of Python's help) or 'tales'; without it, the data set the SAEs were trained on",
        "NAME",
    ),
    Option("--sae-tokens", _positive, f"tokens to measure on ({DEFAULT_TOKENS:,} without it)", "N"),
    Option(
        "--sae-context",
        _positive,
        f"tokens of a text (without it the model's context, at most {DEFAULT_CONTEXT:,})",
        "N",
    ),
    Option(
        "--sae-training-context",
        _positive,
        "the SAEs' training context, where they do not say it",
        "N",
    ),
    Option(
        "--sae-seed",
        _whole,
        "seed of the order in which documents and questions are taken (0 without it)",
        "N",
    ),
    Option(
        "--sae-packing",
        _one_of("documents", "concatenate"),
        "how texts are made of documents: run together with BOS between them (concatenate), or one "
        "document a text, cut off (documents)",
        "HOW",
    ),
    Option(
        "--sae-ranges",
        _ranges,
        "position ranges instead of the default ones: 1:15,16:127,...",
        "RANGES",
    ),
    Option(
        "--sae-special-tokens",
        _one_of("keep", "replace"),
        "whether BOS and its like keep their activation (as in sae_lens) or are replaced too (as "
        "in the study)",
        "HOW",
    ),
    Option("--sae-device", str, "where to compute: cpu, cuda, cuda:1, mps", "DEVICE"),
    Option("--sae-dtype", _one_of("float32", "bfloat16", "float16"), "precision", "DTYPE"),
    Option(
        "--sae-batch-tokens",
        _positive,
        "tokens per forward pass; changes no figure beyond rounding",
        "N",
    ),
    Option(
        "--sae-task",
        _tasks,
        "tasks with known answers, with commas: lambada, lambada_openai, cbt_cn, ioi, cloze (made "
        "of the corpus), tales, tales_long, a .jsonl file of your own (prompt, answer, candidates),"
        " or none; without it lambada, cbt_cn and ioi, cloze where the corpus needs no network, or "
        "the demo's own two",
        "NAMES",
    ),
    Option("--sae-items", _positive, f"items of each task ({DEFAULT_ITEMS:,} without it)", "N"),
    Option(
        "--sae-answer",
        _one_of("first_token", "whole"),
        "which tokens of an answer have to be right: its first one (as in the study), or all",
        "HOW",
    ),
    Option(
        "--sae-feature-window",
        _positive,
        f"on how many of the last prompt tokens a feature counts as active ({FEATURE_WINDOW} "
        "without it)",
        "N",
    ),
    Option(
        "--sae-ablate",
        _positive,
        "ablate so many of the best and of the worst features of each SAE on each task, one at a "
        "time (none without it)",
        "K",
    ),
    Option(
        "--sae-store",
        _path,
        "where measurements are kept (the user's cache folder without it)",
        "DIR",
    ),
    Option(
        "--sae-thresholds",
        _path,
        "limits from this file instead of the bundled thresholds.toml",
        "FILE",
    ),
    Option(
        "--sae-baseline",
        _name,
        "compare with this baseline on the same texts: a .json file, a name (baselines/NAME.json, "
        "or another release measured before in this setting), or a stored measurement's folder",
        "REF",
    ),
    Option(
        "--sae-match",
        _pairs,
        "which SAE is compared with which of the baseline, where neither ids nor hook points tell",
        "ID=ID,...",
    ),
    Option(
        "--sae-accept",
        _path,
        "write a [[known_failure]] for every failure of the run to this file, for review",
        "FILE",
    ),
    Option(
        "--sae-measurements",
        _path,
        "judge these stored tables; no model, SAE or torch is loaded",
        "DIR",
    ),
)

FLAGS = (
    Option("--sae-strict", bool, "known failures fail like any other"),
    Option(
        "--sae-fixed",
        bool,
        "measure the whole budget instead of stopping where verdicts are clear",
    ),
    Option(
        "--sae-plan",
        bool,
        "measure a few texts and items, tell what the budget would cost and could detect, and stop",
    ),
    Option(
        "--sae-equivalence",
        bool,
        "ask whether the release is the baseline's still, however it was saved, converted or "
        "loaded, by tight margins both ways; not whether it got worse",
    ),
    Option(
        "--sae-baseline-update",
        bool,
        "write what is measured as the baseline that --sae-baseline names; the run then fails",
    ),
    Option(
        "--sae-baseline-force", bool, "a run that writes a baseline does not fail for that reason"
    ),
)
STRICT = FLAGS[0]
