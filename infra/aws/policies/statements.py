"""Policies out of calls. Pure: calls go in, JSON comes out."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from activities.providers.aws.duties import DUTIES, Duty

from . import actions as iam
from .reading import Call, in_a_drill

Statement = dict[str, Any]
Calls = Mapping[str, Iterable[Call]]
VERSION = "2012-10-17"
OURS, RUN, BUBBLE = "seawall:application", "seawall:run", "seawall:bubble"
MARKS: Mapping[Duty, str] = {Duty.DRILL: BUBBLE, Duty.CLEAN_UP: RUN}
"""The tag of what a duty may change; `seawall:application` where nothing else is said."""

_DESTROYS = ("Delete", "Terminate", "Purge", "DeregisterImage")
_KEEPS = frozenset(
    {
        "s3:DeleteBucketPolicy",
        "s3:DeleteObject",
        "elasticfilesystem:DeleteFileSystemPolicy",
        "elasticfilesystem:DeleteReplicationConfiguration",
    }
)
"""Actions of such a name that leave what people keep: both copies of a replication stay."""
_CONTENT = frozenset(
    {
        "s3:GetObject",
        "s3:GetObjectVersion",
        "secretsmanager:GetSecretValue",
        "ssm:GetParameter",
        "ssm:GetParameters",
        "ssm:GetParametersByPath",
    }
)
"""Reads that show what people keep, not merely that they keep it."""
_CLONE, _LEASE = "*/*/*/*", "bubble/vpc-*"
"""Items of the register: application, component, site and bubble, of which production's own have only three; and the
lease of an isolated VPC."""
_PASSED = "arn:aws:iam::*:role/seawall/*"
"""Only roles below this path can be given to an instance: whoever may pass any role may do what any role may."""

_JOINED = frozenset({"Change", "Look", "TagAtBirth", "TagLater"})
"""Rules whose actions stand in one statement with all their resources, which saves room: an action is never asked of a
resource that it does not know, and the condition is the same for all."""


def removes(action: str) -> bool:
    """Whether the action destroys. `s3:DeleteObject` puts a marker before a version, and the version stays; of items,
    only leases are deleted."""
    return action.partition(":")[2].startswith(_DESTROYS) and action not in _KEEPS | iam.LEASE_ACTIONS


def wanted(duty: Duty, calls: Calls) -> set[str]:
    """The actions that the verbs of a duty want. Everybody may look; whoever observes does no more, and only clean-up
    destroys."""
    looks = {action for action in _of(Duty.OBSERVE, calls) if iam.reads(action)}
    if duty is Duty.OBSERVE:
        return looks
    return {action for action in looks | _of(duty, calls) if duty is Duty.CLEAN_UP or not removes(action)}


def _of(duty: Duty, calls: Calls) -> set[str]:
    verbs = map(in_a_drill, DUTIES[duty]) if duty is Duty.DRILL else DUTIES[duty]
    return {action for verb in verbs for call in calls[verb] for action in iam.actions(call)}


def policy(duty: Duty, calls: Calls) -> dict[str, Any]:
    """The policy of a duty."""
    allowed = list(_allowed(duty, wanted(duty, calls)))
    own = {action for one in allowed for action in one["Action"]}
    return {"Version": VERSION, "Statement": [*allowed, *_denied(duty, own, calls)]}


def _allowed(duty: Duty, found: set[str]) -> Iterator[Statement]:
    """One statement for all actions of the same limits."""
    rules: dict[str, Statement] = {}
    groups: dict[tuple[str, tuple[str, ...]], tuple[set[str], set[str]]] = {}
    for action in sorted(found):
        places: dict[str, set[str]] = {}
        for name, condition, resource in _limits(duty, action, found):
            rules[name] = condition
            places.setdefault(name, set()).add(resource)
        for name, resources in places.items():
            key = (name, () if name in _JOINED else tuple(sorted(resources)))
            actions, where = groups.setdefault(key, (set(), set()))
            actions.add(action)
            where |= resources
    for number, ((name, _), (actions, where)) in enumerate(sorted(groups.items()), 1):
        yield _statement("Allow", f"{name}{number}", sorted(actions), sorted(where), rules[name])


def _limits(duty: Duty, action: str, found: set[str]) -> Iterator[tuple[str, Statement, str]]:
    """Where an action is allowed: the name of the rule, its condition, and the resource."""
    mark = MARKS.get(duty, OURS)
    if action in iam.REGISTER_ACTIONS:
        yield "Register", _keys(_CLONE, _LEASE) if duty is Duty.DRILL else {}, iam.REGISTER
    elif action in iam.LEASE_ACTIONS:
        yield "Lease", _keys(_LEASE), iam.REGISTER
    elif action == "iam:PassRole":
        yield "PassRole", {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}, _PASSED
    elif action.startswith("kms:"):
        grant = {"Bool": {"kms:GrantIsForAWSResource": "true"}} if action == "kms:CreateGrant" else {}
        yield "Grant" if grant else "Keys", {**_has("Resource", OURS), **grant}, iam.arn(action, "key")
    elif action in iam.TAGGED:
        for kind in iam.types(action):
            if action in iam.TAG_AT_BIRTH and not found.isdisjoint({*iam.CREATES, *iam.NAMELESS}):
                yield (
                    f"TagAtBirth{'Ec2' if action == 'ec2:CreateTags' else ''}",
                    _at_birth(action, mark, found),
                    iam.arn(action, kind),
                )
            yield "TagLater", {**_has("Resource", mark), **_NOT_AS_MADE}, iam.arn(action, kind)
    elif not iam.types(action):
        yield "Everywhere", {}, "*"
    else:
        yield from _by_type(duty, action, mark)


def _by_type(duty: Duty, action: str, mark: str) -> Iterator[tuple[str, Statement, str]]:
    for kind in iam.types(action):
        resource = iam.arn(action, kind)
        if action in _CONTENT:
            yield "Content", _has("Resource", OURS), resource
        elif iam.reads(action):
            yield "Look", {}, resource
        elif action in iam.NAMELESS:
            yield "Nameless", {}, resource
        elif kind == iam.CREATES.get(action):
            yield "Make", _has("Request", BUBBLE if duty is Duty.DRILL else RUN), resource
        elif not iam.acted_on(action, kind):
            yield "Given", {}, resource
        elif iam.tagged(action, kind):
            yield "Change", _has("Resource", mark), resource
        elif duty is not Duty.DRILL:  # Nothing tells a drill's own from production there: a drill does without.
            yield ("Records", _RECORDS, resource) if action.startswith("route53:Change") else ("Untold", {}, resource)


def _denied(duty: Duty, own: set[str], calls: Calls) -> Iterator[Statement]:
    """What stays forbidden even when another policy of the role allows it."""
    everything = {action for one in Duty for action in wanted(one, calls) if not iam.reads(action)}
    if duty is Duty.DRILL:
        if other := everything - own:
            yield _statement("Deny", "NothingOfOtherDuties", sorted(other), ["*"], {})
        acting = {action for action in own & everything if _acts_on_tagged(action)}
        if acting:
            production = {"Null": {f"aws:ResourceTag/{OURS}": "false", f"aws:ResourceTag/{BUBBLE}": "true"}}
            yield _statement("Deny", "NothingOfProduction", sorted(acting), ["*"], production)
    elif duty is not Duty.CLEAN_UP and (destroying := {action for action in everything if removes(action)}):
        yield _statement("Deny", "NothingIsDestroyed", sorted(destroying), ["*"], {})


def _acts_on_tagged(action: str) -> bool:
    """Not what makes new things of production's copies, nor what unlocks those."""
    if (
        action in iam.CREATES
        or action in iam.REGISTER_ACTIONS | iam.LEASE_ACTIONS
        or action.startswith(("kms:", "iam:"))
    ):
        return False
    return any(iam.tagged(action, kind) for kind in iam.types(action))


