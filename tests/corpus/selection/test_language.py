import random
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.selection import language
from ganita.corpus.selection.language import LanguageRule, prose, sample
from ganita.errors import GanitaError, MissingExtraError

pytest.importorskip("py3langid")

TEXTS = {
    "en": "Let the function be continuous on the closed interval. Then it takes its largest value at some point of it, "
    "since the image of a compact set is compact. This theorem is used whenever we look for a minimum or a maximum, "
    "and its proof is the first place where the completeness of the real numbers is really needed.",
    "fr": "Soit une fonction continue sur un intervalle. On dit que la suite converge vers la limite si pour tout "
    "nombre positif il existe un rang à partir duquel tous les termes sont proches de la limite. Nous allons démontrer "
    "le théorème suivant, qui est une conséquence directe de la propriété de la borne supérieure.",
    "de": "Eine Folge heißt konvergent, wenn es zu jeder positiven Zahl einen Index gibt, ab dem alle Glieder der "
    "Folge nahe beim Grenzwert liegen. Der folgende Satz ist eine unmittelbare Folgerung aus der Vollständigkeit der "
    "reellen Zahlen und wird oft gebraucht, wenn man Integrale berechnen will.",
    "hi": "गणित में किसी फलन का अवकलज उस फलन के मान में होने वाले परिवर्तन की दर को दर्शाता है। यदि कोई फलन किसी "
    "अंतराल में संतत हो और उसके भीतर अवकलनीय हो तो उस अंतराल में कम से कम एक ऐसा बिंदु होता है जहाँ अवकलज औसत "
    "परिवर्तन दर के बराबर होता है। यह प्रमेय बहुत उपयोगी है और इसका प्रयोग कई अन्य प्रमेयों को सिद्ध करने में होता है।",
    "zh": "设函数在闭区间上连续，在开区间内可导，则在该区间内至少存在一点，使得函数在该点的导数等于端点函数值之差。"
    "这个定理是微积分学中最重要的定理之一，它建立了函数与导数之间的联系。2020年的考试中有一道题目考查了它的证明方法。"
    * 4,
}
FORMULAS = "\n\n".join(
    rf"\begin{{align*}} \sum_{{k=1}}^{{{n}}} \frac{{a_k}}{{b_k}} &\le \int_0^{{{n}}} f(x)\,dx \\ &= {n} \end{{align*}}"
    rf" $\mathrm{{Hom}}(A_{n}, B) \cong 0$ \[ \alpha_{n} = \beta \]"
    for n in range(40)
)
# A list of authors is in no language above all others; random letters are in none (zxx).
NAMES = "Kovalenko, Oyelaran, Nguyen, Silva, Yamamoto, Haddad, Moreau, Okafor, Lindqvist, Rossi, Novak, Costa\n" * 6
NO_WORDS = " ".join("".join(random.Random(n).choices("qwxzkjvbpfgh", k=7)) for n in range(60))
PROGRAM = "\n".join(f"def f_{n}(x):\n    return x.value[{n}] + self.total" for n in range(60))


@pytest.fixture(scope="module")
def english() -> LanguageRule:
    return LanguageRule(("en",))


@pytest.mark.parametrize("code", list(TEXTS))
def test_prose_is_known_by_its_language(english: LanguageRule, code: str) -> None:
    assert english.accepts(TEXTS[code]) == (code == "en")
    assert LanguageRule((code,)).accepts(TEXTS[code])
    assert LanguageRule(("en", code)).accepts(TEXTS[code])


@pytest.mark.parametrize("code", ["fr", "de", "zh"])
def test_mathematics_in_between_changes_nothing(english: LanguageRule, code: str) -> None:
    for text in (f"{FORMULAS}\n\n{TEXTS[code]}", f"{TEXTS[code]}\n\n{FORMULAS[:600]}\n\n{TEXTS[code]}"):
        assert LanguageRule((code,)).accepts(text)
    assert not english.accepts(f"{TEXTS[code]}\n\n{FORMULAS[:600]}\n\n{TEXTS[code]}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        FORMULAS,
        PROGRAM,
        f"```python\n{PROGRAM}\n```",
        "1 2 3 4.5 6e7\n" * 200,
        r"\usepackage{amsmath}" * 90,
        "aluminium\nbarium\ncalcium\nkalium\nnatrium\nferrum\nargentum\naurum\n" * 9,
        TEXTS["fr"][:120],
        NAMES,
        NO_WORDS,
    ],
)
def test_a_text_with_little_prose_passes(english: LanguageRule, text: str) -> None:
    assert english.accepts(text)


def test_a_long_text_is_looked_at_in_three_places(english: LanguageRule) -> None:
    long = "\n\n".join(f"{number}. {TEXTS['de']}" for number in range(200))
    assert not english.accepts(long)
    assert sum(len(piece) for piece in sample(long)) == pytest.approx(3 * language.PIECE, rel=0.2)
    assert sample(long)[0] == long[: language.PIECE]
    started = time.process_time()
    english.accepts(long * 100)
    assert time.process_time() - started < 1


def test_pieces_start_at_a_paragraph() -> None:
    """In the middle of one, a dollar could close as well as open, and formulas would pass for prose."""
    draw = random.Random(1)
    text = "\n\n".join("We have $" + "x" * draw.randrange(300) + "$ and so on." for _ in range(100))
    assert all(piece.startswith("We have") for piece in sample(text)[:2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"Let $f \in C$ be a \emph{continuous function} on it.", "Let be a continuous function on it."),
        ("A lone $ sign costs nothing at all.\n\nNor does $ here, in this one.", None),
        (r"\section{The first chapter of it}\label{s} \begin{align} x \end{align} which is short", None),
        (r"\begin{align} x and yet there is more of this", ""),
        ("```\nsome words in a fence\n```\nand some outside of the fence", "and some outside of the fence"),
        ("    indented words are code, mostly\nother words are not code", "other words are not code"),
        ("see <b>the</b> page https://a.b/c for &amp; nothing else", "see the page for nothing else"),
        ("the value `of the code` is printed here", "the value is printed here"),
        ("call numpy.linalg.norm or self_value or f(x)=3 in this line", "call or or in this line"),
        ("short\nlines\nof names", ""),
    ],
)
def test_prose(text: str, expected: str | None) -> None:
    kept = {
        "A lone": "A lone sign costs nothing at all. Nor does here, in this one.",
        "\\section": "The first chapter of it which is short",
    }
    assert prose(text) == (kept[next(key for key in kept if text.startswith(key))] if expected is None else expected)


@settings(max_examples=200)
@given(st.text(alphabet="$\\{}[]()`~ab \n\t<>&;beginend*éß世", max_size=300))
def test_no_text_is_too_strange(english: LanguageRule, text: str) -> None:
    assert isinstance(english.accepts(text), bool)
    assert not set(prose(text)) & set("$\\`{}\n")


@pytest.mark.parametrize(
    "text", ["$", "\\[", "\\begin{align}", "`", "<", "~~~\n", "$$", "\\begin{", "$a\n", "\t\n", "&a"]
)
def test_openings_without_an_end_take_no_long_time(english: LanguageRule, text: str) -> None:
    started = time.process_time()
    english.accepts(text * (100_000 // len(text)))
    prose(text * (2 * language.PIECE // len(text)))
    assert time.process_time() - started < 1


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(GanitaError, match=r"corpus\.select\.languages: unknown 'eng'.*did you mean 'en'"):
        LanguageRule(("eng",))


def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    language._load_identifier.cache_clear()
    with pytest.raises(MissingExtraError, match=r"ganita\[language\]"):
        LanguageRule(("en",))
    language._load_identifier.cache_clear()
