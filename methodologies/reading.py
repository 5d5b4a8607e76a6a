"""From a text to what can be run: units, tables, formula or rule, each checked and placed, then compiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from methodologies import codegen, model, rules, tables, units
from methodologies.errors import Findings, FormulaError
from methodologies.evaluation import Ladder
from methodologies.expression import Lookup, Node, Steps, names, parse, walk
from methodologies.tables import Table
from methodologies.units import Dimensions, Unit

NO_VALUES: Mapping[str, Fraction] = MappingProxyType({})


@dataclass(frozen=True)
class Plan:
    """A compiled text.

    `tree` is the formula (`None` with a rule), `term` what it compiles to in mg with `locals_` the input or
    table that each integer of it stands for, `context` the keys of place, time and kind that are read,
    `source` the Python that `quantify` runs.
    """

    tree: Node | None
    units: Mapping[str, Unit]
    into: Mapping[str, Unit]
    tables: Mapping[str, Table]
    ladders: Mapping[str, Ladder]
    context: frozenset[str]
    rule: rules.RuleFunction | None
    term: codegen.Term | None
    locals_: Mapping[str, str]
    quantify: codegen.Quantify
    source: str

    @property
    def dimensions(self) -> Dimensions:
        """What each name gives, and what each ladder takes."""
        return dimensions(self.units, self.into)


def dimensions(known: Mapping[str, Unit], into: Mapping[str, Unit]) -> Dimensions:
    """Return the dimensions of named units."""
    return Dimensions(
        {name: unit.dimension for name, unit in known.items()},
        {name: unit.dimension for name, unit in into.items()},
    )


def plan(text: model.Methodology, function: rules.RuleFunction | None, findings: Findings) -> Plan | None:
    """Check and compile a text; `function` is its rule.

    Raises `MisplacedError`, or returns `None` where the findings collect and there are any.
    """
    known, into = _read_units(text, findings)
    if findings.errors:
        return None
    found = tables.read_tables(text, known, findings)
    ladders = tables.read_ladders(text, known, into, findings)
    tree = _read_formula(text, dimensions(known, into), findings)
    if findings.errors:
        return None
    context = {key for each in text.tables for key in each.keys} | ({"kind"} if text.kinds else set())
    return _compile(text, tree, function, _Known(known, into, found, ladders, frozenset(context)), findings)


@dataclass(frozen=True)
class _Known:
    units: Mapping[str, Unit]
    into: Mapping[str, Unit]
    tables: Mapping[str, Table]
    ladders: Mapping[str, Ladder]
    context: frozenset[str]


def _read_units(text: model.Methodology, findings: Findings) -> tuple[dict[str, Unit], dict[str, Unit]]:
    """Return the unit of every name, and of what each ladder takes."""
    found: dict[str, Unit] = {}
    into: dict[str, Unit] = {}
    named = [
        *((f"/inputs/{number}/unit", item.name, item.unit, found) for number, item in enumerate(text.inputs)),
        *(
            (f"/parameters/{number}/unit", item.name, item.unit, found)
            for number, item in enumerate(text.parameters)
        ),
        *((f"/tables/{number}/unit", item.name, item.unit, found) for number, item in enumerate(text.tables)),
        *(
            (f"/steps/{number}/unit_in", item.name, item.unit_in, into)
            for number, item in enumerate(text.steps)
        ),
        *(
            (f"/steps/{number}/unit_out", item.name, item.unit_out, found)
            for number, item in enumerate(text.steps)
        ),
    ]
    for pointer, name, unit, kept in named:
        try:
            kept[name] = units.read_unit(unit)
        except FormulaError as error:
            findings.add(pointer, error)
            continue
        if name == "count" and kept[name].dimension != units.COUNT:
            findings.add(pointer, units.UnitMismatchError("count", kept[name].dimension, units.COUNT))
    return found, into


def _read_formula(text: model.Methodology, known: Dimensions, findings: Findings) -> Node | None:
    """Return the tree of the formula; `None` for a rule, or where the formula is none."""
    if text.formula is None:
        if text.steps:
            findings.add("/steps", FormulaError("Python 规则不用分段表", "a Python rule reads no steps"))
        return None
    try:
        tree = parse(text.formula)
    except FormulaError as error:
        findings.add("/formula", error)
        return None
    errors = len(findings.errors)
    _check_names(text, tree, findings)
    if len(findings.errors) > errors:
        return None
    try:
        dimension = units.infer(tree, known)
        if dimension is not None and dimension != units.CO2E:
            raise units.UnitMismatchError("formula", dimension, units.CO2E)
    except FormulaError as error:
        findings.add("/formula", error)
    return tree


def _check_names(text: model.Methodology, tree: Node, findings: Findings) -> None:
    """What the formula reads is declared, and what is declared for it is read."""
    read = names(tree)
    usable = {item.name for item in text.inputs if item.required} | {item.name for item in text.parameters}
    for name in sorted(read - usable):
        message = (
            f"公式用到未声明或非必填的“{name}”",
            f"the formula reads {name!r}, no required input or parameter",
        )
        findings.add("/formula", FormulaError(*message))
    keys = {each.name: each.keys for each in text.tables}
    looked: set[str] = set()
    for node in walk(tree):
        if isinstance(node, Lookup):
            looked.add(node.table)
            wanted = keys.get(node.table)
            if wanted is None:
                message = f"没有名为 {node.table} 的表", f"there is no table {node.table!r}"
                findings.add("/formula", FormulaError(*message))
            elif wanted != node.keys:
                shown = f"{node.table}[{', '.join(wanted)}]"
                findings.add("/formula", FormulaError(f"此表须写作 {shown}", f"the table is read as {shown}"))
    stepped = {node.ladder for node in walk(tree) if isinstance(node, Steps)}
    for name in sorted(stepped - {each.name for each in text.steps}):
        findings.add("/formula", FormulaError(f"没有名为 {name} 的分段表", f"there are no steps {name!r}"))
    unused: list[tuple[str, str, str, str]] = [
        *(("parameters", "参数", "parameter", each.name) for each in text.parameters),
        *(("tables", "表", "table", each.name) for each in text.tables),
        *(("steps", "分段表", "steps", each.name) for each in text.steps),
    ]
    places: dict[str, int] = {}
    for where, zh, en, name in unused:
        number = places.setdefault(where, 0)
        places[where] += 1
        if name not in read | looked | stepped:
            message = f"{zh} {name} 未被使用", f"{en} {name} is not used"
            findings.add(f"/{where}/{number}", FormulaError(*message))


def _compile(
    text: model.Methodology,
    tree: Node | None,
    function: rules.RuleFunction | None,
    known: _Known,
    findings: Findings,
) -> Plan | None:
    inputs = {item.name: (item, f"i{number}") for number, item in enumerate(text.inputs)}
    lines = [line for item, local in inputs.values() for line in codegen.input_lines(item, local)]
    if text.plausibility is not None:
        try:
            lines += codegen.plausibility_lines(text.plausibility, inputs)
        except FormulaError as error:
            findings.add("/plausibility", error)
    read, constants = _lookups(text, known)
    lines += read
    scope = scope_of(text, known.units, known.tables)
    term = None if tree is None else _term(text, tree, scope, known.ladders, findings)
    if findings.errors:
        return None
    if term is not None:
        lines += codegen.result_lines(term, text.rounding.mode)
    elif function is not None:
        constants["run"] = _runner(text, function, known)
        lines += ["return run(act)"]
    quantify, source = codegen.build(lines, f"{text.region} {text.code} {text.version}", constants)
    return Plan(
        tree=tree,
        units=known.units,
        into=known.into,
        tables=known.tables,
        ladders=known.ladders,
        context=known.context,
        rule=function,
        term=term,
        locals_={local: name for name, (_, local) in inputs.items()}
        | {f"r_{name}": name for name in known.tables},
        quantify=quantify,
        source=source,
    )


def scope_of(
    text: model.Methodology,
    known: Mapping[str, Unit],
    read: Mapping[str, Table],
    chosen: Mapping[str, Fraction] = NO_VALUES,
) -> dict[str, codegen.Term]:
    """Return the term of every name and table; a table that has a `chosen` value stands for that alone."""
    scope = {
        item.name: codegen.variable(f"i{number}", known[item.name].scale, item.min, item.max)
        for number, item in enumerate(text.inputs)
    }
    for parameter in text.parameters:
        value = Fraction(parameter.value) * known[parameter.name].scale
        scope[parameter.name] = codegen.constant(value)
    for name, table in read.items():
        scope[name] = (
            codegen.constant(chosen[name])
            if name in chosen
            else codegen.looked_up(f"r_{name}", table.integers()[0], table.bounds())
        )
    return scope


def _lookups(text: model.Methodology, known: _Known) -> tuple[list[str], dict[str, object]]:
    """Return the lines that read the keys and the tables, and the constants that they and the steps need."""
    keys = {key: f"k_{key}" for key in sorted(known.context)}
    lines = [line for key, local in keys.items() for line in codegen.context_lines(key, local, text.kinds)]
    constants: dict[str, object] = {"kinds": frozenset(text.kinds)}
    for name, table in known.tables.items():
        _, values, default = table.integers()
        constants[f"t_{name}"] = values
        lines += codegen.table_lines(name, f"r_{name}", [keys[key] for key in table.text.keys], default)
    for name, ladder in known.ladders.items():
        constants |= codegen.ladder_constants(name, ladder)
    return lines, constants


def _term(
    text: model.Methodology,
    tree: Node,
    scope: Mapping[str, codegen.Term],
    ladders: Mapping[str, Ladder],
    findings: Findings,
) -> codegen.Term | None:
    """Return the term in mg, its greatest value proved to fit."""
    try:
        term = codegen.in_milligrams(codegen.compile_term(tree, scope, ladders))
        codegen.result_lines(term, text.rounding.mode)
    except FormulaError as error:
        findings.add("/formula", error)
        return None
    if text.points_only and (term.low or term.high):
        message = FormulaError("points_only 的公式须恒为 0", "the formula of a points_only rule must be 0")
        findings.add("/formula", message)
    return term


def rule_arguments(
    text: model.Methodology, act: codegen.Act, scales: Mapping[str, Unit], read: Mapping[str, Table]
) -> tuple[dict[str, int | str], dict[str, Fraction]]:
    """Return what a rule is called with: the act's declared inputs, and the values in base units."""
    named = [item.name for item in text.inputs]
    keys = {key for table in text.tables for key in table.keys} | ({"kind"} if text.kinds else set())
    inputs = {name: act[name] for name in (*named, *sorted(keys)) if act.get(name) is not None}
    values = {item.name: Fraction(item.value) * scales[item.name].scale for item in text.parameters}
    return inputs, values | {name: table.value(act) for name, table in read.items()}


def _runner(text: model.Methodology, function: rules.RuleFunction, known: _Known) -> codegen.Quantify:
    mode = text.rounding.mode

    def run(act: codegen.Act) -> int:
        inputs, values = rule_arguments(text, act, known.units, known.tables)
        return rules.rounded(rules.exact(function, inputs, values), mode)

    return run
