"""What an audit measures of a tokenizer, whoever made it."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganita.corpus.document import Document, Problem
from ganita.corpus.reading.languages import LANGUAGES
from ganita.recipe import Recipe
from ganita.tokenizer.reading import read_documents, source_files
from ganita.tokenizer.sample import contents_of, document_text
from ganita.tokenizer.tokenizer import Tokenizer

LATEX, CODE, PROSE, PROBLEMS, NUMBERS = "LaTeX", "code", "prose", "worked problems", "numbers"
KINDS = (LATEX, CODE, PROSE, PROBLEMS, NUMBERS)
NUM_COMMANDS = 200
RARE = 10  # uses on the training sample
MAX_DIGITS = 8
_HELD_OUT_BYTES = 2_000_000  # per source
_DENSE = 200  # characters: a text with a command in every so many is LaTeX, whatever its file was called
_BATCH = 512  # texts encoded at once
_OCCURRENCES = 20_000  # of commands looked up in running text
_NUMBERS_EACH = 100  # random numbers of each length
_NUMBER = re.compile(r"[0-9]+")
_COMMAND = re.compile(r"\\[A-Za-z]+")


@dataclass(frozen=True)
class Contestant:
    """A tokenizer to measure: `encode` gives token ids, `spans` where each token of an ASCII text begins and ends."""

    about: str
    size: int
    encode: Callable[[Sequence[str]], list[list[int]]]
    spans: Callable[[str], list[tuple[int, int]]]


def held_out(recipe: Recipe, corpus: Path) -> dict[str, list[str]]:
    """Return the held-out texts by kind (the first 2 MB of each source), and every number in them by itself.

    Numbers are the maximal runs of digits, each as often as it occurs: what stands around them is measured elsewhere.
    """
    contents = contents_of(recipe, corpus)
    texts: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for source, path in source_files(recipe, corpus, "validation"):
        num_bytes = 0
        for document, _ in read_documents(path):
            # A lone surrogate has no bytes; the library would refuse the whole batch.
            text = document_text(document).encode("utf-8", "replace").decode("utf-8")
            texts[kind_of(document, text, contents[source.label])].append(text)
            texts[NUMBERS] += _NUMBER.findall(text)
            num_bytes += len(text.encode())
            if num_bytes >= _HELD_OUT_BYTES:
                break
    return {kind: found for kind, found in texts.items() if found}


def kind_of(document: Document, text: str, content: str) -> str:
    """Return the kind of a document, by its language and the content of its source, else by its commands."""
    if isinstance(document, Problem):
        return PROBLEMS
    content = LANGUAGES.get(document.language, ("code",))[0] if document.language else content
    if content == "code":
        return CODE
    dense = len(_COMMAND.findall(text)) * _DENSE >= len(text)
    return LATEX if document.language == "latex" or dense else PROSE


def bytes_per_token(contestant: Contestant, texts: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Return bytes, tokens and bytes per token of each kind."""
    found = {}
    for kind, items in texts.items():
        num_bytes = sum(len(text.encode()) for text in items)
        num_tokens = sum(len(ids) for batch in _batches(items) for ids in contestant.encode(batch))
        found[kind] = {
            "bytes": num_bytes,
            "tokens": num_tokens,
            "bytes_per_token": round(num_bytes / max(num_tokens, 1), 4),
        }
    return found


def uses(tokenizer: Tokenizer, sample: Iterable[Sequence[str]]) -> dict[str, Any]:
    """Count how often the learned tokens are used on the sample: all but special tokens, marks and single bytes.

    A byte that no text has must be in the vocabulary all the same; a learned token that no text has is waste.
    """
    counts = np.zeros(tokenizer.vocabulary_size, dtype=np.int64)
    for batch in _batches(itertools.chain.from_iterable(sample)):
        ids = np.fromiter(itertools.chain.from_iterable(tokenizer.encode_batch(batch)), dtype=np.int64)
        counts += np.bincount(ids, minlength=len(counts))
    given = set(tokenizer.ids.values())
    learned = [
        token_id
        for token_id in range(tokenizer.vocabulary_size)
        if token_id not in given and len(tokenizer.token_bytes(token_id)) > 1
    ]
    found = counts[learned]
    return {
        "learned": len(learned),
        "dead": int((found == 0).sum()),
        "rare_share": round(float((found < RARE).mean()) if learned else 0.0, 6),
    }


def common_commands(sample: Iterable[Sequence[str]]) -> list[str]:
    r"""Return the `NUM_COMMANDS` commonest LaTeX commands (`\frac`) of the sample, the commonest first."""
    counts = Counter(itertools.chain.from_iterable(_COMMAND.findall(text) for batch in sample for text in batch))
    return sorted(counts, key=lambda command: (-counts[command], command))[:NUM_COMMANDS]


def command_coverage(
    contestant: Contestant, commands: Sequence[str], texts: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    r"""Return how many of the commands are one token by themselves, and how often they are not cut in running text.

    The two differ: most tokenizers cut `{\frac` between the backslash and the name, whatever their vocabulary.
    """
    sizes = [len(ids) for ids in contestant.encode(commands)]
    wanted, found, uncut = set(commands), 0, 0
    for line in _lines_with_commands(texts):
        places = [match.span() for match in _COMMAND.finditer(line) if match.group() in wanted]
        cuts = {place for span in contestant.spans(line) for place in span} if places else set()
        found += len(places)
        uncut += sum(cuts.isdisjoint(range(start + 1, end)) for start, end in places)
        if found >= _OCCURRENCES:
            break
    return {"of": len(sizes), "whole": sizes.count(1), "uncut_share": round(uncut / max(found, 1), 4)}


def _lines_with_commands(texts: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the lines of all kinds but code and numbers that have a command in them and can be cut at any place."""
    for kind in (LATEX, PROSE, PROBLEMS):
        for text in texts.get(kind, ()):
            yield from (line for line in text.split("\n") if "\\" in line and line.isascii())


def number_splits(contestant: Contestant) -> list[dict[str, Any]]:
    """Return, for numbers of one to eight digits, the tokens that one takes and how a given one is split."""
    draw = random.Random(1)  # noqa: S311 - the same numbers for every tokenizer
    rows = []
    for digits in range(1, MAX_DIGITS + 1):
        numbers = [str(draw.randrange(10 ** (digits - 1), 10**digits)) for _ in range(_NUMBERS_EACH)]
        text = "12345678"[:digits]
        mean = sum(len(ids) for ids in contestant.encode(numbers)) / len(numbers)
        example = "|".join(text[start:end] for start, end in contestant.spans(text))
        rows.append({"digits": digits, "tokens": round(mean, 2), "example": example})
    return rows


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    items = iter(texts)
    while batch := list(itertools.islice(items, _BATCH)):
        yield batch
