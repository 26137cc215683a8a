"""The verbs, in the order in which data goes. Thin: each calls one function of its room."""

from __future__ import annotations

import argparse
import dataclasses
import errno
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ganita import __version__
from ganita.errors import GanitaError, Interrupted, SaidElsewhere
from ganita.progress import Reporter
from ganita.recipe import FORMS, Recipe, documentation, load_recipe
from ganita.runs import REPORT, STAGES, Run

USER_ERROR, OUR_ERROR, STOPPED = 2, 1, 130
EVALUATE_MORE = (
    "few_shot",
    "chat_template",
    "form",
    "calculator",
    "limit",
    "strict_items",
)  # what --suite and --tasks go with


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 2 a mistake of the user's, 1 one of ours, 130 stopped by a signal."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    # argparse gives up optional positionals once an option has come before them: `ganita solve --samples 5 RUN "..."`
    empty = [name for name in ("target", "question") if getattr(options, name, None) == ""]
    if len(rest) <= len(empty) and not any(word.startswith("-") for word in rest):
        for name in empty[: len(rest)]:
            setattr(options, name, rest.pop(0))
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if options.threads:  # before torch and its libraries count the cores
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)
    reporter = Reporter(quiet=options.quiet)
    code = _guard(options, reporter)
    if code and _num_processes() > 1:  # a broken process group may hang in its destructor
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _num_processes() -> int:
    """Return how many processes torchrun started for this command; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def _guard(options: argparse.Namespace, reporter: Reporter) -> int:
    """Turn what escapes a command into one clear line and an exit code."""
    try:
        if _num_processes() > 1:
            from ganita.train.launch import together

            together(lambda: options.command(options, reporter))
        else:
            options.command(options, reporter)
        return 0
    except SaidElsewhere as end:
        return end.code
    except GanitaError as error:
        return _complain(str(error), USER_ERROR)
    except Interrupted as stop:
        print(f"\nstopped: {stop}\nto go on: {_again()}", file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        print(f"\nstopped; to go on: {_again()}", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # `ganita answers RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _complain(
                f"{error.filename or 'a file'}: the disk is full; free some space and start again", USER_ERROR
            )
        return _report_crash(options)
    except Exception:
        return _report_crash(options)


def _complain(message: str, code: int) -> int:
    print(f"ganita: {' '.join(message.split())}", file=sys.stderr)
    return code


def _report_crash(options: argparse.Namespace) -> int:
    text = traceback.format_exc()
    if options.debug:
        print(text, file=sys.stderr)
        return OUR_ERROR
    last = text.strip().splitlines()[-1]
    return _complain(
        f"this is our mistake, not yours: {last} (the whole story: the same command with --debug)", OUR_ERROR
    )


def _again() -> str:
    if (processes := _num_processes()) > 1:
        machines = processes // int(os.environ["LOCAL_WORLD_SIZE"])
        where = f"--nnodes {machines} ... " if machines > 1 else "--standalone "
        return f"torchrun {where}--nproc-per-node {processes // machines} -m ganita {shlex.join(sys.argv[1:])}"
    return f"ganita {shlex.join(sys.argv[1:])}"


def _recipe_and_run(options: argparse.Namespace) -> tuple[Recipe, Run]:
    """Read the recipe that the command names: a TOML file, or a run folder that has one."""
    target = Path(options.target)
    if target.is_dir() and (target / "recipe.json").is_file():
        if options.set:
            raise GanitaError(f"{target} is a run: its recipe stands. Use --set with the TOML file it came from")
        run = Run(target)
        return run.recipe(), run
    recipe = load_recipe(target, options.set)
    if options.runs:
        recipe = dataclasses.replace(recipe, runs=options.runs)
    if options.name:
        recipe = dataclasses.replace(recipe, name=options.name)
    return recipe, Run(Path(recipe.runs) / recipe.name)


def _run(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.pipeline import execute
    from ganita.plan import make_plan
    from ganita.report.page import write

    recipe, run = _recipe_and_run(options)
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


def _plan(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.plan import make_plan

    recipe, run = _recipe_and_run(options)
    plan = make_plan(recipe, run, calibrate=not options.no_calibration)
    reporter.say(f"{recipe.name} -> {run.root}", style="bold")
    plan.show(reporter)
    plan.require_fit()


def _tune(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.tune.command import Options, tune

    recipe, run = _recipe_and_run(options)
    reporter.say(f"{recipe.name}: tuned on a proxy -> {run.root / 'tune'}", style="bold")
    words = {field.name: getattr(options, field.name) for field in dataclasses.fields(Options)}
    tune(Path(options.target), recipe, run, Options(**words), reporter)
    if options.set:
        reporter.say(f"it does not hold what --set gave: {shlex.join(options.set)}")


def _stage(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.pipeline import execute

    if getattr(options, "only", ""):
        _specialise(options, reporter)
        return
    recipe, run = _recipe_and_run(options)
    execute(recipe, run, reporter, only=options.stage)


def _specialise(options: argparse.Namespace, reporter: Reporter) -> None:
    """Tune a finished run further on a topic: `ganita finetune RUN --only geometry`."""
    from ganita.continuing import specialise
    from ganita.report.page import write

    run = Run(Path(options.target))
    overrides = [*options.set, *(f"{key}='{value}'" for key in ("runs", "name") if (value := getattr(options, key)))]
    topics = [topic.strip() for topic in options.only.split(",") if topic.strip()]
    made = specialise(run, topics, overrides, reporter)
    reporter.say(f"report: {write(made, reporter)}")


def _evaluate(options: argparse.Namespace, reporter: Reporter) -> None:
    """Run the recipe's own benchmarks, or with --suite or --tasks more of them on a finished run."""
    given = {key: getattr(options, key) for key in EVALUATE_MORE if getattr(options, key) is not None}
    if options.target.startswith("hf:"):
        from ganita.baselines import evaluate_foreign, folder_name

        model = options.target.removeprefix("hf:")
        out = Path(options.runs or "runs") / (options.name or folder_name(model))
        if options.engine != "ganita":
            raise GanitaError(f"--engine {options.engine} is for runs: lm-eval itself evaluates {options.target}")
        evaluate_foreign(model, options.suite, options.tasks, given, out, reporter)
        reporter.say(f"results: {out}; beside a run: ganita compare RUN {out}")
        return
    if options.engine != "lm-eval" and _evaluated_alone(options, given, reporter):
        return
    if options.engine == "lm-eval":
        from ganita.parity import evaluate_by_harness

        recipe, run = _recipe_and_run(options)
        out = evaluate_by_harness(recipe, run, options.suite, options.tasks, given, reporter)
        reporter.say(f"results: {out}; beside ours without calculator: ganita compare {run.root} {out}")
        return
    if not (options.suite or options.tasks):
        if given:
            raise GanitaError(
                f"--{next(iter(given)).replace('_', '-')} goes with --suite or --tasks; the recipe's own benchmarks "
                "are asked as its [evaluate] says"
            )
        _stage(options, reporter)
        return
    from ganita.benchmarking import evaluate_run

    recipe, run = _recipe_and_run(options)
    evaluate_run(recipe, run, options.suite, options.tasks, given, reporter)


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


