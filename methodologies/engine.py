"""A methodology that runs: its text checked, its formula compiled, its content fixed by a hash."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from pydantic import ValidationError

from methodologies import codegen, explanation, model, units
from methodologies.errors import FormulaError, PackError, Refused
from methodologies.explanation import Explanation
from methodologies.expression import Node, names, parse

_MG_PER_G = 1000


class Period(NamedTuple):
    """First and last day in force, both inclusive, in Asia/Shanghai; no last day while open."""

    first_day: dt.date
    last_day: dt.date | None

    def __contains__(self, day: object) -> bool:
        """Whether `day` lies in the period."""
        if not isinstance(day, dt.date):
            return False
        return self.first_day <= day and (self.last_day is None or day <= self.last_day)


class Methodology:
    """One version of a methodology in one region, compiled. Immutable by convention.

    `quantify(act)` returns the reduction in whole mg CO2e (0 or more) for a mapping of integer inputs
    in the units of the API names (`distance_m`, `duration_s`, `mass_g`, `energy_wh`, `count`,
    `volume_ml`, `price_fen`); keys it does not know are ignored; it raises `Refused(code, field)`.
    `content` is the canonical JSON of the whole text, `content_hash` its SHA-256 in hex, `source` the
    Python that `quantify` runs, `text` the model it was made from.
    """

    __slots__ = (
        "_tree",
        "_units",
        "caps",
        "claims",
        "code",
        "content",
        "content_hash",
        "demonstration_only",
        "in_force",
        "issuable",
        "points_only",
        "provisional",
        "quantify",
        "region",
        "scene",
        "source",
        "text",
        "title",
        "version",
    )

    def __init__(self, text: model.Methodology) -> None:
        """Compile `text`; raises `MisplacedError` (a formula error with the key it concerns)."""
        self.text = text
        self.region = text.region
        self.scene = text.scene
        self.code = text.code
        self.version = text.version
        self.title = text.title
        self.issuable = text.issuable
        self.points_only = text.points_only
        self.provisional = text.provisional
        self.demonstration_only = text.demonstration_only
        self.claims = text.claims
        self.caps = text.caps
        self.in_force = Period(text.in_force.first_day, text.in_force.last_day)
        self.content = canonical(text)
        self.content_hash = hashlib.sha256(self.content.encode()).hexdigest()
        self._units = _read_units(text)
        self._tree = _read_formula(text, self._units)
        self.quantify, self.source = _compile(text, self._tree, self._units)

    def explain(self, act: Mapping[str, int]) -> Explanation:
        """Explain the reduction of an act; raises `Refused` as `quantify` does."""
        result = (self.content_hash, self.quantify(act))
        return explanation.explain(self.text, self._tree, self._units, act, result)

    def __repr__(self) -> str:
        return f"Methodology({self.region} {self.scene} {self.code} {self.version})"


class MisplacedError(FormulaError):
    """A formula error at a JSON pointer below the methodology."""

    def __init__(self, pointer: str, error: FormulaError) -> None:
        super().__init__(error.message_zh, error.message_en)
        self.pointer = pointer


def canonical(text: model.Methodology) -> str:
    """Return the canonical JSON of a text: sorted keys, no spaces, defaults left out.

    Leaving defaults out keeps the hash of stored content when a later release adds a field.
    """
    data = text.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def rebuild(content: str) -> Methodology:
    """Return the methodology of stored canonical content, so that any credit can be recomputed.

    Raises `PackError` (path `content`) where the content is not what `canonical` wrote.
    """
    try:
        built = Methodology(model.Methodology.model_validate_json(content))
    except ValidationError as error:
        raise PackError(
            "content", "", "内容不合规", f"content does not validate: {error.error_count()}"
        ) from None
    except MisplacedError as error:
        raise PackError("content", error.pointer, error.message_zh, error.message_en) from error
    if built.content != content:
        raise PackError("content", "", "内容不是规范形式", "content is not in its canonical form")
    return built


def check_examples(methodology: Methodology) -> None:
    """Run every worked example both ways; raises `MisplacedError` for one that does not hold."""
    for position, example in enumerate(methodology.text.examples):
        place = f"/examples/{position}"
        wanted = Fraction(example.co2e_g) * _MG_PER_G
        try:
            found = methodology.quantify({str(name): value for name, value in example.inputs.items()})
        except Refused as refused:
            raise MisplacedError(
                place, FormulaError(f"算例被拒：{refused}", f"the example is refused: {refused}")
            ) from None
        if found != wanted:
            shown = explanation.exact_text(Fraction(found, _MG_PER_G))
            raise MisplacedError(
                f"{place}/co2e_g",
                FormulaError(
                    f"算例不成立：得 {shown} g，应为 {example.co2e_g} g",
                    f"the example does not hold: found {shown} g, wanted {example.co2e_g} g",
                ),
            )


def _read_units(text: model.Methodology) -> dict[str, units.Unit]:
    found: dict[str, units.Unit] = {}
    named: list[tuple[str, model.Input | model.Parameter]] = [
        *((f"/inputs/{position}/unit", item) for position, item in enumerate(text.inputs)),
        *((f"/parameters/{position}/unit", item) for position, item in enumerate(text.parameters)),
    ]
    for pointer, item in named:
        try:
            found[item.name] = units.read_unit(item.unit)
        except FormulaError as error:
            raise MisplacedError(pointer, error) from None
        dimension = found[item.name].dimension
        if item.name == "count" and dimension != units.COUNT:
            raise MisplacedError(pointer, units.UnitMismatchError("count", dimension, units.COUNT))
    return found


def _read_formula(text: model.Methodology, known: Mapping[str, units.Unit]) -> Node:
    try:
        tree = parse(text.formula)
        read = names(tree)
        usable = {item.name for item in text.inputs if item.required} | {
            item.name for item in text.parameters
        }
        unknown = sorted(read - usable)
        if unknown:
            raise FormulaError(  # noqa: TRY301 - one place adds the pointer
                f"公式用到未声明或非必填的“{unknown[0]}”",
                f"the formula reads {unknown[0]!r}, no required input or parameter",
            )
        dimension = units.infer(tree, {name: unit.dimension for name, unit in known.items()})
        if dimension is not None and dimension != units.CO2E:
            raise units.UnitMismatchError("formula", dimension, units.CO2E)
    except FormulaError as error:
        raise MisplacedError("/formula", error) from None
    for position, parameter in enumerate(text.parameters):
        if parameter.name not in read:
            message = FormulaError(
                f"参数 {parameter.name} 未被使用", f"parameter {parameter.name} is not used"
            )
            raise MisplacedError(f"/parameters/{position}", message)
    return tree


def _compile(
    text: model.Methodology, tree: Node, known: Mapping[str, units.Unit]
) -> tuple[codegen.Quantify, str]:
    inputs = {item.name: (item, f"i{position}") for position, item in enumerate(text.inputs)}
    lines = [line for item, local in inputs.values() for line in codegen.input_lines(item, local)]
    scope = {
        item.name: codegen.variable(local, known[item.name].scale, item.min, item.max)
        for item, local in inputs.values()
    }
    for parameter in text.parameters:
        scope[parameter.name] = codegen.constant(Fraction(parameter.value) * known[parameter.name].scale)
    if text.plausibility is not None:
        try:
            lines += codegen.plausibility_lines(text.plausibility, inputs)
        except FormulaError as error:
            raise MisplacedError("/plausibility", error) from None
    try:
        term = codegen.compile_term(tree, scope)
        lines += codegen.result_lines(codegen.in_milligrams(term), text.rounding.mode)
    except FormulaError as error:
        raise MisplacedError("/formula", error) from None
    if text.points_only and (term.low or term.high):
        message = FormulaError("points_only 的公式须恒为 0", "the formula of a points_only rule must be 0")
        raise MisplacedError("/formula", message)
    return codegen.build(lines, f"{text.region} {text.code} {text.version}")
