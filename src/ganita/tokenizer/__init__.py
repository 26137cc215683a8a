"""Text to token ids and back.

build.py        the stage: draws a sample of the corpus, learns a byte-level BPE on it (or two), measures the result
sample.py       the even sample of the corpus, and which sources are text and which are code
pretokenize.py  where text is cut: words, digits one by one or in groups of three, marks
bpe.py          a BPE as a list of merges: learned by the library, written as tokenizer.json
merge.py        a text BPE and a code BPE made into one
tokenizer.py    what the other rooms use: encode, decode, the ids of the special tokens, the bytes of a token
template.py     the one rendering of text and worked problems, for training and for questions asked later
reading.py      documents of the corpus stage, one by one
audit.py        a run's tokenizer beside others, as audit.json and as tables; measures.py: what is measured

The folder that the stage leaves behind (`tokenizer.json`, `tokenizer_config.json` with the chat template) loads
in Hugging Face `AutoTokenizer` as it is and gives the same ids.
"""
