from __future__ import annotations

import pytest

from ganita import progress
from ganita.progress import Reporter


def test_brackets_are_text_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter().say("[red]12[/red] of [34]")
    assert capsys.readouterr().out == "[red]12[/red] of [34]\n"


def test_a_warning_is_said_once_and_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter(quiet=True)
    for _ in range(3):
        reporter.warn("beware")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "warning: beware\n")


def test_without_a_terminal_progress_is_a_few_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter = Reporter()
    assert not reporter.live
    with reporter.bar("reading", 1000) as bar:
        bar.advance(1000)
    assert capsys.readouterr().out == "", "a quick count says nothing"
    monkeypatch.setattr(progress, "_PLAIN_SECONDS", 0.0)
    with reporter.bar("training", 2) as bar:
        bar.advance()
        bar.note("loss 1.5")
    assert capsys.readouterr().out.splitlines() == ["  training 1/2", "  training 1/2 loss 1.5"]


def test_quiet_shows_no_progress(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_SECONDS", 0.0)
    with Reporter(quiet=True).bar("training", 2) as bar:
        bar.advance()
    assert capsys.readouterr().out == ""
