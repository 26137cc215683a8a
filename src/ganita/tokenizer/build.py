"""The tokenizer stage: train a byte-level BPE on a sample of the corpus and measure it.

Pre-tokenizer, decoder and byte alphabet are those of GPT-2 with every digit on its own (as in SmolLM and
StarCoder), so that numbers are spelled in a way that column arithmetic can use and llama.cpp knows the form.
Same corpus, same recipe: same bytes of `tokenizer.json`.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

from ganita.corpus.document import Document, Text
from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.recipe import Recipe
from ganita.runs import Run
from ganita.storage import write_json, write_text
from ganita.tokenizer.reading import read_documents, source_files
from ganita.tokenizer.template import choices_text, tokenizer_config
from ganita.tokenizer.tokenizer import ANSWER, MARKS, SPECIAL_TOKENS, TOKENIZER_FILE, Tokenizer, configure_parallelism

_PIECE = 16_384  # characters: sampling takes pieces, so that one huge document cannot be all or nothing
_MEASURE_BYTES = 2_000_000  # of the validation split, per source: bytes per token is steady long before that
_SPLIT_MARKS = re.compile("|".join(map(re.escape, MARKS)))


def build(recipe: Recipe, run: Run, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Train the tokenizer of `recipe` into `folder`; return size, fingerprint, seconds, bytes per token.

    Raises `GanitaError` when the corpus is empty or too small for the vocabulary asked for.
    """
    corpus = run.stage("corpus")
    files = [(source.name or source.set, path) for source, path in source_files(recipe, corpus, "train")]
    if not files:
        raise GanitaError(f"{corpus}: no training documents to learn a tokenizer from; check [[corpus.sources]]")
    started = time.monotonic()
    sample = Sample(files, recipe.tokenizer.sample_bytes, reporter)
    trained = train(sample, recipe.tokenizer.vocabulary_size, recipe.tokenizer.min_frequency)
    seconds = time.monotonic() - started
    write_text(folder / TOKENIZER_FILE, trained)
    write_json(folder / "tokenizer_config.json", tokenizer_config())
    tokenizer = Tokenizer.load(folder)
    report: dict[str, Any] = {
        "vocabulary_size": tokenizer.vocabulary_size,
        "fingerprint": tokenizer.fingerprint,
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


def train(texts: Iterator[Sequence[str]] | Sample, vocabulary_size: int, min_frequency: int) -> str:
    """Train on batches of texts and return the JSON of the tokenizer, of exactly `vocabulary_size` tokens."""
    configure_parallelism()
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=min_frequency,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in (*SPECIAL_TOKENS, *MARKS)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(iter(texts), trainer=trainer)
    if (largest := inner.get_vocab_size()) != vocabulary_size:
        raise GanitaError(
            f"tokenizer.vocabulary_size = {vocabulary_size}: the corpus gives at most {largest} tokens "
            f"(pairs seen at least {min_frequency} times); set it to {largest} or less, or add text"
        )
    return _with_plain_marks(inner.to_str(pretty=True))


class Sample:
    """Batches of text to train on, drawn evenly: over the sources, and within each over its whole length.

    Iterating twice gives the same texts. `taken` counts the bytes drawn from each source so far.
    """

    def __init__(self, files: Sequence[tuple[str, Path]], sample_bytes: int, reporter: Reporter) -> None:
        self.files = files
        self.taken: defaultdict[str, int] = defaultdict(int)
        self._reporter = reporter
        self._quotas = share_evenly([path.stat().st_size for _, path in files], sample_bytes)

    def __iter__(self) -> Iterator[list[str]]:
        self.taken.clear()
        with self._reporter.bar("read", sum(path.stat().st_size for _, path in self.files)) as bar:
            for (name, path), quota in zip(self.files, self._quotas, strict=True):
                rate = quota / path.stat().st_size
                seen = 0.0
                for document, num_bytes in read_documents(path):
                    bar.advance(num_bytes)
                    for piece in _pieces(document_text(document)):
                        size = len(piece.encode("utf-8", "replace"))
                        seen += size
                        # Take a piece whenever what was taken falls behind its share of what went by.
                        if self.taken[name] + size / 2 <= seen * rate:
                            self.taken[name] += size
                            yield _SPLIT_MARKS.split(piece)


def share_evenly(sizes: Sequence[int], total: int) -> list[int]:
    """Share `total` evenly over sources of the given sizes; what a small one cannot use goes to the others."""
    shares = [0] * len(sizes)
    left = total
    by_size = sorted(range(len(sizes)), key=sizes.__getitem__)
    for position, index in enumerate(by_size):
        shares[index] = min(sizes[index], left // (len(sizes) - position))
        left -= shares[index]
    return shares


def document_text(document: Document) -> str:
    """Return what a document says, as text: for a problem its question, choices, steps with marks, and answer."""
    if isinstance(document, Text):
        return document.text
    parts = (document.question, choices_text(document.choices), *document.steps)
    return "\n".join(filter(None, parts)) + ANSWER + document.answer


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
        result[source.name or source.set] = round(num_bytes / max(num_tokens, 1), 4)
    return result


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]


def _with_plain_marks(text: str) -> str:
    """Make the marks ordinary tokens: the trainer knows only special ones, which decoding would leave out."""
    tree = json.loads(text)
    for token in tree["added_tokens"]:
        token["special"] = token["content"] in SPECIAL_TOKENS
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def _summary_line(bytes_per_token: dict[str, float]) -> str:
    if not bytes_per_token:
        return ""
    return "; held-out bytes per token: " + ", ".join(f"{name} {value:.2f}" for name, value in bytes_per_token.items())
