"""Arguments that commands share: the options of a run, by their stages."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from typing import Any

from sae_checks.options import FLAGS, OPTIONS, STRICT, Option, Options, Stage, options_of
from sae_checks.options.parsing import path

# What can be said of tables that are there: which of them, in which ranges, and by which limits.
STORED: tuple[Stage, ...] = ("collect", "judge", "compare")


def add_options(command: argparse.ArgumentParser, stages: Collection[Stage]) -> None:
    """The options and flags of some stages of a run, as `pytest checks/` takes them."""
    for option in OPTIONS:
        if option.stage in stages:
            add_option(command, option)
    for flag in FLAGS:
        if flag.stage in stages:
            command.add_argument(
                flag.name, action="store_true", dest=flag.target, help=flag.help.replace("%", "%%")
            )


def add_option(command: argparse.ArgumentParser, option: Option) -> None:
    """One option of a run that takes a value."""
    command.add_argument(
        option.name,
        type=option.parse,
        default=None,
        metavar=option.metavar,
        dest=option.target,
        help=option.help.replace("%", "%%"),
    )


def add_stored(command: argparse.ArgumentParser) -> None:
    """A folder of stored tables, and how they are judged."""
    command.add_argument(
        "folder",
        type=path,
        metavar="FOLDER",
        help="a stored measurement: the folder that a run names as its tables",
    )
    add_option(command, next(each for each in OPTIONS if each.name == "--sae-ids"))
    add_options(command, STORED)


def stored_options(given: Mapping[str, Any]) -> tuple[Options, bool]:
    """The run that judges a stored measurement, and whether nothing is accepted in it."""
    from sae_checks.cli.folders import measurement_folder

    values = dict(given)
    strict = bool(values.pop(STRICT.target))
    values["measurements"] = measurement_folder(values.pop("folder"))
    return options_of(values), strict
