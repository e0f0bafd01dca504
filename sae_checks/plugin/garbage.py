"""Python's searches for garbage at the end of a run, which a run of checks alone does without.

Pytest looks through all that a run holds once its tests are over, to tell of what they left open,
and Python does so again as the process ends. Checks open nothing, and what a run holds goes with
its process: the two searches take a sixth of a run that measures nothing.
"""

from __future__ import annotations

import atexit
import gc

import pytest

_CHECKS_ALONE: pytest.StashKey[bool] = pytest.StashKey()


def remember(session: pytest.Session, checks: int) -> None:
    """Remember whether all tests of a run are checks, of which there are so many."""
    session.config.stash[_CHECKS_ALONE] = checks == len(session.items)


def leave_out_searches(config: pytest.Config) -> None:
    """From here to the end of pytest's run, and once its process ends; not between the two.

    A process may run pytest and go on: there, nothing is kept from being found.
    """
    if config.stash.get(_CHECKS_ALONE, False):
        gc.freeze()
        config.add_cleanup(gc.unfreeze)
        atexit.unregister(gc.freeze)  # once, however many runs
        atexit.register(gc.freeze)
