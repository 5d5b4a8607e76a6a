"""What an export has of a person, section by section."""

from accounts.models import AccountKind, EntryKind
from app.my_data.section import Section, identified, in_grams, parsed, plain


def _of_months(alias: str) -> str:
    """Bounds on the partition key: nothing of a holder is older than the holder, and nothing is of the future."""
    return f"""
        {alias}.id >= tanpuhui_uuid7_floor((SELECT created_at - interval '1 day' FROM holders WHERE id = $1))
        AND {alias}.id < tanpuhui_uuid7_floor(now() + interval '1 day')
    """


def _word(column: str, words: type[AccountKind] | type[EntryKind]) -> str:
    cases = " ".join(f"WHEN {word.value:d} THEN '{word.name.lower()}'" for word in words)
    return f"CASE {column} {cases} END AS {column.partition('.')[2]}"


_OF_BANKS = [
    Section(
        "quotes",
        """
        SELECT q.id AS quote_id, o.name AS bank_name, q.product_id, q.product_version, q.level, q.eligible, q.reason,
               q.limit_from_bp, q.limit_to_bp, q.discount_from_bp, q.discount_to_bp, q.made_at, q.valid_until
        FROM bank_quotes q JOIN organisations o ON o.id = q.bank_id WHERE q.holder_id = $1 ORDER BY q.id
        """,
        {
            "quote_id": identified("quo"),
            "bank_name": plain,
            "product_id": identified("bpr"),
            "product_version": plain,
            "level": plain,
            "eligible": plain,
            "reason": plain,
            "limit_from_bp": plain,
            "limit_to_bp": plain,
            "discount_from_bp": plain,
            "discount_to_bp": plain,
            "made_at": plain,
            "valid_until": plain,
        },
    ),
    Section(
        "green_loans",
        """
        SELECT l.id AS loan_id, l.version, o.name AS bank_name, l.number, l.amount_fen, l.rate_bp, l.granted_on,
               l.ends_on, l.funded_mg, l.state, l.reason, l.recorded_at
        FROM green_loans l JOIN organisations o ON o.id = l.bank_id WHERE l.holder_id = $1 ORDER BY l.id, l.version
        """,
        {
            "loan_id": identified("gln"),
            "version": plain,
            "bank_name": plain,
            "number": plain,
            "amount_fen": plain,
            "rate_bp": plain,
            "granted_on": plain,
            "ends_on": plain,
            "funded_mg": plain,
            "state": plain,
            "reason": plain,
            "recorded_at": plain,
        },
    ),
    Section(
        "credit_reports",
        """
        SELECT r.id AS report_id, o.name AS bank_name, r.purpose, r.kind, r.as_of, r.issued_at, r.jws
        FROM credit_reports r JOIN organisations o ON o.id = r.bank_id WHERE r.holder_id = $1 ORDER BY r.id
        """,
        {
            "report_id": identified("crr"),
            "bank_name": plain,
            "purpose": plain,
            "kind": plain,
            "as_of": plain,
            "issued_at": plain,
            "jws": plain,
        },
    ),
]
"""What banks were told of the holder, and the loans that they reported."""

