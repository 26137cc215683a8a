"""Every verb, in the order of `ganita --help`: as data goes, then what is done with a run that is finished."""

from __future__ import annotations

import argparse

from ganita import __version__
from ganita.cli import building, evaluation, tools, use

VERBS = (
    building.add_run,
    building.add_plan,
    building.add_tune,
    building.add_corpus,
    building.add_tokenizer,
    building.add_shards,
    building.add_pretrain,
    building.add_finetune,
    evaluation.add_evaluate,
    building.add_problems,
    tools.add_report,
    tools.add_watch,
    use.add_solve,
    evaluation.add_answers,
    evaluation.add_compare,
    evaluation.add_ensemble,
    evaluation.add_verifier,
    building.add_rejection_sample,
    use.add_export,
    use.add_import,
    use.add_bundle,
    use.add_serve,
    tools.add_check,
    tools.add_recipe,
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; what it parses holds the function to call as `command`."""
    parser = argparse.ArgumentParser(prog="ganita", description="Small language models of mathematics, from nothing.")
    parser.add_argument("--version", action="version", version=f"ganita {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in VERBS:
        add(verbs)
    return parser
