"""Exact arithmetic on expressions that nobody vouches for.

One evaluator serves the calculator at decoding time, the checking of worked steps, and the problem
families. It is a recursive-descent parser over `fractions.Fraction`: no `eval`, bounded in length,
depth, exponent and size of numbers, and safe from any thread.

Grammar (percent is postfix, as in the marks of GSM8K):

    sum     = product (("+" | "-") product)*
    product = signed (("*" | "/") signed)*
    signed  = ("-" | "+") signed | power
    power   = atom "%"* (("**" | "^") signed)?
    atom    = number | name | name "(" sum ("," sum)* ")" | "(" sum ")"
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

MAX_LENGTH = 200
MAX_DEPTH = 40
MAX_EXPONENT = 64
MAX_BITS = 256  # of numerator or denominator: 77 decimal digits

_TOKEN = re.compile(r"\s*(?:(\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d*)?|\d+\.?\d*|\.\d+)|([A-Za-z_]\w*)|(\*\*|[-+*/^%(),]))")
_SYMBOLS = str.maketrans({"×": "*", "÷": "/", "−": "-", "–": "-", "·": "*", "$": " ", "€": " ", "£": " "})


class ArithmeticRefusedError(ValueError):
    """The expression is not arithmetic, is out of bounds, or has no value."""


_FUNCTIONS: dict[str, Callable[..., Fraction]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": lambda x: Fraction(math.floor(x)),
    "ceil": lambda x: Fraction(math.ceil(x)),
    "mod": lambda x, y: x % y,
    "gcd": lambda x, y: Fraction(math.gcd(int(x), int(y))),
    "lcm": lambda x, y: Fraction(math.lcm(int(x), int(y))),
}


def evaluate(expression: str, names: Mapping[str, Fraction | int] | None = None) -> Fraction:
    """Return the exact value of `expression`.

    `names` gives values to variables; without it every name but a function is refused.
    Raises `ArithmeticRefusedError` for anything that is not bounded arithmetic, division by zero included.
    """
    if len(expression) > MAX_LENGTH:
        raise ArithmeticRefusedError(f"expression longer than {MAX_LENGTH} characters")
    try:
        return _Parser(expression.translate(_SYMBOLS), names or {}).parse()
    except ZeroDivisionError:
        raise ArithmeticRefusedError(f"division by zero in {expression!r}") from None


def format_number(value: Fraction) -> str:
    """Write a number as GSM8K's marks do.

    Integers and decimals of at most 4 places are exact; the rest is rounded to 2 decimals, or 4 below 1.
    """
    if value.denominator == 1:
        return str(value.numerator)
    scaled = value * 10_000
    places = 4 if scaled.denominator == 1 or abs(value) < 1 else 2
    text = f"{float(round(value, places)):.{places}f}"
    return text.rstrip("0").rstrip(".") or "0"


def calculate(expression: str) -> str | None:
    """Return the value of `expression` as text, or None where the calculator refuses."""
    try:
        return format_number(evaluate(expression))
    except ArithmeticRefusedError:
        return None


def parse_number(text: str) -> Fraction | None:
    """Read a number as people write it in answers (`1,234.50`, `$5`, `3/4`, `20%`); None if it is not one.

    A percent sign is dropped, not applied: GSM8K's gold answers give `20` for `20%`.
    """
    cleaned = text.translate(_SYMBOLS).replace(",", "").replace("%", "").strip().rstrip(".")
    if len(cleaned) > MAX_LENGTH or not re.fullmatch(r"[-+]?\s*(\d+\.?\d*|\.\d+)(\s*/\s*\d+)?", cleaned):
        return None
    try:
        return Fraction(cleaned.replace(" ", ""))
    except (ValueError, ZeroDivisionError):  # "1.5/2" is no Fraction literal
        numerator, _, denominator = cleaned.replace(" ", "").partition("/")
        return Fraction(numerator) / Fraction(denominator) if denominator and int(denominator) else None


class _Parser:
    """One pass over the tokens of one expression."""

    def __init__(self, text: str, names: Mapping[str, Fraction | int]) -> None:
        self.names = names
        self.tokens = self._split(text)
        self.at = 0
        self.depth = 0

    @staticmethod
    def _split(text: str) -> list[str]:
        tokens, position = [], 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ArithmeticRefusedError(f"{text[position : position + 12]!r} is not arithmetic")
            tokens.append(match.group().strip())
            position = match.end()
        return tokens

    def parse(self) -> Fraction:
        value = self._sum()
        if self.at != len(self.tokens):
            raise ArithmeticRefusedError(f"unexpected {self.tokens[self.at]!r}")
        return value

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self.at += 1
        return token

    def _sum(self) -> Fraction:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ArithmeticRefusedError(f"nested deeper than {MAX_DEPTH}")
        value = self._product()
        while self._peek() in ("+", "-"):
            value = value + self._product() if self._take() == "+" else value - self._product()
        self.depth -= 1
        return _bounded(value)

    def _product(self) -> Fraction:
        value = self._signed()
        while self._peek() in ("*", "/"):
            value = _bounded(value * self._signed() if self._take() == "*" else value / self._signed())
        return value

    def _signed(self) -> Fraction:
        sign = 1
        while self._peek() in ("-", "+"):
            sign = -sign if self._take() == "-" else sign
        return sign * self._power()

    def _power(self) -> Fraction:
        value = self._atom()
        while self._peek() == "%":
            self._take()
            value /= 100
        if self._peek() in ("**", "^"):
            self._take()
            value = _power(value, self._signed())
        return value

    def _atom(self) -> Fraction:
        token = self._take()
        if token == "(":
            value = self._sum()
            if self._take() != ")":
                raise ArithmeticRefusedError("a parenthesis is not closed")
            return value
        if token[:1].isdigit() or token[:1] == ".":
            return _bounded(Fraction(token.replace(",", "")))
        if token in _FUNCTIONS and self._peek() == "(":
            return self._call(token)
        if token in self.names:
            return Fraction(self.names[token])
        raise ArithmeticRefusedError(f"unexpected {token!r}" if token else "the expression ends too early")

    def _call(self, name: str) -> Fraction:
        self._take()
        arguments = [self._sum()]
        while self._peek() == ",":
            self._take()
            arguments.append(self._sum())
        if self._take() != ")":
            raise ArithmeticRefusedError("a parenthesis is not closed")
        try:
            return Fraction(_FUNCTIONS[name](*arguments))
        except TypeError:
            raise ArithmeticRefusedError(f"{name} does not take {len(arguments)} numbers") from None


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > MAX_EXPONENT:
        raise ArithmeticRefusedError(f"exponents are whole and at most {MAX_EXPONENT}")
    # A bound on the result before it is computed: 9**9**9 must not be tried.
    bits = max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(exponent.numerator)
    if bits > MAX_BITS * 2:
        raise ArithmeticRefusedError("the power is too large")
    return _bounded(base**exponent.numerator)


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise ArithmeticRefusedError(f"a number of more than {MAX_BITS} bits")
    return value
