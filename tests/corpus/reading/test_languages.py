from __future__ import annotations

import time

import pytest

from ganita.corpus.reading.languages import (
    CODE,
    LANGUAGES,
    SUFFIXES,
    TEXT,
    content_of,
    known_language,
    language_of,
    suffix_of,
)


def test_every_suffix_belongs_to_one_language() -> None:
    listed = [suffix for _, suffixes in LANGUAGES.values() for suffix in suffixes]
    assert len(listed) == len(set(listed)) == len(SUFFIXES)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in listed)
    assert {content for content, _ in LANGUAGES.values()} == {TEXT, CODE}


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a/b/paper.tex", "latex"), ("README.md.gz", "markdown"), ("n.ipynb", "markdown"), ("a.PY", "python"),
        ("matrix.h", "c"), ("kernel.cu", "c"), ("x.hpp.zst", "c"), ("Main.hs", "haskell"), ("Basic.lean", "lean"),
        ("notes.txt", ""), ("Makefile", ""), ("archive.tar.gz", ""), (".tex", ""), ("", ""),
    ],
)  # fmt: skip
def test_language_by_suffix(path: str, language: str) -> None:
    assert language_of(path) == language


@pytest.mark.parametrize(
    ("path", "text", "language"),
    [
        ("f.m", "function y = f(x)\n  % squares x\n  y = x.^2;\nend\n", "matlab"),
        ("f.m", "A(1, :) = [1 2];\nif a == b, disp('(* not *)'), end", "matlab"),
        ("f.m", "#import <Foundation/Foundation.h>\n@implementation F\n@end\n", "objective-c"),
        ("f.m", "(* ::Package:: *)\nf[x_] := x^2\n", "mathematica"),
        ("f.m", "\ng[x_, y_Integer] = x + y", "mathematica"),
        ("ssrbool.v", "Lemma a : b. Proof. by []. Qed.\nModule M.\nEnd M.", "coq"),
        ("alu.v", "`timescale 1ns/1ps\nmodule alu (input a);\nendmodule", "verilog"),
    ],
)
def test_one_suffix_two_languages(path: str, text: str, language: str) -> None:
    assert language_of(path, text) == language


def test_telling_languages_apart_takes_no_time() -> None:
    started = time.perf_counter()
    for piece in ("a[", "a[_", " ", "\n", " \n", "a[b_", "module ", "@", "a" * 99 + "["):
        for path in ("x.m", "x.v"):
            language_of(path, piece * (500_000 // len(piece)))
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("name", "language"),
    [("Python", "python"), ("C++", "c"), ("TeX", "latex"), ("Jupyter Notebook", "markdown"), ("en", ""), ("", "")],
)
def test_names_that_columns_use(name: str, language: str) -> None:
    assert known_language(name) == language


def test_content_goes_with_the_majority() -> None:
    assert content_of(["a.py", "b.c", "README.md"]) == CODE
    assert content_of(["a.py", "b.tex"]) == TEXT
    assert content_of(["a.jsonl"]) == content_of([]) == TEXT
    assert suffix_of("a/b.c/D.Py.gz") == ".py"
