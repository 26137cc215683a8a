"""Another domain runs the same way, by its recipe alone: configs/law.toml shrunk to seconds, and one of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganita.arithmetic import calculate
from ganita.corpus.document import Problem, equations
from ganita.runs import STAGES, Run
from ganita.storage import read_json, read_jsonl
from tests.tiny import ganita

ROOT = Path(__file__).parent.parent
LAW = ROOT / "examples" / "law"
SHRUNK = [
    "model.layers=2", "model.width=32", "model.heads=2", "tokenizer.vocabulary_size=500", "train.batch_tokens=1024",
    "train.compile=off", "train.micro_rows=2", "train.validate_rows=4", "pretrain.steps=4", "finetune.steps=3",
    "evaluate.limit=4", "evaluate.max_new_tokens=12",
]  # fmt: skip

OWN = """
name = "own"

[corpus]
decontaminate = []

[[corpus.sources]]
name = "notes"
path = "{folder}/notes"

[[corpus.sources]]
name = "cases"
path = "{folder}/cases.jsonl"
kind = "problem"
fields = {{ question = "facts", solution = "reasons", answer = "amount" }}
finetune_weight = 1.0

[model]
context_length = 128

[evaluate]
tasks = ["{folder}/held-out.jsonl"]
"""


def run(recipe: Path | str, folder: Path, *extra: str) -> str:
    overrides = [word for value in (*SHRUNK, *extra) for word in ("--set", value)]
    done = ganita("run", recipe, "--runs", folder, "--no-plan", *overrides)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_law_from_its_statutes_to_its_own_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # its paths are written as from the root of the repository
    out = run("configs/law.toml", tmp_path)
    law = Run(tmp_path / "law")
    assert all(law.has(stage) for stage in STAGES)
    card = read_json(law.stage("corpus") / "card.json")
    assert card["sources"]["statutes"]["documents_in"] == 17
    assert all(count["documents"] for count in card["sources"]["statutes"]["kept"].values()), "none is held out"
    assert card["benchmarks"]["compared"] == ["examples/law/held-out.jsonl"]
    results = read_json(law.stage("evaluate") / "results.json")
    assert (results["held-out"]["n"], results["held-out"]["form"]) == (4, "words")
    assert "held-out: " in out


def test_a_domain_of_ones_own_keeps_its_test_out_of_its_training(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    birds = ("goose", "duck", "swan", "hen", "heron")
    for number in range(12):
        lines = [
            f"Rule {number}.{n}: who keeps a {bird} by the pond pays {number + n} coins."
            for n, bird in enumerate(birds)
        ]
        (tmp_path / "notes" / f"{number}.md").write_text("\n\n".join(lines), encoding="utf-8")
    planted = (
        "Grandmother Jorun keeps eleven speckled geese beside the northern mill pond for nine rainy autumn days, "
        "and every single goose costs two silver coins a day. How many coins does Jorun owe the village treasurer?"
    )
    cases = [
        {"facts": f"Tor keeps {n} geese for {m} days. What is due?", "reasons": f"<<{n}*{m}={n * m}>>", "amount": n * m}
        for n in range(2, 12)
        for m in range(2, 8)
    ]
    leaked = {"facts": planted.replace("eleven", "Eleven"), "reasons": "<<11*9=99>>\n<<99*2=198>>", "amount": 198}
    held_out = [
        {"question": planted, "answer": 198},
        {"question": "Una keeps 3 geese for 9 days: what?", "answer": "27"},
    ]
    write(tmp_path / "cases.jsonl", [*cases, leaked])
    write(tmp_path / "held-out.jsonl", held_out)
    recipe = tmp_path / "own.toml"
    recipe.write_text(OWN.format(folder=tmp_path), encoding="utf-8")
    run(recipe, tmp_path / "runs", "tokenizer.vocabulary_size=320")
    own = Run(tmp_path / "runs" / "own")
    assert "Jorun" not in "".join(path.read_text() for path in own.stage("corpus").glob("*/cases.jsonl"))
    hits = list(read_jsonl(own.stage("corpus") / "ledger.jsonl"))
    assert {hit["source"] for hit in hits} == {"cases"}
    assert read_json(own.stage("evaluate") / "results.json")["held-out"]["n"] == 2


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_every_worked_case_of_the_example_is_right() -> None:
    rows = list(read_jsonl(LAW / "problems.jsonl"))
    questions = {row["question"] for row in rows}
    assert len(questions) == len(rows)
    for row in rows:
        problem = Problem(row["id"], "cases", row["question"], tuple(row["solution"].split("\n")), row["answer"])
        marks = equations(problem)
        assert marks, row["id"]
        for expression, value in (mark[2:-2].split("=") for mark in marks):
            assert calculate(expression) == value, row["id"]
    held_out = list(read_jsonl(LAW / "held-out.jsonl"))
    assert not questions & {row["question"] for row in held_out}
    assert all(row["answer"].isdigit() for row in held_out)
