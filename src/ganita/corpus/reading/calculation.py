"""A calculation as a tree of numbers and the four operations, exact and bounded.

MathQA's formulas, LILA's programs and equations all become such a tree (formulas.py, linear.py); it is checked against
its question (plausible.py) and told in steps (telling.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

MAX_SIZE = 100  # numbers in a whole calculation
MAX_VALUE = 10**12


class NotToldError(ValueError):
    """The calculation is not told as steps; the message, one of few, says why."""


@dataclass(frozen=True)
class Leaf:
    """A number; `named` if its author brought it in as a constant rather than read it in the question."""

    value: Fraction
    named: bool = False

    def __post_init__(self) -> None:
        """Raise `NotToldError` for a number that no such question has."""
        if abs(self.value) >= MAX_VALUE or self.value.denominator > MAX_VALUE:
            raise NotToldError("does not calculate")


@dataclass(frozen=True)
class Op:
    """`left` and `right` joined by one of + - * /."""

    sign: str
    left: Node
    right: Node
    size: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise `NotToldError` for a tree that is too large: a program can double it with every line."""
        object.__setattr__(
            self, "size", sum(part.size if isinstance(part, Op) else 1 for part in (self.left, self.right))
        )
        if self.size > MAX_SIZE:
            raise NotToldError("too many steps")


Node = Leaf | Op
ONE, HUNDRED = Fraction(1), Fraction(100)


def value_of(node: Node) -> Fraction:
    """Return the exact value. Raises `NotToldError` for a division by zero."""
    if isinstance(node, Leaf):
        return node.value
    left, right = value_of(node.left), value_of(node.right)
    if node.sign == "/" and not right:
        raise NotToldError("does not calculate")
    return {"+": left.__add__, "-": left.__sub__, "*": left.__mul__, "/": left.__truediv__}[node.sign](right)


def parts(node: Node) -> Iterator[Op]:
    """Yield the operations of a tree, inner ones first."""
    if isinstance(node, Op):
        yield from parts(node.left)
        yield from parts(node.right)
        yield node


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the numbers of a tree from left to right."""
    if isinstance(node, Leaf):
        yield node
    else:
        yield from leaves(node.left)
        yield from leaves(node.right)


def simplify(node: Node) -> Node:
    """Return a tree without factors of 1, and without constants that undo each other: * 100 / 100, + 1 - 1."""
    if isinstance(node, Leaf):
        return node
    node = Op(node.sign, simplify(node.left), simplify(node.right))
    product = node.sign in "*/"
    if product and isinstance(node.right, Leaf) and node.right.value == 1:
        return node.left
    if node.sign == "*" and isinstance(node.left, Leaf) and node.left.value == 1:
        return node.right
    above, below = factors(node) if product else terms(node)
    undone: Counter[Node] = Counter(
        {leaf: count for leaf, count in (above & below).items() if isinstance(leaf, Leaf) and leaf.named}
    )
    kept, taken = list((above - undone).elements()), list((below - undone).elements())
    if not undone or (not product and not kept):
        return node
    found: Node = kept[0] if kept else Leaf(ONE, True)
    for part in kept[1:]:
        found = Op("*" if product else "+", found, part)
    for part in taken:
        found = Op("/" if product else "-", found, part)
    return found


def factors(node: Node) -> tuple[Counter[Node], Counter[Node]]:
    """Return the factors of a product above and below its line."""
    if isinstance(node, Leaf) or node.sign in "+-":
        return Counter({node: 1}), Counter()
    (above, below), (more, less) = factors(node.left), factors(node.right)
    return (above + more, below + less) if node.sign == "*" else (above + less, below + more)


def terms(node: Node) -> tuple[Counter[Node], Counter[Node]]:
    """Return the terms of a sum that are added, and those that are taken away."""
    if isinstance(node, Leaf) or node.sign in "*/":
        return Counter({node: 1}), Counter()
    (plus, minus), (more, less) = terms(node.left), terms(node.right)
    return (plus + more, minus + less) if node.sign == "+" else (plus + less, minus + more)
