"""Made-up tables of SAEs and tasks, whose figures are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sae_checks.evals.activity.table import (
    ACTIVE_FEATURES,
    DUPLICATES,
    ActiveFeatures,
    ActivityTable,
    Duplicates,
)
from sae_checks.evals.context.table import ContextTable, PositionSums
from sae_checks.evals.positions import PositionTable
from sae_checks.evals.propagation.table import PropagationTable, first_positions
from sae_checks.evals.stack.choice import interventions
from sae_checks.evals.stack.tables import StackTable, StackTaskTable
from sae_checks.evals.tasks.losses import LossTable
from sae_checks.evals.tasks.table import AblationTable, FeatureTable, TaskTable
from sae_checks.records import (
    GROUPS,
    Intervention,
    ModelLoading,
    SaeRef,
    Table,
)
from sae_checks.records import (
    TEXTS as OF_TEXTS,
)

TRAINING_CONTEXT, CONTEXT, TEXTS, WIDTH = 16, 64, 12, 4
LOADING = ModelLoading("made-up")
# ΔCE in nats by layer and position.
DeltaCe = Callable[[int, np.ndarray], np.ndarray]


def flat(layer: int, position: np.ndarray) -> np.ndarray:
    """An SAE that is as good past its training context as in it."""
    return np.full(position.shape, 0.1)


def broken_past_context(layer: int, position: np.ndarray) -> np.ndarray:
    """Layer 0 costs 3 nats past the training context, the others stay good."""
    past = position >= TRAINING_CONTEXT
    return np.where(past & (layer == 0), 3.0, 0.1)


def sae_ref(layer: int, training_context: int = TRAINING_CONTEXT) -> SaeRef:
    hook_point = f"blocks.{layer}.hook_resid_pre"
    return SaeRef(
        sae_id=hook_point,
        hook_point=hook_point,
        layer=layer,
        site="hook_resid_pre",
        training_context=training_context,
        d_in=WIDTH,
        d_sae=32,
        architecture="standard",
        loading=LOADING,
        location="nowhere",
        weights_key=f"made-up-{layer}",
        neuronpedia_id=f"made-up/{layer}-res",
    )


def sae_table(
    layer: int, delta_ce: DeltaCe = flat, texts: int = TEXTS, context: int = CONTEXT
) -> ContextTable:
    """A table whose ΔCE is known and whose other quantities are good throughout."""
    generator = np.random.default_rng(layer)
    x = generator.normal(size=(texts, context, WIDTH))
    position = np.broadcast_to(np.arange(context), (texts, context))
    delta = delta_ce(layer, position) + generator.normal(0, 0.01, (texts, context))
    ce_clean = generator.normal(4, 0.1, (texts, context))
    columns = {
        "l0": np.full((texts, context), 20.0),
        "l1": np.full((texts, context), 50.0),
        "mse": np.full((texts, context), 0.2),
        "norm": np.linalg.norm(x, axis=-1),
        "squared_distance": np.square(x).sum(-1),
        # An unbiased reconstruction, at a right angle to its error wherever x is long enough.
        "reconstruction_norm": np.sqrt(np.maximum(np.square(x).sum(-1) - 0.2, 0.05)),
        "reconstruction_squared_distance": np.maximum(np.square(x).sum(-1) - 0.2, 0.05),
        "error_projection": generator.normal(0, 0.1, (texts, context)),
        # Features of many strengths, whose errors depend on none of them.
        "strength": np.full((texts, context), 50.0),
        "written_square": np.full((texts, context), 200.0),
        "written_error": generator.normal(0, 0.1, (texts, context)),
        "directions_written": np.full((texts, context), 50.0),
        "directions_error": generator.normal(0, 0.01, (texts, context)),
        "ce_clean": ce_clean,
        "ce_sae": ce_clean + delta,
        "kl": np.abs(delta),
        "ce_zero": ce_clean + 8,
        "ce_mean": ce_clean + 6,
        "kl_zero": np.full((texts, context), 8.0),
        "kl_mean": np.full((texts, context), 6.0),
    }
    for name, values in columns.items():
        values[:, 0] = np.nan
        if name.startswith(("ce_", "kl")):
            values[:, -1] = np.nan
    # As written to disk and read back.
    columns = {
        name: values.astype(np.float32).astype(np.float64) for name, values in columns.items()
    }
    counts = np.full(context, float(texts))
    sums = x.sum(axis=0)
    counts[0], sums[0] = 0, 0
    nothing = np.zeros(context)
    position_sums = PositionSums(counts, sums, nothing, np.zeros_like(sums))
    return ContextTable.of(
        sae_ref(layer), columns, np.zeros((texts, context), dtype=np.bool_), position_sums
    )


def activity_table(layer: int, active: np.ndarray | None = None) -> ActivityTable:
    """Features active on these tokens, (texts, T - 1, d_sae), of position 1 on.

    Unless told, each is active on one token of every text, and none shares its direction.
    """
    ref = sae_ref(layer)
    inside = TRAINING_CONTEXT - 1
    if active is None:
        position, feature = np.arange(inside)[:, None], np.arange(ref.d_sae)
        active = np.broadcast_to(feature % inside == position, (TEXTS, inside, ref.d_sae))
    texts, nothing = len(active), np.zeros(0, dtype=np.int64)
    counted = np.full((texts, CONTEXT), np.nan)
    counted[:, 1:TRAINING_CONTEXT] = 1
    tokens = active.sum(axis=1)  # (texts, d_sae)
    text, feature = (each.astype(np.int32) for each in np.nonzero(tokens))
    found = ActiveFeatures(text, text, feature, tokens[text, feature].astype(np.int32))
    documents = np.repeat(np.arange(texts, dtype=np.int32)[:, None], CONTEXT, axis=1)
    side = {ACTIVE_FEATURES: found, DUPLICATES: Duplicates(nothing, nothing, np.zeros(0))}
    return ActivityTable.of(ref, counted, documents, np.arange(texts), side)


def pair_table(spliced: SaeRef, observed: SaeRef, alone: ContextTable) -> PropagationTable:
    """What a later SAE makes of an earlier one's splice: errors a tenth larger, all else alike.

    A tenth of that tenth is carried by the residual stream.
    """
    table = first_positions(alone, 128)
    names = ("l0", "mse", "norm", "squared_distance")
    columns = {name: table.columns[name] for name in names if name in table.columns}
    columns["mse"] = 1.1 * columns["mse"]
    direct = {"l0": 1.0, "mse": 1.01, "norm": 1.0}
    for name, times in direct.items():
        columns[f"direct_{name}"] = times * table.columns[name]
    intervention = Intervention((spliced,))
    return PropagationTable(
        OF_TEXTS, intervention, columns, table.labels, table.side, observed, table.complete
    )


def stack_tables(
    saes: Sequence[SaeRef], on_texts: Mapping[int, ContextTable], tasks: Sequence[TaskTable]
) -> list[Table]:
    """Of the stack of some SAEs: up to each it costs what that one does, on tasks as the first."""
    found: list[Table] = []
    for stack in interventions(saes):
        for sae in stack.saes:
            one = on_texts[sae.layer]
            named = ("norm", "ce_clean", "ce_sae", "kl")
            columns = {name: one.columns[name] for name in named if name in one.columns}
            found.append(
                StackTable(
                    OF_TEXTS, stack, columns, one.labels, observed=sae, complete=one.complete
                )
            )
        for name in dict.fromkeys(each.dataset for each in tasks):
            each = next(each for each in tasks if each.dataset == name)
            found.append(
                StackTaskTable(name, stack, each.columns, each.labels, complete=each.complete)
            )
    return found


def position_table(table: ContextTable) -> PositionTable:
    """Of a table's SAE without positions: as costly as with them."""
    loss = table.columns.get("ce_sae", table.columns["norm"])
    added = np.where(np.isnan(table.columns["norm"]), np.nan, 1.0)
    columns = {"ce_token_part": loss, "ce_mean_position": loss, "positions_added": added}
    return PositionTable(OF_TEXTS, table.intervention, columns, dict(table.labels))


