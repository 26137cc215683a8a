"""Text that was lower-cased and cut into words (MathQA's) becomes plain text again.

    tom runs at 8 km / hr and pays rs . 500 , i . e . 10 % .   ->   Tom runs at 8 km/hr and pays Rs. 500, i.e. 10%.

What the cutting lost cannot all be had back: names get their capital from a short list, persons and trains that are
letters ("a and b") from the words around them. Text with signs that the cutting has spoilt (powers, roots, equations),
or that points at options or pictures that are not there, is refused.
"""

from __future__ import annotations

import re

from ganita.corpus.variants.naming import gender_of

MAX_LENGTH = 2_000  # of a question, in characters: patterns below look far ahead
MIN_WORDS = 8  # what is shorter asks for a fact, not for a solution

# Signs that only formulas have, and words that point at something that the text does not show.
_SPOILT = re.compile(r"[^\w\s.,?!'\"$%()/:;-]|[_²³]|[^\x00-\x7f]")
_ELSEWHERE = re.compile(
    r"\b(?:following|options?|statements?|figure|diagram|graph|chart|shown|alternatives?|choices|select|digits?"
    r"|factors?|factorial|remainder|divisible|probability|integers?|primes?|multiples?|sequence"
    r"|series|roots?|true|which of|choose|fraction|expressed|expression"
    r"|terms of|equation|equals?|function|ratio between their|none of)\b"
)
_VARIABLE = re.compile(r"\b(?:[jklnqvwxyz]|[a-z]\d|\d+[a-jl-z])\b")

