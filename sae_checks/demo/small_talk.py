"""Stories in the demo's own words that are told otherwise: a second corpus for it.

Small talk, with hardly a fact and nothing that comes back: of the demo's stories it makes a
quarter. Every word is one that the model knows, so that what differs is what is said, not how it is
tokenized.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

# The file of the stories is what their corpus is known by: its teller keeps its name.
from sae_checks.demo.stories import MIN_WORDS, POOLS, SMALL_TALK, Story, _Teller


class _SmallTalker(_Teller):
    """A telling that is small talk, but for a fact in twenty sentences."""

    SHARE_OF_FACTS = 0.05

    def sentence(self) -> None:
        """Add one sentence: small talk, or now and then a fact that is told and left at that."""
        if self.rng.random() < self.SHARE_OF_FACTS and len(self.facts) < self.FACTS_AT_MOST:
            self.state()
        else:
            self.say(self.rng.choice(SMALL_TALK), {"person": self.rng.choice(POOLS["person"])})


def small_talk(seed: int) -> Iterator[Story]:
    """An endless stream of them, the same for the same seed; none is made as one of `stories`."""
    rng = random.Random(f"small talk {seed}")
    while True:
        teller = _SmallTalker(rng)
        while len(teller.words) < MIN_WORDS:
            teller.sentence()
        yield Story(tuple(teller.words), tuple(teller.slots))