SECTIONS: list[Section] = [
    *_OF_BANKS,
    Section(
        "certificates",
        """
        SELECT c.number, c.kind, c.quantity_kg, c.version, c.issued_at, c.revoked_at, v.jws
        FROM certificates c JOIN certificate_versions v ON v.certificate_id = c.id AND v.version = c.version
        WHERE c.holder_id = $1 ORDER BY c.id
        """,
        {
            "number": plain,
            "kind": plain,
            "quantity_kg": plain,
            "version": plain,
            "issued_at": plain,
            "revoked_at": plain,
            "jws": plain,
        },
    ),
    Section(
        "profile",
        """
        SELECT h.id AS holder_id, h.kind, h.region, h.created_at, b.open_mg, b.issued_mg, b.used_mg, b.excluded_mg,
               b.points, b.held_points, b.owed_points
        FROM holders h JOIN balances b ON b.holder_id = h.id WHERE h.id = $1
        """,
        {
            "holder_id": identified("hld"),
            "kind": plain,
            "region": plain,
            "created_at": plain,
            "open_mg": plain,
            "issued_mg": plain,
            "used_mg": plain,
            "excluded_mg": plain,
            "points": plain,
            "held_points": plain,
            "owed_points": plain,
        },
    ),
    # Identifiers themselves are stored nowhere: there is only which kinds there are, and since when.
    Section(
        "identities",
        "SELECT scheme, created_at FROM identities WHERE holder_id = $1 ORDER BY created_at, scheme",
        {"scheme": plain, "created_at": plain},
    ),
    Section(
        "consents",
        """
        SELECT c.source_id, o.name AS source_name, c.scene_group, c.text_version, c.granted_at, c.withdrawn_at,
               c.receipt_id, c.recorded_at
        FROM consents c JOIN organisations o ON o.id = c.source_id
        WHERE c.holder_id = $1 ORDER BY c.granted_at, c.source_id, c.scene_group
        """,
        {
            "source_id": identified("org"),
            "source_name": plain,
            "scene_group": plain,
            "text_version": plain,
            "granted_at": plain,
            "withdrawn_at": plain,
            "receipt_id": plain,
            "recorded_at": plain,
        },
    ),
    Section(
        "mandates",
        """
        SELECT m.id, m.applicant_id, o.name AS applicant_name, t.version AS terms_version, t.holder_percent,
               t.text_zh, t.text_en, m.granted_at, m.valid_from, m.valid_until, w.withdrawn_at
        FROM mandates m JOIN mandate_terms t ON t.id = m.terms_id JOIN organisations o ON o.id = m.applicant_id
        LEFT JOIN mandate_withdrawals w ON w.holder_id = m.holder_id AND w.mandate_id = m.id
        WHERE m.holder_id = $1 ORDER BY m.id
        """,
        {
            "id": identified("mdt"),
            "applicant_id": identified("org"),
            "applicant_name": plain,
            "terms_version": plain,
            "holder_percent": plain,
            "text_zh": plain,
            "text_en": plain,
            "granted_at": plain,
            "valid_from": plain,
            "valid_until": plain,
            "withdrawn_at": plain,
        },
    ),
    Section(
        "issuance_exclusions",
        """
        SELECT cause_id AS activity_id, issuance_id, amount_mg AS co2e_g, reason, excluded_at, included_at
        FROM issuance_exclusions WHERE holder_id = $1 ORDER BY cause_id, entry_id
        """,
        {
            "activity_id": identified("act"),
            "issuance_id": identified("iss"),
            "co2e_g": in_grams,
            "reason": plain,
            "excluded_at": plain,
            "included_at": plain,
        },
    ),
    Section(
        "bindings",
        """
        SELECT b.id, b.source_id, o.name AS source_name, b.created_at, b.redeemed_at, b.ended_at
        FROM bindings b JOIN organisations o ON o.id = b.source_id WHERE b.holder_id = $1 ORDER BY b.id
        """,
        {
            "id": identified("bnd"),
            "source_id": identified("org"),
            "source_name": plain,
            "created_at": plain,
            "redeemed_at": plain,
            "ended_at": plain,
        },
    ),
    Section(
        "receipts",
        "SELECT id, kind, issued_at, signed FROM agreement_receipts WHERE holder_id = $1 ORDER BY id",
        {"id": identified("rcp"), "kind": plain, "issued_at": plain, "signed": plain},
    ),
    Section(
        "activities",
        f"""
        SELECT a.id, a.source_id, o.name AS source_name, a.scene, a.region, a.started_at, a.ended_at, a.evidence,
               a.inputs::text AS inputs, a.outcome, a.reason, m.code AS methodology, m.version AS methodology_version,
               a.co2e_mg AS co2e_g, a.points, a.reversed_at
        FROM activities a JOIN organisations o ON o.id = a.source_id
        LEFT JOIN methodology_versions m ON m.id = a.methodology_id
        WHERE a.holder_id = $1 AND {_of_months("a")} ORDER BY a.id
        """,
        {
            "id": identified("act"),
            "source_id": identified("org"),
            "source_name": plain,
            "scene": plain,
            "region": plain,
            "started_at": plain,
            "ended_at": plain,
            "evidence": plain,
            "inputs": parsed,
            "outcome": plain,
            "reason": plain,
            "methodology": plain,
            "methodology_version": plain,
            "co2e_g": in_grams,
            "points": plain,
            "reversed_at": plain,
        },
    ),
    Section(
        "entries",
        f"""
        SELECT e.id, {_word("e.kind", EntryKind)}, e.cause_id, s.kind AS asset, s.vintage, s.programme,
               {_word("e.debit", AccountKind)}, {_word("e.credit", AccountKind)}, e.amount, e.booked_at
        FROM entries e JOIN assets s ON s.id = e.asset_id
        WHERE e.holder_id = $1 AND {_of_months("e")} ORDER BY e.id
        """,
        {
            "id": identified("ent"),
            "kind": plain,
            "cause_id": lambda value: value.hex,
            "asset": plain,
            "vintage": plain,
            "programme": plain,
            "debit": plain,
            "credit": plain,
            "amount": plain,
            "booked_at": plain,
        },
    ),
    Section(
        "lots",
        """
        SELECT s.programme, l.expires_on, l.earned, l.remaining, l.opened_at
        FROM lots l JOIN assets s ON s.id = l.asset_id WHERE l.holder_id = $1 ORDER BY l.expires_on, s.programme
        """,
        {
            "programme": plain,
            "expires_on": plain,
            "earned": plain,
            "remaining": plain,
            "opened_at": plain,
        },
    ),
    Section(
        "bonuses",
        """
        SELECT w.activity_id, w.campaign_id, t.content::jsonb -> 'name' ->> 'zh' AS campaign, w.points, w.expires_on
        FROM campaign_awards w JOIN points_texts t ON t.id = w.campaign_id
        WHERE w.holder_id = $1 ORDER BY w.activity_id, w.campaign_id
        """,
        {
            "activity_id": identified("act"),
            "campaign_id": identified("ppt"),
            "campaign": plain,
            "points": plain,
            "expires_on": plain,
        },
    ),
    Section(
        "footprints",
        "SELECT id, month, region, co2e_mg AS co2e_g, lines::text AS lines, created_at FROM footprints"
        " WHERE holder_id = $1 ORDER BY id",
        {
            "id": identified("fpt"),
            "month": plain,
            "region": plain,
            "co2e_g": in_grams,
            "lines": parsed,
            "created_at": plain,
        },
    ),
    Section(
        "offsets",
        "SELECT id, id AS certificate_id, footprint_id, purpose, amount_mg AS co2e_g, booked_at FROM offsets"
        " WHERE holder_id = $1 ORDER BY id",
        {
            "id": identified("off"),
            "certificate_id": identified("crt"),
            "footprint_id": identified("fpt"),
            "purpose": plain,
            "co2e_g": in_grams,
            "booked_at": plain,
        },
    ),
    Section(
        "events",
        """
        SELECT id, kind, title, department, region, day, participants, co2e_mg AS co2e_g, kg, paid_kg,
               lines::text AS lines, created_at
        FROM neutral_events WHERE organiser_id = $1 ORDER BY id
        """,
        {
            "id": identified("nev"),
            "kind": plain,
            "title": plain,
            "department": plain,
            "region": plain,
            "day": plain,
            "participants": plain,
            "co2e_g": in_grams,
            "kg": plain,
            "paid_kg": plain,
            "lines": parsed,
            "created_at": plain,
        },
    ),
    Section(
        "event_orders",
        """
        SELECT id, event_id, pool_id, kg, amount_fen, state, created_at, paid_at FROM event_orders
        WHERE buyer_id = $1 ORDER BY id
        """,
        {
            "id": identified("nvo"),
            "event_id": identified("nev"),
            "pool_id": identified("evp"),
            "kg": plain,
            "amount_fen": plain,
            "state": plain,
            "created_at": plain,
            "paid_at": plain,
        },
    ),
    Section(
        "event_shares",
        """
        SELECT s.id, s.event_id, e.kind, e.day, s.co2e_mg AS co2e_g, s.taken_at, s.order_id
        FROM event_shares s JOIN neutral_events e ON e.id = s.event_id WHERE s.holder_id = $1 ORDER BY s.id
        """,
        {
            "id": identified("shr"),
            "event_id": identified("nev"),
            "kind": plain,
            "day": plain,
            "co2e_g": in_grams,
            "taken_at": plain,
            "order_id": identified("nvo"),
        },
    ),
    Section(
        "units_in_trust",
        """
        SELECT o.region, o.methodology, o.vintage, o.unit_type, lower(h.units) AS first_number,
            upper(h.units) - 1 AS last_number, h.status, h.begun_at
        FROM registry_accounts a JOIN unit_holdings h ON h.account_id = a.id AND h.ended_at IS NULL
        JOIN unit_origins o ON o.id = h.origin_id WHERE a.holder_id = $1 ORDER BY h.units
        """,
        {
            "region": plain,
            "methodology": plain,
            "vintage": plain,
            "unit_type": plain,
            "first_number": plain,
            "last_number": plain,
            "status": plain,
            "begun_at": plain,
        },
    ),
    Section(
        "rank_choice",
        "SELECT shown, changed_at FROM rank_choices WHERE holder_id = $1",
        {"shown": plain, "changed_at": plain},
    ),
    Section(
        "enterprises",
        """
        SELECT m.id, m.holder_id AS enterprise_id, e.name, m.role, m.label, m.joined_at, m.left_at
        FROM enterprise_members m JOIN enterprises e ON e.holder_id = m.holder_id
        WHERE m.member_id = $1 ORDER BY m.id
        """,
        {
            "id": identified("emb"),
            "enterprise_id": identified("hld"),
            "name": plain,
            "role": plain,
            "label": plain,
            "joined_at": plain,
            "left_at": plain,
        },
    ),
    Section(
        "bank_grants",
        """
        SELECT g.id, g.bank_id, o.name AS bank_name, r.reference, g.purpose, g.scope, g.text_version, g.granted_at,
               g.valid_until, g.ended_at, g.ended
        FROM bank_grants g JOIN organisations o ON o.id = g.bank_id
        LEFT JOIN bank_references r ON r.holder_id = g.holder_id AND r.bank_id = g.bank_id
        WHERE g.holder_id = $1 ORDER BY g.id
        """,
        {
            "id": identified("bgr"),
            "bank_id": identified("org"),
            "bank_name": plain,
            "reference": identified("cus"),
            "purpose": plain,
            "scope": plain,
            "text_version": plain,
            "granted_at": plain,
            "valid_until": plain,
            "ended_at": plain,
            "ended": plain,
        },
    ),
    Section(
        "score_reviews",
        """
        SELECT id, access_id, bank_name, what, explanation, state, opened_at, ended_at, answer FROM score_reviews
        WHERE holder_id = $1 ORDER BY id
        """,
        {
            "id": identified("srv"),
            "access_id": identified("acc"),
            "bank_name": plain,
            "what": plain,
            "explanation": plain,
            "state": plain,
            "opened_at": plain,
            "ended_at": plain,
            "answer": plain,
        },
    ),
    # Of a team there is what the person did in it, and nothing of the others who are.
    Section(
        "teams",
        """
        SELECT m.id, m.team_id, t.kind, t.name, t.region, t.owner_id = m.holder_id AS owned, m.joined_at, m.left_at
        FROM team_members m JOIN teams t ON t.id = m.team_id WHERE m.holder_id = $1 ORDER BY m.id
        """,
        {
            "id": identified("mem"),
            "team_id": identified("tem"),
            "kind": plain,
            "name": plain,
            "region": plain,
            "owned": plain,
            "joined_at": plain,
            "left_at": plain,
        },
    ),
    Section(
        "corrections",
        """
        SELECT id, subject, target, explanation, requested_at, decided_at, accepted, reason FROM corrections
        WHERE holder_id = $1 ORDER BY id
        """,
        {
            "id": identified("cor"),
            "subject": plain,
            "target": plain,
            "explanation": plain,
            "requested_at": plain,
            "decided_at": plain,
            "accepted": plain,
            "reason": plain,
        },
    ),
    Section(
        "disputes",
        """
        SELECT id, activity_id, explanation, state, opened_at, ended_at, reason FROM disputes
        WHERE party_id = $1 AND party = 'holder' ORDER BY id
        """,
        {
            "id": identified("dsp"),
            "activity_id": identified("act"),
            "explanation": plain,
            "state": plain,
            "opened_at": plain,
            "ended_at": plain,
            "reason": plain,
        },
    ),
    Section(
        "corroborations",
        """
        SELECT winner_id, activity_id, evidence, rule, at, outranks, skipped, ended_at, ended FROM corroborations
        WHERE holder_id = $1 ORDER BY at, winner_id, activity_id
        """,
        {
            "winner_id": identified("act"),
            "activity_id": identified("act"),
            "evidence": plain,
            "rule": plain,
            "at": plain,
            "outranks": plain,
            "skipped": plain,
            "ended_at": plain,
            "ended": plain,
        },
    ),
    Section(
        "preferred_platforms",
        """
        SELECT p.scene_group, p.source_id, o.name AS source_name, p.chosen_at, p.ended_at
        FROM preferred_platforms p LEFT JOIN organisations o ON o.id = p.source_id
        WHERE p.holder_id = $1 ORDER BY p.scene_group, p.chosen_at
        """,
        {
            "scene_group": plain,
            "source_id": identified("org"),
            "source_name": plain,
            "chosen_at": plain,
            "ended_at": plain,
        },
    ),
    Section(
        "signals",
        """
        SELECT s.activity_id, s.signal, s.score, s.action, s.evidence, h.state, h.held_at, h.ended_at, h.reason
        FROM act_signals s LEFT JOIN held_activities h ON h.activity_id = s.activity_id
        WHERE s.holder_id = $1 ORDER BY s.activity_id, s.signal
        """,
        {
            "activity_id": identified("act"),
            "signal": plain,
            "score": plain,
            "action": plain,
            "evidence": parsed,
            "state": plain,
            "held_at": plain,
            "ended_at": plain,
            "reason": plain,
        },
    ),
    Section(
        "scores",
        """
        SELECT c.card, c.version, s.as_of, s.points, s.tier, s.acts, s.months, s.computed_at
        FROM scores s JOIN score_cards c ON c.id = s.card_id WHERE s.holder_id = $1 ORDER BY s.as_of, c.card
        """,
        {
            "card": plain,
            "version": plain,
            "as_of": plain,
            "points": plain,
            "tier": plain,
            "acts": plain,
            "months": plain,
            "computed_at": plain,
        },
    ),
    Section(
        "deeds",
        "SELECT month, scene, grade, acts, co2e_mg AS co2e_g FROM monthly_deeds WHERE holder_id = $1"
        " ORDER BY month, scene, grade",
        {"month": plain, "scene": plain, "grade": plain, "acts": plain, "co2e_g": in_grams},
    ),
    Section(
        "conduct",
        """
        SELECT id, kind, happened_on, reason, recorded_at, withdrawn_at FROM conduct_records
        WHERE holder_id = $1 ORDER BY id
        """,
        {
            "id": identified("cnd"),
            "kind": plain,
            "happened_on": plain,
            "reason": plain,
            "recorded_at": plain,
            "withdrawn_at": plain,
        },
    ),
    Section(
        "access_log",
        "SELECT id, at, reader_name, what, target, purpose, refused FROM access_records WHERE holder_id = $1"
        " ORDER BY id",
        {
            "id": identified("acc"),
            "at": plain,
            "reader_name": plain,
            "what": plain,
            "target": plain,
            "purpose": plain,
            "refused": plain,
        },
    ),
]
