from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.errors import GanitaError, IntegrityError
from ganita.runs import Run
from ganita.shards.loader import NO_LOSS, Batch
from ganita.shards.silence import CalculatorTokens
from ganita.storage import read_json, seal, write_json
from ganita.tokenizer.tokenizer import Tokenizer
from tests.shards.streams import make_loader, write_shards

STREAMS = {"book": [40, 3, 90, 17], "sums.equations": [5, 9, 4, 12, 7], "sums.words": [9, 14, 8, 17, 6]}


def same(left: Batch, right: Batch) -> bool:
    return all(torch.equal(getattr(left, key), getattr(right, key)) for key in ("tokens", "targets", "documents"))


def join(batches: list[Batch]) -> Batch:
    return Batch(*(torch.cat([getattr(batch, key) for batch in batches]) for key in ("tokens", "targets", "documents")))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    write_shards(tmp_path, STREAMS)
    return tmp_path


def test_targets_are_the_next_token_of_the_same_document(small: Path) -> None:
    loader = make_loader(small)
    for step in range(10):
        batch = loader.rows(step)
        assert batch.tokens.shape == batch.targets.shape == batch.documents.shape == (8, 16)
        assert (batch.tokens.dtype, batch.targets.dtype, batch.documents.dtype) == (
            torch.int64,
            torch.int64,
            torch.int32,
        )
        inside = batch.documents >= 0
        # Values of a document count up, and jump at its border.
        assert torch.equal(batch.targets[inside], batch.tokens[inside] + 1)
        assert (batch.targets[~inside] == NO_LOSS).all() and (batch.tokens[~inside] == 0).all()
        same_document = (batch.documents[:, 1:] == batch.documents[:, :-1]) & inside[:, 1:]
        assert torch.equal(batch.tokens[:, 1:][same_document], batch.targets[:, :-1][same_document])
        # Numbers inside a row go 0, 1, 2, ... and padding comes last.
        steps = batch.documents[:, 1:] - batch.documents[:, :-1]
        assert (batch.documents[:, 0] == 0).all() and (((steps == 0) | (steps == 1)) | ~inside[:, 1:]).all()
        assert not (inside[:, 1:] & ~inside[:, :-1]).any()


