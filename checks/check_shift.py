"""What an SAE costs on a second corpus (`--sae-shift`), against the corpus of the run."""

from sae_checks import Estimate, ShiftCell, check


@check(cells="shift", needs=("ce_clean", "ce_sae"), unit="nats", topic="second corpus")
def check_shift_delta_ce(cell: ShiftCell) -> Estimate:
    """On a second corpus, splicing the SAE in costs hardly more than on the first."""
    return cell.mean_change(("ce_sae", "ce_clean"))


@check(
    cells="shift",
    needs=("mse", "squared_distance", "position_sums"),
    unit="fraction",
    topic="second corpus",
)
def check_shift_explained_variance(cell: ShiftCell) -> Estimate:
    """On a second corpus, the SAE explains hardly less of its activations' variance."""
    return cell.explained_variance_change(massive=False)


@check(cells="shift", needs=("l0",), unit="times", topic="second corpus")
def check_shift_l0(cell: ShiftCell) -> Estimate:
    """On a second corpus, about as many features are active: none fall silent, or go off."""
    return cell.mean_ratio("l0")


@check(cells="shift", needs=("ce_clean",), unit="nats", topic="second corpus")
def check_shift_ce_clean(cell: ShiftCell) -> Estimate:
    """Reported: by how much the second corpus is harder for the model as it is."""
    return cell.mean_change("ce_clean")
