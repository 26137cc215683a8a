"""`ganita tokenizer audit`: a run's tokenizer beside a plain BPE, a general-text BPE, and any that the user names.

The findings are written to `audit.json` in the run's folder, beside the stages and not in one: the tokenizer stage is
sealed, and an audit may be made again with other opponents.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from rich.table import Table

from ganita.corpus.document import Problem, Text
from ganita.corpus.registry import sets
from ganita.corpus.sources import documents_of
from ganita.errors import GanitaError, IntegrityError
from ganita.progress import Reporter
from ganita.recipe import Recipe, Source
from ganita.runs import Run
from ganita.storage import write_json
from ganita.tokenizer import measures
from ganita.tokenizer.build import draw, train
from ganita.tokenizer.measures import KINDS, MAX_DIGITS, RARE, Contestant
from ganita.tokenizer.pretokenize import split_marks
from ganita.tokenizer.sample import Sample, contents_of, document_text
from ganita.tokenizer.tokenizer import TOKENIZER_FILE, Tokenizer

AUDIT = "audit.json"
OWN, PLAIN = "this run", "plain BPE"
_COMMON_SENSE = ("cot-strategyqa", "cot-ecqa", "cot-creak", "cot-qasc", "cot-sensemaking")
# What a general-text BPE is depends on its text, so there are two: questions of common sense answered in words, with no
# mathematics in them; and the same with the documentation of numerical libraries, which has code and formulas.
GENERAL = {
    "general-text BPE": _COMMON_SENSE,
    "general text and docs BPE": (*_COMMON_SENSE, "docs-sympy-networkx-scipy"),
}


def audit(run: Run, against: Sequence[str], reporter: Reporter) -> dict[str, Any]:
    """Measure the tokenizer of `run` beside others, print tables, write `audit.json`, and return what is in it.

    `against` names tokenizers in Hugging Face form: a folder with a `tokenizer.json` (a run's too), or the file.
    Raises `GanitaError` if one of them is not there or cannot be read, or the run has no held-out documents.
    """
    started = time.monotonic()
    named = {name: load_foreign(name) for name in against}
    recipe, corpus = run.recipe(), run.stage("corpus")
    own = Tokenizer.load(run.stage("tokenizer"))
    texts = measures.held_out(recipe, corpus)
    if not texts:
        raise GanitaError(f"{corpus}: no held-out documents to measure on; set corpus.validation_share")
    sample = draw(recipe, corpus, reporter)
    contents = contents_of(recipe, corpus)
    prose = sample.of([name for name, _ in sample.files if contents[name] == "text"])
    commands = measures.common_commands(prose)
    entries = {OWN: _entry(_of_ours(own, _about(recipe)), texts, commands) | {"uses": measures.uses(own, sample)}}
    opponents, left_out = _measure_opponents(recipe, sample, texts, commands)
    entries |= opponents
    for name, contestant in named.items():
        label = _label(name)
        entries[label if label not in entries else name] = _entry(contestant, texts, commands)
    _compare(entries)
    found = {
        "tokenizer": own.fingerprint,
        "sample_bytes": sum(sample.taken.values()),
        "commands": commands,
        "contestants": entries,
        "left_out": left_out,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(run.root / AUDIT, found)
    _show(found, reporter)
    reporter.say(f"audit: {run.root / AUDIT}")
    return found


def load_foreign(name: str) -> Contestant:
    """Return a tokenizer in Hugging Face form, from its folder or its `tokenizer.json`. Raises `GanitaError`."""
    path = Path(name).expanduser()
    places = (path, path / TOKENIZER_FILE, path / "tokenizer" / TOKENIZER_FILE)
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise GanitaError(f"--against {name}: no {TOKENIZER_FILE} there; name a tokenizer's folder or file, or a run's")
    try:
        inner = tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception for whatever is wrong with the file
        raise IntegrityError(f"--against {name}: {file} is not a readable tokenizer ({error})") from None
    # Both would change the number of tokens.
    inner.no_truncation()
    inner.no_padding()

    def encode(texts: Sequence[str]) -> list[list[int]]:
        return [item.ids for item in inner.encode_batch_fast(list(texts), add_special_tokens=False)]

    def spans(text: str) -> list[tuple[int, int]]:
        found = inner.encode(text, add_special_tokens=False).offsets
        return [(start, end) for start, end in found if end > start]

    return Contestant(str(file), inner.get_vocab_size(), encode, spans)


def _label(name: str) -> str:
    """Return the name of the folder that a tokenizer lies in."""
    path = Path(name).expanduser().resolve()
    return path.parent.name if path.name == TOKENIZER_FILE else path.name


def _of_ours(tokenizer: Tokenizer, about: str) -> Contestant:
    def spans(text: str) -> list[tuple[int, int]]:
        ends = itertools.accumulate(len(tokenizer.token_bytes(token_id)) for token_id in tokenizer.encode(text))
        return list(itertools.pairwise([0, *ends]))

    return Contestant(about, tokenizer.vocabulary_size, tokenizer.encode_batch, spans)


def _about(recipe: Recipe) -> str:
    settings = recipe.tokenizer
    return f"{settings.method}, digits {'in groups' if settings.digits == 'groups' else 'single'}"


def _measure_opponents(
    recipe: Recipe, sample: Sample, texts: dict[str, list[str]], commands: Sequence[str]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Make and measure the opponents; return their entries, and why each of the others is left out."""
    entries: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for name, make in _opponents(recipe, sample).items():
        try:
            tokenizer, about = make()
        except GanitaError as error:  # too little text for so large a vocabulary, or a set that is not at hand
            left_out[name] = str(error)
            continue
        entries[name] = _entry(_of_ours(tokenizer, about), texts, commands)
        if name == PLAIN:  # the others were not trained on this sample, so that use on it says nothing of waste
            entries[name]["uses"] = measures.uses(tokenizer, sample)
    return entries, left_out


def _opponents(recipe: Recipe, sample: Sample) -> dict[str, Callable[[], tuple[Tokenizer, str]]]:
    """Return how to make each tokenizer that a run is compared with unasked; each is one BPE of the run's size."""
    settings = recipe.tokenizer

    def train_on(texts: Iterable[Sequence[str]]) -> Tokenizer:
        text = train(texts, settings.vocabulary_size, settings.min_frequency, settings.digits)
        return Tokenizer(tokenizers.Tokenizer.from_str(text), "")

    def plain() -> tuple[Tokenizer, str]:
        if settings.method == "plain":
            raise GanitaError("this run's tokenizer is one")
        return train_on(sample), "trained on the same bytes"

    def general(set_ids: Sequence[str]) -> tuple[Tokenizer, str]:
        if missing := [set_id for set_id in set_ids if sets.at_hand(set_id) is None]:
            raise GanitaError(f"needs {', '.join(missing)} under GANITA_DATA")
        return train_on(map(split_marks, _texts_of(set_ids))), f"trained on {', '.join(set_ids)}"

    return {PLAIN: plain} | {name: functools.partial(general, set_ids) for name, set_ids in GENERAL.items()}


def _texts_of(set_ids: Sequence[str]) -> Iterator[str]:
    for set_id in set_ids:
        for item in documents_of(Source(set=set_id), seed=0):
            if isinstance(item, (Text, Problem)):
                yield document_text(item)


def _entry(contestant: Contestant, texts: dict[str, list[str]], commands: Sequence[str]) -> dict[str, Any]:
    entry = {
        "about": contestant.about,
        "vocabulary_size": contestant.size,
        "kinds": measures.bytes_per_token(contestant, texts),
        "numbers": measures.number_splits(contestant),
    }
    return entry | ({"commands": measures.command_coverage(contestant, commands, texts)} if commands else {})


def _compare(entries: dict[str, dict[str, Any]]) -> None:
    """Note for each kind by what share this run takes more tokens than the other: -0.2 is a fifth less."""
    own = entries[OWN]["kinds"]
    for name, entry in entries.items():
        if name != OWN:
            for kind, found in entry["kinds"].items():
                found["this_run_takes"] = round(own[kind]["tokens"] / max(found["tokens"], 1) - 1, 6)


def _show(found: dict[str, Any], reporter: Reporter) -> None:
    """Print the findings as two tables: bytes per token with the difference in tokens, and the vocabulary itself."""
    if reporter.quiet:
        return
    entries = found["contestants"]
    kinds = [kind for kind in KINDS if kind in entries[OWN]["kinds"]]
    table = Table("held-out bytes per token", *kinds)
    for name, entry in entries.items():
        table.add_row(name, *(f"{entry['kinds'][kind]['bytes_per_token']:.3f}" for kind in kinds))
        if name != OWN:
            table.add_row(
                "  this run takes", *(f"{100 * entry['kinds'][kind]['this_run_takes']:+.2f} %" for kind in kinds)
            )
    reporter.console.print(table)
    table = Table(
        "vocabulary", "tokens", "never used", f"under {RARE} uses", "commands", "uncut", f"{MAX_DIGITS} digits"
    )
    for name, entry in entries.items():
        used, commands = entry.get("uses"), entry.get("commands")
        table.add_row(
            name,
            f"{entry['vocabulary_size']:,}",
            f"{used['dead']:,}" if used else "",
            f"{100 * used['rare_share']:.1f} %" if used else "",
            f"{commands['whole']} of {commands['of']}" if commands else "",
            f"{100 * commands['uncut_share']:.0f} %" if commands else "",
            entry["numbers"][-1]["example"],
        )
    reporter.console.print(table)
    for name, reason in found["left_out"].items():
        reporter.say(f"  {name}: left out, {reason}")
