"""Another quantity of the same situation: a step of the solution that says what it finds becomes the question.

    She sold 48 + 24 = <<48+24=72>>72 clips in May.     ->     How many clips did she sell in May?

The new problem ends with that step. Of the story stays what comes up to the last number that the shorter solution
needs: what happens later could change what is asked for. Every word of the new question must be one of the story, so
that nothing is asked that only the solution speaks of.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from ganita.corpus.document import MARK, Problem
from ganita.corpus.families.expressions import show
from ganita.corpus.variants.grammar import (
    SENTENCE,
    base_verb,
    ends_noun,
    helper_and_verb,
    is_many,
    is_subject,
    noun_phrase,
)
from ganita.corpus.variants.linking import Graph, link
from ganita.corpus.variants.marks import variables
from ganita.corpus.variants.naming import gender_of, names_in
from ganita.corpus.variants.numerals import scan
from ganita.corpus.variants.pins import hidden_groups, hidden_values

MIN_QUESTION_WORDS = 5
_OPENING = re.compile(
    r"^(?:(?:So|Thus|Then|Therefore|Hence|Next|First|Now|Finally|And|This means|That means|Altogether|In total"
    r"|Since then),? (?:that )?)"
)
_REASON = re.compile(r"^(?:Since|Because|As)\b[^,]*, (?:then |so )?")
_WHEN = re.compile(
    r"^((?:On|In|At|During|After|For|From|By) [^,\d]*?),? (?=(?:he|she|they|the|his|her|their|[A-Z][a-z]+)\b)(?!of\b)"
)
# What is calculated, from its first digit: "3 * $2 = $", with the units that people write between.
_SUM = re.compile(
    r"(?:a total of |about |only |exactly |an? |another |just )?[$(]*\d(?:[^=,]|,(?=\d{3}))*=\s*(?P<money>\$?)\s*$"
)
_ADDED = re.compile(
    r"[,;:]|\b(?:because|so|and|but|since|which|who|if|than|as|while|then|where|or|that|more|less|fewer|not|another|other"
    r"|extra|additional|half|twice|times|same|each other|equal|average|would|should|his own)\b"
)
_JOINED = re.compile(r"\b(?:and|so|which|but|means|then|because|for a)\b|\. ")
_VERBS = re.compile(r"\b(?:is|was|are|were|has|had|have|will|be|been)\b")
_MONEY = frozenset(
    {"spend", "earn", "make", "pay", "owe", "save", "receive", "collect", "raise", "cost", "donate", "get"}
)
_MONEY_WORDS = re.compile(
    r"\b(?:cost|price|bill|profit|discount|salary|change|earnings|savings|tax|tip|fee|payment|rent)s?\b"
)
_STATE = re.compile(
    r"\b(?:left|remain\w*|now|total|altogether|have|has|had|still|all|there|everything|number|combined)\b"
)
_CONTENT = re.compile(r"[A-Za-z]{3,}")
_FUNCTION_WORDS = (
    "how many much what does did the and his her their are was were there for from with each per total number left she"
    " they have has had amount money cost spend price all altogether this that during after before dollars one two"
    " make get him them its will pay time old years some total remaining every left into still earn need"
)
_FUNCTION = frozenset(_FUNCTION_WORDS.split())


def other_questions(problem: Problem) -> Iterator[Problem]:
    """Yield the problems that ask for an intermediate result of `problem`, with the solution that leads to it.

    Raises `RefusedError` if the problem is not understood at all.
    """
    graph = link(problem)
    sentences = SENTENCE.split(problem.question)
    if len(sentences) < 2 or any("?" in sentence for sentence in sentences[:-1]):
        return
    found: dict[str, list[Problem]] = defaultdict(list)
    for number, mark in enumerate(graph.marks[:-1]):
        own = [place for place, other in enumerate(graph.marks) if other.step == mark.step]
        if number != own[-1]:
            continue
        story = _story(graph, sentences, number)
        asks = question_for(graph.steps[mark.step]) if story else None
        if asks is None or not story or not _is_told(asks, story) or not _one_reading(asks, story):
            continue
        if "-" in mark.tokens and _is_stated(asks, story):
            continue
        steps = _steps(graph, number)
        found[asks].append(
            replace(
                problem,
                id=f"{problem.id}/asks-{number + 1}",
                question=f"{' '.join(story)} {asks}",
                steps=steps,
                answer=show(mark.result),
            )
        )
    # Two results that are told in the same words: at least one of them is told carelessly.
    yield from (problems[0] for problems in found.values() if len(problems) == 1)


def question_for(step: str) -> str | None:
    """Return the question that a step with one sentence answers; None where its grammar is not fully recognised."""
    found = list(MARK.finditer(step))
    if not found:
        return None
    head, tail = step[: found[-1].start()], step[found[-1].end() :]
    head = _REASON.sub("", _capital(_OPENING.sub("", SENTENCE.split(MARK.sub("", head))[-1])))
    if (total := _SUM.search(head)) is None:
        return None
    subject, when = head[: total.start()].strip(), ""
    if match := _WHEN.match(subject):
        subject, when = subject[match.end() :], match[1][0].lower() + match[1][1:]
    subject = _capital(subject)
    shown = re.match(r"[\d.,]*\d", tail)
    rest = tail[shown.end() :].strip() if shown else ""
    if _JOINED.search(total.group()) or _VERBS.search(f"{rest} {when}") or _VERBS.search(subject.rpartition(" ")[0]):
        return None
    if not subject or not shown or re.search(r"\d", subject + rest) or _ADDED.search(f"{subject} {rest} {when}"):
        return None
    if not (rest.endswith(".") or rest == "" or rest[-1].isalpha()) or "." in rest[:-1] or "%" in rest:
        return None
    words = [*rest.rstrip(".").split(), *when.split()]
    return _question(subject, words, bool(total["money"]) or words[:1] == ["dollars"])


def _question(subject: str, words: list[str], money: bool) -> str | None:
    if words[:1] == ["dollars"]:
        words = words[1:]
    if match := re.fullmatch(r"[Tt]here (are|were)", subject):
        noun, rest = noun_phrase(words)
        return _ask(f"How many {noun} {match[1]} there", rest) if is_many(noun) and not money else None
    if match := re.fullmatch(r"(The .+|His .+|Her .+|Their .+|[A-Z][a-z]+'s .+) (is|was|are|were)", subject):
        return _ask_phrase(match[1], match[2], words, money)
    parts = subject.split()
    verb = helper_and_verb(parts[-1], " ".join(parts[:-1])) if len(parts) > 1 else None
    who = _lowered(" ".join(parts[:-1]))
    if verb is None or not is_subject(who) or who in ("it", "you", "we"):
        return None
    helper, base = verb
    if money:
        if base.base not in _MONEY:
            return None
        if words and not ends_noun(words[0]):
            return None
        return _ask(f"How much {'' if base.base == 'cost' else 'money '}{helper} {who} {base.base}", words)
    noun, rest = noun_phrase(words)
    return _ask(f"How many {noun} {helper} {who} {base.base}", rest) if is_many(noun) else None


def _ask_phrase(phrase: str, copula: str, words: list[str], money: bool) -> str | None:
    """Ask for a quantity that has a name: "The total cost of the pens is ..."."""
    if re.search(r"\b(?:is|was|are|were|has|had)\b", phrase) or copula == "are":
        return None
    if money and not words and _MONEY_WORDS.search(phrase):
        return _ask(f"What {copula} {_lowered(phrase)}", [])
    counted = re.match(r"The (?:total )?number of ([a-z]+)", phrase)
    if counted and not money and (not words or words == [counted[1]]):
        return _ask(f"What {copula} {_lowered(phrase)}", [])
    return None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ask(start: str, rest: list[str]) -> str | None:
    text = " ".join([start, *rest])
    return f"{text}?" if len(text.split()) >= MIN_QUESTION_WORDS else None


def _lowered(text: str) -> str:
    first, _, rest = text.partition(" ")
    keep = first[:1].isupper() and first not in ("The", "His", "Her", "Their", "She", "He", "They", "Each", "It")
    return text if keep else f"{first.lower()} {rest}".strip()


def _needed(graph: Graph, number: int) -> set[int]:
    """Return the values (leaves and results) that mark `number` is computed from."""
    num_leaves, needed, todo = len(graph.leaves), set[int](), [len(graph.leaves) + number]
    while todo:
        index = todo.pop()
        if index not in needed:
            needed.add(index)
            todo += variables(graph.marks[index - num_leaves].tree) if index >= num_leaves else ()
    return needed


def _steps(graph: Graph, number: int) -> tuple[str, ...]:
    needed, first = _needed(graph, number), len(graph.leaves)
    kept = {mark.step for place, mark in enumerate(graph.marks, first) if place in needed}
    return tuple(step for place, step in enumerate(graph.steps) if place in kept)


def _story(graph: Graph, sentences: list[str], number: int) -> list[str] | None:
    """Return the sentences up to the last number needed; None if it is in the question, or one before is not needed."""
    leaves = {graph.leaves[index] for index in _needed(graph, number) if index < len(graph.leaves)}
    first = len(graph.leaves)
    used = leaves | {
        node[1] for index in _needed(graph, number) if index >= first for node in graph.marks[index - first].operands
        if node[0] == "c"
    }  # fmt: skip
    numbers = [{n.value for n in scan(sentence)} for sentence in sentences]
    places = [[place for place, values in enumerate(numbers) if leaf in values] for leaf in leaves]
    last = max((each[-1] for each in places), default=len(sentences) - 1)
    if last == len(sentences) - 1 or last != max(each[0] for each in places):
        return None  # a number that is told twice may belong to what happens later
    dropped = " ".join(sentences[last + 1 :])
    if used & ({n.value for n in scan(dropped)} | hidden_values(dropped)):
        return None
    if any(not used.intersection(values) for values in hidden_groups(" ".join(sentences[: last + 1]))):
        return None  # "she spent half of them on ..." belongs to what is asked for, and is not read
    # A number that is told before and not needed may have changed what is asked for.
    if any(values - used for values in numbers[: last + 1]):
        return None
    return sentences[: last + 1]


def _is_told(asks: str, story: list[str]) -> bool:
    """Say whether the story has every word that the question does not bring by itself."""
    exact = {word.lower() for word in _CONTENT.findall(" ".join(story))}
    told = {_stem(word) for word in exact}
    words = {word for word in _CONTENT.findall(asks) if word.lower() not in _FUNCTION}
    names = set(re.findall(r"(?<= )[A-Z][a-z]+", asks))
    # A verb may stand in another form; "the cupcake" where the story has cupcakes is another thing.
    if not all(_stem(word) in told if base_verb(word) else word.lower() in exact for word in words):
        return False
    # "Camp" alone is not what a story calls Camp Iris.
    if any(re.search(rf"\b{name} [A-Z][a-z]", " ".join(story)) for name in names if f"{name} " in asks + " "):
        return False
    return names <= set(re.findall(r"[A-Z][a-z]+", " ".join(story)))


def _is_stated(asks: str, story: list[str]) -> bool:
    """Say whether the story has a number right after the verb of the question: "burns 2300 a day" is no remainder."""
    if re.search(r"\bhave\b", asks) and not re.search(r"\b(?:left|now|remain\w*|still)\b", asks):
        return re.search(r"\b(?:has|had|have)\b[^.]*\d", " ".join(story)) is not None
    stems = {_stem(word) for word in asks.rstrip("?").split()[2:] if word not in _FUNCTION}
    return any(_stem(word) in stems for word in re.findall(r"([A-Za-z]+) \$?\d", " ".join(story)))


def _stem(word: str) -> str:
    word = word.lower()
    if found := helper_and_verb(word, "x"):
        word = found[1].base
    return re.sub(r"(?:ies|es|s|ed|ing|y|e)$", "", word) if len(word) > 3 else word


def _one_reading(asks: str, story: list[str]) -> bool:
    """Say whether "he", "she", "they" of the question can mean one person (or group) of the story only."""
    text = " ".join(story)
    genders = [gender_of(name) for name in names_in(text)]
    for word, possessive in (("he", "his"), ("she", "her")):
        if re.search(rf"\b(?:{word}|{possessive})\b", asks) and genders.count(word) != 1:
            return False
    return not re.search(r"\b(?:they|their|them|it|its)\b", asks)
