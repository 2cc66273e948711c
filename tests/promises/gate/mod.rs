//! The gate in front of two applications on two root domains, behind real proxies: who signed in passes, nobody else does.

mod a_refusal_is_short;
mod an_upstream_is_who_its_certificate_says;
mod bodies_arrive_as_they_were_sent;
mod by_hand;
mod forged_requests_pass_nowhere;
mod gate_check;
mod house;
mod one_sign_in_for_every_application;
mod postern_passes_requests_on_itself;
mod scripts_pass_with_their_keys;
mod the_gate_check_finds_what_gets_through;
mod the_gate_check_says_why_it_cannot;
mod what_an_application_gets_is_worth_nothing_elsewhere;
mod what_breaks_off_is_no_whole;
