"""The small expressions of a family file, compiled once into closures.

`ganita.arithmetic.evaluate` parses its text at every call (12-30 microseconds), which is right for the calculator and
too slow for drawing: one problem may try a hundred number tuples. Here the text is parsed once; a call then costs about
a microsecond. The calculator stays the judge: every finished step is recomputed by it from the text of the mark.

    condition  = sum (("<" | "<=" | "==" | "!=" | ">" | ">=") sum)*     chained as in Python: 1 < a < b
    sum        = product (("+" | "-") product)*
    product    = signed (("*" | "/") signed)*
    signed     = "-" signed | atom
    atom       = number | name | function "(" sum ("," sum)* ")" | "(" sum ")"
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ganita.arithmetic import format_number

Number = int | Fraction
Compiled = Callable[[Mapping[str, Any]], Number]

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|(<=|>=|==|!=|[-+*/(),<>]))")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
}
FUNCTIONS: dict[str, Callable[..., Number]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "mod": operator.mod,
    "gcd": math.gcd,
    "lcm": math.lcm,
}


class ExpressionError(ValueError):
    """The text is not an expression; the loader adds file, family and key."""


@dataclass(frozen=True)
class Expression:
    """A compiled sum or condition: its text, the names it needs, and what computes it."""

    text: str
    tokens: tuple[str, ...]
    names: frozenset[str]
    functions: frozenset[str]
    is_condition: bool
    call: Compiled

    def written_out(self, values: Mapping[str, Any]) -> str:
        """Return the text with numbers in place of names, without spaces, as it stands in a mark."""
        return "".join(show(values[token]) if token in self.names else token for token in self.tokens)


def show(value: Number) -> str:
    """Write a number as the calculator does."""
    return str(value) if type(value) is int else format_number(Fraction(value))


def tidy(value: Number) -> Number:
    """Turn a Fraction that is whole into an int: integers are twenty times faster."""
    return value if type(value) is int or value.denominator != 1 else int(value)


def compile_expression(text: str) -> Expression:
    """Parse `text` once. Raises `ExpressionError` with what is wrong in it."""
    parser = _Parser(text)
    call, is_condition = parser.condition()
    if parser.peek():
        raise ExpressionError(f"unexpected {parser.peek()!r} in {text!r}")
    tokens = tuple(parser.tokens)
    functions = frozenset(t for t, after in zip(tokens, (*tokens[1:], ""), strict=True) if after == "(" and t.isalpha())
    names = frozenset(t for t in tokens if (t[0].isalpha() or t[0] == "_") and t not in functions)
    return Expression(text, tokens, names, functions, is_condition, call)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.tokens: list[str] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ExpressionError(f"{text[position:].strip()[:12]!r} is not arithmetic")
            self.tokens.append(match.group().strip())
            position = match.end()

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def condition(self) -> tuple[Compiled, bool]:
        terms = [self.sum()]
        tests = []
        while self.peek() in _COMPARISONS:
            tests.append(_COMPARISONS[self.take()])
            terms.append(self.sum())
        if not tests:
            return terms[0], False

        def call(values: Mapping[str, Any]) -> Number:
            numbers = [term(values) for term in terms]
            return all(test(numbers[i], numbers[i + 1]) for i, test in enumerate(tests))

        return call, True

    def sum(self) -> Compiled:
        value = self.product()
        while self.peek() in ("+", "-"):
            value = _binary(operator.add if self.take() == "+" else operator.sub, value, self.product())
        return value

    def product(self) -> Compiled:
        value = self.signed()
        while self.peek() in ("*", "/"):
            value = _binary(operator.mul if self.take() == "*" else _divide, value, self.signed())
        return value

    def signed(self) -> Compiled:
        if self.peek() != "-":
            return self.atom()
        self.take()
        value = self.signed()
        return lambda values: -value(values)

    def atom(self) -> Compiled:
        token = self.take()
        if token == "(":
            value = self.sum()
            self.close()
            return value
        if token[:1].isdigit():
            constant = tidy(Fraction(token))
            return lambda values: constant
        if token in FUNCTIONS and self.peek() == "(":
            return self.function(FUNCTIONS[token])
        if token[:1].isalpha() or token[:1] == "_":
            return operator.itemgetter(token)
        raise ExpressionError(f"unexpected {token!r} in {self.text!r}" if token else f"{self.text!r} ends too early")

    def function(self, function: Callable[..., Number]) -> Compiled:
        self.take()
        arguments = [self.sum()]
        while self.peek() == ",":
            self.take()
            arguments.append(self.sum())
        self.close()
        return lambda values: function(*[argument(values) for argument in arguments])

    def close(self) -> None:
        if self.take() != ")":
            raise ExpressionError(f"a parenthesis is not closed in {self.text!r}")


def _binary(operation: Callable[[Any, Any], Number], left: Compiled, right: Compiled) -> Compiled:
    return lambda values: operation(left(values), right(values))


def _divide(a: Number, b: Number) -> Number:
    """Divide exactly. ZeroDivisionError is left to the caller: there it means "draw again"."""
    if type(a) is int and type(b) is int and a % b == 0:
        return a // b
    return tidy(Fraction(a) / b)
