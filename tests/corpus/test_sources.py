from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganita.corpus.document import Problem, Text
from ganita.corpus.reading.forms import FORMS
from ganita.corpus.reading.readers import ROW_SUFFIXES, TEXT_SUFFIXES, BadLine, Skipped, SourceMissingError
from ganita.corpus.reading.shape import look_up
from ganita.corpus.sources import Item, Opened, documents_of, open_source, refuse_benchmarks
from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.recipe import Source
from tests.corpus.corpora import write_data_folder, write_jsonl

PAGE = "<html><body><nav>menu</nav><h1>Title</h1><p>Let <math alttext='x^2'></math> be.</p></body></html>"
TEX = "\\documentclass{article}\n\\begin{document}\nLet $x$ be. % comment\n\\input{part}\n\\end{document}\n"
NOTEBOOK = json.dumps(
    {"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "source": "1 + 1", "outputs": []}]}
)
POSTS = (
    '<posts>\n<row Id="1" PostTypeId="1" Score="5" Title="Sum" Body="&lt;p&gt;1+1?&lt;/p&gt;" />\n'
    '<row Id="2" PostTypeId="2" ParentId="1" Score="4" Body="&lt;p&gt;Count.&lt;/p&gt;So the answer is 2." />\n'
    '<row Id="3" PostTypeId="1" Score="5" Title="Why" Body="&lt;p&gt;Why?&lt;/p&gt;" />\n'
    '<row Id="4" PostTypeId="2" ParentId="3" Score="9" Body="&lt;p&gt;Because.&lt;/p&gt;" />\n'
    '<row Id="5" PostTypeId="1" Score="1" Title="No" Body="x" />\n</posts>\n'
)
PIECES = [
    b'{"text": "a"}\n', b'{"question": "q", "solution": "s", "answer": "a"}', b"\\begin{document}", b"\\input{x}", b"$",
    b"<p>", b"<m>", b"<chapter>", b"<row ", b"/>\n", b'Id="1" PostTypeId="1" Score="4" Body="x"', b'{"cells": [',
    b"]}", b"---\n",
]  # fmt: skip
FILES = {
    "paper/main.tex": TEX,
    "paper/part.tex": "A \\emph{part}.",
    "page.html": PAGE,
    "README.md": "---\ntitle: x\n---\n# Readme <b>bold</b>",
    "nb.ipynb": NOTEBOOK,
    "book.ptx": "<section><title>S</title><p>Text <m>y</m>.</p></section>",
    "code/f.py": "def f(x):\n    return x\n",
    "code/g.m": "function y = g(x) % square\n",
    "notes.txt": "Some <b>notes</b>.",
    "rows.jsonl": '{"text": "a row", "path": "x.tex"}\n',
    "Posts.xml": POSTS,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "own"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    return root


def source(path: Path | str, **given: Any) -> Source:
    return Source(name="s", path=str(path), **given)


def opened(given: Source) -> Opened:
    return open_source(given, 1, Reporter(quiet=True))


def read(given: Source) -> list[Item]:
    return list(documents_of(given, 1))


def texts(items: list[Item]) -> dict[str, tuple[str, str]]:
    return {item.id: (item.text, item.language) for item in items if isinstance(item, Text)}


def test_files_of_a_folder_are_read_by_their_type(folder: Path) -> None:
    items = read(source(folder))
    found = texts(items)
    main, language = found.pop("paper/main.tex")
    assert language == "latex"
    assert "Let $x$ be." in main
    assert "A \\emph{part}." in main or "A part." in main
    assert "comment" not in main
    assert "documentclass" not in main
    assert found == {
        "page.html": ("# Title\n\nLet $x^2$ be.", "markdown"),
        "README.md": ("# Readme bold", "markdown"),
        "nb.ipynb": ("```python\n1 + 1\n```", "markdown"),
        "book.ptx": ("# S\n\nText $y$.", "markdown"),
        "code/f.py": (FILES["code/f.py"], "python"),
        "code/g.m": (FILES["code/g.m"], "matlab"),
        "notes.txt": (FILES["notes.txt"], ""),
        "rows.jsonl:1": ("a row", "latex"),
        "Posts.xml/a/4": ("Question: Why\n\nWhy?\nAnswer: Because.", ""),
    }
    (problem,) = (item for item in items if isinstance(item, Problem))
    assert (problem.id, problem.question, problem.answer) == ("Posts.xml/a/2", "Sum\n\n1+1?", "2")
    assert any(step.endswith("So the answer is 2.") for step in problem.steps)
    assert [item.reason for item in items if isinstance(item, Skipped)] == ["score"]
    assert not [item for item in items if isinstance(item, BadLine)]


def test_a_part_of_a_latex_document_is_no_document_of_its_own(folder: Path) -> None:
    names = [file.name for file in opened(source(folder)).files]
    assert "main.tex" in names
    assert "part.tex" not in names
    assert len([item for item in read(source(folder, form="text")) if isinstance(item, Text)]) == len(FILES)


def test_form_text_gives_files_as_they_stand(folder: Path) -> None:
    found = texts(read(source(folder, form="text")))
    for name in ("paper/part.tex", "page.html", "README.md", "book.ptx"):
        assert found[name][0] == FILES[name]
    assert found["page.html"][1] == "html"
    assert found["Posts.xml"][0] == POSTS


def test_a_form_overrides_the_type_of_the_file(folder: Path) -> None:
    assert texts(read(source(folder / "notes.txt", form="html"))) == {"notes.txt": ("Some notes.", "markdown")}
    assert texts(read(source(folder / "rows.jsonl", form="by-path"))) == {"rows.jsonl:1": ("a row", "latex")}
    with pytest.raises(GanitaError, match=r"unknown form 'latx' \(did you mean 'latex'\?\)") as caught:
        opened(source(folder, form="latx"))
    assert "\n" not in str(caught.value)


def test_a_single_latex_file_brings_in_what_lies_beside_it(folder: Path) -> None:
    ((text, _),) = texts(read(source(folder / "paper/main.tex"))).values()
    assert "part" in text


def test_what_a_latex_project_lacks_is_a_note_and_not_a_bad_line(folder: Path) -> None:
    (folder / "paper/part.tex").unlink()
    items = read(source(folder / "paper"))
    assert len(texts(items)) == 1
    (note,) = (item for item in items if isinstance(item, Skipped))
    assert (note.reason, note.dropped) == ("incomplete LaTeX project", False)
    assert "part" in note.detail


def test_a_chain_and_a_loop_of_inputs_end(tmp_path: Path) -> None:
    for n in range(200):
        (tmp_path / f"c{n}.tex").write_text(f"Text {n}.\n\\input{{c{(n + 1) % 200}}}\n")
    assert len(texts(read(source(tmp_path)))) >= 1


def test_files_one_by_one_in_another_process_give_the_whole(folder: Path) -> None:
    given = source(folder)
    found = opened(given)
    one_by_one: list[Item] = []
    for file in found.files:
        arguments = pickle.loads(pickle.dumps((given, 1, file)))
        one_by_one += documents_of(*arguments)
    assert one_by_one == read(given)
    assert list(found.files) == sorted(found.files)


def test_sets_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANITA_DATA", str(write_data_folder(tmp_path / "data")))
    given = Source(set="gsm8k-train")
    found = opened(given)
    assert (found.name, found.kind, found.content, found.licence) == ("gsm8k-train", "problem", "text", "MIT")
    assert [item for file in found.files for item in documents_of(given, 1, file)] == read(given)
    assert len(read(Source(set="gsm8k-train", limit=7))) == 7


def test_rows_of_a_set_are_cleaned_by_their_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"source": "r", "path": "a.tex", "licence": "MIT", "text": "Let $x$. % no"},
        {"source": "r", "path": "b.ptx", "licence": "MIT", "text": "## Converted already\n\nText."},
        {"source": "r", "path": "c.xml", "licence": "MIT", "text": "<settings/>"},
        {"source": "r", "path": "d.rst", "licence": "MIT", "text": "Title\n=====\n"},
        {"source": "r", "path": "e.html", "licence": "MIT", "text": "<nav>x</nav>"},
        {"source": "r", "path": "f.unknown", "licence": "MIT", "text": "kept"},
        {"source": "r", "licence": "MIT", "text": "no path"},
    ]
    write_jsonl(tmp_path / "corpus/textbooks.jsonl.gz", rows)
    monkeypatch.setenv("GANITA_DATA", str(tmp_path))
    items = read(Source(set="textbooks", form="by-path"))
    assert texts(items) == {
        "r/a.tex": ("Let $x$.", "latex"),
        "r/b.ptx": (rows[1]["text"], "markdown"),
        "r/d.rst": (rows[3]["text"], "rst"),
        "r/f.unknown": ("kept", ""),
    }
    assert [(item.line, item.reason) for item in items if isinstance(item, Skipped)] == [(5, "empty")]
    bad = [(item.line, item.reason) for item in items if isinstance(item, BadLine)]
    assert bad == [(3, "XML, but not PreTeXt (it begins with <settings>)"), (7, "column 'path' is missing")]


