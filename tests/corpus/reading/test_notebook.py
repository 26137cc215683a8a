from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.reading.markup import words
from ganita.corpus.reading.notebook import MAX_OUTPUT_COLUMNS, MAX_OUTPUT_LINES, NotebookError, notebook_to_markdown


def notebook(*cells: dict[str, Any], **metadata: Any) -> str:
    return json.dumps({"nbformat": 4, "metadata": metadata, "cells": cells})


def code(source: str | list[str], *outputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs), **more}


def printed(text: str | list[str]) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def test_text_code_and_outputs() -> None:
    text = notebook(
        {"cell_type": "markdown", "source": ["# Sums\n", "![x](attachment:image.png)\n", "$1+1$"]},
        code(
            ["x = 1 + 1\n", "x"], {"output_type": "execute_result", "data": {"text/plain": ["2"], "image/png": "AAAA"}}
        ),
        {"cell_type": "raw", "source": "\\newpage"},
        code("   "),
        kernelspec={"name": "python3", "language": "python"},
    )
    assert notebook_to_markdown(text) == "# Sums\n\n$1+1$\n\n```python\nx = 1 + 1\nx\n```\n\n```\n2\n```"


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({}, "python"),
        ({"language_info": {"name": "julia"}}, "julia"),
        ({"kernelspec": {"name": "sagemath"}}, "sagemath"),
        ({"kernelspec": {"name": "python3"}}, "python"),
        ({"kernelspec": {"name": "ir", "language": "R"}}, "r"),
        ({"kernelspec": 3, "language_info": {"name": "```\nevil"}}, "python"),
    ],
)
def test_code_is_in_the_language_of_the_kernel(metadata: dict[str, Any], language: str) -> None:
    assert notebook_to_markdown(notebook(code("x"), **metadata)) == f"```{language}\nx\n```"


def test_outputs_are_short_and_plain() -> None:
    outputs = [
        printed("".join(f"line {n} {'x' * 500}\n" for n in range(1000))),
        {"output_type": "stream", "name": "stderr", "text": "Warning"},
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["\x1b[0;31mE\x1b[0m"]},
        {"output_type": "display_data", "data": {"image/png": "iVBOR" * 1000}},
    ]
    lines = notebook_to_markdown(notebook(code("x", *outputs))).split("\n")[4:]
    assert len(lines) == MAX_OUTPUT_LINES + 3
    assert lines[-2:] == ["...", "```"]
    assert max(map(len, lines)) == MAX_OUTPUT_COLUMNS
    plot = {"output_type": "execute_result", "data": {"text/plain": "<Figure size 640x480 at 0x7f1c>"}}
    assert notebook_to_markdown(notebook(code("x", plot))) == "```python\nx\n```"
    assert notebook_to_markdown(notebook(code("x", printed("\x1b[31mred\x1b[0m")))).endswith("```\nred\n```")


def test_a_fence_inside_a_cell_does_not_end_it() -> None:
    assert notebook_to_markdown(notebook(code('s = """\n```\n"""'))) == '````python\ns = """\n```\n"""\n````'


def test_version_3() -> None:
    value = {"output_type": "pyout", "text": ["2"]}
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Sums"},
        {"cell_type": "code", "input": "1+1", "language": "python", "outputs": [value]},
    ]
    text = json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]})
    assert notebook_to_markdown(text) == "## Sums\n\n```python\n1+1\n```\n\n```\n2\n```"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"), ("{", "not JSON"), ("[" * 100_000, "not JSON"), ("[]", "a JSON list"),
        ("{}", "neither cells"),
        ('{"cells": 3}', "not a list"), ('{"cells": [3]}', "not an object"), ('{"worksheets": [1]}', "not a list"),
    ],
)  # fmt: skip
def test_what_is_no_notebook_is_named(text: str, message: str) -> None:
    with pytest.raises(NotebookError, match=message) as caught:
        notebook_to_markdown(text)
    assert "\n" not in str(caught.value)


KEYS = sorted(
    words(
        "cells worksheets cell_type source input outputs output_type text data text/plain metadata kernelspec name "
        "language level code markdown stream"
    )
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(KEYS),
            st.one_of(inner, st.sampled_from(["code", "markdown", "heading", "stream", "pyout", "stdout"])),
        ),
    ),
    max_leaves=20,
)


@settings(max_examples=66, deadline=None)
@given(json_values)
def test_any_json_is_a_notebook_or_says_why_not(value: Any) -> None:
    try:
        assert isinstance(notebook_to_markdown(json.dumps(value)), str)
    except NotebookError as error:
        assert str(error)
