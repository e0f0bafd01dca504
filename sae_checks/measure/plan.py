"""What a run needs measured: which columns, and what computing them takes."""

from __future__ import annotations

from dataclasses import dataclass

# Column -> whether it needs a resumed pass through the model, or only the activation itself.
ACTIVATION_COLUMNS = ("l0", "l1", "mse", "norm", "squared_distance")
LOSS_COLUMNS = ("ce_clean", "ce_sae", "kl", "ce_zero", "ce_mean")
COLUMNS = (*ACTIVATION_COLUMNS, *LOSS_COLUMNS)
# Not a column of the token table, but asked for like one: Σ(x − c) per position.
POSITION_SUMS = "position_sums"


@dataclass(frozen=True)
class Plan:
    """The columns that the collected checks need; `norm` is always among them."""

    columns: frozenset[str]

    @classmethod
    def of(cls, needs: frozenset[str]) -> Plan:
        """A plan for what checks say they need.

        Raises:
            ValueError: a check needs a column that does not exist (a mistake in the check).
        """
        unknown = sorted(needs - set(COLUMNS) - {POSITION_SUMS})
        if unknown:
            raise ValueError(
                f"no such column: {', '.join(unknown)}; there are {', '.join(COLUMNS)}"
            )
        return cls(needs | {"norm"})

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
