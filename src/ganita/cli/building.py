"""The verbs that build a model: `run`, `plan`, `tune`; a stage alone; `problems`, `rejection-sample` for the corpus."""

from __future__ import annotations

import argparse
import shlex
from itertools import islice
from pathlib import Path

from ganita.cli.options import Command, Group, actions, fields_given, recipe_and_run, verb, with_recipe, with_run
from ganita.corpus import problems
from ganita.progress import Reporter
from ganita.runs import REPORT, Run

# -------------------------------------------------------------------------------------------------- a recipe as a whole


def add_run(verbs: Group) -> None:
    """`ganita run RECIPE`."""
    item = with_recipe(verb("run", _run, "the whole way: corpus to report, skipping what is done", verbs))
    item.add_argument("--no-plan", action="store_true", help="skip the calibration before the run")


def _run(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.pipeline import execute
    from ganita.plan import make_plan
    from ganita.report.page import write

    recipe, run = recipe_and_run(options)
    reporter.say(f"{recipe.name}: {recipe.description or 'a run'} -> {run.root}", style="bold")
    plan = make_plan(recipe, run, calibrate=not options.no_plan)
    plan.show(reporter)
    plan.require_fit()
    execute(recipe, run, reporter)
    write(run, reporter)
    _closing(run, reporter)


def _closing(run: Run, reporter: Reporter) -> None:
    """End with what the run gave and what to do next."""
    from ganita.evaluate.records import ITEMS, read_records

    results = run.manifest("evaluate")["summary"].get("tasks", {})
    for task, result in results.items():
        strict, names = result["strict"], result.get("measures", {"strict": "strict", "flexible": "flexible"})
        chance = f", {result['chance']['strict']}" if "chance" in result else ""
        reporter.say(
            f"{task}: {100 * strict['accuracy']:.1f} % {names['strict']} "
            f"[{100 * strict['low']:.1f}, {100 * strict['high']:.1f}], "
            f"{100 * result['flexible']['accuracy']:.1f} % {names['flexible']}, n = {result['n']:,}{chance}",
            style="bold",
        )
    reporter.say(f"report: {run.root / REPORT}")
    if results:
        records = islice(read_records(run.stage("evaluate") / next(iter(results)) / ITEMS), 50)
        question = min((record.question for record in records), key=len)  # of the run's own domain, and fit to type
        reporter.say(f"ask it: ganita solve {run.root} {shlex.quote(question)}")


def add_plan(verbs: Group) -> None:
    """`ganita plan RECIPE`."""
    item = with_recipe(verb("plan", _plan, "what would happen: sizes, work, memory, disk, time, cost", verbs))
    item.add_argument("--no-calibration", action="store_true", help="do not measure the speed of this machine")


def _plan(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.plan import make_plan

    recipe, run = recipe_and_run(options)
    plan = make_plan(recipe, run, calibrate=not options.no_calibration)
    reporter.say(f"{recipe.name} -> {run.root}", style="bold")
    plan.show(reporter)
    plan.require_fit()


def add_tune(verbs: Group) -> None:
    """`ganita tune RECIPE`."""
    item = with_recipe(verb("tune", _tune, "search learning rates, schedule, weight decay on a narrow proxy", verbs))
    item.add_argument("--budget", default="20m", metavar="TIME", help="time of all trials together: 20m, 2h, 1h30m")
    item.add_argument("--trials", type=int, default=0, metavar="N", help="at most this many; default: as many as fit")
    item.add_argument("--proxy-width", type=int, default=0, metavar="W", help="width of the proxy; default: chosen")
    item.add_argument("--steps", type=int, default=0, metavar="N", help="steps of a trial; default: by the budget")
    item.add_argument("--jobs", type=int, default=1, metavar="N", help="trials at once, in processes of their own")
    item.add_argument("--seed", type=int, default=0, help="seed of the search; default: the recipe's")


def _tune(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.tune.command import Options, tune

    recipe, run = recipe_and_run(options)
    reporter.say(f"{recipe.name}: tuned on a proxy -> {run.root / 'tune'}", style="bold")
    tune(Path(options.target), recipe, run, Options(**fields_given(options, Options)), reporter)
    if options.set:
        reporter.say(f"it does not hold what --set gave: {shlex.join(options.set)}")


# ------------------------------------------------------------------------------- one stage alone, its inputs being done


def carry_out_stage(options: argparse.Namespace, reporter: Reporter) -> None:
    """Carry out `options.stage` of the recipe that the command names."""
    from ganita.pipeline import execute

    recipe, run = recipe_and_run(options)
    execute(recipe, run, reporter, only=options.stage)


def add_stage(
    name: str, stage: str, help_: str, group: Group, command: Command = carry_out_stage
) -> argparse.ArgumentParser:
    """Add a verb `name` that carries out one stage of a recipe; return its parser."""
    item = with_recipe(verb(name, command, help_, group))
    item.set_defaults(stage=stage)
    return item


def add_corpus(verbs: Group) -> None:
    """`ganita corpus build RECIPE`, `list`, `show SET`, `get SET`, `card RUN`."""
    about = "documents: read, clean, hold out"
    group = actions("corpus", about, verbs)
    add_stage("build", "corpus", about, group)
    verb("list", _list_sets, "the public sets known by name", group)
    item = verb("show", _show_set, "all that is known of a public set", group)
    item.add_argument("set_id", metavar="SET", help="its name in `ganita corpus list`")
    item = verb("get", _get_set, "download a public set", group)
    item.add_argument("set_id", metavar="SET", help="its name in `ganita corpus list`")
    with_run(verb("card", _data_card, "the data card of a run: sources, licences, steps, overlaps", group))


def _list_sets(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.corpus.registry.listing import list_sets

    list_sets(reporter)


def _show_set(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.corpus.registry.listing import show_set

    show_set(options.set_id, reporter)


def _get_set(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.corpus.registry.listing import get_set

    get_set(options.set_id, reporter)


def _data_card(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.report.datacard import write_data_card

    path = write_data_card(Run(Path(options.target)))
    reporter.say(path.read_text(encoding="utf-8"))
    reporter.say(f"data card: {path}")


def add_tokenizer(verbs: Group) -> None:
    """`ganita tokenizer build RECIPE`, `ganita tokenizer audit RUN`."""
    about = "train the tokenizer"
    group = actions("tokenizer", about, verbs)
    add_stage("build", "tokenizer", about, group)
    item = with_run(verb("audit", _audit, "measure a run's tokenizer beside others", group))
    item.add_argument(
        "--against", action="append", default=[], metavar="PATH", help="another tokenizer: folder or file"
    )


def _audit(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.tokenizer.audit import audit

    audit(Run(Path(options.target)), options.against, reporter)


def add_shards(verbs: Group) -> None:
    """`ganita shards build RECIPE`."""
    about = "write token shards"
    add_stage("build", "shards", about, actions("shards", about, verbs))


def add_pretrain(verbs: Group) -> None:
    """`ganita pretrain RECIPE`."""
    add_stage("pretrain", "pretrain", "train the decoder from nothing", verbs)


def add_finetune(verbs: Group) -> None:
    """`ganita finetune RECIPE`, `ganita finetune RUN --only TOPIC`."""
    item = add_stage("finetune", "finetune", "tune it on worked problems", verbs, _finetune)
    about_only = "tune a finished RUN further on these topics alone, as a run NAME-TOPIC beside it"
    item.add_argument("--only", default="", metavar="TOPIC,...", help=about_only)


def _finetune(options: argparse.Namespace, reporter: Reporter) -> None:
    """Carry out the stage, or tune a finished run further on a topic: `ganita finetune RUN --only geometry`."""
    if not options.only:
        carry_out_stage(options, reporter)
        return
    from ganita.continuing import specialise
    from ganita.report.page import write

    run = Run(Path(options.target))
    overrides = [*options.set, *(f"{key}='{value}'" for key in ("runs", "name") if (value := getattr(options, key)))]
    topics = [topic.strip() for topic in options.only.split(",") if topic.strip()]
    made = specialise(run, topics, overrides, reporter)
    reporter.say(f"report: {write(made, reporter)}")


# ----------------------------------------------------------------------------------------------- problems for a corpus


def add_problems(verbs: Group) -> None:
    """`ganita problems sample`, `check`, `stats`."""
    problems.add_verbs(actions("problems", "procedural problems: read, check and measure them", verbs), verb)


def add_rejection_sample(verbs: Group) -> None:
    """`ganita rejection-sample RUN --out FILE.jsonl`."""
    about = "worked problems out of the run's own right solutions of training questions (expert iteration)"
    item = with_run(verb("rejection-sample", _rejection_sample, about, verbs))
    item.add_argument("--set", default="", help="questions of a public training set, e.g. gsm8k-train")
    item.add_argument("--path", default="", help="questions of your own file of worked problems")
    item.add_argument("--variants", default="", metavar="SET", help="renumbered variants of a set as questions")
    item.add_argument("--questions", type=int, default=0, metavar="N", help="at most so many; default: all")
    item.add_argument("--count", type=int, default=8, metavar="N", help="solutions drawn for each")
    item.add_argument("--temperature", type=float, default=0.8, help="temperature of the drawn solutions")
    item.add_argument("--keep", type=int, default=4, metavar="N", help="solutions kept of one question, at most")
    item.add_argument("--form", default="", choices=("", "equations", "words"), help="default: as evaluated")
    item.add_argument("--seed", type=int, default=1, help="another seed, other samples")
    item.add_argument("--known", action="append", default=[], metavar="FILE", help="an earlier round: not kept again")
    item.add_argument("--out", required=True, metavar="FILE.jsonl", help="file to write; must not exist")


def _rejection_sample(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.rejection import Settings, sample_solutions

    settings = Settings(**fields_given(options, Settings) | {"known": tuple(options.known)})
    sample_solutions(Run(Path(options.target)), settings, Path(options.out), reporter)
    reporter.say(f"in a recipe: [[corpus.sources]] with path = '{options.out}', kind = 'problem'")
