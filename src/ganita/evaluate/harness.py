"""EleutherAI's lm-evaluation-harness on a model of ours: the same items of the same local files, its loop and scores.

    RUN/lm-eval/<task>/items.jsonl    one record per item, as an evaluated run has them
                results.json          so that `ganita compare RUN RUN/lm-eval` says where the two engines differ

The model goes to it as an exported Hugging Face folder, the items as rows that hold the finished prompt. Its requests,
tokenisation, batches, generation, filters and metrics are its own: those of its task `gsm8k` for numbers, of
`hendrycks_math` and Math-Verify for expressions, `acc` and `acc_norm` for multiple choice. It has no calculator. No
network is touched. docs/parity.md lists what it does differently on purpose.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from ganita.errors import MissingExtraError
from ganita.evaluate.contamination import Overlap
from ganita.evaluate.mathematics import stated_expression
from ganita.evaluate.prompts import DELIMITER, Asking, answers_of, plain_prompt, prompts_of
from ganita.evaluate.records import ITEMS, Record, RecordFile
from ganita.evaluate.results import describe, protocol_of, split, summarize
from ganita.evaluate.run import ask_task
from ganita.evaluate.scoring import Verdict, column_notes
from ganita.evaluate.tasks import CHOICE, PLAIN, Item, Task, load_items
from ganita.progress import Reporter
from ganita.recipe import Recipe
from ganita.tokenizer.tokenizer import ANSWER

FOLDER = "lm-eval"
ASKED = "harness"  # `finished` of its records: it does not say how a generation ended


def installed() -> bool:
    """Say whether the harness is there."""
    return importlib.util.find_spec("lm_eval") is not None


def require_harness() -> str:
    """Return the version of the harness. Raises `MissingExtraError` where it is not installed."""
    if not installed():
        raise MissingExtraError("lm_eval", "lm-eval", "evaluating with lm-evaluation-harness")
    return f"lm-evaluation-harness {metadata.version('lm_eval')}"


def load_model(folder: Path, batch_rows: int, device: str) -> Any:
    """Return the harness's own Hugging Face backend for an exported model, in float32."""
    require_harness()
    with _offline():
        from lm_eval.models.huggingface import HFLM

        return HFLM(pretrained=str(folder), dtype="float32", batch_size=batch_rows, device=device)


def widened(model: Any, num_tokens: int) -> Any:
    """Return the backend with room for so many tokens behind prompts of any length that the model reads.

    Otherwise it would refuse to generate 256 tokens in a context of 192, and in one of 512 cut every prompt to 256: it
    keeps room for the longest answer, where ours generates as far as the context goes.
    """
    from lm_eval.models.huggingface import HFLM

    room = model.max_length + num_tokens
    return HFLM(pretrained=model.model, tokenizer=model.tokenizer, max_length=room, batch_size=model.batch_size)


def evaluate_task(
    task: Task, recipe: Recipe, model: Any, tokenizer: Any, folder: Path, reporter: Reporter, overlap: Overlap
) -> dict[str, Any]:
    """Let the harness evaluate one task into `folder`; return its results, in the form of our own."""
    items, excluded = load_items(task, recipe, reporter)
    items = [dataclasses.replace(item, touched=overlap.touches(item.id)) for item in items]
    asking = ask_task(task, items, recipe, reporter)
    texts = texts_of(asking, items, tokenizer)
    started = time.monotonic()
    samples = ask(model, config_of(asking, items, texts, recipe.evaluate.max_new_tokens))
    seconds = time.monotonic() - started
    records = [_record(asking, item, samples[place]) for place, item in enumerate(items)]
    with RecordFile(folder / ITEMS) as file:
        file.finish(records)
    result = {**summarize(records), "contamination": split(records, overlap), **column_notes(task.scorer, records)}
    reporter.say(f"  {task.name} by lm-eval: {describe(result)}")
    return {
        "title": task.title,
        **result,
        "engine": require_harness(),
        "excluded": excluded,
        **protocol_of(asking, items, recipe, tokenizer),
        "calculator": False,
        "seconds": round(seconds, 3),
        "new_tokens": 0,
    }


