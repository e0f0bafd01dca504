"""What an item's damage goes with, and what not: norms, who answers right, other SAEs, texts."""

from sae_checks import Estimate, TaskCell, TaskReleaseCell, check

DELTA_LN_P = ("sae_ln_p", "clean_ln_p")


@check(cells="task", needs=("prompt_norm", "prompt_mse"), unit="correlation")
def check_norm_correlation_mse(cell: TaskCell) -> Estimate:
    """Prompts with large activations are not reconstructed much worse than others, or better."""
    return cell.rank_correlation("prompt_norm", "prompt_mse")


@check(cells="task", needs=("prompt_norm", "prompt_l0"), unit="correlation")
def check_norm_correlation_l0(cell: TaskCell) -> Estimate:
    """Prompts with large activations do not have many more active features, or fewer."""
    return cell.rank_correlation("prompt_norm", "prompt_l0")


@check(cells="task", needs=("prompt_norm", "prompt_l1"), unit="correlation")
def check_norm_correlation_l1(cell: TaskCell) -> Estimate:
    """Prompts with large activations do not have much stronger features, or weaker."""
    return cell.rank_correlation("prompt_norm", "prompt_l1")


@check(cells="task", needs=("prompt_norm", *DELTA_LN_P), unit="correlation")
def check_norm_correlation_delta_ln_p(cell: TaskCell) -> Estimate:
    """Answers to prompts with large activations do not lose much more than others, or less."""
    return cell.rank_correlation("prompt_norm", DELTA_LN_P)


@check(cells="task", needs=("clean_rank", "sae_rank", "prompt_mse"), unit="fraction")
def check_class_effect_mse(cell: TaskCell) -> Estimate:
    """Reported: how much of the squared error goes with who answers right."""
    return cell.class_effect("prompt_mse")


@check(
    cells="task",
    needs=("clean_rank", "sae_rank", "prompt_ce_clean", "prompt_ce_sae"),
    unit="fraction",
)
def check_class_effect_delta_ce(cell: TaskCell) -> Estimate:
    """Reported: how much of ΔCE over the prompt goes with who answers right."""
    return cell.class_effect(("prompt_ce_sae", "prompt_ce_clean"))


@check(cells="task", needs=("clean_rank", "sae_rank", *DELTA_LN_P), unit="fraction")
def check_class_effect_delta_ln_p(cell: TaskCell) -> Estimate:
    """Reported: how much of Δ ln p goes with who answers right."""
    return cell.class_effect(DELTA_LN_P)


@check(cells="task_release", needs=DELTA_LN_P, unit="correlation")
def check_layer_agreement(cell: TaskReleaseCell) -> Estimate:
    """An item's Δ ln p with one SAE says little of that with another: no prompt is hard for all."""
    return cell.layer_agreement()


@check(
    cells="task_release",
    needs=("ce_clean", "ce_sae", "clean_rank", "sae_rank"),
    unit="correlation",
)
def check_rank_agreement(cell: TaskReleaseCell) -> Estimate:
    """Reported: how far ΔCE on texts ranks the SAEs as accuracy on the task does."""
    return cell.rank_agreement()