def test_rows_below_the_score_are_skipped(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": f"t{n}", "meta": {"score": score}}
        for n, score in enumerate([0.5, 0.6, 0.9, float("nan"), None, "0.9", "much"])
    ]
    rows.append({"text": "as JSON", "meta": '{"score": 0.7}'})
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    given = source(path, min_score=0.6, fields={"score": "meta.score"})
    opened(given)
    items = read(given)
    assert [text for text, _ in texts(items).values()] == ["t1", "t2", "t5", "as JSON"]
    assert [item.line for item in items if isinstance(item, Skipped)] == [1, 4]
    assert [item.reason for item in items if isinstance(item, BadLine)] == ["column 'meta.score' holds no number"] * 2
    with pytest.raises(GanitaError, match="min_score needs the column"):
        opened(source(path, min_score=0.6))


def test_the_threshold_of_a_dump_is_the_least_score(folder: Path) -> None:
    given = source(folder / "Posts.xml", min_score=5)
    assert opened(given).kind == "problem"
    items = read(given)
    assert list(texts(items)) == ["Posts.xml/a/4"]
    assert [item.reason for item in items if isinstance(item, Skipped)] == ["score", "score"]
    as_text = read(source(folder / "Posts.xml", kind="text"))
    assert len(texts(as_text)) == 2


