"""The command line, `ganita VERB`. Thin: a verb reads its options and calls one function of its room.

    entry.py       from words to an exit code: threads, signals, mistakes of the user's and of ours
    parser.py      all verbs, in the order of `ganita --help`
    options.py     what verbs share: the recipe, the run folder, --quiet, --debug, --threads
    building.py    run, plan, tune; corpus, tokenizer, shards, pretrain, finetune; problems, rejection-sample
    evaluation.py  evaluate, answers, compare, ensemble, verifier
    use.py         solve, export, import, bundle, serve
    tools.py       report, watch, check, recipe

Each verb is two functions side by side: `add_solve` says its options, `_solve` carries it out. What they call is
imported when they run: `ganita --help` and a mistyped option must not wait for torch.
"""

from ganita.cli.entry import main

__all__ = ["main"]
