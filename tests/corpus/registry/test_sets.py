from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ganita.corpus.document import Problem, Text
from ganita.corpus.reading.forms import FORMS, kind_of, to_benchmark_problem, to_document
from ganita.corpus.reading.languages import LANGUAGES
from ganita.corpus.reading.readers import SourceMissingError
from ganita.corpus.registry import hub, sets
from ganita.errors import GanitaError
from ganita.progress import Reporter
from tests.corpus.corpora import BENCHMARK_QUESTION, BENCHMARK_SOLUTION, write_data_folder, write_jsonl

ROOT = Path(__file__).parents[3]
HUB_ROWS = [{"question": BENCHMARK_QUESTION, "answer": BENCHMARK_SOLUTION}]
PINNED = "e53f048856ff4f594e959d75785d2c2d37b678ee"  # of openai/gsm8k, as the registry has it
OTHER = "740312add88f781978c0658806c59bfc2815b986"


def write_parquet(path: Path, rows: list[dict[str, str]] = HUB_ROWS) -> Path:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def hub_cache(root: Path, commit: str = PINNED, *, reference: str = "") -> Path:
    """Lay openai/gsm8k out as the hub's client caches it."""
    folder = root / "datasets--openai--gsm8k"
    write_parquet(folder / "snapshots" / commit / "main" / "test-00000-of-00001.parquet")
    if reference:
        (folder / "refs" / reference).parent.mkdir(parents=True, exist_ok=True)
        (folder / "refs" / reference).write_text(commit)
    return folder


def test_every_entry_is_complete_and_names_a_known_form() -> None:
    assert len(sets.registry()) > 40
    for entry in sets.registry().values():
        assert entry.use in ("train", "eval")
        assert entry.kind in ("text", "problem")
        assert entry.licence
        assert entry.size or entry.part_of or entry.id == "automathtext-arxiv"  # its authors do not say
        assert entry.language in LANGUAGES
        assert entry.content in ("text", "code")
        homes = [home for home in (entry.local, entry.hub) if home]
        assert homes
        assert all(home.form in FORMS for home in homes)
        assert entry.use == "eval" or all(kind_of(home.form) == entry.kind for home in homes)
        assert all(not home.min_score or home.score for home in homes)
        assert not entry.hub or (entry.hub.id.count("/") == 1 and entry.hub.files)
        assert bool(entry.hub) is (entry.checked in ("listing", "code", "card"))


def test_every_set_that_issue_and_field_name_is_there() -> None:
    wanted = {
        "automathtext-web", "automathtext-code-python", "automathtext-arxiv", "mathpile-textbooks",
        "algebraic-stack-haskell", "open-web-math", "finemath-3plus", "finemath-4plus", "stackmathqa", "metamathqa",
        "gsm8k-train", "gsm8k-aug", "tinygsm", "math-train", "aqua-train", "mathqa-train", "numinamath-cot",
        "openmathinstruct2", "openstax-math",
    }  # fmt: skip
    assert wanted <= set(sets.registry())
    web = sets.find("automathtext-web").hub
    assert web is not None
    assert (web.score, web.min_score) == ("meta.lm_q1q2_score", 0.6)


def test_a_revision_is_a_commit_or_known_not_to_be_one() -> None:
    unpinned = {
        e.hub.id: e.hub.revision for e in sets.registry().values() if e.hub and not hub.COMMIT.fullmatch(e.hub.revision)
    }
    assert unpinned == {
        "GAIR/MathPile_Commercial": "main",
        "TinyGSM/TinyGSM": "refs/convert/parquet",
        "allenai/math_qa": "refs/convert/parquet",
        "whynlp/gsm8k-aug": "refs/convert/parquet",
    }


def test_the_page_about_the_sets_names_each_repository_and_its_commit() -> None:
    page = (ROOT / "docs" / "sets.md").read_text(encoding="utf-8")
    for entry in sets.registry().values():
        if entry.hub:
            (line,) = (line for line in page.splitlines() if f"`{entry.hub.id}`" in line)
            assert entry.hub.revision in line
            assert entry.checked in line


