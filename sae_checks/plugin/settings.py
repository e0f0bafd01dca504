"""The options of a run as pytest has them: from the command line, else from its ini file."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

import pytest

from sae_checks.options import FLAGS, OPTIONS, STRICT, Option, Options, options_of


def add_options(parser: pytest.Parser) -> None:
    """Tell pytest of every option, and of its ini key."""
    group = parser.getgroup("sae-checks", "gate a release of sparse autoencoders")
    for option in OPTIONS:
        group.addoption(
            option.name,
            type=option.parse,
            default=None,
            metavar=option.metavar,
            dest=f"sae_checks_{option.target}",
            help=option.help,
        )
        parser.addini(option.ini, option.help, type="string", default="")
    for flag in FLAGS:
        group.addoption(
            flag.name, action="store_true", dest=f"sae_checks_{flag.target}", help=flag.help
        )
        parser.addini(flag.ini, flag.help, type="bool", default=False)


def parse_options(config: pytest.Config) -> Options:
    """What the run is asked to do.

    Raises:
        pytest.UsageError: an ini key is malformed.
    """
    values = {option.target: _value(config, option) for option in OPTIONS}
    values |= {flag.target: flagged(config, flag) for flag in FLAGS if flag is not STRICT}
    return options_of(values)


def flagged(config: pytest.Config, flag: Option) -> bool:
    """A flag on the command line, or its ini key."""
    return bool(config.getoption(f"sae_checks_{flag.target}") or config.getini(flag.ini))


def _value(config: pytest.Config, option: Option) -> Any:
    """An option from the command line, else its ini key, else None."""
    given = config.getoption(f"sae_checks_{option.target}")
    if given is not None:
        return given
    text = config.getini(option.ini)
    if not text:
        return None
    if config.inipath is not None:  # as seen from the file that says it
        text = option.seen_from(config.inipath.parent, text)
    try:
        return option.parse(text)
    except (ArgumentTypeError, ValueError) as error:
        raise pytest.UsageError(f"{config.inipath}: {option.ini} = {text}: {error}") from error
