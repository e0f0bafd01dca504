"""What a run needs measured: which columns, and what computing them takes."""

from __future__ import annotations

from dataclasses import dataclass

from sae_checks.records.octaves import OFFSET_PROJECTION

# Column -> whether it needs a resumed pass through the model, or only the activation itself.
ACTIVATION_COLUMNS = ("l0", "l1", "mse", "norm", "squared_distance")
LOSS_COLUMNS = ("ce_clean", "ce_sae", "kl", "ce_zero", "ce_mean")
COLUMNS = (*ACTIVATION_COLUMNS, *LOSS_COLUMNS)
# Not a column of the token table, but asked for like one: Σ(x − c) per position.
POSITION_SUMS = "position_sums"
TEXT_NEEDS = frozenset({*COLUMNS, POSITION_SUMS})

# Columns of the items of a task: what becomes of the answer, and means over the prompt.
ANSWER_COLUMNS = ("clean_ln_p", "sae_ln_p", "clean_rank", "sae_rank")
CANDIDATE_COLUMNS = ("clean_candidate_right", "sae_candidate_right")
PAIR_COLUMNS = ("clean_logit_difference", "sae_logit_difference")
PROMPT_LOSSES = ("prompt_ce_clean", "prompt_ce_sae")
PROMPT_COLUMNS = ("prompt_l0", "prompt_l1", "prompt_mse", "prompt_norm", *PROMPT_LOSSES)
ITEM_COLUMNS = (*ANSWER_COLUMNS, *CANDIDATE_COLUMNS, *PAIR_COLUMNS, *PROMPT_COLUMNS)
# Tables of their own, asked for like columns.
FEATURES, ABLATIONS = "features", "ablations"
ITEM_NEEDS = frozenset({*ITEM_COLUMNS, FEATURES, ABLATIONS})


def refuse_unknown(needs: frozenset[str]) -> None:
    """Raise ValueError where a check needs what does not exist (a mistake in the check)."""
    unknown = sorted(needs - TEXT_NEEDS - ITEM_NEEDS)
    if unknown:
        raise ValueError(
            f"no such column: {', '.join(unknown)}; there are, per token, {', '.join(COLUMNS)} and "
            f"{POSITION_SUMS}, and per item of a task, {', '.join(ITEM_COLUMNS)}, {FEATURES} and "
            f"{ABLATIONS}"
        )


@dataclass(frozen=True)
class Plan:
    """The columns of texts that the collected checks need; `norm` is always among them.

    With position sums goes `offset_projection`, without which they tell no standard error.
    """

    columns: frozenset[str]

    @classmethod
    def of(cls, needs: frozenset[str]) -> Plan:
        """A plan for what checks say they need of texts.

        Raises:
            ValueError: a check needs a column that does not exist (a mistake in the check).
        """
        refuse_unknown(needs)
        columns = (needs & TEXT_NEEDS) | {"norm"}
        return cls(columns | {OFFSET_PROJECTION} if POSITION_SUMS in columns else columns)

    @property
    def encodes(self) -> bool:
        """Whether the SAEs have to be run at all."""
        return bool(self.columns & {"l0", "l1", "mse"}) or self.splices

    @property
    def splices(self) -> bool:
        """Whether reconstructions have to be put back into the model."""
        return bool(self.columns & {"ce_sae", "kl"})

    @property
    def losses(self) -> bool:
        """Whether the unembedding is needed."""
        return bool(self.columns & set(LOSS_COLUMNS))

    @property
    def floors(self) -> tuple[str, ...]:
        """The ablations needed as floors for the loss: zero, mean, both or none."""
        return tuple(name for name in ("ce_zero", "ce_mean") if name in self.columns)

    def covers(self, other: Plan) -> bool:
        """Whether what this plan measured suffices for another one."""
        return other.columns <= self.columns


@dataclass(frozen=True)
class ItemPlan:
    """The columns and tables of a task's items that the collected checks need.

    What becomes of the answer is always measured: it costs one unembedding per item.
    """

    columns: frozenset[str]

    @classmethod
    def of(cls, needs: frozenset[str], offered: frozenset[str]) -> ItemPlan:
        """A plan for what checks need, as far as a task has it.

        Args:
            needs: what checks say they need.
            offered: the columns and tables that the task has.

        Raises:
            ValueError: a check needs a column that does not exist (a mistake in the check).
        """
        refuse_unknown(needs)
        always = {*ANSWER_COLUMNS, *CANDIDATE_COLUMNS, *PAIR_COLUMNS}
        return cls(((needs & ITEM_NEEDS) | always) & offered)

    @property
    def prompt_losses(self) -> bool:
        """Whether the unembedding runs over whole prompts, not only where an answer is scored."""
        return bool(self.columns & set(PROMPT_LOSSES))

    @property
    def features(self) -> bool:
        """Whether features are scored."""
        return bool(self.columns & {FEATURES, ABLATIONS})

    def covers(self, other: ItemPlan) -> bool:
        """Whether what this plan measured suffices for another one."""
        return other.columns <= self.columns
