"""What must hold between the parts of a runbook, beyond the shape of each part.

A runbook with a problem is refused, also in the middle of a disaster. A problem is therefore only what would make a
recovery impossible or unsafe; a promise that cannot be kept, a check that is missing or a review that is overdue is a
warning. Everything here is pure: the same runbook gives the same answer in a workflow, an activity and the command.
"""

from collections.abc import Container, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from pydantic import BaseModel

from . import notice_rules
from .base import Message, format_duration
from .runbook import ApprovalRule, Component, DnsCheck, ReplicationMode, Role, Runbook, Silence, SqlCheck, Tier
from .verbs import Verb

Path: TypeAlias = tuple[str | int, ...]

NEEDED: Mapping[Role, tuple[Verb, ...]] = {
    Role.DATA: (Verb.OBSERVE, Verb.CHOOSE_RECOVERY_POINT, Verb.FENCE, Verb.SYNC_DELTA, Verb.PROMOTE),
    Role.COMPUTE: (Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES),
    Role.TRAFFIC: (Verb.OBSERVE, Verb.FLIP_DNS, Verb.RESTORE_DNS),
}
"""The verbs that a failover asks of a component of each role."""

_MAY_BE_ZERO = frozenset({"max_lag", "hold_off", "flap_window", "look_again_after"})
_BY_SITE = ("sites", "addresses")
"""Keys of a component's settings whose fields are, by convention, named after the sites."""


class RuleProblem(Message):
    """A rule that the runbook breaks, at the path where it should be mended."""

    path: Path
    sentence: str
    next_step: str = ""
    warning: bool = False


def problems(
    runbook: Runbook,
    capabilities: Mapping[str, Container[str]] | None = None,
    *,
    roles: Mapping[str, Role | None] | None = None,
    today: date | None = None,
) -> list[RuleProblem]:
    """All the rules that the runbook breaks.

    Args:
        capabilities: for each component the verbs of its provider; None where they are not known, and not judged.
        roles: for each kind the role of its provider, None for a site's device; a kind that is left out is not judged.
        today: for the age of the review; None leaves that out.
    """
    found = [*_sites(runbook), *_shape(runbook), *_needs(runbook), *_cycle(runbook), *_durations(runbook, ())]
    found += [*_kinds(runbook, roles or {}), *_approvals(runbook), *_promises(runbook), *_public(runbook)]
    found += _notices(runbook)
    for name, component in runbook.components.items():
        found += [*_by_site(runbook, name, component), *_checks(runbook, name, component)]
        if capabilities is not None and name in capabilities:
            found += _capabilities(runbook, name, component, capabilities[name])
    if today is not None:
        found += _review(runbook, today)
    return found


def _sites(runbook: Runbook) -> Iterator[RuleProblem]:
    if len(runbook.sites) != 2:
        yield _refuse(("sites",), f"Exactly two sites are wanted; there are {len(runbook.sites)}.", "Name two.")
    if runbook.home not in runbook.sites:
        yield _refuse(("home",), f"There is no site {runbook.home}.", f"Use one of {_listed(runbook.sites)}.")
    if not _of_role(runbook, Role.DATA):
        return
    for name, site in runbook.sites.items():
        if site.fence_device is None:
            yield _warn(
                ("sites", name),
                "Without a fence_device nothing can prove that this site is held off once it is unreachable; an "
                "unplanned failover from it parks and asks a person to accept the risk.",
                "Give it a fence_device.",
            )


def _shape(runbook: Runbook) -> Iterator[RuleProblem]:
    if not _of_role(runbook, Role.DATA) and not _of_role(runbook, Role.COMPUTE):
        yield _refuse(
            ("components",), "There is nothing to recover: no data and no compute component.", "Describe one."
        )
    for name in _of_role(runbook, Role.TRAFFIC):
        if not runbook.components[name].needs:
            yield _refuse(
                ("components", name),
                "This traffic component needs nothing, so users would be sent over before anything serves them.",
                "Name in `needs` what must serve first.",
            )


def _needs(runbook: Runbook) -> Iterator[RuleProblem]:
    for name, component in runbook.components.items():
        for at, need in enumerate(component.needs):
            path = ("components", name, "needs", at)
            if need == name:
                yield _refuse(path, f"The component {name} needs itself.", "Remove it.")
            elif need not in runbook.components:
                yield _refuse(path, f"There is no component {need}.", f"Use one of {_listed(runbook.components)}.")
            elif need in component.needs[:at]:
                yield _refuse(path, f"{need} stands twice in `needs`.", "Remove one.")
            elif component.critical and not runbook.components[need].critical:
                yield _warn(
                    path, f"{name} is critical and needs {need}, which is not.", "Make both critical, or neither."
                )


