"""The tables and ladders of a text, checked and in exact base units."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm

from methodologies import model, units
from methodologies.errors import Findings, FormulaError
from methodologies.evaluation import Ladder

Key = tuple[int | str, ...]

_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_PROVINCE = re.compile(r"[1-9][0-9]0000", re.ASCII)
_YEARS = range(2000, 2201)
_MONTHS = range(1, 13)


@dataclass(frozen=True)
class Table:
    """A table ready to be read: `rows` gives the place of a key's row, `values` its value in base units."""

    text: model.Table
    scale: Fraction
    rows: Mapping[Key, int]
    values: tuple[Fraction, ...]
    default: Fraction | None

    def integers(self) -> tuple[int, Mapping[int | str | Key, int], int | None]:
        """Return a denominator, and over it the value of each key and the default; one key stands bare."""
        known = self.values if self.default is None else (*self.values, self.default)
        over = lcm(*(value.denominator for value in known))
        found: dict[int | str | Key, int] = {
            key[0] if len(key) == 1 else key: int(self.values[place] * over)
            for key, place in self.rows.items()
        }
        return over, found, None if self.default is None else int(self.default * over)

    def bounds(self) -> tuple[Fraction, Fraction]:
        """Return the least and the greatest value."""
        known = self.values if self.default is None else (*self.values, self.default)
        return min(known), max(known)

    def row(self, act: Mapping[str, int | str]) -> model.Row | None:
        """Return the row of an act's keys, or `None` where the default counts."""
        place = self.rows.get(self.key(act))
        return None if place is None else self.text.rows[place]

    def value(self, act: Mapping[str, int | str]) -> Fraction:
        """Return the value for an act's keys; raises `KeyError` where there is none."""
        place = self.rows.get(self.key(act))
        if place is not None:
            return self.values[place]
        if self.default is None:
            raise KeyError(self.text.name)
        return self.default

    def key(self, act: Mapping[str, int | str]) -> Key:
        """Return an act's key in this table."""
        return tuple(act[name] for name in self.text.keys)


def key_of(name: str, given: int | str) -> int | str | None:
    """Return one part of a row's key as an act has it, or `None` where it is no such key."""
    if name == "kind":
        return given if isinstance(given, str) and _KIND.fullmatch(given) else None
    if name == "province":
        return int(given) if isinstance(given, str) and _PROVINCE.fullmatch(given) else None
    return given if given in (_YEARS if name == "year" else _MONTHS) else None


def read_tables(
    text: model.Methodology, known: Mapping[str, units.Unit], findings: Findings
) -> dict[str, Table]:
    """Return the tables by name; reports rows that are wrong or missing at their places."""
    found: dict[str, Table] = {}
    for position, table in enumerate(text.tables):
        place = f"/tables/{position}"
        _check_sources(table, place, findings)
        rows = _keys(table, place, findings)
        _check_covered(table, text.kinds, place, set(rows), findings)
        scale = known[table.name].scale
        found[table.name] = Table(
            text=table,
            scale=scale,
            rows=rows,
            values=tuple(Fraction(row.value) * scale for row in table.rows),
            default=None if table.default is None else Fraction(table.default) * scale,
        )
    return found


def _check_sources(part: model.Table | model.Ladder, place: str, findings: Findings) -> None:
    """Every value has a source and a confidence, its own or that of the whole."""
    for number, row in enumerate(part.rows):
        for name in ("source", "confidence"):
            if getattr(row, name) is None and getattr(part, name) is None:
                findings.add(
                    f"{place}/rows/{number}/{name}",
                    FormulaError(
                        f"缺少 {name}（行内或表上）", f"{name} is missing, in the row and in the whole"
                    ),
                )


