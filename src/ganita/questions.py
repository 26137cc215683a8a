"""Training questions that a finished model is asked: to train on its right solutions, or to train a judge of them."""

from __future__ import annotations

import random
from pathlib import Path

from ganita.arithmetic import parse_number
from ganita.corpus.document import Document, Problem
from ganita.corpus.registry import sets
from ganita.corpus.sources import documents_of, open_source, refuse_benchmarks
from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.recipe import Source


def questions_of(
    reporter: Reporter,
    seed: int,
    *,
    set_id: str = "",
    path: str = "",
    variants: str = "",
    count: int = 0,
    allow_slice: bool = False,
) -> list[Problem]:
    """Return the questions of a public set, a file or variants of a set, in an order that the seed decides.

    `count`: at most so many, 0 for all; variants are made to that number. `allow_slice`: also a slice of a training set
    that runs do not train on, for what has to see how a model does on questions that are new to it.

    Raises `GanitaError`: a benchmark, not exactly one of the three, variants without a count, no question that has a
    number for an answer.
    """
    if sum(map(bool, (set_id, path, variants))) != 1:
        raise GanitaError("say where the questions come from: exactly one of --set, --path, --variants")
    if variants and not count:
        raise GanitaError("--variants: say how many questions to make with --questions")
    source = Source(
        name="questions", set=set_id, path=path, variants=variants, kind="problem", count=count if variants else 0
    )
    named = set_id or variants
    if not (allow_slice and named and sets.find(named).is_slice):
        refuse_benchmarks(source)
    open_source(source, seed, reporter)  # finds it, downloads it, says what is wrong with it
    questions = [one for one in documents_of(source, seed) if isinstance(one, Problem) and has_number(one)]
    if not questions:
        raise GanitaError(f"{named or Path(path).name}: no worked problem whose answer is a number")
    random.Random(seed).shuffle(questions)  # noqa: S311 - a choice of questions, not a secret
    return questions[: count or None]


def has_number(document: Document) -> bool:
    """Say if a document is a worked problem, not of multiple choice, whose answer is a number."""
    return isinstance(document, Problem) and not document.choices and parse_number(document.answer) is not None
