"""Known mistakes of servers between agents and models, and the tests that show that they are not made here."""

from __future__ import annotations

MISTAKES: dict[str, list[str]] = {
    "futures of whatever loop there is": [
        "interception/test_security::test_no_loop_is_guessed",
    ],
    "state changed by several threads unguarded": [
        "interception/test_security::test_many_threads_at_one_gate",
    ],
    "finished calls kept for ever": [
        "engine/test_memory::test_nothing_of_an_attempt_stays",
        "interception/test_session::test_memory_is_bounded",
    ],
    "calls leaked when a client drops or retries": [
        "interception/test_endings::test_every_call_ends_exactly_once",
        "interception/test_server::test_a_client_that_disconnects_cancels_its_answer",
        "interception/test_server::test_a_lost_connection_and_a_retry_are_one_call",
    ],
    "an error when closing races the wait for a call": [
        "interception/test_security::test_closing_races_the_wait_for_a_call",
        "engine/test_session::test_a_session_ends_with_its_rollout",
    ],
    "a queue bound to the wrong event loop": [
        "interception/test_gate::test_a_trainer_on_its_own_thread",
        "interception/test_gate::test_answers_come_from_anywhere",
    ],
    "a full queue that drops silently": [
        "interception/test_gate::test_the_gate_is_bounded",
    ],
    "a blank secret accepted": [
        "interception/test_security::test_blank_keys_open_nothing",
        "interception/test_provider::test_keys_that_cannot_be_sent",
    ],
    "an unstarted server accepted": [
        "interception/test_server::test_a_server_that_is_not_started",
        "interception/test_endpoint::test_an_endpoint_that_stops_tells_its_agents",
    ],
    "a gate that the agent goes around": [
        "interception/test_security::test_agents_know_of_no_other_address",
    ],
    "keys in arguments of processes": [
        "engine/test_seeded_secrets::test_no_secret_is_in_what_a_run_leaves",
    ],
    "listening on every interface": [
        "interception/test_security::test_it_listens_on_loopback_alone",
        "interception/test_server::test_every_interface_has_to_be_asked_for",
    ],
    "texts of errors that hold keys, sent to the sandbox": [
        "interception/test_secrets::test_what_a_model_says_stays_here",
        "interception/test_passage::test_the_owner_s_key_is_not_quoted",
    ],
    "no time-out meaning for ever": [
        "interception/test_endpoint::test_an_answer_has_its_time",
    ],
    "a mode that yields nothing without a word": [
        "engine/test_models::test_a_black_box_is_no_training_data",
    ],
    "one rollout reading, answering or starving another": [
        "interception/test_security::test_a_key_is_of_no_use_elsewhere",
        "interception/test_endpoint::test_no_rollout_reaches_another",
        "interception/test_limits::test_a_route_has_its_pace",
        "interception/test_limits::test_strangers_have_one_pace_together",
        "interception/test_server::test_a_slow_reader_holds_up_nobody",
        "fuzz/test_bodies::test_any_body_gets_a_well_formed_answer",
    ],
    "what controls a rollout within the agent's reach": [
        "interception/test_security::test_there_is_nothing_to_control",
        "specs/test_tool_rules::test_verbs_of_control_are_reserved",
    ],
    "the real address in the agent's configuration": [
        "interception/test_security::test_agents_know_of_no_other_address",
    ],
    "an exit or a health check anybody can use": [
        "interception/test_security::test_health_says_and_changes_nothing",
    ],
    "the gate's secret in the agent's command line": [
        "engine/test_seeded_secrets::test_no_secret_is_in_what_a_run_leaves",
    ],
    "a registration left behind when the start fails": [
        "interception/test_security::test_a_start_that_fails_leaves_no_key",
    ],
    "a setting that does nothing": ["interception/test_security::test_no_setting_does_nothing"],
    "names so short that two rollouts share one": [
        "interception/test_routes::test_keys_are_long_and_different",
        "interception/test_routes::test_calls_say_whose_they_are",
    ],
    "no more rollouts at once than a pool has threads": ["engine/test_session::test_any_number_of_sessions"],
    "a key whose refusal takes longer the more of it is right": [
        "interception/test_security::test_keys_are_compared_in_constant_time",
    ],
    "a thread for each rollout that waits": [
        "interception/test_security::test_waiting_rollouts_cost_no_threads",
        "interception/test_security::test_who_waits_is_woken_by_its_own_calls_alone",
    ],
    "streams without indexes, usage or reasoning; futures cancelled from foreign threads": [
        "interception/test_replies::test_every_dialect_can_be_read",
        "interception/test_gate::test_answering_after_the_loop_is_over",
    ],
}
"""What must not happen, and where it is tested."""
