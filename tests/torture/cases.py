"""Which test shows which case of the battery: by named scenarios (`named.py`), by tests elsewhere, or not, and why.

`python -m tests.torture.table` makes `docs/safety.md` of it. A case without a scenario, a test and a word is an error.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One case of the battery."""

    number: int
    title: str
    tests: tuple[str, ...] = ()
    """Pytest node ids; a path alone stands for all that is in it."""
    said: str = ""
    """What is not shown, and why; needed where there is neither a scenario nor a test."""


_RULES = "tests/workflow/test_rules.py"
_FAILOVER = "tests/workflow/test_failover.py"
_ENDS = "tests/workflow/test_ends.py"
_CRASH = "tests/workflow/test_crash_points.py"
_DNS = "tests/provider/test_dns.py"
_HOME = "tests/integration/test_way_home.py"
_BACK = "tests/workflow/test_failback.py"
_EVIDENCE = "tests/workflow/test_evidence.py"
_LAB = "tests/lab/test_lab_breaks.py"
_AWS = "tests/provider/aws"
_BATTERY, _LOST = f"{_AWS}/test_battery.py", f"{_AWS}/test_lost_answers.py"
_RIGHTS = "tests/arch/test_policies.py"

CASES: tuple[Case, ...] = (
    Case(1, "A partition that heals: no promote while it lasts", (f"{_LAB}::test_a_cut_management_link_hangs_while_users_still_write", f"{_EVIDENCE}::test_a_source_that_comes_back_within_the_hold_off_is_not_failed_over")),
    Case(2, "Only the orchestrator is cut off", (f"{_FAILOVER}::test_a_source_that_only_the_orchestrator_cannot_reach_is_not_failed_over",)),
    Case(3, "The fence cannot be proved", (f"{_FAILOVER}::test_an_unproven_fence_parks_and_never_promotes", f"{_RULES}::test_a_fence_that_is_seen_not_to_hold_is_no_risk_to_accept")),
    Case(4, "An old host or a frozen worker wakes up late", (f"{_CRASH}::test_a_frozen_attempt_that_wakes_up_late_acts_no_more",)),
    Case(5, "A loss beyond the RPO is accepted by its figure", ("tests/workflow/test_data_loss.py",)),
    Case(6, "A replica that says it is well and applies nothing", ("tests/provider/test_postgres_freshness.py",)),
    Case(7, "A standby that promotes itself between steps", ("tests/workflow/test_switchover.py::test_a_standby_that_promotes_itself_between_steps_halts_the_run_with_one_site_fenced",)),
    Case(8, "Weak durability settings are named before a move", (f"{_BACK}::test_a_move_that_would_lose_something_is_refused_with_nothing_changed",)),
    Case(9, "A diverged primary is archived before it is rewound", ("tests/provider/test_postgres_diverged.py", f"{_HOME}::test_rows_that_only_the_old_primary_had_are_archived_and_named")),
    Case(10, "There and back, again and again", ("tests/provider/test_postgres_reprotect.py::test_ten_cycles_there_and_back_are_equal_each_time", "tests/provider/test_files_moves.py::test_ten_moves_there_and_back_leave_both_trees_equal")),
    Case(11, "What serves is never overwritten", ("tests/provider/test_postgres_reprotect.py::test_what_serves_is_never_overwritten", "tests/workflow/test_reprotect.py::test_a_wrong_idea_of_who_is_active_wipes_nothing")),
    Case(12, "Of two epochs at one store the lower one writes nothing", ("tests/provider/test_postgres_points.py::test_no_object_of_a_lower_epoch_lands_behind_a_higher_one",)),
    Case(13, "A death at each crash point", (f"{_CRASH}", "tests/integration/test_worker_death.py")),
    Case(14, "The effect is had, and its reply is lost", (f"{_FAILOVER}::test_a_lost_reply_makes_no_second_effect", f"{_LOST}::test_what_was_asked_for_is_read_back_and_wants_no_token", f"{_AWS}/test_ec2_launch.py::test_a_lost_answer_at_the_second_choice_never_makes_one_at_the_first")),
    Case(15, "Errors after the effect, again and again", ("tests/provider/conformance.py", f"{_AWS}/kit.py::test_with_a_third_of_the_answers_lost_it_happens_once", f"{_LOST}::test_there_and_back_with_a_third_of_the_answers_lost_no_effect_is_had_twice"), "On the simulator of AWS, for each kind there and back, with 30 % of all answers lost: 0 effects had twice, 0 steps said to have failed."),
    Case(16, "Throttled for a while", (f"{_BATTERY}::test_ten_minutes_of_throttling_are_waited_out_and_nothing_is_skipped", f"{_AWS}/test_ec2_hundred.py::test_throttled_it_waits_as_long_as_aws_asks_and_skips_nothing"), "Ten minutes are played in three seconds, all pauses shortened alike: no step is skipped, and at most 70 calls are made of each operation."),
    Case(17, "A retry with other parameters", (f"{_AWS}/test_ec2_launch.py::test_other_parameters_under_one_token_are_a_defect_and_not_tried_again",), "A step's request is made from the frozen runbook and the run's own ledger. Where a token of AWS mismatches all the same, it is told as a defect after one call."),
    Case(18, "Parked until every token has expired", (f"{_RULES}::test_an_unknown_fence_is_read_back_before_it_is_undone", f"{_LOST}::test_what_was_asked_for_is_read_back_and_wants_no_token", f"{_AWS}/test_ec2_launch.py::test_after_days_what_stands_is_found_by_its_tags_and_not_by_its_token"), "Three days are not waited for: a retry reads back first, and sends no call that would need a token."),
    Case(19, "A change of many records fails midway", (f"{_DNS}::test_address_and_epoch_change_together", "tests/lab/test_lab_dns.py::test_an_update_is_applied_wholly_or_not_at_all", f"{_AWS}/test_route53.py::test_before_the_promote_the_first_zone_is_rolled_back", f"{_AWS}/test_route53.py::test_after_the_promote_it_is_finished_forward"), "Route 53: 1,200 names in two zones, of which the second fails; 0 names are left halfway. By DNS update it is one name in one zone."),
    Case(20, "A delayed step of an older run", (f"{_DNS}::test_of_two_runs_at_once_the_higher_epoch_stands", f"{_AWS}/test_route53.py::test_a_batch_of_an_older_reading_is_refused_by_the_service_itself", f"{_AWS}/test_arc.py::test_an_older_run_that_wakes_up_late_is_refused_in_both_directions")),
    Case(21, "Routing is never left empty", (f"{_DNS}::test_an_update_without_an_address_is_never_sent", f"{_DNS}::test_an_undo_never_leaves_the_name_without_an_address", f"{_AWS}/test_route53.py::test_no_record_is_ever_left_without_an_answer", f"{_AWS}/test_arc.py::test_a_safety_rule_is_kept_until_the_runbook_says_otherwise", f"{_AWS}/test_accelerator.py::test_the_dial_of_the_target_is_raised_before_the_other_is_lowered")),
    Case(22, "Two workers believe that a step is theirs", (f"{_CRASH}::test_a_frozen_attempt_that_wakes_up_late_acts_no_more",)),
    Case(23, "A cancel with a call in flight", (f"{_RULES}::test_sixty_cancels_with_a_call_in_flight_leak_nothing_and_none_is_swallowed",)),
    Case(24, "No cancel is swallowed", (f"{_ENDS}::test_a_cancel_during_the_start_is_not_swallowed", f"{_FAILOVER}::test_a_cancel_after_the_pivot_is_refused_and_said_so")),
    Case(25, "A second cancel and a crash during the undo", (f"{_RULES}::test_a_second_cancel_during_the_undo_changes_nothing", f"{_CRASH}::test_a_death_at_any_undo_changes_nothing")),
    Case(26, "An undo that fails for good", (f"{_RULES}::test_an_undo_that_fails_parks_the_others_go_on_and_retry_ends_it",)),
    Case(27, "The undo of what never happened", ("tests/provider/conformance.py", f"{_RULES}::test_an_unknown_fence_is_read_back_before_it_is_undone")),
    Case(28, "Parallel branches are undone in reverse order", (f"{_CRASH}::test_restore_dns_survives_a_death_and_comes_first",)),
    Case(29, "A crash between asking for a promote and having it", ("tests/integration/test_worker_death.py::test_the_worker_dies_between_asking_for_a_promotion_and_having_it",)),
    Case(30, "A failure behind the pivot", (f"{_FAILOVER}::test_a_failure_after_the_pivot_parks_and_retry_goes_on", f"{_FAILOVER}::test_a_parked_step_may_be_given_up_and_the_run_ends_degraded")),
    Case(31, "The deadline passes", (f"{_ENDS}::test_the_deadline_undoes_a_paused_run_and_a_parked_one",)),
    Case(32, "Reset to before the approval", (f"{_ENDS}::test_a_reset_voids_the_approval_and_the_lease_and_a_new_run_takes_over", "tests/workflow/test_application.py::test_a_code_that_another_execution_used_is_refused")),
    Case(33, "Terminated in mid-step", ("tests/workflow/test_application.py::test_a_terminated_run_keeps_its_lease_until_a_person_frees_it", "tests/workflow/test_orphans.py", "tests/integration/test_orphan.py")),
    Case(34, "Several starts at once", ("tests/workflow/test_application.py::test_of_ten_starts_at_once_exactly_one_may_change_the_application",)),
    Case(35, "The same id again", ("tests/workflow/test_switchover.py::test_an_id_is_good_for_one_run",)),
    Case(36, "The server is away over ten slots of a drill's schedule", ("tests/workflow/test_schedules_year.py::test_after_an_outage_over_ten_slots_at_most_one_drill_starts", "tests/workflow/test_schedules_held.py::test_over_a_year_of_slots_no_drill_starts_during_a_real_run")),
    Case(37, "A new version of the workers", ("tests/replay/test_replay.py", "tests/replay/test_builds.py::test_a_run_ends_on_its_build_and_the_next_one_takes_the_new_build")),
    Case(38, "A long wait, thousands of messages, continue-as-new", ("tests/workflow/test_application.py::test_nothing_is_lost_when_the_entity_continues_as_new",), "30 days are not waited for. A run waits on timers and messages, and polls nothing; the entity continues as new."),
    Case(39, "Large inventories", ("tests/unit/test_details.py::test_sixty_steps_fit_and_finished_ones_are_folded", "tests/unit/test_runbook_yaml.py::test_the_limits_themselves_are_allowed"), "A runbook is limited where it is read, far below the size of a payload, so that 5 MB never come."),
    Case(40, "Temporal or its workers are lost in mid-run", ("tests/integration/test_control_death.py",)),
    Case(41, "Temporal is gone for good", ("tests/integration/test_break_glass.py", "tests/workflow/test_break_glass.py")),
    Case(42, "Clocks that are off", (), "The clocks of the sites' machines are ten minutes off in what they report. Temporal's own server has one clock here."),
    Case(43, "An approval in another's name", ("tests/workflow/test_proofs.py", "tests/workflow/test_roles.py", "tests/browser/test_proofs.py", f"{_FAILOVER}::test_the_risk_of_two_writers_is_accepted_only_by_name_and_code"), "Where the runbook says `proofs: []` an approver is who the client says. Where there is no policy, who asks for a run is what the start says."),
    Case(44, "The same person twice, or the requester", ("tests/workflow/test_requests.py::test_an_approval_that_does_not_fit_is_refused_with_a_sentence",)),
    Case(45, "A replayed message of a chat", ("tests/chat/test_chat_trust.py::test_a_thousand_replays_of_an_accepted_request_at_301_seconds", "tests/chat/test_chat_trust.py::test_a_delivery_that_slack_repeats_acts_once", "tests/hooks/test_replays.py::test_captured_requests_are_accepted_0_of_1000_times"), "1,000 of each: 0 accepted. The chat remembers a request in its process: one that is sent again within 300 s, after a restart, can repeat a pause or a retry, and no start and no approval."),
    Case(46, "An approval that is late, or of another plan", ("tests/workflow/test_roles.py::test_who_lost_the_role_while_the_run_waits_cannot_answer_any_more", f"{_FAILOVER}::test_silence_means_what_the_runbook_says", "tests/workflow/test_requests.py::test_an_approval_that_does_not_fit_is_refused_with_a_sentence")),
    Case(47, "10,001 signals", ()),
    Case(48, "Chat and identity provider are down", ("tests/workflow/test_roles.py::test_sealed_codes_start_a_run_when_nobody_can_prove_themselves_otherwise", "tests/chat/test_chat_trouble.py::test_slack_goes_down_in_a_run_which_ends_and_the_thread_catches_up", "tests/hooks/test_oidc.py", "tests/integration/test_command_line.py::test_a_failover_by_command_from_its_start_to_its_report"), "Neither is on the way: the command and the Web UI need only Temporal, and both sealed codes nobody's role."),
    Case(49, "Hostile YAML", ("tests/unit/test_runbook_yaml.py::test_hostile_input_is_refused_fast_and_small",)),
    Case(50, "Text that a shell, SQL or a page could run", ("tests/unit/test_details.py::test_no_value_breaks_the_block", "tests/provider/test_postgres_restore.py::test_a_path_that_a_shell_could_read_is_refused", "tests/unit/test_report_store.py::test_no_name_leads_out_of_the_folder")),
    Case(51, "A health check that would ask a metadata service", ("tests/provider/test_checks.py::test_no_check_asks_a_metadata_service", "tests/provider/test_checks.py::test_redirects_are_not_followed")),
    Case(52, "Secrets in errors", ("tests/integration/test_canaries.py::test_no_secret_is_in_anything_that_is_kept_or_shown", "tests/provider/test_postgres_verbs.py::test_a_wrong_password_is_told_without_it", "tests/unit/test_runbook_file.py::test_what_may_be_a_secret_is_never_repeated"), "20 secrets, three of them wrong in turn: in no history, memo, log, report or output of a command."),
    Case(53, "A drill's role tries to change production", ("tests/provider/test_bubble.py::test_production_is_reached_from_outside_and_not_from_inside", f"{_RIGHTS}::test_a_drill_may_not_change_production", f"{_RIGHTS}::test_nobody_but_clean_up_may_delete", f"{_RIGHTS}::test_clean_up_may_not_delete_what_no_run_made"), "37 changes under the policy of a drill and 27 deletes under those of the other duties, judged by IAM's documented evaluation: 0 allowed. The simulator itself enforces no rights."),
    Case(54, "One byte of evidence is changed", ("tests/unit/test_evidence.py::test_one_changed_byte_is_found_wherever_it_is", "tests/unit/test_evidence.py::test_what_was_removed_added_or_forged_is_found", "tests/unit/test_report_store.py::test_a_damaged_file_is_named_and_hides_no_other"), "Each of 100 changed bytes, wherever it was, and each of 9 kinds of removing, adding and forging is found. That the newest lines were taken is found by the runs that Temporal remembers, for as long as it does."),
    Case(55, "A drill that dies leaves nothing", ("tests/integration/test_drill.py::test_a_worker_and_the_server_that_die_in_a_drill_leave_nothing", "tests/provider/test_bubble.py::test_what_is_not_closed_in_time_is_swept")),
    Case(56, "Clones that call production", ("tests/provider/test_bubble_process.py::test_a_clone_serves_inside_and_calls_nobody_outside",)),
    Case(57, "Wrong ids, blanks, swapped sites", ("tests/workflow/test_requests.py::test_an_unknown_runbook_and_site_are_refused_by_name", "tests/unit/test_runbook_yaml.py::test_blank_values_are_refused", "tests/unit/test_cloud_runbooks.py::test_a_blank_and_an_identifier_of_another_kind_are_refused_when_it_is_read", f"{_BATTERY}::test_what_is_looked_for_in_the_other_region_is_named_and_nothing_is_changed", f"{_AWS}/test_ec2_launch.py::test_a_template_of_another_region_launches_nothing", f"{_AWS}/test_ec2_launch.py::test_a_stop_that_would_touch_more_than_the_runbook_lists_touches_nothing")),
    Case(58, "The standby lacks what it needs", (f"{_BACK}::test_a_failback_that_fails_before_its_pivot_leaves_everything_where_it_was", "tests/workflow/test_preflight.py::test_a_failover_shows_what_its_target_lacks_and_goes_on_with_it", "tests/workflow/test_preflight.py::test_a_planned_move_is_refused_before_anybody_is_asked", f"{_AWS}/test_preflight.py", f"{_AWS}/test_ec2.py::test_given_up_for_want_of_room_all_is_as_it_was", f"{_AWS}/test_ec2_prune.py::test_a_failover_that_is_taken_back_leaves_nothing"), "What is launched only behind the pivot (cold data) and then finds no room parks, and goes on when there is."),
    Case(59, "Nothing of the failed site is needed", (f"{_LAB}::test_a_paused_site_is_silent_and_goes_on_where_it_was", f"{_AWS}/test_rds.py::test_the_region_that_is_gone_is_never_asked"), "The rule *independence* of the checker reads it from every history of an unplanned failover."),
    Case(60, "The application starts before its database", ("tests/unit/test_planning.py", "tests/unit/test_cloud_runbooks.py::test_nothing_serves_before_what_it_stands_on_is_seen_to_serve"), "What is waited for is a check that passes, within its deadline: no step sleeps."),
    Case(61, "A second failover within the hour", (f"{_EVIDENCE}::test_a_second_failover_within_the_hour_wants_two_people", f"{_EVIDENCE}::test_where_nobody_else_may_agree_a_second_failover_is_too_soon")),
    Case(62, "Full load at a cold site", (), "Not shown: users are sent over at once in this release."),
    Case(63, "A parked run says why, what stands and what is safe", ("tests/unit/test_details.py::test_a_parked_run_shows_why_what_stands_and_each_answer", "tests/workflow/test_notices.py::test_what_is_parked_climbs_a_ladder_of_its_own", "tests/workflow/test_notices.py::test_a_dead_channel_is_reported_and_the_quiet_path_is_taken"), "People are told within the second in which it parks, by the channels of the runbook, and others are called until somebody answers; a channel that is dead is tried, then its fallback, within 25 s."),
)  # fmt: skip

NOT_JUDGED: tuple[tuple[str, str], ...] = (
    ("Two vantage points, and a proof newer than 30 s (2)", "A proof is one device or one stopped source, and one probe; the rule demands that proof, of the same run, component and epoch."),
    ("Expiry plus margin as a proof (2)", "There is no lease on a site that could expire; an unproven fence parks."),
    ("Sealed codes (8)", "People of the simulated world prove themselves by one-time passwords and SSH signatures. `tests/workflow/test_proofs.py` tries sealed codes."),
    ("Rights and networks of a drill (9)", "The simulated world has neither. What is judged is the write set; `tests/provider/test_bubble*.py` tests the network of a real bubble, and `tests/arch/test_policies.py` the rights in AWS."),
    ("A chain of hashes over the evidence (10)", "Reports are not chained or signed in this release. What is judged is that nothing unmeasured counts as met, that the clock runs forward, and that the world's secret stands nowhere in a history."),
    ("Milliseconds of two writers", "The simulated world changes in steps; every step is judged. Real writers are watched by `infra/lab/load.py` in the tests over real sites."),
)  # fmt: skip
"""What the invariants demand and a record of the simulated world cannot show."""
