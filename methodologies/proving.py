"""What a text says of itself against what it computes: its sign, its worked examples, its rule run twice."""

from fractions import Fraction

from methodologies.engine import Methodology
from methodologies.errors import Findings, FormulaError, Refused
from methodologies.evaluation import evaluate
from methodologies.explanation import exact_text
from methodologies.reading import rule_arguments

_MG_PER_G = 1000


def prove(methodology: Methodology, findings: Findings) -> None:
    """Report a formula that can never be above zero, and every worked example that does not hold."""
    term = methodology.plan.term
    if term is not None and term.low < 0 and term.high <= 0:
        findings.add(
            "/formula",
            FormulaError(
                "对全部输入，减排量都不大于零（negative_reduction）：基准与项目可能写反，或单位有误",
                "the reduction is never above zero, whatever the inputs (negative_reduction): "
                "baseline and project may be swapped, or a unit be wrong",
            ),
        )
    for position in range(len(methodology.text.examples)):
        _prove_example(methodology, position, findings)


def _prove_example(methodology: Methodology, position: int, findings: Findings) -> None:
    example = methodology.text.examples[position]
    place = f"/examples/{position}"
    try:
        found = methodology.quantify(example.inputs)
        again = methodology.quantify(example.inputs)
    except Refused as refused:
        if refused.code == "negative_reduction" and methodology.plan.tree is not None:
            shown = exact_text(_exact(methodology, position))
            message = FormulaError(
                f"算例的减排量为负（{shown} g，negative_reduction）：基准与项目可能写反，或单位有误",
                f"the example comes out negative ({shown} g, negative_reduction): "
                "baseline and project may be swapped, or a unit be wrong",
            )
        else:
            message = FormulaError(f"算例被拒：{refused}", f"the example is refused: {refused}")
        findings.add(place, message)
        return
    if found != again:
        findings.add("/rule", FormulaError("规则两次结果不同", "the rule gives two results for one act"))
    if found != Fraction(example.co2e_g) * _MG_PER_G:
        shown = exact_text(Fraction(found, _MG_PER_G))
        findings.add(
            f"{place}/co2e_g",
            FormulaError(
                f"算例不成立：得 {shown} g，应为 {example.co2e_g} g",
                f"the example does not hold: found {shown} g, wanted {example.co2e_g} g",
            ),
        )


def _exact(methodology: Methodology, position: int) -> Fraction:
    """Return what the formula gives for an example, in g, below zero too."""
    plan, text = methodology.plan, methodology.text
    act = text.examples[position].inputs
    values = {
        item.name: int(act[item.name]) * plan.units[item.name].scale for item in text.inputs if item.required
    }
    _, others = rule_arguments(text, act, plan.units, plan.tables)
    if plan.tree is None:
        raise AssertionError("only a formula has a tree")
    return evaluate(plan.tree, values | others, plan.ladders)
