"""Health checks: one try of each kind, and the loop that tries until it passes or gives up.

Addresses are resolved here and the request is pinned to what was resolved, so that the address which was judged is the
one that is asked. A proxy of the environment is never used and redirects are never followed.
"""

import asyncio
import contextlib
import functools
import ipaddress
import json
import secrets
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import httpx

from activities.providers.base import Provider
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.observed import CheckResult
from workflows.model.runbook import (
    Check,
    CheckTiming,
    DnsCheck,
    FunctionalCheck,
    HttpCheck,
    PublicCheck,
    SqlCheck,
    TcpCheck,
)

_WARM_UP_URL = "http://127.0.0.1:9/"
_warm = False

Heartbeat = Callable[[str], None]
Names = Mapping[str, str]
_NO_NAMES: Names = {}
BODY_BYTES = 65_536
REQUEST_SECONDS = 300.0
"""Only a backstop: each try ends after its own `timeout`."""


class _Failed(Exception):
    """A try that did not pass; the text says what was seen instead."""


async def warm_up() -> None:
    """Load what a first HTTP request would load, which blocks for tens of milliseconds: worth doing when a worker
    starts. Asks this machine's discard port, where nothing listens."""
    global _warm
    if not _warm:
        _warm = True
        with contextlib.suppress(_Failed, TimeoutError):
            async with asyncio.timeout(5):
                await _request("HEAD", _WARM_UP_URL, "127.0.0.1")


async def run_check(
    check: Check, *, provider: Provider | None, site: str, heartbeat: Heartbeat, names: Names = _NO_NAMES
) -> CheckResult:
    """Try `check` until it passed `check.passes` times in a row, `check.tries` are used up, or its deadline is over.

    `names` are addresses that need not be asked for.

    Raises:
        PermanentError: the check itself cannot be done (CONFIGURATION, UNSUPPORTED).
    """

    async def once() -> str:
        return await _once(check, provider, site, names)

    return await _until(_name(check), check, once, heartbeat)


async def run_public_check(public: PublicCheck, heartbeat: Heartbeat, names: Names = _NO_NAMES) -> CheckResult:
    """The functional check through the public name, resolved anew at each try as a user's client would."""

    async def once() -> str:
        port = urlsplit(public.url).port or (443 if public.url.startswith("https:") else 80)
        if public.resolver and public.name.rstrip(".").lower() not in names:
            host, _, resolver_port = public.resolver.rpartition(":")
            host = await _resolve(host, int(resolver_port))
            address = (await _ask_dns(host, int(resolver_port), public.name, public.timing.timeout.total_seconds()))[0]
        else:
            address = await _resolve(public.name, port, names)
        detail = await _functional(public.url, address, host=public.name)
        return f"{public.name} is {address}: {detail}"

    return await _until(f"public {public.name}", public.timing, once, heartbeat)


def _name(check: Check) -> str:
    match check:
        case TcpCheck():
            return f"tcp {check.host}:{check.port}"
        case HttpCheck() | FunctionalCheck():
            return f"{check.kind} {urlsplit(check.url)._replace(query='', fragment='').geturl()}"
        case SqlCheck():
            return f"sql {check.query[:60]}"
        case DnsCheck():
            return f"dns {check.name}"


async def _until(
    name: str, timing: CheckTiming, once: Callable[[], Awaitable[str]], heartbeat: Heartbeat
) -> CheckResult:
    # Before the clock starts: the first try must not fail for our own slowness.
    await warm_up()
    started = time.monotonic()
    deadline = started + timing.deadline.total_seconds()
    full = timing.timeout.total_seconds()
    tries = passes = 0
    detail = ""
    while True:
        tries += 1
        # At least 1 ms: a deadline that is over must still end in a result, not in a hang.
        limit = max(0.001, min(full, deadline - time.monotonic()))
        try:
            async with asyncio.timeout(limit):
                detail = await once()
            passes += 1
        except TimeoutError:
            # A try that the deadline cut short tells less than the one before it.
            passes, detail = 0, detail if limit < full and detail else f"No answer within {in_words(limit)}."
        except (_Failed, TemporaryError) as error:
            passes, detail = 0, str(error)
        taken = time.monotonic() - started
        if passes >= timing.passes:
            return CheckResult(name=name, passed=True, tries=tries, seconds=taken, detail=detail)
        heartbeat(f"{name}: try {tries}, {detail}"[:200])
        wait = max(0.001, timing.interval.total_seconds())
        if time.monotonic() + wait >= deadline or tries == timing.tries:
            return CheckResult(name=name, passed=False, tries=tries, seconds=taken, detail=detail)
        await asyncio.sleep(wait)


