"""Text to token ids and back.

    build.py       the stage: draws a sample of the corpus, trains a byte-level BPE on it, measures it
    tokenizer.py   what the other rooms use: encode, decode, the ids of the special tokens, the bytes of a token
    template.py    the one rendering of text and worked problems, for training and for questions asked later
    reading.py     documents of the corpus stage, one by one

The folder that the stage leaves behind (`tokenizer.json`, `tokenizer_config.json` with the chat template) loads
in Hugging Face `AutoTokenizer` as it is and gives the same ids.
"""
