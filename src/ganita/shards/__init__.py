"""Tokens on disk, and the batches made of them.

    build.py     the stage: renders and encodes every document of the corpus into flat token files
    files.py     the format of those files: streams, index, how they are written, checked and read
    packing.py   which pieces of which documents make row k of a stream
    mixture.py   which row of a training stage comes from which stream, in closed form
    draw.py      what a stage draws: weights in tokens, caps in epochs and phases as rows of streams
    loader.py    batches: a pure function of (seed, step)

A stream is one source in one form: `openstax` (text), `gsm8k.equations`, `gsm8k.words`. Its documents lie end
to end in `<split>/<stream>-00000.bin`, -00001.bin, ... (little-endian uint16 or uint32; no document crosses a
file), with `<stream>.documents.npy` (start offsets) and `<stream>.prompts.npy` (prompt tokens per document).
"""
