"""An equation with one unknown becomes the arithmetic that solves it.

    5*(n+8)=65                the unknown stands once: undone from outside in        65/5-8
    3*n-5=9+2*n               it stands several times: collected                     (9+5)/(3-2)

Collections write `unkn: n ; equ: 5(n+8) = 65` (Dolphin1878), `5.0*m=65.0-40.0` (ALG514, DRAW-1K), `x=65/5-8` (MAWPS).
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from fractions import Fraction

from ganita.corpus.reading.calculation import Leaf, Node, NotToldError, Op, value_of
from ganita.corpus.reading.formulas import expression, parse

# "5(n+8)" and "2k" leave the sign of multiplication out.
_IMPLIED = ((r"(?<=\d)\s*(?=[a-z(])", "*"), (r"(?<=[a-z)])\s*(?=\()", "*"), (r"(?<=\))\s*(?=[a-z\d])", "*"))
MAX_LENGTH = 300  # of an equation, in characters
_ONE = Leaf(Fraction(1), True)


@dataclass(frozen=True)
class _Term:
    """A term of one side: its sign, and its number; `unknown` if the unknown is a factor of it."""

    plus: bool
    node: Node
    unknown: bool


def equation(text: str) -> Node:
    """Return the calculation that gives the unknown of an equation.

    Raises `NotToldError` for systems, for what is not linear, and where more is asked for than the unknown itself.
    """
    match = re.fullmatch(r"\s*(?:unkn:\s*([a-z])\s*;\s*equ:)?([^;:=]+)=([^;:=]+);?\s*", text)
    if match is None or len(text) > MAX_LENGTH:
        raise NotToldError("not one equation with one unknown")
    left, right = (_side(part) for part in (match[2], match[3]))
    names = {node.id for side in (left, right) for node in ast.walk(side) if isinstance(node, ast.Name)}
    if len(names) != 1 or (match[1] and {match[1]} != names):
        raise NotToldError("not one equation with one unknown")
    occurrences = sum(isinstance(node, ast.Name) for side in (left, right) for node in ast.walk(side))
    if occurrences == 1:
        return _undone(left, expression(right, {})) if _holds(left) else _undone(right, expression(left, {}))
    return _collected(_terms(left) + [replace(term, plus=not term.plus) for term in _terms(right)])


def _side(text: str) -> ast.expr:
    text = text.strip().replace("^", "**")
    if not re.fullmatch(r"[a-z]{2,}", text):  # "miles=4/30*48"
        for pattern, put in _IMPLIED:
            text = re.sub(pattern, put, text)
    body = parse(text).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise NotToldError("not one equation with one unknown")
    return body[0].value


def _holds(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) for part in ast.walk(node))


def _undone(node: ast.expr, other: Node) -> Node:
    """Undo what is done to the unknown, the last thing first."""
    while not isinstance(node, ast.Name):
        if not isinstance(node, ast.BinOp):
            raise NotToldError("not linear")
        inside_left = _holds(node.left)
        rest = expression(node.right if inside_left else node.left, {})
        match node.op:
            case ast.Add():
                other = Op("-", other, rest)
            case ast.Sub():
                other = Op("+", other, rest) if inside_left else Op("-", rest, other)
            case ast.Mult():
                other = Op("/", other, rest)
            case ast.Div():
                other = Op("*", other, rest) if inside_left else Op("/", rest, other)
            case _:
                raise NotToldError("not linear")
        node = node.left if inside_left else node.right
    return other


def _terms(node: ast.expr) -> list[_Term]:
    """Write one side as a sum of terms."""
    if not _holds(node):
        return [_Term(True, expression(node, {}), False)]
    if isinstance(node, ast.Name):
        return [_Term(True, _ONE, True)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return [replace(term, plus=not term.plus) for term in _terms(node.operand)]
    if not isinstance(node, ast.BinOp):
        raise NotToldError("not linear")
    if isinstance(node.op, (ast.Add, ast.Sub)):
        keep = isinstance(node.op, ast.Add)
        return _terms(node.left) + [replace(term, plus=term.plus is keep) for term in _terms(node.right)]
    if isinstance(node.op, ast.Mult) and _holds(node.left) != _holds(node.right):
        inner, outer = (node.left, node.right) if _holds(node.left) else (node.right, node.left)
        factor = expression(outer, {})
        return [replace(term, node=_times(factor, term.node)) for term in _terms(inner)]
    if isinstance(node.op, ast.Div) and not _holds(node.right):
        divisor = expression(node.right, {})
        return [replace(term, node=Op("/", term.node, divisor)) for term in _terms(node.left)]
    raise NotToldError("not linear")


def _times(factor: Node, node: Node) -> Node:
    return factor if node == _ONE else Op("*", factor, node)


def _collected(terms: list[_Term]) -> Node:
    """Solve a sum of terms that is 0: the numbers over the factors of the unknown, both positive."""
    factors = [term for term in terms if term.unknown]
    numbers = [replace(term, plus=not term.plus) for term in terms if not term.unknown]
    total = sum((value_of(term.node) * (1 if term.plus else -1) for term in factors), Fraction(0))
    if not total or not numbers:
        raise NotToldError("not linear")
    return Op("/", _sum(numbers, total > 0), _sum(factors, total > 0))


def _sum(terms: list[_Term], plus: bool) -> Node:
    """Add up the terms of one sign, the largest of them first, and take the others away."""
    added = [term.node for term in terms if term.plus is plus]
    taken = [term.node for term in terms if term.plus is not plus]
    if not added:
        raise NotToldError("a step is not positive")
    node = added[0]
    for part in added[1:]:
        node = Op("+", node, part)
    for part in taken:
        node = Op("-", node, part)
    return node
