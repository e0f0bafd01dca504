"""Where declared figures are found, and which of them counts."""

from __future__ import annotations

from typing import Any

import pytest

from sae_checks.records import Declared, DeclaredFigure
from sae_checks.resolve.declared import declared_figures


def figures(location: str = "me/it:sae", target_l0: bool = False, **config: Any) -> Declared:
    directory = config.pop("directory", {})
    return declared_figures(config.get, location, directory, target_l0=target_l0)


def test_nothing_is_declared():
    assert figures() == Declared()


def test_what_stands_nearest_to_the_weights_counts():
    path, directory = "me/it:layer_0/average_l0_105", {"l0": 100.0}
    of_config = figures(path, l0=99.5, directory=directory)
    assert of_config.l0 == DeclaredFigure(99.5, "its cfg.json")
    assert figures(path, directory=directory).l0 == DeclaredFigure(105.0, "its path")
    assert figures(directory=directory).l0 == DeclaredFigure(100.0, "sae_lens's directory")


def test_a_folder_of_ones_own_declares_nothing_by_where_it_lies():
    assert figures("/home/average_l0_105/sae") == Declared()


def test_a_target_is_told():
    found = figures(target_l0=True, directory={"l0": 60.0}).l0
    assert found == DeclaredFigure(60.0, "sae_lens's directory", target=True)
    assert found is not None
    assert found.told == "sae_lens's directory, as a target"


@pytest.mark.parametrize(
    "config",
    [
        {"architecture": "topk", "k": 32},
        {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 32}},
    ],
)
def test_the_k_of_topk_is_a_target(config: dict[str, Any]):
    assert figures(**config).l0 == DeclaredFigure(32.0, "its cfg.json", target=True)


def test_a_k_of_another_architecture_is_none():
    assert figures(architecture="jumprelu", k=32) == Declared()


def test_explained_variance():
    assert figures(explained_variance=0.9).explained_variance == DeclaredFigure(0.9, "its cfg.json")
    both = figures(variance_explained=0.8, directory={"variance_explained": -0.85})
    assert both.explained_variance == DeclaredFigure(0.8, "its cfg.json")
    lower = figures(directory={"variance_explained": -0.85}).explained_variance
    assert lower == DeclaredFigure(-0.85, "sae_lens's directory")


@pytest.mark.parametrize(
    "config",
    [{"l0": each} for each in ("many", True, float("nan"), -1, 0, [50, 60])]
    + [{"explained_variance": each} for each in ([1], "0.9", float("inf"))],
)
def test_what_is_no_figure_is_not_declared(config: dict[str, Any]):
    """It refuses no release: nothing but the comparison with it needs it."""
    assert figures(**config) == Declared()


@pytest.mark.parametrize(
    "config",
    [
        {"l0": 10**400},
        {"explained_variance": -(10**400)},
        {"architecture": "topk", "activation_fn_kwargs": "words"},
        {"architecture": "topk", "k": 10**400},
    ],
)
def test_what_no_figure_can_be_is_not_declared(config: dict[str, Any]):
    assert figures(**config) == Declared()
