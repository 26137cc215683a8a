r"""What becomes of each command and environment of running text, as data.

One rule decides: what a reader of the printed page sees as words or mathematics stays, what only says where and
how to print it goes. What stays, stays LaTeX: the model reads LaTeX anyway, and `\section{Limits}` or `\emph{open}`
says in one known word what a heading or a typeface would say in another notation. `\ref` and `\cite` stay because
they stand for words of their sentence ("by Lemma ."); `\label` and `\index` print nothing. Commands and
environments that are in no table stay as they are, with their arguments.

Signatures are those of `Scanner.arguments_end`: `m` a mandatory argument, `o` an optional one, `s` a star.
"""

from __future__ import annotations


def names(text: str) -> frozenset[str]:
    """Return the names in `text`, which blanks separate."""
    return frozenset(text.split())


def _table(groups: dict[str, str]) -> dict[str, str]:
    return {name: signature for signature, names in groups.items() for name in names.split()}


def _starred(names: str) -> frozenset[str]:
    return frozenset(name + star for name in names.split() for star in ("", "*"))


# Declarations that last to the end of their group. At its start they become the command of the same meaning
# ({\it x} -> \emph{x}), or the group goes ({\small x} -> x); anywhere else they go.
SWITCHES = {
    **dict.fromkeys(("em", "it", "sl", "itshape", "slshape"), "\\emph{"),
    **dict.fromkeys(("bf", "bfseries"), "\\textbf{"),
    **dict.fromkeys(("tt", "ttfamily"), "\\texttt{"),
    **dict.fromkeys(
        names(
            """rm sf sc rmfamily sffamily scshape upshape mdseries normalfont tiny scriptsize footnotesize small large
            normalsize Large LARGE huge Huge centering raggedright raggedleft boldmath unboldmath sloppy fussy"""
        ),
        "",
    ),
}

# Gone, with their arguments: placing, fonts, lengths, counters, files, packages; names and addresses of authors.
DROPPED = _table(
    {
        "": """noindent indent medskip smallskip bigskip medbreak smallbreak bigbreak newpage clearpage cleardoublepage
        maketitle tableofcontents listoffigures listoftables hfill hfil vfill vfil null strut phantomsection appendix
        frontmatter mainmatter backmatter onecolumn twocolumn allowbreak nobreak goodbreak filbreak leavevmode protect
        relax selectfont makeatletter makeatother printbibliography printindex titlepage pause nopagebreak nolinebreak
        qed qedhere xspace unskip ignorespaces hrulefill dotfill makeindex flushbottom raggedbottom capstart endinput
        makeglossaries printglossaries columnbreak bgroup egroup begingroup endgroup singlespacing onehalfspacing
        doublespacing eject vss hss hrule vrule parttoc minitoc dominitoc""",
        "m": """label index bibliography bibliographystyle nocite pagestyle thispagestyle pagenumbering addvspace
        include subfile thanks email address curraddr urladdr affil affiliation dedicatory usetikzlibrary geometry
        hypersetup graphicspath includeonly theoremstyle markright phantom hphantom vphantom stepcounter refstepcounter
        newif newlength newsavebox usebox vglue glsadd fontencoding fontfamily fontseries fontshape enlargethispage
        linespread setstretch hyphenation tikzset pgfplotsset lstset usepgfplotslibrary ProvidesPackage ProvidesClass
        NeedsTeXFormat addbibresource keywords sisetup captionsetup microtypesetup""",
        "sm": "vspace hspace",
        "som": "includegraphics",
        "om": """usepackage RequirePackage documentclass LoadClass author date institute todo marginpar marginnote color
        pagecolor includepdf includesvg lstinputlisting verbatiminput externaldocument subjclass newcounter
        missingfigure usetheme usecolortheme usefonttheme useinnertheme useoutertheme""",
        "o": "pagebreak linebreak footnotemark allowdisplaybreaks listoftodos addlinespace",
        "mm": """setlength addtolength setcounter addtocounter numberwithin fontsize markboth newglossaryentry
        PassOptionsToPackage counterwithin counterwithout setbeamercolor setbeamerfont settowidth settoheight
        settodepth setkomafont addtokomafont import subimport""",
        "omm": "rule",
        "mom": "setbeamertemplate",
        "mmm": "definecolor addcontentsline",
        "smomo": "newtheorem",
    }
)

# Followed by a length without braces: \vskip 3pt plus 1pt, \parindent=0pt.
LENGTHS = names(
    """vskip hskip kern parskip parindent baselineskip itemsep parsep topsep partopsep leftskip rightskip textwidth
    textheight oddsidemargin evensidemargin topmargin hsize vsize abovedisplayskip belowdisplayskip tabcolsep
    columnsep arraycolsep penalty tolerance hangindent fboxrule fboxsep columnseprule"""
)