def test_columns_inside_columns() -> None:
    values = {"a": {"b": {"c": 1}}, "a.x": 2, "j": '{"k": [3]}', "bad": "{", "n": 5}
    assert look_up(values, "a.b.c") == 1
    assert look_up(values, "a.x") == 2
    assert look_up(values, "j.k") == [3]
    assert look_up(values, "n") == 5
    assert [look_up(values, column) for column in ("a.b.d", "bad.x", "n.x", "z", "z.y")] == [None] * 5


def test_problems_by_their_number_of_steps(tmp_path: Path) -> None:
    rows = [
        {"question": "q", "steps": [f"1+{n} = <<1+{n}={n + 1}>>{n + 1}" for n in range(1, number + 1)] + ["So."],
         "answer": str(number + 1)}
        for number in range(1, 6)
    ]  # fmt: skip
    rows.append({"question": "words", "steps": ["one", "two", "three"], "answer": "x"})
    path = write_jsonl(tmp_path / "p.jsonl", rows)
    items = read(source(path, kind="problem", min_steps=2, max_steps=3))
    assert [len(item.steps) for item in items if isinstance(item, Problem)] == [3, 4, 3]
    assert [item.reason for item in items if isinstance(item, Skipped)] == ["steps"] * 3
    with pytest.raises(GanitaError, match="running text, without steps"):
        opened(source(path, min_steps=2))
    with pytest.raises(GanitaError, match="max_steps = 1 is less"):
        opened(source(path, kind="problem", min_steps=2, max_steps=1))


def test_a_limit_counts_documents(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\nbroken\n{"text": "b"}\n{"text": "c"}\n')
    items = read(source(path, limit=2))
    assert [type(item) for item in items] == [Text, BadLine, Text]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"form": "text"}, "have no form"),
        ({"min_score": 0.5}, "have no min_score"),
        ({"fields": {"text": "x"}}, "have no fields"),
    ],
)
def test_generated_problems_have_no_columns(given: dict[str, Any], message: str) -> None:
    with pytest.raises(GanitaError, match=message):
        opened(Source(name="f", families="train", count=3, **given))


