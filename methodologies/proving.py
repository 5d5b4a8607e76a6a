"""What a text says of itself against what it computes: its sign, its own province, its worked examples."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

from methodologies.codegen import compile_term
from methodologies.engine import Methodology
from methodologies.errors import Findings, FormulaError, Refused
from methodologies.explanation import exact_text
from methodologies.reading import scope_of
from methodologies.slips import exact, hint, values_of

_MG_PER_G = 1000
_NATION = "100000"
_SCHEMES = ("http://", "https://")
# Combinations of keys that are looked at one by one; beyond, the sign is proved over the whole only.
_MOST_KEYS = 2_000


def prove(methodology: Methodology, findings: Findings) -> None:
    """Report a sign that is always wrong, a table without the own province, every example that does not hold."""
    term = methodology.plan.term
    if term is not None and term.low < 0:
        if term.high <= 0:
            zh, en = hint(methodology, 0)
            findings.add(
                "/formula",
                FormulaError(
                    "对全部输入，减排量都不大于零（negative_reduction）：基准与项目可能写反，或单位有误" + zh,
                    "the reduction is never above zero, whatever the inputs (negative_reduction): "
                    "baseline and project may be swapped, or a unit be wrong" + en,
                ),
            )
        else:
            _prove_rows(methodology, findings)
    if term is not None and not (term.low or term.high or methodology.points_only):
        findings.add(
            "/formula",
            FormulaError(
                "公式恒为 0：只给积分的规则须标 points_only",
                "the formula is always 0: a rule that credits points alone is points_only",
            ),
        )
    _prove_province(methodology, findings)
    _prove_urls(methodology, findings)
    if not methodology.points_only and all(Fraction(each.co2e_g) == 0 for each in methodology.text.examples):
        findings.add(
            "/examples",
            FormulaError(
                "至少一个算例须大于 0 g，否则单位与因子无从核对",
                "one example at least must be above 0 g, or nothing proves units and factors",
            ),
        )
    for position in range(len(methodology.text.examples)):
        _prove_example(methodology, position, findings)


def _prove_urls(methodology: Methodology, findings: Findings) -> None:
    """Report what is given as an address and cannot be opened as one. Stored texts are not proved again."""
    text = methodology.text
    sourced: list[tuple[str, str | None]] = [("/document", text.document.url)]
    sourced += [(f"/parameters/{number}", each.url) for number, each in enumerate(text.parameters)]
    for number, table in enumerate(text.tables):
        sourced.append((f"/tables/{number}", table.url))
        sourced += [(f"/tables/{number}/rows/{place}", row.url) for place, row in enumerate(table.rows)]
    for number, ladder in enumerate(text.steps):
        sourced.append((f"/steps/{number}", ladder.url))
        sourced += [(f"/steps/{number}/rows/{place}", each.url) for place, each in enumerate(ladder.rows)]
    for place, url in sourced:
        if url is not None and not url.startswith(_SCHEMES):
            message = FormulaError(
                "须为 http:// 或 https:// 开头的网址",
                "must be an address that begins with http:// or https://",
            )
            findings.add(f"{place}/url", message)


def _prove_rows(methodology: Methodology, findings: Findings) -> None:
    """Report rows of tables with which the reduction is never above zero, whatever the inputs."""
    plan, text = methodology.plan, methodology.text
    if plan.tree is None:
        return
    reported: set[str] = set()
    for shown, rows in _keys(methodology):
        values = {name: table.values[rows[name]] for name, table in plan.tables.items()}
        term = compile_term(plan.tree, scope_of(text, plan.units, plan.tables, values), plan.ladders)
        if term.low >= 0 or term.high > 0:
            continue
        places = [f"/tables/{number}/rows/{rows[table.name]}" for number, table in enumerate(text.tables)]
        if places[0] in reported:
            continue
        reported.add(places[0])
        where = ", ".join(places)
        findings.add(
            places[0],
            FormulaError(
                f"取 {shown} 时，减排量对全部输入都不大于零（negative_reduction）：取值可能写反，请核对 {where}",
                f"for {shown} the reduction is never above zero, whatever the inputs (negative_reduction): "
                f"values may be swapped, look at {where}",
            ),
        )


def _keys(methodology: Methodology) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield each combination of keys that every table has a row for, and the row in each table."""
    tables = methodology.plan.tables
    known: dict[str, dict[int | str, None]] = {}
    for table in tables.values():
        for row in table.rows:
            for name, part in zip(table.text.keys, row, strict=True):
                known.setdefault(name, {})[part] = None
    size = 1
    for parts in known.values():
        size *= len(parts)
    if not known or size > _MOST_KEYS:
        return
    for combination in product(*known.values()):
        act = dict(zip(known, combination, strict=True))
        rows = {name: table.rows.get(table.key(act)) for name, table in tables.items()}
        found = {name: row for name, row in rows.items() if row is not None}
        if len(found) == len(rows):
            yield ", ".join(map(str, combination)), found


def _prove_province(methodology: Methodology, findings: Findings) -> None:
    """Report a table by province that has nothing for the region's own: every act would be refused.

    The nation has no own province, and says for which its table is.
    """
    own = f"{methodology.region[:2]}0000"
    for number, table in enumerate(methodology.text.tables):
        if "province" not in table.keys or table.default is not None:
            continue
        if methodology.region == _NATION:
            if table.covers is None or table.covers.province is None:
                findings.add(
                    f"/tables/{number}/covers",
                    FormulaError(
                        f"全国方法学的分省表 {table.name} 须以 covers 写明所含省份",
                        f"a national table by province says in covers which provinces {table.name} is for",
                    ),
                )
            continue
        index = table.keys.index("province")
        if all(row.key[index] != own for row in table.rows):
            findings.add(
                f"/tables/{number}/rows",
                FormulaError(
                    f"表 {table.name} 缺少本地区所在省 {own} 的取值，所有行为都会被拒",
                    f"table {table.name} has no value for {own}, the region's own province: "
                    "every act would be refused",
                ),
            )


def _prove_example(methodology: Methodology, position: int, findings: Findings) -> None:
    example = methodology.text.examples[position]
    place = f"/examples/{position}"
    try:
        found = methodology.quantify(example.inputs)
        again = methodology.quantify(example.inputs)
    except Refused as refused:
        findings.add(place, _refusal(methodology, position, refused))
        return
    if found != again:
        findings.add("/rule", FormulaError("规则两次结果不同", "the rule gives two results for one act"))
    if found != Fraction(example.co2e_g) * _MG_PER_G:
        shown = exact_text(Fraction(found, _MG_PER_G))
        zh, en = hint(methodology, position)
        findings.add(
            f"{place}/co2e_g",
            FormulaError(
                f"算例不成立：得 {shown} g，应为 {example.co2e_g} g{zh}",
                f"the example does not hold: found {shown} g, wanted {example.co2e_g} g{en}",
            ),
        )


def _refusal(methodology: Methodology, position: int, refused: Refused) -> FormulaError:
    if refused.code != "negative_reduction" or methodology.plan.tree is None:
        zh, en = refused.sentences
        return FormulaError(f"算例被拒：{zh}（{refused}）", f"the example is refused: {en} ({refused})")
    shown = exact_text(exact(methodology, values_of(methodology, position)))
    zh, en = hint(methodology, position)
    return FormulaError(
        f"算例的减排量为负（{shown} g，negative_reduction）：基准与项目可能写反，或单位有误{zh}",
        f"the example comes out negative ({shown} g, negative_reduction): "
        f"baseline and project may be swapped, or a unit be wrong{en}",
    )