_QUOTES = str.maketrans(
    dict(zip("\u2019\u2018`\u00b4\u201c\u201d\u201e\u2013\u2014\u2212\u2044", "''''\"\"\"---/", strict=True))
)
# In this order: what stands later sees what the earlier ones have joined.
_JOINS: tuple[tuple[str, str], ...] = (
    (r"\bp\s*\.?\s*c\s*\.?\s*p\s*\.?\s*a\b(?: ?\.(?= [a-z(]))?", "% per annum"),
    (r"\bp \. ?a\b(?: ?\.(?= [a-z]))?|\bp\.a\.", "per annum"),
    (r"\bp \. ?c\b(?: ?\.)?|\bper cent\b", "%"),
    (r"\bl\s?\.\s?c\s?\.\s?m\b(?: ?\.(?= [a-z]))?", "LCM"),
    (r"\bh\s?\.\s?c\s?\.\s?f\b(?: ?\.(?= [a-z]))?", "HCF"),
    (r"\bg\s?\.\s?c\s?\.\s?d\b(?: ?\.(?= [a-z]))?", "GCD"),
    (r"\b([ap]) ?\. ?m\b(?: ?\.(?= [a-z]))?", r"\1.m."),
    (r"\bc \. ?i\b(?: ?\.(?= [a-z]))?", "compound interest"),
    (r"\bs \. ?i\b(?: ?\.(?= [a-z]))?", "simple interest"),
    (r"\b(\d+) (st|nd|rd|th)\b", r"\1\2"),
    (r"(?<=\d) (k?m|cm|ft) 2\b", r" sq. \1"),
    (r"\bi \. ?e\b(?: ?\.)?", "i.e."),
    (r"\b(c|s|m) ?\. ?p\b(?: ?\.(?= [a-z]))?", r"\1.p."),
    (r"\b(?:rs|re) ?\.? ?(?=\d)", "Rs. "),
    (r"\b(?:rs|re) ?\.", "Rs."),
    (r"\b(sq|cu|mr|mrs|dr|st|no) \. ", r"\1. "),
    (r"\$ +(?=[\d.])", "$"),
    (r"(?<=\d) +%", "%"),
    (r"\b(ft|m|km) \. (sec|s|hr)\b", r"\1/\2"),
    (r"\b(\d+) / (\d+)\b", r"\1/\2"),
    (r"\b([a-z]+) / ([a-z]+)\b", r"\1/\2"),
    (r"(?<=\d) / (?=[a-z])", "/"),
    (r"\bo ' ?clock\b", "o'clock"),
    (r"(?<=[a-z]) ' (s|t|re|ve|ll|d|m)\b", r"'\1"),
    (r"(?<=s) ' (?=[a-z])", "' "),
    (r"(?<=[a-z]) - (?=[a-z])", "-"),
    (r"(?<=\d) - (?=[a-z])", "-"),
    (r"(?<=[a-z]) - (?=\d)", "-"),
    (r"\( +", "("),
    (r" +\)", ")"),
    (r"(?<=\d) : (?=\d)", ":"),
    (r" +([,;:])", r"\1"),
    (r" *([.?!])(?: *[.?!])+", r"\1"),
    (r" +([.?!])(?=\s|$|\))", r"\1"),
    (r"(?<=[,;])(?=[a-z])", " "),
    (r'" ?([^"]*?) ?"', r'"\1"'),
    (r"(?<=[a-z]) ' ([^']*?) ' ", r" '\1' "),
    (r"\bhouse wife\b", "housewife"),
)
_COMPILED = tuple((re.compile(pattern), put) for pattern, put in _JOINS)
# Not the end of a sentence: "Rs. 500", "sq. m", "i.e. 10".
_SENTENCE_START = re.compile(r"(?:^|(?<=[a-z\d)%\"'][.?!] )|(?<=[.?!]\" ))(\W*)([a-z])")
_SHORTENED = re.compile(r"\b(?:Rs|sq|cu|mr|mrs|dr|no|st|i\.e|[ap]\.m|[csm]\.p|per annum)\. $", re.IGNORECASE)
_PROPER = re.compile(
    r"\b(?:i|monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march(?= \d)|april|june|july"
    r"|august|september|october|november|december|christmas|english|french|hindi|russian|indian?|americans?|mr|mrs|dr)\b"
)
# Persons, pipes and trains called by letters. "a" is one where an article cannot stand.
_LETTER_NAMES = re.compile(
    r"(?<![\w.'/$])([b-hp-u])(?![\w'.]|/)(?! \d)|(?<![\w.'/$])([b-hp-u])(?='s\b|[.?,]? ?$|\. |[?,])"
)
_A_NAMES = re.compile(
    r"(?<![\w.'/$])a(?='s\b|,| (?:and|or) [b-hB-H]\b| alone\b| can\b| is\b| was\b| has\b| had\b| does\b| works?\b"
    r"| to [bB]\b"
    r"| takes?\b| gets?\b| invest(?:s|ed)\b| runs?\b| beats\b| starts?\b| joins\b| left\b| sells\b| sold\b"
    r"| gives\b| did\b| lends\b"
    r"| together\b| finishe[sd]\b| completes\b| puts\b| receives\b| covers\b| will\b| in [a-z]+ days\b|\?|\.(?: |$))"
    r"|(?<=\b[bB] and )a(?= )|(?<=train )a\b|(?<=pipe )a\b|(?<=machine )a\b|(?<=between )a(?= and)|(?<=point )a\b"
    r"|(?<=solution )a\b|(?<=plan )a\b|(?<=company )a\b|(?<=and )a(?= and)|(?<=while )a(?= and)"
)


# "... , the rate of interest is :" breaks off where the options stood.
_BROKEN = re.compile(
    r"((?:.*[,;] |.*\bthen )?(?:then )?)((?:the|its|his|her|their|[a-z]+'s) [^,]*?),? "
    r"(is|was|are|will be|should be)(?: ?:| approximately| equal to)?\s*[-:.?]*"
)


# Names that MathQA's people have beside those that the families know; and known names that are also words.
_MORE_NAMES = frozenset(
    """
    ajay akash amit anil anirudh anita arjun arun asha ashish ashok bimal bindu chandan deepak dinesh divya ganesh
    gaurav geeta gopal govind gupta harish harkamal indu jatin jyoti kamal karan kiran kishore krish krishna kumar
    lalit madan mahesh manish manoj meena mohan mohit mukesh nandini naresh neeraj neha nikhil nisha nitin pankaj
    pooja prabhat pradeep prakash pramod prem rahul raghu raj raja rajan rajeev rajesh rajiv raju rakesh ram raman
    ramesh ramu rani ratan ravi reema reena rekha renu rishi ritu rohan rohit sachin sahil sakshi sandeep sanjay
    sanjeev sapna sarita satish seema shankar shashi sheela shweta shyam sita sohan sonika sudhir suman sumit
    sunil sunita suraj suresh sushil tarun uma umesh usha varun venu vijay vikas vikram vimal vinay vinod vishal
    vivek yogesh aarti trishul pintu jose anthony bobby charlie christopher dexter elaine ellen frank gwenyth
    jackie janice jerome kathleen keith ken kurt leo lexie linda lou marcus martha matthew michael nicholas pat
    patrick ralph robert roger ron russell ryan sean sharon stuart susan terry thomas wayne william yolanda
    ferdinand harry larry edward albert elvis steve vincent walter
    """.split()  # noqa: SIM905
)
_WORDS = frozenset(
    """
    mark bill rob sue jan gene dean earl ray rich amber ruby dawn ken chuck stan grant drew guy sandy mat
    """.split()  # noqa: SIM905
)


