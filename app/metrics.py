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
READINGS = Counter("tanpuhui_readings_total", "Readings of meters by outcome", ["outcome"])
MQTT_MESSAGES = Counter(
    "tanpuhui_mqtt_messages_total",
    "Messages of readings over MQTT; those that cannot be read are dropped",
    ["result"],
)
MQTT_CONNECTIONS_LOST = Counter(
    "tanpuhui_mqtt_connections_lost_total",
    "Times that no messages came over MQTT until it was connected anew",
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
WEBHOOKS_PENDING = Gauge("tanpuhui_webhook_deliveries_pending", "Deliveries to live webhooks that wait")
WEBHOOKS_DEAD = Gauge("tanpuhui_webhook_deliveries_dead", "Deliveries whose attempts are used up")
WEBHOOK_ATTEMPTS = Counter("tanpuhui_webhook_attempts_total", "Attempts to deliver", ["result"])
WEBHOOKS_DISABLED = Counter(
    "tanpuhui_webhooks_disabled_total", "Webhooks disabled since they kept failing or were gone", ["reason"]
)
WEBHOOK_SECONDS = Histogram(
    "tanpuhui_webhook_seconds",
    "From the event to its acceptance by the receiver",
    buckets=(0.1, 0.5, 1, 2, 5, 15, 60, 300, 1800, 7200, 86400),
)
PAYMENT_NOTIFICATIONS = Counter(
    "tanpuhui_payment_notifications_total", "Notifications of the provider of payments", ["result"]
)
PAYMENT_TROUBLES = Counter(
    "tanpuhui_payment_troubles_total",
    "Differences from the provider's bills, and refunds that failed",
    ["kind"],
)
METHODOLOGY_REFRESH_FAILURES = Counter(
    "tanpuhui_methodology_refresh_failures_total", "Looks at the methodologies in the database that failed"
)
QUOTAS_EXHAUSTED = Counter(
    "tanpuhui_quotas_exhausted_total", "Requests refused since a daily quota was used up", ["kind"]
)
CLAIMS = Counter(
    "tanpuhui_platform_claims_total", "Claims of platforms by outcome and reason", ["outcome", "reason"]
)
EVALUATIONS = Counter("tanpuhui_evaluations_total", "Blinded elements evaluated", ["mode"])
FEDERATION_MISSED = Counter(
    "tanpuhui_federation_keys_missed_total", "People who passed by while the federation's evaluator was away"
)
NEIGHBOUR_CHECKS = Counter(
    "tanpuhui_neighbour_checks_total",
    "Acts that a neighbour was asked about before they were credited",
    ["result"],
)
NEIGHBOUR_PULLS = Counter(
    "tanpuhui_neighbour_pulls_total", "Pages of neighbours' exports, and failed attempts", ["result"]
)
NEIGHBOUR_DOUBLES = Counter(
    "tanpuhui_neighbour_doubles_total", "Acts found to be claimed here and at a neighbour"
)
SIGN_INS = Counter("tanpuhui_sign_ins_total", "Attempts of residents to sign in", ["method", "outcome"])
