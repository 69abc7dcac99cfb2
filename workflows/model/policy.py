"""Who may do what: the policy that lies beside the runbooks, under version control. Pure.

A role is held for one application, or everywhere. Where there is no policy anybody may ask, and the approvers of the
runbook decide; where there is one, who asks proves it first.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from .base import Message, Name, Strict

POLICY_FILE = "seawall.policy.yaml"
"""Its name. With a dot in its stem, so that it is taken for no runbook."""


class Role(StrEnum):
    """What somebody may do with an application."""

    OBSERVER = "observer"
    """Look: status, runs, progress, reports."""
    PROPOSER = "proposer"
    """Open the gate of a failover, for others to decide on; for machines."""
    OPERATOR = "operator"
    """Start runs, and steer them."""
    APPROVER = "approver"
    """Answer gates, where the runbook names them too; and accept risks and losses."""
    ADMIN = "admin"
    """What an operator may, and free a lease whose run is gone."""


_STEERS = frozenset({Role.OPERATOR, Role.ADMIN})
_DECIDES = frozenset({Role.APPROVER})
_STARTS = ("failover", "switchover", "failback", "reprotect", "drill", "replicate", "posture")
_STEERING = ("retry", "skip", "accept_degraded", "pause", "resume", "abort")
_DECIDING = ("approve", "reject", "accept_data_loss", "accept_split_brain_risk")

MAY: Mapping[str, frozenset[Role]] = {
    "read": frozenset(Role),
    "propose": _STEERS | {Role.PROPOSER},
    **dict.fromkeys((*_STARTS, *_STEERING), _STEERS),
    **dict.fromkeys(_DECIDING, _DECIDES),
    "acknowledge": _STEERS | _DECIDES,
    "release": frozenset({Role.ADMIN}),
}
"""The roles of which one is wanted for each act."""

How = Literal["slack", "oidc", "hmac"]
"""By what a gateway has verified whom it speaks for: Slack's request signature, an ID token, a shared secret."""


class Person(Strict):
    """By what the gateways know a person, or a machine."""

    slack: Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{2,20}$")] | None = None
    """The member id in Slack; no name, which its owner may change."""
    oidc: Annotated[str, Field(min_length=1, max_length=254)] | None = None
    """The verified e-mail address, or the subject, of the ID token."""
    hmac: Name | None = None
    """The name of the secret by which a machine signs."""


class Gateway(Strict):
    """A process that verifies people at its door, and vouches for them with a key."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
    """Its public key (Ed25519, Base64), as `seawall gateway key` prints it."""
    vouches: Annotated[tuple[How, ...], Field(min_length=1)]
    """For what it is believed."""


class Grants(Strict):
    """Who holds which role: people and groups, by name."""

    observer: tuple[Name, ...] = ()
    proposer: tuple[Name, ...] = ()
    operator: tuple[Name, ...] = ()
    approver: tuple[Name, ...] = ()
    admin: tuple[Name, ...] = ()


class Policy(Strict):
    """The file."""

    people: dict[Name, Person] = {}
    groups: dict[Name, tuple[Name, ...]] = {}
    """Each of people; a group holds no other group."""
    gateways: dict[Name, Gateway] = {}
    everywhere: Grants = Grants()
    """For every application."""
    applications: dict[Name, Grants] = {}
    """Besides that, for one."""

    def who(self, how: How, identity: str) -> str | None:
        """The name of whom a gateway knows so."""
        known = (name for name, person in self.people.items() if identity and getattr(person, how) == identity)
        return next(known, None)

    def granted(self, application: str) -> "Granted":
        """Who holds which role for that application."""
        both = (self.everywhere, self.applications.get(application, Grants()))
        return Granted(
            holders={
                role: tuple(sorted({name for grants in both for name in self._people(getattr(grants, role.value))}))
                for role in Role
            }
        )

    def _people(self, names: tuple[str, ...]) -> Iterator[str]:
        for name in names:
            yield from self.groups.get(name, (name,))

    def faults(self) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
        """Where, what is wrong, and what to do."""
        places: list[tuple[tuple[str, ...], Grants]] = [(("everywhere",), self.everywhere)]
        places += [(("applications", name), grants) for name, grants in self.applications.items()]
        for where, grants in places:
            for role in Role:
                for at, name in enumerate(getattr(grants, role.value)):
                    if name not in self.people and name not in self.groups:
                        yield (*where, role.value, at), *_unknown(name)
        for group, members in self.groups.items():
            if group in self.people:
                yield ("groups", group), f"There is a person {group} too.", "Give the group another name."
            for at, name in enumerate(members):
                if name not in self.people:
                    yield ("groups", group, at), *_unknown(name)
        for how in ("slack", "oidc", "hmac"):
            yield from self._shared(how)

    def _shared(self, how: str) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
        seen: dict[str, str] = {}
        for name, person in self.people.items():
            identity = getattr(person, how)
            if identity and identity in seen:
                yield ("people", name, how), f"{seen[identity]} has the same.", "Each identity is one person's."
            elif identity:
                seen[identity] = name


def _unknown(name: str) -> tuple[str, str]:
    return f"There is nobody called {name}.", "Add them to `people`, as in `anna: {}`."


class Granted(Message):
    """Who holds which role for one application."""

    holders: dict[Role, tuple[str, ...]] = {}

    def may(self, act: str) -> tuple[str, ...]:
        """Everybody who may do that, sorted."""
        return tuple(sorted({name for role in MAY[act] for name in self.holders.get(role, ())}))

    def objection(self, subject: str, act: str, application: str) -> str | None:
        """Why somebody may not, as a sentence with the next step; None when they may."""
        able = self.may(act)
        if subject in able:
            return None
        wanted = " or ".join(role.value for role in Role if role in MAY[act])
        ask = f"Ask one of: {', '.join(able[:10])}." if able else f"Nobody may; {POLICY_FILE} says who."
        what = "look at it" if act == "read" else f"say {act.replace('_', '-')}"
        return f"{subject} may not {what} for {application}: that wants the role {wanted}. {ask}"
