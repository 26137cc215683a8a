"""The verbs that measure one model or several: `evaluate`, `answers`, `compare`, `ensemble`, `verifier`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ganita.cli.building import add_stage, carry_out_stage
from ganita.cli.options import Group, actions, fields_given, recipe_and_run, verb, with_run
from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.recipe import FORMS
from ganita.runs import Run

# What --suite and --tasks go with: the options that ask benchmarks otherwise than the recipe does.
ASKED_OTHERWISE = ("few_shot", "chat_template", "form", "calculator", "limit", "strict_items")


def add_evaluate(verbs: Group) -> None:
    """`ganita evaluate RECIPE`, `ganita evaluate RUN --suite NAME --tasks TASK ...`, `ganita evaluate hf:MODEL`."""
    item = add_stage("evaluate", "evaluate", "run the benchmarks", verbs, _evaluate)
    item.add_argument("--suite", default="", metavar="NAME", help="paper, words, choices or all: added to the results")
    item.add_argument(
        "--tasks", action="extend", nargs="+", default=[], metavar="TASK",
        help="benchmarks, or TOML files of your own ones",
    )  # fmt: skip
    about_engine = "lm-eval: EleutherAI's harness on the exported model"
    item.add_argument("--engine", default="ganita", choices=("ganita", "lm-eval"), help=about_engine)
    item.add_argument("--few-shot", type=int, metavar="N", help="solved examples before each question")
    about_template = "on: template of training, off: plain text"
    item.add_argument("--chat-template", choices=("auto", "on", "off"), help=about_template)
    item.add_argument("--form", choices=FORMS, help="solution form asked for")
    item.add_argument(
        "--no-calculator", dest="calculator", action="store_const", const=False,
        help="let the model do its own arithmetic",
    )  # fmt: skip
    item.add_argument("--limit", type=int, metavar="N", help="the first N items of each benchmark; 0: all")
    about_strict = "stop at items that cannot be scored; default: go on"
    item.add_argument("--strict-items", action="store_true", default=None, help=about_strict)


def _evaluate(options: argparse.Namespace, reporter: Reporter) -> None:
    """Run the recipe's own benchmarks, or with --suite or --tasks more of them on a finished run."""
    given = {key: getattr(options, key) for key in ASKED_OTHERWISE if getattr(options, key) is not None}
    if options.target.startswith("hf:"):
        _evaluate_foreign(options, given, reporter)
    elif options.engine == "lm-eval":
        _evaluate_by_harness(options, given, reporter)
    elif _evaluated_alone(options, given, reporter):
        return
    elif options.suite or options.tasks:
        from ganita.benchmarking import evaluate_run

        recipe, run = recipe_and_run(options)
        evaluate_run(recipe, run, options.suite, options.tasks, given, reporter)
    elif given:
        raise GanitaError(
            f"--{next(iter(given)).replace('_', '-')} goes with --suite or --tasks; the recipe's own benchmarks "
            "are asked as its [evaluate] says"
        )
    else:
        carry_out_stage(options, reporter)


def _evaluate_foreign(options: argparse.Namespace, given: dict[str, Any], reporter: Reporter) -> None:
    """Evaluate a model of the hub by lm-evaluation-harness: `ganita evaluate hf:MODEL`."""
    from ganita.baselines import evaluate_foreign, folder_name

    model = options.target.removeprefix("hf:")
    out = Path(options.runs or "runs") / (options.name or folder_name(model))
    if options.engine != "ganita":
        raise GanitaError(f"--engine {options.engine} is for runs: lm-eval itself evaluates {options.target}")
    evaluate_foreign(model, options.suite, options.tasks, given, out, reporter)
    reporter.say(f"results: {out}; beside a run: ganita compare RUN {out}")


def _evaluate_by_harness(options: argparse.Namespace, given: dict[str, Any], reporter: Reporter) -> None:
    from ganita.parity import evaluate_by_harness

    recipe, run = recipe_and_run(options)
    out = evaluate_by_harness(recipe, run, options.suite, options.tasks, given, reporter)
    reporter.say(f"results: {out}; beside ours without calculator: ganita compare {run.root} {out}")


def _evaluated_alone(options: argparse.Namespace, given: dict[str, Any], reporter: Reporter) -> bool:
    """Evaluate the bundled model, or an imported one that has no corpus; say whether it was one of these."""
    from ganita.standalone import evaluate_bundled, evaluate_imported, is_imported

    run = Run(Path(options.target))
    if options.target == "bundled" and not run.root.exists():
        run = Run(Path(options.runs or "runs") / (options.name or "bundled"))
        evaluate_bundled(options.suite, options.tasks, given, run.root, reporter, options.set)
    elif is_imported(run):
        evaluate_imported(run, options.suite, options.tasks, given, reporter, options.set)
    else:
        return False
    reporter.say(f"results: {run.root}")
    return True


