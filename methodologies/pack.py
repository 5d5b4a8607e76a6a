"""Read pack folders: `pack.yaml`, then one YAML file per methodology, each checked and placed.

A file is one mapping, or a mapping with `versions:`, a list of mappings laid over the common keys: the
dated versions of one methodology. `regions: [...]` instead of `region:` makes one text serve several
regions, and any value may then be a mapping from region code to value. `scenes.yaml` beside the packs
names scenes.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from methodologies import model
from methodologies.engine import Methodology, MisplacedError, check_examples
from methodologies.errors import PackError

MAX_BYTES = 262_144
PACK_FILE = "pack.yaml"
SCENES_FILE = "scenes.yaml"

_REGION = re.compile(r"[1-9][0-9]{5}", re.ASCII)

_Validated = TypeVar("_Validated", bound=BaseModel)
_Pointer = Callable[[str], str]


class _Loader(yaml.CSafeLoader):
    """The C loader, refusing a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return mapping


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; raises `PackError` where there is none."""
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise PackError(path, "", "文件过大", f"the file is over {MAX_BYTES} bytes")
        found = yaml.load(data, _Loader)  # noqa: S506 - a safe loader
    except OSError as error:
        raise PackError(path, "", "文件读不到", f"the file cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, PackError):
            raise
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise PackError(path, "", f"不是合规的 YAML{line}", f"not valid YAML{line}: {problem}") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise PackError(path, "", "文件须为一个映射", "the file must be one mapping with text keys")
    return found


def read_scenes(folder: Path) -> dict[str, model.Scene]:
    """Return the scenes that a folder of packs names; none where it has no `scenes.yaml`."""
    path = folder / SCENES_FILE
    if not path.is_file():
        return {}
    return {
        name: _validate(model.Scene, data, path, f"/{name}".__add__) for name, data in read_yaml(path).items()
    }


def read_packs(folder: Path) -> Iterator[tuple[model.Pack, Path, list[Methodology]]]:
    """Yield each pack below `folder` with its path and its compiled methodologies.

    Raises `PackError` for the first thing that is wrong, with its place.
    """
    if not folder.is_dir():
        raise PackError(folder, "", "文件夹不存在", "the folder does not exist")
    for path in sorted(folder.glob(f"*/{PACK_FILE}")):
        pack = _validate(model.Pack, read_yaml(path), path, str)
        codes = [place.region for place in pack.regions]
        built = [
            each
            for file in sorted(path.parent.glob("*.yaml"))
            if file.name != PACK_FILE
            for each in read_methodologies(file, codes)
        ]
        yield pack, path, built


def read_methodologies(path: Path, allowed: list[str]) -> Iterator[Methodology]:
    """Yield every version in every region that one file describes."""
    for data, pointer in _versions(read_yaml(path), path):
        for region in _regions(data, path, pointer, allowed):
            text = _validate(model.Methodology, _for_region(data, region, path, pointer), path, pointer)
            try:
                built = Methodology(text)
                check_examples(built)
            except MisplacedError as error:
                raise PackError(path, pointer(error.pointer), error.message_zh, error.message_en) from None
            yield built


def _versions(data: dict[str, Any], path: Path) -> Iterator[tuple[dict[str, Any], _Pointer]]:
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


def _regions(data: dict[str, Any], path: Path, pointer: _Pointer, allowed: list[str]) -> list[str]:
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


def _for_region(data: dict[str, Any], region: str, path: Path, pointer: _Pointer) -> dict[str, Any]:
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


def _validate(kind: type[_Validated], data: Any, path: Path, pointer: _Pointer) -> _Validated:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = "".join(f"/{part}" for part in first["loc"])
        raise PackError(path, pointer(place), f"不合规：{first['msg']}", first["msg"]) from None
