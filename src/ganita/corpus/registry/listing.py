"""What `ganita corpus list`, `show` and `get` print about the public sets."""

from __future__ import annotations

from itertools import islice

from ganita.corpus.document import Document, Problem, Text
from ganita.corpus.registry import hub, sets
from ganita.corpus.registry.sets import Home, Located, PublicSet
from ganita.corpus.sources import documents_of
from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.recipe import Source

_SHOWN_CHARACTERS = 1_500
_SHOWN_ROWS = 100  # of which the first that can be read is shown
_CHECKED = {
    "listing": "against a copy of the hub's own page of its files, not against the hub itself",
    "code": "against public code that reads these columns of these files, not against the hub itself",
    "card": "against what its authors publish; files and columns not",
    "": "against the files themselves",
}


def list_sets(reporter: Reporter) -> None:
    """Print a line for each public set: use, kind, licence, where it is, size; the languages of a set as one line."""
    entries = sorted(sets.registry().values(), key=lambda entry: (entry.use != "train", entry.id))
    wholes = {entry.id for entry in entries}
    reporter.say(f"{'set':<28} {'use':<5} {'kind':<7} {'licence':<26} {'where':<16} size")
    for entry in entries:
        if entry.part_of in wholes:  # twenty-six languages would bury the other sets
            continue
        licence = entry.licence + ("" if entry.commercial else " *")
        line = f"{entry.id:<28} {entry.use:<5} {entry.kind:<7} {licence:<26} {_where(entry):<16} {entry.size}"
        reporter.say(line.rstrip())
        if parts := [part.language for part in entries if part.part_of == entry.id]:
            reporter.say(f"{'  ' + entry.id}-LANGUAGE: {', '.join(parts)}")
    reporter.say("* not for commercial use, by its licence or its terms: corpus.commercial_only leaves it out")
    reporter.say("`ganita corpus show SET` says more, `ganita corpus get SET` downloads one")


def _where(entry: PublicSet) -> str:
    if found := sets.at_hand(entry.id):
        return "hub's cache" if found.revision else "GANITA_DATA"
    return "to download" if entry.hub else "GANITA_DATA only"


def show_set(name: str, reporter: Reporter) -> None:
    """Print all that is known of one set, and its first document if its files are at hand.

    Raises `GanitaError` for an unknown set.
    """
    entry, found = sets.find(name), sets.at_hand(name)
    reporter.say(f"{entry.id}: {entry.title}", style="bold")
    facts = {
        "use": "a benchmark: never trained on" if entry.use == "eval" else f"training, as {entry.kind}",
        "content": f"{entry.content}{f' ({entry.language})' if entry.language else ''}",
        "licence": entry.licence,
        "commercial use": "allowed" if entry.commercial else "not allowed, or not known to be",
        "terms": entry.terms,
        "size": entry.size,
        "download": f"{entry.bytes / 1e6:,.0f} MB" if entry.bytes else "",
        "page": entry.page,
        "under GANITA_DATA": f"{entry.local.path} ({_reading(entry.local)})" if entry.local else "",
        **(_hub_facts(entry, entry.hub) if entry.hub else {}),
        "at hand": f"{found.origin}, {_files(found)}" if found else "no",
    }
    for key, value in facts.items():
        if value:
            reporter.say(f"  {key:<18} {value}")
    if found:
        _show_first(name, found, reporter)


def _hub_facts(entry: PublicSet, home: Home) -> dict[str, str]:
    pinned = "" if hub.COMMIT.fullmatch(home.revision) else " (not a commit: it is resolved, and said, at download)"
    return {
        "on the hub": f"{hub.endpoint()}/datasets/{home.id}",
        "access": "accept the terms on that page, then set HF_TOKEN to a token of your account" * entry.gated,
        "revision": home.revision + pinned,
        "files": ", ".join(home.files),
        "read as": _reading(home),
        "checked": _CHECKED[entry.checked],
    }


def _reading(home: Home) -> str:
    fields = ", ".join(f"{name} = {column}" for name, column in home.fields.items())
    score = f", rows whose {home.score} is at least {home.min_score:g}" if home.score and home.min_score else ""
    unused = f", score {home.score} (see min_score)" if home.score and not home.min_score else ""
    return f"form {home.form}{f', fields {fields}' if fields else ''}{score}{unused}"


def _files(found: Located) -> str:
    return "1 file" if len(found.files) == 1 else f"{len(found.files):,} files"


def _show_first(name: str, found: Located, reporter: Reporter) -> None:
    document = _first_document(name, found)
    if document is None:
        raise GanitaError(f"set {found.set.id!r}: no document could be read from the first rows of {found.files[0]}")
    if isinstance(document, Problem):
        choices = [f"({chr(65 + number)}) {choice}" for number, choice in enumerate(document.choices)]
        text = "\n".join([document.question, *choices, *document.steps, f"#### {document.answer}"])
    else:
        text = document.text
    reporter.say(f"  first document     {document.id} ({len(text):,} characters)\n")
    reporter.say(text[:_SHOWN_CHARACTERS] + (" ..." if len(text) > _SHOWN_CHARACTERS else ""))


def _first_document(name: str, found: Located) -> Document | None:
    if found.set.use == "eval":
        return sets.load_problems(name, Reporter(quiet=True))[0]
    # The same way as a corpus is built, so that what is shown is what is trained on.
    items = documents_of(Source(set=name), seed=1, file=found.files[0])
    return next((item for item in islice(items, _SHOWN_ROWS) if isinstance(item, (Text, Problem))), None)


def get_set(name: str, reporter: Reporter) -> None:
    """Find a set, downloading it into the hub's cache if need be, and say where it is.

    Raises `SourceMissingError` that says what to do if it is nowhere.
    """
    found = sets.locate(name, reporter)
    num_bytes = sum(file.stat().st_size for file in found.files)
    reporter.say(f"{found.set.id}: {_files(found)}, {num_bytes / 1e6:,.1f} MB, {found.origin}")
    reporter.say(f"  in {found.files[0].parent}")
    if found.revision:
        reporter.say(f"  this revision in a recipe: set = '{found.set.id}@{found.revision}'")
    # At the moment of the download the licence is still news.
    if not found.set.commercial:
        reporter.warn(f"{found.set.id} is not for commercial use: {found.set.terms or found.set.licence}")
