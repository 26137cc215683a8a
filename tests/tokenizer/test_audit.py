from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from ganita.corpus.document import Text
from ganita.corpus.registry import sets
from ganita.errors import GanitaError, IntegrityError
from ganita.progress import Reporter
from ganita.recipe import recipe_to_dict
from ganita.runs import Run
from ganita.storage import read_json, verify, write_json
from ganita.tokenizer import audit as room
from ganita.tokenizer import measures
from ganita.tokenizer.audit import AUDIT, GENERAL, OWN, PLAIN, audit, load_foreign
from ganita.tokenizer.measures import Contestant
from ganita.tokenizer.tokenizer import Tokenizer
from tests.tokenizer.corpora import NOUNS, build_tokenizer, make_corpus, make_problem, make_recipe, write_corpus

QUIET = Reporter(quiet=True)


def _letters(texts: Sequence[str]) -> list[list[int]]:
    return [[ord(character) for character in text] for text in texts]


# A tokenizer whose every measure is known: one token a character.
LETTERS = Contestant("letters", 128, _letters, lambda text: [(i, i + 1) for i in range(len(text))])


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with a merged tokenizer, ready for an audit; no public set is at hand."""
    monkeypatch.setattr(sets, "at_hand", lambda set_id: None)
    run = Run(tmp_path / "mine")
    make_corpus(run, count=120, held_out=10)
    recipe = make_recipe(full=True, method="merged")
    write_json(run.root / "recipe.json", recipe_to_dict(recipe))
    build_tokenizer(run, recipe)
    return run


def test_an_audit_measures_every_kind_and_writes_it_beside_the_stages(audited: Run) -> None:
    found = audit(audited, [], QUIET)
    assert read_json(audited.root / AUDIT) == found
    assert verify(audited.root / "tokenizer")  # the sealed stage is as it was
    assert list(found["contestants"]) == [OWN, PLAIN]
    assert set(found["left_out"]) == set(GENERAL)
    own, plain = (found["contestants"][name] for name in (OWN, PLAIN))
    assert list(own["kinds"]) == list(measures.KINDS)
    assert own["vocabulary_size"] == plain["vocabulary_size"] == 400
    for kind, row in own["kinds"].items():
        assert row["bytes"] == plain["kinds"][kind]["bytes"]
        assert row["bytes_per_token"] == pytest.approx(row["bytes"] / row["tokens"], abs=1e-4)
        share = row["tokens"] / plain["kinds"][kind]["tokens"] - 1
        assert plain["kinds"][kind]["this_run_takes"] == pytest.approx(share, abs=1e-6)
    assert own["kinds"]["numbers"]["bytes_per_token"] == 1.0  # single digits
    assert found["commands"] == ["\\alpha", "\\frac"]
    assert own["commands"]["of"] == 2
    assert plain["commands"]["of"] == 2
    assert found["tokenizer"] == Tokenizer.load(audited.stage("tokenizer")).fingerprint


def test_a_named_tokenizer_is_measured_beside_it(audited: Run, tmp_path: Path) -> None:
    whole = audited.stage("tokenizer")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "tokenizer.json").write_bytes((whole / "tokenizer.json").read_bytes())
    names = [str(tmp_path / "foreign"), str(whole / "tokenizer.json"), str(audited.root)]
    found = audit(audited, names, QUIET)
    entries = found["contestants"]
    assert list(entries) == [OWN, PLAIN, "foreign", "tokenizer", "mine"]
    for name in ("foreign", "tokenizer", "mine"):  # the same tokenizer as Hugging Face reads it
        assert {kind: row["tokens"] for kind, row in entries[name]["kinds"].items()} == {
            kind: row["tokens"] for kind, row in entries[OWN]["kinds"].items()
        }
        assert entries[name]["numbers"] == entries[OWN]["numbers"]
    # Of two that lie in folders of one name, the second is called by its path.
    again = str(tmp_path / "foreign" / "tokenizer.json")
    assert list(audit(audited, [names[0], again], QUIET)["contestants"])[-2:] == ["foreign", again]


def test_too_little_text_for_an_opponent_leaves_it_out(audited: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "at_hand", lambda set_id: object())
    monkeypatch.setattr(room, "_texts_of", lambda set_ids: iter(["a few words"]))
    found = audit(audited, [], QUIET)
    assert list(found["contestants"]) == [OWN, PLAIN]
    assert all("at most" in reason for reason in found["left_out"].values())


def test_a_named_tokenizer_that_is_not_there_or_broken_is_said_before_any_work(audited: Run, tmp_path: Path) -> None:
    with pytest.raises(GanitaError, match=r"--against nowhere: no tokenizer\.json there"):
        audit(audited, ["nowhere"], QUIET)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE"', encoding="utf-8")
    with pytest.raises(IntegrityError, match="is not a readable tokenizer"):
        load_foreign(str(tmp_path))
    assert not (audited.root / AUDIT).exists()


def test_truncation_and_padding_of_a_named_tokenizer_are_off(audited: Run, tmp_path: Path) -> None:
    tree = json.loads((audited.stage("tokenizer") / "tokenizer.json").read_text(encoding="utf-8"))
    tree["truncation"] = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tree), encoding="utf-8")
    assert len(load_foreign(str(tmp_path)).encode(["1234567"])[0]) == 7


def test_nothing_held_out_is_an_error(audited: Run) -> None:
    for path in (audited.root / "corpus" / "validation").iterdir():
        path.write_text("", encoding="utf-8")
    with pytest.raises(GanitaError, match="no held-out documents"):
        audit(audited, [], QUIET)


def test_a_general_text_bpe_is_trained_where_its_sets_are_at_hand(
    audited: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    data = audited.root.parent / "data"
    for set_ids in GENERAL.values():
        for set_id in set_ids:
            local = sets.find(set_id).local
            assert local is not None
            path = data / local.path
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [_general_row(number) for number in range(200)]
            path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    monkeypatch.setenv("GANITA_DATA", str(data))
    found = audit(audited, [], QUIET)
    assert list(found["contestants"]) == [OWN, PLAIN, *GENERAL]
    assert found["left_out"] == {}
    general = found["contestants"]["general-text BPE"]
    assert general["vocabulary_size"] == 400
    assert general["kinds"]["LaTeX"]["this_run_takes"] < -0.3  # it has never seen a command
    assert "cot-creak" in general["about"]


def _general_row(number: int) -> dict[str, str]:
    draw = random.Random(number)
    words = " ".join("".join(draw.choices("aeiou", k=2)) + draw.choice(NOUNS) for _ in range(12))
    text = f"People of town {number} know that {words} cost {number * 13 % 997} coins."
    return {"question": text, "answer": "yes", "rationale": "Because " + text, "text": text, "path": "a.rst"}


def test_a_plain_tokenizer_is_not_compared_with_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "at_hand", lambda set_id: None)
    run = Run(tmp_path)
    write_corpus(run, {split: {"words": [make_problem(n) for n in range(90)]} for split in ("train", "validation")})
    recipe = make_recipe(vocabulary_size=1420, digits="groups")
    write_json(run.root / "recipe.json", recipe_to_dict(recipe))
    build_tokenizer(run, recipe)
    found = audit(run, [], QUIET)
    assert list(found["contestants"]) == [OWN]
    assert "is one" in found["left_out"][PLAIN]
    own = found["contestants"][OWN]
    assert list(own["kinds"]) == ["worked problems", "numbers"]
    assert "commands" not in own  # there are none
    assert [row["tokens"] for row in own["numbers"]] == [1, 1, 1, 2, 2, 2, 3, 3]
    assert own["numbers"][7]["example"] == "12|345|678"
    assert 0 < own["uses"]["dead"] < 1100  # the corpus has no numbers of three digits above 200
    assert own["uses"]["learned"] == 1420 - 274


def test_the_tables_are_printed(audited: Run, capsys: pytest.CaptureFixture[str]) -> None:
    audit(audited, [], Reporter())
    printed = capsys.readouterr().out
    for word in ("this run", "plain BPE", "worked problems", "never used", "left out", AUDIT):
        assert word in printed, word


@pytest.mark.parametrize(
    ("text", "language", "content", "kind"),
    [
        ("A plain sentence.", "", "text", "prose"),
        ("A plain sentence.", "latex", "text", "LaTeX"),
        (r"By $\alpha$ we mean $\beta$.", "", "text", "LaTeX"),
        (r"One \emph{word} in " + "a long text " * 40, "markdown", "text", "prose"),
        ("x = 1", "python", "text", "code"),
        ("x = 1", "", "code", "code"),
        ("# Read me", "markdown", "code", "prose"),
        ("x = 1", "of-next-year", "text", "code"),
    ],
)
def test_kinds_of_text(text: str, language: str, content: str, kind: str) -> None:
    assert measures.kind_of(Text("1", "s", text, language=language), text, content) == kind
    assert measures.kind_of(make_problem(1), text, content) == "worked problems"


def test_bytes_and_tokens_are_counted() -> None:
    found = measures.bytes_per_token(LETTERS, {"prose": ["abc", "é" * 4] * 1000, "code": [""]})
    assert found["prose"] == {"bytes": 11_000, "tokens": 7_000, "bytes_per_token": pytest.approx(11 / 7, abs=1e-4)}
    assert found["code"] == {"bytes": 0, "tokens": 0, "bytes_per_token": 0.0}


def test_numbers_and_commands_of_a_known_tokenizer() -> None:
    rows = measures.number_splits(LETTERS)
    assert [row["tokens"] for row in rows] == list(range(1, 9))
    assert rows[2]["example"] == "1|2|3"
    texts = {"prose": [r"\a \ab \abc", "é \\ab"], "code": [r"\ab"]}
    assert measures.command_coverage(LETTERS, [r"\a", r"\ab"], texts) == {"of": 2, "whole": 0, "uncut_share": 0.0}
    words = Contestant("words", 0, lambda texts: [text.split() for text in texts], _words)
    assert measures.command_coverage(words, [r"\a", r"\ab"], texts) == {"of": 2, "whole": 2, "uncut_share": 1.0}
    half = Contestant("half", 0, words.encode, lambda text: [(0, 2), (2, 4), (4, len(text))])
    assert measures.command_coverage(half, [r"\a", r"\ab"], texts)["uncut_share"] == 0.5


def _words(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\S+", text)]


def test_common_commands_come_by_count_and_then_by_name() -> None:
    texts = [[r"\b \a \c", r"\frac12 \c{\c}"], [f"\\x{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(300)]]
    commands = measures.common_commands(texts)
    assert commands[:4] == ["\\c", "\\a", "\\b", "\\frac"]
    assert len(commands) == measures.NUM_COMMANDS


def test_uses_leave_out_what_was_not_learned(audited: Run) -> None:
    tokenizer = Tokenizer.load(audited.stage("tokenizer"))
    learned = 400 - 274
    assert measures.uses(tokenizer, []) == {"learned": learned, "dead": learned, "rare_share": 1.0}
    every = [tokenizer.token_bytes(token_id).decode("utf-8", "replace") for token_id in range(274, 400)]
    found = measures.uses(tokenizer, [every * 10, every])
    assert found["dead"] == 0
    assert found["rare_share"] == 0.0


def test_lone_surrogates_and_long_documents_are_measured(tmp_path: Path) -> None:
    run = Run(tmp_path)
    document = Text("1", "prose", "a\ud800b " * 10 + "word " * 600_000)
    folder = run.root / "corpus" / "validation"
    folder.mkdir(parents=True)
    row = {"kind": "text", "id": "1", "source": "prose", "text": document.text}
    (folder / "prose.jsonl").write_text((json.dumps(row) + "\n") * 3, encoding="utf-8")
    texts = measures.held_out(make_recipe(), run.root / "corpus")
    assert len(texts["prose"]) == 1  # the first is 2 MB already
    assert "\ud800" not in texts["prose"][0]


def test_the_module_names_what_the_general_text_is() -> None:
    for set_ids in GENERAL.values():
        assert all(sets.find(set_id).use == "train" for set_id in set_ids)
    assert room.AUDIT == "audit.json"
