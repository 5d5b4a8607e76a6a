"""Finds the methodology that a backtest is asked for."""

from pathlib import Path
from typing import Any

from app.backtest.errors import BacktestError
from methodologies import Catalogue, Methodology
from methodologies.pack import read_methodologies
from methodologies.yaml_files import read_yaml


def find_methodology(catalogue: Catalogue, code: str, version: str, region: str | None) -> Methodology:
    """Return the version that is meant; raises `BacktestError` where there is none, or several regions have it.

    The one place that knows where versions come from: packs today.
    """
    return _only(catalogue.methodologies, code, version, region)


def from_file(
    path: Path, catalogue: Catalogue, code: str | None, version: str | None, region: str | None
) -> Methodology:
    """Return a version out of one pack file that is in no pack yet; raises `PackError` as packs do."""
    regions = [*catalogue.regions(), *_regions_of(read_yaml(path))]
    return _only(tuple(read_methodologies(path, regions)), code, version, region)


def _regions_of(data: dict[str, Any]) -> list[str]:
    named = [data.get("region"), *(data.get("regions") or [])]
    return [each for each in named if isinstance(each, str)]


def _only(
    known: tuple[Methodology, ...], code: str | None, version: str | None, region: str | None
) -> Methodology:
    found = [
        each
        for each in known
        if code in (None, each.code) and version in (None, each.version) and region in (None, each.region)
    ]
    if len(found) == 1:
        return found[0]
    asked = "/".join(part for part in (code, version, region) if part)
    if not found:
        versions = ", ".join(sorted({each.version for each in known if each.code == code}))
        hint_zh, hint_en = (f"；已有版本：{versions}", f"; there are {versions}") if versions else ("", "")
        raise BacktestError(f"没有方法学 {asked}{hint_zh}", f"no methodology {asked}{hint_en}")
    choices = ", ".join(f"{each.code}/{each.version}/{each.region}" for each in found)
    raise BacktestError(
        f"{asked} 不只一个：{choices}；请用 --region 等选定",
        f"{asked} is more than one: {choices}; choose, for example with --region",
    )
