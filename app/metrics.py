"""Prometheus metrics of the service."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Histogram(
    "tanpuhui_request_seconds",
    "Time to answer a request, by route",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
OUTCOMES = Counter(
    "tanpuhui_activities_total", "Reported activities by outcome and reason", ["outcome", "reason"]
)
CO2E_MG = Counter("tanpuhui_credited_co2e_mg_total", "Credited reductions in mg CO2e")
RATE_LIMIT_UNCHECKED = Counter(
    "tanpuhui_rate_limit_unchecked_total", "Blocks of requests let through because Redis was away"
)
PACKS_REFUSED = Gauge(
    "tanpuhui_methodology_packs_refused", "Installed distributions whose methodologies were refused at start"
)
JOB_FAILURES = Counter("tanpuhui_job_failures_total", "Failed runs of a job", ["job"])
METHODOLOGIES_STALE = Counter(
    "tanpuhui_methodologies_stale_total",
    "Requests that were not credited because the texts in force were not known for sure",
)
METHODOLOGY_REFRESH_FAILURES = Counter(
    "tanpuhui_methodology_refresh_failures_total", "Looks at the methodologies in the database that failed"
)
