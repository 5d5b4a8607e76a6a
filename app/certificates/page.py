"""The page of a certificate, and the page that checks one: HTML for a phone, Chinese first. Pure.

Whatever stands on it was given by callers, so all of it is escaped; the one script is fixed and named by its hash.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from app.certificates.layout import amount

_STYLE: Final = """
:root{color-scheme:light;--ink:#1f2a26;--green:#0b6e4f;--pale:#eef5f1;--grey:#5f6b66;--rule:#cfdcd5;--red:#b3261e}
*{box-sizing:border-box}
body{margin:0;background:#f4f7f5;color:var(--ink);line-height:1.55;-webkit-text-size-adjust:100%;
font-family:system-ui,-apple-system,"PingFang SC","HarmonyOS Sans SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif}
main{max-width:640px;margin:0 auto;padding:16px}
.card{background:#fff;border:1px solid var(--rule);border-radius:14px;padding:20px;margin-bottom:14px}
h1{font-size:1.55rem;margin:.1rem 0 0;color:var(--green);letter-spacing:.06em}
h2{font-size:1rem;margin:0 0 .7rem;color:var(--green)}
small,.en{color:var(--grey);font-size:.82rem;font-weight:400}
.state{display:inline-block;border-radius:999px;padding:.3rem .9rem;font-weight:600;color:#fff;background:var(--green)}
.state.bad{background:var(--red)}
.why{border-left:4px solid var(--red);padding:.2rem .8rem;margin:1rem 0 0;overflow-wrap:anywhere}
.amount{font-size:2rem;font-weight:700;color:var(--green);background:var(--pale);border-radius:10px;
padding:.5rem 1rem;margin:1rem 0;text-align:center}
.to{font-size:1.2rem;font-weight:700;margin:1rem 0 .2rem;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:minmax(7.5em,auto) 1fr;gap:.55rem 1rem;margin:0}
dt{color:var(--grey)}dd{margin:0;font-weight:600;overflow-wrap:anywhere}
code{font-size:.8rem;overflow-wrap:anywhere;word-break:break-all}
ul{margin:0;padding-left:1.1rem}
.actions{display:flex;flex-wrap:wrap;gap:.6rem;margin-top:1rem}
.actions a,button{border:0;border-radius:10px;padding:.7rem 1.1rem;font:inherit;font-weight:600;
background:var(--green);color:#fff;text-decoration:none;cursor:pointer}
.actions a.second{background:var(--pale);color:var(--green)}
input,textarea{width:100%;font:inherit;border:1px solid var(--rule);border-radius:10px;padding:.65rem;
margin:.2rem 0 .7rem}
label{font-weight:600}
#told{white-space:pre-line;font-weight:600}#told.bad{color:var(--red)}#told.good{color:var(--green)}
footer{color:var(--grey);font-size:.8rem;text-align:center;padding:.5rem 0 1.5rem}
"""
_SCRIPT: Final = """
const told = document.getElementById("told");
const said = (text, kind) => { told.textContent = text; told.className = kind; };
const REASONS = {
  signature: "内容与签名不符：已被改动\\nThe content does not match its signature: it was changed.",
  unknown_key: "不是本平台签发的\\nNot signed by this platform.",
  no_certificate: "不是本平台的证书\\nNot a certificate of this platform.",
  unknown_file: "不是本平台出具的原文件，或已被改动\\nNot a file that this platform made, or it was changed.",
};
const STATES = {
  valid: "有效 valid", revoked: "已撤销 revoked", superseded: "已被新版替代 replaced by a newer version",
};
async function check(body, type) {
  said("核验中… checking…", "");
  try {
    const answer = await fetch("/v1/public/certificates/verification",
      {method: "POST", headers: {"Content-Type": type}, body});
    if (!answer.ok) { said("无法核验 cannot be checked: " + answer.status, "bad"); return; }
    const found = await answer.json();
    if (!found.genuine) { said("✗ " + REASONS[found.reason], "bad"); return; }
    said("✓ 真实，由本平台签发 genuine\\n" + found.number + " · " + STATES[found.state],
      found.state === "valid" ? "good" : "bad");
  } catch (error) { said("网络错误 network error", "bad"); }
}
document.getElementById("file").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  if (!file) return;
  const bytes = await file.arrayBuffer();
  const start = new TextDecoder().decode(bytes.slice(0, 5));
  check(bytes, start === "%PDF-" ? "application/pdf" : "application/jose");
});
document.getElementById("paste").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = document.getElementById("text").value.trim();
  if (!text) return;
  if (/^[0-9a-fA-F]{64}$/.test(text)) check(JSON.stringify({sha256: text.toLowerCase()}), "application/json");
  else check(text, "application/jose");
});
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    f"script-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_CHECK: Final = """
<section class="card"><h2>核验文件 <span class="en">Check a file</span></h2>
<label for="file">上传 PDF 或签名数据（JWS） <span class="en">the PDF, or the signed data</span></label>
<input id="file" type="file" accept=".pdf,.jws,.txt,application/pdf,application/jose">
<form id="paste"><label for="text">或粘贴签名数据、SHA-256 摘要
<span class="en">or paste the data, or its SHA-256</span></label>
<textarea id="text" rows="3" spellcheck="false" autocomplete="off"></textarea>
<button>核验 Check</button></form><p id="told" role="status"></p>
<small>上传内容不留存。 Nothing that you send is kept.</small></section>
"""


def certificate_page(view: Mapping[str, Any], said: Mapping[str, Any], versions: Sequence[Any]) -> str:
    """The page of one: whether it counts first, then what it says."""
    good = view["state"] == "valid"
    state = "✓ 有效 Valid" if good else "✗ 已撤销 Revoked"
    why = "" if good else f'<p class="why">{escape(view["revocation_reason"] or "")}</p>'
    to = " · ".join(escape(each) for each in (said["name"], said["beneficiary"]) if each)
    details = [
        ("编号", "Number", said["number"]),
        ("签发单位", "Authority", said["authority"]),
        ("签发时间", "Issued", said["issued_at"][:16].replace("T", " ")),
        ("地区", "Region", said["region"]),
        ("版本", "Version", str(said["version"])),
        *((each["zh"], each["en"], each["value"]) for each in said["facts"]),
    ]
    rows = "".join(
        f'<dt>{escape(zh)} <span class="en">{escape(en)}</span></dt><dd>{escape(value)}</dd>'
        for zh, en, value in details
    )
    base = f"/v1/public/certificates/{said['number']}"
    body = f"""
<section class="card"><span class="state{"" if good else " bad"}">{state}</span>{why}
<h1>{escape(said["title"]["zh"])}</h1><div class="en">{escape(said["title"]["en"])}</div>
<p class="to">{to}</p><div>{escape(said["purpose"]["zh"])}</div><div class="en">{escape(said["purpose"]["en"])}</div>
<div class="amount">{escape(amount(said["quantity_kg"]))} <small>CO₂e</small></div>
<dl>{rows}</dl>
<div class="actions"><a href="{base}/certificate.pdf">证书 PDF</a>
<a class="second" href="{base}/certificate.jws">签名数据 JWS</a></div></section>
{_serials(said["serials"])}{_history(versions)}{_CHECK}"""
    return _page(f"{said['title']['zh']} {said['number']}", body)


def check_page(told: str = "") -> str:
    """The page where a number or a file is checked; `told` is why a number leads nowhere."""
    why = f'<p class="why">{escape(told)}</p>' if told else ""
    body = f"""
<section class="card"><h1>证书核验</h1><div class="en">Check a certificate</div>{why}
<form action="/certificates" method="get"><p><label for="number">证书编号 <span class="en">number</span></label>
<input id="number" name="number" maxlength="64" placeholder="TPH26-0000-0000-0000-00" autocapitalize="characters"
autocomplete="off" spellcheck="false" required></p><button>查询 Look up</button></form></section>{_CHECK}"""
    return _page("证书核验 Check a certificate", body)


def _serials(serials: Sequence[str]) -> str:
    if not serials:
        return ""
    items = "".join(f"<li><code>{escape(each)}</code></li>" for each in serials)
    return (
        '<section class="card"><h2>注销的减排量单位编号 <span class="en">Serials of the retired units</span></h2>'
        f"<ul>{items}</ul></section>"
    )


def _history(versions: Sequence[Any]) -> str:
    if len(versions) < 2:  # noqa: PLR2004 - one version has no history
        return ""
    items = "".join(
        f"<li>第 {each['version']} 版 {each['issued_at'][:10]} {escape(each['reason'])}</li>"
        for each in versions
    )
    return (
        f'<section class="card"><h2>换发记录 <span class="en">Versions</span></h2><ul>{items}</ul></section>'
    )


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<style>{_STYLE}</style></head><body><main>{body}<footer>碳普惠 Tanpuhui</footer></main>
<script>{_SCRIPT}</script></body></html>
"""
