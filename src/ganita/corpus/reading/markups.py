"""The markups that a text can be cleaned of, by name or by the path of its file."""

from __future__ import annotations

from collections.abc import Callable

from ganita.corpus.reading.html import html_to_text
from ganita.corpus.reading.languages import language_of, suffix_of
from ganita.corpus.reading.latex import clean_latex
from ganita.corpus.reading.markdown import clean_markdown
from ganita.corpus.reading.notebook import NotebookError, notebook_to_markdown
from ganita.corpus.reading.pretext import is_pretext, pretext_to_text, root_of
from ganita.corpus.reading.shape import BadRowError, SkippedRowError

MARKUPS: dict[str, tuple[Callable[[str], str], str]] = {  # what cleans it, and the language of what comes out
    "latex": (clean_latex, "latex"),
    "html": (html_to_text, "markdown"),
    "markdown": (clean_markdown, "markdown"),
    "pretext": (pretext_to_text, "markdown"),
    "notebook": (notebook_to_markdown, "markdown"),
}


def clean(markup: str, text: str) -> tuple[str, str]:
    """Return a text cleaned of its markup, and the language of what is left.

    Raises `BadRowError` if it cannot be that markup, `SkippedRowError` if nothing is left of it.
    """
    cleaner, language = MARKUPS[markup]
    try:
        text = cleaner(text)
    except NotebookError as error:
        raise BadRowError(str(error)) from None
    if not text.strip():
        raise SkippedRowError("empty")
    return text, language


def form_of(path: str, text: str) -> str:
    """Return the markup that a path names, or an empty string for a type that stays as it stands.

    Raises `BadRowError` for XML that is not PreTeXt: nobody can say what of it is text.
    """
    if suffix_of(path) == ".ipynb":
        return "notebook"
    language = language_of(path, text)
    if language == "pretext" and not is_pretext(text):
        if root := root_of(text):
            raise BadRowError(f"XML, but not PreTeXt (it begins with <{root}>)")
        return "markdown"  # published corpora keep the path of a text that they have converted already
    return language if language in MARKUPS else ""