def _cycle(runbook: Runbook) -> Iterator[RuleProblem]:
    """One cycle, if there is any; the next shows when it is broken."""
    parts = runbook.components
    open_needs = {name: {n for n in part.needs if n in parts and n != name} for name, part in parts.items()}
    while free := [name for name, needs in open_needs.items() if not needs & open_needs.keys()]:
        for name in free:
            del open_needs[name]
    if not open_needs:
        return
    walk = [next(iter(open_needs))]
    while walk.count(walk[-1]) == 1:
        walk.append(next(need for need in parts[walk[-1]].needs if need in open_needs and need != walk[-1]))
    circle = walk[walk.index(walk[-1]) :]
    yield _refuse(
        ("components", circle[0], "needs"),
        f"These components wait for each other for ever: {' -> '.join(circle)}.",
        "Remove one of these needs.",
    )


def _durations(part: Any, path: Path) -> Iterator[RuleProblem]:
    if isinstance(part, timedelta) and part <= timedelta(0) and path[-1] not in _MAY_BE_ZERO:
        yield _refuse(path, "A duration of nothing cannot be kept.", "Write one that is longer than 0s.")
    elif isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from _durations(getattr(part, name), (*path, name))
    elif isinstance(part, dict):
        for key, value in part.items():
            yield from _durations(value, (*path, key))
    elif isinstance(part, tuple):
        for at, value in enumerate(part):
            yield from _durations(value, (*path, at))


def _kinds(runbook: Runbook, roles: Mapping[str, Role | None]) -> Iterator[RuleProblem]:
    for name, component in runbook.components.items():
        role = roles.get(component.kind, component.role)
        if role is not component.role:
            what = f"for {role.value} components" if role else "a fence device"
            yield _refuse(
                ("components", name, "kind"),
                f"The kind {component.kind} is {what}, and {name} is a {component.role.value} component.",
                "Change the kind or the role.",
            )
    for name, site in runbook.sites.items():
        device = site.fence_device
        if device and (role := roles.get(device.kind)) is not None:
            yield _refuse(
                ("sites", name, "fence_device", "kind"),
                f"The kind {device.kind} is for {role.value} components; it cannot hold a site off.",
                "Name a kind of fence device, such as power.http.",
            )


def _by_site(runbook: Runbook, name: str, component: Component) -> Iterator[RuleProblem]:
    named: dict[Path, Any] = {("components", name, "checks"): component.checks}
    for key in _BY_SITE:
        section = component.settings.get(key)
        if isinstance(section, dict):
            path: Path = ("components", name, "settings", key)
            named[path] = section
            for site in runbook.sites:
                if site not in section:
                    yield _refuse(path, f"The site {site} is missing here.", "Describe the component at every site.")
    for path, section in named.items():
        for site in section:
            if site not in runbook.sites:
                yield _refuse((*path, site), f"There is no site {site}.", f"Use one of {_listed(runbook.sites)}.")


def _checks(runbook: Runbook, name: str, component: Component) -> Iterator[RuleProblem]:
    for site in runbook.sites:
        if component.role is not Role.TRAFFIC and not component.checks.get(site):
            yield _warn(
                ("components", name),
                f"Nothing proves that {name} serves at {site}: it counts as soon as its step has ended.",
                f"Write checks for {site}.",
            )
    for site, checks in component.checks.items():
        for at, check in enumerate(checks):
            path = ("components", name, "checks", site, at)
            if isinstance(check, SqlCheck) and component.role is not Role.DATA:
                yield _refuse(path, "A sql check belongs to a data component.", "Use an http or functional check.")
            if isinstance(check, DnsCheck) and check.server is None and component.role is not Role.TRAFFIC:
                yield _refuse(path, "A dns check outside a traffic component wants its server.", "Name the `server`.")
            if check.timeout > check.deadline:
                yield _warn(path, "One try may take longer than all of them together.", "Raise the deadline.")


