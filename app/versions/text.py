"""Checks the text of a methodology: schema, units, formula, worked examples. The one seam to the engine."""

from typing import Any

from methodologies import Methodology
from methodologies.checking import Problem, build, check
from methodologies.rules import NO_RULES, installed


def read(data: dict[str, Any]) -> tuple[Methodology | None, list[Problem]]:
    """The methodology that runs, or all that is wrong with its text."""
    name = data.get("rule")
    rules = installed(name) if isinstance(name, str) else NO_RULES
    problems = check(data, rules=rules)
    return (None, problems) if problems else (build(data, rules=rules), [])
