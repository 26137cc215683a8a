"""What the verbs share: how one is added, the recipe or the run that it works on."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.recipe import Recipe, load_recipe
from ganita.runs import Run

Group: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Command: TypeAlias = Callable[[argparse.Namespace, Reporter], None]


def verb(name: str, command: Command, help_: str, group: Group) -> argparse.ArgumentParser:
    """Add a verb to `group`, with the options that all have; return its parser for those of its own."""
    item: argparse.ArgumentParser = group.add_parser(name, help=help_, description=help_)
    item.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    item.add_argument("--debug", action="store_true", help="show the traceback of a crash")
    item.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads; default: all cores")
    item.set_defaults(command=command)
    return item


def actions(name: str, help_: str, group: Group) -> Group:
    """Add a verb that is followed by another one, as `ganita corpus build`; return the group of these."""
    return group.add_parser(name, help=help_).add_subparsers(required=True, metavar="ACTION")


def with_recipe(item: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the recipe that a command carries out, and what overrides it; `recipe_and_run` reads them."""
    item.add_argument("target", metavar="RECIPE", help="a recipe (configs/*.toml) or a run folder")
    item.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one recipe value")
    item.add_argument("--runs", default="", help="folder that holds the run folders")
    item.add_argument("--name", default="", help="name of the run folder")
    return item


def with_run(item: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the run folder that a command works on."""
    item.add_argument("target", metavar="RUN", help="a run folder, e.g. runs/quick")
    return item


def recipe_and_run(options: argparse.Namespace) -> tuple[Recipe, Run]:
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


def fields_given(options: argparse.Namespace, settings: type[Any]) -> dict[str, Any]:
    """Return the options that are fields of the dataclass `settings`, by name."""
    return {field.name: getattr(options, field.name) for field in dataclasses.fields(settings)}
