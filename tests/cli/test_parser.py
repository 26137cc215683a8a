from __future__ import annotations

import pytest

from ganita.cli.parser import make_parser
from ganita.runs import STAGES

BUILT = ("corpus", "tokenizer", "shards")  # their verbs have actions; the other stages are carried out by the verb


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_a_verb(stage: str) -> None:
    words = [stage, "build"] if stage in BUILT else [stage]
    options = make_parser().parse_args([*words, "configs/quick.toml"])
    assert (options.stage, options.target, options.set) == (stage, "configs/quick.toml", [])
    assert callable(options.command)


def test_the_verbs_stand_in_the_order_in_which_data_goes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args(["--help"])
    said = capsys.readouterr().out
    places = [said.index(f"\n    {verb} ") for verb in ("run", *STAGES, "export", "serve")]
    assert places == sorted(places)


def test_what_an_option_of_one_verb_holds_is_not_seen_by_the_next() -> None:
    parser = make_parser()
    assert parser.parse_args(["run", "a.toml", "--set", "seed=1"]).set == ["seed=1"]
    assert parser.parse_args(["run", "a.toml"]).set == []
