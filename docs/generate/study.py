"""What the limits of thresholds.toml say of the study's published values, check by check."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from docs.generate import published
from docs.generate.limits import shipped
from docs.generate.published import CONTEXT, INSIDE, LAYERS, PAST, TASKS, TRAINING
from sae_checks.judge.ranks import spearman
from sae_checks.judge.thresholds import Limit
from sae_checks.records import PositionRange
from sae_checks.records.place import Place
from sae_checks.records.selectors import HOOK, LAYER, POSITIONS, RELEASE, SAE, SITE, TASK
from sae_checks.report.short import short_limit, short_number
from sae_checks.session.suite import bundled_checks

_GROWTH = {
    "delta_ce_growth": "delta_ce",
    "l0_growth": "l0",
    "l1_growth": "l1",
    "mse_growth": "mse",
    "norm_growth": "norm",
}
_EVENNESS = {"delta_ce_evenness": "delta_ce", "l0_evenness": "l0", "mse_evenness": "mse"}
_MEANS = ("delta_ce", "l0")
_OF_TASKS = ("accuracy_drop", "delta_ln_p", "norm_correlation_delta_ln_p")
# The ranges in which a default run judges this release.
RANGES_INSIDE = tuple(PositionRange(a, 2 * a - 1) for a in (1, 2, 4, 8, 16, 32, 64))
RANGES_PAST = tuple(
    PositionRange(a, b) for a, b in ((128, 159), (160, 191), (192, 255), (256, 511), (512, 1022))
)
_SIGNS = {"holds": "✓", "within the margin": "≈", "fails": "✗"}


@dataclass(frozen=True)
class Judged:
    """A published value, held to the limit of a check."""

    check: str
    layer: int
    value: float
    limit: Limit

    @property
    def verdict(self) -> str:
        """Of the value alone: the study published no intervals."""
        if self.limit.allows(self.value):
            return "holds"
        within = self.limit.allows(self.value, self.limit.margin)
        return "within the margin" if within else "fails"

    def __str__(self) -> str:
        return f"{_SIGNS[self.verdict]} {short_number(self.value)}"


def study_parts() -> dict[str, str]:
    """The tables of docs/study.md."""
    return {
        "study values": _values(),
        "study claims": _claims(),
        "study ranges": _ranges(),
        "study tasks": _tasks(),
        "study unjudged": _unjudged(),
    }


def on_texts(check: str, layer: int, positions: PositionRange) -> Judged:
    """A check of means over positions, or of their growth past the training context."""
    limit = shipped().limit(check, _place(layer).at(POSITIONS, positions))
    if check in _MEANS:
        return Judged(check, layer, published.mean(layer, positions, check), limit)
    quantity = _GROWTH.get(check) or _EVENNESS[check]
    inside = published.mean(layer, INSIDE, quantity)
    base = max(inside, dict(limit.parameters).get("floor", 0.0))
    if check in _EVENNESS:
        largest = max(published.mean(layer, each, quantity) for each in RANGES_INSIDE[2:])
        return Judged(check, layer, largest / base, limit)
    return Judged(check, layer, published.mean(layer, positions, quantity) / base, limit)


def usable_context(layer: int) -> Judged:
    """Up to where ΔCE holds its limit, in training contexts, by windows past training.

    Raises:
        ValueError: the check's window is not that of the published means.
    """
    limit = shipped().limit("usable_context", _place(layer))
    most = shipped().limit("delta_ce", _place(layer)).max
    window = dict(limit.parameters)["window"]
    if window != 16 or most is None:
        raise ValueError("docs/study/texts.csv has means over 16 positions, for a largest ΔCE")
    # No range of the training context has a mean above the limit; `Judged` of delta_ce says so.
    past = [w for w in published.windows() if w.layer == layer and w.positions.first >= TRAINING]
    beyond = (w.positions.first for w in past if w.means["delta_ce"] > most)
    return Judged("usable_context", layer, next(beyond, CONTEXT) / TRAINING, limit)


def on_task(check: str, layer: int, task: str) -> Judged:
    """A check of answers."""
    found = published.answers()[task, layer]
    value = (
        found["clean_accuracy"] - found["accuracy"] if check == "accuracy_drop" else found[check]
    )
    return Judged(check, layer, value, shipped().limit(check, _place(layer).at(TASK, task)))


def every_claim() -> list[tuple[str, str, list[Judged]]]:
    """Check, where it is asked, and a verdict for each layer."""
    texts = [(check, INSIDE) for check in (*_MEANS, *_EVENNESS)]
    texts += [(check, PAST) for check in _GROWTH]
    tasks = [(check, task) for task in TASKS for check in _OF_TASKS]
    every = range(LAYERS)
    return [
        *((c, f"positions {at}", [on_texts(c, n, at) for n in every]) for c, at in texts),
        ("usable_context", "the SAE", [usable_context(n) for n in every]),
        *((check, task, [on_task(check, n, task) for n in every]) for check, task in tasks),
    ]


def _place(layer: int) -> Place:
    site = "hook_resid_pre"
    hook = f"blocks.{layer}.{site}"
    values = ((RELEASE, published.RELEASE), (SAE, hook), (LAYER, layer), (SITE, site), (HOOK, hook))
    return Place(values)


def _claims() -> str:
    rows = [
        "| check | where | limit | holds | within the margin | fails |",
        "|---|---|---|---|---|---|",
    ]
    for check, where, judged in every_claim():
        limit = judged[0].limit
        layers = [_layers(j for j in judged if j.verdict == verdict) for verdict in _SIGNS]
        rows.append(
            f"| `{check}` | {where} | {short_limit(limit).replace('<', '&lt;')} {limit.unit} | "
            f"{' | '.join(layers)} |"
        )
    return "\n".join(rows)


def _layers(judged: Iterable[Judged]) -> str:
    """Layers, with the values at both ends: "0 to 6 (1.12 to 1.38)"."""
    found = list(judged)
    if not found:
        return "–"
    low, high = (short_number(end([j.value for j in found])) for end in (min, max))
    values = low if low == high else f"{low} to {high}"
    return f"{_runs([j.layer for j in found])} ({values})"


def _runs(numbers: Sequence[int]) -> str:
    """Numbers in order, runs of three and more as "3 to 9"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    short = (f"{p[0]} to {p[-1]}" if len(p) > 2 else ", ".join(map(str, p)) for p in parts)
    return ", ".join(short)


