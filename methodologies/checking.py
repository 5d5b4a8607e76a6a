"""Editing aid: everything that is wrong with one version of a methodology, in plain sentences.

The data is what the canonical content of a methodology is: one version, one region, JSON-like.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from methodologies import messages, model, units
from methodologies.engine import Methodology, pinned
from methodologies.errors import Findings, FormulaError, MisplacedError, PackError
from methodologies.expression import parse
from methodologies.factor_tables import SharedTables, resolved
from methodologies.messages import Problem
from methodologies.pack import BUILT_IN, read_scenes
from methodologies.proving import prove
from methodologies.reading import plan
from methodologies.rules import NO_RULES, Rules

__all__ = ["Problem", "build", "check"]

# Where units stand in the raw data.
_UNITS = (
    ("inputs", "unit"),
    ("parameters", "unit"),
    ("tables", "unit"),
    ("steps", "unit_in"),
    ("steps", "unit_out"),
)


def check(
    data: Mapping[str, Any], *, rules: Rules = NO_RULES, shared: SharedTables | None = None
) -> list[Problem]:
    """Return all that is wrong with a methodology given as data: schema, units, formula, worked examples.

    Empty where it may be used. What depends on a part that is wrong is not looked at.
    """
    found, _ = _examined(dict(data), rules, shared)
    return found


def build(
    data: Mapping[str, Any], *, rules: Rules = NO_RULES, shared: SharedTables | None = None
) -> Methodology:
    """Return the methodology given as data; raises `PackError` (path `data`) for the first thing wrong."""
    found, built = _examined(dict(data), rules, shared)
    if built is None or found:
        first = found[0]
        raise PackError("data", first.pointer, first.message_zh, first.message_en)
    return built


def _examined(
    data: dict[str, Any], rules: Rules, shared: SharedTables | None
) -> tuple[list[Problem], Methodology | None]:
    try:
        text = model.Methodology.model_validate(resolved(data, shared))
    except MisplacedError as error:
        return [_problem(error)], None
    except ValidationError as error:
        found = list(messages.problems(error))
        told = {problem.pointer for problem in found}
        return found + [each for each in _readable_parts(data) if each.pointer not in told], None
    findings = Findings(collects=True)
    text, function = pinned(text, rules, findings)
    compiled = plan(text, function, findings)
    built: Methodology | None = None
    if compiled is not None and not findings.errors:
        built = Methodology.made_of(text, compiled)
        _check_movement(text, findings)
        prove(built, findings)
    return [_problem(error) for error in findings.errors], built


@lru_cache(maxsize=1)
def _movements() -> frozenset[str]:
    """Return the scenes of movement that the built-in packs know."""
    return frozenset(name for name, scene in read_scenes(BUILT_IN).items() if scene.movement)


def _check_movement(text: model.Methodology, findings: Findings) -> None:
    """A person makes one trip at a time: what credits a trip claims the body where its period is known."""
    claimed = {(claim.rule, claim.of, claim.period) for claim in text.claims}
    if text.scene in _movements() and ("body", "person", "act") not in claimed:
        message = FormulaError(
            "出行须认领 body（of: person，period: act），否则一次出行会按两种方式入账",
            "a trip must claim body (of: person, period: act), or it counts in two modes",
        )
        findings.add("/claims", message)


def _problem(error: MisplacedError) -> Problem:
    return Problem(error.pointer, error.message_zh, error.message_en)


def _readable_parts(data: Mapping[str, Any]) -> list[Problem]:
    """Where the schema does not hold: what is wrong with the formula and the units that can be read."""
    found: list[Problem] = []
    for kind, name in _UNITS:
        items = data.get(kind)
        for number, item in enumerate(items if isinstance(items, list | tuple) else ()):
            unit = item.get(name) if isinstance(item, Mapping) else None
            if isinstance(unit, str):
                try:
                    units.read_unit(unit)
                except FormulaError as error:
                    found.append(Problem(f"/{kind}/{number}/{name}", error.message_zh, error.message_en))
    formula = data.get("formula")
    if isinstance(formula, str):
        try:
            parse(formula)
        except FormulaError as error:
            found.append(Problem("/formula", error.message_zh, error.message_en))
    return found
