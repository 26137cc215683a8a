"""Promise 7 from end to end: a planted benchmark question is found, trained around, and its item scored apart."""

from __future__ import annotations

import json
from pathlib import Path

from tests.corpus.corpora import BENCHMARK_QUESTION, read_jsonl, write_data_folder, write_jsonl
from tests.tiny import ganita, write_tiny


def test_a_planted_question_is_found_and_the_model_trains_without_it(tmp_path: Path) -> None:
    data = write_data_folder(tmp_path / "data")
    disguised = BENCHMARK_QUESTION.replace("14", "37").replace("23", "5").replace("Orla", "Bruno").upper()
    disguised = disguised.replace(".", "!").replace(",", " ;")
    planted = {"question": disguised, "solution": "37*15 = <<37*15=555>>\n#### 555", "answer": "555"}
    clean = [
        {"question": f"Ada has {n} pens and buys {n + 1}. How many?", "solution": f"<<{n}+{n + 1}={2 * n + 1}>>",
         "answer": str(2 * n + 1)}
        for n in range(40)
    ]  # fmt: skip
    write_jsonl(tmp_path / "own.jsonl", [*clean[:20], planted, *clean[20:]])
    recipe = write_tiny(tmp_path)
    own = f'\n[[corpus.sources]]\nname = "own"\npath = "{tmp_path / "own.jsonl"}"\nkind = "problem"\n'
    recipe.write_text(recipe.read_text().replace("[tokenizer]", f"{own}\n[tokenizer]"))

    done = ganita(
        "run", recipe, "--runs", tmp_path / "runs", "--no-plan", "--set", 'evaluate.tasks=["gsm8k"]', data=data
    )

    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs/tiny"
    assert {(row["item"], row["source"], row["decision"]) for row in read_jsonl(run / "corpus/ledger.jsonl")} == {
        ("t/0", "own", "dropped")
    }
    documents = (run / "corpus/train/own.jsonl").read_text() + (run / "corpus/validation/own.jsonl").read_text()
    assert documents.count("Ada") == 40
    assert "GREENHOUSE" not in documents
    result = json.loads((run / "evaluate/results.json").read_text())["gsm8k"]["contamination"]
    assert result["compared"]
    assert (result["clean"]["n"], result["touched"]["n"]) == (1, 1)
    assert [row["touched"] for row in read_jsonl(run / "evaluate/gsm8k/items.jsonl")] == [True, False]
