"""Which stories of the battery are shown on real processes: a name, the story in one line, the battery's cases, and the
test (a pytest node id) or the command that shows it."""

from typing import NamedTuple


class Case(NamedTuple):
    """One row of the generated table."""

    name: str
    story: str
    cases: tuple[int, ...]
    where: str


_INTEGRATION = "tests/integration"

CASES = (
    Case(
        "worker killed before any step",
        "The site's worker is killed with a step in its hands and its call not begun, at each step of a failover.",
        (13, 29),
        f"{_INTEGRATION}/test_worker_death.py::test_the_worker_dies_before_the_call_of_one_step_after_the_other",
    ),
    Case(
        "worker killed after the effect",
        "Fence, promote and flip land; their answers are lost with the worker that gave them.",
        (13, 14, 15),
        f"{_INTEGRATION}/test_worker_death.py::test_the_worker_dies_after_every_effect_and_before_its_answer",
    ),
    Case(
        "promotion asked for by a dead worker",
        "The promotion is pending when its worker dies, and happens with nobody watching.",
        (29,),
        f"{_INTEGRATION}/test_worker_death.py::test_the_worker_dies_between_asking_for_a_promotion_and_having_it",
    ),
    Case(
        "frozen worker, same step",
        "A worker is frozen for a minute with a step in its hands; another one does the step; the first wakes up.",
        (4, 22),
        f"{_INTEGRATION}/test_frozen_worker.py::test_it_wakes_up_after_another_worker_did_its_step",
    ),
    Case(
        "frozen worker, older epoch",
        "A worker wakes up with a promotion of epoch 1 after later runs moved the application home.",
        (5, 20, 22),
        f"{_INTEGRATION}/test_frozen_worker.py::test_it_wakes_up_after_the_application_went_home",
    ),
    Case(
        "Temporal killed",
        "kill -9 of the server at the gate and while a step runs.",
        (40,),
        f"{_INTEGRATION}/test_control_death.py::test_the_temporal_server_dies_at_the_gate_and_while_a_step_runs",
    ),
    Case(
        "everything that conducts killed",
        "Server, control worker and the site's worker die in the same moment.",
        (13, 40),
        f"{_INTEGRATION}/test_control_death.py::test_everything_that_conducts_dies_at_once",
    ),
    Case(
        "the orchestrator's region lost",
        "Server and control worker are gone for good; the run goes on from a copy of the server's file elsewhere.",
        (40,),
        f"{_INTEGRATION}/test_region_lost.py::test_the_run_goes_on_elsewhere",
    ),
    Case(
        "release in mid-run",
        "A changed workflow is deployed while a run is open: the run ends on its build, the next takes the new one.",
        (37,),
        f"{_INTEGRATION}/test_deploy.py::test_a_failover_ends_on_the_build_on_which_it_began",
    ),
    Case(
        "release without pinning",
        "The same release in place: a non-determinism error, nothing lost, the old version continues.",
        (37,),
        "tests/replay/test_builds.py::test_without_a_deployment_the_same_release_jams_a_run_in_flight",
    ),
    Case(
        "commands changed unseen",
        "A workflow commands something else than when its histories were recorded.",
        (37,),
        "tests/replay/test_fingerprints.py::test_every_workflow_commands_what_it_commanded",
    ),
    Case(
        "a reprotect that nobody wants, and a mended machine",
        "Found: a cancelled reprotect left the old site switched on; who then mended its database had a second writer. "
        "Now the site is held off again.",
        (3, 11),
        "tests/workflow/test_reprotect.py::test_a_rejected_reprotect_has_overwritten_nothing",
    ),
    Case(
        "a failover taken back, and a site that was off",
        "Found: a fence that was undone left a site held off that had lost its power before the run; nobody could "
        "switch it on again. Now the hold ends with the run.",
        (26, 27),
        "tests/provider/test_power.py::TestPower::test_a_host_that_was_off_is_left_off",
    ),
    Case(
        "a rejection as the page is written",
        "Found: behind a task without commands, Temporal's SDK hands a run in one task what its replay gets in two; "
        "the commands came in another order, and the run was stuck. Now what runs beside the steps ends in one order.",
        (37, 40),
        "tests/replay/test_replay.py::test_a_recorded_run_takes_the_same_way_today",
    ),
    Case(
        "10,001 junk signals",
        "The server takes no more signals for the run; the approval is an update, and lands.",
        (47,),
        f"{_INTEGRATION}/test_flood.py::test_junk_signals_do_not_keep_an_approval_out",
    ),
    Case(
        "approvals by strangers",
        "2,100 refused approvals do not count towards the 2,000 updates that a run may take.",
        (47,),
        f"{_INTEGRATION}/test_flood.py::test_approvals_by_strangers_do_not_use_a_run_up",
    ),
    Case(
        "pause and resume for ever",
        "Found: 2,000 of them used a run up, and its approval was refused for good. Now they are refused first.",
        (47,),
        f"{_INTEGRATION}/test_flood.py::test_answers_that_undo_each_other_do_not_use_a_run_up",
    ),
    Case(
        "3,000 messages to an application",
        "The entity goes on as a new run; no message and no lease is lost.",
        (38,),
        f"{_INTEGRATION}/test_flood.py::test_an_application_takes_3000_messages_and_keeps_its_lease",
    ),
    Case(
        "a region of AWS lost",
        "Every endpoint of a simulated region is cut off, and the failover out of it asks for no change there.",
        (59,),
        f"{_INTEGRATION}/test_aws_region_gone.py::test_a_failover_calls_nothing_in_the_region_that_is_lost",
    ),
    Case(
        "torture over the lab",
        "Seeded kills, freezes, cuts, full disks, cancels and terminations on two real sites under load.",
        (3, 10, 13, 22, 23, 24, 25, 33, 40),
        "python -m tests.torture.lab --seeds 50",
    ),
)
