"""All SAEs spliced in at once, each reading what the ones before left, cost little together."""

from sae_checks import Estimate, StackCell, StackedSaeCell, TaskCell, check


@check(cells="stack", needs=("ce_clean", "ce_sae"), unit="nats")
def check_stack_delta_ce(cell: StackCell) -> Estimate:
    """With the whole stack spliced in, the mean of ce_sae - ce_clean up to the training context."""
    return cell.mean_difference("ce_sae", "ce_clean")


@check(cells="stack", needs=("kl",), unit="nats")
def check_stack_kl(cell: StackCell) -> Estimate:
    """With the whole stack spliced in, predictions stay near the clean ones: KL(p_clean ‖ p)."""
    return cell.mean("kl")


@check(cells="stack_beside_saes", needs=("ce_clean", "ce_sae"), unit="times")
def check_stack_superadditivity(cell: StackCell) -> Estimate:
    """The stack's ΔCE is not much more than those of its SAEs by themselves, added up."""
    return cell.superadditivity()


@check(cells="stacked_sae", needs=("ce_clean", "ce_sae"), unit="nats")
def check_stack_contribution(cell: StackedSaeCell) -> Estimate:
    """Reported: what this SAE adds to ΔCE where those before it in the model are spliced in."""
    return cell.contribution()


@check(cells="stack_task", needs=("clean_rank", "sae_rank"), unit="points")
def check_stack_accuracy_drop(cell: TaskCell) -> Estimate:
    """With the whole stack spliced in, the share of right answers hardly falls."""
    return cell.accuracy_drop()


@check(cells="stack_task", needs=("clean_ln_p", "sae_ln_p"), unit="nats")
def check_stack_delta_ln_p(cell: TaskCell) -> Estimate:
    """With the whole stack spliced in, the mean of ln p_sae - ln p_clean of the right answer."""
    return cell.mean(("sae_ln_p", "clean_ln_p"))