def test_sets_by_language_are_the_same_set_with_other_files() -> None:
    whole, lean = sets.find("algebraic-stack"), sets.find("algebraic-stack-lean")
    assert whole.hub is not None
    assert lean.hub is not None
    assert whole.hub.files == ("algebraic-stack/train/*.jsonl.zst",)
    assert lean.hub.files == ("algebraic-stack/train/github-lean-train-*.jsonl.zst",)
    assert (lean.language, lean.content, lean.part_of) == ("lean", "code", "algebraic-stack")
    assert sets.find("algebraic-stack-latex").content == "text"


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        *((name, True) for name in ("MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-SA-3.0", "CC0-1.0")),
        *((name, True) for name in ("GFDL-1.2-or-later", "CECILL-B", "ODC-By-1.0", "GPL-3.0-or-later", "CC BY 4.0")),
        *(
            (name, False)
            for name in ("CC-BY-NC-4.0", "cc-by-nc-sa-4.0", "CC BY-NC 4.0", "PolyForm-Noncommercial-1.0.0")
        ),
        *((name, None) for name in ("", "unknown", "various", "not stated", "mitigated", "LicenseRef-ours")),
        ("MIT OR CC-BY-NC-4.0", True),
        ("CC-BY-4.0 AND CC-BY-NC-4.0", False),
        ("MIT AND unknown", None),
        ("unknown (research use)", False),
    ],
)
def test_which_licences_allow_commercial_use(licence: str, allowed: bool | None) -> None:
    assert sets.allows_commercial_use(licence) is allowed


def test_what_is_not_known_to_allow_commercial_use_does_not_and_exceptions_say_why() -> None:
    for entry in sets.registry().values():
        stated = sets.allows_commercial_use(entry.licence)
        assert entry.commercial is (stated is True) or entry.terms, entry.id
    assert not sets.find("asdiv").commercial  # NC
    assert not sets.find("mawps-addsub").commercial  # unknown
    assert not sets.find("tinygsm").commercial  # MIT, written by a model whose terms forbid it
    assert sets.find("textbooks").commercial  # each document names its own


def test_no_file_of_a_training_set_is_a_benchmark_file() -> None:
    places = Counter[tuple[str, str, str]]()
    for entry in sets.registry().values():
        if entry.is_slice:  # of training problems, for the choice of models
            continue
        if entry.local:
            assert (entry.use == "eval") is entry.local.path.startswith("eval/")
        for pattern in entry.hub.files if entry.hub else ():
            # One file in two forms is two sets: TinyGSM's programs as code, and told as steps.
            places[entry.hub.id, pattern, entry.hub.form] += 1  # type: ignore[union-attr]
            # What is not split into train and test by its authors has no test split.
            whole = entry.hub and entry.hub.id in ("math-ai/AutoMathText", "math-ai/StackMathQA")
            assert ("train" in pattern.lower() or "395K" in pattern or whole) is (entry.use == "train")
    assert max(places.values()) == 1


def test_unknown_set_names_the_nearest() -> None:
    with pytest.raises(GanitaError, match=r"no public set 'gsm8k-trian' \(did you mean 'gsm8k-train'\?\)"):
        sets.find("gsm8k-trian")


def test_ganita_data_in_its_own_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter) -> None:
    monkeypatch.setenv("GANITA_DATA", str(write_data_folder(tmp_path / "data")))
    problems = sets.load_problems("gsm8k-test", reporter)
    assert [problem.id for problem in problems] == ["t/0", "t/1"]
    assert problems[0].steps[0].startswith("Each tray carries 9 + 6 = <<9+6=15>>15")
    assert problems[0].answer == "187"
    assert sets.locate("gsm8k-test", reporter).origin == "GANITA_DATA/eval/gsm8k_test.jsonl.gz"


def test_ganita_data_in_the_layout_of_hub_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter
) -> None:
    monkeypatch.setenv("GANITA_DATA", str(tmp_path))
    write_parquet(tmp_path / "openai/gsm8k/main/test-00000-of-00001.parquet")
    (row,) = sets.open_set("gsm8k-test", reporter)
    assert row == {"question": BENCHMARK_QUESTION, "solution": BENCHMARK_SOLUTION}
    assert sets.load_problems("gsm8k-test", reporter)[0].answer == "187"


@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE"])
def test_the_hub_cache_is_read_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter, variable: str
) -> None:
    monkeypatch.setattr(hub, "download", lambda *_: pytest.fail("the network was asked"))
    monkeypatch.setenv(variable, str(tmp_path))
    hub_cache(tmp_path / "hub" if variable == "HF_HOME" else tmp_path)
    assert len(sets.load_problems("gsm8k-test", reporter)) == 1
    located = sets.locate("gsm8k-test", reporter)
    assert (located.origin, located.revision) == (f"hub:openai/gsm8k@{PINNED}", PINNED)


def test_a_revision_can_be_named_in_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANITA_DATA", str(write_data_folder(tmp_path / "data")))
    hub_cache(tmp_path / "cache", OTHER, reference="main")
    named = sets.locate(f"gsm8k-test@{OTHER}", reporter)
    assert named.revision == OTHER
    assert named.set.id == "gsm8k-test"
    assert sets.locate("gsm8k-test@main", reporter).revision == OTHER, "main is what refs say it is"
    assert sets.locate("gsm8k-test", reporter).origin.startswith("GANITA_DATA"), "a folder of one's own comes first"
    with pytest.raises(SourceMissingError, match=f"the cache has gsm8k-test@{OTHER}"):
        sets.locate(f"gsm8k-test@{PINNED}", reporter)
    with pytest.raises(GanitaError, match="set 'svamp' is not on the Hugging Face hub: write it without @v2"):
        sets.find("svamp@v2")