def _audit(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.tokenizer.audit import audit

    audit(Run(Path(options.target)), options.against, reporter)


def _report(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.report.page import write

    run = Run(Path(options.target))
    run.recipe()
    reporter.say(f"report: {write(run, reporter)}")


def _watch(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.report.live import watch

    watch(Path(options.target), reporter.console, every=options.every, once=options.once)


def _solve(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.solve.bundled import NAME
    from ganita.solve.opening import open_solver
    from ganita.solve.solver import ask

    target, question = options.target, options.question
    if not question and any(character.isspace() for character in target) and not Path(target).exists():
        target, question = NAME, target  # `ganita solve "A box holds ..."`: no run was named
    solver = open_solver(
        target or NAME, calculator=not options.no_calculator, engine=options.engine, dtype=options.dtype
    )
    settings: dict[str, Any] = {
        "form": options.form or "",
        "samples": options.samples,
        "temperature": options.temperature,
        "seed": options.seed,
        "max_new_tokens": options.max_new_tokens,
    }
    ask(solver, question, reporter, **settings)


def _answers(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.evaluate.answers import show

    run = Run(Path(options.target))
    run.recipe()
    verdict: Any = "wrong" if options.wrong or options.class_ else "right" if options.right else "all"
    what = {"class_": options.class_, "ids": options.id, "as_json": options.json}
    show(run, options.task, verdict, options.limit, reporter, **what)


def _compare(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.evaluate.comparing import compare

    compare(
        options.targets, reporter, task=options.task, items=options.items, as_json=options.json,
        any_prompt=options.any_prompt,
    )  # fmt: skip


def _ensemble(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.evaluate.ensemble import evaluate_ensemble

    evaluate_ensemble([Run(Path(target)) for target in options.targets], options.how, Path(options.out), reporter)
    reporter.say(f"results: {options.out}; beside a member: ganita compare {options.targets[0]} {options.out}")


def _train_verifier(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.verify import Settings, train_verifier

    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Settings)}
    train_verifier(Run(Path(options.target)), Settings(**given), reporter)
    reporter.say(f"next: ganita verifier rerank {options.target}")


def _rerank(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.evaluate.answers import evaluated_tasks
    from ganita.verify import rerank

    run = Run(Path(options.target))
    rerank(run, options.task or evaluated_tasks(run)[0], reporter)


def _rejection_sample(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.rejection import Settings, sample_solutions

    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Settings)}
    settings = Settings(**given | {"known": tuple(options.known)})
    sample_solutions(Run(Path(options.target)), settings, Path(options.out), reporter)
    reporter.say(f"in a recipe: [[corpus.sources]] with path = '{options.out}', kind = 'problem'")


def _export(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.export.command import export

    out = export(Run(Path(options.target)), options.to, Path(options.out) if options.out else None, options.dtype)
    reporter.say(f"{options.to}: {out}")


def _import(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.export.folders import import_run

    run = import_run(Path(options.folder), options.name, Path(options.runs or "runs"))
    reporter.say(f"a run: {run.root}; next: ganita evaluate {run.root}")


def _bundle(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.export.bundle import bundle

    reporter.say(f"ganita solve now uses it: {bundle(Run(Path(options.target)), dtype=options.dtype)}")


def _serve(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.serve.limits import read_limits
    from ganita.serve.server import serve

    limits, api_key = read_limits(options.limit), os.environ.get("GANITA_API_KEY", "")
    serve(options.target, options.host, options.port, limits, api_key, reporter, options.engine)


def _check(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.pipeline import check_run

    run = Run(Path(options.target))
    run.recipe()
    check_run(run)
    reporter.say(f"{run.root}: every file of every finished stage is what its manifest says")


def _recipe(options: argparse.Namespace, reporter: Reporter) -> None:
    for key, default, doc in documentation():
        reporter.say(f"{key} = {default}\n    {doc}")


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    common.add_argument("--debug", action="store_true", help="show the traceback of a crash")
    common.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads; default: all cores")
    parser = argparse.ArgumentParser(prog="ganita", description="Small language models of mathematics, from nothing.")
    parser.add_argument("--version", action="version", version=f"ganita {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, command: Any, help_: str, parent: Any = verbs) -> argparse.ArgumentParser:
        item: argparse.ArgumentParser = parent.add_parser(name, parents=[common], help=help_, description=help_)
        item.set_defaults(command=command)
        return item

    def with_recipe(item: argparse.ArgumentParser) -> argparse.ArgumentParser:
        item.add_argument("target", metavar="RECIPE", help="a recipe (configs/*.toml) or a run folder")
        item.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one recipe value")
        item.add_argument("--runs", default="", help="folder that holds the run folders")
        item.add_argument("--name", default="", help="name of the run folder")
        return item

    item = with_recipe(verb("run", _run, "the whole way: corpus to report, skipping what is done"))
    item.add_argument("--no-plan", action="store_true", help="skip the calibration before the run")
    item = with_recipe(verb("plan", _plan, "what would happen: sizes, work, memory, disk, time, cost"))
    item.add_argument("--no-calibration", action="store_true", help="do not measure the speed of this machine")
    item = with_recipe(verb("tune", _tune, "search learning rates, schedule, weight decay on a narrow proxy"))
    item.add_argument("--budget", default="20m", metavar="TIME", help="time of all trials together: 20m, 2h, 1h30m")
    item.add_argument("--trials", type=int, default=0, metavar="N", help="at most this many; default: as many as fit")
    item.add_argument("--proxy-width", type=int, default=0, metavar="W", help="width of the proxy; default: chosen")
    item.add_argument("--steps", type=int, default=0, metavar="N", help="steps of a trial; default: by the budget")
    item.add_argument("--jobs", type=int, default=1, metavar="N", help="trials at once, in processes of their own")
    item.add_argument("--seed", type=int, default=0, help="seed of the search; default: the recipe's")
    _add_stage_verbs(verbs, verb, with_recipe)
    _add_problem_verbs(verbs, verb)
    _add_use_verbs(verbs, verb)
    return parser


def _add_stage_verbs(verbs: Any, verb: Any, with_recipe: Any) -> None:
    """`ganita corpus build`, `ganita pretrain` ...: one stage alone, its inputs being done."""
    about = {
        "corpus": "documents: read, clean, hold out",
        "tokenizer": "train the tokenizer",
        "shards": "write token shards",
        "pretrain": "train the decoder from nothing",
        "finetune": "tune it on worked problems",
        "evaluate": "run the benchmarks",
    }
    for name in STAGES:
        group, action = verbs, name
        if name in ("corpus", "tokenizer", "shards"):
            group, action = (
                verbs.add_parser(name, help=about[name]).add_subparsers(required=True, metavar="ACTION"),
                "build",
            )
        command = _evaluate if name == "evaluate" else _stage
        item = with_recipe(verb(action, command, about[name], group))
        item.set_defaults(stage=name)
        if name == "evaluate":
            _add_evaluate_options(item)
        if name == "finetune":
            about_only = "tune a finished RUN further on these topics alone, as a run NAME-TOPIC beside it"
            item.add_argument("--only", default="", metavar="TOPIC,...", help=about_only)
        if name == "corpus":
            _add_corpus_verbs(verb, group)
        elif name == "tokenizer":
            item = with_run(verb("audit", _audit, "measure a run's tokenizer beside others", group))
            item.add_argument(
                "--against", action="append", default=[], metavar="PATH", help="another tokenizer: folder or file"
            )


def _add_evaluate_options(item: argparse.ArgumentParser) -> None:
    item.add_argument("--suite", default="", metavar="NAME", help="paper, words, choices or all: added to the results")
    item.add_argument(
        "--tasks", action="extend", nargs="+", default=[], metavar="TASK",
        help="benchmarks, or TOML files of your own ones",
    )  # fmt: skip
    item.add_argument(
        "--engine",
        default="ganita",
        choices=("ganita", "lm-eval"),
        help="lm-eval: EleutherAI's harness on the exported model",
    )
    item.add_argument("--few-shot", type=int, metavar="N", help="solved examples before each question")
    item.add_argument(
        "--chat-template", choices=("auto", "on", "off"), help="on: template of training, off: plain text"
    )
    item.add_argument("--form", choices=FORMS, help="solution form asked for")
    item.add_argument(
        "--no-calculator",
        dest="calculator",
        action="store_const",
        const=False,
        help="let the model do its own arithmetic",
    )
    item.add_argument("--limit", type=int, metavar="N", help="the first N items of each benchmark; 0: all")
    item.add_argument(
        "--strict-items", action="store_true", default=None, help="stop at items that cannot be scored; default: go on"
    )


def _add_corpus_verbs(verb: Any, group: Any) -> None:
    verb("list", _list_sets, "the public sets known by name", group)
    about = {"show": (_show_set, "all that is known of a public set"), "get": (_get_set, "download a public set")}
    for name, (command, help_) in about.items():
        verb(name, command, help_, group).add_argument("set_id", metavar="SET", help="its name in `ganita corpus list`")
    with_run(verb("card", _data_card, "the data card of a run: sources, licences, steps, overlaps", group))


def _add_problem_verbs(verbs: Any, verb: Any) -> None:
    from ganita.corpus.problems import add_verbs

    about = "procedural problems: read, check and measure them"
    add_verbs(verbs.add_parser("problems", help=about).add_subparsers(required=True, metavar="ACTION"), verb)


def with_run(item: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the run folder that a command works on."""
    item.add_argument("target", metavar="RUN", help="a run folder, e.g. runs/quick")
    return item


def _add_use_verbs(verbs: Any, verb: Any) -> None:
    with_run(verb("report", _report, "write the run's report.html"))
    item = with_run(verb("watch", _watch, "a live view of a run in progress, read from its folder"))
    item.add_argument("--once", action="store_true", help="print one frame and leave")
    item.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="time between two looks")
    item = verb("solve", _solve, "ask a question; without one, a prompt to type into")
    item.add_argument("target", nargs="?", default="", metavar="RUN", help="a run or exported folder; default: bundled")
    item.add_argument("question", nargs="?", default="", help="a word problem")
    item.add_argument("--form", choices=FORMS, help="form of the solution; default: as evaluated")
    item.add_argument("--samples", type=int, default=1, help="solutions to draw; the most frequent answer wins")
    item.add_argument("--temperature", type=float, default=0.0, help="0: greedy")
    item.add_argument("--seed", type=int, default=0, help="seed of the sampling")
    item.add_argument("--max-new-tokens", type=int, default=256, help="longest solution, in tokens")
    item.add_argument("--engine", default="auto", help="auto, torch or llama.cpp; auto: llama.cpp on a CPU that has it")
    item.add_argument("--dtype", default="f16", choices=("f32", "f16", "bf16", "q8_0"), help="weights of llama.cpp")
    item.add_argument("--no-calculator", action="store_true", help="let the model do its own arithmetic")
    item = with_run(verb("answers", _answers, "read the evaluated answers one by one"))
    item.add_argument("--task", default="", help="benchmark; default: the first")
    item.add_argument("--limit", type=int, default=20, help="how many to show; 0: all")
    item.add_argument(
        "--class", dest="class_", default="", metavar="CLASS", help="only wrong ones of a class: slip ..."
    )
    item.add_argument("--id", action="append", default=[], metavar="ID", help="only this item; may be repeated")
    item.add_argument("--json", action="store_true", help="print one JSON object a line")
    group = item.add_mutually_exclusive_group()
    group.add_argument("--wrong", action="store_true", help="only wrong answers")
    group.add_argument("--right", action="store_true", help="only right answers")
    item = verb("compare", _compare, "two evaluated runs, item by item: difference, interval, p-value")
    item.add_argument("targets", nargs=2, metavar="RUN[,RUN]", help="two run folders, or groups of runs by seed")
    item.add_argument("--task", default="", help="one benchmark; default: all that both have")
    item.add_argument("--items", action="store_true", help="list the items won and lost")
    item.add_argument("--any-prompt", action="store_true", help="compare runs that were asked in different words too")
    item.add_argument("--json", action="store_true", help="print JSON")
    item = verb("ensemble", _ensemble, "evaluate several runs as one model")
    item.add_argument("targets", nargs="+", metavar="RUN", help="two or more run folders")
    item.add_argument("--how", choices=("vote", "probabilities"), default="probabilities", help="what is combined")
    item.add_argument("--out", required=True, help="folder for the results; must not exist")
    group = verbs.add_parser("verifier", help="choose among sampled solutions").add_subparsers(
        required=True, metavar="ACTION"
    )
    item = with_run(verb("train", _train_verifier, "train a verifier on the run's own solutions", group))
    item.add_argument("--questions", type=int, default=2000, help="questions of the training corpus")
    item.add_argument("--samples", type=int, default=8, help="solutions drawn for each")
    item.add_argument("--temperature", type=float, default=0.7, help="temperature of the drawn solutions")
    item.add_argument("--tokens", type=int, default=2_000_000, help="training budget")
    item.add_argument("--learning-rate", type=float, default=5e-4, help="peak learning rate")
    item.add_argument("--source", default="", help="take questions of this source of the corpus only")
    item = with_run(verb("rerank", _rerank, "best-of-k and weighted vote on the samples of an evaluation", group))
    item.add_argument("--task", default="", help="benchmark; default: the first")
    _add_rejection_sample(verb)
    item = with_run(verb("export", _export, "write the model in a standard format"))
    item.add_argument("--to", default="hf", help="hf: a Hugging Face folder; gguf: llama.cpp; onnx: onnxruntime")
    item.add_argument("--out", default="", help="folder to write; must not exist; default: RUN/exports/FORMAT")
    item.add_argument("--dtype", default="", help="type of the weights: f32, bf16, f16, q8_0 (GGUF only)")
    item = verb("import", _import, "a run made of a Hugging Face folder, to evaluate and to train on")
    item.add_argument("folder", metavar="FOLDER", help="config.json, model.safetensors, tokenizer.json")
    item.add_argument("--name", required=True, help="name of the run folder")
    item.add_argument("--runs", default="", help="folder that holds the run folders")
    item = with_run(verb("bundle", _bundle, "make a run's model the one that ships with the package"))
    item.add_argument("--dtype", default="bf16", help="bf16, or int8 with a scale for each row")
    item = with_run(verb("serve", _serve, "an HTTP API and a page for the model (loopback unless told otherwise)"))
    item.add_argument("--host", default="127.0.0.1", help="address to bind")
    item.add_argument("--port", type=int, default=8000, help="port to bind")
    item.add_argument("--engine", default="auto", metavar="NAME", help="auto, torch or llama.cpp")
    item.add_argument(
        "--limit", action="append", default=[], metavar="NAME=NUMBER", help="change a limit (serve/limits.py)"
    )
    with_run(verb("check", _check, "verify every file of a run against its checksums"))
    verb("recipe", _recipe, "list every recipe key with its default and meaning")


def _add_rejection_sample(verb: Any) -> None:
    help_ = "worked problems out of the run's own right solutions of training questions (expert iteration)"
    item = with_run(verb("rejection-sample", _rejection_sample, help_))
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
