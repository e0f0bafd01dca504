"""Every option of a run: its name, how it is parsed, what it is for, and its stage."""

from __future__ import annotations

from collections.abc import Iterator

from sae_checks.options.option import Option, Stage
from sae_checks.options.parsing import (
    at_most,
    comma_globs,
    name_or_path,
    one_of,
    pairs,
    path,
    position_ranges,
    positive_number,
    reports,
    task_names,
    whole_number,
)
from sae_checks.options.record import (
    DEFAULT_CONTEXT,
    DEFAULT_ITEMS,
    DEFAULT_TOKENS,
    MOST_CONTEXT,
    MOST_ITEMS,
    MOST_TOKENS,
    Options,
)
from sae_checks.records import FEATURE_WINDOW

OPTIONS: tuple[Option, ...] = (
    Option(
        "--sae",
        name_or_path,
        "what is gated: a release of sae_lens's directory, a folder of SAEs saved by sae_lens, or "
        "a hub repo id; the bundled demo 'tales' without it",
        "NAME",
        field="release",
        stage="resolve",
    ),
    Option(
        "--sae-ids",
        comma_globs,
        "only the SAEs whose id matches; several globs with commas",
        "GLOB",
        stage="resolve",
    ),
    Option(
        "--sae-model",
        name_or_path,
        "load this model (name or local folder) instead of the one the SAEs name",
        "NAME",
        stage="measure",
    ),
    Option(
        "--sae-corpus",
        name_or_path,
        "texts to measure on: a data set id, a local .parquet, .jsonl or .txt file, 'pydoc' (prose "
        "of Python's help) or 'tales'; without it, the data set the SAEs were trained on",
        "NAME",
        stage="measure",
    ),
    Option(
        "--sae-shift",
        name_or_path,
        "measure on a second corpus too, named as --sae-corpus names one, and ask by how much the "
        "SAEs are worse there; 'small_talk' is one of the demo's",
        "NAME",
        stage="shift",
    ),
    Option(
        "--sae-tokens",
        at_most(MOST_TOKENS),
        f"tokens to measure on ({DEFAULT_TOKENS:,} without it)",
        "N",
        stage="measure",
    ),
    Option(
        "--sae-context",
        at_most(MOST_CONTEXT),
        f"tokens of a text (without it the model's context, at most {DEFAULT_CONTEXT:,})",
        "N",
        stage="measure",
    ),
    Option(
        "--sae-training-context",
        at_most(MOST_CONTEXT),
        "the SAEs' training context, where they do not say it",
        "N",
        stage="measure",
    ),
    Option(
        "--sae-seed",
        whole_number,
        "seed of the order in which documents and questions are taken (0 without it)",
        "N",
        stage="measure",
    ),
    Option(
        "--sae-packing",
        one_of("documents", "concatenate"),
        "how texts are made of documents: run together with BOS between them (concatenate), or one "
        "document a text, cut off (documents)",
        "HOW",
        stage="measure",
    ),
    Option(
        "--sae-ranges",
        position_ranges,
        "position ranges instead of the default ones: 1:15,16:127,...",
        "RANGES",
        stage="collect",
    ),
    Option(
        "--sae-special-tokens",
        one_of("keep", "replace"),
        "whether BOS and its like keep their activation (as in sae_lens) or are replaced too (as "
        "in the study)",
        "HOW",
        stage="measure",
    ),
    Option(
        "--sae-device",
        str,
        "where to compute: cpu, cuda, cuda:1, mps, or auto, the best that is there (auto without "
        "it)",
        "DEVICE",
        stage="measure",
    ),
    Option(
        "--sae-dtype",
        one_of("float32", "bfloat16", "float16"),
        "precision",
        "DTYPE",
        stage="measure",
    ),
    Option(
        "--sae-batch-tokens",
        positive_number,
        "tokens per forward pass; changes no figure beyond rounding",
        "N",
        stage="measure",
    ),
    Option(
        "--sae-task",
        task_names,
        "tasks with known answers, with commas: lambada, lambada_openai, cbt_cn, ioi, cloze (made "
        "of the corpus), tales, tales_long, a .jsonl file of your own (prompt, answer, candidates),"
        " or none; without it lambada, cbt_cn and ioi, cloze where the corpus needs no network, or "
        "the demo's own two",
        "NAMES",
        stage="measure",
    ),
    Option(
        "--sae-items",
        at_most(MOST_ITEMS),
        f"items of each task ({DEFAULT_ITEMS:,} without it)",
        "N",
        stage="measure",
    ),
    Option(
        "--sae-answer",
        one_of("first_token", "whole"),
        "which tokens of an answer have to be right: its first one (as in the study), or all",
        "HOW",
        stage="measure",
    ),
    Option(
        "--sae-feature-window",
        positive_number,
        f"on how many of the last prompt tokens a feature counts as active ({FEATURE_WINDOW} "
        "without it)",
        "N",
        stage="measure",
    ),
    Option(
        "--sae-ablate",
        positive_number,
        "ablate so many of the best and of the worst features of each SAE on each task, one at a "
        "time (none without it)",
        "K",
        stage="ablate",
    ),
    Option(
        "--sae-store",
        path,
        "where measurements are kept (the user's cache folder without it)",
        "DIR",
        stage="store",
    ),
    Option(
        "--sae-thresholds",
        path,
        "limits that differ from the bundled thresholds.toml: the file is laid over it, or stands "
        "alone where it says extends = false",
        "FILE",
        stage="judge",
    ),
    Option(
        "--sae-baseline",
        name_or_path,
        "compare with this baseline on the same texts: a .json file, a name (baselines/NAME.json, "
        "or another release measured before in this setting), or a stored measurement's folder",
        "REF",
        stage="compare",
    ),
    Option(
        "--sae-match",
        pairs,
        "which SAE is compared with which of the baseline, where neither ids nor hook points tell",
        "ID=ID,...",
        stage="compare",
    ),
    Option(
        "--sae-accept",
        path,
        "write a [[known_failure]] for every failure of the run to this file, for review",
        "FILE",
        stage="report",
    ),
    Option(
        "--sae-report",
        reports,
        "write a report of the run to a file: FILE.html is the page, summary=FILE, "
        "markdown=FILE, card=FILE and accepted-failures=FILE are text; several with commas",
        "FILE.html,FORMAT=FILE,...",
        field="reports",
        stage="report",
    ),
    Option(
        "--sae-figures",
        path,
        "write the figures of the page to a folder, as SVG and PNG, and their tables as CSV",
        "DIR",
        stage="report",
    ),
    Option(
        "--sae-markdown",
        path,
        "write the run's report in Markdown to this file, as for a pull request; it is appended to "
        "$GITHUB_STEP_SUMMARY too, where that is set",
        "FILE",
        stage="report",
    ),
    Option(
        "--sae-measurements",
        path,
        "judge these stored tables; no model, SAE or torch is loaded",
        "DIR",
        stage="read",
    ),
)

