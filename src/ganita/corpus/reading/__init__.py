"""From files to rows, and from rows in any markup to documents.

readers.py        rows out of JSON Lines, JSON, Parquet and text files, one at a time
streams.py        bytes out of files, compressed or damaged, and text in whatever encoding; zstd.py
shape.py          how the rows of a source are to be read: which column is what
forms.py          a row becomes a document: one function per form
markups.py        which cleaner a form needs
languages.py      programming and markup languages by file name
latex/            LaTeX projects and files: mathematics to the character, the rest made readable
html.py           HTML with MathJax, KaTeX or MathML; mathml.py and symbols.py; markup.py, the tags of both
markdown.py       Markdown; notebook.py, Jupyter notebooks; pretext.py, PreTeXt books
stackexchange.py  Posts.xml of a dump: questions with good answers; worked.py makes worked problems of them
"""
