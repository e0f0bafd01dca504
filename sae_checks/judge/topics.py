"""What checks ask about: the topics by which reports group them, a column of the matrix each.

A check says its topic with `@check(topic="...")`; without, it is the name of its file, so that
check_rare_tokens.py has a column "rare tokens" and nothing else has to know of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

VS_BASELINE = "vs baseline"  # of comparisons, whatever is compared


@dataclass(frozen=True)
class Topic:
    """A topic of the bundled suite.

    Attributes:
        name: as in `@check(topic=...)`.
        asks: the question that its checks answer.
        heading: its name where there is little room.
        headline: the check whose figure stands for it where nothing is wrong.
    """

    name: str
    asks: str
    heading: str
    headline: str = ""


# In the order of reports; topics of other checks stand behind them, as they come.
TOPICS = (
    Topic(
        "loss in context", "what the SAE costs where it was trained", "loss in context", "delta_ce"
    ),
    Topic(
        "loss past context",
        "what it costs past its training context",
        "loss past context",
        "delta_ce_growth",
    ),
    Topic(
        "reconstruction",
        "how near and how long reconstructions are",
        "recon.",
        "explained_variance",
    ),
    Topic("sparsity", "how many features are active", "sparsity", "l0"),
    Topic(
        "SAE past context",
        "how much its error and its activity grow past its training context",
        "SAE past context",
        "l0_growth",
    ),
    Topic(
        "features",
        "whether features are alive, rarely active, and different",
        "features",
        "alive_features",
    ),
    Topic("task answers", "whether right answers stay right", "task answers", "accuracy_drop"),
    Topic(
        "task patterns",
        "what errors on tasks go with",
        "task patterns",
        "norm_correlation_delta_ln_p",
    ),
    Topic(
        "task features",
        "which features help and harm on tasks",
        "task features",
        "positive_features",
    ),
    Topic("propagation", "what an SAE's errors do to later SAEs", "propag.", "propagation_mse"),
    Topic("stack", "what all SAEs cost at once", "stack", "stack_delta_ce"),
    Topic("second corpus", "how much worse it is on other text", "second corpus", "shift_delta_ce"),
    Topic("declared", "whether it is what the release declares", "declared", "declared_l0"),
    Topic(
        "activations", "whether the activations themselves are as usual", "activ.", "norm_growth"
    ),
    Topic(VS_BASELINE, "whether it is worse than, or other than, the baseline", "vs baseline"),
)
_RANKS = {topic.name: rank for rank, topic in enumerate(TOPICS)}
_HEADINGS = {topic.name: topic.heading for topic in TOPICS}
_HEADLINES = {topic.name: topic.headline for topic in TOPICS}


def in_order(topics: Iterable[str]) -> list[str]:
    """Topics once each: those of the suite in its order, others behind them as they come."""
    return sorted(dict.fromkeys(topics), key=lambda name: _RANKS.get(name, len(TOPICS)))


def heading(topic: str) -> str:
    """A topic's name where there is little room."""
    return _HEADINGS.get(topic, topic)


def headline(topic: str) -> str:
    """The check whose figure stands for a topic where nothing is wrong; "" where none is named."""
    return _HEADLINES.get(topic, "")


def spaced(name: str) -> str:
    """The name of a function or of a file as words."""
    return name.replace("_", " ")
