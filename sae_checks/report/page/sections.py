"""The sections of a page that hold figures, in their order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One of them: `Figure.section` is its id."""

    id: str
    title: str
    intro: str


SECTIONS = (
    Section(
        "context",
        "Context",
        "How each SAE does along the context: inside the number of tokens that it was trained on, "
        "and past it.",
    ),
    Section(
        "propagation",
        "Propagation",
        "What the errors of an earlier SAE do to a later one, and what all of them cost together.",
    ),
    Section(
        "tasks",
        "Tasks",
        "What splicing in an SAE does to answers that are known to be right or wrong.",
    ),
    Section(
        "features",
        "Features",
        "How often features are active, how much reconstructions shrink, and which features are "
        "dead or dense.",
    ),
    Section(
        "regression",
        "Regression",
        "The release beside its baseline, on the same texts and items.",
    ),
)
