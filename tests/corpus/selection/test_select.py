import pickle
import random
import sys
from typing import Any

import numpy as np
import pytest

from ganita.corpus.document import Problem, Text
from ganita.corpus.selection.quality import NUM_BUCKETS, QualityModel
from ganita.corpus.selection.select import Selector
from ganita.errors import GanitaError
from ganita.recipe import Select

LOOP = "We sell tickets at the best price there is, come and see. " * 50
LATEX = (
    r"\begin{align} \frac{\{a\}}{b} & \le \sum_{i}^{n} {x_i} \\ \end{align} lorem ipsum javascript {{{{ }}}} <<>> ;;;"
    * 3
)


def model(score: float) -> QualityModel:
    """A score that is the same for every text."""
    return QualityModel(np.zeros(NUM_BUCKETS, dtype=np.float32), 1.0, float(np.log(score / (1 - score))), {})


def text(content: str) -> Text:
    return Text("t", "source", content)


def check(document: Text | Problem, content: str = "text", quality: QualityModel | None = None, **rules: Any) -> str:
    return Selector(Select(**rules), quality).check(document, content)


def test_what_repeats_itself_is_dropped() -> None:
    assert check(text(LOOP)) == "repetition"
    assert check(text(LOOP), "code") == "repetition"
    assert check(text(LOOP), max_repetition=1.0) == ""
    assert check(text(LOOP[:100])) == ""


def test_lines_count_in_prose_only() -> None:
    lines = "\n".join(f"import x{n} from y{n}\nassert x is not None and y" for n in range(40))
    assert check(text(lines)) == "repetition"
    assert check(text(lines), "code") == ""


def test_the_threshold_is_a_share_of_the_text() -> None:
    draw = random.Random(1)
    rest = " ".join(f"w{draw.randrange(10**6)}" for _ in range(300))
    shares = [threshold / 10 for threshold in range(10) if check(text(LOOP + rest), max_repetition=threshold / 10)]
    assert 0.2 < max(shares) < 0.8
    assert shares == [share / 10 for share in range(len(shares))]


@pytest.mark.parametrize("content", ["text", "code"])
def test_braces_symbols_and_odd_words_are_no_reason(content: str) -> None:
    assert check(text(LATEX), content) == ""


def test_worked_problems_pass() -> None:
    problem = Problem("p", "source", LOOP, (LOOP, LOOP), "7")
    assert check(problem, quality=model(0.01), languages=("fr",)) == ""


def test_quality() -> None:
    assert check(text(LATEX), quality=model(0.4)) == "quality"
    assert check(text(LATEX), quality=model(0.6)) == ""
    assert check(text(LATEX), quality=model(0.4), min_quality=0.3) == ""
    assert check(text(LATEX), "code", quality=model(0.4)) == ""  # the seeds are prose


def test_language() -> None:
    pytest.importorskip("py3langid")
    german = text("Dieser Satz ist ganz und gar in deutscher Sprache geschrieben und nicht in einer anderen. " * 4)
    assert check(german, languages=("en",), max_repetition=1.0) == "language"
    assert check(german, languages=("en", "de"), max_repetition=1.0) == ""
    assert check(german, "code", languages=("en",), max_repetition=1.0) == ""


def test_the_language_package_is_needed_only_for_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    from ganita.corpus.selection import language

    language._load_identifier.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    assert check(text(LATEX)) == ""
    with pytest.raises(GanitaError, match="py3langid"):
        check(text(LATEX), languages=("en",))
    language._load_identifier.cache_clear()


@pytest.mark.parametrize(
    ("name", "value"), [("max_repetition", 30.0), ("min_quality", -0.1), ("max_repetition", float("nan"))]
)
def test_a_threshold_that_is_no_share_is_refused(name: str, value: float) -> None:
    with pytest.raises(GanitaError, match=f"corpus.select.{name} = "):
        check(text(""), **{name: value})


def test_what_a_task_needs_can_be_sent_to_a_process() -> None:
    rules, quality = pickle.loads(pickle.dumps((Select(), model(0.4))))
    assert Selector(rules, quality).check(text(LATEX), "text") == "quality"
