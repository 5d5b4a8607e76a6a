"""A methodology that runs: its text checked, its formula compiled, its content fixed by a hash."""

import datetime as dt
import hashlib
import json
from typing import NamedTuple

from pydantic import ValidationError

from methodologies import explanation, messages, model, rules
from methodologies.codegen import Act
from methodologies.errors import Findings, FormulaError, MisplacedError, PackError
from methodologies.explanation import Explanation
from methodologies.reading import Plan, plan


class Period(NamedTuple):
    """First and last day in force, both inclusive, in Asia/Shanghai; no last day while open."""

    first_day: dt.date
    last_day: dt.date | None

    def __contains__(self, day: object) -> bool:
        """Whether `day` lies in the period."""
        if not isinstance(day, dt.date):
            return False
        return self.first_day <= day and (self.last_day is None or day <= self.last_day)


class Methodology:
    """One version of a methodology in one region, compiled. Immutable by convention.

    `quantify(act)` returns the reduction in whole mg CO2e (0 or more) for a mapping of integer inputs
    in the units of the API names (`distance_m`, `duration_s`, `mass_g`, `energy_wh`, `count`,
    `volume_ml`, `price_fen`) and of the keys in `context` (`province`, `year`, `month` as integers,
    `kind` as a word); keys it does not know are ignored; it raises `Refused(code, field)`.
    `content` is the canonical JSON of the whole text, `content_hash` its SHA-256 in hex, `formula` the
    formula or the name of the rule, `source` the Python that `quantify` runs, `text` the model it was
    made from, `plan` how it is computed.
    """

    __slots__ = (
        "caps",
        "claims",
        "code",
        "content",
        "content_hash",
        "context",
        "demonstration_only",
        "formula",
        "in_force",
        "issuable",
        "plan",
        "points_only",
        "provisional",
        "quantify",
        "region",
        "scene",
        "source",
        "text",
        "title",
        "version",
    )

    def __init__(self, text: model.Methodology, known_rules: rules.Rules = rules.NO_RULES) -> None:
        """Compile `text`; raises `MisplacedError` (a formula error with the key it concerns)."""
        findings = Findings()
        text, function = pinned(text, known_rules, findings)
        found = plan(text, function, findings)
        if found is None:
            raise AssertionError("findings that do not collect raise")
        self._take(text, found)

    @classmethod
    def made_of(cls, text: model.Methodology, found: Plan) -> "Methodology":
        """Return the methodology of a pinned text that is compiled already."""
        made = cls.__new__(cls)
        cls._take(made, text, found)
        return made

    def _take(self, text: model.Methodology, found: Plan) -> None:
        self.text = text
        self.region = text.region
        self.scene = text.scene
        self.code = text.code
        self.version = text.version
        self.title = text.title
        self.issuable = text.issuable
        self.points_only = text.points_only
        self.provisional = text.provisional
        self.demonstration_only = text.demonstration_only
        self.claims = text.claims
        self.caps = text.caps
        self.in_force = Period(text.in_force.first_day, text.in_force.last_day)
        self.formula = text.formula or f"rule {text.rule}"
        self.content = canonical(text)
        self.content_hash = hashlib.sha256(self.content.encode()).hexdigest()
        self.context = found.context
        self.plan = found
        self.quantify, self.source = found.quantify, found.source

    def share(self, quantified_mg: int, evidence: str) -> int:
        """Return what the report's evidence (`platform`, `self_report`) earns of an amount, floored to mg."""
        rule = self.text.self_report
        if rule is None or evidence != "self_report":
            return quantified_mg
        return quantified_mg * rule.share_percent // 100

    def explain(self, act: Act) -> Explanation:
        """Explain the reduction of an act; raises `Refused` as `quantify` does."""
        result = (self.content_hash, self.quantify(act))
        return explanation.explain(self.text, self.plan, act, result)

    def __repr__(self) -> str:
        return f"Methodology({self.region} {self.scene} {self.code} {self.version})"


def canonical(text: model.Methodology) -> str:
    """Return the canonical JSON of a text: sorted keys, no spaces, defaults left out.

    Leaving defaults out keeps the hash of stored content when a later release adds a field.
    """
    data = text.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def pinned(
    text: model.Methodology, known_rules: rules.Rules, findings: Findings
) -> tuple[model.Methodology, rules.RuleFunction | None]:
    """Return the text with the hash of its rule's source, and the rule; reports one that is not known or changed."""
    if text.rule is None:
        if text.rule_sha256 is not None:
            findings.add("/rule_sha256", FormulaError("没有 rule", "there is no rule"))
        return text, None
    function = known_rules.get(text.rule)
    if function is None:
        message = FormulaError(
            f"找不到随包提供的规则 {text.rule}", f"the rule {text.rule} does not come with this pack"
        )
        findings.add("/rule", message)
        return text, None
    try:
        found = rules.source_sha256(function)
    except FormulaError as error:
        findings.add("/rule", error)
        return text, None
    if text.rule_sha256 is None:
        return text.model_copy(update={"rule_sha256": found}), function
    if text.rule_sha256 != found:
        message = FormulaError(
            f"规则 {text.rule} 的源代码已改变", f"the source of the rule {text.rule} has changed"
        )
        findings.add("/rule_sha256", message)
        return text, None
    return text, function


def rebuild(content: str, known_rules: rules.Rules | None = None) -> Methodology:
    """Return the methodology of stored canonical content, so that any credit can be recomputed.

    A Python rule is looked for in `known_rules`, else in the installed packages of methodologies, and must
    have the source that it had. Raises `PackError` (path `content`) where the content is not what
    `canonical` wrote, or its rule is not there.
    """
    try:
        text = model.Methodology.model_validate_json(content)
        if known_rules is None:
            known_rules = rules.NO_RULES if text.rule is None else rules.installed(text.rule)
        built = Methodology(text, known_rules)
    except ValidationError as error:
        first = next(messages.problems(error))
        raise PackError("content", first.pointer, first.message_zh, first.message_en) from None
    except MisplacedError as error:
        raise PackError("content", error.pointer, error.message_zh, error.message_en) from error
    if built.content != content:
        raise PackError("content", "", "内容不是规范形式", "content is not in its canonical form")
    return built
