"""Each check of the registry can fail: a test makes it fail, or it stands in a short list with the reason."""

from __future__ import annotations

import ast
import asyncio
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from mailward.app.checks import CHECKS, access, transport
from mailward.app.context import Context
from mailward.app.settings import Http, Settings
from mailward.core.evidence.model import Result

TESTS = Path(__file__).resolve().parents[2]
_RUNNING, _OPEN_DOOR = "app/checks/test_running.py::", "app/checks/test_running.py::test_an_open_door_fails"
_BROKEN = "scenarios/test_broken_controls.py::"
_PUBLIC, _INSTALLED = "app/checks/test_public.py::", "app/checks/test_installation.py::"
_RECEIVING = "app/checks/test_receiving.py::"
_HERE = "app/checks/test_each_can_fail.py::"

FAILED_BY = {
    "access.keys_are_hashes": _INSTALLED + "test_what_lies_in_a_file_is_found",
    "access.no_scope_no_rows": "adapters/storage/postgres/test_evidence.py::test_a_hole_in_the_wall_is_found",
    "access.passwords_are_argon2id": _HERE + "test_rows_that_are_no_hashes_fail",
    "access.sessions_are_hashes": _HERE + "test_rows_that_are_no_hashes_fail",
    "acts.acts_are_in_the_log": "app/checks/test_acts.py::test_an_act_that_leaves_no_entry_is_found",
    "advisories.advisories_have_deadlines": "app/test_advisories.py::test_what_a_scan_finds_has_a_deadline",
    "advisories.no_advisory_is_known": "app/test_advisories.py::test_the_kept_scan_is_judged",
    "advisories.reviews_are_dated": "app/test_advisories.py::test_what_a_scan_finds_has_a_deadline",
    "arriving.limits_of_receiving_have_their_answers": _RECEIVING + "test_a_laxer_mx_than_the_settings_say",
    "availability.commits_are_kept_elsewhere": "app/checks/test_availability.py::test_where_a_commit_is_kept",
    "availability.nodes_share_the_work": "app/checks/test_availability.py::test_leases_of_nobody_are_a_failure",
    "backups.backups_are_whole_and_sealed": _BROKEN + "test_exactly_its_line_turns_red",
    "backups.the_newest_backup_was_restored": _BROKEN + "test_exactly_its_line_turns_red",
    "bounces.reports_are_settled": _RUNNING + "test_reports_that_are_misread_or_change_nothing_fail",
    "content.bodies_are_sealed": _RUNNING + "test_a_body_in_clear_fails",
    "crashing.what_kills_workers_is_parked":
        "app/test_poison.py::test_the_rehearsal_holds_and_notices_what_is_not_parked",
    "delivery.tls_whenever_offered": _RUNNING + "test_a_courier_that_ignores_tls_fails",
    "doors.no_page_without_a_session": _OPEN_DOOR,
    "email.both_signatures_hold": "app/checks/test_records.py::test_a_signature_that_covers_too_little_fails",
    "email.dns_says_so_now": "app/checks/test_records.py::test_a_record_that_went_away_fails",
    "email.what_left_was_signed": "app/checks/test_records.py::test_signing_switched_off_fails",
    "email.unverified_domains_send_nothing": _RUNNING + "test_an_unverified_domain_that_may_send_fails",
    "everywhere.access_ends_at_every_node": _RUNNING + "test_access_that_goes_on_somewhere_is_found",
    "factors.a_second_factor_works_once": "app/checks/test_factors.py::test_a_code_that_works_twice_is_found",
    "factors.operators_have_a_second_factor": _BROKEN + "test_exactly_its_line_turns_red",
    "factors.sessions_end": "app/checks/test_factors.py::test_a_session_that_keeps_its_token_is_found",
    "factors.weak_passwords_are_refused": "app/checks/test_factors.py::test_a_judge_that_takes_everything_is_found",
    "fuzzing.the_schema_is_kept": "app/checks/test_fuzzing.py::test_an_api_that_does_not_keep_its_schema_fails",
    "guarding.attacks_are_noticed":
        "app/checks/test_guarding.py::test_each_rule_that_is_left_out_is_found_out",
    "guarding.alerts_explain_themselves":
        "app/checks/test_guarding.py::test_rules_that_see_nothing_come_back_are_found_out",
    "guarding.guessing_is_bounded": "app/checks/test_guarding.py::test_a_guard_that_counts_nothing_is_found_out",
    "guarding.strange_sign_ins_wait": "app/checks/test_guarding.py::test_a_judge_that_holds_nothing_is_found_out",
    "handing.a_message_becomes_a_signed_request": _RECEIVING + "test_requests_and_answers",
    "handing.every_endpoint_has_its_secret": _BROKEN + "test_exactly_its_line_turns_red",
    "input.hostile_requests_are_refused": _OPEN_DOOR,
    "isolation.another_workspace_finds_nothing": "app/checks/test_records.py::test_a_wall_with_a_hole_fails",
    "judging.mail_is_judged": "app/checks/test_judging.py::test_a_judge_that_passes_everything_is_found_out",
    "judging.verdicts_reach_the_customer": _RECEIVING + "test_a_forged_verdict_that_is_handed_over",
    "keys.every_operation_asks_for_its_permission": _OPEN_DOOR,
    "keys.keys_reach_what_they_should": _OPEN_DOOR,
    "leaks.a_leaked_key_is_acted_on": "app/checks/test_leaks.py::test_a_report_that_does_nothing_fails",
    "leaving.malware_is_not_sent": _RECEIVING + "test_doors_of_submission_that_take_malware",
    "limits.bursts_pause": _RUNNING + "test_a_burst_that_was_not_paused_fails",
    "limits.limits_have_their_answers": _RUNNING + "test_a_limit_that_is_not_what_the_settings_say_fails",
    "limits.requests_are_counted": _OPEN_DOOR,
    "limits.stolen_credentials_send_nothing": _RUNNING + "test_a_limit_that_is_not_what_the_settings_say_fails",
    "log.an_export_proves_itself": _RUNNING + "test_an_export_with_a_fault_fails",
    "log.every_tree_recomputes": _INSTALLED + "test_the_log_recomputes_and_a_dropped_entry_is_found",
    "network.metrics_tell_nothing": _RUNNING + "test_metrics_that_repeat_what_is_said_fail",
    "network.only_documented_ports": _RUNNING + "test_a_port_that_is_not_in_the_settings_fails",
    "network.strict_pages": _OPEN_DOOR,
    "notices.owners_are_told_of_pauses": _RUNNING + "test_a_pause_that_nobody_is_told_of_fails",
    "notices.sign_ins_are_told": _RUNNING + "test_a_sign_in_that_nobody_is_told_of_fails",
    "operators.access_is_reviewed": "app/checks/test_operators.py::test_it_notices_reviews_that_have_no_end",
    "operators.lapses_block": "app/checks/test_operators.py::test_it_notices_a_register_nobody_reads",
    "operators.no_read_without_a_grant": "app/checks/test_operators.py::test_it_notices_a_vault_without_a_guard",
    "outcomes.broadcasts_can_be_left": _OPEN_DOOR,
    "outcomes.hard_bounces_are_remembered": _RUNNING + "test_a_list_that_forgets_fails",
    "pages.cookies_and_forms_are_the_browsers_own": "app/checks/test_pages.py::test_a_lax_cookie_is_found",
    "pages.what_is_shown_is_escaped": "app/checks/test_pages.py::test_pages_that_do_not_escape_are_found",
    "peers.nothing_readable_in_rows": "app/checks/test_peers.py::test_a_recipient_in_a_row_fails",
    "peers.nothing_readable_in_the_bucket": "app/checks/test_peers.py::test_a_readable_recipient_fails",
    "peers.parts_are_verified": "app/checks/test_peers.py::test_unverified_ways_are_tried",
    "peers.the_database_is_reached_as_a_start_would": _BROKEN + "test_a_plain_way_to_the_database",
    "people.forged_identities_are_refused": "app/checks/test_people.py::test_who_lets_any_address_join_is_found_out",
    "privacy.a_day_after_its_term_it_is_gone":
        _INSTALLED + "test_the_rehearsal_passes_and_notices_each_thing_that_stays",
    "privacy.nothing_past_its_term": _INSTALLED + "test_a_message_past_its_term_is_noticed",
    "public.a_newcomer_is_told": _PUBLIC + "test_a_follower_who_is_not_told_is_red",
    "public.outages_spend_the_budget": _PUBLIC + "test_an_outage_that_alerts_nobody_is_red",
    "public.minutes_are_measured": _PUBLIC + "test_probes_that_stopped_are_red",
    "public.registers_are_current": _PUBLIC + "test_an_overdue_review_is_red",
    "public.reports_are_answered": _PUBLIC + "test_a_report_beyond_its_deadline_is_red",
    "public.the_page_is_signed": _PUBLIC + "test_a_schedule_that_stopped_and_another_signer_are_red",
    "rates.every_operation_has_its_rate": "app/checks/test_rates.py::test_rates_that_do_not_bind_are_found",
    "rates.sources_and_domains_are_limited":
        "app/checks/test_rates.py::test_sources_and_domains_without_a_limit_are_found",
    "reach.strangers_lead_us_to_public_addresses_alone":
        "app/checks/test_reach.py::test_each_network_that_is_forgotten_is_found",
    "receiving.hostile_messages_are_read": _RECEIVING + "test_a_reader_without_room",
    "receiving.malware_at_the_door": _RECEIVING + "test_an_mx_that_says_yes_and_keeps_nothing",
    "receiving.octets_are_kept": _RECEIVING + "test_an_mx_that_says_yes_and_keeps_nothing",
    "receiving.scanners_find_what_they_should": _RECEIVING + "test_daemons_are_asked",
    "receiving.tls_facts_are_kept": _RECEIVING + "test_an_mx_without_starttls",
    "redacted.a_mark_is_nowhere_after_delivery": "app/checks/test_redacted.py::test_a_mark_that_stays_is_found",
    "redacted.rules_are_kept": "app/checks/test_redacted.py::test_what_is_overdue_is_noticed",
    "reporting.mailed_reports_are_taken": _RECEIVING + "test_an_intake_that_does_wrong_is_found",
    "roles.commands_reach_their_own_verbs": _RUNNING + "test_people_and_commands_that_reach_too_far_are_found",
    "roles.each_role_gets_what_is_its_own": _RUNNING + "test_people_and_commands_that_reach_too_far_are_found",
    "roles.foreign_ids_are_unknown": _RUNNING + "test_people_and_commands_that_reach_too_far_are_found",
    "shown.certificates_are_in_date": "app/checks/test_shown.py::test_a_certificate_out_of_date_fails",
    "shown.nothing_weak_is_taken": "app/checks/test_shown.py::test_a_suite_with_cbc_is_taken_and_named",
    "storage.key_file": _INSTALLED + "test_a_key_file_others_can_read_fails",
    "storage.nothing_readable": _INSTALLED + "test_what_lies_in_a_file_is_found",
    "supply.native_code_is_listed": "app/checks/test_supply.py::test_native_code_that_is_not_listed_fails",
    "supply.the_bill_names_them": "app/checks/test_supply.py::test_a_bill_with_a_gap_fails",
    "supply.the_checks_can_fail": "app/checks/test_supply.py::test_what_cannot_fail_fails",
    "supply.what_runs_is_what_was_pinned": "app/checks/test_supply.py::test_another_version_than_the_pinned_one_fails",
    "tracking.a_link_leads_where_it_was_signed_to":
        "app/checks/test_tracking.py::test_links_that_anybody_can_make_are_found",
    "tracking.tracking_hosts_serve_nothing_else":
        "app/checks/test_tracking.py::test_a_tracking_host_with_pages_is_found",
    "tracking.without_tracking_a_body_leaves_as_it_came":
        "app/checks/test_tracking.py::test_a_body_that_changes_without_tracking_is_found",
    "transport.nothing_before_tls": "app/checks/test_transport.py::test_a_listener_that_takes_mail_in_the_clear_fails",
    "transport.old_tls_fails": "app/checks/test_transport.py::test_weak_tls_behind_starttls_fails",
    "transport.the_api_needs_tls": _HERE + "test_an_api_in_the_clear_beyond_loopback_fails",
    "transport.the_newest_certificate_is_served":
        "app/checks/test_transport.py::test_a_listener_that_shows_another_certificate_fails",
    "walls.every_table_has_its_wall": _BROKEN + "test_a_wall_that_comes_down_in_postgresql",
}  # fmt: skip

