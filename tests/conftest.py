"""Which tests need a model; warnings of third parties, where every other warning is an error."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.exhaustive import load_profiles

# The models are too small to share out: on a busy machine, threads that wait for each other take
# seven times as long. Set before torch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Where tests run in a workflow, gates that they start do not add to its summary.
os.environ.pop("GITHUB_STEP_SUMMARY", None)

load_profiles()

_THIRD_PARTY_WARNINGS = (
    # sae_lens imports TransformerLens's old module of utilities.
    "ignore:The 'utils' module has been deprecated:DeprecationWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    for warning in _THIRD_PARTY_WARNINGS:
        config.addinivalue_line("filterwarnings", warning)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while torch and the like are imported, and none of it later: it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# What a module of tests imports to load the demo's model, to compare passes of every architecture
# with plain hooks, or to run the gate or another process, a browser among them.
_HOMES = {
    "sae_checks.demo",
    "sae_checks.faults.injection",
    "subprocess",
    "tests.kills.moments",
    "tests.kills.runs",
    "tests.load.plain_hooks",
    "tests.plugin.gate_run",
    "tests.report.page.browser",
}
_NAMES = {"MODEL_FOLDER", "SAES_FOLDER"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that `make check` leaves out, by what their modules import; and the laws.

    They come first: where workers share the tests, short ones are left to even out the end.
    """
    for item in items:
        if isinstance(item, pytest.Function) and _runs_a_model(item.module):
            item.add_marker("model")
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("law")
    items.sort(key=lambda item: item.get_closest_marker("model") is None)


def _runs_a_model(module: ModuleType) -> bool:
    homes = {_home(value) for value in vars(module).values()}
    return bool(_HOMES & homes or _NAMES & vars(module).keys())


def _home(value: object) -> str:
    """The module that it is, or that defines it."""
    home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
    return home if isinstance(home, str) else ""
