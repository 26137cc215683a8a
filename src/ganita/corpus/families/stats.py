"""How varied problems are: measured on a thousand of them, so that sources of any size stand beside each other."""

from __future__ import annotations

import random
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ganita.corpus.document import MARK, Problem
from ganita.corpus.families.library import Library
from ganita.corpus.families.skeletons import marks_skeleton

SAMPLE = 1_000
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_WORD = re.compile(r"#|[a-z]+(?:'[a-z]+)?")


def choose(problems: Iterable[Problem], count: int = SAMPLE, seed: int = 0) -> list[Problem]:
    """Return `count` problems at random, fewer if there are no more; in their own order."""
    everything = list(problems)
    if len(everything) <= count:
        return everything
    places = random.Random(seed).sample(range(len(everything)), count)  # noqa: S311 - no secrets are made here
    return [everything[place] for place in sorted(places)]


def words_of(text: str) -> list[str]:
    """Return lower-cased words, with `#` for a number: new numbers make no new sentence."""
    return _WORD.findall(_NUMBER.sub(" # ", text.lower()))


def count_graphs(problems: Iterable[Problem]) -> Counter[str]:
    """Return how many problems have which operation graph (skeletons.py); those without plain marks have none."""
    return Counter(graph for problem in problems if (graph := marks_skeleton(_marks(problem))))


def one_of_each(library: Library, draws: int = 2, seed: int = 0) -> Iterator[Problem]:
    """Yield problems of every family: a graph depends a little on the numbers, since equal ones count as the same."""
    for family in library.families:
        rng = random.Random(f"{seed}/{family.id}")  # noqa: S311 - no secrets are made here
        for index in range(draws):
            yield family.problem(rng, "train", f"{family.id}/{index}")


def measure(problems: Sequence[Problem]) -> dict[str, str]:
    """Return the figures of a sample of problems, as they are shown."""
    lengths = [len(words_of(problem.question)) for problem in problems]
    questions = [words_of(problem.question) for problem in problems]
    grams = {gram for words in questions for gram in zip(words, words[1:], words[2:], words[3:], strict=False)}
    marks = [_marks(problem) for problem in problems]
    graphs = count_graphs(problems)
    answers = Counter(problem.answer for problem in problems)
    steps = Counter(len(each) for each in marks if each)
    numeric = sorted(
        float(answer)
        for answer in answers.elements()
        if _NUMBER.fullmatch(answer.replace(",", "")) and "/" not in answer
    )
    top = sum(count for _, count in answers.most_common(10)) / len(problems)
    return {
        "problems": f"{len(problems):,}",
        "distinct word 4-grams": f"{len(grams):,}",
        "distinct words": f"{len({word for words in questions for word in words}):,}",
        "distinct operation graphs": f"{len(graphs):,} of {graphs.total():,}",
        "steps": " ".join(f"{n}:{100 * steps[n] / max(1, steps.total()):.0f}%" for n in sorted(steps) if n <= 8),
        "median question, words": f"{statistics.median(lengths):.0f}",
        "distinct answers": f"{len(answers):,}; ten most frequent {top:.0%}",
        "answer quartiles": ", ".join(f"{value:g}" for value in statistics.quantiles(numeric, n=4))
        if len(numeric) > 1
        else "-",
    }


def _marks(problem: Problem) -> list[str]:
    return [mark for step in problem.steps for mark in MARK.findall(step)]
