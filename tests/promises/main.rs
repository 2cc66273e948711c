//! The promises, kept by the real binary. This list is the table of contents.
#![expect(clippy::expect_used, reason = "a failure ends the test")]

mod a_backup_proves_itself;
mod a_bad_certificate_is_never_shown;
mod a_broken_in_server_reaches_nothing;
mod a_leak_is_found_without_a_key;
mod a_lost_field_password_is_no_end;
mod a_person_signs_in_and_out;
mod a_restore_revives_nothing;
mod a_second_factor_is_asked_for;
mod a_start_that_must_not_happen_does_not;
mod an_altered_file_is_refused;
mod an_operator_at_the_shell;
mod certificates;
mod every_claim_names_its_test;
mod every_format_still_opens;
mod every_row_of_the_contract;
mod faults;
mod floods;
mod gate;
mod guessing_gets_nowhere;
mod keys_turn;
mod killed_at_any_write;
mod nothing_secret_is_printed;
mod owner;
mod power_fails;
mod rotation_under_load;
mod served_while_keys_turn;
mod spent_secrets_leave_the_memory;
mod systemd_starts_watches_and_stops_it;
mod the_audit_log_proves_itself;
mod the_container_holds_what_the_server_needs;
mod the_package_installs_upgrades_and_leaves;
mod the_page_hears_of_changes;
mod tls_is_spoken_and_nothing_less;
mod traffic;

mod what_happens_is_counted;
mod what_is_not_the_contract_gets_its_status;
mod who_asked_is_told;
