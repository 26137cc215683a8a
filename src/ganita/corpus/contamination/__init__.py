"""No benchmark item is in training: every document is compared with every item.

overlap.py      the three rules (exact, 13-gram, 8-gram with edit ratio), and what becomes of a document
benchmarks.py   the tables of all items, built once and loaded by every process
grams.py        a table of n-grams that turns away nearly all foreign ones before it is searched
letters.py      words without numbers and punctuation, as 64-bit numbers
edits.py        how few edits lead from a question to a passage
ledger.py       what was found, where, and what was done about it
"""
