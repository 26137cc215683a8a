"""Which texts are good enough: the rules of `[corpus.select]`, one document at a time.

Worked problems pass: families and number variants repeat each other by design. Length is not a rule here but a limit
of `[corpus]` (min_characters, max_characters). There is no rule about braces, symbols, ends of lines or particular
words, such as C4's (Raffel et al. 2020, section 2.2), which drops a page for one curly bracket: all of LaTeX and C.
That, and word tokenizers that need spaCy, is why datatrove's filters are not used (its C4 filter has the brace rule
switched on, as the paper has).
"""

from __future__ import annotations

from ganita.corpus.document import Document, Text
from ganita.corpus.selection.language import LanguageRule
from ganita.corpus.selection.quality import QualityModel
from ganita.corpus.selection.repetition import repetition
from ganita.errors import GanitaError
from ganita.recipe import Select

SHORT = 200  # characters below which a text is too short to be judged by any rule


class Selector:
    """Applies the rules; made once per process, then asked for every document."""

    def __init__(self, rules: Select, quality: QualityModel | None = None) -> None:
        """Make ready. `quality`: the learned score, where the source is to be judged by it.

        Raises `MissingExtraError` for languages without py3langid, `GanitaError` for one that is not known or a
        threshold that is no share.
        """
        for name in ("max_repetition", "min_quality"):
            if not 0 <= (value := getattr(rules, name)) <= 1:
                raise GanitaError(f"corpus.select.{name} = {value:g}: must be a share from 0 to 1")
        self._rules, self._quality = rules, quality
        self._language = LanguageRule(rules.languages) if rules.languages else None

    def check(self, document: Document, content: str) -> str:
        """Return "" for a document to keep, else why not: "repetition", "language" or "quality".

        Code has no language but its own and is not judged by a score learned from prose. Its lines are syntax, so only
        runs of words count as repetition.
        """
        if not isinstance(document, Text) or len(document.text) < SHORT:
            return ""
        text, code = document.text, content == "code"
        limit = self._rules.max_repetition
        if limit < 1 and repetition(text, lines=not code) > limit:
            return "repetition"
        if code:
            return ""
        if self._language is not None and not self._language.accepts(text):
            return "language"
        if self._quality is not None and self._quality.score(text) < self._rules.min_quality:
            return "quality"
        return ""