@given(st.integers(0, 40), st.integers(1, 7), st.integers(0, 2))
@settings(max_examples=25, deadline=None)
def test_slices_of_a_batch_are_the_batch(
    tmp_path_factory: pytest.TempPathFactory, step: int, cut: int, seed: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "slices"
    if not folder.exists():
        write_shards(folder, STREAMS)
    loader, other = make_loader(folder, seed=seed), make_loader(folder, seed=seed)
    assert same(loader.rows(step), join([other.rows(step, 0, cut), other.rows(step, cut, 8)]))


def test_one_two_one_ranks_see_the_same_tokens_over_epoch_borders(small: Path) -> None:
    alone = [make_loader(small).rows(step) for step in range(12)]
    assert make_loader(small).draw.drawn(0, 4)["sums.equations"]["epochs"] > 1  # so the change below is past a border
    first = make_loader(small)
    replay = [first.rows(step) for step in range(4)]
    left, right = make_loader(small), make_loader(small)
    replay += [join([left.rows(step, 0, 4), right.rows(step, 4, 8)]) for step in range(4, 8)]
    last = make_loader(small)
    replay += [last.rows(step) for step in range(8, 12)]
    assert all(same(expected, got) for expected, got in zip(alone, replay, strict=True))


def test_batches_can_be_cut_differently(small: Path) -> None:
    """Rows are numbered through the run, so 4 batches of 8 are 2 batches of 16."""
    eight, sixteen = make_loader(small), make_loader(small, rows_per_batch=16, num_steps=32)
    for step in range(5):
        assert same(sixteen.rows(step), join([eight.rows(2 * step), eight.rows(2 * step + 1)]))


def test_each_stream_gives_every_pair_once_an_epoch(tmp_path: Path) -> None:
    documents = write_shards(tmp_path, {"book": [40, 3, 90, 17, 2, 5]}, shard_tokens=30)["book"]
    loader = make_loader(tmp_path, rows_per_batch=1)
    num_rows = -(-sum(len(document) - 1 for document in documents) // 16)
    for epoch in range(3):
        batch = join([loader.rows(epoch * num_rows + row) for row in range(num_rows)])
        inside = batch.documents >= 0
        expected = sorted(value for document in documents for value in document[:-1].tolist())
        assert sorted(batch.tokens[inside].tolist()) == expected
    assert loader.draw.drawn(0, num_rows)["book"] == {"rows": num_rows, "tokens": 151, "share": 1.0, "epochs": 1.0}


def test_rows_without_document_masking_are_one_document(small: Path) -> None:
    masked, whole = make_loader(small), make_loader(small, document_masking=False)
    for step in range(10):
        left, right = masked.rows(step), whole.rows(step)
        assert torch.equal(left.tokens, right.tokens) and torch.equal(left.targets, right.targets)
        assert torch.equal(right.documents, left.documents.clamp(max=0)), "padding stays apart"
        assert left.documents.max() > 0, "else the test says nothing"


def test_loss_on_solution_only(small: Path) -> None:
    everything, solution = make_loader(small), make_loader(small, loss_on="solution")
    documents = write_shards(small.parent / "again", STREAMS)
    prompt = {name: {int(d[i]) for d in documents[name] for i in range(len(d) // 3)} for name in documents}
    prompt["book"] = set()  # text has no prompt
    for step in range(10):
        full, masked = everything.rows(step), solution.rows(step)
        assert torch.equal(full.tokens, masked.tokens)
        for row in range(8):
            name = solution.origin(step, row).split("/")[1].split("-")[0]
            for before, after in zip(full.targets[row].tolist(), masked.targets[row].tolist(), strict=True):
                assert after == (NO_LOSS if before in prompt[name] else before)


def test_the_calculators_results_carry_no_loss(run: Run, tokenizer: Tokenizer) -> None:
    options: dict[str, Any] = {"weights": {"words": 1.0}, "context_length": 200}
    everything = make_loader(run.stage("shards"), **options)
    chosen = make_loader(run.stage("shards"), calculator=CalculatorTokens(tokenizer), **options)
    kept, silent = "", ""
    for step in range(3):
        full, masked = everything.rows(step), chosen.rows(step)
        assert torch.equal(full.tokens, masked.tokens)
        changed = full.targets != masked.targets
        assert (masked.targets[changed] == NO_LOSS).all()
        kept += tokenizer.decode(masked.targets[masked.targets != NO_LOSS].tolist())
        silent += tokenizer.decode(full.targets[changed].tolist())
    assert "<<" in kept and "=" in kept and "####" in kept
    assert re.fullmatch(r"([-\d.,/% ]+>>)+", silent), silent


@pytest.mark.parametrize(
    ("text", "silent"),
    [
        ("<<4+4=8>>8 eggs", "8>>"),
        ("<<4+4=8>> and <<8*2=16>>", "8>>16>>"),
        ("<<x=4=8>>", "4=8>>"),
        ("a = 3, no mark >> here", ""),
        ("5 << 3 = 40", " 40"),  # not closed: as the calculator, which waits for `=` only
        ("", ""),
    ],
)
def test_results_are_found_in_tokens(tokenizer: Tokenizer, text: str, silent: str) -> None:
    ids = np.array(tokenizer.encode(text), dtype=np.int64)
    assert tokenizer.decode(ids[CalculatorTokens(tokenizer).find(ids)].tolist()) == silent


def test_prompt_mask_with_real_documents(run: Run, tokenizer: Tokenizer) -> None:
    loader = make_loader(
        run.stage("shards"),
        weights={"words": 1.0},
        context_length=200,
        loss_on="solution",
        tokenizer_fingerprint=tokenizer.fingerprint,
    )
    batch = loader.rows(0)
    for row in range(8):
        for number in range(int(batch.documents[row].max()) + 1):
            here = batch.documents[row] == number
            tokens, targets = batch.tokens[row][here].tolist(), batch.targets[row][here].tolist()
            tag = next(i for i, t in enumerate(tokens) if t in (tokenizer.equations_id, tokenizer.words_id))
            assert targets[:tag] == [NO_LOSS] * tag
            assert targets[tag:] == [*tokens[tag + 1 :], tokenizer.end_id]
            assert "#### " in tokenizer.decode(targets[tag:])


def test_documents_that_do_not_fit(tmp_path: Path) -> None:
    write_shards(tmp_path, {"sums.words": [5, 40, 17, 18]})
    loader = make_loader(tmp_path)
    assert "sums.words: documents that do not fit a row of 16 tokens: 2" in loader.draw.report()["notes"]
    seen = {int(value) for step in range(3) for value in loader.rows(step).tokens.flatten()}
    assert seen == {0, *range(1, 5), *range(46, 62)}
    with pytest.raises(GanitaError, match=r"every document of stream 'sums\.words'"):
        make_loader(tmp_path, context_length=3)


def test_a_stream_smaller_than_a_row_is_padded(tmp_path: Path) -> None:
    write_shards(tmp_path, {"book": [3, 4]})
    batch = make_loader(tmp_path).rows(7)
    assert ((batch.documents >= 0).sum(dim=1) == 5).all()


def test_empty_validation_split(tmp_path: Path, small: Path) -> None:
    with pytest.raises(GanitaError, match="the validation split holds no documents"):
        make_loader(small, split="validation")


def test_validation_is_fixed(folder: Path) -> None:
    first, second = (make_loader(folder, split="validation", rows_per_batch=32) for _ in range(2))
    assert same(first.rows(0), second.rows(0))
    assert first.origin(0, 0).startswith("validation/")


def test_origin_names_files_and_documents(tmp_path: Path) -> None:
    documents = write_shards(tmp_path, {"sums.words": [9] * 30}, shard_tokens=50)["sums.words"]
    loader = make_loader(tmp_path, context_length=64)
    batch, origin = loader.rows(0), loader.origin(0, 0)
    assert "train/sums.words-0000" in origin
    named = {int(n) for part in origin.split("; ") for n in part.split("document")[1].lstrip("s ").split(", ")}
    expected = {i for i, document in enumerate(documents) if int(document[0]) in batch.tokens[0].tolist()}
    assert named == expected
    for part in origin.split("; "):
        file = int(part.split("-")[1][:5])
        assert all(int(n) // 5 == file for n in part.split("document")[1].lstrip("s ").split(", "))


@pytest.mark.parametrize(
    "name", ["train/book-00000.bin", "train/book.documents.npy", "train/book.prompts.npy", "index.json"]
)
def test_damage_is_named_and_refused(small: Path, name: str) -> None:
    path = small / name
    original = path.read_bytes()
    make_loader(small, weights={"book": 1.0, "sums": 1.0})
    path.write_bytes(original[:-1])
    with pytest.raises(IntegrityError, match="truncated or altered") as caught:
        make_loader(small, weights={"book": 1.0, "sums": 1.0})
    assert str(path) in str(caught.value)
    path.write_bytes(original[:-2] + bytes([original[-2] ^ 1]) + original[-1:])
    with pytest.raises(IntegrityError, match="SHA-256 differs"):
        make_loader(small, weights={"book": 1.0, "sums": 1.0})
    path.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        make_loader(small, weights={"book": 1.0, "sums": 1.0})
    path.write_bytes(original)
    make_loader(small, weights={"book": 1.0, "sums": 1.0})


def test_streams_that_are_not_opened_are_not_read(small: Path) -> None:
    (small / "train" / "sums.words-00000.bin").write_bytes(b"")
    make_loader(small, forms=("equations",))
    with pytest.raises(IntegrityError, match=r"sums\.words-00000\.bin"):
        make_loader(small)


def test_files_that_disagree_are_refused(small: Path) -> None:
    path = small / "train" / "book.prompts.npy"
    np.save(path, np.zeros(3, dtype=np.int32))
    (small / "manifest.json").unlink()
    seal(small, {})
    with pytest.raises(IntegrityError, match="disagree"):
        make_loader(small)


def test_another_tokenizer_is_refused(small: Path) -> None:
    make_loader(small, tokenizer_fingerprint="f" * 64)
    with pytest.raises(GanitaError, match="made with tokenizer ffffffffffff, not 0000"):
        make_loader(small, tokenizer_fingerprint="0" * 64)


@pytest.mark.parametrize(
    "options",
    [{"split": "test"}, {"loss_on": "x"}, {"context_length": 0}, {"rows_per_batch": 0}, {"num_steps": 0}],
)
def test_bad_options_are_refused(small: Path, options: dict) -> None:
    with pytest.raises(GanitaError):
        make_loader(small, **options)


def test_wide_vocabularies_use_four_bytes(tmp_path: Path) -> None:
    from ganita.shards.files import StreamWriter, token_dtype

    assert (token_dtype(65_536), token_dtype(65_537)) == ("<u2", "<u4")
    write_shards(tmp_path, {"book": [20]})
    with StreamWriter(tmp_path / "train", "book", "<u4", 50) as writer:
        writer.append([(list(range(70_000, 70_020)), 0)])
    index = read_json(tmp_path / "index.json")
    write_json(tmp_path / "index.json", {**index, "dtype": "<u4"})
    seal(tmp_path, {})
    assert make_loader(tmp_path, context_length=32).rows(0).tokens[0, :19].tolist() == list(range(70_000, 70_019))
