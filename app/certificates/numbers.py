"""Numbers of certificates: year, 60 random bits, two check digits. Pure.

`TPH26-64S3-6D1N-6RVK-34`. The alphabet is Crockford's base 32, which has no I, L, O and U: a number that is read aloud
or typed from paper is one number. What is random cannot be walked through. The check digits are the remainder modulo 97
of all before them as a number to the base 32: 97 is prime and above 32, so any one wrong character and any two
neighbours that are swapped leave another remainder. (MOD 97-10 of ISO 7064 does not: it reads letters as two digits.)
"""

import re
import unicodedata
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PREFIX: Final = "TPH"
RANDOM_BYTES: Final = 8
LONGEST: Final = 64
_LENGTH: Final = 12
_FORM: Final = re.compile(rf"{PREFIX}[0-9]{{2}}[{ALPHABET}]{{{_LENGTH}}}[0-9]{{2}}")
_READ_AS: Final = str.maketrans("OIL", "011")
_MODULUS: Final = 97


def number_of(year: int, random: bytes) -> str:
    """The number of a year that these random bytes make; the last four bits of eight bytes are not used."""
    value = int.from_bytes(random, "big") >> 8 * len(random) - 5 * _LENGTH
    drawn = "".join(ALPHABET[value >> 5 * place & 31] for place in reversed(range(_LENGTH)))
    body = f"{year % 100:02d}{drawn}"
    return _shown(f"{PREFIX}{body}{_remainder(body):02d}")


def parse(text: str) -> str | None:
    """A number as it is kept, from however it was typed; None where it is none."""
    if len(text) > LONGEST:
        return None
    plain = "".join(each for each in unicodedata.normalize("NFKC", text).upper() if each.isalnum())
    plain = plain[: len(PREFIX)] + plain[len(PREFIX) :].translate(_READ_AS)
    if _FORM.fullmatch(plain) is None or _remainder(plain[len(PREFIX) : -2]) != int(plain[-2:]):
        return None
    return _shown(plain)


def _shown(plain: str) -> str:
    return "-".join((plain[:5], plain[5:9], plain[9:13], plain[13:17], plain[17:]))


def _remainder(body: str) -> int:
    value = 0
    for each in body:
        value = (value * len(ALPHABET) + ALPHABET.index(each)) % _MODULUS
    return value
