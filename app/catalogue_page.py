"""The catalogue page: every shipped methodology, placeholder and factor table with its sources, as Markdown.

`python -m app.catalogue_page` (`make methodologies`) writes `docs/methodologies.md`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, Protocol

from methodologies import Catalogue, load_catalogue, model
from methodologies.engine import Methodology
from methodologies.factor_tables import SharedTable, read_factor_tables

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "methodologies.md"
_HEAD = """\
# Methodologies 方法学

What this release ships, written by `make methodologies` from `methodologies/packs` and `methodologies/factors`. \
Do not edit it. 本页由 `make methodologies` 生成，勿手改。

A value is `quoted` 引自所列来源, `derived` 由引用值推得, `provisional` 暂定（来源可靠性低或互相矛盾）or \
`example` 示例（只供演示）. A *points only* 仅积分 rule credits points and 0 g. *Issuable* 可签发 takes authority, \
filing number and text in force, and a second operator's approval where it is used 还须使用地另一操作员批准. \
The grade of a document is how reliable what was read of it is: A official text or a checked transcription, \
B press or journal, C a single secondary source. Amounts are g CO2e, rounded down to whole mg.
"""
_FLAGS = ("provisional", "points_only", "demonstration_only", "issuable")
_FLAG_WORDS = {
    "provisional": "暂定 provisional",
    "points_only": "仅积分 points only",
    "demonstration_only": "仅演示 demonstration only",
    "issuable": "经批准可签发 issuable once approved",
}


def page(catalogue: Catalogue, tables: Mapping[str, SharedTable]) -> str:
    """The whole page. One text that serves several regions stands once, under all of them."""
    shared: dict[str, list[Methodology]] = {}
    for each in catalogue.methodologies:
        content = json.loads(each.content)
        del content["region"]
        shared.setdefault(f"{each.code} {each.version} {_same_but_values(content)}", []).append(each)
    sections = sorted(
        shared.values(), key=lambda found: (_regions(found), found[0].scene, found[0].in_force.first_day)
    )
    parts = [_HEAD, _summary(catalogue, len(sections))]
    for regions, group in groupby(sections, _regions):
        parts.append(f"## {_named(catalogue, regions)}\n")
        parts += ["\n".join(_section(catalogue, found)) for found in group]
    parts.append(_placeholders(catalogue))
    parts.append(_scenes(catalogue))
    parts.append(_tables(tables.values()))
    return "\n".join(parts)


def _same_but_values(content: dict[str, object]) -> str:
    """What two regions of one text share: all but the values that a text gives by region."""
    return json.dumps([content["scene"], content["in_force"], content.get("formula"), content["title"]])


def _regions(found: Sequence[Methodology]) -> tuple[str, ...]:
    return tuple(sorted(each.region for each in found))


def _named(catalogue: Catalogue, regions: Iterable[str]) -> str:
    names = ((region, catalogue.regions()[region]) for region in regions)
    return " · ".join(f"{name.zh} {name.en} ({region})" for region, name in names)


def _summary(catalogue: Catalogue, texts: int) -> str:
    count = len(catalogue.methodologies)
    marked = {name: sum(getattr(each, name) for each in catalogue.methodologies) for name in _FLAGS}
    told = ", ".join(f"{number} {_FLAG_WORDS[name]}" for name, number in marked.items())
    placeholders = len(catalogue.placeholders)
    return f"{texts} texts in {count} methodologies: {told}. {placeholders} placeholders 占位.\n"


def _section(catalogue: Catalogue, found: Sequence[Methodology]) -> Iterator[str]:
    text = found[0].text
    scene = catalogue.scenes()[text.scene].title
    last = text.in_force.last_day
    flags = [_FLAG_WORDS[name] for name in _FLAGS if getattr(text, name)]
    yield f"### {text.title.zh} · {scene.zh}\n"
    yield f"{text.title.en} · {scene.en}\n"
    known = ", ".join([f"`{text.status}`", f"`{text.confidence}`", *flags])
    yield (
        f"- `{text.scene}` · `{text.code}` · version 版本 `{text.version}` · "
        f"{text.in_force.first_day} – {last or '…'} · {known}"
    )
    grade = f" (grade {text.document.grade})" if text.document.grade else ""
    yield (
        f"- Authority 主管: {_plain(text.authority or '—')}; filing 备案: {text.filing_no or '—'}; "
        f"document 文本: {_plain(text.document.title)}{_url(text.document.url)}{grade}"
    )
    yield f"- Formula 公式: `{text.formula or text.rule}`"
    yield "- Inputs 输入: " + "; ".join(
        f"`{each.name}` {each.min}–{each.max} {each.unit}{'' if each.required else ' (optional 可选)'}"
        for each in text.inputs
    )
    yield from _values(found)
    yield from _limits(text)
    yield "- Claims 认领: " + "; ".join(
        f"`{each.rule}` of {each.of} per {each.period}{' (required 必需)' if each.required else ''}"
        for each in text.claims
    )
    differ = any(each.text.examples != text.examples for each in found)
    for each in found if differ else found[:1]:
        where = f" ({each.region})" if differ else ""
        yield from (
            f"- Example 算例{where}: {_inputs(one.inputs)} → {one.co2e_g} g — {_plain(one.basis)}"
            for one in each.text.examples
        )
    if text.notes is not None:
        yield f"- {_plain(text.notes.zh)}"
        yield f"- {_plain(text.notes.en)}"
    yield ""


def _values(found: Sequence[Methodology]) -> Iterator[str]:
    text = found[0].text
    rows = []
    for position, each in enumerate(text.parameters):
        by_region = {one.region: one.text.parameters[position].value for one in found}
        value = (
            each.value
            if len(set(by_region.values())) == 1
            else ", ".join(f"{region}: {given}" for region, given in by_region.items())
        )
        rows.append([_title(each.name, each.title), value, each.unit, each.confidence, _source(each)])
    rows += [
        [
            f"{_title(table.name, table.title)} [{', '.join(map(str, row.key))}]",
            row.value,
            table.unit,
            row.confidence or table.confidence or "",
            _source(row, table),
        ]
        for one in found
        for table in one.text.tables
        for row in table.rows
    ]
    rows += [
        [
            f"{_title(ladder.name, ladder.title)} {row.first}–{row.last or '…'} {ladder.unit_in}",
            row.value,
            ladder.unit_out,
            row.confidence or ladder.confidence or "",
            _source(row, ladder),
        ]
        for ladder in text.steps
        for row in ladder.rows
    ]
    if rows:
        yield ""
        yield from _table(["value 取值", "", "unit 单位", "known as 可信度", "source 来源"], rows)
        yield ""


def _limits(text: model.Methodology) -> Iterator[str]:
    for cap in text.caps:
        limit = f"{cap.count} acts" if cap.count is not None else f"{_grams(cap.amount_mg or 0)} g"
        yield f"- Cap 上限: {limit} a {cap.per} ({cap.basis}: {_plain(cap.source)})"
    if text.plausibility is not None:
        bounds = text.plausibility.model_dump(exclude_none=True, exclude={"basis", "source"})
        told = ", ".join(f"{name} {bound}" for name, bound in bounds.items())
        yield f"- Plausibility 合理性: {told} ({text.plausibility.basis}: {_plain(text.plausibility.source)})"
    if text.report_within_days is not None:
        yield f"- Reports 上报: within {text.report_within_days} days 日内"
    if text.self_report is not None:
        share = text.self_report
        yield f"- Self-report 自主打卡: {share.share_percent} % ({_plain(share.source)})"
    if text.collection is not None:
        rule = text.collection
        yield (
            f"- Collection 领取: {rule.after_days} days after the act, within {rule.within_days} days "
            f"({_plain(rule.source)})"
        )
    if text.aggregation is not None:
        taken = text.aggregation
        yield (
            f"- Platform aggregation 平台归集: up to {_grams(taken.threshold_mg)} g of a person and platform "
            f"a {taken.per}, with consent; the excess is the person's 经同意，超出部分归个人 ({_plain(taken.source)})"
        )


def _placeholders(catalogue: Catalogue) -> str:
    found = sorted(catalogue.placeholders, key=lambda each: (each.region, each.scene, each.code))
    rows = [
        [
            f"{catalogue.regions()[each.region].zh} {each.region}",
            f"`{each.scene}`",
            f"{each.title.zh}<br>{each.title.en}",
            f"{_plain(each.document.title)}{_url(each.document.url)}",
            f"{each.missing.zh}<br>{each.missing.en}",
            _plain(each.consult),
        ]
        for each in found
    ]
    head = ["region 地区", "scene 场景", "title", "document 文本", "not found 未见", "consult 查阅"]
    words = (
        "Texts that are known of, or were looked for, and whose values were not found. None can be active; an operator "
        "fills one in from the document named. 已知或查找过而未见取值的文本，不能生效，由运营方据所列文件填写。\n"
    )
    return "\n".join(["## Placeholders 占位\n", words, *_table(head, rows), ""])


def _scenes(catalogue: Catalogue) -> str:
    rows = [
        [
            f"`{name}`",
            f"{scene.title.zh} {scene.title.en}",
            f"`{scene.group}`",
            "是 yes" if scene.movement else "",
        ]
        for name, scene in catalogue.scenes().items()
    ]
    words = (
        "A person consents by group; scenes of movement need `movement` too. "
        "同意按组给出；移动类场景另需 `movement`。\n"
    )
    head = ["scene 场景", "title", "consent group 同意组", "movement 移动"]
    return "\n".join(["## Scenes 场景\n", words, *_table(head, rows), ""])


def _tables(tables: Iterable[SharedTable]) -> str:
    words = (
        "Shared, dated factors (`methodologies/factors`). The year of a key is the accounting year, that of the act; "
        "the year of the data, the day of publication and the notice stand apart. "
        "键中的年份是核算年份，与数据年份、发布日期、公告文号分列。\n"
    )
    lines = ["## Factor tables 因子表\n", words]
    for table in tables:
        lines.append(f"### `{table.name}` {table.title.zh} {table.title.en}, {table.unit}\n")
        dated = any(row.data_year is not None for row in table.rows)
        head = [
            *table.keys,
            "value 取值",
            *(["data 数据年份", "published 发布", "notice 文号"] if dated else []),
        ]
        rows = [
            [
                *map(str, row.key),
                row.value,
                *([str(row.data_year), str(row.published), row.notice_no or ""] if dated else []),
                row.confidence or table.confidence or "",
                _source(row, table),
            ]
            for row in table.rows
        ]
        lines += [*_table([*head, "known as 可信度", "source 来源"], rows), ""]
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


class _Sourced(Protocol):
    @property
    def source(self) -> str | None: ...

    @property
    def url(self) -> str | None: ...


class _Named(Protocol):
    @property
    def zh(self) -> str: ...

    @property
    def en(self) -> str: ...


def _source(own: _Sourced, whole: _Sourced | None = None) -> str:
    source = own.source or (whole.source if whole else None) or ""
    return f"{_plain(source)}{_url(own.url or (whole.url if whole else None))}"


def _title(name: str, title: _Named | None) -> str:
    return f"`{name}` {title.zh} {title.en}" if title else f"`{name}`"


def _inputs(inputs: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in inputs.items())


def _grams(amount_mg: int) -> str:
    whole, rest = divmod(amount_mg, 1000)
    return f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)


def _url(url: str | None) -> str:
    return f" <{url}>" if url else ""


def _plain(words: str) -> str:
    return words.replace("<", "&lt;").replace("*", "\\*").replace("\n", " ")


def shipped_page() -> str:
    """The page of what this release ships, demonstrations included."""
    return page(load_catalogue(demonstration=True), read_factor_tables())


if __name__ == "__main__":
    PAGE.write_text(shipped_page(), encoding="utf-8")
