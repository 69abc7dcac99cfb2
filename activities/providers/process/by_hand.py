"""Start and stop a service as a person types it, leaving the note by which Seawall knows it again."""

import json
import shlex

from activities.providers.by_hand import ByHand, Command, shell
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .settings import ProcessSite


def by_hand(site: ProcessSite, verb: Verb, request: StepRequest) -> ByHand:
    """What to type on the site's own machine."""
    looks = Command(
        line=f"ps -o pid,lstart,args -p {_pid(site)}",
        why=f"Does it run? It is {site.argv[0]}.",
        shows=site.argv[0],
        otherwise="Only a heading, or an error: it does not run.",
    )
    start, stop = _start(site, request), _stop(site)
    gone = Command(line=f"ps -o pid,lstart,args -p {_pid(site)} || true", why="Only a heading: it does not run.")
    secrets = (f"the file {site.env_file} (environment of the service)",) if site.env_file else ()
    if verb is Verb.START_INSTANCES:
        return ByHand(look=(looks,), act=(start,), after=(looks,), undo=(stop,), secrets=secrets, notes=_NOTES)
    return ByHand(look=(looks,), act=(stop,), after=(gone,), undo=(start,), secrets=secrets)


_NOTES = ("Start it once: where the look shows it running, leave the start out. That alone is not safe to type twice.",)


def _pid(site: ProcessSite) -> str:
    path = shlex.quote(site.pid_file)
    return f'''"$(sed -E 's/.*"pid": ?([0-9]+).*/\\1/' {path})"'''


def _start(site: ProcessSite, request: StepRequest) -> Command:
    """In a session of its own, with the note of Seawall's own form. The environment is read by the shell, so that no
    other program is ever told its secrets on a command line."""
    note = json.dumps({"pid": 0, "key": request.ref.key, "epoch": request.ref.epoch}).replace("%", "%%")
    form = note.replace('"pid": 0', '"pid": %d')
    begin = f'printf {shlex.quote(form)} $$ > {shlex.quote(site.pid_file)}; exec "$@"'
    enter = ""
    if site.env_file:
        enter = (
            'while IFS= read -r line; do case "$line" in ""|"#"*) ;; *) export "$line" ;; esac; done '
            f"< {shlex.quote(site.env_file)}; "
        )
    program = f"setsid -f sh -c {shlex.quote(begin)} start {shell(site.argv)}"
    return Command(
        line=f"({enter}cd {shlex.quote(site.cwd)} && exec {program} >> {shlex.quote(site.log_file)} 2>&1 < /dev/null)",
        why=f"Start it. Its log is {site.log_file}.",
    )


def _stop(site: ProcessSite) -> Command:
    return Command(line=f"kill {_pid(site)}", why="Stop it, if it was not meant to run here.")
