"""Amounts of money in words, as Chinese papers of payment write them. Pure."""

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("", "拾", "佰", "仟")
_GROUPS = ("", "万", "亿", "万亿")
_MOST_FEN = 10**18


def in_words(fen: int) -> str:
    """Fen as 人民币大写: `壹仟零贰拾元伍角整`. ValueError below zero, and from 10^16 yuan on."""
    if not 0 <= fen < _MOST_FEN:
        raise ValueError("no amount that is paid")
    yuan, rest = divmod(fen, 100)
    jiao, cents = divmod(rest, 10)
    said = f"{_whole(yuan)}元" if yuan else ""
    if not rest:
        return (said or "零元") + "整"
    if jiao:
        said += f"{_DIGITS[jiao]}角"
    elif yuan:
        said += "零"
    return said + (f"{_DIGITS[cents]}分" if cents else "整")


def _whole(number: int) -> str:
    """Groups of four digits; a gap of zeros between digits is said once."""
    said, gap = "", False
    groups = [(number // 10_000**place) % 10_000 for place in range(len(_GROUPS))]
    for place in reversed(range(len(_GROUPS))):
        group = groups[place]
        if not group:
            gap = bool(said)
            continue
        if said and (gap or group < 1_000):  # noqa: PLR2004 - its first digit is a zero
            said += "零"
        said += _four(group) + _GROUPS[place]
        gap = False
    return said


def _four(number: int) -> str:
    said, gap = "", False
    for place in reversed(range(4)):
        digit = number // 10**place % 10
        if not digit:
            gap = bool(said)
            continue
        said += ("零" if gap else "") + _DIGITS[digit] + _PLACES[place]
        gap = False
    return said