class SpoiltTextError(ValueError):
    """The text cannot be made plain again; the message says why."""


def plain_text(text: str) -> str:
    """Return a question of MathQA's kind as plain text.

    Raises `SpoiltTextError` for text with formulas, for what points at options or pictures, and for fragments.
    """
    text = " ".join(text.translate(_QUOTES).split()).strip(' "')
    if _SPOILT.search(text) or len(text) > MAX_LENGTH:
        raise SpoiltTextError("signs that are no plain text")
    if _ELSEWHERE.search(text) or _VARIABLE.search(text.replace("' s", "'s")):
        raise SpoiltTextError("a question about formulas, or about what is not shown")
    for pattern, put in _COMPILED:
        text = pattern.sub(put, text)
    text = re.sub(r"\s+(?=%)", "", text) if re.search(r"\d\s+%", text) else text
    text = _ended(text.strip())
    if len(text.split()) < MIN_WORDS:
        raise SpoiltTextError("too short a question")
    return _capitalised(text)


def _ended(text: str) -> str:
    """Give the last sentence its end; a statement that breaks off is asked as a question where it can be."""
    start = max((match.end() for match in re.finditer(r"(?<=[a-z\d)%])[.?!] (?=[a-z])", text)), default=0)
    last = text[start:]
    asks = re.search(r"\b(?:what|how|which|who|when|where|find|calculate|determine|compute)\b", last)
    broken = _BROKEN.fullmatch(last)
    if not asks and broken:
        verb, subject = broken[3], broken[2]
        first, _, rest = verb.partition(" ")
        told = f"{first} {subject} {rest}".strip()
        return f"{text[:start]}{broken[1]}what {told}?"
    if not asks:
        raise SpoiltTextError("no question at its end")
    if re.search(r"[.?!]\)$", text):
        return text
    body = text.rstrip(" .?!:;,-=")
    if re.search(r"\b(?:is|are|was|the|of|by|in|and|a)$", body) and not re.search(
        r"\b(?:how|what|where|who)\b.*", last
    ):
        raise SpoiltTextError("no question at its end")
    command = re.match(r"(?:then |now |so )?,?(?:please )?(?:find|calculate|determine|compute)\b", last)
    mark = "." if command else "?"
    return body + mark


def _capitalised(text: str) -> str:
    text = _PROPER.sub(lambda match: match[0].capitalize(), text)
    # Where B and C act, a lone "a" before a verb is one of them, and after "train" where there is a "train B".
    if re.search(r"(?<![\w.'/$])[b-hp-u](?![\w.]|/)", text):
        kinds = set(re.findall(r"\b([a-z]{3,}) b\b", text))
        text = _LETTER_NAMES.sub(lambda match: match[0].upper(), text)
        text = _A_NAMES.sub("A", text)
        for kind in sorted(kinds - {"and", "than", "that", "while", "for", "from", "with", "but", "when"}):
            text = re.sub(rf"\b({kind}) a\b", r"\1 A", text)
    text = re.sub(r"\bcandidate a\b", "candidate A", text)
    text = re.sub(r"(?<![\w.'/$])a(?=[?.,]|'s\b)(?!\.m)", "A", text)
    text = re.sub(
        r"(?<![\w-])[a-z]{3,}(?![\w-])", lambda match: match[0].capitalize() if _is_name(match[0]) else match[0], text
    )

    def start(match: re.Match[str]) -> str:
        return match[0] if _SHORTENED.search(text[: match.start()]) else f"{match[1]}{match[2].upper()}"

    return _SENTENCE_START.sub(start, text)


def _is_name(word: str) -> bool:
    return word in _MORE_NAMES or (word not in _WORDS and gender_of(word.capitalize()) is not None)
