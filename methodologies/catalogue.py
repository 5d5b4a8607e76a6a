"""All methodologies of all packs, and which one counts for a region, a scene and a day."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from methodologies import gathering, model, pack
from methodologies.engine import Methodology, Period
from methodologies.gathering import NATION, Gathered, last_day, overlap
from methodologies.plugins import Plugin, RefusedPlugin, refusal

BUILT_IN = pack.BUILT_IN
BUILT_IN_ORIGIN = "built-in"
OPERATOR_ORIGIN = "operator"

# Days come from callers: the cache is emptied past this many answers.
_CACHE_LIMIT = 100_000
_Key = tuple[str, str, dt.date]
_DAY = dt.timedelta(days=1)
Ends = Mapping[tuple[str, str, str], dt.date]
"""(region, code, version) → the last day in force that was decided after the text."""


class Adoption(NamedTuple):
    """Days on which a region and those below it take the nation's rule of a scene; a pack's adoption has no ends."""

    region: str
    scene: str
    first_day: dt.date = dt.date.min
    last_day: dt.date | None = None


class Catalogue:
    """The methodologies of some folders of packs, selected by region, scene and day."""

    def __init__(
        self,
        methodologies: Iterable[Methodology],
        scenes: Mapping[str, model.Scene],
        regions: Mapping[str, model.Title],
        adopted: Iterable[Adoption],
        placeholders: Iterable[model.Placeholder] = (),
        ends: Ends = MappingProxyType({}),
        origins: Mapping[str, str] = MappingProxyType({}),
        refused: Iterable[RefusedPlugin] = (),
    ) -> None:
        """Hold what `load_catalogue` read; `adopted` says where the nation's rules count.

        `origins` tells content hash → origin of what is not built in, `refused` the plugins left out.
        """
        self.methodologies: tuple[Methodology, ...] = tuple(methodologies)
        self.placeholders: tuple[model.Placeholder, ...] = tuple(placeholders)
        self._scenes = MappingProxyType(dict(scenes))
        self._regions = MappingProxyType(dict(regions))
        self.adopted: tuple[Adoption, ...] = tuple(adopted)
        self._adoptions: dict[tuple[str, str], list[Adoption]] = defaultdict(list)
        for adoption in self.adopted:
            self._adoptions[adoption.region, adoption.scene].append(adoption)
        self._ends = ends
        self._origins = MappingProxyType(dict(origins))
        self.refused: tuple[RefusedPlugin, ...] = tuple(refused)
        self._by_hash = {each.content_hash: each for each in self.methodologies}
        self._by_place: dict[tuple[str, str], list[Methodology]] = defaultdict(list)
        for each in self.methodologies:
            self._by_place[each.region, each.scene].append(each)
        self._selected: dict[_Key, Methodology | None] = {}

    def select(self, region: str, scene: str, day: dt.date) -> Methodology | None:
        """Return the methodology that counts on `day` (in Asia/Shanghai), or `None`.

        A district falls to its city, a city to its province, and to the nation where the district, city
        or province has adopted that scene for the day.
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
        for place in self.chain(region, scene, day):
            for each in self._by_place.get((place, scene), ()):
                if day in self.period(each):
                    return each
        return None

    def period(self, methodology: Methodology) -> Period:
        """Return the days on which a methodology counts: its text's, or fewer where it was ended early.

        A last day before the first stands for no day at all.
        """
        end = self._ends.get((methodology.region, methodology.code, methodology.version))
        first, last = methodology.in_force
        return Period(first, last if end is None or (last is not None and last < end) else end)

    def of(self, region: str, scene: str) -> tuple[Methodology, ...]:
        """Return a region's own methodologies of a scene, in order of their first days."""
        return tuple(
            sorted(self._by_place.get((region, scene), ()), key=lambda each: each.in_force.first_day)
        )

    def with_versions(
        self, versions: Iterable[Methodology], ends: Ends, adopted: Iterable[Adoption]
    ) -> "Catalogue":
        """Return a catalogue with operators' versions and adoptions beside these, and with periods that end early.

        The operator's word counts: a version of these whose days meet an operator's, or that has the same name,
        is left out. So is an operator's version of a scene that nobody names, as of a package that is gone.
        """
        added = tuple(each for each in versions if each.scene in self._scenes)
        bare = Catalogue((), self._scenes, self._regions, self.adopted, ends=ends)
        taken = {(each.region, each.code, each.version) for each in added}
        places: dict[tuple[str, str], list[Period]] = defaultdict(list)
        for each in added:
            places[each.region, each.scene].append(bare.period(each))
        kept = [
            each
            for each in self.methodologies
            if (each.region, each.code, each.version) not in taken
            and not any(overlap(bare.period(each), other) for other in places[each.region, each.scene])
        ]
        texts = (*kept, *added)
        origins = {**self._origins, **{each.content_hash: OPERATOR_ORIGIN for each in added}}
        return Catalogue(
            texts,
            self._scenes,
            self._regions,
            (*self.adopted, *adopted),
            self.placeholders,
            ends,
            origins,
            self.refused,
        )

    def chain(self, region: str, scene: str, day: dt.date) -> tuple[str, ...]:
        """Return the regions asked in turn on a day: `440305`, `440300`, `440000`, and `100000` where adopted."""
        own = upward(region)
        adopted = any(day in Period(*each[2:]) for each in self.adoptions(region, scene))
        return (*own, NATION) if adopted else own

    def adoptions(self, region: str, scene: str) -> list[Adoption]:
        """Return the adoptions that count in a region: its own, and those of the regions above it."""
        return [each for place in upward(region) for each in self._adoptions.get((place, scene), ())]

    def scenes(self) -> Mapping[str, model.Scene]:
        """Return every known scene: its title, group, and whether it is movement."""
        return self._scenes

    def regions(self) -> Mapping[str, model.Title]:
        """Return every region that a pack speaks for, with its name."""
        return self._regions

    def by_hash(self, content_hash: str) -> Methodology | None:
        """Return the methodology with that content, or `None` (then `rebuild` it from the stored content)."""
        return self._by_hash.get(content_hash)

    def origin(self, methodology: Methodology) -> str:
        """Return where a methodology comes from: `built-in`, `operator`, or a distribution with its version."""
        return self._origins.get(methodology.content_hash, BUILT_IN_ORIGIN)


