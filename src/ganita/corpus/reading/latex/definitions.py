r"""Reading the author's definitions: `\newcommand`, `\def`, `\let`, `\DeclareMathOperator`, `\newenvironment`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from ganita.corpus.reading.latex.commands import (
    DROPPED,
    LENGTHS,
    MATHEMATICS,
    REFERENCES,
    SWITCHES,
    TITLES,
    UNWRAPPED,
    names,
)
from ganita.corpus.reading.latex.scan import Scanner, token_length

MAX_BODY = 4_000  # characters; a longer body is a page design, not a notation

_COMMANDS = "newcommand|renewcommand|providecommand|DeclareRobustCommand"
_PREFIXES = "long|global|protected|outer"
DEFINITION = re.compile(
    rf"(?:\\(?:{_PREFIXES})\s*)*\\({_COMMANDS}|DeclareMathOperator|[egx]?def|let|newenvironment|renewenvironment)"
    r"(?![A-Za-z@])\*?"
)
STARTERS = frozenset(
    f"{_COMMANDS}|{_PREFIXES}|DeclareMathOperator|def|edef|gdef|xdef|let|newenvironment|renewenvironment".split("|")
)
_NAME = re.compile(r"\s*(?:\{\s*\\([A-Za-z@]+|[^A-Za-z])\s*\}|\\([A-Za-z@]+|[^A-Za-z]))")
_COUNT = re.compile(r"\s*\[\s*(\d)\s*\]")
_PARAMETERS = re.compile(r"\s*((?:#[1-9])*)\s*(?=\{)")
_DELIMITED = re.compile(r"[^{}\n]{0,200}(?=\{)")
_EQUALS = re.compile(r"[ \t]*=?[ \t]?")
_BORDER = re.compile(r"\\(begin|end)\s*\{([^{}]*)\}")
_XSPACE = re.compile(r"\\xspace(?![A-Za-z])")
ENDS_IN_COMMAND = re.compile(r"\\[A-Za-z]+\Z")
LONGEST_NAME = 60

# TeX that computes: such a body cannot be put in the place of its use.
_PROGRAM = re.compile(
    r"@|##|\\(?:if(?!f(?![A-Za-z]))[A-Za-z]*|else|fi|or|csname|expandafter|futurelet|afterassignment|aftergroup|catcode"
    r"|mathcode|lccode|uccode|global|let|[egx]?def|(?:re|provide)?newcommand|(?:re)?newenvironment|the|number|value"
    r"|romannumeral|advance|setcounter|addtocounter|stepcounter|refstepcounter|write|immediate|read|loop|repeat"
    r"|noexpand|string|meaning|mathchoice|mathpalette|newif|obeylines|verb|lstinline|input|include)(?![A-Za-z])"
)
# What the cleaner knows by name keeps its meaning, whatever a style file makes it look like.
_RESERVED = (
    names(
    "begin end item footnote emph textbf textit verb bibitem hline left right"
)
    | TITLES | REFERENCES | LENGTHS | SWITCHES.keys() | DROPPED.keys() | UNWRAPPED.keys()
)  # fmt: skip


@dataclass(frozen=True)
class Macro:
    """A command of the author's: its body, its number of arguments, what the first one is if it may be left out."""

    body: str
    num_arguments: int = 0
    default: str | None = None

    @cached_property
    def _parts(self) -> list[str]:
        return re.split(r"#([1-9])", self.body)  # text, digit, text, digit, ... text

    def fill(self, arguments: list[str]) -> str:
        """Return the body with the arguments in the places of `#1`, `#2` ..."""
        out = [self._parts[0]]
        for digit, text in zip(self._parts[1::2], self._parts[2::2], strict=True):
            argument = arguments[int(digit) - 1] if int(digit) <= len(arguments) else ""
            # \hat#1 with x is \hat x, not \hatx.
            if argument[:1].isalpha() and ENDS_IN_COMMAND.search(out[-1][-LONGEST_NAME:]):
                argument = f" {argument}"
            out += argument, text
        return "".join(out)