def test_content(folder: Path) -> None:
    assert opened(source(folder / "code")).content == "code"
    assert opened(source(folder / "paper")).content == "text"
    assert opened(source(folder / "code", content="text")).content == "text"
    assert opened(Source(name="f", families="train", count=3)).content == "text"


def test_the_first_row_without_a_column_names_those_there_are(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"texts": "x"}, {"texts": "y"}])
    first, second = read(source(path))
    assert isinstance(first, BadLine)
    assert isinstance(second, BadLine)
    assert first.reason == (
        "no column 'text' (did you mean 'texts'?); there are 'texts': set the right one in corpus.sources fields"
    )
    assert second.reason == "column 'text' is missing"


def bad_files(folder: Path) -> Iterator[str]:
    """One file for each way to be bad."""
    whole = gzip.compress(b"".join(b'{"text": "line %d of it"}\n' % n for n in range(2000)))
    for name, data in {
        "truncated.jsonl.gz": whole[: len(whole) // 2],
        "altered.jsonl.gz": whole[:200] + b"\0\0\0\0" + whole[204:],
        "binary.txt": bytes(range(256)) * 9,
        "binary.tex.gz": gzip.compress(b"\x7fELF\0\0"),
        "notebook.ipynb": b'{"cells": 7}',
        "half.ipynb": NOTEBOOK.encode()[:-5],
        "koi8.html": "<p>привет</p>".encode("koi8-r"),
        "settings.ptx": b"<settings><a/></settings>",
        "array.json": b'[{"text": "a"}, {"tex',
    }.items():
        (folder / name).write_bytes(data)
        yield name
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist([{"other": "x"}] * 3), folder / "other.parquet")
    yield "other.parquet"
    (folder / "cut.parquet").write_bytes((folder / "other.parquet").read_bytes()[:-30])
    yield "cut.parquet"


def test_bad_files_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    names = set(bad_files(tmp_path))
    (tmp_path / "latin.txt").write_bytes("déjà vu, une fois encore: voilà".encode("cp1252"))
    (tmp_path / "wide.md").write_bytes("# A text ∑".encode("utf-16"))
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "array.json").rename(tmp_path / "array.jsonl")  # folders do not read .json
    items = read(source(tmp_path))
    bad = {item.file for item in items if isinstance(item, BadLine)}
    assert bad == names - {"array.json"} | {"array.jsonl"}
    assert {item.text for item in items if isinstance(item, Text)} == {
        "déjà vu, une fois encore: voilà", "# A text ∑", "good",
    }  # fmt: skip
    notes = {(item.file, item.detail) for item in items if isinstance(item, Skipped)}
    assert notes == {("latin.txt", "Windows-1252"), ("wide.md", "UTF-16")}
    lost = {item.file: item.count for item in items if isinstance(item, BadLine)}
    assert lost["truncated.jsonl.gz"] > 500  # a source that is mostly broken has to go over its limit


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(
        st.one_of(st.binary(max_size=20), st.text(max_size=20).map(str.encode), st.sampled_from(PIECES)), max_size=5
    ).map(b"".join),
    suffix=st.sampled_from(sorted(ROW_SUFFIXES - {".parquet"} | TEXT_SUFFIXES)),
    form=st.sampled_from(["", *FORMS]),
)
def test_no_bytes_break_a_source(tmp_path: Path, data: bytes, suffix: str, form: str) -> None:
    path = tmp_path / f"Posts{suffix}"
    path.write_bytes(data)
    items = read(source(path, form=form))
    assert all(isinstance(item, (Text, Problem, BadLine, Skipped)) for item in items)


def test_what_is_missing_is_told_from_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError):
        opened(source(tmp_path / "gone"))


def test_a_benchmark_is_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_data_folder(tmp_path)
    monkeypatch.setenv("GANITA_DATA", str(data))
    for benchmark in (source(data / "eval"), source(data), Source(set="gsm8k-test")):
        with pytest.raises(GanitaError, match="is a benchmark and may not be trained on"):
            refuse_benchmarks(benchmark)
    refuse_benchmarks(source(data / "train"))
