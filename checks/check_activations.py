"""The activations themselves: guards on the measurement, which hold whatever the SAE does."""

import math

from sae_checks import Cell, Estimate, check


@check(cells="past_context", needs=("norm",), unit="times")
def check_norm_growth(cell: Cell) -> Estimate:
    """The norm barely changes with position, so it does not explain a failing SAE.

    A transcoder's activations are guarded where it writes and where it reads; the norm that grows,
    or shrinks, the more of the two is judged.
    """
    norms = cell.table.norms
    # Which of two is judged is seen on the sample: together they are to be as sure as one.
    one = cell.with_error_shared_by(len(norms))
    name = max(norms, key=lambda each: _change(one.growth(each, massive=False)))
    judged = one.growth(name, massive=False).with_notes(
        value_all_tokens=cell.growth(name).value, massive_tokens=cell.massive_tokens
    )
    return judged.with_notes(norm=name) if len(norms) > 1 else judged


@check(cells="sae", needs=("norm",), unit="fraction")
def check_massive_activations(cell: Cell) -> Estimate:
    """Reported: the share of tokens whose norm is far above the median."""
    return cell.share_massive()


def _change(growth: Estimate) -> float:
    """How many times larger or smaller; infinite where undefined, so that this one is judged."""
    value = growth.value
    return max(value, 1 / value) if math.isfinite(value) and value > 0 else math.inf
