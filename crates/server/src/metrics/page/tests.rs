use authcore::{Authority, AuthorityOptions, Clock};
use fieldcrypt::SlotSecret;

use super::*;
use crate::backup::Desk;
use crate::gate::Gate;
use crate::gate::application::Applications;
use crate::gate::proxy::Clients;
use crate::http::config::{HttpConfig, RefreshCookieForm, Scheme};
use crate::http::events;
use crate::http::host::HostNames;
use crate::metrics::Metrics;
use std::path::Path;
use std::sync::Arc;

fn app(folder: &Path) -> App {
    let options = AuthorityOptions::new(folder.join("postern.sqlite"));
    let authority = Authority::create(&options, &SlotSecret::password("a field password"));
    App {
        authority: Arc::new(authority.expect("created")),
        config: Arc::new(HttpConfig {
            hosts: HostNames::new(HostNames::LOOPBACK).expect("names"),
            scheme: Scheme::Http,
            refresh_cookie: RefreshCookieForm::ByScheme,
        }),
        doctor: Arc::new(|_| Vec::new()),
        backup: Arc::new(Desk::new(None, folder.to_owned())),
        gate: Arc::new(Gate::default()),
        clients: Clients::of(&Applications::default()).expect("none is read"),
        metrics: Metrics::new(
            WallTime::from_unix_ms(1_800_000_000_500),
            &Applications::default(),
            std::iter::empty(),
        ),
        sockets: events::places(),
    }
}

/// Of a server with two routes.
fn page() -> (Vec<Family>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app(folder.path());
    let http = HttpCounts::new([LOGIN, REFRESH].into_iter().map(str::to_owned), Clock::system());
    let text = text(&app, &http).expect("text");
    (families(&app, &http), text)
}

fn row(family: &Family) -> String {
    let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
    let kind = match family.kind {
        Counter => "counter",
        Gauge => "gauge",
        Histogram => "histogram",
    };
    format!(
        "| `{}` | {kind} | {} | {} |",
        family.name,
        labels.join(", "),
        family.help
    )
}

/// The names that the text declares.
fn declared(text: &str) -> Vec<&str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn the_documentation_lists_every_metric_and_no_other() {
    let (families, text) = page();
    let document = include_str!("../../../../../docs/metrics.md");
    let listed: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = families.iter().map(row).collect();
    assert_eq!(
        listed,
        expected,
        "docs/metrics.md should have:\n{}",
        expected.join("\n")
    );
    let names: Vec<&str> = families.iter().map(|family| family.name).collect();
    assert_eq!(declared(&text), names);
}

/// <https://prometheus.io/docs/practices/naming>
#[test]
fn names_follow_the_conventions() {
    for family in page().0 {
        let name = family.name;
        assert!(
            name.starts_with("postern_") || name.starts_with("process_"),
            "{name}"
        );
        assert_eq!(name.ends_with("_total"), family.kind == Counter, "{name}");
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(name.chars().all(plain) && !family.help.ends_with('.'), "{name}");
        assert!(
            !name.contains("_ms") && !name.contains("milli"),
            "{name}: base units"
        );
    }
}

#[test]
fn the_dashboard_asks_for_nothing_that_there_is_not() {
    let (families, _) = page();
    let dashboard = include_str!("../../../../../deploy/grafana/postern.json");
    let mut asked: Vec<&str> = dashboard
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("postern_") || word.starts_with("process_"))
        .collect();
    asked.sort_unstable();
    asked.dedup();
    assert!(asked.len() > 20, "control: {asked:?}");
    for name in asked {
        let part_of_histogram = |family: &Family| {
            family.kind == Histogram
                && ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|ending| name.strip_suffix(ending) == Some(family.name))
        };
        let there =
            |family: &Family| (family.name == name && family.kind != Histogram) || part_of_histogram(family);
        assert!(families.iter().any(there), "{name} is on no page");
    }
}

#[test]
fn a_label_is_escaped_and_a_histogram_adds_up() {
    let hostile =
        Family::new("postern_x_total", Counter, &["route"], "Hostile").with(["a\"\n\\b"], Value::Whole(1));
    let times = Family::new("postern_y_seconds", Histogram, &[], "Times").with(
        [],
        Value::Histogram(2.5, vec![(0.5, 2), (1.0, 0), (f64::INFINITY, 1)]),
    );
    let text = text_of(vec![hostile, times]).expect("text");
    assert!(
        text.contains("postern_x_total{route=\"a\\\"\\n\\\\b\"} 1\n"),
        "{text}"
    );
    for line in [
        "postern_y_seconds_sum 2.5",
        "postern_y_seconds_count 3",
        "postern_y_seconds_bucket{le=\"0.5\"} 2",
        "postern_y_seconds_bucket{le=\"1\"} 2",
        "postern_y_seconds_bucket{le=\"+Inf\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}