def test_a_cache_copied_by_hand_needs_no_refs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    hub_cache(tmp_path, OTHER)
    found = hub.cached("openai/gsm8k", "main", ["main/test-*.parquet"])
    assert found is not None
    assert found.revision == OTHER
    hub_cache(tmp_path, PINNED)
    assert hub.cached("openai/gsm8k", "main", ["main/test-*.parquet"]) is None, "two commits: which is main?"


def test_half_a_sharded_set_in_the_cache_is_not_taken_for_the_set(tmp_path: Path) -> None:
    for number in (0, 2):
        (tmp_path / f"train-{number:05d}-of-00003.parquet").touch()
    assert hub.matching(tmp_path, ["train-*.parquet"]) == []
    (tmp_path / "train-00001-of-00003.parquet").touch()
    assert len(hub.matching(tmp_path, ["train-*.parquet"])) == 3
    assert hub.matching(tmp_path, ["train-*.parquet", "test-*.parquet"]) == []


def test_a_download_fills_the_gap_and_names_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(repository: str, revision: str, patterns: tuple[str, ...], _: Reporter) -> hub.Snapshot:
        assert (repository, patterns) == ("openai/gsm8k", ("main/test-*.parquet",))
        return hub.Snapshot((write_parquet(tmp_path / "main/test-00000-of-00001.parquet"),), OTHER)

    monkeypatch.setattr(hub, "fetch", fetch)
    located = sets.locate("gsm8k-test@main", Reporter())
    assert located.revision == OTHER
    assert f"main of openai/gsm8k is pinned by set = 'gsm8k-test@{OTHER}'" in capsys.readouterr().out
    assert sets.locate("gsm8k-test", Reporter()).shape("x").licence == "MIT"
    assert capsys.readouterr().out == "", "it is pinned already"


def test_neither_home_reachable_names_both_in_one_line(tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(SourceMissingError) as caught:
        sets.locate("gsm8k-test", reporter)  # conftest takes the network away
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in ("GANITA_DATA", "eval/gsm8k_test.jsonl.gz", "openai/gsm8k", "Hugging Face"))


def test_a_set_without_a_hub_home_says_so(reporter: Reporter) -> None:
    with pytest.raises(SourceMissingError, match="not on the Hugging Face hub: set GANITA_DATA"):
        sets.locate("orz-math", reporter)


def test_ganita_data_that_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter) -> None:
    monkeypatch.setenv("GANITA_DATA", str(tmp_path / "gone"))
    with pytest.raises(GanitaError, match=r"GANITA_DATA = .*gone: no such folder"):
        sets.locate("gsm8k-test", reporter)


def test_rows_of_other_splits_in_the_same_file_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter
) -> None:
    rows = [
        {"split": split, "question": split, "options": ["1", "2"], "label": "B"} for split in ("dev", "test", "val")
    ]
    write_jsonl(tmp_path / "eval/mmlu_college_mathematics.jsonl.gz", rows)
    monkeypatch.setenv("GANITA_DATA", str(tmp_path))
    (problem,) = sets.load_problems("mmlu-college-mathematics", reporter)
    assert (problem.question, problem.choices, problem.answer, problem.steps) == ("test", ("1", "2"), "B", ())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"question": "q", "solution": "no mark"}'], "line 1: .*####"),
        (["{"], "line 1: not JSON"),
        ([], "holds no item"),
    ],
)
def test_a_benchmark_with_a_hole_in_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter, lines: list[str], message: str
) -> None:
    monkeypatch.setenv("GANITA_DATA", str(tmp_path))
    path = write_jsonl(tmp_path / "openai/gsm8k/main/test.jsonl", [])
    path.write_text("\n".join(lines))
    home = sets.Home(form="gsm8k", path="openai/gsm8k/main/test.jsonl")
    entry = sets.PublicSet("gsm8k-test", "", "eval", "problem", "MIT", home)
    monkeypatch.setattr(sets, "registry", lambda: {"gsm8k-test": entry})
    with pytest.raises(GanitaError, match=message):
        sets.load_problems("gsm8k-test", reporter)


def test_open_set_gives_plain_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter) -> None:
    monkeypatch.setenv("GANITA_DATA", str(write_data_folder(tmp_path)))
    rows = list(sets.open_set("gsm8k-train", reporter))
    assert len(rows) == 40
    assert set(rows[0]) == {"id", "question", "solution", "answer"}
    json.dumps(rows)


