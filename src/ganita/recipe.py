"""A whole run as one typed, frozen tree: TOML in, resolved JSON out, dotted overrides.

Each field carries its one-line documentation (and unit) as metadata; `ganita recipe`, the comments in
`configs/` and docs/recipe.md come from it. An unknown key is an error that names the nearest known one.

`[train]` in a TOML file (or `--set train.steps=200`) is shorthand: its keys apply to both training
stages, `pretrain` and `finetune`.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from ganita.errors import GanitaError, nearest


def option(default: Any, doc: str) -> Any:
    """Declare a recipe field with its default and its one-line documentation."""
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata={"doc": doc})
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class Source:
    """One place that documents come from. Exactly one of `set`, `path`, and the three that generate says where."""

    name: str = option("", "short name of the source; used in file names, tables and the data card")
    set: str = option("", "a public set of the registry (`id` or `id@revision`), under GANITA_DATA or on the hub")
    path: str = option("", "your own file or folder (jsonl, jsonl.gz, jsonl.zst, parquet, txt, md, tex, code)")
    families: str = option("", "procedural problems: `train` for the wordings and names open to training")
    collection: Literal["core", "plain", "stories"] = option(
        "core", "which families: core, a few in many wordings; plain, one or two steps; stories, two to eight steps"
    )
    num_families: int = option(0, "draw from this many of the families only, chosen by their ids; 0: from all")
    num_wordings: int = option(0, "use this many wordings of each family; 0: all")
    composed: float = option(0.0, "share of the families' problems that chain two or three families into one")
    procedural: str = option("", "generated algebra, calculus and number problems with steps: `train`")
    variants: str = option(
        "", "a public set of problems with calculator marks: the source is renumbered variants of them"
    )
    kinds: tuple[str, ...] = option(
        (), "kinds of variants: numbers, reworded, distractor, asked, merged, in equal shares; empty: numbers alone"
    )
    kind: Literal["", "text", "problem"] = option("", "kind of document; empty: what the set says, else `text`")
    form: str = option("", "how rows or files become documents (latex, html ...); empty: by set and file type")
    content: Literal["", "text", "code"] = option("", "which BPE of a merged tokenizer learns it; empty: as the set")
    fields: dict[str, str] = option({}, "column of each document field, e.g. {question = 'problem'}")
    count: int = option(0, "procedural problems, or variants in all, to generate")
    topics: tuple[str, ...] = option((), "keep worked problems of these topics only, e.g. geometry; empty: all")
    limit: int = option(0, "read at most this many documents; 0: all")
    min_score: float = option(0.0, "least quality score of a row, where the set has one; 0: the set's own threshold")
    min_steps: int = option(0, "keep worked problems of at least this many steps")
    max_steps: int = option(0, "keep worked problems of at most this many steps; 0: any number")
    sound: bool = option(False, "leave out worked problems that were read and found faulty (docs/sets.md)")
    weight: float = option(1.0, "share of pretraining tokens (padding not counted), relative to the others; 0: none")
    finetune_weight: float = option(0.0, "share of fine-tuning tokens (problems only); 0: none")
    max_epochs: float = option(0.0, "most passes over the source (each form of it) in a training stage; 0: no limit")
    optional: bool = option(False, "go on with a warning when the source cannot be found")

    @property
    def label(self) -> str:
        """What the source is called in files and tables: its name, else that of its set."""
        return (
            self.name or self.set.partition("@")[0] or (self.variants and f"{self.variants.partition('@')[0]}-variants")
        )


@dataclass(frozen=True)
class Select:
    """Which documents are good enough. The rules keep LaTeX and code: none looks at braces, symbols or line ends."""

    languages: tuple[str, ...] = option((), "keep prose in these languages (ISO 639-1, e.g. en); empty: any")
    max_repetition: float = option(0.3, "drop a text with a larger share of repeated lines or word runs; 1: off")
    quality_seeds: tuple[str, ...] = option((), "sources good by definition: they teach the quality score; empty: off")
    min_quality: float = option(0.5, "drop texts whose learned quality score is below this; the seeds are kept")


@dataclass(frozen=True)
class Corpus:
    """Documents: where they come from, which are kept, how many are held out."""

    sources: tuple[Source, ...] = option((), "where documents come from, one [[corpus.sources]] table each")
    validation_share: float = option(0.05, "share of documents held out, by document hash (paper: 95/5)")
    max_bad_lines: float = option(0.01, "share of unreadable lines of a source past which the stage fails")
    min_characters: int = option(16, "drop documents shorter than this, in characters")
    max_characters: int = option(2_000_000, "cut documents longer than this into pieces, in characters")
    commercial_only: bool = option(False, "leave out sets and documents whose licence forbids commercial use")
    deduplicate: bool = option(True, "drop exact duplicates (white space and case apart); false: near ones stay, too")
    near_duplicates: float = option(0.8, "drop texts this similar to an earlier one (Jaccard of word 5-grams); 0: off")
    select: Select = field(default_factory=Select, metadata={"doc": "which documents are good enough"})
    decontaminate: tuple[str, ...] = option(
        ("gsm8k-test",), "benchmark sets whose items may not be in training; those of evaluate.tasks are added"
    )
    decontaminate_if_found: tuple[str, ...] = option(
        (), "as decontaminate, for sets that not everybody can get: one that is not found is a warning"
    )
    executor: Literal["local", "datatrove", "slurm", "ray"] = option(
        "local", "who runs the tasks of the corpus: this machine's processes, or an executor of datatrove"
    )
    executor_options: dict[str, str] = option({}, "passed to the Slurm or Ray executor, e.g. {partition = 'cpu'}")
    workers: int = option(0, "tasks of the corpus that run at once; 0: one for each core")


@dataclass(frozen=True)
class Tokenizer:
    """Byte-level BPE: one for all, or one for text and one for code merged into one."""

    vocabulary_size: int = option(4096, "tokens, special tokens and the 256 bytes included")
    method: Literal["plain", "merged"] = option("plain", "merged: a text BPE and a code BPE, made into one")
    code_share: float = option(0.0, "share of the merges that the code BPE may add; 0: as the bytes ask for (merged)")
    digits: Literal["single", "groups"] = option("single", "single digits, or groups of three from the right")
    sample_bytes: int = option(50_000_000, "train on at most this many bytes, shared evenly over the sources")
    min_frequency: int = option(2, "merge only pairs seen at least this often")


@dataclass(frozen=True)
class Shards:
    """Tokens on disk."""

    forms: tuple[str, ...] = option(("equations", "words"), "solution forms written for each worked problem")
    shard_tokens: int = option(50_000_000, "tokens per shard file")


@dataclass(frozen=True)
class Model:
    """The decoder. Every option is one that Hugging Face Llama or Qwen3 classes load."""

    layers: int = option(4, "decoder blocks")
    width: int = option(256, "model width d")
    heads: int = option(4, "query heads")
    kv_heads: int = option(0, "key/value heads (grouped-query attention); 0: as many as heads")
    head_width: int = option(0, "width of a head; 0: width / heads")
    hidden: int = option(0, "SwiGLU hidden width; 0: 8/3 of width, rounded up to a multiple of 64")
    context_length: int = option(256, "tokens the model can see")
    rope_base: float = option(10_000.0, "RoPE base")
    rope_scale: float = option(1.0, "factor by which positions are stretched; 1: not at all")
    rope_method: Literal["linear", "yarn"] = option("linear", "how: linear position interpolation, or YaRN")
    qk_norm: bool = option(False, "RMSNorm on queries and keys (exports as Qwen3 instead of Llama)")
    tied: bool = option(True, "share the input embedding with the output layer")
    norm_eps: float = option(1e-5, "epsilon of RMSNorm")
    init_std: float = option(0.02, "standard deviation of the initial weights")
    mup_base_width: int = option(0, "muP: width at which the learning rates were tuned; 0: standard parametrisation")
    mup_base_head_width: int = option(0, "muP: width of a head at mup_base_width; 0: the same")


@dataclass(frozen=True)
class Phase:
    """A part of a training stage with a mixture of its own: a curriculum is a list of these."""

    share: float = option(1.0, "share of the stage's steps, relative to the other phases")
    weights: dict[str, float] = option({}, "weight of each source in this phase; those not named keep their own")
    context_length: int = option(0, "tokens per row in this phase; the model's window grows to it; 0: the stage's")
    rope_base: float = option(0.0, "RoPE base from this phase on; 0: as before")
    rope_scale: float = option(0.0, "factor by which positions are stretched from this phase on; 0: as before")
    rope_method: Literal["", "linear", "yarn"] = option("", "how: linear interpolation or YaRN; empty: as before")


@dataclass(frozen=True)
class Train:
    """One training stage (`pretrain` or `finetune`)."""

    tokens: int = option(0, "budget in tokens; ignored when steps is given")
    steps: int = option(0, "budget in optimiser steps; 0: tokens / batch_tokens; both 0: the stage is left out")
    batch_tokens: int = option(8192, "tokens per optimiser step, over all micro-batches and ranks")
    micro_rows: int = option(0, "rows per forward pass; 0: chosen from memory")
    context_length: int = option(0, "tokens per row; fine-tuning may exceed the model's, which then grows; 0: the same")
    rope_base: float = option(0.0, "RoPE base from this stage on; 0: as before")
    rope_scale: float = option(0.0, "factor by which positions are stretched from this stage on; 0: as before")
    rope_method: Literal["", "linear", "yarn"] = option("", "how: linear interpolation or YaRN; empty: as before")
    loss_on: Literal["all", "solution"] = option("all", "which tokens of a worked problem carry loss")
    calculator_loss: bool = option(True, "the results that the calculator writes while decoding carry loss, too")
    document_masking: bool = option(True, "a token sees only its own document; false: all of its row before it")
    forms: tuple[str, ...] = option((), "solution forms to train on; empty: all that the shards hold")
    phases: tuple[Phase, ...] = option((), "a curriculum, one [[pretrain.phases]] table each; empty: one mixture")
    optimizer: Literal["adamw", "muon"] = option("muon", "muon: matrices by Muon, the rest by AdamW")
    learning_rate: float = option(3e-3, "peak learning rate of AdamW")
    muon_learning_rate: float = option(0.02, "peak learning rate of Muon")
    weight_decay: float = option(0.1, "decoupled weight decay, on matrices only")
    beta1: float = option(0.9, "AdamW beta 1")
    beta2: float = option(0.95, "AdamW beta 2")
    clip: float = option(1.0, "global gradient norm is clipped to this; 0: off")
    skip_spikes: float = option(0.0, "skip updates this many deviations above the last losses or norms; 0: off")
    spike_window: int = option(128, "accepted steps that skip_spikes compares with; it begins after half of them")
    ema: float = option(0.0, "decay per step of the averaged weights that the stage ends with, e.g. 0.999; 0: off")
    average_last: int = option(0, "end with the mean of the weights at this many points up to the last step; 0: off")
    average_steps: int = option(0, "steps between the points of average_last; 0: a hundredth of the stage")
    schedule: Literal["wsd", "cosine"] = option("wsd", "warmup-stable-decay, or warmup and cosine")
    warmup: float = option(0.03, "share of the steps that warms up linearly")
    decay: float = option(0.3, "share of the steps that decays (wsd)")
    final_learning_rate: float = option(0.0, "learning rate at the end, as a share of the peak")
    precision: Literal["auto", "float32", "bfloat16"] = option("auto", "bfloat16 where the hardware gains from it")
    compile: Literal["auto", "on", "off"] = option("auto", "torch.compile; auto: where a compiler is found")
    device: str = option("auto", "auto, cpu or cuda")
    parallel: Literal["auto", "ddp", "fsdp"] = option(
        "auto", "several processes (torchrun): copies (ddp) or shards (fsdp) of the model; auto: copies while they fit"
    )
    checkpoint_format: Literal["auto", "whole", "sharded"] = option(
        "auto", "fsdp: gathered into one file, or a file per process, written while training goes on; auto: by size"
    )
    checkpoint_steps: int = option(
        0, "steps between checkpoints; 0: about every two minutes and ten in a run, but never at over 2 % of its time"
    )
    keep_checkpoints: int = option(2, "checkpoints kept")
    validate_steps: int = option(0, "steps between validations; 0: a tenth of the run")
    validate_rows: int = option(128, "rows of the held-out split per validation")
    log_steps: int = option(10, "steps between lines of metrics.jsonl and the progress display")
    mirrors: tuple[str, ...] = option(
        ("tensorboard",), "where else the metrics are shown: tensorboard (if installed), wandb, trackio"
    )

    @property
    def num_steps(self) -> int:
        """Optimiser steps of the stage: as given, else tokens / batch_tokens, rounded up; 0: it is left out."""
        return self.steps or math.ceil(self.tokens / self.batch_tokens)


@dataclass(frozen=True)
class Evaluate:
    """Benchmarks on the final checkpoint."""

    tasks: tuple[str, ...] = option(("families",), "benchmarks, e.g. gsm8k, families")
    form: str = option("equations", "solution form asked for: equations, words or python")
    calculator: bool = option(True, "fill in `<<expr=` by the calculator while decoding")
    max_new_tokens: int = option(256, "longest solution, in tokens (lm-evaluation-harness: 256)")
    batch_rows: int = option(64, "questions decoded together")
    engine: str = option("torch", "what generates: torch, llama.cpp (CPU, float32; the same answers), auto")
    limit: int = option(0, "evaluate at most this many items of a task; 0: all")
    families_count: int = option(500, "held-out procedural problems to evaluate")
    samples: int = option(0, "solutions drawn per item beside the greedy one, for pass@k and maj@k; 0: none")
    sample_items: int = option(0, "draw them for at most this many items of a task; 0: all")
    temperature: float = option(0.7, "temperature of the drawn solutions")
    perturbed: int = option(0, "copies of each item with other numbers, asked beside it to show memorising; 0: none")
    few_shot: int = option(0, "solved examples before each question, from the benchmark's own training split; 0: none")
    chat_template: str = option("auto", "on: the template of training, off: plain text, auto: as each benchmark says")
    strict_items: bool = option(False, "stop at a benchmark with items that cannot be scored, instead of leaving out")


@dataclass(frozen=True)
class Cost:
    """What this machine costs, for plans and reports."""

    watts: float = option(0.0, "power drawn while busy; 0: measured (NVML, RAPL) or estimated, and said")
    price_per_hour: float = option(0.0, "money per machine hour; 0: not shown")
    currency: str = option("USD", "currency of price_per_hour")
    grams_co2_per_kwh: float = option(
        445.0, "carbon intensity of the grid (445: world mean of 2024, IEA Electricity 2025)"
    )


@dataclass(frozen=True)
class Recipe:
    """A whole run: documents in, a tested model out."""

    name: str = option("run", "name of the run and of its folder")
    description: str = option("", "one line for the report")
    seed: int = option(1, "seed of everything that is drawn at random")
    runs: str = option("runs", "folder that holds the run folders")
    start: str = option("", "a finished run whose tokenizer and final model this one goes on from; empty: from nothing")
    max_memory_gb: float = option(0.0, "refuse a plan that needs more; 0: what the machine has")
    corpus: Corpus = field(default_factory=Corpus, metadata={"doc": "documents"})
    tokenizer: Tokenizer = field(default_factory=Tokenizer, metadata={"doc": "tokenizer"})
    shards: Shards = field(default_factory=Shards, metadata={"doc": "tokens on disk"})
    model: Model = field(default_factory=Model, metadata={"doc": "the decoder"})
    pretrain: Train = field(default_factory=Train, metadata={"doc": "pretraining"})
    finetune: Train = field(
        default_factory=lambda: Train(loss_on="solution"), metadata={"doc": "chain-of-thought tuning"}
    )
    evaluate: Evaluate = field(default_factory=Evaluate, metadata={"doc": "benchmarks"})
    cost: Cost = field(default_factory=Cost, metadata={"doc": "prices"})


TRAIN_STAGES = ("pretrain", "finetune")
MIRRORS = ("tensorboard", "wandb", "trackio")
VARIANT_KINDS = ("numbers", "reworded", "distractor", "asked", "merged")  # corpus/variants/library.py
FORMS = ("equations", "words", "python")  # of a solution; tokenizer/template.py says what each looks like


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a TOML recipe and apply dotted overrides (`pretrain.steps=200`).

    Raises `GanitaError` for a missing file, broken TOML, unknown keys, and values of the wrong type or range.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GanitaError(f"{path}: no such recipe; the ones that come with ganita are in configs/") from None
    except IsADirectoryError:
        raise GanitaError(f"{path} is a folder; name the recipe file itself (*.toml)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GanitaError(f"{path}: not valid TOML: {error}") from None
    tree.setdefault("name", path.stem)
    return recipe_from_dict(tree, overrides, where=str(path))


def recipe_from_dict(tree: dict[str, Any], overrides: Sequence[str] = (), where: str = "recipe") -> Recipe:
    """Build and validate a recipe from plain dictionaries, as TOML and JSON give them."""
    tree = {key: dict(value) if isinstance(value, dict) else value for key, value in tree.items()}
    shared = tree.pop("train", {})
    if not isinstance(shared, dict):
        raise GanitaError(f"{where}: [train] must be a table")
    for stage in TRAIN_STAGES:
        tree[stage] = {**shared, **tree.get(stage, {})}
    tree["finetune"].setdefault("loss_on", "solution")
    for override in overrides:
        _apply_override(tree, override)
    recipe = _build(Recipe, tree, where)
    _validate(recipe, where)
    return recipe  # type: ignore[no-any-return]


def recipe_to_dict(recipe: Any) -> dict[str, Any]:
    """Return the recipe (or a part of it) as plain dictionaries and lists, ready for JSON."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value

    return plain(dataclasses.asdict(recipe))  # type: ignore[no-any-return]


