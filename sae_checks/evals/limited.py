"""What every cell of one SAE knows: the limit and the parameters that its check holds it to."""

from __future__ import annotations

from sae_checks.errors import UserError
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.thresholds import Limit, Thresholds
from sae_checks.records.place import Place


class LimitedCell:
    """A cell that is held to the limits of a check where it lies."""

    check: str  # whose limit and parameters apply
    thresholds: Thresholds
    coverage: Coverage  # of the intervals of its estimates
    place: Place  # where it lies

    def limit(self, check: str | None = None) -> Limit:
        """What this cell is held to by its own check, or by another one."""
        return self.thresholds.limit(check or self.check, self.place)

    def parameter(self, name: str) -> float:
        """A parameter of this check, from its table in the thresholds."""
        parameters = dict(self.limit().parameters)
        if name not in parameters:
            raise UserError(
                f'{self.check} has no parameter "{name}": name it in the check\'s parameters and '
                f"give it in [checks.{self.check}]"
            )
        return parameters[name]
