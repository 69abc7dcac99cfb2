"""The verbs of PostgreSQL as a person types them: psql to look and to write, pg_ctl on the server's own machine."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from activities.providers.by_hand import ByHand, Command, secret_place, secret_value, shell
from workflows.model.messages import StepRequest
from workflows.model.runbook import Check, SqlCheck
from workflows.model.verbs import Verb

from . import fence_file, streaming
from .server import command_as

if TYPE_CHECKING:
    from .provider import PostgresProvider

Maker = Callable[["PostgresProvider", StepRequest], ByHand]

_IN_RECOVERY = "select pg_is_in_recovery()"
_LATER = (
    'Users are served without this step. Leave it out, and start "seawall reprotect" when Seawall is back: it looks '
    "first, and archives what only the old site has before it overwrites anything."
)


def by_hand(provider: "PostgresProvider", verb: Verb, request: StepRequest) -> ByHand:
    """What to type; notes only, for what should be left to Seawall."""
    maker = _MAKERS.get(verb)
    made = maker(provider, request) if maker else ByHand(notes=(_LATER,))
    return made.model_copy(update={"secrets": (secret_place(provider.settings.password, "password of the database"),)})


def check_by_hand(provider: "PostgresProvider", check: Check, site: str) -> Command | None:
    """The runbook's own query."""
    if not isinstance(check, SqlCheck):
        return None
    return Command(line=_psql(provider, site, check.query), why="The runbook's check.", shows=check.expect)


def _psql(provider: "PostgresProvider", site: str, *statements: str, local_commit: bool = False) -> str:
    """psql with these statements, each in a transaction of its own."""
    address, settings = provider.address(site), provider.settings
    env = [f'PGPASSWORD="{secret_value(settings.password)}"', f"PGSSLMODE={settings.sslmode}", "PGCONNECT_TIMEOUT=5"]
    if local_commit:
        env.append("PGOPTIONS='-c synchronous_commit=local'")
    where = ["-h", address.host, "-p", str(address.port), "-U", settings.user, "-d", settings.database]
    said = [word for statement in statements for word in ("-c", statement)]
    return f"{' '.join(env)} {shell(['psql', '-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', *where, *said])}"


def _program(provider: "PostgresProvider", site: str, *words: str) -> str:
    found = provider.site(site)
    return shell([*found.entrance(), *command_as(found.run_as, words)])


def _pg(provider: "PostgresProvider", site: str, program: str, *words: str) -> str:
    return _program(provider, site, f"{provider.site(site).bin_dir}/{program}", *words)


def _promote(provider: "PostgresProvider", request: StepRequest) -> ByHand:
    return ByHand(
        look=tuple(_before_promote(provider, request)),
        act=tuple(_promotion(provider, request)),
        after=tuple(_promoted(provider, request)),
        notes=(
            f"Only when the fence of {request.target.source} has been looked at: a promote beside a living primary "
            "makes two writers. Nothing undoes it.",
        ),
    )


def _before_promote(provider: "PostgresProvider", request: StepRequest) -> Iterator[Command]:
    name, epoch = request.target.site, request.ref.epoch
    yield Command(
        line=_psql(provider, name, _IN_RECOVERY),
        why=f"Is the server at {name} still a standby?",
        shows="t",
        otherwise="f: it was promoted already. Leave pg_ctl out, and go on with the epoch.",
    )
    yield Command(
        line=_psql(provider, name, f"select coalesce(max(epoch), 0) <= {epoch} from seawall.epoch"),  # noqa: S608
        why=f"Does no later epoch than {epoch} stand in the data?",
        shows="t",
        otherwise="f: a later run has taken over. STOP, and look for its page. An error that the relation does not "
        "exist means that no epoch was ever written: go on.",
    )
    if request.position:
        yield _reached(provider, request)


def _promotion(provider: "PostgresProvider", request: StepRequest) -> Iterator[Command]:
    name, epoch = request.target.site, request.ref.epoch
    key = request.ref.key.replace("'", "''")
    table = (
        "create schema if not exists seawall",
        "create table if not exists seawall.epoch (epoch bigint, run text, at timestamptz)",
    )
    insert = (
        f"insert into seawall.epoch (epoch, run, at) select {epoch}, '{key}', clock_timestamp() "  # noqa: S608
        f"where not exists (select from seawall.epoch where epoch >= {epoch})"
    )
    clear = ("alter system set synchronous_standby_names = ''", "select pg_reload_conf()")
    yield Command(
        line=_pg(provider, name, "pg_ctl", "promote", "-D", provider.site(name).data_dir, "-t", "60"),
        why="Promote it, and wait until it accepts writes. A server that is no standby refuses this unharmed.",
    )
    # The row is the run's own: should the run live after all, it finds its one effect and does nothing.
    yield Command(
        line=_psql(provider, name, *table, insert, local_commit=True),
        why=f"Write epoch {epoch} beside the data. Without it a late step of an older run would not be refused, and "
        "no way home is safe.",
    )
    yield Command(
        line=_psql(provider, name, *clear, local_commit=True),
        why="Let commits go without the standby that is gone.",
    )


def _promoted(provider: "PostgresProvider", request: StepRequest) -> Iterator[Command]:
    name = request.target.site
    yield Command(line=_psql(provider, name, _IN_RECOVERY), why="It accepts writes.", shows="f")
    yield Command(
        line=_psql(provider, name, "select epoch from seawall.epoch order by epoch desc limit 1"),
        why="The epoch of this run stands.",
        shows=str(request.ref.epoch),
    )
    yield Command(
        line=_psql(provider, name, "select current_setting('synchronous_standby_names') = ''"),
        why="No commit waits for a standby.",
        shows="t",
        otherwise="f: take the setting off the server's command line or include files.",
    )