def _keys(table: model.Table, place: str, findings: Findings) -> dict[Key, int]:
    rows: dict[Key, int] = {}
    for number, row in enumerate(table.rows):
        here = f"{place}/rows/{number}/key"
        if len(row.key) != len(table.keys):
            findings.add(
                here,
                FormulaError(
                    f"须有 {len(table.keys)} 个键：{', '.join(table.keys)}",
                    f"wanted {len(table.keys)} keys: {', '.join(table.keys)}",
                ),
            )
            continue
        parts = [key_of(name, given) for name, given in zip(table.keys, row.key, strict=True)]
        for index, part in enumerate(parts):
            if part is None:
                name = table.keys[index]
                findings.add(f"{here}/{index}", FormulaError(f"不是合规的 {name}", f"is no {name}"))
        key = tuple(part for part in parts if part is not None)
        if len(key) != len(parts):
            continue
        if key in rows:
            findings.add(here, FormulaError("键重复", f"the key stands twice, first in row {rows[key]}"))
        rows.setdefault(key, number)
    return rows


def _check_covered(
    table: model.Table, kinds: Sequence[str], place: str, rows: set[Key], findings: Findings
) -> None:
    """Report each combination of the keys to be covered that no row has."""
    wanted = {
        name: given
        for name in table.keys
        if table.covers is not None and (given := getattr(table.covers, name)) is not None
    }
    if table.covers is not None:
        for name in table.covers.model_fields_set - set(table.keys):
            findings.add(
                f"{place}/covers/{name}",
                FormulaError(f"{name} 不是此表的键", f"{name} is no key of this table"),
            )
    where = {name: f"{place}/covers/{name}" for name in wanted}
    if kinds and "kind" in table.keys and "kind" not in wanted and table.default is None:
        wanted["kind"], where["kind"] = kinds, "/kinds"
    if not wanted:
        return
    places = [table.keys.index(name) for name in wanted]
    covered = {tuple(row[index] for index in places) for row in rows}
    for combination in product(*(list(enumerate(given)) for given in wanted.values())):
        given = [value for _, value in combination]
        key = tuple(key_of(name, value) for name, value in zip(wanted, given, strict=True))
        if key in covered:
            continue
        first = next(iter(wanted))
        shown = ", ".join(map(str, given))
        findings.add(
            f"{where[first]}/{combination[0][0]}",
            FormulaError(
                f"表 {table.name} 缺少 {shown} 的取值", f"table {table.name} has no value for {shown}"
            ),
        )


def read_ladders(
    text: model.Methodology,
    known: Mapping[str, units.Unit],
    into: Mapping[str, units.Unit],
    findings: Findings,
) -> dict[str, Ladder]:
    """Return the ladders by name; reports gaps and overlaps at their places."""
    found: dict[str, Ladder] = {}
    for position, ladder in enumerate(text.steps):
        place = f"/steps/{position}"
        _check_sources(ladder, place, findings)
        for pointer, error in _breaks(ladder):
            findings.add(f"{place}/rows/{pointer}", error)
        found[ladder.name] = Ladder(
            tuple(Fraction(row.first) * into[ladder.name].scale for row in ladder.rows),
            tuple(Fraction(row.value) * known[ladder.name].scale for row in ladder.rows),
        )
    return found


def _breaks(ladder: model.Ladder) -> Iterator[tuple[str, FormulaError]]:
    rows = ladder.rows
    for number, row in enumerate(rows):
        if number == len(rows) - 1:
            if row.last is not None:
                yield f"{number}/to", FormulaError("最后一段须不设上限", "the last range must be open")
            return
        if row.last is None:
            yield f"{number}/to", FormulaError("只有最后一段可不设上限", "only the last range may be open")
        elif Fraction(row.last) <= Fraction(row.first):
            yield f"{number}/to", FormulaError("上限不高于下限", "the range ends before it begins")
        else:
            gap = Fraction(rows[number + 1].first) - Fraction(row.last)
            at = f"{number + 1}/from"
            shown = f"{row.last} – {rows[number + 1].first}"
            if gap > 0:
                yield at, FormulaError(f"两段之间有空档：{shown}", f"a gap between two ranges: {shown}")
            if gap < 0:
                yield at, FormulaError(f"两段重叠：{shown}", f"two ranges overlap: {shown}")
