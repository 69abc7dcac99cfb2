"""The settings of a site, turned into those of its clone in a bubble.

Invariant: no path of the clone's settings is one of the component's own, and the server's own configuration cannot
lead back to them: `data_directory` and its like may stand in a configuration file outside the data directory, and the
files of the machine are not closed off by the bubble. The command line has the last word over such files.
"""

import os
import pwd
from dataclasses import replace
from pathlib import Path

from activities.bubble.place import Place
from activities.providers.base import Context, now
from workflows.model.failure import Code, PermanentError
from workflows.model.observed import Observation, Reach

from .settings import PostgresSettings, PostgresSite
from .sql import Address

# What would let the clone write to the component's own files, run its commands, or wait for its standbys.
HARMLESS = (
    "archive_mode=off",
    "archive_cleanup_command=",
    "recovery_end_command=",
    "external_pid_file=",
    "logging_collector=off",
    "log_destination=stderr",
    "primary_conninfo=",
    "primary_slot_name=",
    "synchronous_standby_names=",
    "hot_standby=on",
)


class CloneSite(PostgresSite):
    """A clone. The way into the bubble is looked for when it is needed: it may be gone."""

    bubble: str
    """The bubble's folder."""

    @property
    def place(self) -> Place:
        """Its bubble."""
        return Place(Path(self.bubble))

    def entrance(self) -> tuple[str, ...]:
        return self.place.enter()

    def options(self) -> tuple[str, ...]:
        folder = Path(self.data_dir).parent
        own = (
            f"data_directory={self.data_dir}",
            f"hba_file={folder / 'pg_hba.conf'}",
            f"ident_file={folder / 'pg_ident.conf'}",
            f"unix_socket_directories={self.place.sockets}",
            f"port={self.local_port or self.port}",
        )
        ours = (*HARMLESS, *own)
        # What comes from here may come back as start options; an empty value is not one that a person may write.
        theirs = tuple(option for option in self.start_options if option not in ours)
        return (*PostgresSite.options(self.model_copy(update={"start_options": theirs})), *ours)

    def owner(self) -> int:
        """The user id of the server's files."""
        if os.geteuid() != 0 or self.run_as in ("", "userns"):
            return os.geteuid()
        try:
            return pwd.getpwnam(self.run_as).pw_uid
        except KeyError:
            raise PermanentError(
                Code.CONFIGURATION, f"There is no user {self.run_as} here.", "Check `run_as` in the runbook."
            ) from None


def of(context: Context, name: str, site: PostgresSite) -> PostgresSite:
    """The clone's settings.

    Raises:
        PermanentError: CONFIGURATION for another site than the bubble's, which a drill must never touch.
    """
    assert context.bubble is not None
    if name != context.bubble.site:
        raise PermanentError(
            Code.CONFIGURATION,
            f"This drill acts on clones at {context.bubble.site}, and a step of it names {name}.",
            "This is a defect of the plan: abort the drill and report it.",
        )
    place = Place.of(context.state_dir, context.bubble)
    folder = Path(place.file(site.data_dir))
    return CloneSite.model_validate(
        site.model_dump()
        | {
            "bubble": str(place.folder),
            "data_dir": str(folder / "data"),
            "log_file": str(folder / "server.log"),
            "snapshot_dir": None,
            "archive_dir": None,
        }
    )


def address(context: Context, settings: PostgresSettings, site: PostgresSite) -> Address:
    """The clone's socket: its TCP address is that of the component, and leads from here to the component."""
    assert context.bubble is not None
    own = Address.of(settings, site, local=True)
    return replace(own, host=str(Place.of(context.state_dir, context.bubble).sockets))


def unseen(component: str, site: str, observer: str) -> Observation:
    """What a drill may know of the other site."""
    return Observation(
        component=component,
        site=site,
        observer=observer,
        reach=Reach.UNKNOWN,
        at=now(),
        detail="A drill looks at its clones only.",
    )
