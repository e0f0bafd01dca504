"""The best and worst features of an SAE on a task, each with where its dashboard is."""

from __future__ import annotations

from collections.abc import Iterable

from sae_checks.judge.estimate import Estimate
from sae_checks.session.result import FeatureEffect, Outcome, TaskFeatures


def feature_lines(features: TaskFeatures | None) -> list[str]:
    """Two lines, the best features and the worst; none where no feature has a score."""
    if features is None:
        return []
    return [
        f"  {which} features on {features.task}: {_named(effects)}"
        for which, effects in (("best", features.best), ("worst", features.worst))
        if effects
    ]


def density_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """How dense the features of an SAE are on texts, where a check measured it."""
    verdicts = (outcome.verdict for outcome in outcomes)
    notes = [dict(verdict.estimate.notes) for verdict in verdicts if verdict is not None]
    return [f"  features by density: {each['densities']}" for each in notes if "densities" in each]


def _named(effects: Iterable[FeatureEffect]) -> str:
    return "; ".join(map(_one, effects))


def _one(effect: FeatureEffect) -> str:
    """A feature, its score, what goes with it, what ablating it does, and its link."""
    known = f"score {effect.score:+,} of {effect.items:,}"
    known += f", mean Δ ln p {effect.delta_ln_p:+.3f}"
    known += "" if effect.ablated is None else f", ablated {_ablated(effect.ablated)}"
    return f"{effect.feature} ({known})" + (f" {effect.link}" if effect.link else "")


def _ablated(mean: Estimate) -> str:
    interval = f"{mean.low:+.3f} to {mean.high:+.3f}" if mean.texts > 1 else "one item"
    return f"{mean.value:+.3f} ({interval})"
