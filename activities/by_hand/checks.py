"""A runbook's checks as a person makes them: curl, dig, and what a provider has for its own kind."""

import shlex
from collections.abc import Iterator
from urllib.parse import urlsplit

from activities.providers.base import Provider
from activities.providers.by_hand import ByHand, Command, shell
from workflows.model.messages import Target
from workflows.model.runbook import (
    Check,
    DnsCheck,
    FunctionalCheck,
    HttpCheck,
    PublicCheck,
    TcpCheck,
)

_CURL = ("curl", "-sS", "--noproxy", "*", "-m", "10")
_NONCE = "by-hand-"
_AGAIN = "Ask again for a while; then mend what it names."


def checks_by_hand(provider: Provider, target: Target) -> ByHand:
    """All checks of the component at the site."""
    found = tuple(_commands(provider, target))
    notes = () if found else ("The runbook names no checks for this site.",)
    return ByHand(after=found, notes=notes)


def _commands(provider: Provider, target: Target) -> Iterator[Command]:
    for check in target.component.checks.get(target.site, ()):
        made = _command(check) or provider.check_by_hand(check, target.site)
        if made is not None:
            yield made.model_copy(update={"otherwise": made.otherwise or _AGAIN})


def _command(check: Check) -> Command | None:
    match check:
        case TcpCheck():
            line = f"timeout 5 bash -c {shlex.quote(f'exec 3<>/dev/tcp/{check.host}/{check.port}')} && echo accepts"
            return Command(line=line, why=f"{check.host}:{check.port} accepts connections.", shows="accepts")
        case HttpCheck():
            return _http(check)
        case FunctionalCheck():
            return _functional(check.url)
        case DnsCheck() if check.server is not None:
            words = ["dig", "+short", f"@{check.server}", "-p", str(check.port), check.name, "A"]
            return Command(line=shell(words), why=f"{check.name} has an address: one is shown.")
        case _:
            return None


def _http(check: HttpCheck) -> Command:
    status = ("-o", "/dev/stderr", "-w", "%{http_code}\\n")
    method = ("-I",) if check.method == "HEAD" else ("-X", check.method)
    text = f" The answer holds {check.contains!r}." if check.contains else ""
    return Command(
        line=shell([*_CURL, *method, *status, check.url]),
        why=f"It answers HTTP {check.status}.{text}",
        shows=str(check.status),
    )


def _functional(url: str, pinned: str = "") -> Command:
    """`pinned` is a word of curl's, quoted for the shell."""
    post = shell([*_CURL, "-X", "POST", "-H", "Content-Type: application/json"])
    body = '-d "{\\"nonce\\": \\"$nonce\\"}"'
    return Command(
        line=f'nonce="{_NONCE}$(date +%s%N)"; {post} {pinned}{body} {shell([url])} | grep -F "$nonce"',
        why="A value that was never used before is written and read back.",
        shows=_NONCE,
    )


def public_by_hand(public: PublicCheck) -> ByHand:
    """The application as its users use it."""
    if public.resolver is None:
        return ByHand(after=(_functional(public.url),))
    parts = urlsplit(public.url)
    host, _, port = public.resolver.rpartition(":")
    ask = ["dig", "+short", "+time=2", f"@{host}", "-p", port, public.name, "A"]
    seen = Command(line=shell(ask), why="Where users are sent.")
    service = parts.port or (443 if parts.scheme == "https" else 80)
    pinned = f'--resolve {shlex.quote(f"{parts.hostname}:{service}:")}"$({shell(ask)} | tail -n 1)"'
    made = _functional(public.url, f"{pinned} ")
    return ByHand(after=(seen, made.model_copy(update={"otherwise": _AGAIN})))