# Only the group that follows is words; before it come the arguments of the signature.
UNWRAPPED = _table(
    {
        "": """textrm textsf textsc textup textmd textnormal textsl mbox hbox vbox fbox leftline rightline centerline
        only uncover visible onslide texorpdfstring""",
        "m": "colorbox href hypertarget hyperlink foreignlanguage",
        "om": "textcolor rotatebox",
        "mm": "fcolorbox resizebox",
        "mo": "scalebox",
        "o": "hyperref",
        "oo": "makebox framebox",
        "ooom": "parbox",
        "moo": "raisebox",
    }
)

# Titles lose their star and their short form.
TITLES = names(
    """part chapter section subsection subsubsection paragraph subparagraph caption title subtitle frametitle
    framesubtitle"""
)

# The argument is a key, an address or code, not words: kept to the character.
REFERENCES = names(
    """ref eqref pageref autoref cref Cref vref Vref nameref subref cite citep citet citealt citealp citeauthor
    citeyear parencite textcite autocite footcite fullcite footfullcite url nolinkurl path gls glspl Gls Glspl
    texttt"""
)

OVERLAYS = names("only uncover visible onslide pause item alert")  # \item<2-> of beamer

SYMBOLS = {
    "ldots": "…", "dots": "…", "textellipsis": "…", "S": "§", "P": "¶", "dag": "†", "ddag": "‡", "copyright": "©",
    "pounds": "£", "texteuro": "€", "euro": "€", "textdegree": "°", "textregistered": "®", "texttrademark": "™",
    "textendash": "–", "textemdash": "—", "textbullet": "•", "textbar": "|", "textless": "<", "textgreater": ">",
    "textquotedblleft": "“", "textquotedblright": "”", "textquoteleft": "‘", "textquoteright": "’", "slash": "/",
    "lq": "‘", "rq": "’", "TeX": "TeX", "LaTeX": "LaTeX", "quad": " ", "qquad": " ", "enspace": " ", "enskip": " ",
    "thinspace": " ", "space": " ", "nobreakspace": " ", "newline": "\n", "par": "\n\n", "textquotesingle": "'",
}  # fmt: skip
# Letters: TeX takes the blank after them away, "Stra\ss e".
LETTERS = {
    "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł",
    "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "TH": "Þ", "dj": "đ", "DJ": "Đ", "ng": "ŋ", "NG": "Ŋ",
}  # fmt: skip
# \, \; \! and their like; the escapes \% \$ \& \# \_ \{ \} stay, since bare they would mean something else.
CHARACTERS = {" ": " ", "\t": " ", "\n": "\n", ",": " ", ";": " ", ":": " ", "!": "", "/": "", "-": "", "@": ""}
# TeX's accents and the combining characters of Unicode that do the same (The TeXbook, chapter 9).
ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306", ".": "\u0307",
    '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "d": "\u0323", "c": "\u0327", "k": "\u0328",
    "b": "\u0331",
}  # fmt: skip

# Mathematics: kept to the character, from \begin to \end.
MATHEMATICS = _starred(
    """equation align alignat flalign gather multline eqnarray xalignat xxalignat displaymath math dmath dgroup darray
    dseries IEEEeqnarray array matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix cases dcases rcases split
    aligned alignedat gathered multlined subarray tikzcd CD xy diagram mathpar prooftree numcases empheq"""
)
# Pictures drawn by commands, and lists of books: nothing of it is a sentence or a formula.
DROPPED_ENVIRONMENTS = _starred(
    """tikzpicture pgfpicture pspicture picture asy asydef circuitikz comment filecontents titlepage titlingpage
    thebibliography biblist bibdiv CCSXML overpic"""
)
UNWRAPPED_ENVIRONMENTS = {
    **dict.fromkeys(_starred("figure table sidewaysfigure sidewaystable mdframed tcolorbox columns frame"), "o"),
    **dict.fromkeys(_starred("subfigure subtable column"), "om"),
    **dict.fromkeys(_starred("wrapfigure wraptable"), "omom"),
    **_table(
        {
            "": """document center flushleft flushright samepage landscape singlespace onehalfspace doublespace framed
            shaded small footnotesize scriptsize tiny large Large normalsize centering raggedright raggedleft sloppypar
            frontmatter""",
            "ooom": "minipage",
            "mo": "multicols multicols*",
            "mm": "adjustwidth",
            "om": "floatingfigure",
            "m": "spacing",
        }
    ),
}
# The optional argument says how the items are numbered or spaced.
LISTS = _starred("enumerate itemize description inparaenum compactenum compactitem asparaenum inparaitem tasks")
# The column format is kept to the character, the cells are text.
TABLES = {
    "tabular": "om",
    "longtable": "om",
    "tabular*": "mom",
    "tabularx": "mom",
    "tabulary": "mom",
    "supertabular": "m",
}
