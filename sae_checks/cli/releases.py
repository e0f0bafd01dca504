"""`python -m sae_checks releases`: which releases of sae_lens's directory can be gated?

The page is made from names alone, without network and without torch.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from sae_checks.cli.output import tell
from sae_checks.resolve import directory
from sae_checks.resolve.conversions import CONVERSIONS, REFUSED, Kind, conversion_named
from sae_checks.resolve.model_families import model_family

HELP = "list sae_lens's directory: which releases can be gated, and why not"
EPILOG = """\
The page is Markdown; docs/releases.md is made of it.

examples:
  sae-checks releases
"""

# How the columns of the last table call what a conversion function assumes.
_METADATA = {
    "context_size": "training context",
    "dataset_path": "data set",
    "prepend_bos": "BOS",
    "model_name": "model",
}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """None: the directory is that of the installed sae_lens."""


def run(given: Mapping[str, Any], command: str) -> int:
    """Print the page.

    Args:
        given: no arguments.
        command: as it was called, which the page names.
    """
    tell(page(command))
    return 0


@dataclass(frozen=True)
class ReleaseSummary:
    """A release of the directory, as far as its names tell.

    Attributes:
        model: that its SAEs read.
        kinds: how many entries are of each kind.
        architecture: of its dictionaries; None where their own files say.
        sites: where its entries read; empty where their own files say.
        undeclared: metadata that its conversion function writes by itself, or not at all.
        declaring: how many entries declare an L0.
        targets: whether these are what training aimed at.
        reasons: why entries are refused, and how many each.
    """

    name: str
    model: str
    kinds: Mapping[Kind, int]
    architecture: str | None
    sites: tuple[str, ...]
    undeclared: frozenset[str]
    declaring: int
    targets: bool
    reasons: Mapping[str, int]

    @property
    def entries(self) -> int:
        """How many there are."""
        return sum(self.kinds.values())

    @property
    def gateable(self) -> int:
        """How many entries can be gated."""
        return self.entries - sum(self.reasons.values())


def summarised(name: str) -> ReleaseSummary:
    """What the directory tells of a release."""
    description = directory.read_release(name)
    conversion = conversion_named(description.get("conversion_func"))
    entries, kinds = directory.named(description), directory.kinds(description)
    model = conversion.model(description["repo_id"]) or description["model"]
    if model_family(model) is None:
        unknown = "SAEs of a model whose architecture is not known"
        reasons = Counter({unknown: len(entries)})
    else:
        reasons = Counter(REFUSED[kind] for kind in kinds if kind in REFUSED)
    saes = description["saes"]
    return ReleaseSummary(
        name=name,
        model=model,
        kinds=Counter(kinds),
        architecture=conversion.architecture,
        sites=tuple(sorted({site for each in entries if (site := conversion.site(each))})),
        # What the directory itself says is declared.
        undeclared=(conversion.assumed | conversion.unwritten)
        - set(description.get("config_overrides") or {}),
        declaring=sum(
            "l0" in sae or "average_l0_" in each.path
            for sae, each in zip(saes, entries, strict=True)
        ),
        targets=directory.declares_targets(description),
        reasons=reasons,
    )


def page(command: str) -> str:
    """The whole page, in Markdown."""
    releases = sorted(map(summarised, directory.release_names()), key=lambda each: each.name)
    return "\n".join([*_head(releases, command), "", *_table(releases), "", *_assumptions()])


def _head(releases: Iterable[ReleaseSummary], command: str) -> Iterator[str]:
    releases = list(releases)
    entries = sum(each.entries for each in releases)
    gateable = sum(each.gateable for each in releases)
    whole = sum(each.gateable == each.entries for each in releases)
    declaring = sum(each.declaring for each in releases)
    without = sum(each.entries for each in releases if "context_size" in each.undeclared)
    yield f"""\
# Releases of sae_lens's directory

sae_lens {version("sae-lens")} names {len(releases)} releases with {entries:,} entries. Of these
entries **{gateable:,} ({100 * gateable / entries:.1f}%) can be gated**; {whole} releases are gated
whole. This page is made from names alone, without network, by `{command}`.

- *Kinds*: what the entries are, and their architecture where it is known without their files.
- *Read at*: the hook point within a block; "own files" where only the SAEs' own files say. Of Gemma
  Scope 2's transcoders it is where their files say that they read, which sae_lens calls
  `hook_mlp_in`, although that is another place ([hook points](hook-points.md)).
- *Not declared*: what sae_lens's loader writes by itself, whatever the release says, or does not
  write. {without:,} entries declare no training context: all positions measured then count as
  within it, and nothing is asked past it, until `--sae-training-context TOKENS` says it. A data set
  that the loader names is measured on unless `--sae-corpus` names another; where it names none,
  that option has to.
- *L0 declared*: how many entries declare an L0, in the directory or in their path: {declaring:,} in
  all. A *target* is what training aimed at, or nominal; the others were measured. It is compared
  with what is measured where the training context is declared or given.
- *Gate*: whether `--sae NAME` gates the release. Every model is a causal language model that
  transformers can load; of models of text and images the text part is loaded."""


def _table(releases: Iterable[ReleaseSummary]) -> Iterator[str]:
    yield "| release | model | entries | kinds | read at | not declared | L0 declared | gate |"
    yield "|---|---|---|---|---|---|---|---|"
    for each in releases:
        cells = (
            f"`{each.name}`",
            each.model,
            f"{each.entries:,}",
            _kinds(each),
            ", ".join(f"`{site}`" for site in each.sites) or "own files",
            _said(each.undeclared),
            f"{each.declaring:,}{' (target)' * each.targets}" if each.declaring else "–",
            _gate(each),
        )
        yield f"| {' | '.join(cells)} |"


def _kinds(each: ReleaseSummary) -> str:
    some = len(each.kinds) > 1
    told = [f"{n:,} {kind}s" if some else f"{kind}s" for kind, n in sorted(each.kinds.items())]
    of = "" if each.architecture is None else f" ({each.architecture})"
    return f"{' and '.join(told)}{of}"


def _gate(each: ReleaseSummary) -> str:
    if not each.reasons:
        return "gateable"
    why = "; ".join(re.split(r"[;,] ", reason)[0] for reason in sorted(each.reasons))
    if each.gateable == 0:
        return f"refused, because it holds {why}"
    return f"{each.gateable:,} gateable; the others are {why}"


def _said(assumed: Iterable[str]) -> str:
    names = set(assumed)
    return ", ".join(said for name, said in _METADATA.items() if name in names) or "–"


def _assumptions() -> Iterator[str]:
    yield """\
## What loaders assume

These conversion functions of sae_lens write metadata that neither a file nor a name of the release
says: the same value for whatever they read, the batch size of the training run for its context
(`mwhanna_transcoder`), another model than the directory's (`llama_scope_r1_distill`), or a model's
name without its owner (`dictionary_learning_1`). It is not taken for declared; in the place of
such a model stands the directory's.

| conversion function | assumes | does not write |
|---|---|---|"""
    for name, each in sorted(CONVERSIONS.items()):
        yield f"| `{name}` | {_said(each.assumed)} | {_said(each.unwritten)} |"
