"""A line of daily prices as SVG. Pure; whole numbers only."""

import datetime
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 36, 32
FEN_PER_YUAN = 100
_STEPS = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000)
_LINES = 6
_TENTHS = 10


def price_chart(title: str, days: Sequence[tuple[datetime.date, int]]) -> str:
    """Draw (day, fen per tonne), the earliest first and at least one, with lines at whole yuan."""
    first, last = days[0][0], days[-1][0]
    span = max((last - first).days, 1)
    prices = [price for _, price in days]
    low, high = min(prices), max(prices)
    step = next((step for step in _STEPS if (high - low) // step < _LINES), _STEPS[-1])
    bottom = low // step * step
    top = max(-(-high // step) * step, bottom + step)

    def across(day: datetime.date) -> int:
        return LEFT * _TENTHS + (day - first).days * (WIDTH - LEFT - RIGHT) * _TENTHS // span

    def down(price: int) -> int:
        return TOP * _TENTHS + (top - price) * (HEIGHT - TOP - BOTTOM) * _TENTHS // (top - bottom)

    lines = []
    for price in range(bottom, top + 1, step):
        y = _number(down(price))
        lines.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#d8dde3"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y}" dy="4" text-anchor="end">{price // FEN_PER_YUAN}</text>')
    shown = [first, last] if first != last else [first]
    for day in shown:
        anchor = "start" if day == first else "end"
        x = _number(across(day))
        lines.append(f'<text x="{x}" y="{HEIGHT - 10}" text-anchor="{anchor}">{day.isoformat()}</text>')
    if len(days) == 1:
        x, y = _number(across(first)), _number(down(prices[0]))
        lines.append(f'<circle cx="{x}" cy="{y}" r="3" fill="#0b6e4f"/>')
    points = " ".join(f"{_number(across(day))},{_number(down(price))}" for day, price in days)
    lines.append(f'<polyline points="{points}" fill="none" stroke="#0b6e4f" stroke-width="1.5"/>')
    name = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}" '
        'font-family="sans-serif" font-size="12" fill="#39424e">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<text x="{LEFT}" y="20" font-size="14">{name}</text>'
        f'<text x="{WIDTH - RIGHT}" y="20" text-anchor="end">元/吨</text>{"".join(lines)}</svg>'
    )


def _number(tenths: int) -> str:
    whole, part = divmod(tenths, _TENTHS)
    return f"{whole}.{part}" if part else str(whole)