def test_a_file_name_is_a_benchmark_of_ones_own(tmp_path: Path, reporter: Reporter) -> None:
    rows = [
        {"question": f"What does section {n} ask?", "answer": str(n), "solution": f"{n} = <<{n}={n}>>{n}"}
        for n in (4, 7)
    ]
    name = str(write_jsonl(tmp_path / "held-out.jsonl.gz", rows))
    assert (sets.find(name).use, sets.find(name).kind) == ("eval", "problem")
    assert [(problem.answer, len(problem.steps)) for problem in sets.load_problems(name, reporter)] == [
        ("4", 1),
        ("7", 1),
    ]
    with pytest.raises(SourceMissingError, match=r"gone\.jsonl: no such file"):
        sets.load_problems(str(tmp_path / "gone.jsonl"), reporter)


# A row of each repository on the hub, with the columns that its files have.
ROWS = {
    "math-ai/AutoMathText": {"url": "u", "text": "x $y$", "date": None, "meta": {"lm_q1q2_score": 0.7, "lm_name": "q"}},
    "open-web-math/open-web-math": {"url": "u", "text": "t", "date": "2020", "metadata": "{}"},
    "HuggingFaceTB/finemath": {"url": "u", "text": "t", "score": 3.5, "int_score": 4, "language": "en"},
    "GAIR/MathPile_Commercial": {"text": "t", "SubSet": "Textbooks", "meta": {}},
    "EleutherAI/proof-pile-2": {"text": "def f(): pass", "meta": {}},
    "math-ai/StackMathQA": {"Q": "What is it?", "A": "The answer is 5.", "meta": {"url": "u", "question_score": "4"}},
    "TinyGSM/TinyGSM": {"question": "q", "code": "def simple_math_problem():\n  return 1 + 1"},
    "openai/gsm8k": {"question": "q", "answer": "1+1=<<1+1=2>>2\n#### 2"},
    "whynlp/gsm8k-aug": {"question": "q", "steps": ["<<1+1=2>>"], "answer": "2"},
    "EleutherAI/hendrycks_math": {"problem": "p", "level": "Level 5", "type": "Algebra", "solution": "so $\\boxed{2}$"},
    "HuggingFaceH4/MATH-500": {"problem": "p", "solution": "s", "answer": "2", "unique_id": "test/1.json", "level": 2},
    "meta-math/MetaMathQA": {"query": "q", "response": "It is 2.\n#### 2\nThe answer is: 2", "type": "GSM_AnsAug"},
    "AI-MO/NuminaMath-CoT": {"source": "s", "problem": "p", "solution": "so $\\boxed{2}$", "messages": []},
    "nvidia/OpenMathInstruct-2": {"problem": "p", "generated_solution": "s", "expected_answer": "2"},
    "deepmind/aqua_rat": {"question": "q", "options": ["A)1", "B)2"], "rationale": "It is 2.", "correct": "B"},
    "allenai/math_qa": {
        "Problem": "a tray holds 1 cup and 1 jug . how many things does the tray hold ?",
        "Rationale": "r", "options": "a ) 1 , b ) 2", "correct": "b", "annotated_formula": "add(1, 1)",
    },
    "cais/mmlu": {"question": "q", "subject": "s", "choices": ["1", "2"], "answer": 1},
}  # fmt: skip


def test_rows_of_every_repository_become_documents_of_the_kind_that_is_said() -> None:
    on_hub = [entry for entry in sets.registry().values() if entry.hub]
    assert {entry.hub.id for entry in on_hub if entry.hub} == set(ROWS)
    for entry in on_hub:
        assert entry.hub
        shape = sets.Located(entry, entry.hub, (), "").shape(entry.id)
        values = ROWS[entry.hub.id]
        if entry.use == "eval":
            assert to_benchmark_problem(values, shape, "x").answer in ("2", "B")
            continue
        document = to_document(values, shape, "x")
        assert isinstance(document, Problem if entry.kind == "problem" else Text), entry.id
        assert document.licence == entry.licence
        if isinstance(document, Text):
            assert document.language == entry.language
        else:
            assert document.steps
            assert document.answer in ("2", "5", "B")


def test_a_slice_is_a_stable_share_of_the_training_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"question": f"How many is {n} and {n}?", "answer": "2", "solution": "#### 2"} for n in range(2_000)]
    write_jsonl(tmp_path / "train" / "gsm8k_train.jsonl.gz", rows)
    monkeypatch.setenv("GANITA_DATA", str(tmp_path))
    whole = {problem.question for problem in sets.load_problems("gsm8k-train", Reporter(quiet=True))}
    small, large = (
        {problem.question for problem in sets.load_problems(name, Reporter(quiet=True))}
        for name in ("gsm8k-dev", "gsm8k-dev-wide")
    )
    assert small < large < whole
    assert 150 < len(small) < 250
    assert 720 < len(large) < 880
    assert [sets.find(name).is_slice for name in ("gsm8k-dev", "gsm8k-test", "gsm8k-train")] == [True, False, False]