def _capabilities(runbook: Runbook, name: str, component: Component, verbs: Container[str]) -> Iterator[RuleProblem]:
    held = all(site.fence_device for site in runbook.sites.values())
    wanted = [verb for verb in NEEDED[component.role] if not (verb is Verb.FENCE and held)]
    if any(isinstance(check, SqlCheck) for checks in component.checks.values() for check in checks):
        wanted.append(Verb.HEALTH_CHECK)
    if missing := [verb.value for verb in wanted if verb.value not in verbs]:
        yield _refuse(
            ("components", name, "kind"),
            f"The kind {component.kind} cannot {', '.join(missing)}, which a failover asks of {component.role.value}.",
            "Give every site a fence_device." if missing == [Verb.FENCE.value] else "Use a kind that can.",
        )


def _approvals(runbook: Runbook) -> Iterator[RuleProblem]:
    if runbook.approvals.failover.on_silence is Silence.GO_ON:
        yield _refuse(
            ("approvals", "failover", "on_silence"),
            "Silence cannot approve an unplanned failover: it may lose data.",
            "Use reject or escalate; go-on is for planned_failover.",
        )
    rules: dict[str, ApprovalRule | None] = {
        "failover": runbook.approvals.failover,
        "planned_failover": runbook.approvals.planned_failover,
    }
    for name, rule in rules.items():
        if rule and not rule.requester_may_approve and rule.required == len(rule.approvers):
            yield _warn(
                ("approvals", name, "approvers"),
                "If one of the approvers asks for the run, too few are left to approve it.",
                "Name more approvers, or set requester_may_approve.",
            )


def _promises(runbook: Runbook) -> Iterator[RuleProblem]:
    objectives = runbook.objectives
    if runbook.deadline < objectives.rto:
        yield _warn(("deadline",), "A run is ended before the RTO has passed.", "Make it longer than objectives.rto.")
    for name, component in runbook.components.items():
        replication = component.replication
        if replication is None:
            continue
        path = ("components", name, "replication")
        if replication.period and replication.period > objectives.rpo:
            period, rpo = format_duration(replication.period), format_duration(objectives.rpo)
            yield _warn((*path, "period"), f"A copy every {period} cannot keep an RPO of {rpo}.", "Change one of them.")
        if runbook.tier is Tier.HOT and replication.mode is ReplicationMode.BACKUP:
            yield _refuse(
                (*path, "mode"), "Tier hot has a running copy, and backups give none.", "Change the tier or the mode."
            )
        elif (runbook.tier, replication.mode) in _UNLIKELY:
            yield _warn(
                (*path, "mode"),
                f"Mode {replication.mode.value} does not go well with tier {runbook.tier.value}.",
                "Change the tier or the mode.",
            )


_UNLIKELY = (
    (Tier.HOT, ReplicationMode.INTERVAL),
    (Tier.WARM, ReplicationMode.BACKUP),
    (Tier.COLD, ReplicationMode.CONTINUOUS),
)


def _public(runbook: Runbook) -> Iterator[RuleProblem]:
    try:
        host = urlsplit(runbook.public.url).hostname or ""
    except ValueError:
        yield _refuse(("public", "url"), "This is not a URL.", "Write one such as https://shop.example.org/check.")
        return
    if host.rstrip(".").lower() != runbook.public.name.rstrip(".").lower():
        yield _warn(
            ("public", "url"), f"The URL does not go through the public name {runbook.public.name}.", "Use that name."
        )


def _notices(runbook: Runbook) -> Iterator[RuleProblem]:
    yield from (_refuse(*fault) for fault in notice_rules.faults(runbook.notices))
    yield from (_warn(*doubt) for doubt in notice_rules.doubts(runbook.notices))


def _review(runbook: Runbook, today: date) -> Iterator[RuleProblem]:
    if runbook.review.last > today:
        yield _warn(("review", "last"), "The last review lies in the future.", "Write the day on which it was done.")
    elif today - runbook.review.last > runbook.review.interval:
        due = runbook.review.last + runbook.review.interval
        yield _warn(("review", "last"), f"The review was due on {due}.", "Review the runbook and write today's date.")


def _of_role(runbook: Runbook, role: Role) -> list[str]:
    return [name for name, component in runbook.components.items() if component.role is role]


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join([*names][:20]) or "none"


def _refuse(path: Path, sentence: str, next_step: str) -> RuleProblem:
    return RuleProblem(path=path, sentence=sentence, next_step=next_step)


def _warn(path: Path, sentence: str, next_step: str) -> RuleProblem:
    return RuleProblem(path=path, sentence=sentence, next_step=next_step, warning=True)