_REHEARSED = "compares within one undone transaction; a platform that is wrong in that way was not built for it yet"
_WHOLE = "drives the doors of a platform; one that is lax in that way was not built for it yet"
WITHOUT = {
    "doors.an_open_session_ends_with_its_credential": _WHOLE,
    "email.records_are_in_dns": "reads counters that the tests of drifting domains move",
    "guarding.the_sixth_try_is_asked": _WHOLE,
    "people.a_removed_person_has_nothing_left": _REHEARSED,
    "people.networks_bind": _REHEARSED,
    "public.security_txt_is_fresh": "reads a page that renews itself at each request",
}


@cache
def _defined(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return frozenset(n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def test_each_check_has_a_test_that_makes_it_fail() -> None:
    """A check without one, and an entry without its check or its test, are found here."""
    names = {f"{c.__module__.rpartition('.')[2]}.{c.__name__}" for checks in CHECKS.values() for c in checks}
    assert sorted(names) == sorted([*FAILED_BY, *WITHOUT])
    gone = [where for where in FAILED_BY.values() if where.split("::")[1] not in _defined(where.split("::")[0])]
    assert gone == []
    assert len(WITHOUT) <= 6, "the list may grow shorter only"


async def test_an_api_in_the_clear_beyond_loopback_fails() -> None:
    """A listener that is not on loopback and answers plain HTTP is found; one that hangs up is right."""

    async def result(answer: bytes) -> Result:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            settings = Settings(http=Http(listen=[f"0.0.0.0:{port}"]))
            return (await transport.the_api_needs_tls(cast(Context, SimpleNamespace(settings=settings)))).result

    assert await result(b"HTTP/1.1 401 Unauthorized\r\n\r\n") is Result.FAILED
    assert await result(b"") is Result.PASSED


def _stored(rows: list[Any]) -> Context:
    """A context whose store answers with these rows."""

    async def read(_: object) -> list[Any]:
        return rows

    return cast(Context, SimpleNamespace(store=SimpleNamespace(system_read=read)))


async def test_rows_that_are_no_hashes_fail() -> None:
    """A password under bcrypt or weak parameters, and a session that is no hash."""
    good = "$argon2id$v=19$m=65536,t=3,p=1$" + "c" * 22 + "$" + "h" * 43
    assert (await access.passwords_are_argon2id(_stored([good]))).result is Result.PASSED
    weak, other = good.replace("m=65536", "m=1024"), good.replace("argon2id", "argon2i")
    for wrong in ("$2b$12$abcdefghijklmnopqrstuv", weak, other):
        assert (await access.passwords_are_argon2id(_stored([good, wrong]))).result is Result.FAILED
    assert (await access.sessions_are_hashes(_stored([bytes(32)]))).result is Result.PASSED
    assert (await access.sessions_are_hashes(_stored([bytes(32), b"mws_token"]))).result is Result.FAILED