def _reached(provider: "PostgresProvider", request: StepRequest) -> Command:
    query = f"select coalesce(pg_last_wal_replay_lsn(), pg_current_wal_lsn()) >= '{request.position}'::pg_lsn"
    return Command(
        line=_psql(provider, request.target.site, query),
        why=f"Has it all that {request.target.source} had, up to {request.position}?",
        shows="t",
        otherwise="f: not yet. Ask again; promoting now would lose what lies between.",
    )


def _sync(provider: "PostgresProvider", request: StepRequest) -> ByHand:
    name = request.target.site
    query = (
        "select not pg_is_in_recovery() or pg_last_wal_replay_lsn() >= "
        f"coalesce({_lsn(request.position)}, pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())"
    )
    after = Command(
        line=_psql(provider, name, query),
        why="Everything that has arrived is replayed.",
        shows="t",
        otherwise="f: it replays by itself. Ask again until the answer is t.",
    )
    return ByHand(after=(after,), notes=("There is nothing to do but to wait until it is so.",))


def _lsn(position: str | None) -> str:
    return f"'{position}'::pg_lsn" if position else "null"


def _choose(provider: "PostgresProvider", request: StepRequest) -> ByHand:
    name = request.target.site
    found = provider.site(name)
    if streaming.streams(request) and request.choice == "latest":
        query = "select pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp()"
        line = _psql(provider, name, query)
        return ByHand(
            look=(Command(line=line, why="Received to, replayed to, and when the last commit in it was made."),),
            notes=("The recovery point is the end of what the standby has received: there is nothing to choose.",),
        )
    folder = found.snapshot_dir or "no folder of snapshots is set"
    return ByHand(
        look=(
            Command(line=shell(["ls", "-l", "--time-style=full-iso", folder]), why="The copies that can be restored."),
        ),
        notes=(f"Wanted: {request.choice}.",),
    )


def _restore(provider: "PostgresProvider", request: StepRequest) -> ByHand:
    found = provider.site(request.target.site)
    named = f" Chosen: {request.point.name}." if request.point and request.point.name else ""
    return ByHand(
        look=(
            Command(
                line=shell(["ls", "-l", "--time-style=full-iso", found.snapshot_dir or found.data_dir]),
                why="The copies that can be restored.",
            ),
        ),
        notes=(
            f"There are no exact commands for a restore. Each copy is a base backup with its log; lay it down at "
            f"{found.data_dir} as PostgreSQL's manual says under Recovering Using a Continuous Archive Backup, and "
            f"keep what stands there now beside it.{named}",
        ),
    )


def _fence(provider: "PostgresProvider", request: StepRequest) -> ByHand:
    """The planned one, on the old server's own machine."""
    name = request.target.site
    site = provider.site(name)
    signal, mark = (f"{site.data_dir}/{file}" for file in (fence_file.SIGNAL, fence_file.FENCE))
    fence = fence_file.FenceFile.of(request.ref).model_copy(update={"made_signal": True}).model_dump_json()
    says = f"printf '%s' {shlex.quote(fence)} | {_program(provider, name, 'tee', mark)} > /dev/null"
    # With the options of its last start, which it keeps itself: those of the runbook may hold a connection string.
    start = _pg(provider, name, "pg_ctl", "restart", "-w", "-D", site.data_dir, "-l", site.log_file)
    return ByHand(
        look=(
            Command(
                line=_pg(provider, name, "pg_controldata", "-D", site.data_dir),
                why=f"What is the server at {name}? Read the line Database cluster state.",
                shows="in production",
                otherwise="shut down: it was stopped already; go on with what keeps it from coming back.",
            ),
        ),
        act=(
            Command(line=says, why="Say whose fence it is; PostgreSQL does not mind it."),
            Command(
                line=_pg(provider, name, "pg_ctl", "stop", "-m", "fast", "-D", site.data_dir),
                why="Stop it. From here users wait. If it does not run, this says so and harms nothing.",
            ),
            Command(line=_program(provider, name, "touch", signal), why="It cannot come back as a primary."),
        ),
        after=(
            Command(
                line=_pg(provider, name, "pg_controldata", "-D", site.data_dir),
                why="It was stopped cleanly. Write down the Latest checkpoint location: the other site must reach it.",
                shows="shut down",
                otherwise="It did not stop cleanly: read its log, and stop it again.",
            ),
        ),
        undo=(
            Command(line=_program(provider, name, "rm", "-f", signal, mark), why="Lift the fence."),
            Command(line=start, why="Start it as a primary again, with the options that it had."),
        ),
        notes=("Undo it only while nothing was promoted at the other site.",),
    )


def _measure_loss(provider: "PostgresProvider", request: StepRequest) -> ByHand:
    query = "select number, at from seawall.marker order by number desc limit 1"
    return ByHand(
        look=(Command(line=_psql(provider, request.target.site, query), why="The newest marker that was kept."),),
        notes=("Nobody waits for this. What was written after that moment and is not there was lost.",),
    )


_MAKERS: Mapping[Verb, Maker] = {
    Verb.PROMOTE: _promote,
    Verb.SYNC_DELTA: _sync,
    Verb.CHOOSE_RECOVERY_POINT: _choose,
    Verb.RESTORE: _restore,
    Verb.FENCE: _fence,
    Verb.MEASURE_LOSS: _measure_loss,
}