def _ranges() -> str:
    """In which ranges past the training context which layers fail."""
    checks = list(_GROWTH)
    rows = ["| positions | " + " | ".join(f"`{c}`" for c in checks) + " |"]
    rows.append("|---" * (len(checks) + 1) + "|")
    for positions in RANGES_PAST:
        cells = []
        for check in checks:
            failed = [on_texts(check, n, positions) for n in range(LAYERS)]
            cells.append(_layers(j for j in failed if j.verdict == "fails"))
        rows.append(f"| {positions} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _values() -> str:
    """Means over positions, as the study published them."""
    heads = ["L0 1:127", "MSE 1:127", "ΔCE 1:127", *(f"ΔCE {each}" for each in RANGES_PAST)]
    rows = ["| layer | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for layer in range(LAYERS):
        means = [published.mean(layer, INSIDE, quantity) for quantity in ("l0", "mse", "delta_ce")]
        means += [published.mean(layer, each, "delta_ce") for each in RANGES_PAST]
        rows.append(f"| {layer} | {' | '.join(short_number(value) for value in means)} |")
    return "\n".join(rows)


def _tasks() -> str:
    """Accuracy by layer, with what the limits say of it."""
    head = "".join(f" {title}, right % | drop, points | Δ ln p, nats |" for title in TASKS.values())
    rows = [f"| layer |{head}", "|---" * 7 + "|"]
    clean = [f"{published.answers()[task, 0]['clean_accuracy']:.1f} | – | – " for task in TASKS]
    rows.append(f"| clean | {'| '.join(clean)}|")
    for layer in range(LAYERS):
        cells = []
        for task in TASKS:
            right = published.answers()[task, layer]["accuracy"]
            drop, ln_p = (on_task(check, layer, task) for check in ("accuracy_drop", "delta_ln_p"))
            cells += [f"{right:.1f}", str(drop), str(ln_p)]
        rows.append(f"| {layer} | {' | '.join(cells)} |")
    return "\n".join(rows)


def trends() -> dict[str, float]:
    """Rank correlations over layers: of depth with ΔCE, and of ΔCE with what tasks lose."""
    layers = np.arange(float(LAYERS))
    inside, past = (
        np.array([published.mean(n, where, "delta_ce") for n in range(LAYERS)])
        for where in (INSIDE, PAST)
    )
    made = {
        "depth_trend_in_context": float(spearman(layers, inside)),
        "depth_trend_past_context": float(spearman(layers, past)),
    }
    for task in TASKS:
        drops = np.array([on_task("accuracy_drop", n, task).value for n in range(LAYERS)])
        made[f"rank_agreement on {task}"] = float(spearman(inside, drops))
    return made


def _unjudged() -> str:
    """What is only reported, and which checks the published tables do not bear on."""
    found = trends()
    reported = [
        f"- `{name.split()[0]}`{name[len(name.split()[0]) :]}: {value:.2f}"
        for name, value in found.items()
    ]
    used = {check for check, _, _ in every_claim()} | {name.split()[0] for name in found}
    rest = [name for name in bundled_checks() if name not in used]
    count = f"The published tables bear on {len(used)} of the {len(bundled_checks())} checks."
    named = ", ".join(f"`{name}`" for name in rest)
    return "\n".join(reported) + f"\n\n{count} The others have to be measured:\n{_wrap(named)}."


def _wrap(text: str) -> str:
    return textwrap.fill(text, 99, break_long_words=False, break_on_hyphens=False)
