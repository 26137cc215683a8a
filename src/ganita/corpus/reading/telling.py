"""A calculation is told in steps with calculator marks, as GSM8K's solutions are written.

(60 + 40) * 20/100      ->      The sum is 60 + 40 = <<60+40=100>>100.
                                20% of 100 is 100 * 20/100 = <<100*20/100=20>>20.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from ganita.arithmetic import ArithmeticRefusedError, evaluate, format_number, parse_number
from ganita.corpus.reading.calculation import HUNDRED, Leaf, Node, NotToldError, Op, leaves, value_of
from ganita.corpus.reading.plausible import check, fractions_of
from ganita.corpus.variants.numerals import Numeral, scan

MAX_STEPS = 8
MAX_TERMS = 5  # numbers in one step: more is hard to follow


def tell(question: str, node: Node) -> tuple[tuple[str, ...], str]:
    """Return the steps of a calculation and its answer. Raises `NotToldError` with the check that it fails."""
    numerals = scan(question)
    node = check(question, numerals, node)
    return _Teller(question, numerals).steps(node), format_number(value_of(node))


class _Teller:
    """Puts a tree into steps: what is not exact in decimals is written out where it is used."""

    def __init__(self, question: str, numerals: Sequence[Numeral]) -> None:
        self.percents = {Fraction(n.value) for n in numerals if n.unit == "%"}
        self.fractions = fractions_of(question)
        self.told: dict[Node, str] = {}
        self.lines: list[str] = []

    def steps(self, node: Op) -> tuple[str, ...]:
        self._tell(node, last=True)
        if len(self.lines) > MAX_STEPS:
            raise NotToldError("too many steps")
        return tuple(self.lines)

    def _tell(self, node: Op, last: bool = False) -> str:
        """Tell a part as a step of its own, the parts before it first; return its value as text."""
        if node in self.told:
            return self.told[node]
        asked, node = node, self._percent_first(node)
        text = self._write(node, top=True)
        value = value_of(node)
        try:
            assert evaluate(text) == value, "what is written is what was calculated"
        except ArithmeticRefusedError:
            raise NotToldError("does not calculate") from None
        if len(re.findall(r"[\d.]+", text)) > MAX_TERMS:
            raise NotToldError("a step of too many numbers")
        result = format_number(value)
        self.told[node] = self.told[asked] = result
        shown = re.sub(r"(?<=[\d)])([-+*/])(?=[\d(])", r" \1 ", text)
        shown = re.sub(r"(?<=\d) / (?=100\b)", "/", shown)
        self.lines.append(f"{self._start(node, last)} {shown} = <<{text}={result}>>{result}.")
        return result

    def _start(self, node: Op, last: bool) -> str:
        share = self._share(node)
        if share:
            return f"{format_number(share[0])}% of {self._face(share[1])} is"
        if last:
            return "The answer is" if len(self.lines) else "This gives"
        return {"+": "The sum is", "-": "The difference is"}.get(node.sign, "This gives")

    def _share(self, node: Op) -> tuple[Fraction, Node] | None:
        """Return percentage and whole of "20/100 of it"."""
        if node.sign != "*":
            return None
        for part, whole in ((node.left, node.right), (node.right, node.left)):
            if (
                self._is_percentage(part)
                and isinstance(part, Op)
                and (isinstance(whole, Leaf) or whole in self.told)
                and value_of(whole) > 1
            ):
                return value_of(part.left), whole
        return None

    def _is_percentage(self, node: Node) -> bool:
        return (
            isinstance(node, Op)
            and node.sign == "/"
            and isinstance(node.left, Leaf)
            and node.right in (Leaf(HUNDRED, True), Leaf(HUNDRED))
        )

    def _face(self, node: Node) -> str:
        return self.told[node] if isinstance(node, Op) else format_number(node.value)

    def _inline(self, node: Op, below_line: bool, over_hundred: bool) -> bool:
        value = value_of(node)
        plain = isinstance(node.left, Leaf) and isinstance(node.right, Leaf)
        if parse_number(format_number(value)) != value or (value * 10_000).denominator != 1:
            return True
        # "929.2 * 100 / 8" is one thought: the factor only changes the unit.
        unit = node.sign == "*" and any(isinstance(side, Leaf) and side.named for side in (node.left, node.right))
        if plain and unit and below_line:
            return True
        if over_hundred and node.sign == "*":
            return True
        bare = plain and all(leaf.named for leaf in leaves(node))
        stated = plain and (value_of(node.left), value_of(node.right)) in self.fractions and node.sign == "/"
        return bare or stated or self._is_percentage(node)

    def _write(self, node: Node, top: bool = False, above: str = "", over_hundred: bool = False) -> str:
        if isinstance(node, Leaf):
            return format_number(node.value)
        if not top:
            if node in self.told:
                return self.told[node]
            if not self._inline(node, above == "/", over_hundred):
                return self._tell(node)
        # The whole before its percentage reads as people write it: 250 * 20/100.
        first, second = node.left, node.right
        if node.sign == "*" and self._is_percentage(first) and not self._is_percentage(second):
            first, second = second, first
        over_hundred = node.sign == "/" and second == Leaf(HUNDRED, True)
        left = self._operand(first, node.sign, False, over_hundred)
        right = self._operand(second, node.sign, True)
        return f"{left}{node.sign}{right}"

    def _percent_first(self, node: Op) -> Op:
        """Write 20 * 650 / 100, where 20 is a percentage of the question, as 650 * 20/100."""
        inner = node.left
        if node.sign == "/" and node.right == Leaf(HUNDRED, True) and isinstance(inner, Op) and inner.sign == "*":
            for share, whole in ((inner.left, inner.right), (inner.right, inner.left)):
                if isinstance(share, Leaf) and share.value in self.percents and inner not in self.told:
                    return Op("*", whole, Op("/", share, node.right))
        return node

    def _operand(self, node: Node, above: str, right: bool, over_hundred: bool = False) -> str:
        text = self._write(node, above=above, over_hundred=over_hundred)
        if not isinstance(node, Op) or node in self.told:
            return text
        loose, product = node.sign in "+-", above in "*/"
        needed = (product and loose) or (right and (above == "/" or (above == "-" and loose)))
        return f"({text})" if needed else text
