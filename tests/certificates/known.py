"""For each door of certificates something real to be asked for, so that made-up calls reach a success."""

from typing import Any

from certificates.seal import png
from certificates.test_certificates import content, issued
from helpers import Caller

from app.certificates.content import CertificateKind
from app.wiring import Services


async def known_certificates(
    services: Services, operator: Caller, holder_id: Any
) -> dict[tuple[str, str], Any]:
    """(method, path) → path parameters, body and version."""
    said = content(region="440300", holder_id=holder_id)
    seal = {"content": png(), "headers": {"Content-Type": "image/png"}}
    assert (await operator.request("PUT", "/v1/operator/certificate-seal", **seal)).status_code == 200
    share, kept, revoked = [
        {"number": (await issued(services, said, CertificateKind.PARTICIPANT_SHARE)).number} for _ in range(3)
    ]
    door = "/v1/public/certificates"
    return {
        ("GET", door + "/{number}"): (kept, None, None),
        ("GET", door + "/{number}/certificate.jws"): (kept, None, None),
        ("GET", door + "/{number}/certificate.pdf"): (kept, None, None),
        ("POST", door + "/verification"): ({}, {"sha256": "ab" * 32}, None),
        ("GET", "/v1/operator/certificates"): ({}, None, None),
        ("GET", "/v1/operator/certificate-seal"): ({}, None, None),
        ("POST", "/v1/operator/certificates/{number}/reissue"): (kept, {"reason": "x"}, None),
        ("POST", "/v1/operator/certificates/{number}/revocation"): (revoked, {"reason": "x"}, None),
        ("GET", "/v1/me/certificates"): ({}, None, None),
        ("PUT", "/v1/me/certificates/{number}/name"): (share, {"name": None}, None),
    }
