from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.reading.latex import clean_latex, project, project_roots, read_project


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def names(folder: Path, paths: tuple[Path, ...] | list[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


BOOK = {
    "main.tex": "\\documentclass{mybook}\\usepackage{amsmath, mymacros}\\input{setup}\n\\begin{document}\n"
    "Start $\\R$ $\\C$ $\\K$\n\\include{chapters/one}\n\\input chapters/two\n\\subfile{chapters/three}"
    "\\import{parts/}{four}\n% \\input{nothing}\n\\verb|\\input{shown}|\n\\end{document}\n",
    "setup.tex": "\\newcommand{\\R}{\\mathbb{R}}",
    "mymacros.sty": "\\newcommand{\\C}{\\mathbb{C}}\n\\begin{document} junk\n\\endinput rubbish",
    "mybook.cls": "\\RequirePackage{deep}\\newcommand{\\K}{k}",
    "deep.sty": "\\newcommand{\\Q}{\\mathbb{Q}}",
    "chapters/one.tex": "One \\input{chapters/one-a} $\\Q$\n\\endinput\nnot this",
    "chapters/one-a.tex": "(one a)",
    "chapters/two.tex": "Two \\input{two-a}",
    "chapters/two-a.tex": "(two a)",
    "chapters/three.tex": "\\documentclass[../main]{subfiles}\\begin{document}Three\\end{document}",
    "parts/four.tex": "Four \\input{inner}",
    "parts/inner.tex": "(inner)",
}  # fmt: skip


def test_a_project_becomes_one_text_with_its_macros(tmp_path: Path) -> None:
    write(tmp_path, BOOK)
    found = read_project(tmp_path / "main.tex", tmp_path)
    assert found.problems == ()
    assert sorted(names(tmp_path, found.files)) == sorted(BOOK)
    assert clean_latex(found.text) == (
        "Start $\\mathbb{R}$ $\\mathbb{C}$ $k$\nOne (one a) $\\mathbb{Q}$\n\n"
        "Two (two a)\nThreeFour (inner)\n\\verb|\\input{shown}|"
    )


def test_the_documents_of_a_folder_are_found(tmp_path: Path) -> None:
    write(tmp_path, {**BOOK, "alone.tex": "x", "loop/a.tex": "\\input{b}", "loop/b.ltx": "\\input{loop/a}"})
    files = sorted(path for path in tmp_path.rglob("*") if path.suffix in (".tex", ".ltx"))
    assert names(tmp_path, project_roots(files, tmp_path)) == ["alone.tex", "loop/a.tex", "main.tex"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing", "no file 'missing'"),
        ("../secret", "'../secret' is outside of the folder"),
        ("/etc/hostname", "'/etc/hostname' is outside of the folder"),
        ("sub/../../secret.tex", "is outside of the folder"),
        ("link", "'link' is outside of the folder"),
        ("main", "'main' is inside itself"),
        ("sub/again", "'main' is inside itself"),
        ("binary", "a binary file"),
        ("latin", "not UTF-8 (byte 4)"),
        ("sub", "no file 'sub'"),
        ("x" * 5000, "no file"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path: Path, name: str, why: str) -> None:
    folder = tmp_path / "project"
    write(tmp_path, {"secret.tex": "SECRET"})
    write(folder, {"sub/again.tex": "again \\input{main}", "main.tex": f"before \\input{{{name}}} after"})
    (folder / "link.tex").symlink_to(tmp_path / "secret.tex")
    (folder / "binary.tex").write_bytes(b"a\0b")
    (folder / "latin.tex").write_bytes("abc\xe9".encode("latin-1"))
    found = read_project(folder / "main.tex", folder)
    assert found.text.startswith("before ")
    assert found.text.endswith(" after")
    assert "SECRET" not in found.text
    assert len(found.problems) == 1
    assert why in found.problems[0]
    assert "\n" not in found.problems[0]


def test_a_root_that_cannot_be_read_is_a_problem_and_no_error(tmp_path: Path) -> None:
    found = read_project(tmp_path / "gone.tex", tmp_path)
    assert (found.text, found.files) == ("", ())
    assert len(found.problems) == 1
    assert project_roots([tmp_path / "gone.tex"], tmp_path) == [tmp_path / "gone.tex"]


def test_a_declared_encoding_is_used(tmp_path: Path) -> None:
    (tmp_path / "a.tex").write_bytes(
        "\\usepackage[latin1]{inputenc}\\begin{document}caf\xe9\\input{b}".encode("latin-1")
    )
    (tmp_path / "b.tex").write_bytes("\xfcber".encode("latin-1"))
    assert clean_latex(read_project(tmp_path / "a.tex", tmp_path).text) == "caféüber"


def test_a_deep_chain_is_cut(tmp_path: Path) -> None:
    write(tmp_path, {f"f{index}.tex": f"{index},\\input{{f{index + 1}}}" for index in range(250)})
    found = read_project(tmp_path / "f0.tex", tmp_path)
    assert len(found.files) == 100
    assert found.text == "".join(f"{index}," for index in range(100))
    assert found.problems == ("'f99.tex': 'f100' is more than 100 files deep: left out",)


def test_a_file_is_read_once_however_often_it_is_named(tmp_path: Path) -> None:
    # Each file names the next one twice: 2^60 copies of the last one, were they all made.
    write(tmp_path, {f"f{index}.tex": f"{index} \\input{{f{index + 1}}}\\input{{f{index + 1}}}" for index in range(60)})
    found = read_project(tmp_path / "f0.tex", tmp_path)
    assert len(found.files) == 60
    assert found.problems == ("'f59.tex': no file 'f60'",) * 2


def test_the_size_of_a_project_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "MAX_BYTES", 1000)
    write(tmp_path, {"a.tex": "\\input{b}\\input{c}\\input{d}", "b.tex": "b" * 900, "c.tex": "c" * 900, "d.tex": "d"})
    found = read_project(tmp_path / "a.tex", tmp_path)
    assert found.text == "b" * 900 + "d"
    assert names(tmp_path, found.files) == ["a.tex", "b.tex", "d.tex"]
    assert len(found.problems) == 1
    assert "larger than" in found.problems[0]


def test_problems_are_bounded(tmp_path: Path) -> None:
    write(tmp_path, {"a.tex": "\\input{gone}" * 10_000})
    assert len(read_project(tmp_path / "a.tex", tmp_path).problems) == project.MAX_PROBLEMS


GRAPH = st.lists(st.sets(st.integers(0, 7), max_size=3), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(GRAPH, st.data())
def test_every_file_is_in_a_document_and_no_document_in_another(
    tmp_path_factory: pytest.TempPathFactory, graph: list[set[int]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    places = [data.draw(st.sampled_from(["", "a/", "a/b/"])) for _ in graph]
    paths = [f"{place}{index}.tex" for index, place in enumerate(places)]
    inputs = [{target for target in targets if target < len(graph)} for targets in graph]
    for path, targets in zip(paths, inputs, strict=True):
        write(folder, {path: "".join(f"\\input{{{paths[target]}}}" for target in sorted(targets))})
    files = [folder / path for path in paths]
    roots = project_roots(files, folder)
    covered = {path for root in roots for path in read_project(root, folder).files}
    assert covered == set(files)

    # A root is brought in by nobody, or by such files only as it brings in itself: a loop.
    def reach(start: int) -> set[int]:
        seen: set[int] = set()
        waiting = list(inputs[start])
        while waiting:
            index = waiting.pop()
            if index not in seen:
                seen.add(index)
                waiting += inputs[index]
        return seen

    for root in (files.index(path) for path in roots):
        assert all(index in reach(root) or index == root for index, targets in enumerate(inputs) if root in targets)


def test_thousands_of_files_are_sorted_out_in_a_moment(tmp_path: Path) -> None:
    write(tmp_path, {f"{index}.tex": f"\\input{{{index + 1}}}" for index in range(1000)})
    files = [tmp_path / f"{index}.tex" for index in range(1000)]
    start = os.times()
    assert project_roots(files, tmp_path) == [tmp_path / "0.tex"]
    assert os.times().user - start.user < 5


PARTS = ["\\input", "\\import", "\\usepackage", "{", "}", "{a}", "{../a}", "[", "]", "%", "\n", "x", "\\verb|", "#"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=20))
def test_broken_inclusions_are_no_error(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("broken")
    write(folder, {"a.tex": "".join(parts)})
    assert project_roots([folder / "a.tex"], folder) == [folder / "a.tex"]
    assert all("\n" not in problem for problem in read_project(folder / "a.tex", folder).problems)
