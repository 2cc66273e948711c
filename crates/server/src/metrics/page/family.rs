//! A metric with its values, and its text form, which the library writes.

use std::fmt;

use authcore::WallTime;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::Count;
use super::unix_seconds;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    const fn of_the_library(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
        }
    }
}

/// One value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Whole(u64),
    Real(f64),
    /// The sum, and how many lie in each bucket, by its upper end.
    Histogram(f64, Vec<(f64, u64)>),
}

impl Value {
    pub(super) fn count(count: &Count) -> Self {
        Self::Whole(count.read())
    }

    pub(super) fn size(size: usize) -> Self {
        Self::Whole(u64::try_from(size).unwrap_or(u64::MAX))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float in the text form too"
    )]
    fn as_f64(&self) -> f64 {
        match self {
            Self::Whole(value) => *value as f64,
            Self::Real(value) | Self::Histogram(value, _) => *value,
        }
    }
}

/// A metric and its values; one that has none is on the page with its name and what it says.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
    values: Vec<(Vec<(&'static str, String)>, Value)>,
}

impl Family {
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            labels,
            help,
            values: Vec::new(),
        }
    }

    /// A value, with a text for each of the labels.
    pub(super) fn put<const N: usize>(&mut self, labels: [&str; N], value: Value) {
        debug_assert_eq!(N, self.labels.len(), "{}", self.name);
        let labels = self.labels.iter().copied().zip(labels.map(str::to_owned));
        self.values.push((labels.collect(), value));
    }

    pub(super) fn with<const N: usize>(mut self, labels: [&str; N], value: Value) -> Self {
        self.put(labels, value);
        self
    }

    /// A time in seconds since 1970, where there is one.
    pub(super) fn at(self, time: Option<WallTime>) -> Self {
        match time {
            Some(time) => self.with([], Value::Real(unix_seconds(time))),
            None => self,
        }
    }
}

/// The families, for the library's encoder.
#[derive(Debug)]
struct Page(Vec<Family>);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            // The library puts the ending of a counter's name itself.
            let name = match family.kind {
                Kind::Counter => family.name.strip_suffix("_total").unwrap_or(family.name),
                Kind::Gauge | Kind::Histogram => family.name,
            };
            let help = format!("{}.", family.help);
            let mut metric = encoder.encode_descriptor(name, &help, None, family.kind.of_the_library())?;
            for (labels, value) in &family.values {
                if labels.is_empty() {
                    put(&mut metric, family.kind, value)?;
                } else {
                    put(&mut metric.encode_family(labels)?, family.kind, value)?;
                }
            }
        }
        Ok(())
    }
}

fn put(metric: &mut MetricEncoder<'_>, kind: Kind, value: &Value) -> fmt::Result {
    match (kind, value) {
        (_, Value::Histogram(sum, buckets)) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            metric.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
        (Kind::Counter, Value::Whole(value)) => metric.encode_counter::<NoLabelSet, u64, u64>(value, None),
        (Kind::Counter, Value::Real(value)) => metric.encode_counter::<NoLabelSet, f64, f64>(value, None),
        (Kind::Gauge | Kind::Histogram, Value::Whole(_) | Value::Real(_)) => {
            metric.encode_gauge(&value.as_f64())
        }
    }
}

/// The text form.
pub(super) fn text_of(families: Vec<Family>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(families)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}
