"""The tests that guard each promise. Written by tools/guards.py from the claims in the tests."""

from __future__ import annotations

GUARDS: dict[str, tuple[str, ...]] = {
    "AUTHN-1": (
        "tests/core/identity/test_sign_in.py",
    ),
    "AUTHN-2": (
        "tests/core/identity/test_sign_in.py",
    ),
    "AUTHN-3": (
        "tests/core/identity/test_second_factors.py",
        "tests/edges/web/dashboard/test_pages.py",
        "tests/scenarios/test_break_glass.py",
        "tests/scenarios/test_second_factors_chromium.py",
    ),
    "AUTHN-4": (
        "tests/core/identity/test_entry.py",
        "tests/core/identity/test_second_factors.py",
        "tests/scenarios/test_people_chromium.py",
    ),
    "AUTHN-7": (
        "tests/app/checks/test_running.py",
        "tests/scenarios/test_people_chromium.py",
    ),
    "AUTHN-8": (
        "tests/scenarios/test_people_chromium.py",
    ),
    "AUTHN-9": (
        "tests/app/test_doors.py",
        "tests/core/identity/test_lookup.py",
        "tests/scenarios/test_nodes.py",
        "tests/suites/storage/test_roles.py",
    ),
    "AUTHZ-1": (
        "tests/access/test_matrix.py",
        "tests/suites/storage/test_roles.py",
        "tests/access/test_document.py",
        "tests/app/checks/test_running.py",
        "tests/app/platform/test_erase.py",
        "tests/app/platform/test_role_pages.py",
    ),
    "AUTHZ-2": (
        "tests/adapters/storage/postgres/test_wall.py",
        "tests/adapters/storage/test_engine.py",
        "tests/access/test_foreign.py",
        "tests/app/checks/test_walls.py",
        "tests/suites/storage/test_moved_rows.py",
        "tests/adapters/storage/postgres/test_evidence.py",
    ),
    "AUTHZ-3": (
        "tests/core/operators/test_grants.py",
        "tests/app/platform/test_operators.py",
        "tests/app/checks/test_operators.py",
        "tests/adapters/storage/postgres/test_personal.py",
        "tests/app/platform/test_operator_pages.py",
        "tests/scenarios/test_break_glass.py",
    ),
    "AUTHZ-4": (
        "tests/core/operators/test_review.py",
        "tests/app/checks/test_operators.py",
    ),
    "AVAIL-1": (
        "tests/adapters/storage/postgres/test_nodes.py",
        "tests/app/checks/test_availability.py",
        "tests/scenarios/test_nodes.py",
        "tests/adapters/storage/postgres/test_objects.py",
        "tests/adapters/storage/sqlite/test_sweep.py",
        "tests/scenarios/test_database_and_bucket.py",
    ),
    "AVAIL-2": (
        "tests/app/checks/test_public.py",
        "tests/app/public/test_pages.py",
        "tests/core/availability/test_availability.py",
    ),
    "AVAIL-3": (
        "tests/app/checks/test_availability.py",
        "tests/scenarios/test_nodes.py",
    ),
    "AVAIL-5": (
        "tests/app/backups/test_backups.py",
        "tests/adapters/storage/backup/test_sealed.py",
        "tests/adapters/storage/objects/test_shelves.py",
        "tests/core/backup/test_schedule.py",
        "tests/scenarios/test_backup.py",
        "tests/suites/storage/test_backups.py",
    ),
    "AVAIL-6": (
        "tests/app/backups/test_backups.py",
        "tests/scenarios/test_backup.py",
        "tests/suites/storage/test_backups.py",
    ),
    "EMAIL-1": (
        "tests/app/checks/test_records.py",
        "tests/attacks/test_dkim_rotation_gap.py",
        "tests/scenarios/test_clients.py",
    ),
    "EMAIL-2": (
        "tests/app/checks/test_records.py",
        "tests/core/domains/test_inbound_tls.py",
    ),
    "EMAIL-3": (
        "tests/attacks/test_mail_authentication.py",
        "tests/protocol/arc/test_conformance.py",
        "tests/protocol/authentication/test_judge.py",
        "tests/protocol/dkim/test_dkimpy_vectors.py",
        "tests/protocol/dmarc/test_rfc9989.py",
        "tests/protocol/spf/test_conformance.py",
    ),
    "EMAIL-6": (
        "tests/app/checks/test_running.py",
    ),
    "EMAIL-7": (
        "tests/app/checks/test_running.py",
    ),
    "EMAIL-9": (
        "tests/app/test_poison.py",
        "tests/scenarios/test_bad_endpoints.py",
        "tests/scenarios/test_inbound_nothing_lost.py",
        "tests/scenarios/test_receiving.py",
        "tests/suites/storage/test_signing_secrets.py",
    ),
    "INCIDENT-2": (
        "tests/app/checks/test_public.py",
        "tests/app/public/test_pages.py",
        "tests/app/public/test_inside.py",
        "tests/core/disclosure/test_disclosure.py",
    ),
    "INPUT-1": (
        "tests/scenarios/test_every_page.py",
        "tests/edges/web/dashboard/test_pages.py",
        "tests/scenarios/test_dashboard_chromium.py",
        "tests/app/checks/test_running.py",
        "tests/app/public/test_pages.py",
        "tests/attacks/test_smtp_smuggling.py",
    ),
    "INPUT-2": (
        "tests/scenarios/test_receiving.py",
    ),
    "INPUT-3": (
        "tests/policy/test_attachments.py",
        "tests/app/checks/test_running.py",
    ),
    "INPUT-4": (
        "tests/scenarios/test_receiving.py",
    ),
    "KEYS-1": (
        "tests/app/checks/test_installation.py",
        "tests/core/identity/test_lookup.py",
        "tests/scenarios/test_nothing_readable.py",
    ),
    "KEYS-2": (
        "tests/core/identity/test_lookup.py",
        "tests/core/identity/test_succession.py",
        "tests/app/checks/test_running.py",
        "tests/app/platform/test_areas.py",
        "tests/app/test_standing.py",
        "tests/edges/web/test_schema.py",
    ),
    "KEYS-3": (
        "tests/suites/storage/test_leaks.py",
        "tests/app/checks/test_leaks.py",
        "tests/app/platform/test_settings_pages.py",
    ),
    "LOG-1": (
        "tests/core/audit/test_verify_store.py",
        "tests/core/audit/test_verify_export.py",
        "tests/attacks/test_audit_log.py",
        "tests/app/checks/test_installation.py",
        "tests/app/checks/test_running.py",
        "tests/core/audit/test_search.py",
    ),
    "LOG-2": (
        "tests/app/checks/test_running.py",
        "tests/scenarios/test_nothing_readable.py",
    ),
    "LOG-3": (
        "tests/app/platform/test_settings_pages.py",
        "tests/policy/test_reputation.py",
        "tests/suites/storage/test_guard.py",
    ),
    "NET-1": (
        "tests/adapters/storage/postgres/test_wall.py",
        "tests/app/checks/test_running.py",
        "tests/app/checks/test_transport.py",
    ),
    "PEOPLE-1": (
        "tests/app/checks/test_operators.py",
        "tests/app/platform/test_operators.py",
        "tests/core/operators/test_grants.py",
    ),
    "PRIVACY-1": (
        "tests/app/test_retention.py",
        "tests/adapters/storage/sqlite/test_sweep.py",
        "tests/app/platform/test_erase.py",
        "tests/app/checks/test_installation.py",
        "tests/scenarios/test_erasure.py",
        "tests/app/backups/test_backups.py",
    ),
    "PRIVACY-4": (
        "tests/app/checks/test_public.py",
        "tests/app/public/test_inside.py",
        "tests/app/public/test_pages.py",
        "tests/core/registers/test_registers.py",
    ),
    "RATE-1": (
        "tests/suites/storage/test_leaks.py",
        "tests/adapters/host/test_buckets.py",
        "tests/adapters/storage/postgres/test_nodes.py",
        "tests/app/checks/test_running.py",
        "tests/app/test_quotas.py",
        "tests/scenarios/test_nodes.py",
    ),
    "RATE-2": (
        "tests/app/checks/test_running.py",
        "tests/core/identity/test_bursts.py",
        "tests/adapters/host/test_seats.py",
        "tests/app/platform/test_areas.py",
        "tests/app/test_standing.py",
        "tests/policy/test_bursts.py",
    ),
    "REST-1": (
        "tests/app/checks/test_installation.py",
        "tests/adapters/storage/objects/test_objects.py",
        "tests/adapters/storage/postgres/test_ciphertext.py",
        "tests/adapters/storage/postgres/test_sealed.py",
        "tests/adapters/storage/test_engine.py",
        "tests/app/checks/test_running.py",
    ),
    "REST-2": (
        "tests/adapters/vault/test_vault.py",
        "tests/core/workspaces/test_data_keys.py",
        "tests/app/checks/test_installation.py",
    ),
    "SUPPLY-1": (
        "tests/deploy/test_wheel.py",
        "tests/app/checks/test_supply.py",
        "tests/app/test_bill.py",
        "tests/app/test_advisories.py",
    ),
    "SUPPLY-2": (
        "tests/app/checks/test_supply.py",
        "tests/app/test_bill.py",
    ),
    "TRANSIT-1": (
        "tests/app/checks/test_shown.py",
        "tests/app/checks/test_transport.py",
        "tests/scenarios/test_broken_controls.py",
        "tests/scenarios/test_certificates.py",
    ),
    "TRANSIT-2": (
        "tests/attacks/test_smtp_smuggling.py",
        "tests/app/checks/test_transport.py",
    ),
    "TRANSIT-3": (
        "tests/app/checks/test_shown.py",
        "tests/app/checks/test_transport.py",
        "tests/app/test_shown_certificate.py",
        "tests/scenarios/test_certificates.py",
    ),
    "TRANSIT-4": (
        "tests/scenarios/test_receiving.py",
    ),
    "TRANSIT-5": (
        "tests/app/checks/test_running.py",
    ),
    "TRANSIT-6": (
        "tests/adapters/storage/postgres/test_access.py",
        "tests/adapters/storage/objects/test_place.py",
        "tests/app/commands/test_storage.py",
        "tests/app/test_objects.py",
        "tests/scenarios/test_broken_controls.py",
        "tests/scenarios/test_database_and_bucket.py",
    ),
    "TRUST-1": (
        "tests/app/checks/test_public.py",
        "tests/app/public/test_pages.py",
        "tests/scenarios/test_broken_controls.py",
        "tests/scenarios/test_verify.py",
        "tests/app/checks/test_breaking.py",
        "tests/app/checks/test_supply.py",
    ),
}
