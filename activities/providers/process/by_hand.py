"""Start and stop a service as a person types it, leaving the note by which Seawall knows it again."""

import shlex
from pathlib import PurePosixPath

from activities.providers.by_hand import ByHand, Command, shell
from workflows.model.verbs import Verb

from .settings import ProcessSite

_IDLE = "does not run"


def by_hand(site: ProcessSite, verb: Verb) -> ByHand:
    """What to type on the site's own machine."""
    look = f'ps -o pid=,lstart=,args= -p {_pid(site)} 2> /dev/null || echo "{_IDLE}"'
    runs = Command(line=look, why="It runs.", shows=site.argv[0], otherwise=f"{_IDLE}: read its log, {site.log_file}.")
    idle = Command(line=look, why="It does not run.", shows=_IDLE, otherwise="It runs: wait, and look again.")
    start, stop = _start(site), _stop(site)
    secrets = (f"the file {site.env_file} (environment of the service)",) if site.env_file else ()
    if verb is Verb.START_INSTANCES:
        not_yet = idle.model_copy(update={"why": "Does it run?", "otherwise": "It runs already: LEAVE THE START OUT."})
        return ByHand(look=(not_yet,), act=(start,), after=(runs,), undo=(stop,), secrets=secrets, notes=_NOTES)
    still = runs.model_copy(update={"why": "Does it run?", "otherwise": f"{_IDLE}: nothing is left to do."})
    return ByHand(look=(still,), act=(stop,), after=(idle,), undo=(start,), secrets=secrets)


_NOTES = ("Start it once: two of them would get in each other's way, and the note would name the wrong one.",)


def _pid(site: ProcessSite) -> str:
    """The pid in the note, which holds JSON or a bare number."""
    path = shlex.quote(site.pid_file)
    return f'''"$(sed -E 's/.*"pid": ?([0-9]+).*/\\1/' {path} 2> /dev/null)"'''


_READ = """\
while IFS= read -r line; do
  case "$line" in ""|"#"*) continue ;; esac
  line="${line#export }"; value="${line#*=}"
  case "$value" in "'"*"'"|\\"*\\") value="${value:1:-1}" ;; esac
  export "${line%%=*}=$value"
done < """
"""Lines of KEY=VALUE, read by the shell itself: no other program is told a secret on its command line."""


def _start(site: ProcessSite) -> Command:
    """In a session and with an environment of its own. The note holds the pid alone, by which Seawall knows it too."""
    pid, log, cwd = (shlex.quote(path) for path in (site.pid_file, site.log_file, site.cwd))
    read = f"{_READ}{shlex.quote(site.env_file)}\n" if site.env_file else ""
    folder = shlex.quote(str(PurePosixPath(site.pid_file).parent))
    program = """exec setsid -f sh -c 'echo $$ > "$0"; exec "$@"'"""
    return Command(
        line=f'env -i PATH="$PATH" HOME="$HOME" bash -s -- {shell(site.argv)} <<\'END\'\n'
        f'{read}mkdir -p {folder} && cd {cwd} &&\n  {program} {pid} "$@" >> {log} 2>&1 < /dev/null\nEND',
        why=f"Start it. Its log is {site.log_file}.",
    )


def _stop(site: ProcessSite) -> Command:
    return Command(line=f"kill {_pid(site)}", why="Stop it, if it was not meant to run here.")
