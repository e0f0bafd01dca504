"""`sae-checks list`: the releases of sae_lens's directory, by their names alone."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sae_checks.cli.output import tell
from sae_checks.cli.suggestion import did_you_mean
from sae_checks.cli.table import table, width_of_terminal
from sae_checks.errors import UserError
from sae_checks.resolve import directory
from sae_checks.resolve.conversions import REFUSED, Kind, conversion_named
from sae_checks.wording import counted, natural_order

HELP = "list releases that can be gated: model, kinds, sizes, training context"
EPILOG = """\
FILTER is a part of a release's or a model's name, or a glob. Sizes are features of an SAE, and
training contexts tokens, as far as names say them: "in its files" is what `sae-checks show` reads.
"not declared" says that sae_lens's loader makes a context up; tell it with --sae-training-context.

examples:
  sae-checks list
  sae-checks list gpt2
  sae-checks list 'gemma-scope-2b-*'
"""

_SIZE = re.compile(r"(?:^|[_-])(?:width[_-]|w)?(\d+)(k|m)(?=$|[_.-])")
_POWER = re.compile(r"width-2pow(\d+)")
_CONTEXT = re.compile(r"_ctx(\d+)(?=$|_)")
_UNITS = {"k": 1_000, "m": 1_000_000}


@dataclass(frozen=True)
class Row:
    """A release as far as its names tell.

    Attributes:
        kinds: how many entries are of each kind.
        sizes: features of its SAEs, "16k", rising; empty where names do not say.
        context: tokens that it was trained at, or where that stands.
        refused: how many entries cannot be gated.
    """

    name: str
    model: str
    kinds: Mapping[Kind, int]
    sizes: tuple[str, ...]
    context: str
    refused: int

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns of the list."""
        entries = sum(self.kinds.values())
        gate = "yes" if not self.refused else "no" if self.refused == entries else "in part"
        few = len(self.kinds) == 1
        kinds = [
            f"{kind}s" if few else f"{count} {kind}s" for kind, count in sorted(self.kinds.items())
        ]
        ends = self.sizes if len(self.sizes) < 3 else (f"{self.sizes[0]}–{self.sizes[-1]}",)
        sizes = ", ".join(ends) or "in its files"
        return (self.name, self.model, f"{entries}", ", ".join(kinds), sizes, self.context, gate)


HEAD = ("release", "model", "entries", "kinds", "features", "training context", "gateable")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What is listed."""
    command.add_argument(
        "filter", nargs="?", metavar="FILTER", help="a part of a name, or a glob; all without it"
    )


def run(given: Mapping[str, Any], command: str) -> int:
    """Print the list.

    Args:
        given: the filter, or None.
        command: as it was called.

    Raises:
        UserError: nothing matches.
    """
    found = list(rows(given["filter"]))
    for line in table(HEAD, (row.cells for row in found), width_of_terminal()):
        tell(line)
    tell(f"\n{counted(len(found), 'release')}; `sae-checks show NAME` says more of one")
    return 0


def rows(wanted: str | None) -> Iterator[Row]:
    """The releases that match, as the directory names them.

    Raises:
        UserError: none does.
    """
    names = directory.release_names()
    skimmed = {name: directory.skim(name) for name in sorted(names, key=natural_order)}
    found = [
        name for name, each in skimmed.items() if not wanted or _matches(wanted, name, each.model)
    ]
    if not found:
        near = did_you_mean(str(wanted), [*names, *{each.model for each in skimmed.values()}])
        raise UserError(f"no release and no model has {wanted!r} in its name{near}")
    return (_row(name, skimmed[name]) for name in found)


def _matches(wanted: str, name: str, model: str) -> bool:
    pattern = wanted.lower() if set(wanted) & set("*?[") else f"*{wanted.lower()}*"
    return any(fnmatchcase(each.lower(), pattern) for each in (name, model))


def _row(name: str, skimmed: directory.Skimmed) -> Row:
    conversion = conversion_named(skimmed.conversion)
    kinds = [conversion.kind(entry) for entry in skimmed.entries]
    sizes = {size for text in _names(name, skimmed) for size in _sizes(text)}
    said = _CONTEXT.search(name)
    undeclared = "context_size" in conversion.assumed | conversion.unwritten
    context = said.group(1) if said else "not declared" if undeclared else "in its files"
    model = conversion.model(skimmed.entries[0].repo_id) or skimmed.model
    rising = tuple(_short(size) for size in sorted(sizes))
    refused = sum(kind in REFUSED for kind in kinds)
    return Row(name, model, Counter(kinds), rising, context, refused)


def _names(name: str, skimmed: directory.Skimmed) -> Iterator[str]:
    """The names that may say a size: an entry's own, else the release's."""
    ids = [entry.sae_id for entry in skimmed.entries]
    paths = [part for entry in skimmed.entries for part in entry.path.split("/")]
    for texts in (ids, paths, [name]):
        if any(_sizes(text) for text in texts):
            yield from texts
            return


def _sizes(text: str) -> list[int]:
    found = [int(number) * _UNITS[unit] for number, unit in _SIZE.findall(text)]
    return found + [2 ** int(power) for power in _POWER.findall(text)]


def _short(size: int) -> str:
    for unit, worth in (("m", 1_000_000), ("k", 1_000)):
        if size % worth == 0:
            return f"{size // worth}{unit}"
    return f"{size:,}"
