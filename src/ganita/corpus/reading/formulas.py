"""Reads calculations: MathQA's formulas, and the straight-line programs that LILA made of them.

    multiply(divide(20, const_100), add(60, 40))     MathQA (Amini et al. 2019): numbers of the question, and constants
    n0 = 60.0 ... t0 = n0 + n1 ... answer = t0 * t1  LILA (Mishra et al. 2022): numbers of the question are n0, n1 ...

Both become a tree of `calculation`. Nothing is executed: Python's own parser reads, what is no arithmetic is refused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction

from ganita.arithmetic import parse_number
from ganita.corpus.reading.calculation import HUNDRED, Leaf, Node, NotToldError, Op

MAX_DEPTH = 40
MAX_LENGTH = 4_000  # of a program, in characters
_TOKEN = re.compile(r"\s*(?:(const_[\d_.]+)|([a-z_]+)(?=\()|(-?\d+(?:,\d{3})*(?:\.\d+)?)(?![\w.])|([(),]))")
_SIGNS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_UNDO: Mapping[str, str] = {"*": "/", "/": "*"}
_OPTION = re.compile(
    r"(?:(?:rs|re)\s*\.?|\$)?\s*(\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)\s*"
    r"(?:%|(?:sq\s*\.?\s*)?[ck]?m\s?[23]|[a-z][a-z ./]*)?[\s.]*"
)


def _named(value: int) -> Leaf:
    return Leaf(Fraction(value), True)


# Constants that are rounded: the exact value makes the answer exact.
_CONSTANTS: Mapping[str, Node] = {
    "0.2778": Op("/", _named(5), _named(18)),
    "0.33": Op("/", _named(1), _named(3)),
    "3.6": Leaf(Fraction(18, 5), True),
    "0.25": Op("/", _named(1), _named(4)),
}
_OPERATIONS: Mapping[str, Callable[..., Node]] = {
    "add": lambda a, b: Op("+", a, b),
    "subtract": lambda a, b: Op("-", a, b),
    "multiply": lambda a, b: Op("*", a, b),
    "divide": lambda a, b: Op("/", a, b),
    "speed": lambda a, b: Op("/", a, b),
    "inverse": lambda a: Op("/", _named(1), a),
    "power": lambda a, b: _power(a, b),
    "rectangle_area": lambda a, b: Op("*", a, b),
    "rectangle_perimeter": lambda a, b: Op("*", _named(2), Op("+", a, b)),
    "square_area": lambda a: Op("*", a, a),
    "square_perimeter": lambda a: Op("*", _named(4), a),
    "triangle_area": lambda a, b: Op("/", Op("*", a, b), _named(2)),
    "volume_rectangular_prism": lambda a, b, c: Op("*", Op("*", a, b), c),
    "volume_cube": lambda a: Op("*", Op("*", a, a), a),
    "surface_cube": lambda a: Op("*", _named(6), Op("*", a, a)),
}


def formula(text: str) -> Node:
    """Read a formula of MathQA. Raises `NotToldError` for other operations than the four, powers and simple areas."""
    tokens, position = [], 0
    text = text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotToldError("no plain arithmetic")
        tokens.append(match)
        position = match.end()
    node, at = _formula(tokens, 0, 0)
    if at != len(tokens):
        raise NotToldError("no plain arithmetic")
    return node


def _formula(tokens: list[re.Match[str]], at: int, depth: int) -> tuple[Node, int]:
    if at >= len(tokens) or depth > MAX_DEPTH:
        raise NotToldError("no plain arithmetic")
    constant, operation, number, _ = tokens[at].groups()
    if constant:
        return _constant(constant.removeprefix("const_")), at + 1
    if number:
        value = Fraction(number.replace(",", ""))
        if value < 0:
            raise NotToldError("no plain arithmetic")
        return Leaf(value), at + 1
    if operation not in _OPERATIONS:
        raise NotToldError("no plain arithmetic")
    arguments, at = [], at + 1
    while at < len(tokens) and tokens[at][4] != ")":
        node, at = _formula(tokens, at + 1, depth + 1)
        arguments.append(node)
    try:
        return _OPERATIONS[operation](*arguments), at + 1
    except TypeError:
        raise NotToldError("no plain arithmetic") from None


def _constant(name: str) -> Node:
    name = name.replace("_", ".")
    value = Fraction(name) if re.fullmatch(r"\d+(\.\d+)?", name) else None
    if value is None:
        raise NotToldError("no plain arithmetic")
    return _CONSTANTS.get(name) or Leaf(value, True)


def _power(base: Node, exponent: Node) -> Node:
    """Write a square or a cube as a product: a model of the grade knows no powers."""
    if not isinstance(exponent, Leaf) or exponent.value not in (2, 3):
        raise NotToldError("no plain arithmetic")
    node: Node = base
    for _ in range(int(exponent.value) - 1):
        node = Op("*", node, base)
    return node


def program(text: str) -> Node:
    """Read a program of LILA's MathQA: assignments of arithmetic, the last to `answer`, which is printed."""
    known: dict[str, Node] = {}
    for statement in parse(text).body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):  # print(answer)
            continue
        target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
        if not isinstance(statement, ast.Assign) or not isinstance(target, ast.Name):
            raise NotToldError("no plain arithmetic")
        node = expression(statement.value, known)
        given = re.fullmatch(r"n\d+", target.id) and isinstance(node, Leaf)
        known[target.id] = Leaf(node.value) if given and isinstance(node, Leaf) else node
    if "answer" not in known:
        raise NotToldError("no plain arithmetic")
    return known["answer"]


