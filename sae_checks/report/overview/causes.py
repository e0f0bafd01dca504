"""What usually makes checks fail together, as rules: an addition is one entry of `CAUSES`.

A rule recognises failed tests of one SAE (or of one place of several) by their checks and by what
else failed there. What none recognises is grouped by its check.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sae_checks.session.result import Outcome, RunResult

_SHRINKAGE = ("l2_ratio", "best_scale", "shrinkage", "rescaling_gain")
_OFFSET = ("constant_error", "relative_reconstruction_bias")
_FIDELITY = ("explained_variance", "cosine_similarity", "mse_evenness")
_PAST = ("loss past context", "SAE past context")


@dataclass(frozen=True)
class Failed:
    """The failed tests of one place: of an SAE, of several, or of the whole release."""

    outcomes: tuple[Outcome, ...]
    result: RunResult

    def of_topics(self, *topics: str) -> list[Outcome]:
        """Those of these topics."""
        return [each for each in self.outcomes if each.check.about in topics]

    def of_checks(self, *names: str) -> list[Outcome]:
        """Those of checks of these names; comparisons with a baseline are no such checks."""
        return [o for o in self.outcomes if o.check.compared is None and o.check.name in names]


@dataclass(frozen=True)
class Cause:
    """What usually makes some checks fail together.

    Attributes:
        name: in a few words, after what failed and where.
        means: what it usually comes from.
        remedy: what to try.
        recognises: those of an SAE's failed tests that it explains.
    """

    name: str
    means: str
    remedy: str
    recognises: Callable[[Failed], Collection[Outcome]]


def _past_context(failed: Failed) -> Collection[Outcome]:
    return failed.of_topics(*_PAST)


def _long_prompts(failed: Failed) -> Collection[Outcome]:
    """Of tasks whose prompts are longer than the SAE's training context."""
    measurement = failed.result.measurement
    if measurement is None:
        return ()
    longest = {
        entry.ref.name: (entry.description or {}).get("longest_prompt", 0)
        for entry in measurement.manifest.tasks
    }
    return [o for o in failed.of_topics("task answers") if _longer_than_trained(o, longest)]


def _longer_than_trained(outcome: Outcome, longest: dict[str, int]) -> bool:
    sae, task = outcome.cell.sae, outcome.cell.task
    trained = None if sae is None else sae.training_context
    return trained is not None and longest.get(task or "", 0) > trained


def _wrong_place(failed: Failed) -> Collection[Outcome]:
    """In context reconstructions are worse than the mean activation, or nearly, and cost the loss.

    Then nothing else that fails needs a cause of its own. The loss alone may hide it: what the SAE
    of a neighbouring layer makes of an activation can still serve the model.
    """
    explained = [_value(o) for o in failed.of_checks("explained_variance")]
    costly = [o for o in failed.of_checks("ce_recovered", "kl_recovered") if _value(o) < 0.5]
    if min(explained, default=1.0) < 0 or (costly and min(explained, default=1.0) < 0.2):
        return [o for o in failed.outcomes if o.check.compared is None]
    return ()


def _scaled(failed: Failed) -> Collection[Outcome]:
    """Whatever the length of reconstructions, where the decoder's own scale is off."""
    scaled = failed.of_checks("decoder_scale")
    return [*scaled, *failed.of_checks(*_SHRINKAGE)] if scaled else ()


def _too_long(failed: Failed) -> Collection[Outcome]:
    """Where the best rescaling makes reconstructions shorter."""
    scales = [_value(o) for o in failed.of_checks("best_scale", "shrinkage")]
    return failed.of_checks(*_SHRINKAGE) if min(scales, default=1.0) < 1 else ()


def _value(outcome: Outcome) -> float:
    assert outcome.verdict is not None, "what failed was measured"
    return outcome.verdict.estimate.value


def _few_alive(failed: Failed) -> Collection[Outcome]:
    return failed.of_checks("alive_features", "silent_features")


