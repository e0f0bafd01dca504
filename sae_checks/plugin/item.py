"""One check on one cell as pytest runs it, and what it raises where its verdict does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sae_checks.errors import UserError
from sae_checks.wording import visible, visible_lines

if TYPE_CHECKING:
    from sae_checks.judge.check import Check
    from sae_checks.judge.verdict import Verdict
    from sae_checks.records.place import CellRef
    from sae_checks.session.session import Session

# Verdicts that hold without being a pass: what pytest calls them, its letter, and its word.
NEITHER = {
    "undecided": ("undecided", "u", "UNDECIDED"),
    "not_applicable": ("not applicable", "n", "NOT APPLICABLE"),
}


class CheckFailedError(Exception):
    """A verdict that does not hold; carries the sentences that a person is shown."""


class InsufficientEvidenceError(CheckFailedError):
    """An undecided claim: nobody has shown that it holds."""


class NotMeasuredError(UserError):
    """What a check needs could not be measured, in one sentence; raised where pytest looks on.

    pytest shows the arguments of every frame that an error passed through, and those of the judging
    hold whole tables: printing them for each of hundreds of cells takes minutes.
    """


class NotAcceptedError(Exception):
    """A failure beyond what an accepted failure covers."""


class CheckUndefinedError(Exception):
    """A value that is not a number: no accepted failure covers that."""


class CheckItem(pytest.Item):
    """One check on one cell: a test."""

    def __init__(
        self, *, check: Check, cell: CellRef, gate_session: Session, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.check, self.cell, self.gate_session = check, cell, gate_session
        self.verdict: Verdict | None = None

    @property
    def asks(self) -> bool:
        """Whether it is a test under the run's limits."""
        return self.gate_session.asks(self.check, self.cell)

    def setup(self) -> None:
        """Judge the cell: what cannot be judged is an error, not a failure."""
        from sae_checks.report.junit import properties

        message = ""
        try:
            self.verdict = self.gate_session.judge(self.check, self.cell)
        except UserError as error:
            message = str(error)
        finally:
            named = properties(self.check, self.cell, self.verdict, self.gate_session.facts)
            self.user_properties.extend(named.items())
        if self.verdict is None:
            raise NotMeasuredError(visible_lines(message))

    def runtest(self) -> None:
        """Fail if the verdict does not hold; what neither passed nor failed is no pass."""
        from sae_checks.report.message import failure_message
        from sae_checks.report.sentence import sentence

        assert self.verdict is not None, "setup raises where there is none"
        if self.verdict.holds:
            if self.verdict.status in NEITHER:
                pytest.skip(visible(sentence(self.verdict)))
            return
        failing = self.gate_session.failing(self.check, self.cell, self.verdict)
        message = failure_message(failing)
        if self.verdict.status == "undefined":
            raise CheckUndefinedError(message)
        if failing.not_accepted is not None:
            raise NotAcceptedError(message)
        if self.verdict.status == "undecided":
            raise InsufficientEvidenceError(message)
        raise CheckFailedError(message)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Verdicts as sentences; bugs with their traceback."""
        if isinstance(excinfo.value, CheckFailedError | CheckUndefinedError | NotAcceptedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the check stands, for reports."""
        line = self.check.function.__code__.co_firstlineno - 1
        return self.path, line, self.name
