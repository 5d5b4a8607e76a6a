"""What open grams can be used for. Data."""

from functools import lru_cache
from pathlib import Path

import yaml

from accounts.offsetting.factors import Name

BUILT_IN = Path(__file__).parent / "purposes.yaml"


@lru_cache(maxsize=1)
def purposes() -> dict[str, Name]:
    """Id → name in both languages, read once."""
    rows = yaml.load(BUILT_IN.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return {row["id"]: Name(zh=row["zh"], en=row["en"]) for row in rows}