def task_table(
    layer: int, task: str = "made-up-task", items: int = 40, **columns: np.ndarray
) -> TaskTable:
    """An SAE on a task that it costs little: accuracy falls by a few points, ln p by 0.1 nats.

    Arguments beyond these take the place of columns of the same name.
    """
    generator = np.random.default_rng(1000 + layer)
    row = np.arange(items)
    clean_ln_p = -generator.exponential(1.0, items)
    difference = generator.normal(3, 1, items)
    loss = generator.normal(4, 0.3, items)
    made = {
        "clean_ln_p": clean_ln_p,
        "sae_ln_p": clean_ln_p + generator.normal(-0.1, 0.3, items),
        # Of every five items three are right; spliced, a few less the deeper the layer.
        "clean_rank": 1.0 + (row % 5 >= 3),
        "sae_rank": 1.0 + ((row % 5 >= 3) | (row % (50 - layer % 20) == 1)),
        "clean_candidate_right": (row % 5 < 4).astype(float),
        "sae_candidate_right": (row % 5 < 4).astype(float),
        "clean_logit_difference": difference,
        "sae_logit_difference": 0.95 * difference,
        "prompt_l0": generator.normal(20, 2, items),
        "prompt_l1": generator.normal(50, 5, items),
        "prompt_mse": generator.normal(0.2, 0.02, items),
        "prompt_norm": generator.normal(2, 0.1, items),
        "prompt_ce_clean": loss,
        "prompt_ce_sae": loss + generator.normal(0.1, 0.02, items),
    }
    made |= columns
    delta = made["sae_ln_p"] - made["clean_ln_p"]
    return TaskTable.of(
        sae_ref(layer),
        task,
        made,
        12 + row % 5,
        tuple(f"item {index}" for index in row),
        feature_table(delta),
        ablation_table(delta),
        losses=loss_table(12 + row % 5, delta),
    )


