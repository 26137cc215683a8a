"""Sections of the page about how good the model is: results, published figures, families, items."""

from __future__ import annotations

from typing import Any

from ganita.evaluate.mistakes import CLASSES
from ganita.evaluate.statistics import wilson_interval
from ganita.report.charts import Mark, glyph, interval_bar, size_plot
from ganita.report.gather import Findings, Task, number
from ganita.report.markup import NONE, Markup, data_block, duration, join, missing, percent, short, table, tag, whole

# Tiles and buttons have no room for the full title of a task.
TITLES = {"gsm8k": "GSM8K test", "families": "Held-out families"}


def title_of(task: Task) -> str:
    """Return the short name of a task."""
    return TITLES.get(task.name, task.name)


def _task_cell(task: Task) -> Markup:
    """Return the short name of a task with its full title, where that says more."""
    full = str(task.result.get("title") or "")
    more = tag("span", full, class_="full small") if full.lower() not in ("", title_of(task).lower()) else None
    return join([title_of(task), more])


def interval(score: dict[str, float] | None) -> str:
    """Write an interval as `[36.8, 42.1]`."""
    return f"[{percent(score['low'])}, {percent(score['high'])}]" if score else NONE


def results_section(findings: Findings) -> Markup:
    """One row per task: n, strict, flexible, intervals, and how it was asked."""
    if not findings.tasks:
        return missing("The evaluate stage has not finished: there are no results yet.")
    rows = []
    for task in findings.tasks:
        strict, flexible = task.score("strict"), task.score("flexible")
        calculator = task.result.get("calculator")
        rows.append([
            _task_cell(task),
            whole(number(task.result.get("n"), task.num_items)),
            tag("b", percent(strict["accuracy"])) if strict else NONE,
            interval(strict),
            interval_bar(strict["accuracy"], strict["low"], strict["high"]) if strict else NONE,
            percent(flexible["accuracy"]) if flexible else NONE,
            interval(flexible),
            str(task.result.get("form") or NONE),
            NONE if calculator is None else "yes" if calculator else "no",
            whole(task.result.get("max_new_tokens")),
            duration(task.result.get("seconds")),
        ])  # fmt: skip
    headers = [
        "Task",
        "Items",
        "Strict %",
        "95 %",
        "0 to 100 %",
        "Flexible %",
        "95 %",
        "Form",
        "Calculator",
        "Token limit",
        "Time",
    ]
    note = (
        "Strict: the number after the answer mark (####). Flexible: the last number of the output. Intervals are "
        "Wilson 95 % over items. One checkpoint, the last one; greedy decoding, one solution per question."
    )
    grid = table(headers, rows, numeric=(1, 2, 3, 5, 6, 9, 10), class_="results")
    endings = [text for task in findings.tasks if (text := _endings(task))]
    return join([
        grid,
        tag("p", note, class_="note"),
        tag("p", " ".join(endings), class_="note") if endings else None,
        contamination_table(findings),
        samples_table(findings),
    ])  # fmt: skip


def contamination_table(findings: Findings) -> Markup:
    """Each benchmark scored apart on the items that were found in the sources of the corpus, and on the others."""
    tasks = [task for task in findings.tasks if task.contamination]
    if not tasks:
        return join([])
    rows = []
    for task in (task for task in tasks if task.contamination.get("compared")):
        row: list[Any] = [_task_cell(task)]
        for part in ("clean", "touched"):
            count, strict, flexible = task.part(part)
            row.append(whole(count))
            for score in (strict, flexible):
                row += [percent(score["accuracy"]) if score else NONE, interval(score)]
        rows.append(row)
    scores = ("strict %", "95 %", "flexible %", "95 %")
    headers = ["Task", "Clean items", *scores, "Touched items", *scores]
    note = (
        "Touched: the ledger of the corpus has the item, because an equal or a similar passage was found in a source. "
        "The passage was taken out before training; what no rule knows may have stayed, hence the two scores."
    )
    absent = [
        f"{title_of(task)}: not compared ({task.contamination.get('reason') or 'no reason given'})."
        for task in tasks
        if not task.contamination.get("compared")
    ]
    return join([
        tag("h3", "Clean and touched items"),
        table(headers, rows, numeric=range(1, 11)) if rows else None,
        tag("p", note, class_="note") if rows else None,
        tag("p", " ".join(absent), class_="note") if absent else None,
    ])  # fmt: skip


