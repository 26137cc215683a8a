"""What a tokenizer is trained on: an even sample of the corpus, the same at every reading."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from ganita.corpus.document import Document, Text
from ganita.progress import Reporter
from ganita.recipe import Recipe
from ganita.storage import read_json
from ganita.tokenizer.pretokenize import pre_tokenizer, split_marks
from ganita.tokenizer.reading import read_documents
from ganita.tokenizer.template import choices_text
from ganita.tokenizer.tokenizer import ANSWER

_PIECE = 16_384  # characters: sampling takes pieces, so that one huge document cannot be all or nothing


class Sample:
    """Batches of text to train on, drawn evenly: over the sources, and within each over its whole length.

    Iterating twice gives the same texts. `taken` counts the bytes drawn from each source so far.
    """

    def __init__(
        self,
        files: Sequence[tuple[str, Path]],
        sample_bytes: int,
        reporter: Reporter,
        quotas: Sequence[int] | None = None,
    ) -> None:
        self.files = files
        self.taken: defaultdict[str, int] = defaultdict(int)
        self._reporter = reporter
        self._quotas = quotas or share_evenly([path.stat().st_size for _, path in files], sample_bytes)

    def of(self, names: Collection[str]) -> Sample:
        """Return the part of this sample that comes from the sources `names`: the same texts, the others left out."""
        kept = [(file, quota) for file, quota in zip(self.files, self._quotas, strict=True) if file[0] in names]
        quotas = [quota for _, quota in kept]
        return Sample([file for file, _ in kept], sum(quotas), self._reporter, quotas)

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
                            yield split_marks(piece)


def count_words(sample: Sample) -> Counter[str]:
    """Return how often each word (a stretch between two cuts, in the byte alphabet) occurs in the sample."""
    cut = pre_tokenizer("single").pre_tokenize_str
    counts: Counter[str] = Counter()
    for batch in sample:
        for text in batch:
            counts.update([word for word, _ in cut(text)])
    return counts


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


def contents_of(recipe: Recipe, corpus: Path) -> dict[str, str]:
    """Map each source to its content, "text" or "code": what the recipe says, else the data card, else text."""
    path = corpus / "card.json"
    card = read_json(path).get("sources", {}) if path.is_file() else {}
    return {
        source.label: source.content or card.get(source.label, {}).get("content") or "text"
        for source in recipe.corpus.sources
    }


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]
