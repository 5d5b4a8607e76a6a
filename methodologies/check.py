"""Check a folder of packs as the service would: `python -m methodologies.check FOLDER`.

Prints every methodology of the folder and exits with 0, or the first thing wrong with its place and exits
with 1. The folder is laid beside the built-in packs, so a clash with them is found too. Reads files only.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from methodologies.catalogue import load_catalogue
from methodologies.plugins import unpacked_plugin


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the folder that the arguments name; returns the exit code."""
    parser = argparse.ArgumentParser("python -m methodologies.check", description="Check a folder of packs.")
    parser.add_argument("folder", type=Path, help="a folder of pack folders, each with a pack.yaml")
    folder: Path = parser.parse_args(arguments).folder
    plugin = unpacked_plugin(folder)
    catalogue = load_catalogue(demonstration=True, plugins=[plugin])
    for refused in catalogue.refused:
        sys.stdout.write(f"{refused.place}\n  {refused.error.message_en}\n  {refused.error.message_zh}\n")
        return 1
    for each in catalogue.methodologies:
        if catalogue.origin(each) == plugin.origin:
            last_day = each.in_force.last_day or ""
            marks = " ".join(
                name
                for name in ("provisional", "issuable", "points_only", "demonstration_only")
                if getattr(each, name)
            )
            sys.stdout.write(
                f"{each.region} {each.scene} {each.code} {each.version}"
                f" {each.in_force.first_day}/{last_day} examples: {len(each.text.examples)} {marks}".rstrip()
                + "\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
