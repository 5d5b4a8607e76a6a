"""All methodologies of all packs, and which one counts for a region, a scene and a day."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from methodologies import model, pack
from methodologies.engine import Methodology
from methodologies.errors import PackError

NATION = "100000"
BUILT_IN = Path(__file__).parent / "packs"

# Days come from callers: the cache is emptied past this many answers.
_CACHE_LIMIT = 100_000
_Key = tuple[str, str, dt.date]


class Catalogue:
    """The methodologies of some folders of packs, selected by region, scene and day."""

    def __init__(
        self,
        methodologies: Iterable[Methodology],
        scenes: Mapping[str, model.Scene],
        regions: Mapping[str, model.Title],
        adopted: frozenset[tuple[str, str]],
    ) -> None:
        """Hold what `load_catalogue` read; `adopted` are (region, scene) pairs that take the national one."""
        self.methodologies: tuple[Methodology, ...] = tuple(methodologies)
        self._scenes = MappingProxyType(dict(scenes))
        self._regions = MappingProxyType(dict(regions))
        self._adopted = adopted
        self._by_hash = {each.content_hash: each for each in self.methodologies}
        self._by_place: dict[tuple[str, str], list[Methodology]] = defaultdict(list)
        for each in self.methodologies:
            self._by_place[each.region, each.scene].append(each)
        self._selected: dict[_Key, Methodology | None] = {}

    def select(self, region: str, scene: str, day: dt.date) -> Methodology | None:
        """Return the methodology that counts on `day` (in Asia/Shanghai), or `None`.

        A district falls to its city, a city to its province, and to the nation where the district, city
        or province has adopted that scene.
        """
        key = (region, scene, day)
        try:
            return self._selected[key]
        except KeyError:
            pass
        found = self._find(region, scene, day)
        if len(self._selected) >= _CACHE_LIMIT:
            self._selected.clear()
        self._selected[key] = found
        return found

    def _find(self, region: str, scene: str, day: dt.date) -> Methodology | None:
        for place in self.chain(region, scene):
            for each in self._by_place.get((place, scene), ()):
                if day in each.in_force:
                    return each
        return None

    def chain(self, region: str, scene: str) -> tuple[str, ...]:
        """Return the regions asked in turn for a scene: `440305`, `440300`, `440000`, perhaps `100000`."""
        if region == NATION:
            return (NATION,)
        own = tuple(dict.fromkeys((region, f"{region[:4]}00", f"{region[:2]}0000")))
        own = tuple(place for place in own if place != NATION)
        return (*own, NATION) if any((place, scene) in self._adopted for place in own) else own

    def scenes(self) -> Mapping[str, model.Scene]:
        """Return every known scene: its title, group, and whether it is movement."""
        return self._scenes

    def regions(self) -> Mapping[str, model.Title]:
        """Return every region that a pack speaks for, with its name."""
        return self._regions

    def by_hash(self, content_hash: str) -> Methodology | None:
        """Return the methodology with that content, or `None` (then `rebuild` it from the stored content)."""
        return self._by_hash.get(content_hash)


def load_catalogue(*folders: Path, demonstration: bool = False) -> Catalogue:
    """Read every pack below the folders, the built-in ones where none is given.

    Methodologies that are `demonstration_only` are left out unless `demonstration`. Scenes that the
    built-in packs name are always known. Raises `PackError` at the first thing wrong, with its place.
    """
    scenes = pack.read_scenes(BUILT_IN)
    regions: dict[str, model.Title] = {}
    adopted: set[tuple[str, str]] = set()
    found: list[tuple[Methodology, Path]] = []
    for folder in folders or (BUILT_IN,):
        scenes |= pack.read_scenes(folder)
        for described, path, built in pack.read_packs(folder):
            for place in described.regions:
                if regions.setdefault(place.region, place.name) != place.name:
                    raise PackError(path, "/regions", "同一地区有两个名称", f"{place.region} has two names")
                adopted |= {(place.region, scene) for scene in described.adopts_national}
            found += [(each, path) for each in built]
    _check(found, scenes)
    kept = [each for each, _ in found if demonstration or not each.demonstration_only]
    return Catalogue(kept, scenes, regions, frozenset(adopted))


def _check(found: list[tuple[Methodology, Path]], scenes: Mapping[str, model.Scene]) -> None:
    """Refuse unknown scenes, a code and version used twice, and overlapping periods."""
    seen: set[tuple[str, str, str]] = set()
    places: dict[tuple[str, str], list[Methodology]] = defaultdict(list)
    for each, path in found:
        if each.scene not in scenes:
            raise PackError(path, "", f"未知场景 {each.scene}", f"unknown scene {each.scene}")
        identity = (each.region, each.code, each.version)
        if identity in seen:
            raise PackError(
                path, "", f"重复：{identity}", f"region, code and version stand twice: {identity}"
            )
        seen.add(identity)
        for other in places[each.region, each.scene]:
            if each.in_force.first_day in other.in_force or other.in_force.first_day in each.in_force:
                raise PackError(
                    path,
                    "",
                    f"施行期重叠：{each!r} 与 {other!r}",
                    f"in-force periods overlap: {each!r} and {other!r}",
                )
        places[each.region, each.scene].append(each)
