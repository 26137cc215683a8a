"""Jupyter notebooks (nbformat 3 and 4) become Markdown: text, code in fences, and short outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ganita.corpus.reading.markdown import clean_markdown

MAX_OUTPUT_LINES = 20  # of one cell
MAX_OUTPUT_COLUMNS = 200
_OBJECT = re.compile(r"^<[\w.]+[^<>]* at 0x[0-9a-fA-F]+>,?$")  # how Python shows what it cannot show
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours of a terminal
_LANGUAGE = re.compile(r"[A-Za-z][\w+#-]{0,20}")


class NotebookError(ValueError):
    """The text is no notebook; the message says why."""


def notebook_to_markdown(source: str) -> str:
    """Return a notebook as Markdown.

    Outputs are plain text of at most 20 lines a cell; pictures, HTML, warnings and tracebacks are left out. Raises
    `NotebookError` if the text is not JSON, or not a notebook.
    """
    try:
        notebook = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise NotebookError(f"not JSON ({str(error)[:80]})") from None
    if not isinstance(notebook, dict):
        raise NotebookError(f"a JSON {type(notebook).__name__}, not a notebook")
    language = _language(notebook)
    cells = list(_cells(notebook))
    return "\n\n".join(text for cell in cells if (text := _cell(cell, language).strip("\n")))


def _cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the cells: they stand in the notebook itself (version 4) or in its worksheets (version 3)."""
    groups = [notebook] if "cells" in notebook else notebook.get("worksheets")
    if not isinstance(groups, list):
        raise NotebookError("neither cells nor worksheets")
    for group in groups:
        cells = group.get("cells") if isinstance(group, dict) else None
        if not isinstance(cells, list):
            raise NotebookError("its cells are not a list")
        for cell in cells:
            if not isinstance(cell, dict):
                raise NotebookError("a cell is not an object")
            yield cell


def _language(notebook: dict[str, Any]) -> str:
    """Return the language of the kernel, in lower case; Python where nothing is said."""
    metadata = notebook.get("metadata")
    for key, name in (("language_info", "name"), ("kernelspec", "language"), ("kernelspec", "name")):
        section = metadata.get(key) if isinstance(metadata, dict) else None
        value = section.get(name) if isinstance(section, dict) else None
        if isinstance(value, str) and (match := _LANGUAGE.match(value)):
            return re.sub(r"(?<=[a-z])[\d.]+$", "", match[0].lower())  # python3
    return "python"


def _cell(cell: dict[str, Any], language: str) -> str:
    kind = cell.get("cell_type")
    source = _text(cell.get("source", cell.get("input")))
    if kind == "markdown":
        return clean_markdown(source)
    if kind == "heading":  # version 3
        level = cell.get("level")
        return "#" * (level if isinstance(level, int) and 1 <= level <= 6 else 1) + " " + source
    if kind != "code" or not source.strip():
        return ""
    own = cell.get("language")
    text = _fenced(source.strip("\n"), own.lower() if isinstance(own, str) and _LANGUAGE.fullmatch(own) else language)
    output = _output(cell.get("outputs"))
    return f"{text}\n\n{_fenced(output, '')}" if output else text


def _output(outputs: Any) -> str:
    """Return what a cell printed and its value, in at most 20 lines."""
    if not isinstance(outputs, list):
        return ""
    text = "\n".join(filter(None, map(_printed, outputs)))
    lines = [_ESCAPE.sub("", line).rstrip() for line in text.split("\n", MAX_OUTPUT_LINES + 1)[: MAX_OUTPUT_LINES + 1]]
    lines = [line[:MAX_OUTPUT_COLUMNS] for line in lines if not _OBJECT.match(line)]
    if len(lines) > MAX_OUTPUT_LINES:
        lines[MAX_OUTPUT_LINES:] = ["..."]
    return "\n".join(lines).strip("\n")


def _printed(output: Any) -> str:
    if not isinstance(output, dict):
        return ""
    kind = output.get("output_type")
    if kind == "stream" and output.get("name", output.get("stream", "stdout")) == "stdout":
        return _text(output.get("text")).rstrip("\n")
    if kind in ("execute_result", "display_data", "pyout"):
        data = output.get("data", output)
        return _text(data.get("text/plain", data.get("text"))).rstrip("\n") if isinstance(data, dict) else ""
    return ""


def _text(value: Any) -> str:
    """Return a text that may be stored as a list of lines."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _fenced(text: str, language: str) -> str:
    """Put code into a fence longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