async def _once(check: Check, provider: Provider | None, site: str, names: Names) -> str:
    match check:
        case TcpCheck():
            return await _tcp(check, names)
        case HttpCheck():
            return await _http(check, names)
        case FunctionalCheck():
            return await _functional(check.url, await _resolve_url(check.url, names))
        case DnsCheck() if check.server is not None:
            address = await _resolve(check.server, check.port, names)
            found = await _ask_dns(address, check.port, check.name, check.timeout.total_seconds())
            return f"{check.name} is {', '.join(found)}."
        case _:
            if provider is None:
                raise PermanentError(
                    Code.UNSUPPORTED,
                    f"A check of kind {check.kind} wants a component that can do it.",
                    "Mend the runbook.",
                )
            return await provider.check(check, site)


async def _tcp(check: TcpCheck, names: Names) -> str:
    address = await _resolve(check.host, check.port, names)
    try:
        _, writer = await asyncio.open_connection(address, check.port)
    except OSError as error:
        raise _Failed(f"The port does not accept ({type(error).__name__}).") from None
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return "The port accepts connections."


async def _http(check: HttpCheck, names: Names) -> str:
    started = time.monotonic()
    status, body = await _request(check.method, check.url, await _resolve_url(check.url, names))
    taken = time.monotonic() - started
    if status != check.status:
        raise _Failed(f"HTTP {status} instead of {check.status}.")
    if check.contains is not None and check.contains not in body:
        raise _Failed(f"HTTP {status}, and the answer does not contain {check.contains!r}.")
    if check.max_latency is not None and taken > check.max_latency.total_seconds():
        raise _Failed(f"HTTP {status} after {in_words(taken)}, above {in_words(check.max_latency.total_seconds())}.")
    return f"HTTP {status} in {in_words(taken)}."


async def _functional(url: str, address: str, host: str | None = None) -> str:
    nonce = secrets.token_hex(12)
    started = time.monotonic()
    status, body = await _request("POST", url, address, {"nonce": nonce}, host)
    taken = time.monotonic() - started
    if status != 200:
        raise _Failed(f"HTTP {status} instead of 200.")
    try:
        answer = json.loads(body)
    except ValueError:
        answer = {}
    if not isinstance(answer, dict) or answer.get("nonce") != nonce:
        raise _Failed("HTTP 200, and the value that was written is not in the answer.")
    at = f" at {str(answer['site'])[:40]}" if answer.get("site") else ""
    return f"written and read back{at} in {in_words(taken)}."


@functools.cache
def _tls(secure: bool) -> ssl.SSLContext:
    # Loading the certificates takes tens of milliseconds, which plain HTTP need not pay.
    return ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _request(
    method: str, url: str, address: str, body: dict[str, str] | None = None, host: str | None = None
) -> tuple[int, str]:
    """Status and the beginning of the body, asked at `address`; the Host header and the certificate's name are the
    URL's own, or `host`. A new connection each time: a kept one would show the server of before a failover."""
    parts = urlsplit(url)
    name = host or parts.hostname or ""
    literal = f"[{address}]" if ":" in address else address
    port = f":{parts.port}" if parts.port else ""
    pinned = parts._replace(netloc=f"{literal}{port}").geturl()
    _allowed(address)
    extensions = {"sni_hostname": name} if parts.scheme == "https" else {}
    try:
        async with (
            httpx.AsyncClient(verify=_tls(parts.scheme == "https"), trust_env=False, timeout=REQUEST_SECONDS) as client,
            client.stream(
                method, pinned, json=body, headers={"Host": f"{name}{port}"}, extensions=extensions
            ) as answer,
        ):
            content = b""
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) >= BODY_BYTES:
                    break
            return answer.status_code, content[:BODY_BYTES].decode(errors="replace")
    except (httpx.HTTPError, OSError) as error:
        raise _Failed(f"No HTTP answer ({type(error).__name__}).") from None


async def _resolve_url(url: str, names: Names) -> str:
    parts = urlsplit(url)
    return await _resolve(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), names)


async def _resolve(host: str, port: int, names: Names = _NO_NAMES) -> str:
    host = names.get(host.rstrip(".").lower(), host)
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise _Failed(f"The name {host} does not resolve.") from None
    return str(found[0][4][0])


async def _ask_dns(server: str, port: int, name: str, timeout: float) -> list[str]:
    """The addresses of `name` at a server; an address family that is not there is not an error."""
    import dns.asyncquery
    import dns.exception
    import dns.message
    import dns.rdatatype

    found: list[str] = []
    for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
        question = dns.message.make_query(name, kind)
        try:
            answer, _ = await dns.asyncquery.udp_with_fallback(question, server, timeout=timeout, port=port)
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise _Failed(f"The name server does not answer ({type(error).__name__}).") from None
        found += [data.address for rrset in answer.answer if rrset.rdtype == kind for data in rrset]
        if found:
            return sorted(found)
    raise _Failed(f"{name} has no address there.")


def _allowed(address: str) -> None:
    """Cloud metadata services live at link-local addresses and answer with credentials: no check has business there."""
    parsed = ipaddress.ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    if mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified or str(mapped) == "fd00:ec2::254":
        raise PermanentError(
            Code.CONFIGURATION, "A health check's URL leads to an address that must not be asked.", "Mend the URL."
        )