def ask(model: Any, config: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the harness on one task; return by item what it logged: `resps` and every filter's answer and metrics."""
    with _offline():
        from lm_eval.api.task import ConfigurableTask
        from lm_eval.evaluator import evaluate

        task = ConfigurableTask(config=config)
        tasks = {"tasks": {config["task"]: task}, "groups": {}, "group_map": {}}
        logged = evaluate(lm=model, task_dict=tasks, bootstrap_iters=0, log_samples=True)["samples"][config["task"]]
    found: dict[int, dict[str, Any]] = {}
    for sample in logged:
        one = found.setdefault(sample["doc_id"], {"resps": sample["resps"]})
        one[sample["filter"]] = sample
    return [found[place] for place in sorted(found)]


def config_of(asking: Asking, items: Sequence[Item], texts: Sequence[str], max_new_tokens: int) -> dict[str, Any]:
    """Return the harness's configuration of a task whose rows hold the finished prompts."""
    task = asking.task
    rows = [
        {"prompt": text, "gold": ord(item.gold) - ord("A"), "choices": answers_of(asking, item)}
        if task.scorer == CHOICE
        else {"prompt": text, "gold": item.gold, "solution": item.fields.get("solution", "")}
        for item, text in zip(items, texts, strict=True)
    ]
    config: dict[str, Any] = {
        "task": f"ganita_{task.name}",
        "custom_dataset": lambda **_: {"test": _dataset(rows)},
        "test_split": "test",
        "doc_to_text": "prompt",
        "doc_to_target": "gold",
        "num_fewshot": 0,
        "metadata": {"version": task.version},
    }
    if task.scorer == CHOICE:
        metrics = [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_norm")]
        delimiter = DELIMITER if asking.how == PLAIN else ANSWER
        more = {"output_type": "multiple_choice", "doc_to_choice": "choices", "target_delimiter": delimiter}
        return {**config, **more, "metric_list": metrics}
    until = list(task.until) if asking.how == PLAIN else []
    generation = {"until": until, "do_sample": False, "temperature": 0.0, "max_gen_toks": max_new_tokens}
    config |= {"output_type": "generate_until", "generation_kwargs": generation}
    return {**config, **(_mathematics() if task.scorer == "mathematics" else _gsm8k())}


def texts_of(asking: Asking, items: Sequence[Item], tokenizer: Any) -> list[str]:
    """Return the prompts as text, special tokens by name: the harness turns them into the ids that we ask with."""
    if asking.how == PLAIN:
        # What a foreign tokenizer adds by itself must not stand there twice: the harness sees it and adds no other.
        before = tokenizer.decode(tokenizer.prefix, skip_special=False)
        return [before + plain_prompt(asking, item) for item in items]
    return [tokenizer.decode(ids, skip_special=False) for ids in prompts_of(asking, items, tokenizer)]


def _gsm8k() -> dict[str, Any]:
    """Return filters and metric of the harness's own task `gsm8k`, from its own file."""
    import yaml
    from lm_eval import tasks

    path = Path(str(tasks.__file__)).parent / "gsm8k" / "gsm8k.yaml"
    own = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"filter_list": own["filter_list"], "metric_list": own["metric_list"]}


def _mathematics() -> dict[str, Any]:
    """Return the scores of the harness's `hendrycks_math`, and of Math-Verify called as its `minerva_math` does.

    `minerva_math` itself cannot be imported beside a current Math-Verify: it asserts an older antlr4.
    """
    from lm_eval.tasks.hendrycks_math import utils

    def process(row: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
        # Both of its tasks look for phrases that no model of ours writes; our way of stating an answer is kept.
        answer = stated_expression(results[0])
        boxed = {"solution": f"\\boxed{{{row['gold']}}}"}
        scores = {
            "exact_match": 0.0 if answer is None else float(utils.process_results(boxed, [answer])["exact_match"])
        }
        if importlib.util.find_spec("math_verify"):
            from math_verify import parse, verify

            gold = parse(row["solution"] or f"$\\boxed{{{row['gold']}}}$")
            scores["math_verify"] = float(verify(gold=gold, target=parse(f"$\\boxed{{{answer or ''}}}$")))
        return scores

    names = ["exact_match", *(["math_verify"] if importlib.util.find_spec("math_verify") else [])]
    metrics = [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in names]
    return {"process_results": process, "metric_list": metrics}


def _dataset(rows: Sequence[Mapping[str, Any]]) -> Any:
    import datasets

    return datasets.Dataset.from_list(list(rows))


def _record(asking: Asking, item: Item, sample: Mapping[str, Any]) -> Record:
    """Return the record of an item from what the harness logged of it."""
    if asking.task.scorer == CHOICE:
        logged = sample["none"]
        totals = [float(one[0]) for one in logged["filtered_resps"]]
        rates = [total / max(1, len(text)) for total, text in zip(totals, answers_of(asking, item), strict=True)]
        letters = [chr(ord("A") + values.index(max(values))) for values in (totals, rates)]
        verdict = Verdict(letters[0], letters[1], bool(logged["acc"]), bool(logged["acc_norm"]))
        output, likelihoods = item.choices[ord(letters[0]) - ord("A")], totals
    else:
        output, likelihoods = sample["resps"][0][0], []
        if asking.task.scorer == "mathematics":
            logged, answer = sample["none"], stated_expression(output)
            equal = logged.get("math_verify")
            flexible = None if equal is None else answer
            verdict = Verdict(answer, flexible, bool(logged["exact_match"]), bool(equal))
        else:
            strict, flexible = sample["strict-match"], sample["flexible-extract"]
            verdict = Verdict(
                _found(strict), _found(flexible), bool(strict["exact_match"]), bool(flexible["exact_match"])
            )
    return Record.of(item, output, verdict, ASKED, 0, 0, log_likelihoods=[round(one, 6) for one in likelihoods])


def _found(sample: Mapping[str, Any]) -> str | None:
    answer: str = sample["filtered_resps"][0]
    return None if answer == "[invalid]" else answer


@contextmanager
def _offline() -> Iterator[None]:
    """Let neither the harness nor the libraries under it ask the network, nor talk."""
    import os

    before = dict(os.environ)
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"}
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
        os.environ.clear()
        os.environ.update(before)
