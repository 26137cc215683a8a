"""A byte-level BPE as a list of merges: learned by the library, written as a `tokenizer.json`.

A merge is a pair of tokens in the byte alphabet; its place in the list is its rank. Vocabulary ids run in the order of
special tokens, marks, bytes, digit groups, and then of the merges.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import tokenizers
from tokenizers import AddedToken, decoders, models, trainers

from ganita.errors import GanitaError
from ganita.tokenizer.pretokenize import digit_merges, pre_tokenizer
from ganita.tokenizer.tokenizer import LANGUAGE_TAGS, MARKS, SPECIAL_TOKENS, byte_alphabet, configure_parallelism

Merge = tuple[str, str]
ALPHABET = tuple(sorted(byte_alphabet()))
MAX_TOKEN_BYTES = 64  # longer ones are rulers of `=` and runs of spaces, and every way to cut a token is looked at
_NAMED = (*SPECIAL_TOKENS, *LANGUAGE_TAGS, *MARKS)


def num_merges(vocabulary_size: int, digits: str) -> int:
    """Return how many tokens of the vocabulary are left to learn.

    Raises `GanitaError` if special tokens, bytes and digit groups alone are more than the vocabulary.
    """
    given = len(vocabulary(digit_merges() if digits == "groups" else (), _NAMED))
    if vocabulary_size < given:
        raise GanitaError(
            f"tokenizer.vocabulary_size = {vocabulary_size}: special tokens, bytes"
            f"{' and digit groups' if digits == 'groups' else ''} take {given} already; set it higher"
        )
    return vocabulary_size - given


def learn(texts: Iterable[Sequence[str]], count: int, min_frequency: int) -> list[Merge]:
    """Learn up to `count` merges from batches of texts without marks; fewer if no pair is left that is seen so often.

    Digits are kept apart: groups of them are not a matter of frequency (`digit_merges`).
    """
    configure_parallelism()
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizer("single")
    trainer = trainers.BpeTrainer(
        vocab_size=len(ALPHABET) + count,
        min_frequency=min_frequency,
        initial_alphabet=list(ALPHABET),
        max_token_length=MAX_TOKEN_BYTES,
        show_progress=False,
    )
    inner.train_from_iterator(iter(texts), trainer=trainer)
    return [(left, right) for left, right in json.loads(inner.to_str())["model"]["merges"]]


def vocabulary(merges: Iterable[Merge], first: Iterable[str] = ()) -> dict[str, int]:
    """Return the ids of `first`, the bytes, and the tokens that the merges make; two merges may make the same one."""
    ids: dict[str, int] = {}
    for token in (*first, *ALPHABET, *(left + right for left, right in merges)):
        ids.setdefault(token, len(ids))
    return ids


def assemble(merges: Sequence[Merge], digits: str) -> str:
    """Return the `tokenizer.json` of a BPE, with our special tokens and marks."""
    merges = [*digit_merges(), *merges] if digits == "groups" else merges
    inner = tokenizers.Tokenizer(models.BPE(vocabulary(merges, _NAMED), list(merges)))
    inner.pre_tokenizer = pre_tokenizer(digits)
    inner.decoder = decoders.ByteLevel()
    names = (*SPECIAL_TOKENS, *LANGUAGE_TAGS)
    inner.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    # Marks are ordinary tokens that are found by sight: decoding must not leave them out as it does special ones.
    inner.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in MARKS])
    return str(inner.to_str(pretty=True)) + "\n"
