"""A change of the name as a person types it: dig to look, nsupdate to change, by the same compare-and-set."""

import ipaddress
import shlex

from activities.providers.by_hand import ByHand, Command, secret_place, secret_value, shell
from workflows.model.messages import StepRequest
from workflows.model.runbook import Check, DnsCheck

from . import record
from .settings import DnsSettings

_REFUSED = '"update failed: NXRRSET", it is not: STOP, and look who changed it.'


def flip_by_hand(settings: DnsSettings, request: StepRequest) -> ByHand:
    """Send users to `target.target`."""
    wanted = settings.addresses[request.target.target]
    seen = tuple(request.before.facts.get("addresses") or ()) if request.before else ()
    was = tuple(sorted(str(ipaddress.ip_address(address)) for address in seen))
    source = settings.addresses.get(request.target.source)
    back = was or ((source,) if source else ())
    epoch = request.ref.epoch
    return ByHand(
        look=(
            Command(
                line=_dig(settings, settings.record, "A"),
                why=f"Where does the name point? Users are to be sent to {wanted}.",
                shows="\n".join(was),
                otherwise=f"{wanted}: it was changed already; go on with the look after. Anything else: STOP.",
            ),
            Command(
                line=_dig(settings, _epoch_name(settings), "TXT"),
                why=f"Under which epoch? One above {epoch} means that a later run has taken over: STOP.",
                shows="epoch=",
                otherwise="Nothing: no epoch was ever written.",
            ),
        ),
        act=(
            Command(
                line=_update(settings, request, expected=was, wanted=(wanted,), told=was),
                why=f"Send users to {wanted}, if the name is still what the run saw. Where this says {_REFUSED}",
            ),
        ),
        after=(
            Command(line=_dig(settings, settings.record, "A"), why="The name server says so.", shows=wanted),
            Command(
                line=_dig(settings, _epoch_name(settings), "TXT"),
                why="The epoch of this run stands beside it.",
                shows=f"epoch={epoch} ",
            ),
            *_at_resolver(settings, wanted),
        ),
        undo=(
            Command(
                line=_update(settings, request, expected=(wanted,), wanted=back, told=()),
                why=f"Send users back to {', '.join(back)}; only while nothing was promoted.",
            ),
        )
        if back
        else (),
        secrets=(secret_place(settings.tsig.secret, f"TSIG key {settings.tsig.name}, base64"),),
        notes=("dig and nsupdate are in Debian's package bind9-dnsutils.",),
    )


def check_by_hand(settings: DnsSettings, check: Check) -> Command | None:
    """The name at the component's own server."""
    if not isinstance(check, DnsCheck):
        return None
    return Command(line=_dig(settings, check.name, "A"), why="The runbook's check: an address is shown.")


def _epoch_name(settings: DnsSettings) -> str:
    return f"{record.LABEL}.{settings.record}"


def _dig(settings: DnsSettings, name: str, kind: str) -> str:
    return shell(["dig", "+short", "+time=2", f"@{settings.server}", "-p", str(settings.port), name, kind])


def _at_resolver(settings: DnsSettings, wanted: str) -> tuple[Command, ...]:
    if settings.resolver is None:
        return ()
    host, _, port = settings.resolver.rpartition(":")
    line = shell(["dig", "+short", "+time=2", f"@{host}", "-p", port, settings.record, "A"])
    return (Command(line=line, why="Users are told so, after at most the TTL. Ask until it shows.", shows=wanted),)


def _update(
    settings: DnsSettings,
    request: StepRequest,
    expected: tuple[str, ...],
    wanted: tuple[str, ...],
    told: tuple[str, ...],
) -> str:
    """One atomic update; the key goes in by a pipe and stands on no command line."""
    name, txt_name = f"{settings.record.rstrip('.')}.", f"{_epoch_name(settings).rstrip('.')}."
    ttl = int(settings.ttl.total_seconds())
    txt = record.compose(request.ref.epoch, request.ref.key, told)
    lines = [
        f"server {settings.server} {settings.port}",
        f"zone {settings.zone}",
        *(f"prereq yxrrset {name} IN A {address}" for address in expected),
        f"update delete {name} A",
        *(f"update add {name} {ttl} A {address}" for address in wanted),
        f"update delete {txt_name} TXT",
        f'update add {txt_name} {ttl} TXT "{txt}"',
        "send",
    ]
    key = f'"key {settings.tsig.algorithm}:{settings.tsig.name} {secret_value(settings.tsig.secret)}"'
    quoted = [key, *(shlex.quote(line) for line in lines)]
    return " \\\n  ".join(["printf '%s\\n'", *quoted, "| nsupdate -v"])
