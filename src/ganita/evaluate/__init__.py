"""Evaluating: benchmarks in, accuracies with intervals and a record of every item out.

    tasks.toml        which benchmarks there are: data, not code
    tasks.py          reads it; turns a task into items; says which items cannot be scored
    scoring.py        right or wrong, strictly and flexibly
    statistics.py     intervals
    contamination.py  which items were found in the sources of the corpus, as its ledger says
    run.py            the stage: asks the model, keeps each item as it comes, resumes per item
    records.py        what is kept of each item, and the file that survives a kill
    answers.py        the records of a finished run, for reading

Every item's question, gold answer, output and verdict are on disk, so that a figure can be checked by hand.
"""
