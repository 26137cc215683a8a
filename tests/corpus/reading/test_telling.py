from __future__ import annotations

import pytest

from ganita.arithmetic import calculate, parse_number
from ganita.corpus.document import MARK
from ganita.corpus.reading.calculation import NotToldError
from ganita.corpus.reading.formulas import formula
from ganita.corpus.reading.telling import tell

PENS = "A shop sells 60 red pens and 40 blue pens. If 20% of the pens are broken, how many pens are broken?"
CART = "A cart moves 60 km in 3 hours and rests for 2 hours. How many km is that per hour?"
TRAIN = "A train {} m long runs at {} km/hr. How many seconds does it need to pass a pole?"
CUPS = "A number of cups grows by 25% to 50. How many cups were there?"
JAR = "A jar holds 3/6 of a litre and a cup holds 1/6 of a litre. How many cups fill the jar?"


@pytest.mark.parametrize(
    ("question", "text", "steps"),
    [
        (
            PENS,
            "multiply(divide(20, const_100), add(60, 40))",
            ("The sum is 60 + 40 = <<60+40=100>>100.", "20% of 100 is 100 * 20/100 = <<100*20/100=20>>20."),
        ),
        (
            TRAIN.format(120, 36),
            "divide(120, multiply(36, const_0_2778))",
            ("This gives 36 * 5 / 18 = <<36*5/18=10>>10.", "The answer is 120 / 10 = <<120/10=12>>12."),
        ),
        (  # 50 * 5/18 is no decimal: written out where it is used
            TRAIN.format(125, 50),
            "divide(125, multiply(50, const_0_2778))",
            ("This gives 125 / (50 * 5 / 18) = <<125/(50*5/18)=9>>9.",),
        ),
        (
            CUPS,
            "divide(50, add(const_1, divide(25, const_100)))",
            ("The sum is 1 + 25/100 = <<1+25/100=1.25>>1.25.", "The answer is 50 / 1.25 = <<50/1.25=40>>40."),
        ),
        (JAR, "divide(divide(3, 6), divide(1, 6))", ("This gives 3 / 6 / (1 / 6) = <<3/6/(1/6)=3>>3.",)),
        (CART, "divide(60, add(3, 2))", ("The sum is 3 + 2 = <<3+2=5>>5.", "The answer is 60 / 5 = <<60/5=12>>12.")),
    ],
)
def test_a_calculation_is_told_in_steps(question: str, text: str, steps: tuple[str, ...]) -> None:
    told, answer = tell(question, formula(text))
    assert told == steps
    marks = [mark[2:-2].rpartition("=") for step in told for mark in MARK.findall(step)]
    assert all(parse_number(calculate(left) or "") == parse_number(right) for left, _, right in marks)
    assert marks[-1][2] == answer


@pytest.mark.parametrize(
    ("question", "text", "message"),
    [
        (PENS, "add(60, 40)", "is not used"),
        (PENS, "60", "is not used"),
        (PENS, "multiply(divide(20, const_100), add(60, 140))", "does not explain"),
        (PENS, "add(const_3, add(60, add(40, 20)))", "does not explain"),
        (PENS, "subtract(40, add(60, 20))", "its answer is not positive"),
        (PENS, "subtract(60, subtract(20, 40))", "a step is not positive"),
        (PENS, "divide(60, multiply(40, 20))", "at most 2 decimals"),
        (PENS, "divide(add(60, 40), add(20, 20))", "part of a thing"),
        (PENS, "divide(multiply(60, add(40, 20)), 60)", "cancels out"),
        (PENS, "subtract(add(60, add(40, 20)), 60)", "cancels out"),
        (PENS, "add(add(60, 40), add(20, subtract(const_100, const_1)))", "constants|does not explain"),
        (CART, "add(60, add(3, 2))", "two kinds"),
        ("A pen costs $4 and a pad costs $6. How much do both cost?", "multiply(4, 6)", "money by money"),
        (CUPS, "add(50, subtract(25, const_1))", "does not explain"),
        (JAR, "divide(multiply(3, 6), 6)", "taken apart"),
        (
            "A shop makes a profit of 20% of the selling price of a pan bought for $80. What does it sell for?",
            "multiply(80, add(const_1, divide(20, const_100)))",
            "wrong whole",
        ),
        ("There are 9 pens in the box and nothing else. How many pens are in it?", "multiply(9, const_1)", "explain"),
    ],
)
def test_a_calculation_that_cannot_be_the_solution_is_refused(question: str, text: str, message: str) -> None:
    with pytest.raises(NotToldError, match=message):
        tell(question, formula(text))


def test_too_long_a_solution_is_refused() -> None:
    numbers = [str(11 * place) for place in range(1, 12)]
    text = numbers[0]
    for number in numbers[1:]:
        text = f"add({text}, {number})"
    with pytest.raises(NotToldError, match="too many steps"):
        tell(f"What is the sum of {', '.join(numbers)}?", formula(text))
