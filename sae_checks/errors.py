"""Mistakes of the user, apart from bugs: each is one clear sentence shown without traceback."""


class UserError(Exception):
    """Something asked for cannot be had: the message says what, which value, and what to do."""


class ReleaseError(UserError):
    """A release, an SAE of it, or its files cannot be found or understood."""


class SaeError(UserError):
    """One SAE cannot be measured; the others of its release still are."""


class ModelError(UserError):
    """The language model cannot be loaded or lacks what an SAE asks of it."""


class CorpusError(UserError):
    """The texts cannot be read, or are too few or too short."""


class TaskError(UserError):
    """The items of a task cannot be read, or there are none."""


class UnmeasuredError(UserError):
    """What a check needs could not be measured."""


class ThresholdsError(UserError):
    """thresholds.toml is malformed: names the key, the line and the legal choices."""


class BaselineError(UserError):
    """A baseline is missing or damaged, or cannot be paired with what was measured."""


class StoreError(UserError):
    """A stored measurement is missing, damaged, or of another version."""
