"""Put the packs of several folders together, and refuse what does not fit together."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from methodologies import model, pack
from methodologies.engine import Methodology, Period
from methodologies.errors import PackError
from methodologies.plugins import Plugin
from methodologies.rules import NO_RULES, Rules

NATION = "100000"


@dataclass(frozen=True, slots=True)
class Found:
    """A methodology, the file and the place in it where it stands, and where its pack comes from."""

    built: Methodology
    file: Path
    origin: str
    pointer: pack.Pointer


@dataclass(frozen=True, slots=True)
class Gathered:
    """What some folders say together. Never changed, so that a plugin is taken whole or not at all."""

    scenes: Mapping[str, model.Scene]
    regions: Mapping[str, model.Title] = field(default_factory=dict)
    adopted: frozenset[tuple[str, str]] = frozenset()
    found: tuple[Found, ...] = ()
    placeholders: tuple[model.Placeholder, ...] = ()


def with_folder(before: Gathered, folder: Path, origin: str, rules: Rules = NO_RULES) -> Gathered:
    """Add the packs below a folder; raises `PackError` for the first thing that is wrong in one of them."""
    scenes, regions, adopted, found = dict(before.scenes), dict(before.regions), set(before.adopted), []
    for name, scene in pack.read_scenes(folder).items():
        if scenes.setdefault(name, scene) != scene:
            raise PackError(
                folder / pack.SCENES_FILE,
                f"/{name}",
                f"场景 {name} 已有另一定义",
                f"the scene {name} is defined otherwise already",
            )
    placeholders = list(before.placeholders)
    for described, path, files in pack.read_pack_files(folder, rules=rules):
        for place in described.regions:
            if regions.setdefault(place.region, place.name) != place.name:
                raise PackError(path, "/regions", "同一地区有两个名称", f"{place.region} has two names")
            adopted |= {(place.region, scene) for scene in described.adopts_national}
        for position, scene_name in enumerate(described.adopts_national):
            if scene_name not in scenes:
                raise PackError(
                    path,
                    f"/adopts_national/{position}",
                    f"未知场景 {scene_name}",
                    f"unknown scene {scene_name}",
                )
        found += [Found(each, file, origin, at) for file, placed in files.items() for each, at in placed]
        for position, placeholder in enumerate(pack.read_placeholders(described, path)):
            if placeholder.scene not in scenes:
                raise PackError(
                    path.parent / pack.PLACEHOLDERS_FILE,
                    f"/placeholders/{position}/scene",
                    f"未知场景 {placeholder.scene}",
                    f"unknown scene {placeholder.scene}",
                )
            placeholders.append(placeholder)
    return Gathered(scenes, regions, frozenset(adopted), (*before.found, *found), tuple(placeholders))


def with_plugin(before: Gathered, plugin: Plugin) -> Gathered:
    """Add a plugin, checked against all that is there; raises whatever is wrong with it."""
    if plugin.failure is not None:
        raise plugin.failure
    after = before
    for folder in plugin.folders:
        if not any(folder.glob(f"*/{pack.PACK_FILE}")):
            raise PackError(
                folder,
                "",
                f"没有方法学包：没有含 {pack.PACK_FILE} 的子文件夹（YAML 是否已打入 wheel？）",
                f"no packs: no folder with a {pack.PACK_FILE} (does the wheel contain its YAML files?)",
            )
        after = with_folder(after, folder, plugin.origin, plugin.rules)
    check(after)
    for each in after.found[len(before.found) :]:
        _check_foreign(each, after.scenes)
    return after


def check(gathered: Gathered) -> None:
    """Refuse unknown scenes, a code and version used twice, and overlapping periods."""
    seen: dict[tuple[str, str, str], Path] = {}
    places: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for found in gathered.found:
        each, path = found.built, found.file
        if each.scene not in gathered.scenes:
            raise PackError(
                path, found.pointer("/scene"), f"未知场景 {each.scene}", f"unknown scene {each.scene}"
            )
        identity = (each.region, each.code, each.version)
        if identity in seen:
            raise PackError(
                path,
                found.pointer("/version"),
                f"重复：{identity}，见 {seen[identity]}",
                f"region, code and version stand twice: {identity}, first in {seen[identity]}",
            )
        seen[identity] = path
        for other in places[each.region, each.scene]:
            if overlap(each.in_force, other.built.in_force):
                day = max(each.in_force.first_day, other.built.in_force.first_day)
                raise PackError(
                    path,
                    found.pointer("/in_force"),
                    f"施行期自 {day} 起重叠：{each!r} 与 {other.file} 的 {other.built!r}",
                    f"in-force periods overlap from {day} on: {each!r} and {other.built!r} of {other.file}",
                )
        places[each.region, each.scene].append(found)


def overlap(one: Period, other: Period) -> bool:
    """Whether two periods have a day in common."""
    return max(one.first_day, other.first_day) <= min(last_day(one), last_day(other))


def last_day(period: Period) -> dt.date:
    """Return the last day of a period, the last there is while it is open."""
    return dt.date.max if period.last_day is None else period.last_day


def _check_foreign(found: Found, scenes: Mapping[str, model.Scene]) -> None:
    """Refuse what only the built-in packs may do, and what their own tests hold them to."""
    if found.built.region == NATION:
        raise PackError(
            found.file,
            found.pointer("/region"),
            "外来方法学包不得代表全国",
            "a pack from outside may not speak for the nation: others adopt what it says",
        )
    if scenes[found.built.scene].movement and not any(
        (claim.rule, claim.of, claim.period, claim.required) == ("body", "person", "act", True)
        for claim in found.built.claims
    ):
        raise PackError(
            found.file,
            found.pointer("/claims"),
            f"{found.built!r}：出行须认领 body（person，act，required），否则一次出行会按两种方式入账",
            f"{found.built!r} must claim body (person, act, required), or one trip counts in two modes",
        )
