"""The tokenizer stage: learn a byte-level BPE, or two and merge them, on a sample of the corpus, and measure it.

Same corpus, same recipe: same bytes of `tokenizer.json`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.recipe import Recipe
from ganita.recipe import Tokenizer as Settings
from ganita.runs import Run
from ganita.storage import write_json, write_text
from ganita.tokenizer.bpe import Merge, assemble, learn, num_merges
from ganita.tokenizer.merge import merge
from ganita.tokenizer.reading import read_documents, source_files
from ganita.tokenizer.sample import Sample, contents_of, count_words, document_text
from ganita.tokenizer.template import tokenizer_config
from ganita.tokenizer.tokenizer import TOKENIZER_FILE, Tokenizer

_MEASURE_BYTES = 2_000_000  # of the validation split, per source: bytes per token is steady long before that


def build(recipe: Recipe, run: Run, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Train the tokenizer of `recipe` into `folder`; return size, fingerprint, seconds, bytes per token.

    Raises `GanitaError` when the corpus is empty, too small for the vocabulary asked for, or, for a merged tokenizer,
    all text or all code.
    """
    corpus, settings = run.stage("corpus"), recipe.tokenizer
    started = time.monotonic()
    sample = draw(recipe, corpus, reporter)
    count = num_merges(settings.vocabulary_size, settings.digits)
    if settings.method == "merged":
        merges, origin = _learn_merged(sample, contents_of(recipe, corpus), settings, count, reporter)
    else:
        merges, origin = learn(sample, count, settings.min_frequency), {}
    trained = _whole(merges, settings)
    seconds = time.monotonic() - started
    write_text(folder / TOKENIZER_FILE, trained)
    write_json(folder / "tokenizer_config.json", tokenizer_config())
    tokenizer = Tokenizer.load(folder)
    report: dict[str, Any] = {
        "vocabulary_size": tokenizer.vocabulary_size,
        "fingerprint": tokenizer.fingerprint,
        "method": settings.method,
        "digits": settings.digits,
        **({"learned_tokens_of": origin} if origin else {}),
        "seconds": round(seconds, 3),
        "sample_bytes": dict(sample.taken),
        "bytes_per_token": measure(tokenizer, recipe, corpus),
    }
    write_json(folder / "report.json", report)
    reporter.say(
        f"  {tokenizer.vocabulary_size:,} tokens from {sum(sample.taken.values()):,} bytes in {seconds:.1f} s"
        f"{_summary_line(report['bytes_per_token'])}"
    )
    return report


def train(
    texts: Iterable[Sequence[str]],
    vocabulary_size: int,
    min_frequency: int,
    digits: Literal["single", "groups"] = "single",
) -> str:
    """Train one BPE on batches of texts and return its `tokenizer.json`, of exactly `vocabulary_size` tokens."""
    settings = Settings(vocabulary_size=vocabulary_size, min_frequency=min_frequency, digits=digits)
    return _whole(learn(texts, num_merges(vocabulary_size, digits), min_frequency), settings)


def draw(recipe: Recipe, corpus: Path, reporter: Reporter) -> Sample:
    """Return the sample of the corpus that the recipe's tokenizer is trained on; nothing of it is read yet."""
    files = [(source.label, path) for source, path in source_files(recipe, corpus, "train")]
    if not files:
        raise GanitaError(f"{corpus}: no training documents to learn a tokenizer from; check [[corpus.sources]]")
    return Sample(files, recipe.tokenizer.sample_bytes, reporter)


def measure(tokenizer: Tokenizer, recipe: Recipe, corpus: Path) -> dict[str, float]:
    """Return bytes per token of each source on the validation split (its first 2 MB)."""
    result = {}
    for source, path in source_files(recipe, corpus, "validation"):
        num_bytes = num_tokens = 0
        for document, _ in read_documents(path):
            text = document_text(document)
            num_bytes += len(text.encode("utf-8", "replace"))
            num_tokens += len(tokenizer.encode(text))
            if num_bytes >= _MEASURE_BYTES:
                break
        result[source.label] = round(num_bytes / max(num_tokens, 1), 4)
    return result


def _learn_merged(
    sample: Sample, contents: dict[str, str], settings: Settings, count: int, reporter: Reporter
) -> tuple[list[Merge], dict[str, int]]:
    """Learn a BPE on the text sources and one on the code sources, each of full size, and merge them.

    Return the merges, and how many of their tokens both BPEs knew, each knew alone, and the merged one found itself.
    """
    names = {side: [name for name, _ in sample.files if contents[name] == side] for side in ("text", "code")}
    for side, found in names.items():
        if not found:
            raise GanitaError(
                f"tokenizer.method = 'merged': no source of the recipe is {side}; set content = {side!r} where one is, "
                f"or tokenizer.method = 'plain'"
            )
    parts = sample.of(names["text"]), sample.of(names["code"])
    text, code = (learn(part, count, settings.min_frequency) for part in parts)
    words = count_words(parts[0]), count_words(parts[1])
    sample.taken.update(parts[0].taken | parts[1].taken)
    merges = merge(text, code, words, count, settings.code_share)
    of_text, of_code, final = ({left + right for left, right in pairs} for pairs in (text, code, merges))
    origin = {
        "both": len(final & of_text & of_code),
        "text": len((final & of_text) - of_code),
        "code": len((final & of_code) - of_text),
        "neither": len(final - of_text - of_code),
    }
    reporter.say("  merged: " + ", ".join(f"{number:,} tokens of {name}" for name, number in origin.items()))
    return merges, origin


def _whole(merges: list[Merge], settings: Settings) -> str:
    """Return the `tokenizer.json`, or say that the corpus does not give as many tokens as were asked for."""
    wanted = num_merges(settings.vocabulary_size, settings.digits)
    missing = wanted - len({left + right for left, right in merges})
    if missing:
        raise GanitaError(
            f"tokenizer.vocabulary_size = {settings.vocabulary_size}: the corpus gives at most "
            f"{settings.vocabulary_size - missing} tokens (pairs seen at least {settings.min_frequency} times); "
            f"set it to that or less, or add text"
        )
    return assemble(merges, settings.digits)


def _summary_line(bytes_per_token: dict[str, float]) -> str:
    if not bytes_per_token:
        return ""
    return "; held-out bytes per token: " + ", ".join(f"{name} {value:.2f}" for name, value in bytes_per_token.items())