def _keys(*patterns: str) -> Statement:
    return {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(patterns)},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def _has(side: str, tag: str) -> Statement:
    return {"Null": {f"aws:{side}Tag/{tag}": "false"}}


def _at_birth(action: str, mark: str, found: set[str]) -> Statement:
    """EC2 says which call gives birth; others do not, so that there nothing may be there yet that has tags of ours."""
    if action == "ec2:CreateTags":
        born = sorted(one.partition(":")[2] for one in found if one in iam.CREATES and one.startswith("ec2:"))
        return {"StringEquals": {"ec2:CreateAction": born}}
    asked = BUBBLE if mark == BUBBLE else RUN
    return {"Null": {f"aws:RequestTag/{asked}": "false", f"aws:ResourceTag/{OURS}": "true"}}


_NOT_AS_MADE: Statement = {"ForAllValues:StringNotEquals": {"aws:TagKeys": [RUN, BUBBLE]}}
"""What stands cannot be made to look as if a run had made it: clean-up would take it."""
_RECORDS: Statement = {
    "ForAllValues:StringEquals": {
        "route53:ChangeResourceRecordSetsRecordTypes": ["A", "AAAA", "CNAME", "TXT"],
    },
    "Null": {"route53:ChangeResourceRecordSetsRecordTypes": "false"},
}
"""Route 53 knows no tags in conditions: at least nobody's mail and delegation are touched."""


def _statement(
    effect: str, sid: str, actions: Iterable[str], resources: Iterable[str], condition: Statement
) -> Statement:
    found: Statement = {
        "Sid": sid,
        "Effect": effect,
        "Action": list(actions),
        "Resource": list(resources),
    }
    return {**found, "Condition": condition} if condition else found
