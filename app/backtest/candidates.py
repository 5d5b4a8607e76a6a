"""Finds the methodologies that a backtest is asked for: in packs, in a file, or among an operator's revisions."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from accounts.ids import public_id
from app.backtest.errors import BacktestError
from app.database import Database
from app.versions import repository
from app.versions.models import Revision
from app.versions.text import read
from methodologies import Catalogue, Methodology, rebuild
from methodologies.pack import read_methodologies
from methodologies.yaml_files import read_yaml


def in_packs(catalogue: Catalogue, code: str, version: str, region: str | None) -> list[Methodology]:
    """Return the versions of packs that are meant, one a region."""
    return _matching(catalogue.methodologies, code, version, region)


def find_methodology(
    catalogue: Catalogue, code: str, version: str, region: str | None, revisions: Sequence[Revision] = ()
) -> Methodology:
    """Return the version that is meant, of `catalogue` or of an operator's revisions in any state.

    Raises `BacktestError` where there is none, or several regions have it, or a draft does not hold yet.
    """
    known = in_packs(catalogue, code, version, region)
    if known or not revisions:
        return _only(known, catalogue.methodologies, code, version, region)
    found = [each for each in revisions if region in (None, each.region)]
    if len(found) == 1:
        return of_revision(found[0])
    return _only([of_revision(each) for each in found], catalogue.methodologies, code, version, region)


def from_file(
    path: Path, catalogue: Catalogue, code: str | None, version: str | None, region: str | None
) -> Methodology:
    """Return a version out of one pack file that is in no pack yet; raises `PackError` as packs do."""
    regions = [*catalogue.regions(), *_regions_of(read_yaml(path))]
    known = tuple(read_methodologies(path, regions))
    return _only(_matching(known, code, version, region), known, code, version, region)


def of_revision(revision: Revision) -> Methodology:
    """Return the methodology of a revision; raises `BacktestError` with what is wrong with a draft's text."""
    if revision.content_hash is not None:
        return rebuild(revision.content)
    built, problems = read(orjson.loads(revision.content))
    if built is not None:
        return built
    name = f"{public_id('mrv', revision.id)} {revision.code}/{revision.version}/{revision.region}"
    raise BacktestError(
        f"{name} 的文本尚不成立："
        + "；".join(f"{each.pointer or '/'} {each.message_zh}" for each in problems),
        f"the text of {name} does not hold yet: "
        + "; ".join(f"{each.pointer or '/'} {each.message_en}" for each in problems),
    )


async def revision_of(database: Database, revision_id: UUID) -> Methodology:
    """Return the methodology of an operator's revision; raises `BacktestError` where there is none."""
    async with database.reading() as session:
        revision = await repository.find(session, revision_id)
    if revision is None:
        told = public_id("mrv", revision_id)
        raise BacktestError(f"没有方法学版本 {told}", f"no methodology version {told}")
    return of_revision(revision)


async def revisions_called(database: Database, code: str, version: str) -> list[Revision]:
    """Return the revisions of a code and version in any state, one a region."""
    async with database.reading() as session:
        return await repository.called(session, code, version)


async def in_force(database: Database, packs: Catalogue, now: datetime.datetime) -> Catalogue:
    """Return what counts at a moment: the packs, with what operators activated, ended and replaced."""
    async with database.driver_transaction() as driver:
        found = await repository.read_versions(driver)
        hashes = [hash_ for hash_, moment in found.revisions if moment <= now]
        contents = await repository.read_contents(driver, hashes)
    return packs.with_versions(map(rebuild, contents), found.ends_at(now), found.adoptions)


def _regions_of(data: dict[str, Any]) -> list[str]:
    named = [data.get("region"), *(data.get("regions") or [])]
    return [each for each in named if isinstance(each, str)]


def _matching(
    known: Sequence[Methodology], code: str | None, version: str | None, region: str | None
) -> list[Methodology]:
    return [
        each
        for each in known
        if code in (None, each.code) and version in (None, each.version) and region in (None, each.region)
    ]


def _only(
    found: Sequence[Methodology],
    known: Sequence[Methodology],
    code: str | None,
    version: str | None,
    region: str | None,
) -> Methodology:
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