def samples_table(findings: Findings) -> Markup:
    """Several solutions drawn for each question: whether one of k is right, and whether their majority is."""
    rows = []
    for task in findings.tasks:
        sampled: Any = task.result.get("sampled")
        try:
            for k in sampled["pass"] if sampled else ():
                scores = [cell for name in ("pass", "maj") for cell in _share(sampled[name][k])]
                rows.append([_task_cell(task), whole(sampled["n"]), f"{sampled['temperature']:g}", k, *scores])
        except (TypeError, KeyError, ValueError):  # another version's: the page is worth more than this table
            continue
    if not rows:
        return join([])
    note = (
        "pass@k: the chance that one of k drawn solutions is right, without bias (Chen et al. 2021). maj@k: the chance "
        "that their most frequent answer is. Intervals are 95 % over items."
    )
    return join([
        tag("h3", "Several solutions"),
        table(["Task", "Items", "Temperature", "k", "pass@k %", "95 %", "maj@k %", "95 %"], rows, numeric=range(1, 8)),
        tag("p", note, class_="note"),
    ])  # fmt: skip


def _share(score: dict[str, float]) -> tuple[str, str]:
    return percent(score["accuracy"]), interval(score)


def _endings(task: Task) -> str:
    """Say how many solutions ended badly, and how many items were left out."""
    wordings = {
        "no_answer": "without an answer mark",
        "cut": "cut at the token limit",
        "too_long": "too long for the context",
        "excluded": "left out of the set",
    }
    found = [f"{whole(task.result[key])} {text}" for key, text in wordings.items() if number(task.result.get(key))]
    return f"{title_of(task)}: {', '.join(found)}." if found else ""


def families_section(findings: Findings) -> Markup:
    """Accuracy by problem family, worst first, for the tasks whose records name families."""
    parts = []
    for task in findings.tasks:
        if len(task.families) < 2:
            continue
        ordered = sorted(task.families.items(), key=lambda entry: (entry[1][0] / entry[1][1], entry[0]))
        bars = [_family_bar(name, right, total) for name, (right, total) in ordered]
        perfect = sum(right == total for right, total in task.families.values())
        caption = f"{title_of(task)}: {len(ordered)} families, {perfect} without an error; the weakest first."
        parts.append(tag("p", caption, class_="note"))
        parts.append(tag("div", *bars, class_="bars"))
    return join(parts)


def _family_bar(name: str, right: int, total: int) -> Markup:
    low, high = wilson_interval(right, total)
    label = f"{right} of {total}, 95 % {percent(low)} to {percent(high)}"
    bar = tag("span", tag("span", "", style=f"width:{100 * right / total:.1f}%"), class_="bar", title=label)
    return tag(
        "div", tag("span", name, class_="name"), bar, tag("span", f"{right}/{total}", class_="n"), class_="family"
    )


def published_section(findings: Findings) -> Markup:
    """Published figures by protocol, and this run apart from them."""
    marks = [_mark(row) for row in findings.baselines["rows"]]
    own = _own_mark(findings)
    shown = [*marks, *([own] if own else [])]
    plot = size_plot(shown, "GSM8K accuracy against parameters")
    keys = [
        tag("i", tag("svg", glyph(key, 8, 8), viewBox="0 0 16 16", aria_hidden="true"), text, class_="key")
        for key, text in findings.baselines["protocols"].items()
    ]
    solid = tag("svg", glyph("few-shot", 8, 8, solid=True), viewBox="0 0 16 16", aria_hidden="true")
    keys.append(tag("i", solid, "This run, measured here, with its 95 % interval", class_="key"))
    caption = tag(
        "figcaption", tag("b", "GSM8K accuracy, percent, against parameters"), tag("span", *keys, class_="legend")
    )
    return join([
        tag("figure", caption, plot, class_="plot"),
        "" if own else missing("This run has no GSM8K result: it is not in the plot."),
        _published_table(findings, own),
        tag("p", (
            "Published rows are quoted, not re-measured; each is printed under the protocol of its source, and rows of "
            "different protocols are not comparable with each other, nor with this run. "
            "Within a group, rows are in order of size, not of merit."
        ), class_="note"),
    ])  # fmt: skip


def _mark(row: dict[str, Any]) -> Mark:
    return Mark(row["model"], row["parameters"], row["gsm8k"], row["protocol"], f"({row['source']})")


def _own_mark(findings: Findings) -> Mark | None:
    task = next((task for task in findings.tasks if task.name.startswith("gsm8k")), None)
    score = task.score("strict") if task else None
    if score is None or not findings.num_parameters:
        return None
    return Mark(
        findings.recipe.name,
        findings.num_parameters,
        100 * score["accuracy"],
        "own",
        interval(score),
        100 * score["low"],
        100 * score["high"],
    )