def as_asked(node: Node, asked: Collection[Fraction]) -> Node:
    """Return an equation's tree with the numbers of the question as such, and only the others as constants."""
    if isinstance(node, Leaf):
        return Leaf(node.value, node.value not in asked)
    return Op(node.sign, as_asked(node.left, asked), as_asked(node.right, asked))


def parse(text: str) -> ast.Module:
    """Read Python's syntax, for its arithmetic; nothing is executed. Raises `NotToldError`."""
    if len(text) > MAX_LENGTH:
        raise NotToldError("no plain arithmetic")
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NotToldError("no plain arithmetic") from None


def expression(node: ast.expr, known: Mapping[str, Node], depth: int = 0) -> Node:
    """Return the tree of an expression; `known` has the value of each name. `x*0.01` is read as x/100."""
    if depth > MAX_DEPTH:
        raise NotToldError("no plain arithmetic")
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return Leaf(_exact(node.value), True)
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    if isinstance(node, ast.BinOp):
        left = expression(node.left, known, depth + 1)
        if isinstance(node.op, ast.Pow):
            return _power(left, _exponent(node.right, known))
        right = expression(node.right, known, depth + 1)
        if type(node.op) in _SIGNS:
            sign = _SIGNS[type(node.op)]
            if right == Leaf(Fraction(1, 100), True) and sign in _UNDO:  # MAWPS has no percent sign
                return Op(_UNDO[sign], left, Leaf(HUNDRED, True))
            if left == Leaf(Fraction(1, 100), True) and sign == "*":
                return Op("/", right, Leaf(HUNDRED, True))
            return Op(sign, left, right)
    raise NotToldError("no plain arithmetic")


def _exact(value: float) -> Fraction:
    """Return a literal as it is written: 0.1 is a tenth."""
    try:
        return Fraction(value) if isinstance(value, int) else Fraction(str(value))
    except ValueError:  # 1e999 is infinite
        raise NotToldError("does not calculate") from None


def _exponent(node: ast.expr, known: Mapping[str, Node]) -> Node:
    """Read an exponent; LILA bounds each one: `min(2.0, 5)`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "min" and len(node.args) == 2:
        node = node.args[0]
    return expression(node, known)


def option_value(text: str) -> Fraction | None:
    """Return the number of an option ("rs . 500", "9 seconds", "15 %"); None if it is not one plain number."""
    match = _OPTION.fullmatch(text.strip().lower())
    return parse_number(match[1]) if match else None
