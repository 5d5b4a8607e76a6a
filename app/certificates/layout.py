"""A signed certificate as texts that are ready to be set: what is shown is what was signed. Pure."""

import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import segno

TONNE_KG: Final = 1_000
SHOWN_SERIALS: Final = 40
"""So many stand on the pages; all are in the signed data."""


def amount(quantity_kg: int) -> str:
    """Kilograms, or tonnes from one of them on, without zeros at the end."""
    if quantity_kg < TONNE_KG:
        return f"{quantity_kg:,} kg"
    text = f"{Decimal(quantity_kg) / TONNE_KG:,.3f}".rstrip("0").rstrip(".")
    return f"{text} t"


def qr_svg(address: str) -> str:
    """The QR code of an address."""
    drawn = io.BytesIO()
    segno.make(address, error="m", micro=False).save(drawn, kind="svg", border=2, scale=4, dark="#1f2a26")
    return drawn.getvalue().decode()


def laid_out(certificate: Mapping[str, Any], address: str) -> dict[str, Any]:
    """The data of the template, but for the signature and the seal."""
    serials = certificate["serials"]
    return {
        "number": certificate["number"],
        "version": certificate["version"],
        "title_zh": certificate["title"]["zh"],
        "title_en": certificate["title"]["en"],
        "to": " · ".join(each for each in (certificate["name"], certificate["beneficiary"]) if each),
        "zh": certificate["purpose"]["zh"],
        "en": certificate["purpose"]["en"],
        "amount": amount(certificate["quantity_kg"]),
        "authority": certificate["authority"],
        "issued_on": certificate["issued_at"][:10],
        "issued_on_zh": _in_chinese(certificate["issued_at"][:10]),
        "facts": certificate["facts"],
        "serials": serials[:SHOWN_SERIALS],
        "more_serials": max(0, len(serials) - SHOWN_SERIALS),
        "address": address,
        "qr": qr_svg(address),
    }


def _in_chinese(day: str) -> str:
    year, month, of_month = day.split("-")
    return f"{year}年{int(month)}月{int(of_month)}日"
