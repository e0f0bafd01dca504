"""The tables of a page that hold no figures: features, comparisons, where it comes from."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sae_checks.report.figures.regression import compared
from sae_checks.report.overview.levels import level
from sae_checks.report.overview.matrix import in_layer_order
from sae_checks.report.overview.repeat import whole_command
from sae_checks.report.page.cells import cell_id
from sae_checks.report.sentence import number
from sae_checks.report.summary import name_of
from sae_checks.session.result import FeatureEffect, RunResult

SHOWN_COMPARISONS = 60
_LIBRARIES = ("sae-checks", "sae-lens", "transformer-lens", "transformers", "torch", "numpy")


def feature_rows(result: RunResult) -> list[dict[str, Any]]:
    """The best and the worst features of each SAE on each task."""
    rows = []
    for sae in in_layer_order(result.facts.release.saes):
        for (of, task), features in result.features.items():
            if of != sae.sae_id:
                continue
            for kind, effects in (("best", features.best), ("worst", features.worst)):
                rows += [
                    {"sae": of, "task": task, "kind": kind, **_effect(each)} for each in effects
                ]
    return rows


def _effect(effect: FeatureEffect) -> dict[str, Any]:
    ablated = effect.ablated
    return {
        "feature": effect.feature,
        "link": effect.link,
        "score": f"{effect.score:+,}",
        "active_on": f"{effect.items:,}",
        "delta_ln_p": f"{effect.delta_ln_p:+.3f}",
        "ablated": "" if ablated is None else f"{ablated.value:+.3f}",
    }


def comparison_rows(result: RunResult) -> list[dict[str, Any]]:
    """The comparisons with the baseline, the worst first; so many at most."""
    return [
        {
            "id": cell_id(one.outcome),
            "check": name_of(one.outcome.check),
            "cell": str(one.outcome.cell.place),
            "level": level(one.outcome),
            "candidate": _number(one.candidate),
            "baseline": _number(one.baseline),
            "severity": _number(one.severity),
        }
        for one in compared(result)[:SHOWN_COMPARISONS]
    ]


def changed_features(result: RunResult) -> list[dict[str, Any]]:
    """Of each SAE that was compared feature by feature: those silent on one side alone."""
    rows = []
    for outcome in result.outcomes:
        notes = {} if outcome.verdict is None else dict(outcome.verdict.estimate.notes)
        if "silent_here_alone" in notes and outcome.cell.sae is not None:
            rows.append(
                {
                    "sae": outcome.cell.sae.sae_id,
                    "lost": notes["silent_here_alone"],
                    "gained": notes["silent_there_alone"],
                    "sure": notes["surely_changed"],
                    "id": cell_id(outcome),
                }
            )
    return rows


def provenance_rows(result: RunResult) -> list[tuple[str, str]]:
    """Names and values of all that decided the figures."""
    facts, rows = result.facts, list[tuple[str, str]]()
    rows.append(("command", whole_command(result)))
    rows.append(("judged on", str(result.today)))
    rows.append(("limits", str(facts.limits)))
    rows.append(("seed", str(facts.seed)))
    if facts.tables is not None:
        rows.append(("tables", str(facts.tables)))
    if result.junit:
        rows.append(("JUnit report", result.junit))
    if result.measurement is not None:
        manifest = result.measurement.manifest
        rows += [(f"measured: {n}", v) for n, v in _flat(manifest.provenance)]
        for entry in manifest.datasets:
            told = {n: v for n, v in entry.description.items() if n not in ("openings", "endings")}
            rows.append((f"data set {entry.ref.name} ({entry.evaluation})", _json(told)))
    rows += [("judged with", f"Python {platform.python_version()}, {_versions()}")]
    return rows


def sae_rows(result: RunResult) -> list[dict[str, Any]]:
    """What each SAE is, as its release says."""
    return [
        {
            "sae": sae.sae_id,
            "hooks": sae.hooks,
            "architecture": sae.architecture,
            "features": f"{sae.d_sae:,}",
            "training_context": sae.training_context or "not declared",
            "weights": sae.weights_key,
        }
        for sae in in_layer_order(result.facts.release.saes)
    ]


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _versions() -> str:
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _number(value: float) -> str:
    return number(value) if math.isfinite(value) else ""
