"""Which texts are good enough, and which were said before.

select.py       the rules of `[corpus.select]`, one document at a time
repetition.py   how much of a text repeats it
language.py     which natural language its prose is in
quality.py      a learned score: like the seeds, or not
near.py         near duplicates over the whole corpus: MinHash signatures, bands, components
words.py        the words of a text as 64-bit hashes, by array operations
"""