# The first that recognises a test has it.
CAUSES = (
    Cause(
        "worse than the baseline",
        "the release lost something that the baseline has; unlike limits, which fit all releases, "
        "this compares text by text",
        "compare how the two were trained or converted; if the loss is wanted, write a new "
        "baseline with --sae-baseline-update",
        lambda failed: [o for o in failed.outcomes if o.check.compared and _asked(o, "regression")],
    ),
    Cause(
        "not the baseline's weights any more",
        "exporting, converting, rounding or loading changed what the SAE does",
        "compare dtype, normalisation, threshold and library versions on both sides",
        lambda failed: [o for o in failed.outcomes if o.check.compared is not None],
    ),
    Cause(
        "not an SAE of these activations",
        "another hook point or layer, other model processing, swapped or damaged weights",
        "compare hook point, from_pretrained_kwargs and the order of files with the training run",
        _wrong_place,
    ),
    Cause(
        "grows past the training context",
        "the SAE never saw activations of these positions; in early layers it is mostly their "
        "positional embeddings",
        "use it within its training context, or train on longer texts; usable_context says how far "
        "it holds",
        _past_context,
    ),
    Cause(
        "prompts are longer than the training context",
        "answers stand at positions that the SAE never saw",
        "gate tasks whose prompts fit (--sae-task), or train on longer texts",
        _long_prompts,
    ),
    Cause(
        "the decoder is scaled",
        "a norm or a scale of activations was folded in twice or not at all, or the weights were "
        "converted for other activations",
        "multiply the decoder by decoder_scale and see what is left; compare folding and "
        "normalize_activations with the training run",
        _scaled,
    ),
    Cause(
        "reconstructions are too long",
        "a scale of activations is applied twice, or more features are active than in training",
        "compare normalize_activations, threshold and k with the training run",
        _too_long,
    ),
    Cause(
        "reconstructions are too short",
        "an L1 penalty shrinks activations of features, and reconstructions with them",
        "scale the decoder by best_scale, or train with TopK, JumpReLU or p-annealing",
        lambda failed: failed.of_checks(*_SHRINKAGE),
    ),
    Cause(
        "reconstructions are off to one side",
        "a bias was lost or shifted, or the model was processed otherwise than in training",
        "compare b_dec, normalize_activations and the model's processing with the training run",
        lambda failed: failed.of_checks(*_OFFSET),
    ),
    Cause(
        "too many features, or too few, are active",
        "another sparsity penalty, k or threshold than meant; a lost threshold makes L0 explode",
        "compare k, threshold and L1 coefficient with the training run",
        lambda failed: failed.of_topics("sparsity"),
    ),
    Cause(
        "features are dead",
        "training killed them (too high an L1 coefficient or learning rate, no resampling)",
        "resample or use an auxiliary loss; look at the histogram of densities",
        _few_alive,
    ),
    Cause(
        "features are dense, or the same",
        "too low a penalty, or a dictionary larger than the data needs",
        "look at the densest features; raise the penalty or make the dictionary smaller",
        lambda failed: failed.of_topics("features"),
    ),
    Cause(
        "not what the release declares",
        "the declared figure was a training target, of other text, or of other weights",
        "correct what the release says, or publish the weights that were meant",
        lambda failed: failed.of_topics("declared"),
    ),
    Cause(
        "costs too much loss where it was trained",
        "the dictionary is too small, too sparse, or not trained long enough for this layer",
        "train longer or wider, or with a larger L0; ce_recovered says what is left",
        lambda failed: failed.of_topics("loss in context"),
    ),
    Cause(
        "reconstructs too little",
        "the dictionary is too small, too sparse, or not trained long enough for this layer",
        "train longer or wider, or with a larger L0",
        lambda failed: failed.of_checks(*_FIDELITY),
    ),
    Cause(
        "right answers are lost",
        "what the task needs is not among what the SAE reconstructs; loss on running text hardly "
        "shows it",
        "look at the items that weigh most, and at the worst features on the task",
        lambda failed: failed.of_topics("task answers"),
    ),
    Cause(
        "errors go with something",
        "the SAE's errors on a task follow the norm of activations, or each other from layer to "
        "layer",
        "look at the prompts where the norm is largest",
        lambda failed: failed.of_topics("task patterns"),
    ),
    Cause(
        "errors carry over to later SAEs",
        "an earlier SAE's error lies where a later one does not expect it",
        "do not splice both in at once, or train the later one on spliced activations",
        lambda failed: failed.of_topics("propagation"),
    ),
    Cause(
        "costs too much with all SAEs at once",
        "errors of several SAEs add up, or more than that",
        "splice in fewer; stack_contribution says which one costs most",
        lambda failed: failed.of_topics("stack"),
    ),
    Cause(
        "worse on the second corpus",
        "its text is unlike what the SAE was trained on",
        "train on a mixture, or say what the SAE is meant for",
        lambda failed: failed.of_topics("second corpus"),
    ),
    Cause(
        "the activations themselves are unusual",
        "the model, its processing or its precision is not as it should be: no SAE can be judged",
        "check --sae-model, from_pretrained_kwargs and --sae-dtype first",
        lambda failed: failed.of_topics("activations"),
    ),
)


def _asked(outcome: Outcome, question: str) -> bool:
    return outcome.check.name == question
