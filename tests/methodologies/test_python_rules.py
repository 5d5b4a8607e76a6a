"""A rule in Python behind the same interface: checked, tested, pinned by its source, never trusted."""

import copy
import importlib.metadata
import sys
import types
from fractions import Fraction

import pytest
import yaml

from methodologies import PackError, Refused, load_catalogue, rebuild
from methodologies.checking import build, check
from methodologies.engine import Methodology
from methodologies.model import Methodology as Text
from methodologies.pack import read_packs

BASE = {
    "region": "330100",
    "scene": "recycling.clothes",
    "code": "TEST.rule",
    "version": "1",
    "title": {"zh": "测试", "en": "Test"},
    "authority": None,
    "document": {"title": "测试文本"},
    "filing_no": None,
    "in_force": {"from": "2024-01-01", "to": None},
    "status": "unverified",
    "confidence": "quoted",
    "inputs": [
        {"name": "mass_g", "unit": "g", "min": 1, "max": 100_000},
        {"name": "count", "unit": "piece", "min": 0, "max": 100, "required": False},
    ],
    "parameters": [
        {"name": "factor", "value": "1.28", "unit": "kgCO2e/kg", "source": "来源", "confidence": "quoted"}
    ],
    "tables": [
        {
            "name": "fabric",
            "unit": "1",
            "keys": ["kind"],
            "source": "来源",
            "confidence": "quoted",
            "rows": [{"key": ["wool"], "value": "1.5"}, {"key": ["cotton"], "value": "1"}],
        }
    ],
    "rule": "rules_of_a_test:saved",
    "claims": [{"rule": "order", "of": "order_no", "period": "forever", "required": True}],
    "examples": [{"inputs": {"mass_g": 2_500, "kind": "wool"}, "co2e_g": "4800", "basis": "2.5 kg × 1.5"}],
}
ACT = {"mass_g": 2_500, "kind": "wool"}
NAME = BASE["rule"]


def saved(inputs, values):
    """Fractions in grams; the inputs as stored, the values in base units."""
    return inputs["mass_g"] * values["factor"] * values["fabric"]


def of(function):
    return {NAME: function}


@pytest.fixture
def base():
    return copy.deepcopy(BASE)


def test_a_rule_computes_as_a_formula_does(base):
    rule = build(base, rules=of(saved))
    assert rule.quantify(ACT) == 4_800_000
    assert rule.formula == f"rule {NAME}"
    assert rule.context == {"kind"}
    told = rule.explain(ACT)
    assert (told.formula, told.exact_g, told.co2e_mg) == (f"rule {NAME}", "4800", 4_800_000)
    assert told.tables[0].value == "1.5"
    assert "mass_g=2500" in told.formula_with_numbers
    for act, code in [
        ({}, "missing_input"),
        ({"kind": "silk"}, "no_table_value"),
        ({"mass_g": 0}, "input_out_of"),
    ]:
        with pytest.raises(Refused, match=code):
            rule.quantify((ACT | act) if act else {"kind": "wool"})


def test_what_a_rule_is_given_is_read_only_and_exact(base):
    given = {}

    def watch(inputs, values):
        given.update(inputs=dict(inputs), values=dict(values))
        for mapping in (inputs, values):
            with pytest.raises(TypeError):
                mapping["mass_g"] = 1
        return Fraction(4800)

    build(base, rules=of(watch))
    assert given["inputs"] == ACT
    assert given["values"] == {"factor": Fraction(32, 25), "fabric": Fraction(3, 2)}


@pytest.mark.parametrize(
    ("answer", "mode", "co2e_mg"),
    [
        (4_800_000, "floor", 4_800_000),
        (Fraction(4_800_000_999, 1_000_000), "floor", 4_800_000),
        (Fraction(9_600_001, 2_000), "half_up", 4_800_001),
        (0, "floor", 0),
        (2**63 - 1, "floor", 2**63 - 1),
    ],
)
def test_integers_are_milligrams_and_fractions_grams_rounded_as_the_text_says(base, answer, mode, co2e_mg):
    base["rounding"] = {"mode": mode}
    assert compiled(base, lambda *_: answer).quantify(ACT) == co2e_mg


def compiled(text, function):
    return Methodology(Text.model_validate(text), of(function))


def _raises(*_):
    raise OSError("/a/path")


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda *_: 1.0, "rule_failed"),
        (lambda *_: True, "rule_failed"),
        (lambda *_: None, "rule_failed"),
        (lambda *_: "1", "rule_failed"),
        (lambda *_: 2**63, "rule_failed"),
        (lambda *_: Fraction(2**63), "rule_failed"),
        (_raises, "rule_failed"),
        (lambda *_: 1 // 0, "rule_failed"),
        (lambda inputs, _: inputs["distance_m"], "rule_failed"),
        (lambda *_: -1, "negative_reduction"),
        (lambda *_: Fraction(-1, 10**9), "negative_reduction"),
    ],
)
def test_a_rule_that_fails_refuses_the_act_and_tells_nothing(base, function, code):
    with pytest.raises(Refused) as refused:
        compiled(base, function).quantify(ACT)
    assert refused.value.code == code
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert "path" not in str(refused.value)
    (found,) = check(base, rules=of(function))
    assert found.pointer == "/examples/0"
    assert code in found.message_en