def loss_table(prompt: np.ndarray, delta: np.ndarray) -> LossTable:
    """Each token of a prompt but the first two loses a thousandth of a nat more than the last one;
    the answer, one token, what it is told."""
    item = np.repeat(np.arange(len(prompt)), prompt - 1)
    position = np.concatenate([np.arange(0), *(np.arange(2, each + 1) for each in prompt)])
    lost = np.where(position == prompt[item], -delta[item], position / 1_000)
    return LossTable.of(item, position, lost)


def feature_table(delta_ln_p: np.ndarray, active: np.ndarray | None = None) -> FeatureTable:
    """Features 3, 4, ... on these items, (features, items); their strength is 2.

    Unless told, they are eight: the first on every item, the next on every second one, and so on.
    """
    items = len(delta_ln_p)
    if active is None:
        active = np.arange(items) % np.arange(1, 9)[:, None] == 0
        active = active[active.any(axis=1)]
    score = np.where(delta_ln_p >= 0, 1, -1)
    groups = np.arange(items) % GROUPS == np.arange(GROUPS)[:, None]  # (groups, items)
    present = active.astype(np.int64)
    return FeatureTable(
        feature=np.arange(3, 3 + len(active)),
        items=present.sum(axis=1),
        delta_ln_p=active @ delta_ln_p,
        score=present @ score,
        strength=2.0 * present.sum(axis=1),
        weighted_delta_ln_p=2 * (active @ delta_ln_p),
        weighted_score=2.0 * (present @ score),
        group_items=present @ groups.T.astype(np.int64),
        group_score=present @ (groups * score).T,
    )


def ablation_table(delta_ln_p: np.ndarray, asked: int = 2) -> AblationTable:
    """Features 9 and 10 are the best, without which answers lose 0.05; 3 and 4 the worst."""
    rows = [
        (feature, best, item, -0.05 if best else 0.2)
        for feature, best in ((9, True), (10, True), (3, False), (4, False))
        for item in range(0, len(delta_ln_p), feature - 2)
    ]
    feature, best, item, delta = np.array(rows, dtype=float).reshape(-1, 4).T
    return AblationTable(
        feature.astype(np.int64), best.astype(np.bool_), item.astype(np.int64), delta, asked
    )
