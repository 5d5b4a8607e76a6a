"""`prove`: whether a downloaded proof holds. It asks no service."""

import json
from typing import Annotated, Any

import typer

from accounts.proofs.checker import Node, ProofBroken, check, read
from accounts.quantities import grams
from app.commands.common import JsonFlag, print_json

UNREADABLE = 2
REASONS_ZH = {
    "malformed": "内容不符合格式",
    "sum": "数额越界",
    "order": "假名未按序排列,同一分录可能被重复计入",
    "root": "路径得出的根与公布的根不一致",
    "other_issuance": "所给的根属于另一次签发",
    "quantity": "签发数量与各项之和不符",
}


def prove_command(
    proof: Annotated[
        str, typer.Argument(help="File of the proof, as `/v1/me/entries/{id}/proof` answers it.")
    ],
    root: Annotated[
        str,
        typer.Option(
            help="File of the issuance as `/v1/issuances/{id}` answers it, or the hash of its root."
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Check a downloaded proof against a published root, without any service; exits with 1 where it is broken."""
    try:
        found, published = read(proof, root)
    except (OSError, ValueError) as error:
        kind = "is no JSON object" if isinstance(error, json.JSONDecodeError) else str(error)
        typer.echo(f"cannot be read 无法读取: {kind}", err=True)
        raise typer.Exit(UNREADABLE) from None
    try:
        node = check(found, published)
    except ProofBroken as broken:
        if as_json:
            print_json({"stands": False, "reason": broken.reason, "message": str(broken)})
        else:
            text = f"BROKEN 不成立 ({broken.reason}): {broken}\n  {REASONS_ZH[broken.reason]}"
            typer.echo(text, err=True)
        raise typer.Exit(1) from None
    if as_json:
        print_json({"stands": True, **_facts(found, node)})
    else:
        facts = _facts(found, node)
        text = (
            f"STANDS 成立: {facts['entry_id']}\n"
            f"  adds 计入 {facts['credits_co2e_g']} g, takes back 冲回 {facts['reversals_co2e_g']} g,\n"
            f"  as one of 为其中一条 {node.count:,} entries 分录 of 属于 {facts['issuance_id']}\n"
            f"  that come to 合计 {facts['net_co2e_g']} g; root 根 {facts['root']}"
        )
        typer.echo(text)


def _facts(proof: dict[str, Any], root: Node) -> dict[str, Any]:
    own = {name: proof[name] for name in ("entry_id", "issuance_id", "credits_co2e_g", "reversals_co2e_g")}
    return own | {"count": root.count, "net_co2e_g": grams(root.net_mg), "root": root.hash.hex()}
