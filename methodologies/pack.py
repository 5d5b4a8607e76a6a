"""Read pack folders: `pack.yaml`, then one YAML file per methodology, each checked and placed.

A file is one mapping, or a mapping with `versions:`, a list of mappings laid over the common keys: the
dated versions of one methodology. `regions: [...]` instead of `region:` makes one text serve several
regions, and any value may then be a mapping from region code to value. `scenes.yaml` beside the packs
names scenes; `placeholders.yaml` in a pack lists methodologies whose values were not found.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from methodologies import messages, model
from methodologies.engine import Methodology
from methodologies.errors import Findings, MisplacedError, PackError, unexpected
from methodologies.factor_tables import SharedTables, built_in, read_factor_tables, resolved
from methodologies.proving import prove
from methodologies.rules import NO_RULES, Rules
from methodologies.yaml_files import read_yaml

BUILT_IN = Path(__file__).parent / "packs"
PACK_FILE = "pack.yaml"
SCENES_FILE = "scenes.yaml"
PLACEHOLDERS_FILE = "placeholders.yaml"
FACTORS = "factors"
NO_METHODOLOGIES = frozenset({PACK_FILE, PLACEHOLDERS_FILE})

_REGION = re.compile(r"[1-9][0-9]{5}", re.ASCII)

_Validated = TypeVar("_Validated", bound=BaseModel)
Pointer = Callable[[str], str]
"""Where a key of one version stands in its file, as a JSON pointer."""
Placed = tuple[Methodology, Pointer]


def read_scenes(folder: Path) -> dict[str, model.Scene]:
    """Return the scenes that a folder of packs names; none where it has no `scenes.yaml`."""
    path = folder / SCENES_FILE
    if not path.is_file():
        return {}
    return {
        name: _validate(model.Scene, data, path, f"/{name}".__add__) for name, data in read_yaml(path).items()
    }


def read_packs(
    folder: Path, *, rules: Rules = NO_RULES, shared: SharedTables | None = None
) -> Iterator[tuple[model.Pack, Path, list[Methodology]]]:
    """Yield each pack below `folder` with its path and its compiled methodologies, as `read_pack_files` does."""
    for pack, path, files in read_pack_files(folder, rules=rules, shared=shared):
        yield pack, path, [each for placed in files.values() for each, _ in placed]


def read_pack_files(
    folder: Path, *, rules: Rules = NO_RULES, shared: SharedTables | None = None
) -> Iterator[tuple[model.Pack, Path, dict[Path, list[Placed]]]]:
    """Yield each pack below `folder` with its path and, file by file, its compiled methodologies and their places.

    `rules` are the Python rules that come with the packs, `shared` the tables that they may name: where not
    given, those of this package, and those in a folder `factors` beside the packs. Raises `PackError` for the
    first thing that is wrong, with its place.
    """
    if not folder.is_dir():
        raise PackError(folder, "", "文件夹不存在", "the folder does not exist")
    if shared is None and (folder / FACTORS).is_dir():
        shared = {**built_in(), **read_factor_tables(folder / FACTORS)}
    for path in sorted(folder.glob(f"*/{PACK_FILE}")):
        pack = _validate(model.Pack, read_yaml(path), path, str)
        codes = [place.region for place in pack.regions]
        files = [file for file in sorted(path.parent.glob("*.yaml")) if file.name not in NO_METHODOLOGIES]
        yield pack, path, {file: _read_file(file, codes, rules, shared) for file in files}


def _read_file(file: Path, allowed: list[str], rules: Rules, shared: SharedTables | None) -> list[Placed]:
    """Return what one file describes, and name the file whatever goes wrong."""
    try:
        return list(_read_placed(file, allowed, rules, shared))
    except PackError:
        raise
    except Exception as error:
        raise unexpected(error, file) from error


def read_placeholders(pack: model.Pack, path: Path) -> tuple[model.Placeholder, ...]:
    """Return the placeholders beside a `pack.yaml`: methodologies that are known of, without their values."""
    file = path.parent / PLACEHOLDERS_FILE
    if not file.is_file():
        return ()
    found = _validate(model.Placeholders, read_yaml(file), file, str).placeholders
    codes = [place.region for place in pack.regions]
    for number, each in enumerate(found):
        if each.region not in codes:
            place = f"/placeholders/{number}/region"
            raise PackError(
                file, place, f"{each.region} 不属于本方法学包", f"{each.region} is no region of this pack"
            )
    return found


def read_methodologies(
    path: Path, allowed: list[str], *, rules: Rules = NO_RULES, shared: SharedTables | None = None
) -> Iterator[Methodology]:
    """Yield every version in every region that one file describes."""
    return (each for each, _ in _read_placed(path, allowed, rules, shared))


def _read_placed(
    path: Path, allowed: list[str], rules: Rules, shared: SharedTables | None
) -> Iterator[Placed]:
    for data, pointer in _versions(read_yaml(path), path):
        for region in _regions(data, path, pointer, allowed):
            try:
                own = resolved(_for_region(data, region, path, pointer), shared)
                built = Methodology(_validate(model.Methodology, own, path, pointer), rules)
                prove(built, Findings())
            except MisplacedError as error:
                raise PackError(path, pointer(error.pointer), error.message_zh, error.message_en) from None
            yield built, pointer


def _versions(data: dict[str, Any], path: Path) -> Iterator[tuple[dict[str, Any], Pointer]]:
    """Yield each version laid over the common keys, with a function that finds where a key stands."""
    if "versions" not in data:
        yield data, str
        return
    common = {key: value for key, value in data.items() if key != "versions"}
    versions = data["versions"]
    if not isinstance(versions, list) or not all(isinstance(each, dict) for each in versions):
        raise PackError(path, "/versions", "versions 须为映射的列表", "versions must be a list of mappings")
    for position, own in enumerate(versions):

        def pointer(rest: str, own: Mapping[str, Any] = own, position: int = position) -> str:
            key = rest.removeprefix("/").split("/")[0]
            return f"/versions/{position}{rest}" if key in own or key not in common else rest

        yield {**common, **own}, pointer


def _regions(data: dict[str, Any], path: Path, pointer: Pointer, allowed: list[str]) -> list[str]:
    """Take `region` or `regions` out of a text and return the regions that it serves."""
    regions = data["regions"] if "regions" in data else [data.get("region")]
    place = pointer("/regions" if "regions" in data else "/region")
    if "regions" in data and "region" in data:
        raise PackError(path, place, "region 与 regions 只能有一个", "give either region or regions")
    if not isinstance(regions, list) or not regions or not all(isinstance(each, str) for each in regions):
        raise PackError(path, place, "须为加引号的行政区划代码", "region codes are quoted text")
    for region in regions:
        if region not in allowed:
            raise PackError(path, place, f"{region} 不属于本方法学包", f"{region} is no region of this pack")
    return list(regions)


def _for_region(data: dict[str, Any], region: str, path: Path, pointer: Pointer) -> dict[str, Any]:
    """Return the text for one region, each value by region chosen for it."""

    def choose(value: Any, place: str) -> Any:
        if isinstance(value, list):
            return [choose(each, f"{place}/{position}") for position, each in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if not value or not all(isinstance(key, str) and _REGION.fullmatch(key) for key in value):
            return {key: choose(each, f"{place}/{key}") for key, each in value.items()}
        if region not in value:
            raise PackError(
                path, pointer(place), f"缺少地区 {region} 的取值", f"no value for region {region}"
            )
        return value[region]

    own = {key: choose(value, f"/{key}") for key, value in data.items() if key != "regions"}
    return own | {"region": region}


def _validate(kind: type[_Validated], data: Any, path: Path, pointer: Pointer) -> _Validated:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = next(messages.problems(error))
        place = pointer(first.pointer)
        raise PackError(path, place, f"不合规：{first.message_zh}", first.message_en) from None
