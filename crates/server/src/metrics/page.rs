//! Every metric, in the order of the page: name, kind, labels, what it says. docs/metrics.md is held against this by a test.

mod family;
mod process;

use authcore::WallTime;
use fieldcrypt::{KeyPurpose, KeyState};

use self::family::Kind::{Counter, Gauge, Histogram};
use self::family::{Family, Value, text_of};
use super::Count;
use super::http::{BUCKETS, CLASSES, HttpCounts};
use crate::app::App;
use crate::http::events::SOCKETS_MAX;

/// The routes by which people sign in and stay signed in.
const LOGIN: &str = "/api/v1/auth/login";
const SIGNIN: &str = "/api/v1/auth/signin";
const REFRESH: &str = "/api/v1/auth/refresh";

/// The page, in the text format of Prometheus, version 0.0.4. Reads the state of a rotation from disk.
///
/// # Errors
/// When the text cannot be made.
pub(crate) fn text(app: &App, http: &HttpCounts) -> Result<String, std::fmt::Error> {
    text_of(families(app, http))
}

/// What is read once for the page.
fn families(app: &App, http: &HttpCounts) -> Vec<Family> {
    let mut all = of_the_server(app, http);
    all.extend(of_sign_in(app, http));
    all.extend(of_the_store(app));
    all.extend(of_what_runs_by_itself(app));
    all.extend(process::families(app.metrics.started));
    all
}

fn of_the_server(app: &App, http: &HttpCounts) -> Vec<Family> {
    let metrics = &app.metrics;
    let sockets = SOCKETS_MAX.saturating_sub(app.sockets.available_permits());
    let mut requests = Family::new(
        "postern_http_requests_total",
        Counter,
        &["route", "class"],
        "Requests answered, by route (empty: none) and class of status",
    );
    let mut durations = Family::new(
        "postern_http_request_duration_seconds",
        Histogram,
        &["route"],
        "How long answers took, by route, without the body",
    );
    for (route, counts) in http.in_order() {
        for (class, count) in CLASSES.into_iter().zip(&counts.classes) {
            requests.put([route, class], Value::count(count));
        }
        let buckets = BUCKETS.into_iter().zip(counts.buckets.iter().map(Count::read));
        durations.put([route], Value::Histogram(counts.seconds(), buckets.collect()));
    }
    let mut verifications = Family::new(
        "postern_verifications_total",
        Counter,
        &["result"],
        "Access tokens and access keys that requests brought: good, refused",
    );
    verifications.put(["good"], Value::count(&metrics.verified));
    verifications.put(["refused"], Value::count(&metrics.refused));
    let mut gate = Family::new(
        "postern_gate_decisions_total",
        Counter,
        &["application", "answer"],
        "Answers of the gate, by application (empty: none has that host): allow, challenge, forbid",
    );
    for (application, counts) in metrics.gate() {
        gate.put([application, "allow"], Value::count(&counts.allow));
        gate.put([application, "challenge"], Value::count(&counts.challenge));
        gate.put([application, "forbid"], Value::count(&counts.forbid));
    }
    vec![
        Family::new(
            "postern_build_info",
            Gauge,
            &["version"],
            "1, with the version that runs",
        )
        .with([env!("CARGO_PKG_VERSION")], Value::Whole(1)),
        Family::new("postern_ready", Gauge, &[], "1 while changes can be committed")
            .with([], Value::Whole(u64::from(app.authority.is_ready()))),
        requests,
        durations,
        Family::new("postern_connections", Gauge, &[], "Open connections")
            .with([], Value::size(metrics.open_connections())),
        Family::new("postern_websockets", Gauge, &[], "Open web sockets of the page")
            .with([], Value::size(sockets)),
        verifications,
        gate,
    ]
}

fn of_sign_in(app: &App, http: &HttpCounts) -> Vec<Family> {
    let mut sign_ins = Family::new(
        "postern_sign_ins_total",
        Counter,
        &["way", "result"],
        "Tries to sign in, by password or link: signed_in, refused, turned_away, failed",
    );
    for (way, route) in [("password", LOGIN), ("link", SIGNIN)] {
        for (result, count) in results(http, route, "signed_in") {
            sign_ins.put([way, result], Value::Whole(count));
        }
    }
    let mut refreshes = Family::new(
        "postern_refreshes_total",
        Counter,
        &["result"],
        "Refreshes of a session: refreshed, refused, turned_away, failed",
    );
    for (result, count) in results(http, REFRESH, "refreshed") {
        refreshes.put([result], Value::Whole(count));
    }
    let figures = app.authority.figures();
    let throttle = app.authority.passwords().throttle_status();
    vec![
        sign_ins,
        refreshes,
        Family::new("postern_sessions", Gauge, &[], "Sessions").with([], Value::size(figures.sessions)),
        Family::new("postern_access_keys", Gauge, &[], "Access keys")
            .with([], Value::size(figures.access_keys)),
        Family::new(
            "postern_throttle_wrong_in_a_row",
            Gauge,
            &[],
            "Wrong passwords in a row",
        )
        .with([], Value::Whole(u64::from(throttle.in_a_row))),
        Family::new(
            "postern_throttle_slowed",
            Gauge,
            &[],
            "1 while strangers must wait before they may try a password",
        )
        .with([], Value::Whole(u64::from(throttle.strangers_until.is_some()))),
        Family::new(
            "postern_throttle_sources",
            Gauge,
            &[],
            "Addresses and networks that must wait",
        )
        .with([], Value::size(throttle.sources.len())),
        Family::new("postern_password_checks_total", Counter, &[], "Passwords checked")
            .with([], Value::Whole(figures.checks)),
        Family::new(
            "postern_password_check_seconds_total",
            Counter,
            &[],
            "How long checks of passwords took, the wait for a place included",
        )
        .with([], Value::Real(figures.check_time.as_secs_f64())),
        Family::new(
            "postern_password_checks_waiting",
            Gauge,
            &[],
            "Passwords being checked or waiting for it",
        )
        .with([], Value::size(figures.checks_waiting)),
        Family::new(
            "postern_password_turned_away_total",
            Counter,
            &["reason"],
            "Tries turned away before a check: busy, slowed",
        )
        .with(["busy"], Value::Whole(figures.turned_away_busy))
        .with(["slowed"], Value::Whole(figures.turned_away_slowed)),
    ]
}

