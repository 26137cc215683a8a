"""Tables for mathml.py: what the characters and elements of MathML are called in LaTeX."""

from __future__ import annotations

from ganita.corpus.reading.markup import words

SYMBOLS = dict(
    pair.split()
    for pair in r"""
α \alpha|β \beta|γ \gamma|δ \delta|ϵ \epsilon|ε \varepsilon|ζ \zeta|η \eta|θ \theta|ϑ \vartheta|ι \iota|κ \kappa
λ \lambda|μ \mu|µ \mu|ν \nu|ξ \xi|π \pi|ϖ \varpi|ρ \rho|ϱ \varrho|σ \sigma|ς \varsigma|τ \tau|υ \upsilon|ϕ \phi
φ \varphi|χ \chi|ψ \psi|ω \omega|Γ \Gamma|Δ \Delta|∆ \Delta|Θ \Theta|Λ \Lambda|Ξ \Xi|Π \Pi|Σ \Sigma|Υ \Upsilon
Φ \Phi|Ψ \Psi|Ω \Omega|ℏ \hbar|ℓ \ell|ℜ \Re|ℑ \Im|ℵ \aleph|℘ \wp|ı \imath|ȷ \jmath|∞ \infty|∂ \partial|∇ \nabla
∅ \emptyset|∀ \forall|∃ \exists|∄ \nexists|¬ \neg|⊤ \top|⊥ \perp|∠ \angle|△ \triangle|′ '|″ ''|‴ '''|° ^\circ
∑ \sum|∏ \prod|∐ \coprod|∫ \int|∬ \iint|∭ \iiint|∮ \oint|⋃ \bigcup|⋂ \bigcap|⋁ \bigvee|⋀ \bigwedge|⨁ \bigoplus
⨂ \bigotimes|± \pm|∓ \mp|× \times|÷ \div|⋅ \cdot|· \cdot|∗ *|⋆ \star|∘ \circ|∙ \bullet|• \bullet|⊕ \oplus
⊖ \ominus|⊗ \otimes|⊙ \odot|∪ \cup|∩ \cap|∖ \setminus|∧ \wedge|∨ \vee|† \dagger|‡ \ddagger|− -|≤ \le|⩽ \leqslant
≥ \ge|⩾ \geqslant|≠ \ne|≈ \approx|≡ \equiv|∼ \sim|≃ \simeq|≅ \cong|∝ \propto|≪ \ll|≫ \gg|≺ \prec|≻ \succ
⪯ \preceq|⪰ \succeq|⊂ \subset|⊃ \supset|⊆ \subseteq|⊇ \supseteq|⊊ \subsetneq|⊄ \not\subset|∈ \in|∉ \notin|∋ \ni
≔ :=|∣ \mid|∤ \nmid|∥ \parallel|‖ \Vert|⊢ \vdash|⊨ \models|→ \to|⟶ \longrightarrow|← \leftarrow|⟵ \longleftarrow
↔ \leftrightarrow|⇒ \Rightarrow|⟹ \implies|⇐ \Leftarrow|⇔ \Leftrightarrow|⟺ \iff|↦ \mapsto|↪ \hookrightarrow
↠ \twoheadrightarrow|↑ \uparrow|↓ \downarrow|⇀ \rightharpoonup|⇌ \rightleftharpoons|… \ldots|⋯ \cdots|⋮ \vdots
⋱ \ddots|⟨ \langle|⟩ \rangle|〈 \langle|〉 \rangle|⌊ \lfloor|⌋ \rfloor|⌈ \lceil|⌉ \rceil|∎ \blacksquare|□ \square
ℝ \mathbb{R}|ℂ \mathbb{C}|ℕ \mathbb{N}|ℤ \mathbb{Z}|ℚ \mathbb{Q}|ℙ \mathbb{P}|ℍ \mathbb{H}|ℒ \mathcal{L}
{ \{|} \}|% \%|# \#|& \&|$ \$|_ \_|\ \backslash|~ \sim|^ \wedge
""".strip().replace("\n", "|").split("|")
)  # fmt: skip
INVISIBLE = dict.fromkeys(map(ord, "\u2061\u2062\u2063\u2064\u200b\u200a\u2009\u2002\u2003\ufeff"))
RELATIONS = frozenset("=<>≤⩽≥⩾≠≈≡∼≃≅∝≪≫≺≻⪯⪰⊂⊃⊆⊇⊊∈∉∋≔→⟶←⇒⟹⇐⇔⟺↦↪:=")
BINARY = frozenset("+-−±∓×÷⋅·∘⊕⊗∪∩∧∨∖")
FUNCTIONS = words(
    "arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim liminf limsup ln log max "
    "min Pr sec sin sinh sup tan tanh"
)
BIG_OPERATORS = words(
    r"\sum \prod \coprod \int \iint \iiint \oint \bigcup \bigcap \bigvee \bigwedge \bigoplus \bigotimes \lim \liminf "
    r"\limsup \max \min \sup \inf \det \gcd \Pr"
)
OVER = {
    "¯": r"\overline", "‾": r"\overline", "_": r"\overline", "^": r"\hat", "ˆ": r"\hat", "→": r"\vec", "⃗": r"\vec",
    "~": r"\tilde", "˜": r"\tilde", "˙": r"\dot", ".": r"\dot", "¨": r"\ddot", "⏞": r"\overbrace", "ˇ": r"\check",
    "˘": r"\breve",
}  # fmt: skip
UNDER = {"_": r"\underline", "¯": r"\underline", "‾": r"\underline", "⏟": r"\underbrace"}
VARIANTS = {
    "bold": "mathbf", "bold-italic": "mathbf", "double-struck": "mathbb", "script": "mathcal", "fraktur": "mathfrak",
    "sans-serif": "mathsf", "monospace": "mathtt", "bold-script": "mathcal", "bold-fraktur": "mathfrak",
}  # fmt: skip
MATRICES = {
    ("(", ")"): "pmatrix",
    ("[", "]"): "bmatrix",
    ("|", "|"): "vmatrix",
    ("‖", "‖"): "Vmatrix",
    ("{", ""): "cases",
}