def documentation(cls: Any = Recipe, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (dotted key, default, one-line documentation) for every field of the recipe."""
    for item in fields(cls):
        hint = _hints(cls)[item.name]
        if dataclasses.is_dataclass(hint):
            yield from documentation(hint, f"{prefix}{item.name}.")
        else:
            default = item.default if item.default is not MISSING else {}
            yield prefix + item.name, repr(default), item.metadata["doc"]
            if (inner := _element_class(hint)) is not None:
                yield from documentation(inner, f"{prefix}{item.name}[].")


def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _element_class(hint: Any) -> Any:
    """Return X for tuple[X, ...] when X is one of our dataclasses, else None."""
    arguments = typing.get_args(hint)
    return arguments[0] if arguments and dataclasses.is_dataclass(arguments[0]) else None


def _apply_override(tree: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise GanitaError(f"--set {override!r}: write it as key=value, e.g. --set pretrain.steps=200")
    parts = key.strip().split(".")
    targets = [[stage, *parts[1:]] for stage in TRAIN_STAGES] if parts[0] == "train" else [parts]
    for target in targets:
        node: Any = tree
        for part in target[:-1]:
            node = _list_item(node, part, override) if isinstance(node, list) else node.setdefault(part, {})
            if not isinstance(node, (dict, list)):
                raise GanitaError(f"--set {override!r}: {part!r} is a value, not a table")
        if isinstance(node, list):
            raise GanitaError(f"--set {override!r}: name a key of the table, e.g. corpus.sources.NAME.limit=10")
        node[target[-1]] = _parse_value(text.strip())


def _list_item(items: list[Any], part: str, override: str) -> Any:
    """Find an element of [[corpus.sources]] by its name or index."""
    for index, item in enumerate(items):
        if part in {str(index), item.get("name"), str(item.get("set")).partition("@")[0]}:
            return item
    known = [str(item.get("name") or item.get("set")) for item in items]
    raise GanitaError(f"--set {override!r}: no source {part!r}{nearest(part, known)}; there are {', '.join(known)}")


def _parse_value(text: str) -> Any:
    """Read the right-hand side of an override as a TOML value; a bare word is a string."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text.strip("'\"")


def _build(cls: Any, tree: dict[str, Any], where: str) -> Any:
    known = {item.name: item for item in fields(cls)}
    hints = _hints(cls)
    values = {}
    for key, value in tree.items():
        if key not in known:
            raise GanitaError(f"{where}: unknown key {key!r}{nearest(key, known)}")
        values[key] = _convert(hints[key], value, f"{where}: {key}")
    return cls(**values)


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Check `value` against a type hint; integers pass for floats, `50_000` and `5e7` for integers."""
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise GanitaError(f"{where} must be a table, not {value!r}")
        return _build(hint, value, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(_convert(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(items))
    if origin is dict:
        if not isinstance(value, dict):
            raise GanitaError(f"{where} must be a table, not {value!r}")
        return {str(key): _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if origin is Literal:
        if value not in arguments:
            raise GanitaError(f"{where} = {value!r}: must be one of {', '.join(map(repr, arguments))}")
        return value
    assert not isinstance(hint, types.UnionType)
    return _scalar(hint, value, where)


def _scalar(hint: type, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise GanitaError(f"{where} = {value!r}: must be {hint.__name__}")
    return value


def _validate(recipe: Recipe, where: str) -> None:
    """Refuse what cannot work, before anything runs."""

    def require(condition: bool, message: str) -> None:
        if not condition:
            raise GanitaError(f"{where}: {message}")

    _validate_sources(recipe.corpus, require)
    model = recipe.model
    _validate_corpus(recipe.corpus, require)
    require(0 <= recipe.corpus.validation_share < 1, "corpus.validation_share must be at least 0 and below 1")
    require(bool(recipe.name) and "/" not in recipe.name, f"name = {recipe.name!r}: must be a plain folder name")
    for key in ("layers", "width", "heads", "context_length"):
        require(getattr(model, key) >= 1, f"model.{key} = {getattr(model, key)}: must be at least 1")
    require(
        bool(model.head_width) or model.width % model.heads == 0,
        f"model.width = {model.width} is not a multiple of model.heads = {model.heads}; set model.head_width",
    )
    require(
        model.heads % (model.kv_heads or model.heads) == 0,
        f"model.heads = {model.heads} is not a multiple of model.kv_heads = {model.kv_heads}",
    )
    require(1 < model.rope_base < math.inf, f"model.rope_base = {model.rope_base}: a number above 1")
    require((model.head_width or model.width // model.heads) % 2 == 0, "RoPE needs an even head width")
    require(0 <= recipe.tokenizer.code_share < 1, "tokenizer.code_share must be at least 0 and below 1")
    require(recipe.tokenizer.vocabulary_size >= 300, "tokenizer.vocabulary_size must be at least 300 (256 bytes)")
    for stage in TRAIN_STAGES:
        _validate_train(stage, getattr(recipe, stage), window_before(recipe, stage), require)
    known = ("auto", "torch", "llama.cpp")
    require(recipe.evaluate.engine in known, f"evaluate.engine {recipe.evaluate.engine!r}: one of {', '.join(known)}")
    started_anew = not (recipe.start and recipe.pretrain.num_steps)
    require(started_anew, "pretrain has a budget, but the run starts from another one's model: set it to 0")
    require(recipe.evaluate.samples != 1, "evaluate.samples = 1: drawn solutions are compared; give 2 or more, or 0")
    require(0 <= recipe.evaluate.perturbed <= 100, "evaluate.perturbed: copies of an item, from 0 to 100")
    require(recipe.evaluate.samples >= 0, "evaluate.samples cannot be negative")
    require(0 < recipe.evaluate.temperature <= 5, "evaluate.temperature must be above 0 and at most 5")
    require(recipe.evaluate.few_shot >= 0, "evaluate.few_shot cannot be negative")
    require(
        recipe.evaluate.chat_template in ("auto", "on", "off"),
        f"evaluate.chat_template = {recipe.evaluate.chat_template!r}: auto, on or off",
    )
    for form in (*recipe.shards.forms, *recipe.pretrain.forms, *recipe.finetune.forms, recipe.evaluate.form):
        require(form in FORMS, f"unknown solution form {form!r}{nearest(form, FORMS)}: {', '.join(FORMS)}")


def _validate_corpus(corpus: Corpus, require: Any) -> None:
    select = corpus.select
    require(
        corpus.near_duplicates == 0 or 0.3 <= corpus.near_duplicates <= 1,
        f"corpus.near_duplicates = {corpus.near_duplicates}: a similarity from 0.3 to 1, or 0 for off",
    )
    for key in ("max_repetition", "min_quality"):
        require(0 <= getattr(select, key) <= 1, f"corpus.select.{key} = {getattr(select, key)}: must be from 0 to 1")
    require(corpus.workers >= 0, "corpus.workers cannot be negative")


def _validate_sources(corpus: Corpus, require: Any) -> None:
    names = [source.label for source in corpus.sources]
    for name, source in zip(names, corpus.sources, strict=True):
        label = name or "a source"
        origins = sum(map(bool, (source.set, source.path, source.families, source.procedural, source.variants)))
        require(bool(name), "every [[corpus.sources]] needs a name")
        require(all(c.isalnum() or c in "-_." for c in name), f"source name {name!r}: letters, digits, - _ . only")
        require(names.count(name) == 1, f"two sources are called {name!r}")
        require(origins == 1, f"source {label!r}: give exactly one of set, path, families, procedural, variants")
        require(source.families in ("", "train"), f"source {label!r}: families must be 'train'")
        require(source.procedural in ("", "train"), f"source {label!r}: procedural must be 'train'")
        generated = bool(source.families or source.procedural or source.variants)
        require(not generated or source.count > 0, f"source {label!r}: count must be at least 1")
        require(not source.kinds or bool(source.variants), f"source {label!r}: kinds is for variants; remove it")
        unknown = [kind for kind in source.kinds if kind not in VARIANT_KINDS]
        known = ", ".join(VARIANT_KINDS)
        require(not unknown, f"source {label!r}: unknown kind of variant {unknown[:1]}; known are {known}")
        require(len(set(source.kinds)) == len(source.kinds), f"source {label!r}: kinds names one twice")
        require(0 <= source.composed <= 1, f"source {label!r}: composed = {source.composed}: must be from 0 to 1")
        chosen = source.collection != "core"
        require(not chosen or bool(source.families), f"source {label!r}: collection is for families; remove it")
        for key in ("num_families", "num_wordings"):
            value = getattr(source, key)
            require(value >= 0, f"source {label!r}: {key} cannot be negative")
            require(not value or bool(source.families), f"source {label!r}: {key} is for families; remove it")
        require(not source.composed or bool(source.families), f"source {label!r}: composed is for families; remove it")
        for key in ("weight", "finetune_weight", "max_epochs"):
            require(0 <= getattr(source, key) < math.inf, f"source {label!r}: {key} must be a number, 0 or above")


def window_before(recipe: Recipe, stage: str) -> int:
    """Return the context length of the model that a training stage starts from."""
    own = recipe.model.context_length
    if stage == "pretrain" or not recipe.pretrain.num_steps:
        return own
    return max(own, *(phase.context_length for phase in recipe.pretrain.phases), 0)


def _validate_train(stage: str, train: Train, window: int, require: Any) -> None:
    context = train.context_length or window
    require(
        stage != "pretrain" or context <= window,
        f"{stage}.context_length = {context} is longer than model.context_length = {window}",
    )
    longest = max(context, *(phase.context_length for phase in train.phases), 0)
    require(
        train.batch_tokens >= longest,
        f"{stage}.batch_tokens = {train.batch_tokens} is less than one row of {longest} tokens",
    )
    parts: dict[str, Train | Phase] = {f"{stage}.phases[{n}]": phase for n, phase in enumerate(train.phases)}
    for where, part in ({stage: train} | parts).items():
        require(part.context_length >= 0, f"{where}.context_length cannot be negative")
        require(
            part.rope_base == 0 or 1 < part.rope_base < math.inf,
            f"{where}.rope_base = {part.rope_base}: a number above 1 (0: as before)",
        )
        require(
            part.rope_scale == 0 or 1 <= part.rope_scale < math.inf,
            f"{where}.rope_scale = {part.rope_scale}: transformers accepts factors of at least 1 (0: as before)",
        )
    require(train.steps >= 0 and train.tokens >= 0, f"{stage}: steps and tokens cannot be negative")
    require(train.learning_rate > 0 and train.muon_learning_rate > 0, f"{stage}: learning rates must be positive")
    require(0 <= train.warmup < 1 and 0 <= train.decay <= 1, f"{stage}: warmup and decay are shares of the run")
    _validate_averages(stage, train, require)
    require(train.log_steps > 0, f"{stage}.log_steps must be at least 1")
    for mirror in train.mirrors:
        require(
            mirror in MIRRORS, f"{stage}.mirrors: {mirror!r} is none of {', '.join(MIRRORS)}{nearest(mirror, MIRRORS)}"
        )
    require(train.device in ("auto", "cpu") or train.device.startswith("cuda"), f"{stage}.device: auto, cpu or cuda")


def _validate_averages(stage: str, train: Train, require: Any) -> None:
    require(0 <= train.ema < 1, f"{stage}.ema = {train.ema}: a decay from 0 (off) to below 1")
    require(not (train.ema and train.average_last), f"{stage}: ema and average_last exclude each other; choose one")
    require(train.average_last >= 0 and train.average_steps >= 0, f"{stage}: average_last, average_steps below 0")
    every = train.average_steps or max(1, train.num_steps // 100)
    require(
        not train.num_steps or (train.average_last - 1) * every < train.num_steps,
        f"{stage}.average_last = {train.average_last} points {every} steps apart do not fit {train.num_steps} steps",
    )
    require(0 <= train.skip_spikes < math.inf, f"{stage}.skip_spikes = {train.skip_spikes}: a number, 0 for off")
    require(train.spike_window >= 4, f"{stage}.spike_window = {train.spike_window}: must be at least 4")
