"""A tree's verbs as a person types them: renames, and the records beside the tree by which Seawall knows its role."""

import shlex
from collections.abc import Callable, Mapping

from activities.providers.by_hand import ByHand, Command, shell
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .state import Fence, Standing, Tree

_LATER = (
    'Users are served without this step. Leave it out, and start "seawall reprotect" when Seawall is back: it looks '
    "first, and archives what only the old site has before it overwrites anything."
)


def by_hand(path: str, verb: Verb, request: StepRequest) -> ByHand:
    """What to type on the machine of the tree at `path`."""
    maker = _MAKERS.get(verb)
    return maker(Tree(path), request) if maker else ByHand(notes=(_LATER,))


def _write(tree: Tree, name: str, content: str) -> str:
    """A record, whole or not at all."""
    path = str(tree.state / name)
    part = f"{path}.part"
    folder = f"mkdir -p {shlex.quote(str(tree.state))}"
    return f"{folder} && printf '%s\\n' {shlex.quote(content)} > {shlex.quote(part)} && mv {shell([part, path])}"


def _epoch(tree: Tree, epoch: int) -> Command:
    return Command(
        line=f"cat {shlex.quote(str(tree.state / 'epoch.json'))}",
        why=f"Which role has the tree, and under which epoch? One above {epoch}: a later run has taken over, STOP. An "
        "error that there is no such file: it never had one.",
    )


def _promote(tree: Tree, request: StepRequest) -> ByHand:
    ref = request.ref
    standing = Standing(epoch=ref.epoch, key=ref.key, role="primary")
    settled = f"ln -f {shell([str(tree.manifest), str(tree.base)])}"
    stale = shell(["rm", "-f", str(tree.state / "fence.json"), str(tree.state / "restore.json")])
    return ByHand(
        look=(
            _epoch(tree, ref.epoch),
            Command(
                line=f"cat {shlex.quote(str(tree.state / 'sync.json'))}",
                why="Which copy stands here, and as of when (began)? What was written later is lost.",
                shows='"source"',
                otherwise="No whole copy stands here. STOP: restore a recovery point first.",
            ),
        ),
        act=(
            Command(line=settled, why="Keep what the tree holds now as the base for the way home."),
            Command(line=_write(tree, "epoch.json", standing.model_dump_json()), why="It is written to from now on."),
            Command(line=stale, why="Forget what does not hold any more."),
        ),
        after=(
            Command(
                line=f"cat {shlex.quote(str(tree.state / 'epoch.json'))}", why="It has its role.", shows='"primary"'
            ),
            Command(
                line=f'probe="$(mktemp -p {shlex.quote(str(tree.path))} .seawall-probe-XXXXXX)" '
                '&& rm "$probe" && echo can be written',
                why="A file can be made in it.",
                shows="can be written",
            ),
        ),
        notes=(f"Only when the fence of {request.target.source} has been looked at. Nothing undoes it.",),
    )


def _fence(tree: Tree, request: StepRequest) -> ByHand:
    ref, fenced = request.ref, str(tree.fenced(request.ref.epoch))
    record = Fence(epoch=ref.epoch, key=ref.key, workflow_id=ref.workflow_id).model_dump_json()
    return ByHand(
        look=(
            _epoch(tree, ref.epoch),
            Command(
                line=shell(["ls", "-d", str(tree.path)]),
                why="Does the tree stand in its place?",
                shows=str(tree.path),
                otherwise="It was renamed already; go on with the look after.",
            ),
        ),
        act=(
            Command(line=_write(tree, "fence.json", record), why="Say whose fence it is."),
            Command(
                line=shell(["mv", "-T", str(tree.path), fenced]), why="Whoever opens it by its path finds nothing."
            ),
        ),
        after=(
            Command(line=shell(["ls", "-d", fenced]), why="It has its other name.", shows=fenced),
            Command(
                line=f"find {shell([fenced])} -exec fuser -v {{}} + 2>&1",
                why="Nobody has it open: nothing is shown. Stop whatever is, then look again.",
            ),
        ),
        undo=(
            Command(line=shell(["mv", "-T", fenced, str(tree.path)]), why="Put it back."),
            Command(line=shell(["rm", "-f", str(tree.state / "fence.json")]), why="Forget the fence."),
        ),
        notes=("Undo it only while nothing was promoted at the other site.",),
    )


def _choose(tree: Tree, request: StepRequest) -> ByHand:
    return ByHand(
        look=(
            Command(
                line=f"cat {shlex.quote(str(tree.state / 'sync.json'))}", why="The last whole copy, and as of when."
            ),
            Command(line=shell(["ls", "-l", str(tree.points)]), why="The recovery points. An error: there are none."),
        ),
        notes=(f"Wanted: {request.choice}.",),
    )


def _nothing(tree: Tree, request: StepRequest) -> ByHand:
    return ByHand(
        look=_choose(tree, request).look[:1],
        notes=(
            "There is nothing to do when the source is gone: the last whole copy is what there is. In a planned move "
            "the fenced tree must still be brought over: rsync -a --delete from it into a new folder beside the "
            "tree, then exchange the two by renaming.",
        ),
    )


def _restore(tree: Tree, request: StepRequest) -> ByHand:
    named = request.point.name if request.point else request.choice
    return ByHand(
        look=_choose(tree, request).look,
        notes=(
            f"Wanted: {named}. There are no exact commands: move the tree aside (never delete it), and copy the "
            "point's folder to its place with cp -a.",
        ),
    )


_MAKERS: Mapping[Verb, Callable[[Tree, StepRequest], ByHand]] = {
    Verb.PROMOTE: _promote,
    Verb.FENCE: _fence,
    Verb.CHOOSE_RECOVERY_POINT: _choose,
    Verb.SYNC_DELTA: _nothing,
    Verb.RESTORE: _restore,
}
