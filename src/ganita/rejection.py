"""Rejection sampling: a run's own right solutions of training questions become worked problems to train on.

    FILE.jsonl           one kept solution a line: a worked problem, and where it came from
    FILE.samples.jsonl   the settings, then per question everything that was drawn: what a killed call goes on from

Rounds of it are called expert iteration (Anthony et al. 2017, arXiv 1705.08439; for chains of thought STaR, Zelikman et
al. 2022, arXiv 2203.14465; distinct equation lists as the measure, Yuan et al. 2023, arXiv 2308.01825, section 3.3). A
right answer may come out of a wrong chain, so what is kept has to compute the same as the question's own solution
(corpus/chains.py).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ganita import storage
from ganita.corpus.chains import Chain, Judge, read_chain
from ganita.corpus.clean import normalise_problem, split_key
from ganita.corpus.document import Problem, to_json
from ganita.corpus.hashes import hash64
from ganita.errors import GanitaError
from ganita.evaluate.sampled import draw_solutions
from ganita.evaluate.scoring import judge_number
from ganita.progress import Reporter
from ganita.questions import questions_of
from ganita.recipe import Recipe
from ganita.runs import Run
from ganita.solve.engine import Engine
from ganita.solve.solver import Solver, load_solver
from ganita.tokenizer.template import render_prompt

_CHUNK_QUESTIONS = 16  # asked together, and written together when the last one of them is done
FORMS = ("equations", "words")  # a program has no calculator marks that could be checked


@dataclass(frozen=True)
class Settings:
    """What is drawn, and what is kept of it."""

    set: str = ""  # questions: a public training set, a file of worked problems, or variants of a set
    path: str = ""
    variants: str = ""
    questions: int = 0  # at most so many, chosen by the seed; 0: all
    count: int = 8  # solutions drawn for each
    temperature: float = 0.8
    keep: int = 4  # of one question, at most
    form: str = ""  # empty: as evaluated
    seed: int = 1
    known: tuple[str, ...] = ()  # files of earlier rounds: their chains are not kept again


def sample_solutions(run: Run, settings: Settings, out: Path, reporter: Reporter) -> dict[str, Any]:
    """Draw, check, keep, write `out`; return the counts. Goes on where an earlier call was cut off.

    Raises `GanitaError`: a benchmark as questions, no questions, `out` exists or belongs to other settings.
    """
    _check(settings, out)
    earlier = _earlier(settings.known)  # before an hour of drawing, not after it
    recipe = run.recipe()
    questions = questions_of(
        reporter,
        settings.seed,
        set_id=settings.set,
        path=settings.path,
        variants=settings.variants,
        count=settings.questions,
    )
    solver = load_solver(run.root, calculator=recipe.evaluate.calculator, device=recipe.finetune.device)
    form = settings.form or solver.form
    if form not in FORMS:
        raise GanitaError(f"solutions in the form {form!r} have no marks to check: give --form equations or words")
    origin = _origin(run, recipe, settings, form)
    drawn = out.with_suffix(".samples.jsonl")
    rows = _draw(solver, recipe, questions, settings, form, origin, drawn, reporter)
    kept, counts, reasons = keep_right(questions, rows, settings.keep, earlier)
    lines = [_line(problem, origin) for problem in kept]
    storage.write_text(out, "".join(lines))
    for reason, number in reasons.most_common():
        reporter.say(f"  left out: {number:,} {reason}")
    reporter.say(summary_line(counts), style="bold")
    return counts


def summary_line(counts: dict[str, int]) -> str:
    """Write the counts as one line."""
    share = 100 * counts["correct"] / max(counts["samples"], 1)
    return (
        f"{counts['questions']:,} questions, {counts['samples']:,} samples, {counts['correct']:,} correct ({share:.1f} "
        f"%), {counts['distinct']:,} distinct, {counts['kept']:,} kept; {counts['solved']:,} questions solved, "
        f"{counts['newly_solved']:,} of them newly"
    )


def keep_right(
    questions: Sequence[Problem], rows: Sequence[dict[str, Any]], keep: int, earlier: dict[str, set[Chain]]
) -> tuple[list[Problem], dict[str, int], Counter[str]]:
    """Return the solutions to keep, the counts, and how many right answers were left out for which reason.

    `rows` holds the drawn texts by question number; `earlier` the chains of earlier rounds by question.
    """
    kept: list[Problem] = []
    reasons: Counter[str] = Counter()
    counts = dict.fromkeys(("questions", "samples", "correct", "distinct", "kept", "solved", "newly_solved"), 0)
    for row in rows:
        problem = questions[row["number"]]
        right = [text for text in row["texts"] if judge_number(text, problem.answer).strict]
        counts["questions"] += 1
        counts["samples"] += len(row["texts"])
        counts["correct"] += len(right)
        known = earlier.get(problem.question, set())
        chains, found = _good_chains(problem, right, known, reasons)
        counts["distinct"] += found
        reasons["above the number kept of one question"] += max(0, len(chains) - keep)
        counts["solved"] += bool(chains)
        counts["newly_solved"] += bool(chains) and not known
        kept += [_solved(problem, number, steps) for number, steps in enumerate(chains[:keep])]
    counts["kept"] = len(kept)
    return kept, counts, +reasons


def _good_chains(
    problem: Problem, right: Iterable[str], known: set[Chain], reasons: Counter[str]
) -> tuple[list[tuple[str, ...]], int]:
    """Return the steps of every distinct chain that is worth keeping, and how many distinct ones there were."""
    judge = Judge(problem)
    seen: set[Chain] = set()
    good = []
    for text in right:
        chain = read_chain(text, problem.answer)
        if isinstance(chain, str):
            reasons[chain] += 1
        elif chain in seen:
            reasons["the same computation again"] += 1
        else:
            seen.add(chain)
            reason = "in an earlier round" if chain in known else judge.why_not(chain)
            if reason:
                reasons[reason] += 1
            else:
                good.append(chain.steps)
    return good, len(seen)


def _solved(problem: Problem, number: int, steps: tuple[str, ...]) -> Problem:
    # The split into training and validation goes by the question: a variant's own solutions stay on its side.
    origin = problem.variant_of or f"{hash64(split_key(normalise_problem(problem))):016x}"
    name = f"{problem.id}/sampled-{number}"
    return Problem(
        name, problem.source, problem.question, steps, problem.answer, (), problem.family, problem.licence, origin
    )


# ------------------------------------------------------------------------------------------------------ the settings


def _check(settings: Settings, out: Path) -> None:
    if out.suffix != ".jsonl":
        raise GanitaError(f"--out {out}: the file of worked problems must end in .jsonl")
    if out.exists():
        raise GanitaError(f"{out} exists; delete it, or name another file")
    for name, least in (("count", 1), ("keep", 1), ("questions", 0)):
        if getattr(settings, name) < least:
            raise GanitaError(f"--{name} {getattr(settings, name)}: must be at least {least}")
    if not 0 < settings.temperature <= 5:
        raise GanitaError(f"--temperature {settings.temperature:g}: must be above 0 and at most 5")


def _origin(run: Run, recipe: Recipe, settings: Settings, form: str) -> dict[str, Any]:
    """Return where the solutions come from: written into every line, and what a cut-off call has to match."""
    stage = run.model_stage()
    weights = run.manifest(stage)["files"]["model/weights.safetensors"]["sha256"]
    chosen = {key: value for key, value in asdict(settings).items() if key not in ("keep", "known") and value}
    tokens = recipe.evaluate.max_new_tokens
    return {"run": recipe.name, "weights": weights, **chosen, "form": form, "max_new_tokens": tokens}


def _earlier(files: Sequence[str]) -> dict[str, set[Chain]]:
    """Return the chains that earlier rounds kept, by question."""
    found: dict[str, set[Chain]] = {}
    for name in files:
        if not Path(name).is_file():
            raise GanitaError(f"--known {name}: no such file")
        for row in storage.read_jsonl(Path(name)):
            if not isinstance(row, dict) or not {"question", "steps", "answer"} <= row.keys():
                raise GanitaError(f"--known {name}: not a file that rejection sampling wrote")
            chain = read_chain("\n".join(row["steps"]), row["answer"])
            if isinstance(chain, Chain):
                found.setdefault(row["question"], set()).add(chain)
    return found


# ------------------------------------------------------------------------------------------------------- the drawing


def _draw(
    solver: Solver,
    recipe: Recipe,
    questions: Sequence[Problem],
    settings: Settings,
    form: str,
    origin: dict[str, Any],
    path: Path,
    reporter: Reporter,
) -> list[dict[str, Any]]:
    """Draw solutions into `path`, after the last whole line of it. Questions too long for the context are left out."""
    sampler = solver.sampler
    asked = list(_asked(questions, form, sampler))
    if not asked:
        raise GanitaError(f"no question fits the model's context of {sampler.context_length:,} tokens")
    done = _resume(path, origin)
    with reporter.bar(f"questions x {settings.count}", len(asked)) as bar, path.open("a", encoding="utf-8") as file:
        bar.advance(len(done))
        timer = _Timer(len(done), len(asked))
        for start in range(len(done), len(asked), _CHUNK_QUESTIONS):
            chunk = asked[start : start + _CHUNK_QUESTIONS]
            drawn = draw_solutions(
                sampler,
                [prompt for _, prompt in chunk],
                [number for number, _ in chunk],
                settings.count,
                form=form,
                temperature=settings.temperature,
                seed=settings.seed,
                settings=recipe.evaluate,
            )
            rows: list[dict[str, Any]] = [
                {"number": number, "texts": texts} for (number, _), texts in zip(chunk, drawn, strict=True)
            ]
            file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
            file.flush()
            done += rows
            bar.advance(len(rows))
            right = sum(judge_number(t, questions[row["number"]].answer).strict for row in rows for t in row["texts"])
            bar.note(timer.note(len(rows), right, settings.count))
    return done


class _Timer:
    """What the bar says beside the count: the share of right samples so far, and the time to go."""

    def __init__(self, num_before: int, num_all: int) -> None:
        self._started, self._done, self._right = time.monotonic(), 0, 0
        self._to_do = num_all - num_before

    def note(self, num_rows: int, num_right: int, num_samples: int) -> str:
        """Count a chunk and return the text."""
        self._done += num_rows
        self._right += num_right
        seconds = (time.monotonic() - self._started) / self._done * (self._to_do - self._done)
        return f"{100 * self._right / (self._done * num_samples):.1f} % right, {seconds:.0f} s to go"


def _asked(questions: Sequence[Problem], form: str, sampler: Engine) -> Iterator[tuple[int, list[int]]]:
    for number, problem in enumerate(questions):
        prompt = render_prompt(problem.question, (), form, sampler.tokenizer)
        if sampler.fits(prompt):
            yield number, prompt


def _resume(path: Path, origin: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what an earlier call drew, without a torn last line; a file of other settings is refused."""
    rows = list(storage.read_jsonl(path)) if path.is_file() else []
    if rows and rows[0] != origin:
        keys = [key for key in {**rows[0], **origin} if rows[0].get(key) != origin.get(key)]
        raise GanitaError(f"{path}: drawn with another {', '.join(keys)}; delete it, or name another --out")
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in (rows or [origin])]
    storage.write_text(path, "".join(lines))
    return rows[1:]


def _line(problem: Problem, origin: dict[str, Any]) -> str:
    return json.dumps({**to_json(problem), "sampled": origin}, ensure_ascii=False) + "\n"
