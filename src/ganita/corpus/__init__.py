"""Where documents come from, and which of them a model may learn from.

document.py   the two kinds of document, and their JSON
readers.py    rows out of JSON Lines, Parquet, text, LaTeX and code, one at a time
zstd.py       Zstandard files as streams
forms.py      a row becomes a document
sets.py       the registry of public sets (sets.toml): GANITA_DATA, then the Hugging Face hub
hub.py        the Hugging Face hub: resumable download, or a local copy without network
clean.py      normalisation, and cutting at paragraph borders
hashes.py     what counts as the same document, in 8 bytes
overlap.py    no benchmark item is in training: exact match and 13-word overlap
sources.py    a source of the recipe becomes a stream of rows, with its bad lines counted
card.py       what went in, what was kept, what was dropped and why
build.py      the stage: sources in, train/ and validation/ out
families/     procedural worked problems: families as data, a small engine
"""
