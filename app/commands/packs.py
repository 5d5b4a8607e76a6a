"""`packs`: where the methodologies come from, and which installed packs are refused."""

import typer

from app.commands.common import JsonFlag, console, print_json
from app.settings import load_settings
from app.wiring import read_catalogue


def packs_command(as_json: JsonFlag = False) -> None:
    """List where the methodologies come from; exits with 1 where an installed pack is refused, and says why."""
    catalogue = read_catalogue(load_settings())
    regions: dict[str, list[str]] = {}
    for each in catalogue.methodologies:
        regions.setdefault(catalogue.origin(each), []).append(each.region)
    if as_json:
        print_json(
            {
                "packs": [
                    {"origin": origin, "methodologies": len(found), "regions": sorted(set(found))}
                    for origin, found in regions.items()
                ],
                "refused": [
                    {
                        "distribution": refused.distribution,
                        "version": refused.version,
                        "place": refused.place,
                        "reason": {"zh": refused.error.message_zh, "en": refused.error.message_en},
                    }
                    for refused in catalogue.refused
                ],
            }
        )
    else:
        for origin, found in regions.items():
            console.print(
                f"{origin}: {len(found)} methodologies 方法学, {', '.join(sorted(set(found)))}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
        for refused in catalogue.refused:
            console.print(
                f"REFUSED 拒绝 {refused.distribution} {refused.version}\n  {refused.place}\n"
                f"  {refused.error.message_en}\n  {refused.error.message_zh}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    if catalogue.refused:
        raise typer.Exit(1)
