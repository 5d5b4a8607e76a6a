"""Example rules: made up, to try labels with and to fill in. Never official, under whatever name."""

from functools import cache
from pathlib import Path

import yaml

from accounts.labels.errors import ExampleNotOfficial
from accounts.labels.rules import LabelRules, Scale

FOLDER = Path(__file__).parent / "examples"


@cache
def examples() -> tuple[LabelRules, ...]:
    """What ships."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yaml")))
    return tuple(LabelRules.model_validate(yaml.load(text, Loader=yaml.CSafeLoader)) for text in texts)


def refuse_examples(text: LabelRules) -> None:
    """Raise `ExampleNotOfficial` where official rules hold the numbers of an example, for whichever industry."""
    if text.official:
        shipped = [_numbers(scale) for each in examples() for scale in each.scales]
        if any(_numbers(scale) in shipped for scale in text.scales):
            raise ExampleNotOfficial


def _numbers(scale: Scale) -> object:
    views = [
        (type(view), tuple((each.indicator, getattr(each, "benchmark", None)) for each in view.indicators))
        for view in scale.views
    ]
    benchmarks = [number for _, each in views for _, number in each if number is not None]
    return (views, None if benchmarks else scale.thresholds)
