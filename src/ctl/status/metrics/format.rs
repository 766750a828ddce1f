//! Writes metrics in Prometheus's text format, version 0.0.4.
//!
//! In: names, labels and values; a label's value may be hostile. Out: text. Nothing keeps a caller
//! from writing a value below the wrong metric.

use std::fmt::{Display, Write};

use crate::sys::clock::Timestamp;

/// The metrics as they are written.
#[derive(Default)]
pub(super) struct Metrics(pub(super) String);

/// A label's name and its value.
pub(super) type Label<'a> = (&'a str, &'a str);

impl Metrics {
    /// Starts a metric: all its values follow this line.
    pub(super) fn gauge(&mut self, metric: &str, help: &str) {
        self.0 += &format!("# HELP {metric} {help}\n# TYPE {metric} gauge\n");
    }

    /// The same, for a metric that only grows until the node is booted.
    pub(super) fn counter(&mut self, metric: &str, help: &str) {
        self.0 += &format!("# HELP {metric} {help}\n# TYPE {metric} counter\n");
    }

    /// A value of the metric that was started last.
    pub(super) fn value(&mut self, metric: &str, labels: &[Label<'_>], value: impl Display) {
        self.0 += metric;
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            self.0 += &format!("{before}{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        // Writing to a string cannot fail.
        writeln!(self.0, " {value}").ok();
    }

    /// A metric with one value; nothing if the value is not known.
    pub(super) fn one(&mut self, metric: &str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.gauge(metric, help);
            self.value(metric, &[], value);
        }
    }

    pub(super) fn time(&mut self, metric: &str, help: &str, time: Option<Timestamp>) {
        self.one(metric, help, time.map(Timestamp::seconds));
    }

    /// A metric that is 1 for the present value of a label, and 0 for each other value.
    pub(super) fn choice(
        &mut self,
        metric: &str,
        help: &str,
        label: &str,
        all: &[&str],
        present: &str,
    ) {
        self.gauge(metric, help);
        for word in all {
            self.value(metric, &[(label, *word)], u8::from(*word == present));
        }
    }
}

/// A label's value: a backslash, a quote and a line feed are escaped.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    text.replace('\n', "\\n")
}
