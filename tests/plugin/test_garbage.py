"""Searches for garbage are left out of a run of checks alone, and of nothing else."""

from __future__ import annotations

import atexit
import gc
from types import SimpleNamespace

import pytest

from sae_checks.plugin import garbage


@pytest.fixture
def config():
    """As much of pytest's as matters; what the process was told to do as it ends is taken back."""
    cleanups, frozen = (
        [],
        gc.get_freeze_count(),
    )  # the tests' own set-up has frozen what it imported
    gc.unfreeze()
    yield SimpleNamespace(stash=pytest.Stash(), add_cleanup=cleanups.append, cleanups=cleanups)
    gc.unfreeze()
    atexit.unregister(gc.freeze)
    if frozen:
        gc.freeze()


def ends(config, items, checks):
    garbage.prepare(config)
    garbage.remember(SimpleNamespace(config=config, items=items), checks)
    garbage.leave_out_searches(config)


def test_nothing_of_a_run_of_checks_is_searched_until_it_is_over(config):
    ends(config, items=[1, 2], checks=2)
    assert gc.get_freeze_count() > 0
    for cleanup in config.cleanups:
        cleanup()
    assert gc.get_freeze_count() == 0


def test_where_other_tests_ran_everything_is_searched(config):
    ends(config, items=[1, 2], checks=1)
    assert gc.get_freeze_count() == 0


def test_where_nothing_ran_everything_is_searched(config):
    garbage.prepare(config)
    garbage.leave_out_searches(config)
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("checks", [1, 2])
def test_what_others_left_out_stays_so(config, checks):
    gc.freeze()
    ends(config, items=[1, 2], checks=checks)
    for cleanup in config.cleanups:
        cleanup()
    assert gc.get_freeze_count() > 0