def _published_table(findings: Findings, own: Mark | None) -> Markup:
    heads = ("Model", "Parameters", "GSM8K", "MATH", "Conditions", "Source")
    head = tag("tr", *(tag("th", text, class_="n" if 1 <= index <= 3 else None) for index, text in enumerate(heads)))
    body: list[Markup] = []
    if own:
        body.append(_group("Measured here"))
        body.append(_own_row(findings, own))
    like = own_protocol(findings)[0] if own else ""
    for key, title in findings.baselines["protocols"].items():
        alike = "" if not own else " · as this run" if key == like else " · unlike this run"
        body.append(_group(f"Published · {title}{alike}"))
        rows = [row for row in findings.baselines["rows"] if row["protocol"] == key]
        body += [_published_row(row) for row in sorted(rows, key=lambda row: row["parameters"])]
    grid = tag("table", tag("thead", head), tag("tbody", *body), class_="published")
    return tag("div", grid, class_="scroll", tabindex="0")


def _group(title: str) -> Markup:
    return tag("tr", tag("th", title, colspan=6, scope="rowgroup"), class_="group")


def own_protocol(findings: Findings) -> tuple[str, str]:
    """Return the group of published rows whose protocol this run's GSM8K figure has, and why it has none."""
    task = next((task for task in findings.tasks if task.name.startswith("gsm8k")), None)
    if task is None:
        return "", "no GSM8K result"
    if task.result.get("form") == "python":
        return "program", ""
    if task.result.get("calculator"):
        return "", "its calculator is a tool that no published group has"
    tuned = findings.stages["finetune"].summary.get("steps") not in (None, 0)
    return ("fine-tuned", "") if tuned else ("", "not tuned on worked problems")


def _own_row(findings: Findings, own: Mark) -> Markup:
    task = next(task for task in findings.tasks if task.name.startswith("gsm8k"))
    calculator = "with" if task.result.get("calculator") else "without"
    tool = f"{task.result.get('form', '')} form, {calculator} calculator, greedy, strict; 95 % {own.note}".strip()
    key, reason = own_protocol(findings)
    alike = f"protocol of the group: {findings.baselines['protocols'][key]}" if key else f"like none below: {reason}"
    math = next((task for task in findings.tasks if task.name.startswith("math") and task.score("strict")), None)
    score = math.score("strict") if math else None
    badge = tag("span", "measured here", class_="badge")
    cells = [
        tag("td", findings.recipe.name, " ", badge),
        tag("td", short(own.parameters), class_="n"),
        tag("td", tag("b", f"{own.accuracy:.1f}"), class_="n"),
        tag("td", percent(score["accuracy"]) if score else NONE, class_="n"),
        tag("td", tool, tag("br"), tag("b", alike)),
        tag("td", "this run"),
    ]
    return tag("tr", *cells, class_="own")


def _published_row(row: dict[str, Any]) -> Markup:
    math = f"{row['math']:.1f}" if "math" in row else NONE
    cells = [
        tag("td", row["model"]),
        tag("td", short(row["parameters"]), class_="n"),
        tag("td", f"{row['gsm8k']:.1f}", class_="n"),
        tag("td", math, class_="n"),
        tag("td", row["conditions"], class_="small"),
        tag("td", row["source"], class_="small"),
    ]
    return tag("tr", *cells)


def items_section(findings: Findings) -> Markup:
    """The browser of single items; page.js fills it from the JSON block, as text."""
    tasks = [
        {
            "name": task.name,
            "title": title_of(task),
            "total": task.num_items,
            "items": task.items,
            "classes": {
                name: title.capitalize()
                for name, title in CLASSES.items()
                if any(i["class"] == name for i in task.items)
            },
        }
        for task in findings.tasks
        if task.items
    ]
    if not tasks:
        return missing("There are no records of single items.")
    cut = [f"{title_of(task)}: {whole(len(task.items))} of {whole(task.num_items)} items, evenly spaced."
           for task in findings.tasks if task.num_items > len(task.items)]  # fmt: skip
    keys = "Keys: j and k move, Enter opens, n and p turn the page, / searches."
    return join([
        tag("noscript", missing("The items need JavaScript, which is off.")),
        tag("p", " ".join([*cut, keys]), class_="note screen"),
        tag("div", "", id="items", class_="items"),
        data_block("items-data", tasks),
    ])  # fmt: skip
