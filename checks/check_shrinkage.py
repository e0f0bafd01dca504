"""Reconstructions are as long as activations, point where they point, and are off to no side.

Judged without massive tokens, whose squares would outweigh all others; figures with them stand
beside.
"""

from sae_checks import Cell, Estimate, check

_NORMS = ("norm", "reconstruction_norm")
_ABOUT_THE_MEAN = ("mse", "squared_distance", "reconstruction_squared_distance")

_WRITTEN = (
    "strength",
    "written_square",
    "written_error",
    "directions_written",
    "directions_error",
)


@check(cells="in_context", needs=_NORMS, unit="fraction", topic="reconstruction", best=1.0)
def check_l2_ratio(cell: Cell) -> Estimate:
    """Up to the training context, reconstructions are nearly as long as activations."""
    return cell.l2_ratio(massive=False).with_notes(
        value_all_tokens=cell.l2_ratio().value, massive_tokens=cell.massive_tokens
    )


@check(cells="in_context", needs=(*_NORMS, "mse"), unit="fraction", topic="reconstruction")
def check_relative_reconstruction_bias(cell: Cell) -> Estimate:
    """Up to the training context, no number times the reconstruction is much nearer."""
    return cell.relative_reconstruction_bias(massive=False).with_notes(
        value_all_tokens=cell.relative_reconstruction_bias().value,
        massive_tokens=cell.massive_tokens,
    )


@check(cells="in_context", needs=(*_NORMS, "mse"), unit="cosine", topic="reconstruction")
def check_cosine_similarity(cell: Cell) -> Estimate:
    """Up to the training context, reconstructions point where activations point."""
    return cell.cosine_similarity(massive=False).with_notes(
        value_all_tokens=cell.cosine_similarity().value, massive_tokens=cell.massive_tokens
    )


@check(cells="in_context", needs=_ABOUT_THE_MEAN, unit="times", topic="reconstruction")
def check_best_scale(cell: Cell) -> Estimate:
    """Up to the training context, reconstructions do not vary more than activations call for."""
    return cell.best_scale(massive=False).with_notes(
        value_all_tokens=cell.best_scale().value, massive_tokens=cell.massive_tokens
    )


@check(cells="shrinkage", needs=_ABOUT_THE_MEAN, unit="times", topic="reconstruction")
def check_shrinkage(cell: Cell) -> Estimate:
    """Without an L1 penalty, reconstructions vary as much as activations call for."""
    return cell.best_scale(massive=False).with_notes(
        value_all_tokens=cell.best_scale().value, massive_tokens=cell.massive_tokens
    )


@check(cells="in_training", needs=("l0", *_WRITTEN), unit="times", topic="reconstruction")
def check_decoder_scale(cell: Cell) -> Estimate:
    """Activations vary with the strengths of active features as much as reconstructions do."""
    return cell.decoder_scale(massive=False).with_notes(
        value_all_tokens=cell.decoder_scale().value, massive_tokens=cell.massive_tokens
    )


@check(
    cells="in_context",
    needs=(*_ABOUT_THE_MEAN, "position_sums"),
    unit="fraction",
    topic="reconstruction",
)
def check_rescaling_gain(cell: Cell) -> Estimate:
    """Up to the training context, rescaling reconstructions would explain hardly more variance."""
    return cell.rescaling_gain(massive=False).with_notes(
        value_all_tokens=cell.rescaling_gain().value, massive_tokens=cell.massive_tokens
    )


@check(
    cells="in_context", needs=("mse", "error_projection"), unit="fraction", topic="reconstruction"
)
def check_constant_error(cell: Cell) -> Estimate:
    """Up to the training context, hardly any of the squared error is one constant vector."""
    return cell.constant_error(massive=False).with_notes(
        value_all_tokens=cell.constant_error().value, massive_tokens=cell.massive_tokens
    )
