"""Readings of meters, and what was used by quarter-hour, hour, day and month."""
