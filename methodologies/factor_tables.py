"""Shared tables: dated factors, such as those of the grid, that many methodologies read.

A table is one YAML file. The year in a key is the accounting year, that of the act; the year of the data,
the day of publication and the number of the notice stand apart in each row. A methodology names a shared
table, and gets its rows when it loads, so that its own text holds every value that it used.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias

from pydantic import Field, ValidationError

from methodologies import messages, model
from methodologies.errors import FormulaError, MisplacedError, PackError
from methodologies.tables import key_of
from methodologies.yaml_files import read_yaml

BUILT_IN = Path(__file__).parent / "factors"

_TAKEN = ("provinces", "years")


class SharedTable(model.Model):
    """A dated table. `requires_notice` refuses a row without the number of its notice."""

    name: model.Identifier
    title: model.Title
    unit: model.Words
    keys: Annotated[tuple[model.ContextKey, ...], Field(strict=False, min_length=1, max_length=2)]
    requires_notice: bool = False
    rows: Annotated[tuple[model.Row, ...], Field(strict=False, min_length=1, max_length=2000)]
    source: model.Words | None = None
    url: model.Words | None = None
    confidence: model.Confidence | None = None


SharedTables: TypeAlias = Mapping[str, SharedTable]


def read_factor_tables(folder: Path = BUILT_IN) -> SharedTables:
    """Return the shared tables of a folder by name; none where there is no such folder.

    Raises `PackError` for the first thing that is wrong, with its place.
    """
    found: dict[str, SharedTable] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            table = SharedTable.model_validate(read_yaml(path))
        except ValidationError as error:
            first = next(messages.problems(error))
            raise PackError(path, first.pointer, first.message_zh, first.message_en) from None
        try:
            _check(table)
        except MisplacedError as error:
            raise PackError(path, error.pointer, error.message_zh, error.message_en) from None
        if table.name in found:
            raise PackError(path, "/name", f"共享表重名：{table.name}", f"{table.name} stands twice")
        found[table.name] = table
    return MappingProxyType(found)


@lru_cache(maxsize=1)
def built_in() -> SharedTables:
    """Return the shared tables that come with the package, read once."""
    return read_factor_tables()


def _check(table: SharedTable) -> None:
    seen: set[tuple[int | str | None, ...]] = set()
    for number, row in enumerate(table.rows):
        place = f"/rows/{number}"
        key = tuple(key_of(name, part) for name, part in zip(table.keys, row.key, strict=False))
        if len(row.key) != len(table.keys) or None in key:
            raise MisplacedError(
                f"{place}/key",
                FormulaError(f"不是 {', '.join(table.keys)} 的键", f"is no key of {', '.join(table.keys)}"),
            )
        if key in seen:
            raise MisplacedError(f"{place}/key", FormulaError("键重复", "the key stands twice"))
        seen.add(key)
        if table.requires_notice and row.notice_no is None:
            raise MisplacedError(
                f"{place}/notice_no", FormulaError("缺少公告文号", "the number of the notice is missing")
            )
        for name in ("source", "confidence"):
            if getattr(row, name) is None and getattr(table, name) is None:
                raise MisplacedError(f"{place}/{name}", FormulaError(f"缺少 {name}", f"{name} is missing"))


def resolved(data: dict[str, Any], shared: SharedTables | None = None) -> dict[str, Any]:
    """Return the data of a methodology with the rows of the shared tables that it names, each with its source.

    A table that names one may keep to some `provinces` and `years`; one that has rows already keeps them.
    `shared` are the known tables, those of the package where it is not given. Raises `MisplacedError`.
    """
    tables = data.get("tables")
    if not isinstance(tables, list):
        return data
    return data | {"tables": [_resolve(each, number, shared) for number, each in enumerate(tables)]}


def _resolve(table: Any, number: int, shared: SharedTables | None) -> Any:
    if not isinstance(table, dict) or "shared" not in table or "rows" in table:
        return table
    place = f"/tables/{number}"
    known = built_in() if shared is None else shared
    found = known.get(str(table["shared"]))
    if found is None:
        message = FormulaError(
            f"没有名为 {table['shared']} 的共享表", f"there is no shared table {table['shared']!r}"
        )
        raise MisplacedError(f"{place}/shared", message)
    _check_alike(table, found, place)
    rows = list(found.rows)
    for taken in _TAKEN:
        if taken in table:
            rows = _only(rows, found, taken, table[taken], place)
    own = {name: value for name, value in table.items() if name not in _TAKEN}
    sourced = [
        {
            **{name: value for name in ("source", "url", "confidence") if (value := getattr(found, name))},
            **row.model_dump(exclude_none=True),
        }
        for row in rows
    ]
    title = found.title.model_dump()
    return {"title": title, "unit": found.unit, "keys": list(found.keys), **own, "rows": sourced}


def _check_alike(table: Mapping[str, Any], shared: SharedTable, place: str) -> None:
    """Refuse another unit or other keys than the shared table has: its values would mean something else."""
    for name, wanted in (("unit", shared.unit), ("keys", list(shared.keys))):
        if table.get(name, wanted) != wanted:
            shown = wanted if isinstance(wanted, str) else ", ".join(wanted)
            message = FormulaError(
                f"共享表 {shared.name} 的 {name} 是 {shown}，不得另写",
                f"{name} of the shared table {shared.name} is {shown} and stands nowhere else",
            )
            raise MisplacedError(f"{place}/{name}", message)


def _only(rows: list[model.Row], table: SharedTable, taken: str, wanted: Any, place: str) -> list[model.Row]:
    """Keep the rows of some provinces or years, each of which must be there."""
    key = taken.removesuffix("s")
    if key not in table.keys or not isinstance(wanted, list):
        message = FormulaError(f"须为 {key} 的列表", f"must be a list of keys {key}")
        raise MisplacedError(f"{place}/{taken}", message)
    index = list(table.keys).index(key)
    for number, each in enumerate(wanted):
        if all(row.key[index] != each for row in rows):
            message = FormulaError(
                f"共享表 {table.name} 没有 {each}", f"the shared table {table.name} has nothing for {each}"
            )
            raise MisplacedError(f"{place}/{taken}/{number}", message)
    return [row for row in rows if row.key[index] in wanted]
