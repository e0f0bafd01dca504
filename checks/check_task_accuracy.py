"""Splicing the SAE in costs few right answers on tasks whose answers are known."""

from sae_checks import Estimate, TaskCell, check


@check(cells="task", needs=("clean_rank", "sae_rank"), unit="points", topic="task answers")
def check_accuracy_drop(cell: TaskCell) -> Estimate:
    """The share of right answers, of all that the model could say, hardly falls."""
    return cell.accuracy_drop()


@check(
    cells="task",
    needs=("clean_candidate_right", "sae_candidate_right"),
    unit="points",
    topic="task answers",
)
def check_candidate_accuracy_drop(cell: TaskCell) -> Estimate:
    """The share of right answers among each item's candidates hardly falls."""
    return cell.accuracy_drop(candidates=True)


@check(cells="task", needs=("clean_ln_p", "sae_ln_p"), unit="nats", topic="task answers")
def check_delta_ln_p(cell: TaskCell) -> Estimate:
    """The right answer's probability hardly falls: mean of ln p_sae - ln p_clean."""
    return cell.mean(("sae_ln_p", "clean_ln_p"))


@check(cells="task", needs=("prompt_ce_clean", "prompt_ce_sae"), unit="nats", topic="task answers")
def check_prompt_delta_ce(cell: TaskCell) -> Estimate:
    """Over the prompt, the mean of ce_sae - ce_clean stays small."""
    return cell.mean(("prompt_ce_sae", "prompt_ce_clean"))


@check(
    cells="task",
    needs=("clean_logit_difference", "sae_logit_difference"),
    unit="fraction",
    topic="task answers",
)
def check_logit_difference_kept(cell: TaskCell) -> Estimate:
    """The spliced model keeps most of the logit difference between right answer and wrong one."""
    return cell.kept("sae_logit_difference", "clean_logit_difference")
