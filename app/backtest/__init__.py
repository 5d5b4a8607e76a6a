"""Backtest: stored activities of a period, computed again under another methodology. Never credits anything.

`export` takes the activities out of PostgreSQL once, `formula` turns a methodology into exact integer steps,
`columns` into an Ibis expression that DuckDB and Spark run alike, `rows` runs the methodology itself, act by
act, `figures` is what each of them answers, `show` and `page` are how people and programs see it.
"""
