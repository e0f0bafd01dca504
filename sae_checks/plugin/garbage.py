"""Python's searches for garbage at the end of a run, which a run of checks alone does without.

Pytest looks through all that a run holds once its tests are over, to tell of what they left open,
and Python does so again as the process ends. Checks open nothing, and what a run holds goes with
its process: these searches take a sixth of a run that measures nothing.
"""

from __future__ import annotations

import atexit
import gc
from functools import partial

import pytest

_CHECKS_ALONE: pytest.StashKey[bool] = pytest.StashKey()
_FROZEN: pytest.StashKey[bool] = pytest.StashKey()  # by this run


def prepare(config: pytest.Config) -> None:
    """See to it that all is searched again after a run: a process may run pytest and go on.

    Called early: what is to be cleaned up first is cleaned up last, after pytest's own search.
    """
    config.add_cleanup(partial(_search_again, config))


def remember(session: pytest.Session, checks: int) -> None:
    """Remember whether all tests of a run are checks, of which there are so many."""
    session.config.stash[_CHECKS_ALONE] = checks == len(session.items)


def leave_out_searches(config: pytest.Config) -> None:
    """From here to the end of the run, and once the process ends."""
    if config.stash.get(_CHECKS_ALONE, False) and not gc.get_freeze_count():
        config.stash[_FROZEN] = True  # whoever runs pytest may have frozen what is theirs
        gc.freeze()
        atexit.unregister(gc.freeze)  # once, however many runs
        atexit.register(gc.freeze)


def _search_again(config: pytest.Config) -> None:
    if config.stash.get(_FROZEN, False):
        gc.unfreeze()
