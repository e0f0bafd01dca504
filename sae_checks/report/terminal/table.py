"""The matrix at the terminal: as many columns as fit, those with failures first to stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from sae_checks.judge.topics import heading
from sae_checks.report.overview.levels import LEVELS
from sae_checks.report.overview.matrix import Matrix, Row, Square
from sae_checks.report.short import short_limit, short_value
from sae_checks.report.terminal.screen import Screen

_GAPS = (2, 1)  # the wider one where all columns fit with it
_WIDEST_LABEL = 26
_NARROWEST = 5
_SHORT = 14  # what columns are cut to, at the shortest, so that more of them have room


def table_lines(matrix: Matrix, screen: Screen) -> list[str]:
    """The heading, a line for each SAE, and below them what is about several SAEs.

    Columns that are only reported are left to longer reports, and those that do not fit are named.
    """
    saes = [row for row in matrix.rows if row.kind == "sae"]
    lines = _sae_lines(saes, _asked(matrix.topics, saes), screen) if saes else []
    return lines + [_row_line(row, screen) for row in matrix.rows if row.kind != "sae"]


def legend_lines(matrix: Matrix, screen: Screen) -> list[str]:
    """What the signs mean that the matrix has."""
    found = {square.level for row in matrix.rows for square in row.squares.values()}
    lines, width = [""], 0
    for each in (each for each in LEVELS if each in found):
        sign, apart = screen.mark(each), "  " if width else ""
        if width + len(f"{apart}{sign} {each}") > screen.width:
            lines, width, apart = [*lines, ""], 0, ""
        lines[-1] += f"{apart}{screen.painted(sign, each)} {each}"
        width += len(f"{apart}{sign} {each}")
    return lines


def _asked(topics: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The topics of which some square of an SAE is more than reported."""
    idle = ("reported", "not applicable")
    return [
        topic
        for topic in topics
        if any(topic in row.squares and row.squares[topic].level not in idle for row in rows)
    ]


def _sae_lines(rows: Sequence[Row], topics: Sequence[str], screen: Screen) -> list[str]:
    labels = [screen.text(row.label) for row in rows]
    first = min(max(map(cell_len, labels)), _WIDEST_LABEL, screen.width // 3)
    room = screen.width - first
    widths = _cut({topic: _width(topic, rows, screen) for topic in topics}, room)
    total = sum(widths.values())
    gap = next((each for each in _GAPS if total + each * len(topics) <= room), _GAPS[-1])
    widths = {topic: width + gap for topic, width in widths.items()}
    shown = _fitting(topics, rows, widths, room)
    lines = _head_lines(first, shown, widths, gap, screen)
    for row, label in zip(rows, labels, strict=True):
        squares = [_padded(row.squares.get(topic), widths[topic], gap, screen) for topic in shown]
        lines.append((screen.filled(label, first) + "".join(squares)).rstrip())
    left = [topic for topic in topics if topic not in shown]
    return lines + ([_left_out(left, rows, screen)] if left else [])


def _fitting(
    topics: Sequence[str], rows: Sequence[Row], widths: Mapping[str, int], room: int
) -> list[str]:
    """The topics that fit: what needs looking at most has room first."""
    kept: set[str] = set()
    for topic in sorted(topics, key=lambda each: LEVELS.index(_worst(each, rows).level)):
        if widths[topic] <= room:
            room -= widths[topic]
            kept.add(topic)
    return [topic for topic in topics if topic in kept]


def _worst(topic: str, rows: Sequence[Row]) -> Square:
    squares = [row.squares[topic] for row in rows if topic in row.squares]
    return min(squares, key=lambda square: LEVELS.index(square.level))


def _cut(widths: Mapping[str, int], room: int) -> dict[str, int]:
    """Widths of columns, the widest cut as far as it takes for all of them to have room."""
    room -= _GAPS[-1] * len(widths)
    widest = max([*widths.values(), _SHORT])
    while widest > _SHORT and sum(min(width, widest) for width in widths.values()) > room:
        widest -= 1
    return {topic: min(width, widest) for topic, width in widths.items()}


def _width(topic: str, rows: Sequence[Row], screen: Screen) -> int:
    """Of all that a column would show."""
    squares = [_plain(row.squares[topic], screen) for row in rows if topic in row.squares]
    return max(map(cell_len, [*squares, *_words(topic, screen), " " * _NARROWEST]))


def _words(topic: str, screen: Screen) -> list[str]:
    """A heading on lines: a word each, short ones together."""
    lines: list[str] = []
    for word in screen.text(heading(topic)).split():
        if lines and len(lines[-1]) + len(word) < 9:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _head_lines(
    first: int, topics: Sequence[str], widths: Mapping[str, int], gap: int, screen: Screen
) -> list[str]:
    """The headings, a word or two below each other."""
    words = {topic: _words(topic, screen) for topic in topics}
    lines = []
    for line in range(max(map(len, words.values()), default=0)):
        heads = [
            " " * gap + screen.filled("".join(words[topic][line : line + 1]), widths[topic] - gap)
            for topic in topics
        ]
        lines.append((" " * first + "".join(heads)).rstrip())
    return lines


def _plain(square: Square, screen: Screen) -> str:
    value = screen.text(short_value(square.value, square.unit))
    if square.level == "not measurable":
        value = "error" if square.worst.verdict is None else "undefined"
    return f"{screen.mark(square.level)} {value}"


def _padded(square: Square | None, width: int, gap: int, screen: Screen) -> str:
    if square is None:
        return " " * width
    text = screen.cut(_plain(square, screen), width - gap)
    space = " " * (width - gap - cell_len(text))
    return " " * gap + screen.painted(text, square.level) + space


def _row_line(row: Row, screen: Screen) -> str:
    """A row of several SAEs in one line: its topics with what they show."""
    idle = ("reported", "not applicable")
    asked = [topic for topic, square in row.squares.items() if square.level not in idle]
    parts = [
        f"{screen.text(topic)} {screen.mark(row.squares[topic].level)} "
        + _told(row.squares[topic], screen)
        for topic in asked or row.squares
    ]
    return screen.cut(f"{screen.text(row.label)}: {', '.join(parts)}")


def _told(square: Square, screen: Screen) -> str:
    verdict = square.shown.verdict
    if verdict is None:
        return "error"
    name = (square.shown.check.compared or square.shown.check).name
    limit = short_limit(verdict.limit)
    value = short_value(square.value, square.unit)
    return screen.text(f"{name} {value}" + (f" ({limit})" if limit else ""))


def _left_out(topics: Sequence[str], rows: Sequence[Row], screen: Screen) -> str:
    """Columns for which there is no room."""
    told = [f"{screen.mark(_worst(topic, rows).level)} {screen.text(topic)}" for topic in topics]
    return screen.cut(f"no room for: {', '.join(told)}")
