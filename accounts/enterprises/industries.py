"""Industry codes of GB/T 4754-2017: their shape, and which divisions a section has. No table of names is kept."""

import enum
import re

DIVISIONS = {
    "A": range(1, 6),
    "B": range(6, 13),
    "C": range(13, 44),
    "D": range(44, 47),
    "E": range(47, 51),
    "F": range(51, 53),
    "G": range(53, 61),
    "H": range(61, 63),
    "I": range(63, 66),
    "J": range(66, 70),
    "K": range(70, 71),
    "L": range(71, 73),
    "M": range(73, 76),
    "N": range(76, 80),
    "O": range(80, 83),
    "P": range(83, 84),
    "Q": range(84, 86),
    "R": range(86, 91),
    "S": range(91, 97),
    "T": range(97, 98),
}
"""门类 → its 大类 (GB/T 4754-2017, 20 sections, divisions 01 to 97)."""
_CODE = re.compile(r"([A-T])([0-9]{2})([0-9]?)([0-9]?)")


class Domain(enum.StrEnum):
    """The six domains of carbon accounts (六大领域)."""

    INDUSTRY = "industry"
    AGRICULTURE = "agriculture"
    ENERGY = "energy"
    BUILDING = "building"
    TRANSPORT = "transport"
    RESIDENTIAL = "residential"


def is_industry_code(text: str) -> bool:
    """Whether a text has the shape of a code: section and division, then perhaps group and class (`C3130`)."""
    found = _CODE.fullmatch(text)
    return found is not None and int(found[2]) in DIVISIONS[found[1]]
