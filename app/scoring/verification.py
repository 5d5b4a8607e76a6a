"""What always holds of monthly deeds: they are what the books say, but for what is still to be counted."""

from app.crediting.corroboration import PLATFORM

QUERIES: dict[str, tuple[str, str]] = {
    "deeds_counted": (
        "A holder's monthly deeds are the credited acts of the books, once all of them are counted",
        f"""
        WITH until AS (SELECT tanpuhui_uuid7_floor(counted_until) AS id FROM deed_counts),
        booked AS (
            SELECT holder_id, month, scene, grade, count(*) AS acts, sum(co2e_mg) AS co2e_mg FROM (
                SELECT a.holder_id, date_trunc('month', a.started_at AT TIME ZONE 'Asia/Shanghai')::date AS month,
                    a.scene, a.co2e_mg + a.aggregated_mg AS co2e_mg,
                    least(2, (a.evidence = '{PLATFORM}')::integer + count(DISTINCT c.source_id)) AS grade
                FROM activities a LEFT JOIN corroborations c ON c.holder_id = a.holder_id AND c.winner_id = a.id
                    AND c.ended_at IS NULL AND c.evidence = '{PLATFORM}'
                    AND (a.evidence <> '{PLATFORM}' OR c.source_id <> a.source_id)
                WHERE a.outcome IN ('credited', 'capped') AND a.reversed_at IS NULL
                GROUP BY a.holder_id, a.id, a.started_at, a.scene, a.co2e_mg, a.aggregated_mg, a.evidence) act
            GROUP BY holder_id, month, scene, grade)
        SELECT coalesce(b.holder_id, m.holder_id) FROM booked b
        FULL JOIN monthly_deeds m ON m.holder_id = b.holder_id AND m.month = b.month AND m.scene = b.scene
            AND m.grade = b.grade
        WHERE (b.acts, b.co2e_mg) IS DISTINCT FROM (m.acts::bigint, m.co2e_mg::numeric)
          AND EXISTS (SELECT FROM until)
          AND NOT EXISTS (SELECT FROM deed_changes d WHERE d.holder_id = coalesce(b.holder_id, m.holder_id))
          AND NOT EXISTS (SELECT FROM activities a, until u
            WHERE a.holder_id = coalesce(b.holder_id, m.holder_id) AND a.id >= u.id)
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = {"deeds_counted": "hld"}