def add_answers(verbs: Group) -> None:
    """`ganita answers RUN`."""
    item = with_run(verb("answers", _answers, "read the evaluated answers one by one", verbs))
    item.add_argument("--task", default="", help="benchmark; default: the first")
    item.add_argument("--limit", type=int, default=20, help="how many to show; 0: all")
    about_class = "only wrong ones of a class: slip ..."
    item.add_argument("--class", dest="class_", default="", metavar="CLASS", help=about_class)
    item.add_argument("--id", action="append", default=[], metavar="ID", help="only this item; may be repeated")
    item.add_argument("--json", action="store_true", help="print one JSON object a line")
    group = item.add_mutually_exclusive_group()
    group.add_argument("--wrong", action="store_true", help="only wrong answers")
    group.add_argument("--right", action="store_true", help="only right answers")


def _answers(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.evaluate.answers import show

    run = Run(Path(options.target))
    run.recipe()
    verdict: Any = "wrong" if options.wrong or options.class_ else "right" if options.right else "all"
    what = {"class_": options.class_, "ids": options.id, "as_json": options.json}
    show(run, options.task, verdict, options.limit, reporter, **what)


def add_compare(verbs: Group) -> None:
    """`ganita compare RUN RUN`."""
    item = verb("compare", _compare, "two evaluated runs, item by item: difference, interval, p-value", verbs)
    item.add_argument("targets", nargs=2, metavar="RUN[,RUN]", help="two run folders, or groups of runs by seed")
    item.add_argument("--task", default="", help="one benchmark; default: all that both have")
    item.add_argument("--items", action="store_true", help="list the items won and lost")
    item.add_argument("--any-prompt", action="store_true", help="compare runs that were asked in different words too")
    item.add_argument("--json", action="store_true", help="print JSON")


def _compare(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.evaluate.comparing import compare

    compare(
        options.targets, reporter, task=options.task, items=options.items, as_json=options.json,
        any_prompt=options.any_prompt,
    )  # fmt: skip


def add_ensemble(verbs: Group) -> None:
    """`ganita ensemble RUN RUN ... --out FOLDER`."""
    item = verb("ensemble", _ensemble, "evaluate several runs as one model", verbs)
    item.add_argument("targets", nargs="+", metavar="RUN", help="two or more run folders")
    item.add_argument("--how", choices=("vote", "probabilities"), default="probabilities", help="what is combined")
    item.add_argument("--out", required=True, help="folder for the results; must not exist")


def _ensemble(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.evaluate.ensemble import evaluate_ensemble

    evaluate_ensemble([Run(Path(target)) for target in options.targets], options.how, Path(options.out), reporter)
    reporter.say(f"results: {options.out}; beside a member: ganita compare {options.targets[0]} {options.out}")


def add_verifier(verbs: Group) -> None:
    """`ganita verifier train RUN`, `ganita verifier rerank RUN`."""
    group = actions("verifier", "choose among sampled solutions", verbs)
    item = with_run(verb("train", _train_verifier, "train a verifier on the run's own solutions", group))
    item.add_argument("--questions", type=int, default=2000, help="questions to ask the model")
    item.add_argument("--samples", type=int, default=8, help="solutions drawn for each")
    item.add_argument("--temperature", type=float, default=0.7, help="temperature of the drawn solutions")
    item.add_argument("--tokens", type=int, default=2_000_000, help="training budget")
    item.add_argument("--learning-rate", type=float, default=5e-4, help="peak learning rate")
    item.add_argument("--source", default="", help="take questions of this source of the corpus only")
    about_set = "take questions of this training set, or of a slice that was kept out of the corpus, e.g. gsm8k-dev"
    item.add_argument("--set", default="", help=about_set)
    item.add_argument("--variants", default="", metavar="SET", help="take variants of such a set")
    about_labels = "what is right: ends at the answer, or also computes what the question's own solution does"
    item.add_argument("--labels", default="answers", choices=("answers", "chains"), help=about_labels)
    item = with_run(verb("rerank", _rerank, "best-of-k and weighted vote on the samples of an evaluation", group))
    item.add_argument("--task", default="", help="benchmark; default: the first")


def _train_verifier(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.verify import Settings, train_verifier

    train_verifier(Run(Path(options.target)), Settings(**fields_given(options, Settings)), reporter)
    reporter.say(f"next: ganita verifier rerank {options.target}")


def _rerank(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.evaluate.answers import evaluated_tasks
    from ganita.verify import rerank

    run = Run(Path(options.target))
    rerank(run, options.task or evaluated_tasks(run)[0], reporter)
