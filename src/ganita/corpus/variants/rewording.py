"""The same problem in other words: rewrites that keep the meaning, from rewrites.toml.

A rewrite looks at the text of a finished problem, so it serves problems of every kind; the marks are never touched.
Each problem is given a few of those that fit, chosen at random from (seed, problem).
"""

from __future__ import annotations

import functools
import random
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources

from ganita.corpus.document import MARK, Problem
from ganita.corpus.families.english import number_words
from ganita.corpus.variants.grammar import asked
from ganita.corpus.variants.numerals import words_value
from ganita.errors import GanitaError

REWRITES_FILE = "rewrites.toml"
MAX_REWRITES = 5  # of the question; every sentence of the solution has one chance besides
WHOLE_SHARE = 0.5  # of the questions that can be put as a whole in another way, how many are
STEP_SHARE = 0.4
_DOLLARS = re.compile(r"\$|dollar")
_CALL = re.compile(r"\b(words|digits)\(([^()]*)\)")
_LAST_SENTENCE = re.compile(r"(?:^|(?<=[.!]\s))[^.!]*(?:\.\d[^.!]*)*\?$")
_VOWEL = re.compile(r"[aeiou]|hour", re.IGNORECASE)


@dataclass(frozen=True)
class Rule:
    """One rewrite: where it fits, and what may stand there."""

    pattern: re.Pattern[str]
    puts: tuple[str, ...]
    old: str = ""  # the word that a word rule replaces
    need: str = ""  # a text that must be in the problem for the pattern to fit: looked for first, for speed


@dataclass(frozen=True)
class Rewrites:
    """All rules by what they look at."""

    words: tuple[Rule, ...]
    whole: tuple[str, ...]
    question: tuple[Rule, ...]
    steps: tuple[Rule, ...]

    def __len__(self) -> int:
        return len(self.whole) + sum(len(rule.puts) for rule in (*self.words, *self.question, *self.steps))


@functools.cache
def rewrites() -> Rewrites:
    """Return the rewrites of the package. Raises `GanitaError` for a pattern that is not a regular expression."""
    with resources.files(__package__).joinpath(REWRITES_FILE).open("rb") as file:
        table = tomllib.load(file)
    words = tuple(_word_rule(*rule) for rule in table["words"]["rules"])
    groups = [table[name]["rules"] for name in ("question", "numbers", "clauses", "connectives")]
    question = tuple(_rule(rule) for group in groups for rule in group)
    return Rewrites(words, tuple(table["question"]["whole"]), question, tuple(map(_rule, table["steps"]["rules"])))


def _rule(rule: Sequence[str]) -> Rule:
    try:
        # Of the letters outside of groups and classes, the longest run must be there in any match.
        plain = re.sub(r"\\.|\[[^\]]*\]|\([^()]*\)\??|[^ ]\?", "|", rule[0])
        runs = [] if re.search(r"[()]", plain) else re.findall(r"[a-z]+(?: [a-z]+)*", plain)
        return Rule(re.compile(rule[0]), tuple(rule[1:]), need=max(runs, key=len, default=""))
    except re.error as error:
        raise GanitaError(f"{REWRITES_FILE}: {rule[0]!r} is no pattern: {error}; mend it") from None


def _word_rule(old: str, new: str) -> Rule:
    return Rule(re.compile(rf"(\b[Aa]n? )?\b({old[0].upper()}|{old[0]}){re.escape(old[1:])}\b"), (new,), old, old[1:])


def reworded(problem: Problem, rng: random.Random) -> Problem | None:
    """Return the problem in other words; None if no rewrite fits it."""
    rules = rewrites()
    question, steps = _with_other_words(problem, rules.words, rng)
    question = _asked_anew(question, rules.whole, rng)
    question = _rewritten(question, rules.question, rng, 1 + int(rng.random() * MAX_REWRITES))
    steps = tuple(_step(step, rules.steps, rng) for step in steps)
    if question == problem.question:
        return None
    return replace(problem, question=question, steps=steps)


def _with_other_words(problem: Problem, rules: Sequence[Rule], rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """Replace up to two nouns by their synonyms, in question and solution alike."""
    question, steps = problem.question, problem.steps
    text = "\n".join((question, *steps))
    fitting = [rule for rule in rules if rule.need in question and rule.pattern.search(question)]
    for rule in rng.sample(fitting, min(len(fitting), 1 + int(rng.random() * 2))):
        new = rule.puts[0]
        # Nor the other number of the old word: crab buckets beside a crab pail.
        other = rf"\b{old[:-1]}\b" if (old := rule.old).endswith("s") else rf"\b{old}s\b"
        taken = rf"\b{new.rpartition(' ')[2].rstrip('s')}"
        if not re.search(rf"{taken}|{other}", text, re.IGNORECASE):
            question, steps = _replace_word(rule, question), tuple(_replace_word(rule, step) for step in steps)
    return question, steps


def _replace_word(rule: Rule, text: str) -> str:
    new = rule.puts[0]

    def write(match: re.Match[str]) -> str:
        word = new[0].upper() + new[1:] if match[2].isupper() else new
        return f"{match[1][0]}{'n' if _VOWEL.match(new) else ''} {word}" if match[1] else word

    return rule.pattern.sub(write, text)


def _asked_anew(question: str, puts: Sequence[str], rng: random.Random) -> str:
    """Put the last sentence as another kind of question or as a request: "Find out how many eggs Mia has left."."""
    match = _LAST_SENTENCE.search(question)
    if match is None or rng.random() >= WHOLE_SHARE or (read := asked(match.group().strip())) is None:
        return question
    fitting = [put for put in puts if read.clause or "{how}" not in put]
    put = fitting[int(rng.random() * len(fitting))]
    how = f"how much money {read.clause}" if read.noun == "$" else f"how many {read.noun} {read.clause}"
    if read.noun == "$" and "number of dollars" in read.phrase:
        how = f"how many dollars {read.clause}"
    return question[: match.start()] + put.replace("{phrase}", read.phrase).replace("{how}", how)


def _rewritten(text: str, rules: Sequence[Rule], rng: random.Random, most: int) -> str:
    """Apply up to `most` of the rules that fit, each at one place."""
    fitting = [rule for rule in rules if rule.need in text and rule.pattern.search(text)]
    for rule in rng.sample(fitting, min(most, len(fitting))):
        places = list(rule.pattern.finditer(text))  # an earlier rewrite may have taken the place
        if places:
            match = places[int(rng.random() * len(places))]
            put = match.expand(rule.puts[int(rng.random() * len(rule.puts))])
            if "dollar" in put and not _DOLLARS.search(text):
                continue  # who pays in euros is not asked for dollars
            put = _CALL.sub(_called, put)
            text = text[: match.start()] + put + text[match.end() :]
    return text


def _called(match: re.Match[str]) -> str:
    if match[1] == "words":
        return number_words(int(match[2]))
    return str(words_value(match[2]))


def _step(step: str, rules: Sequence[Rule], rng: random.Random) -> str:
    """Rewrite one sentence of a solution around its marks: they are taken out and put back in their order."""
    if rng.random() >= STEP_SHARE:
        return step
    marks = iter(MARK.findall(step))
    text = _rewritten(MARK.sub("\0", step), rules, rng, 1)
    return re.sub("\0", lambda _: next(marks), text)
