"""What an export has of an enterprise. Its readings are too many for a file: their own doors list them."""

from typing import Final

from app.my_data.section import Section, identified, in_grams, parsed, plain

OF_ENTERPRISES: Final[list[Section]] = [
    Section(
        "enterprise",
        "SELECT name, domain, industry_code, region, created_at FROM enterprises WHERE holder_id = $1",
        {"name": plain, "domain": plain, "industry_code": plain, "region": plain, "created_at": plain},
    ),
    Section(
        "sites",
        "SELECT id, name, region, created_at FROM enterprise_sites WHERE holder_id = $1 ORDER BY id",
        {"id": identified("sit"), "name": plain, "region": plain, "created_at": plain},
    ),
    Section(
        "lines",
        "SELECT id, site_id, name, created_at FROM enterprise_lines WHERE holder_id = $1 ORDER BY id",
        {"id": identified("lin"), "site_id": identified("sit"), "name": plain, "created_at": plain},
    ),
    Section(
        "meters",
        """
        SELECT id, site_id, line_id, number, carrier, flow, reading, counts, installed_at, removed_at FROM meters
        WHERE holder_id = $1 ORDER BY id
        """,
        {
            "id": identified("mtr"),
            "site_id": identified("sit"),
            "line_id": identified("lin"),
            "number": plain,
            "carrier": plain,
            "flow": plain,
            "reading": plain,
            "counts": plain,
            "installed_at": plain,
            "removed_at": plain,
        },
    ),
    Section(
        "emission_statements",
        """
        SELECT id, month, computed_at, total_mg AS co2e_g, content::text AS content FROM emission_statements
        WHERE holder_id = $1 ORDER BY month, id
        """,
        {
            "id": identified("emi"),
            "month": plain,
            "computed_at": plain,
            "co2e_g": in_grams,
            "content": parsed,
        },
    ),
    Section(
        "process_emissions",
        """
        SELECT id, site_id, line_id, month, process, co2e_mg AS co2e_g, document_reference, replaces, reason, created_at
        FROM process_emissions WHERE holder_id = $1 ORDER BY id
        """,
        {
            "id": identified("prc"),
            "site_id": identified("sit"),
            "line_id": identified("lin"),
            "month": plain,
            "process": plain,
            "co2e_g": in_grams,
            "document_reference": plain,
            "replaces": identified("prc"),
            "reason": plain,
            "created_at": plain,
        },
    ),
    Section(
        "green_certificates",
        """
        SELECT id, number, issuer, energy_wh, first_month, last_month, cancelled_on, document_reference, created_at,
               withdrawn_at, withdrawn_reason FROM green_certificates WHERE holder_id = $1 ORDER BY id
        """,
        {
            "id": identified("gec"),
            "number": plain,
            "issuer": plain,
            "energy_wh": plain,
            "first_month": plain,
            "last_month": plain,
            "cancelled_on": plain,
            "document_reference": plain,
            "created_at": plain,
            "withdrawn_at": plain,
            "withdrawn_reason": plain,
        },
    ),
    Section(
        "energy_quotas",
        """
        SELECT id, measure, first_day, last_day, amount, document_reference, created_at FROM energy_quotas
        WHERE holder_id = $1 ORDER BY id
        """,
        {
            "id": identified("quo"),
            "measure": plain,
            "first_day": plain,
            "last_day": plain,
            "amount": plain,
            "document_reference": plain,
            "created_at": plain,
        },
    ),
    Section(
        "energy_budget_warnings",
        """
        SELECT id, quota_id, kind, used, expected, upper, warned_at FROM energy_budget_warnings
        WHERE holder_id = $1 ORDER BY id
        """,
        {
            "id": identified("wrn"),
            "quota_id": identified("quo"),
            "kind": plain,
            "used": plain,
            "expected": plain,
            "upper": plain,
            "warned_at": plain,
        },
    ),
    Section(
        "figures",
        """
        SELECT id, year, measure, product, amount, unit, source, document_title, document_number, document_issued_on,
               recorded_at FROM label_figures WHERE holder_id = $1 ORDER BY id
        """,
        {
            "id": identified("fig"),
            "year": plain,
            "measure": plain,
            "product": plain,
            "amount": plain,
            "unit": plain,
            "source": plain,
            "document_title": plain,
            "document_number": plain,
            "document_issued_on": plain,
            "recorded_at": plain,
        },
    ),
    # What is not published, nobody is told.
    Section(
        "labels",
        """
        SELECT l.year, l.colour, l.points, l.percentile, l.reasons::text AS reasons, r.official, r.published_at
        FROM enterprise_labels l JOIN label_runs r ON r.id = l.run_id
        WHERE l.holder_id = $1 AND r.published_at IS NOT NULL ORDER BY r.published_at
        """,
        {
            "year": plain,
            "colour": plain,
            "points": plain,
            "percentile": plain,
            "reasons": parsed,
            "official": plain,
            "published_at": plain,
        },
    ),
    Section(
        "alerts",
        """
        SELECT id, meter_id, kind, starts_at, last_at, ended_at, amount, expected, verdict, note FROM meter_alerts
        WHERE holder_id = $1 ORDER BY id
        """,
        {
            "id": identified("alt"),
            "meter_id": identified("mtr"),
            "kind": plain,
            "starts_at": plain,
            "last_at": plain,
            "ended_at": plain,
            "amount": plain,
            "expected": plain,
            "verdict": plain,
            "note": plain,
        },
    ),
    Section(
        "load_shedding_plans",
        """
        SELECT id, site_id, cut_kw, solar_kw, starts_at, ends_at, state, chosen, made_at, decided_at
        FROM load_shedding_plans WHERE holder_id = $1 ORDER BY id
        """,
        {
            "id": identified("lsp"),
            "site_id": identified("sit"),
            "cut_kw": plain,
            "solar_kw": plain,
            "starts_at": plain,
            "ends_at": plain,
            "state": plain,
            "chosen": plain,
            "made_at": plain,
            "decided_at": plain,
        },
    ),
]
