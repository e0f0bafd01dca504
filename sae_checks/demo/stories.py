"""A generator of small-town stories whose later words are fixed by earlier sentences.

A story states simple facts about people and things ("someone put the lantern in the cellar"),
wanders off into weather and small talk, and comes back to them ("the lantern was still in the
cellar"). The words that come back are the story's *slots*: a reader who remembers the story knows
them, a reader who does not has to guess among dozens. A fact never changes once it is stated.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

BOS = "<bos>"
UNK = "<unk>"
MIN_WORDS = 300  # a context of 256 tokens is filled by one story, with no packing

POOLS: dict[str, tuple[str, ...]] = {
    pool: tuple(words.split())
    for pool, words in {
        "person": "mary tom ruth peter clara hugo nina oscar greta felix ivy martin rosa simon "
        "edith walter lucy arthur helen jonas alma victor dora leon",
        "thing": "lantern kettle ladder basket mirror hammer trumpet blanket candle barrel rope "
        "drum saddle bucket clock chair parcel violin globe spade anchor teapot wheel cradle "
        "bell map shovel cushion telescope sledge",
        "place": "cellar garden kitchen attic barn harbour chapel library stable orchard mill "
        "tower bakery meadow market school courtyard workshop forest tunnel theatre castle "
        "cottage station",
        "trade": "baker sailor teacher tailor farmer miller doctor painter hunter gardener judge "
        "weaver shepherd carpenter",
        "animal": "goat parrot pony rabbit goose kitten donkey hedgehog puppy turtle rooster lamb",
        "food": "plums bread cheese soup honey carrots pears porridge mushrooms dumplings "
        "walnuts cherries",
        "colour": "green red blue yellow white black purple silver golden brown",
        "adjective": "small heavy broken dusty pretty strange tall quiet rusty lovely round "
        "famous cheap fine warm clever tired lucky gentle proud",
        "someone": "grandmother grandfather everybody somebody uncle auntie mother father",
        "weather": "rain snow wind fog sunshine thunder hail drizzle",
        "time": "morning evening afternoon night winter summer spring autumn",
        "crowd": "children neighbours twins cousins strangers farmers soldiers travellers",
        "deed": "danced sang laughed argued whispered slept cheered waited",
        "news": "bridge road river church garrison fair council railway",
    }.items()
}

# In a sentence, $name stands for a word of the pool (or of the fact) and ?name for the same word
# as a slot: it is fixed by a sentence told before.
# Each kind of fact: the pools of its subject and its value, the sentences that state it and the
# sentences that come back to it.
FACTS: tuple[tuple[tuple[str, str], tuple[str, ...], tuple[str, ...]], ...] = (
    (  # where a thing is
        ("thing", "place"),
        (
            "$someone put the $thing in the $place .",
            "the $crowd left the $thing in the $place .",
            "there was a $adjective $thing in the $place .",
        ),
        (
            "$someone saw the $thing in the ?place .",
            "the $crowd looked at the $thing in the ?place .",
            "no one touched the $thing in the ?place .",
            "there was $weather over the $thing in the ?place .",
        ),
    ),
    (  # where a person is
        ("person", "place"),
        (
            "$someone left $person in the $place .",
            "$person lived in the $place .",
            "every $time found $person in the $place .",
        ),
        (
            "$someone met $person in the ?place .",
            "the $crowd waved to $person in the ?place .",
            "$person stayed in the ?place all $time .",
        ),
    ),
    (  # who holds what
        ("person", "thing"),
        (
            "$person held the $thing .",
            "$person found the $thing .",
            "$someone gave $person the $thing .",
        ),
        (
            "$person showed the ?thing to the $crowd .",
            "$person cleaned the ?thing .",
            "one $time $person dropped the ?thing .",
        ),
    ),
    (  # what a person does for a living
        ("person", "trade"),
        (
            "$person the $trade came by .",
            "$someone knew $person the $trade .",
            "here comes $person the $trade , said $someone .",
        ),
        (
            "$person the ?trade $deed .",
            "the $crowd greeted $person the ?trade .",
            "good $time , said $person the ?trade .",
        ),
    ),
    (  # a person's animal
        ("person", "animal"),
        ("$person had a $animal .", "$person kept a $animal .", "$person bought a $animal ."),
        (
            "$person fed the ?animal .",
            "$person and the ?animal sat by the $news .",
            "$person washed the ?animal in the $weather .",
            "the $crowd liked $person and the ?animal .",
        ),
    ),
    (  # what a person eats
        ("person", "food"),
        ("$person loved $food .", "$someone brought $person $food ."),
        (
            "$person wanted ?food .",
            "$person cooked ?food for the $crowd .",
            "that $time $person ate ?food .",
        ),
    ),
    (  # the colour of a thing
        ("thing", "colour"),
        ("the $thing was $colour .", "$someone painted the $thing $colour ."),
        (
            "the $thing stayed ?colour .",
            "the $thing was ?colour , said the $crowd .",
            "in the $weather the $thing looked ?colour .",
        ),
    ),
)
SMALL_TALK = (
    "it was a $adjective $time .",
    "the $weather came and went .",
    "there was $weather again that $time .",
    "the $crowd $deed .",
    "the $crowd talked about the $news .",
    "$someone said that the $news was $adjective .",
    "$someone $deed and the $crowd $deed too .",
    "such $adjective $weather , said $someone .",
    "what a $adjective $time , said the $crowd .",
    "the $adjective $crowd $deed near the $news .",
    "no one minded the $weather .",
    "$person smiled .",
    "$person $deed .",
    "$person thought about the $news .",
    "$person had never felt so $adjective .",
    "$person told the $crowd about the $weather .",
    "what $adjective news , said $person .",
    "one $time the $weather closed the $news .",
    "the $news looked $adjective in the $weather .",
    "people said the $time would be $adjective .",
    "$someone and $person $deed together .",
    "will there be $weather ? asked $someone .",
    "perhaps , said $person , and $deed .",
)
OPENERS = ("then", "later", "soon", "so", "once more", "meanwhile", "and")


def _vocabulary() -> tuple[str, ...]:
    """Special tokens first, then every word a story can hold, sorted: token ids follow from it."""
    sentences = [s for _, stated, recalled in FACTS for s in (*stated, *recalled)]
    text = " ".join((*sentences, *SMALL_TALK, *OPENERS))
    words = {word for word in text.split() if word[0] not in "$?"} | {"?"}
    for pool in POOLS.values():
        words.update(pool)
    return (BOS, UNK, *sorted(words))


VOCABULARY: tuple[str, ...] = _vocabulary()


@dataclass(frozen=True)
class Story:
    """One text: its words, without `<bos>`, and the indices of the words fixed by earlier ones."""

    words: tuple[str, ...]
    slots: tuple[int, ...]

    @property
    def text(self) -> str:
        """The words joined by spaces: a whitespace split gives them back."""
        return " ".join(self.words)


@dataclass(frozen=True)
class _Fact:
    """A stated fact: its place in `FACTS` and the words of its subject and its value."""

    kind: int
    words: tuple[str, str]


class _Teller:
    """The state of one telling: the words so far, and the facts a sentence can come back to."""

    CAST = 4  # people in one story: few enough that they return, many enough to confuse them
    FACTS_AT_START = 3
    FACTS_AT_MOST = 9

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.words: list[str] = []
        self.slots: list[int] = []
        self.facts: list[_Fact] = []
        self.last: _Fact | None = None
        self.cast = rng.sample(POOLS["person"], self.CAST)
        # A thing lies somewhere or is held by someone, never both: each is dealt out once.
        self.things = rng.sample(POOLS["thing"], len(POOLS["thing"]))

    def sentence(self) -> None:
        """Add one sentence: a new fact, a return to an old one, or small talk."""
        roll = self.rng.random()
        stated = len(self.facts)
        share_of_facts = 0.75 if stated < self.FACTS_AT_START else 0.2
        if stated < self.FACTS_AT_MOST and roll < share_of_facts:
            self.state()
        elif stated and roll < 0.8:
            self.recall()
        else:
            self.say(self.rng.choice(SMALL_TALK), {"person": self.rng.choice(self.cast)})

    def state(self) -> None:
        """State a fact not stated before about someone of the cast or something."""
        fact = self.new_fact()
        names, stated, _ = FACTS[fact.kind]
        self.say(self.rng.choice(stated), dict(zip(names, fact.words, strict=True)))
        self.facts.append(fact)
        self.last = fact

    def recall(self) -> None:
        """Come back to an old fact, but not to the one told last if there is another."""
        fact = self.rng.choice([fact for fact in self.facts if fact != self.last] or self.facts)
        self.last = fact
        names, _, recalled = FACTS[fact.kind]
        self.say(self.rng.choice(recalled), dict(zip(names, fact.words, strict=True)))

    def new_fact(self) -> _Fact:
        """Draw a fact whose subject has no fact of that kind yet."""
        told = {(fact.kind, fact.words[0]) for fact in self.facts}
        while True:
            kind = self.rng.randrange(len(FACTS))
            subjects, values = FACTS[kind][0]
            from_cast = subjects == "person"
            subject = self.rng.choice(self.cast) if from_cast else self.things[-1]
            if (kind, subject) in told:
                continue
            if subjects == "thing":
                self.things.pop()
            value = self.things.pop() if values == "thing" else self.rng.choice(POOLS[values])
            return _Fact(kind, (subject, value))

    def say(self, sentence: str, names: dict[str, str]) -> None:
        """Add a sentence with its names filled in, behind an opener now and then."""
        if self.rng.random() < 0.2:
            self.words.extend(self.rng.choice(OPENERS).split())
        for token in sentence.split():
            name = token[1:]
            if token[0] not in "$?" or not name:
                self.words.append(token)
                continue
            if token[0] == "?":
                self.slots.append(len(self.words))
            self.words.append(names.get(name) or self.rng.choice(POOLS[name]))


def tell(rng: random.Random) -> Story:
    """Tell one story of at least `MIN_WORDS` words, ending with a whole sentence."""
    teller = _Teller(rng)
    while len(teller.words) < MIN_WORDS:
        teller.sentence()
    return Story(tuple(teller.words), tuple(teller.slots))


def stories(seed: int) -> Iterator[Story]:
    """An endless stream of stories, the same for the same seed."""
    rng = random.Random(seed)
    while True:
        yield tell(rng)
