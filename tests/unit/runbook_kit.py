"""A small runbook, providers of its own kinds, and a way to write both into a folder."""

from pathlib import Path
from typing import Any

from pydantic import Field

from activities.providers.base import Provider
from activities.providers.registry import Registry
from workflows.model.base import Duration, SecretRef, Strict
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

RUNBOOK = """\
application: shop
description: A shop.
owner: {name: Anna Berg, email: anna@example.org}
review: {last: 2026-11-01, interval: 90d}
tier: hot
objectives:
  rto: 2m
  rpo: 5s
sites:
  primary:
    name: Site A
    fence_device: {kind: sim.power, settings: {url: "http://power-a", token: {env: TOKEN}}}
  recovery:
    name: Site B
    fence_device: {kind: sim.power, settings: {url: "http://power-b", token: {env: TOKEN}}}
components:
  db:
    role: data
    kind: sim.data
    replication: {mode: continuous, synchronous: true}
    settings:
      port: 5432
      password: {env: PASSWORD}
      sites:
        primary: {host: a}
        recovery: {host: b}
    checks:
      primary: [{kind: sql, query: select 1, expect: "1"}]
      recovery: [{kind: sql, query: select 1, expect: "1"}]
  app:
    role: compute
    kind: sim.compute
    needs: [db]
    settings: {argv: [run, --fast]}
    checks:
      primary: [{kind: http, url: "http://a/readyz"}]
      recovery: [{kind: http, url: "http://b/readyz"}]
  front:
    role: traffic
    kind: sim.traffic
    needs: [app]
    settings: {}
public:
  name: shop.example.org
  url: https://shop.example.org/check
approvals:
  failover:
    approvers: [anna, ben]
"""


class _Host(Strict):
    host: str
    port: int = 5432


class _DataSettings(Strict):
    port: int
    password: SecretRef
    sites: dict[str, _Host]
    connect_timeout: Duration | None = None


class _ComputeSettings(Strict):
    argv: tuple[str, ...] = Field(min_length=1)


class _TrafficSettings(Strict):
    zone: str = "example.org"


class _PowerSettings(Strict):
    url: str
    token: SecretRef


class Data(Provider):
    kind = "sim.data"
    role = Role.DATA
    verbs = frozenset(
        {
            Verb.OBSERVE,
            Verb.CHOOSE_RECOVERY_POINT,
            Verb.FENCE,
            Verb.UNFENCE,
            Verb.SYNC_DELTA,
            Verb.PROMOTE,
            Verb.HEALTH_CHECK,
        }
    )
    Settings = _DataSettings


class Compute(Provider):
    kind = "sim.compute"
    role = Role.COMPUTE
    verbs = frozenset({Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES})
    Settings = _ComputeSettings


class Traffic(Provider):
    kind = "sim.traffic"
    role = Role.TRAFFIC
    verbs = frozenset({Verb.OBSERVE, Verb.FLIP_DNS, Verb.RESTORE_DNS})
    Settings = _TrafficSettings


class Power(Provider):
    kind = "sim.power"
    role = None
    verbs = frozenset({Verb.FENCE, Verb.UNFENCE})
    Settings = _PowerSettings


class Lame(Data):
    """Cannot promote."""

    kind = "sim.lame"
    verbs = frozenset({Verb.OBSERVE, Verb.CHOOSE_RECOVERY_POINT, Verb.FENCE, Verb.SYNC_DELTA, Verb.HEALTH_CHECK})


def registry() -> Registry:
    """Knows the kinds above beside those of the release."""
    return Registry(extra={p.kind: p for p in (Data, Compute, Traffic, Power, Lame)})


def write(folder: Path, text: str = RUNBOOK, values: str | None = None, name: str = "shop") -> Path:
    """Write a runbook, and its values file if given; the runbook's path."""
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    if values is not None:
        (folder / f"{name}.values.yaml").write_text(values, encoding="utf-8")
    return path


def changed(*pairs: tuple[str, str]) -> str:
    """The runbook with each first text replaced by its second; each must be there."""
    text = RUNBOOK
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def settings_of(runbook: Any, name: str) -> dict[str, Any]:
    """The settings of a component, as the runbook holds them."""
    found: dict[str, Any] = runbook.components[name].settings
    return found
