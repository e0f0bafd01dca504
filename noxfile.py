"""What CI runs, on this machine: `nox` for all of it, `nox -s tests-3.12`, `nox -s lowest`.

A session is a virtual environment; the Makefile installs into it and knows the commands.
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "venv"  # with pip in it, which the Makefile uses

PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All that must pass before a change lands, with the versions of constraints.txt."""
    session.run(".ci/run", env={"VENV": session.virtualenv.location}, external=True)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """The tests, with the lowest versions that pyproject.toml allows of the main dependencies."""
    session.run(
        "make", "test", f"VENV={session.virtualenv.location}",
        "CONSTRAINTS=constraints-lowest.txt", external=True,
    )  # fmt: skip
