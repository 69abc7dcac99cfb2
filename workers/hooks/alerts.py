"""What PagerDuty, Alertmanager and Opsgenie send, read as proposals. Pure: a payload in, what it asks for out.

Each names the application in a field `seawall_application`. Their payloads grow, so that unknown fields are ignored;
what is taken from them is data for a sentence, and never more.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from workflows.model.base import Name

FIELD = "seawall_application"
MOST_APPLICATIONS = 10
_FIRING, _NEVER = "firing", datetime.max.replace(tzinfo=UTC)
_PROPOSING = frozenset({"incident.triggered", "incident.reopened", "incident.custom_field_values.updated"})


class _Theirs(BaseModel):
    """A payload of somebody else's: fields are added there without our knowing."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_max_length=10_000)


@dataclass(frozen=True)
class Alert:
    """An alert that asks for something: for which application, why, and what it is called where it comes from.

    `key` is the same for each delivery of the same alert, and for nothing else.
    """

    application: str
    reason: str
    key: str


@dataclass(frozen=True)
class Read:
    """What a delivery holds: alerts to propose by, or none and why."""

    alerts: tuple[Alert, ...]
    noted: str = ""


class _Named(BaseModel):
    name: Name


def _application(value: Any) -> str | None:
    try:
        return _Named(name=value).name
    except ValidationError:
        return None


def _reason(source: str, what: str) -> str:
    """One line of at most 300 characters."""
    return f"{source}: {' '.join(what.split()) or 'an alert'}"[:300]


# --- PagerDuty, V3 webhooks ---


class CustomField(_Theirs):
    """A custom field of an incident."""

    name: str = ""
    value: Any = None


class Incident(_Theirs):
    """An incident, or the custom fields of one."""

    id: str = ""
    title: str = ""
    incident: dict[str, Any] = {}
    custom_fields: list[CustomField] = []


class Event(_Theirs):
    """What happened."""

    id: Annotated[str, Field(min_length=8, max_length=200)]
    event_type: str
    occurred_at: AwareDatetime
    data: Incident = Incident()


class PagerDuty(_Theirs):
    """A delivery of a V3 webhook subscription."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "event": {
                    "id": "01DF2QV4Z3SVNTZN3D0ALA1CPR",
                    "event_type": "incident.triggered",
                    "occurred_at": "2026-11-22T14:05:00.000Z",
                    "data": {
                        "id": "PT4KHLK",
                        "title": "The shop does not answer",
                        "custom_fields": [{"name": FIELD, "value": "shop"}],
                    },
                }
            }
        }
    )

    event: Event

    def read(self) -> Read:
        """An incident that was triggered proposes; all else is noted."""
        event = self.event
        if event.event_type not in _PROPOSING:
            return Read((), f"{event.event_type[:80]} asks for nothing.")
        named = next((one.value for one in event.data.custom_fields if one.name == FIELD), None)
        application = _application(named)
        if application is None:
            return Read((), f"The incident has no custom field {FIELD} that names an application.")
        title = event.data.title or str(event.data.incident.get("summary") or event.data.incident.get("id") or "")
        return Read((Alert(application, _reason("PagerDuty", title), event.id),))


# --- Prometheus Alertmanager, webhook version 4 (Grafana's is made like it) ---


class Firing(_Theirs):
    """One alert of the group."""

    status: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    startsAt: AwareDatetime | None = None
    fingerprint: str = ""


class Alertmanager(_Theirs):
    """A notification of a group of alerts."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "version": "4",
                "groupKey": '{}:{alertname="ShopDown"}',
                "status": "firing",
                "alerts": [
                    {
                        "status": "firing",
                        "labels": {"alertname": "ShopDown", FIELD: "shop"},
                        "annotations": {"summary": "The shop does not answer"},
                        "startsAt": "2026-11-22T14:05:00Z",
                    }
                ],
            }
        }
    )

    version: str = ""
    groupKey: Annotated[str, Field(min_length=1)]
    status: str
    alerts: list[Firing] = []

    def read(self) -> Read:
        """One proposal for each application that a firing alert names."""
        firing: dict[str, Firing] = {}
        for alert in self.alerts:
            application = _application(alert.labels.get(FIELD))
            if alert.status == _FIRING and application is not None:
                known = firing.get(application)
                if known is None or (alert.startsAt or _NEVER) < (known.startsAt or _NEVER):
                    firing[application] = alert
        if not firing:
            return Read((), f"No alert that fires has a label {FIELD} that names an application.")
        return Read(tuple(self._alert(name, alert) for name, alert in sorted(firing.items())[:MOST_APPLICATIONS]))

    def _alert(self, application: str, alert: Firing) -> Alert:
        what = alert.annotations.get("summary") or alert.labels.get("alertname", "")
        since = alert.startsAt.isoformat() if alert.startsAt else alert.fingerprint
        # A group is told of again for as long as it fires: that is the same alert, and no second proposal.
        return Alert(application, _reason("Alertmanager", what), f"{self.groupKey} {since}")


# --- Opsgenie, outgoing webhook ---


class OpsgenieAlert(_Theirs):
    """The alert."""

    alertId: Annotated[str, Field(min_length=1, max_length=200)]
    message: str = ""
    details: dict[str, Any] = {}
    tags: list[str] = []


class Opsgenie(_Theirs):
    """An action on an alert."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "action": "Create",
                "alert": {
                    "alertId": "70413a06-38d6-4c85-92b8-5ebc900d42e2",
                    "message": "The shop does not answer",
                    "details": {FIELD: "shop"},
                },
                "integrationName": "Seawall",
            }
        }
    )

    action: str
    alert: OpsgenieAlert

    def read(self) -> Read:
        """A new alert proposes; all else is noted."""
        if self.action != "Create":
            return Read((), f"{self.action[:80]} asks for nothing.")
        tagged = (one.partition(":")[2] for one in self.alert.tags if one.startswith(f"{FIELD}:"))
        application = _application(self.alert.details.get(FIELD) or next(tagged, None))
        if application is None:
            return Read((), f"The alert has no detail or tag {FIELD} that names an application.")
        return Read((Alert(application, _reason("Opsgenie", self.alert.message), self.alert.alertId),))