/// What became of the requests of a route that takes a credential.
fn results(http: &HttpCounts, route: &str, good: &'static str) -> [(&'static str, u64); 4] {
    let class = |place: usize| {
        http.route(route)
            .and_then(|counts| counts.classes.get(place))
            .map_or(0, Count::read)
    };
    let (refused, away) = http.route(route).map_or((0, 0), |counts| {
        (counts.unauthorized.read(), counts.too_many.read())
    });
    let failed = class(4) + class(3).saturating_sub(refused + away);
    [
        (good, class(1)),
        ("refused", refused),
        ("turned_away", away),
        ("failed", failed),
    ]
}

fn of_the_store(app: &App) -> Vec<Family> {
    let figures = app.authority.figures();
    let mut uses = Family::new(
        "postern_data_key_uses",
        Gauge,
        &["key"],
        "Fields sealed with a data key that is not destroyed; at 2^31 a rotation is due",
    );
    for key in app.authority.sealing_keys() {
        if key.purpose == KeyPurpose::Data && key.state != KeyState::Destroyed {
            uses.put([&key.number.to_string()], Value::Whole(key.fields_sealed));
        }
    }
    // One that does not read is none to show; doctor says why.
    let rotation = app.authority.rotations().status().ok().flatten();
    let rotation = rotation.map(|status| status.rotation);
    let (total, done) = rotation
        .as_ref()
        .map_or((0, 0), |it| (it.rows_total, it.rows_done));
    vec![
        Family::new(
            "postern_store_commits_total",
            Counter,
            &[],
            "Transactions committed",
        )
        .with([], Value::Whole(figures.commits)),
        Family::new(
            "postern_store_commit_seconds_total",
            Counter,
            &[],
            "How long commits took",
        )
        .with([], Value::Real(figures.commit_time.as_secs_f64())),
        Family::new(
            "postern_store_failures_total",
            Counter,
            &[],
            "Changes that the disk or the file did not take",
        )
        .with([], Value::Whole(figures.store_failures)),
        Family::new(
            "postern_store_last_failure_timestamp_seconds",
            Gauge,
            &[],
            "When the last one was not taken",
        )
        .at(figures.last_store_failure),
        uses,
        Family::new(
            "postern_rotation_running",
            Gauge,
            &[],
            "1 while fields are sealed anew with a new data key",
        )
        .with([], Value::Whole(u64::from(rotation.is_some()))),
        Family::new(
            "postern_rotation_rows",
            Gauge,
            &[],
            "Rows there were when that began",
        )
        .with([], Value::Whole(total)),
        Family::new("postern_rotation_rows_done", Gauge, &[], "Rows it has looked at")
            .with([], Value::Whole(done)),
    ]
}

fn of_what_runs_by_itself(app: &App) -> Vec<Family> {
    let metrics = &app.metrics;
    let mut events = Family::new(
        "postern_audit_events_total",
        Counter,
        &["kind"],
        "Events of the audit log since the start, by whatever process",
    );
    for (kind, count) in metrics.events() {
        events.put([kind], Value::Whole(count));
    }
    let mut hooks = Family::new(
        "postern_hook_events_total",
        Counter,
        &["hook", "result"],
        "Events for hooks: delivered, failed, dropped",
    );
    for (hook, counts) in metrics.hooks() {
        hooks.put([hook, "delivered"], Value::count(&counts.delivered));
        hooks.put([hook, "failed"], Value::count(&counts.failed));
        hooks.put([hook, "dropped"], Value::count(&counts.dropped));
    }
    vec![
        Family::new(
            "postern_backups_total",
            Counter,
            &["result"],
            "Backups of this process: made, failed",
        )
        .with(["made"], Value::count(&metrics.backups.made))
        .with(["failed"], Value::count(&metrics.backups.failed)),
        Family::new(
            "postern_backup_last_success_timestamp_seconds",
            Gauge,
            &[],
            "When the newest backup was made",
        )
        .at(metrics.backups.last.read()),
        Family::new(
            "postern_certificate_expiry_timestamp_seconds",
            Gauge,
            &[],
            "When the certificate ends that connections are shown",
        )
        .at(metrics.certificate_ends.read()),
        events,
        hooks,
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 are below 2^53 for ages"
)]
fn unix_seconds(time: WallTime) -> f64 {
    time.unix_ms() as f64 / 1000.0
}

#[cfg(test)]
mod tests;
