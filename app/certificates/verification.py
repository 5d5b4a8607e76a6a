"""What `verify` asks of certificates."""

from typing import Final

_SAID: Final = """
    convert_from(decode(rpad(translate(split_part(v.jws, '.', 2), '-_', '+/'),
        (length(split_part(v.jws, '.', 2)) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb -> 'certificate'
"""
QUERIES: Final = {
    "certificate_versions": (
        "Versions of a certificate run without a gap up to the present one, which has its text",
        """
        SELECT c.id FROM certificates c LEFT JOIN (
            SELECT certificate_id, count(*) AS number, min(version) AS first, max(version) AS last
            FROM certificate_versions GROUP BY 1) v ON v.certificate_id = c.id
        LEFT JOIN certificate_versions p ON p.certificate_id = c.id AND p.version = c.version
        WHERE (v.number, v.first, v.last) IS DISTINCT FROM (c.version::bigint, 1, c.version) OR p.jws IS NULL
        ORDER BY 1 LIMIT 1
        """,
    ),
    "certificates_signed": (
        "What was signed has its digest, and says number, version, kind and quantity of its certificate",
        f"""
        SELECT v.certificate_id FROM (
            SELECT v.certificate_id, v.version, v.digest, v.jws, {_SAID} AS said
            FROM certificate_versions v WHERE v.jws IS NOT NULL) v
        LEFT JOIN certificates c ON c.id = v.certificate_id
        WHERE c.id IS NULL OR v.digest <> sha256(convert_to(v.jws, 'UTF8'))
           OR (v.said ->> 'number', v.said ->> 'version', v.said ->> 'kind', v.said ->> 'quantity_kg')
              IS DISTINCT FROM (c.number, v.version::text, c.kind, c.quantity_kg::text)
        ORDER BY 1 LIMIT 1
        """,
    ),
    "certificate_names": (
        "A name that was withdrawn is in no text and in no file any more, and files are as they were made",
        """
        SELECT v.certificate_id FROM certificate_versions v JOIN certificates c ON c.id = v.certificate_id
        WHERE v.named AND v.version < c.version AND v.jws IS NOT NULL AND EXISTS (
            SELECT FROM certificate_versions l
            WHERE l.certificate_id = v.certificate_id AND l.version > v.version AND NOT l.named)
        UNION ALL SELECT f.certificate_id FROM certificate_files f
        LEFT JOIN certificate_versions v ON v.certificate_id = f.certificate_id AND v.version = f.version
        WHERE f.pdf IS NOT NULL AND (v.jws IS NULL OR f.digest <> sha256(f.pdf)) LIMIT 1
        """,
    ),
}
PREFIXES: Final = dict.fromkeys(QUERIES, "cft")
