"""The columns of the tasks evaluation: a figure per item (docs/quantities.md defines each)."""

from __future__ import annotations

from collections.abc import Set

from sae_checks.evals.tasks.losses import LOSSES
from sae_checks.evals.tasks.table import ABLATIONS, FEATURES
from sae_checks.measure.plan import Plan
from sae_checks.records.column import Column


def _answer(name: str) -> tuple[Column, Column]:
    """What becomes of the answer, which is always measured: it costs one unembedding per item."""
    return (
        Column(f"clean_{name}", unembeds=True, always=True),
        Column(f"sae_{name}", splices=True, unembeds=True, always=True),
    )


ANSWER = (*_answer("ln_p"), *_answer("rank"))
CANDIDATES = _answer("candidate_right")
PAIR = _answer("logit_difference")
PROMPT_LOSSES = (
    Column("prompt_ce_clean", unembeds=True),
    Column("prompt_ce_sae", splices=True, unembeds=True),
)
PROMPT = (
    Column("prompt_l0", encodes=True),
    Column("prompt_l1", encodes=True),
    Column("prompt_mse", encodes=True),
    Column("prompt_norm"),
    *PROMPT_LOSSES,
)
# What becomes of each token is known whenever answers are scored.
TOKEN_LOSSES = Column(
    LOSSES,
    splices=True,
    unembeds=True,
    side_table=True,
    always=True,
    hidden=True,
    shown_only=True,
)
# Which features are ablated is chosen by their scores.
SIDE_TABLES = (
    TOKEN_LOSSES,
    Column(FEATURES, splices=True, side_table=True),
    Column(ABLATIONS, splices=True, side_table=True, at_the_end=True, brings=(FEATURES,)),
)
COLUMNS = (*ANSWER, *CANDIDATES, *PAIR, *PROMPT, *SIDE_TABLES)
# Names of those that checks may ask for.
NEEDS = frozenset(column.name for column in COLUMNS if not column.hidden)
# By how many candidates an item has, beside what every task offers.
_OF_CANDIDATES: dict[str, tuple[Column, ...]] = {
    "none": (),
    "many": CANDIDATES,
    "pair": (*CANDIDATES, *PAIR),
}


def offered_columns(candidates: str) -> frozenset[str]:
    """Names of the columns that a task has, by its candidates: none, many or pair."""
    side = (TOKEN_LOSSES, Column(FEATURES))
    return frozenset(c.name for c in (*ANSWER, *PROMPT, *side, *_OF_CANDIDATES[candidates]))


def task_plan(needs: Set[str], offered: Set[str]) -> Plan:
    """The plan for what checks need of a task, as far as the task has it."""
    return Plan.of(COLUMNS, needs, offered)