@dataclass
class Definitions:
    """The macros known so far, and the environments that turned out to hold mathematics."""

    macros: dict[str, Macro]
    mathematics: set[str]

    def read(self, scanner: Scanner, match: re.Match[str]) -> int:
        """Learn the definition whose command is `match` (of `DEFINITION`); return its end, or -1 if it is none."""
        kind, position = match[1], match.end()
        if kind.endswith("environment"):
            return self._environment(scanner, position)
        name = _NAME.match(scanner.text, position)
        if name is None:
            return -1
        if kind == "let":
            return self._let(scanner, name)
        end, macro = _read_def(scanner, name.end()) if kind.endswith("def") else _read_command(scanner, name.end())
        if end >= 0:
            if kind == "DeclareMathOperator" and macro:
                macro = Macro(rf"\operatorname{'*' if match[0].endswith('*') else ''}{{{macro.body}}}")
            self._learn(name[1] or name[2], macro if kind not in ("edef", "xdef") else None)
        return end

    def _learn(self, name: str, macro: Macro | None) -> None:
        if macro is None or name in _RESERVED or not name.isalpha():
            self.macros.pop(name, None)
        else:
            self.macros[name] = macro

    def _let(self, scanner: Scanner, name: re.Match[str]) -> int:
        equals = _EQUALS.match(scanner.text, name.end())
        start = equals.end() if equals else name.end()
        length = token_length(scanner.text, start)
        if length == 0:
            return -1
        token = scanner.text[start : start + length]
        self._learn(name[1] or name[2], self.macros.get(token[1:]) or _simple(token, 0, None))
        return start + length

    def _environment(self, scanner: Scanner, position: int) -> int:
        r"""`\newenvironment{eqn}{\begin{equation}}{\end{equation}}`: what stands in an eqn is mathematics."""
        name_end = scanner.arguments_end(position, "m")
        begin = scanner.arguments_end(name_end, "oo") if name_end >= 0 else -1
        begin_end = scanner.arguments_end(begin, "m") if begin >= 0 else -1
        end = scanner.arguments_end(begin_end, "m") if begin_end >= 0 else -1
        if end >= 0:
            still_open = []
            for border, environment in _BORDER.findall(scanner.text[begin:begin_end]):
                if border == "begin":
                    still_open.append(environment)
                elif environment in still_open:
                    still_open.remove(environment)
            if any(name in MATHEMATICS or name in self.mathematics for name in still_open):
                self.mathematics.add(scanner.text[position:name_end].strip("{} \n\t"))
        return end


def _read_command(scanner: Scanner, position: int) -> tuple[int, Macro | None]:
    r"""Read `[2][default]{body}`, what follows the name after \newcommand; end -1 if there is no body."""
    num_arguments, default = 0, None
    if count := _COUNT.match(scanner.text, position):
        num_arguments, position = int(count[1]), count.end()
    start = scanner.skip_space(position)
    if num_arguments and scanner.text[start : start + 1] == "[" and (end := scanner.bracket_end(start)) >= 0:
        default, position = scanner.text[start + 1 : end - 1], end
    start = scanner.skip_space(position)
    if scanner.text[start : start + 1] not in ("{", "\\"):
        return -1, None
    end = scanner.arguments_end(start, "m")
    if end < 0:
        return -1, None
    body = scanner.text[start:end]
    return end, _simple(body[1:-1] if body.startswith("{") else body, num_arguments, default)


def _read_def(scanner: Scanner, position: int) -> tuple[int, Macro | None]:
    r"""Read `#1#2{body}`, what follows the name after \def; delimited parameters are read but give no macro."""
    parameters = _PARAMETERS.match(scanner.text, position)
    start = parameters or _DELIMITED.match(scanner.text, position)
    end = scanner.group_end(start.end()) if start else -1
    if parameters is None or end < 0:
        return end, None
    return end, _simple(scanner.text[parameters.end() + 1 : end - 1], len(parameters[1]) // 2, None)


def _simple(body: str, num_arguments: int, default: str | None) -> Macro | None:
    if len(body) > MAX_BODY or _PROGRAM.search(body):
        return None
    # Line ends at the borders of a body are its layout, a single blank may be meant.
    body = body.strip() if "\n" in body else body
    return Macro(_XSPACE.sub("", body), num_arguments, default)
