"""Small matters of wording that messages share."""


def counted(count: int, noun: str) -> str:
    """A number and its noun: 1 SAE, 13 SAEs, 1,024 texts."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
