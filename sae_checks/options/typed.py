"""The command that a user typed, handed on from `sae-checks gate` to the pytest that it starts.

Reports tell it in the place of pytest's, which names the suite and the settings by their paths.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import MutableMapping, Sequence
from itertools import takewhile
from typing import NamedTuple

_VARIABLE = "SAE_CHECKS_TYPED"


class Typed(NamedTuple):
    """A command: the program with what has to come first, and the arguments behind."""

    program: tuple[str, ...]
    arguments: tuple[str, ...]


def handed_on(program: Sequence[str], words: Sequence[str]) -> dict[str, str]:
    """Variables for the environment of pytest; a release or folder that comes first stays so."""
    first = list(takewhile(lambda word: not word.startswith("-"), words))
    return {_VARIABLE: json.dumps([[*program, *first], list(words[len(first) :])])}


def typed(arguments: Sequence[str], environment: MutableMapping[str, str] = os.environ) -> Typed:
    """What started this run: `sae-checks`, or pytest with these arguments of its own.

    What was handed on is taken out of the environment: a pytest that this one starts is another
    run. Arguments in PYTEST_ADDOPTS were given, too.
    """
    handed = environment.pop(_VARIABLE, None)
    program, given = (["pytest"], arguments) if handed is None else json.loads(handed)
    more = shlex.split(environment.get("PYTEST_ADDOPTS", ""))
    return Typed(tuple(program), (*more, *given))
