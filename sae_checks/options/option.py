"""What an option is, and the stages of a run that options belong to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sae_checks.options.parsing import name_or_path, path, task_names

# The stages of a run, in their order. Whatever is true of all options of a stage is asked of the
# stage: that they need a model, say, or a baseline.
Stage = Literal[
    "resolve",  # which release, and which SAEs of it
    "collect",  # which cells they have
    "measure",  # on what, with what and how they are measured
    "shift",  # what is measured beside, on a second corpus
    "ablate",  # what is measured in the end, and gates nothing
    "store",  # where measurements are kept
    "read",  # a stored measurement, in place of measuring
    "judge",  # what cells are held to
    "compare",  # with which baseline, and how
    "update",  # that the baseline is written
    "report",  # what is written for people
]


@dataclass(frozen=True)
class Option:
    """One command line option and its ini key (its name with underscores for dashes).

    Attributes:
        name: "--sae-tokens".
        parse: makes its value of a text; of a flag, `bool`.
        field: of `Options` that it sets, where that is not called as the option is.
        stage: of a run, that it belongs to.
    """

    name: str
    parse: Callable[[str], Any]
    help: str
    metavar: str = "X"
    field: str = ""
    stage: Stage = dataclasses.field(kw_only=True)

    @property
    def ini(self) -> str:
        return self.name.lstrip("-").replace("-", "_")

    def seen_from(self, folder: Path, text: str) -> str:
        """The option's text with paths made relative to a folder, as far as they exist there."""
        if self.parse not in (path, name_or_path, task_names):
            return text
        parts = text.split(",") if self.parse is task_names else [text]
        seen = [folder / Path(part.strip()).expanduser() for part in parts]
        return ",".join(
            str(place) if place.exists() else part for place, part in zip(seen, parts, strict=True)
        )

    @property
    def target(self) -> str:
        """The field of `Options` it sets."""
        return self.field or self.ini.removeprefix("sae_")
