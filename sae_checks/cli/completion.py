"""What a shell completes: commands, options, releases; asked for by argcomplete, if installed."""

from __future__ import annotations

import argparse


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and exit; without argcomplete, nothing happens."""
    try:
        import argcomplete
    except ModuleNotFoundError:
        return
    for command in commands_of(parser).values():
        for action in command._actions:
            if action.metavar in ("RELEASE", "NAME") and action.dest.endswith("release"):
                action.completer = _releases  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of a parser's commands, by name."""
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    found: dict[str, argparse.ArgumentParser] = dict(commands.choices)
    return found


def _releases(prefix: str, **_: object) -> list[str]:
    """Releases of the directory, and folders."""
    from argcomplete.completers import DirectoriesCompleter

    from sae_checks.resolve.directory import release_names

    found = [name for name in ("tales", *release_names()) if name.startswith(prefix)]
    return [*found, *DirectoriesCompleter()(prefix)]