FLAGS = (
    Option("--sae-strict", bool, "known failures fail like any other", stage="judge"),
    Option(
        "--sae-fixed",
        bool,
        "measure the whole budget instead of stopping where verdicts are clear",
        stage="measure",
    ),
    Option(
        "--sae-plan",
        bool,
        "measure a few texts and items, tell what the budget would cost and could detect, and stop",
        stage="report",
    ),
    Option(
        "--sae-baseline-update",
        bool,
        "write what is measured as the baseline that --sae-baseline names; the run then fails",
        stage="update",
    ),
    Option(
        "--sae-baseline-force",
        bool,
        "a run that writes a baseline does not fail for that reason",
        stage="update",
    ),
    Option(
        "--sae-equivalence",
        bool,
        "ask whether the release is the baseline's still, however it was saved, converted or "
        "loaded, by tight margins both ways; not whether it got worse",
        stage="compare",
    ),
    Option(
        "--sae-summary-full",
        bool,
        "every figure in the summary, and every failing test in full, as with -v; without them a "
        "screenful",
        stage="report",
    ),
)
STRICT = FLAGS[0]


def given(options: Options, *stages: Stage) -> Iterator[Option]:
    """The flags and options of some stages that somebody gave."""
    for option in (*FLAGS, *OPTIONS):
        if option.stage in stages and option is not STRICT and options.is_given(option.target):
            yield option