def upward(region: str) -> tuple[str, ...]:
    """Return a region and those above it, but for the nation: `440305`, `440300`, `440000`; the nation alone."""
    if region == NATION:
        return (NATION,)
    places = dict.fromkeys((region, f"{region[:4]}00", f"{region[:2]}0000"))
    return tuple(place for place in places if place != NATION)


def gaps(periods: Iterable[Period]) -> list[Period]:
    """Return the days that no period has, between the first and, where they end, without end after the last."""
    found: list[Period] = []
    until: dt.date | None = None
    real = (period for period in periods if period.first_day <= last_day(period))
    for each in sorted(real, key=lambda period: period.first_day):
        if until is not None and (each.first_day - until) > _DAY:
            found.append(Period(until + _DAY, each.first_day - _DAY))
        until = last_day(each) if until is None else max(until, last_day(each))
    if until is not None and until < dt.date.max:
        found.append(Period(until + _DAY, None))
    return found


def load_catalogue(*folders: Path, demonstration: bool = False, plugins: Iterable[Plugin] = ()) -> Catalogue:
    """Read every pack below the folders, the built-in ones where none is given, then those of `plugins`.

    Methodologies that are `demonstration_only` are left out unless `demonstration`. Scenes that the
    built-in packs name are always known. Raises `PackError` at the first thing wrong in a folder, with its
    place; a plugin with anything wrong is left out whole and is told in `refused`. The first of two plugins
    that clash stays.
    """
    gathered = Gathered(pack.read_scenes(BUILT_IN))
    for folder in folders or (BUILT_IN,):
        gathered = gathering.with_folder(gathered, folder, BUILT_IN_ORIGIN)
    gathering.check(gathered)
    refused: list[RefusedPlugin] = []
    for plugin in plugins:
        try:
            gathered = gathering.with_plugin(gathered, plugin)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a rule of others may even raise SystemExit
            reason = refusal(error, plugin.origin)
            refused.append(RefusedPlugin(plugin.distribution, plugin.version, reason))
    return Catalogue(
        [each.built for each in gathered.found if demonstration or not each.built.demonstration_only],
        gathered.scenes,
        gathered.regions,
        [Adoption(*each) for each in sorted(gathered.adopted)],
        gathered.placeholders,
        origins={each.built.content_hash: each.origin for each in gathered.found},
        refused=refused,
    )
