"""The tokens of an answer behind a prompt, in each kind of tokenizer."""

from __future__ import annotations

from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE, WordLevel
from transformers import PreTrainedTokenizerFast

from sae_checks.load.tasks.tokens import ids_after, ids_of
from tests.builders import word_tokenizer


def tokens(tokenizer, prompt, answer):
    return tokenizer.convert_ids_to_tokens(ids_after(tokenizer, prompt, answer))


def bpe(merges, pre_tokenizer=None):
    alphabet = [*pre_tokenizers.ByteLevel.alphabet(), " "]
    names = [*sorted(alphabet), *("".join(merge) for merge in merges)]
    tokenizer = Tokenizer(BPE({name: number for number, name in enumerate(names)}, merges))
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def test_bytes_with_the_space_before_them():
    """As GPT-2 has them: a word's first token holds the space."""
    tokenizer = bpe(
        [("Ġ", "M"), ("ĠM", "a"), ("t", "o")], pre_tokenizers.ByteLevel(add_prefix_space=False)
    )
    assert tokens(tokenizer, "gave it to", "Mary") == ["ĠMa", "r", "y"]
    assert tokens(tokenizer, "gave it to", "a b") == ["Ġ", "a", "Ġ", "b"]


def test_words_marked_at_their_beginning():
    """As sentencepiece has them: a text's first word is marked as if a space went before it."""
    vocabulary = {"<unk>": 0, "▁to": 1, "▁Mary": 2, "▁": 3}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
    assert tokens(wrapped, "gave it to", "Mary") == ["▁Mary"]


def test_whole_words():
    tokenizer = word_tokenizer("a b c")
    assert ids_after(tokenizer, "a b", "c") == (4,)
    assert ids_after(tokenizer, "a b", "c a") == (4, 2)


def test_a_prompt_whose_last_token_changes_with_what_follows():
    """Where a token reaches across the space, the answer is taken as it is behind a space."""
    tokenizer = bpe([("o", " ")])
    assert tokenizer.convert_ids_to_tokens(ids_of(tokenizer, "to M")) == ["t", "o ", "M"]
    assert tokens(tokenizer, "to", "M") == [" ", "M"]