def test_a_rule_that_is_not_pure_is_refused(base):
    answers = iter(range(4_800_000, 5_000_000))
    found = check(base, rules=of(lambda *_: next(answers)))
    assert [each.pointer for each in found] == ["/rule"]


def test_an_example_of_a_rule_has_to_hold(base):
    base["examples"][0]["co2e_g"] = "4801"
    assert [each.pointer for each in check(base, rules=of(saved))] == ["/examples/0/co2e_g"]


def test_a_rule_that_does_not_come_with_the_pack_is_refused_at_its_place(base, tmp_path):
    (found,) = check(base)
    assert found.pointer == "/rule"
    assert NAME in found.message_zh
    folder = tmp_path / "330100_test"
    folder.mkdir()
    pack = {"regions": [{"region": "330100", "name": {"zh": "杭州", "en": "Hangzhou"}}]}
    (folder / "pack.yaml").write_text(yaml.safe_dump(pack))
    (folder / "m.yaml").write_text(yaml.safe_dump(base, allow_unicode=True))
    with pytest.raises(PackError) as refused:
        load_catalogue(tmp_path)
    assert (refused.value.pointer, refused.value.path.name) == ("/rule", "m.yaml")
    ((_, _, (rule,)),) = read_packs(tmp_path, rules=of(saved))
    assert rule.quantify(ACT) == 4_800_000


@pytest.mark.parametrize("name", ["os.system", "os:system()", "a.b:c.d", "../x:y", "os: system", ":x", "x:"])
def test_a_name_that_is_no_rule_is_refused(base, name):
    base["rule"] = name
    assert check(base)[0].pointer == "/rule"


def test_formula_and_rule_exclude_each_other_and_a_rule_reads_no_steps(base):
    both = base | {"formula": "mass_g * factor * fabric[kind]"}
    assert [each.pointer for each in check(both, rules=of(saved))] == ["/formula"]
    ladder = {
        "name": "band",
        "unit_in": "g",
        "unit_out": "1",
        "source": "x",
        "confidence": "quoted",
        "rows": [{"from": "0", "value": "1"}],
    }
    assert [each.pointer for each in check(base | {"steps": [ladder]}, rules=of(saved))] == ["/steps"]


# Stored content


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package of rules, importable, announced by an entry point or not."""

    def made(source, *, announced=True):
        (tmp_path / "rules_of_a_test.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        sys.modules.pop("rules_of_a_test", None)
        importlib.invalidate_caches()
        points = [types.SimpleNamespace(module="rules_of_a_test")] if announced else []
        monkeypatch.setattr("methodologies.rules.entry_points", lambda **_: points)
        return importlib.import_module("rules_of_a_test").saved

    yield made
    sys.modules.pop("rules_of_a_test", None)


SOURCE = "def saved(inputs, values):\n    return inputs['mass_g'] * values['factor'] * values['fabric']\n"


def test_content_is_rebuilt_where_the_same_source_is_installed(base, installed):
    rule = build(base, rules=of(installed(SOURCE)))
    assert rule.text.rule_sha256 is not None
    assert NAME in rule.content
    again = rebuild(rule.content)
    assert (again.content_hash, again.quantify(ACT)) == (rule.content_hash, 4_800_000)


def test_another_source_is_another_text_and_does_not_rebuild_the_old_one(base, installed):
    old = build(base, rules=of(installed(SOURCE)))
    new = build(base, rules=of(installed(SOURCE + "\nHELPER = 2\n")))
    assert new.content_hash != old.content_hash
    with pytest.raises(PackError) as refused:
        rebuild(old.content)
    assert refused.value.pointer == "/rule_sha256"
    assert NAME in refused.value.message_en
    assert rebuild(new.content).content_hash == new.content_hash


def test_content_never_imports_what_is_not_announced(base, installed):
    rule = build(base, rules=of(installed(SOURCE)))
    installed(SOURCE, announced=False)
    sys.modules.pop("rules_of_a_test")
    with pytest.raises(PackError) as refused:
        rebuild(rule.content)
    assert NAME in refused.value.message_en
    assert "rules_of_a_test" not in sys.modules


def test_a_module_that_breaks_on_import_is_as_good_as_none(base, installed):
    rule = build(base, rules=of(installed(SOURCE)))
    sys.modules.pop("rules_of_a_test")
    with pytest.raises(ZeroDivisionError):
        installed("1 / 0")
    with pytest.raises(PackError, match="does not come"):
        rebuild(rule.content)
