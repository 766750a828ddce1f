//! Formats the answers of `embargo check`.
//!
//! In: the containers and images that were found, and the verdicts on them. Names, reasons and
//! paths in them are hostile. Out: a few lines of text, or one JSON object with stable fields. Text
//! is escaped line by line; JSON does its own escaping.

use serde::Serialize;

use crate::banlist::store::Bans;
use crate::container::engine::Engine;
use crate::lineage::digest::{ChainId, DiffId};
use crate::lineage::image::SourceLabels;
use crate::lineage::{Evidence, ImageFacts, Origin};
use crate::node::judged::Judged;
use crate::node::subject::{Kind, Subject};
use crate::report::Exit;
use crate::report::line::{causes, name, one_line};
use crate::settings::Settings;
use crate::sys::clock::Timestamp;
use crate::verdict::break_glass::BreakGlass;
use crate::verdict::leniency::{self, Leniency};
use crate::verdict::listed::{BanFound, List};
use crate::verdict::{self, Judgement, Verdict};

/// Whether a container or an image is banned. The worst outcome is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// It is not banned.
    Clear,
    /// No container or image with this name was found.
    NotFound,
    /// Whether it is banned is not known.
    Unknown,
    /// A ban in effect matches it.
    Banned,
}

impl CheckOutcome {
    /// The outcome of a verdict. Something that only starts because of audit mode, break-glass or a
    /// lenient setting is not clear.
    #[must_use]
    pub fn of(subject: &Subject, bans: &Bans, judgement: &Judgement) -> Self {
        if judgement
            .findings
            .iter()
            .any(|finding| finding.standing.is_in_effect())
        {
            return Self::Banned;
        }
        let doubtful = match (&subject.origin, bans) {
            (Ok(origin), Bans::Known(_)) if verdict::pull_doubt(Some(origin), bans).is_some() => {
                true
            }
            (Err(_), Bans::Known(_) | Bans::Missing(_)) | (Ok(_), Bans::Missing(_)) => true,
            (Ok(Origin::Image(image)), Bans::Known(_)) => image.evidence == Evidence::Claimed,
            (Ok(Origin::NoLayers(_) | Origin::NoImage), Bans::Known(_)) => false,
        };
        match &judgement.verdict {
            Verdict::Refuse(_) => Self::Unknown,
            Verdict::Admit(_) if doubtful || judgement.withheld.is_some() => Self::Unknown,
            Verdict::Admit(_) => Self::Clear,
        }
    }

    /// The exit status for this outcome.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::Clear => Exit::Clear,
            Self::Unknown => Exit::CouldNotTell,
            Self::NotFound => Exit::NotFound,
            Self::Banned => Exit::Banned,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Unknown => "unknown",
            Self::NotFound => "not found",
            Self::Banned => "BANNED",
        }
    }
}

/// The answer to one question.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// The name that was asked about.
    pub asked: String,
    /// The worst outcome of everything that was found.
    pub outcome: CheckOutcome,
    /// Whether this node is armed: it has settings, so the gate may refuse something.
    pub armed: bool,
    /// The list that was used. `None` if there is no authentic list.
    pub list: Option<List>,
    /// Why there is no list, or why the list in force was skipped and its second copy used.
    pub list_fault: Option<String>,
    /// The containers and images with this name.
    pub found: Vec<FoundSubject>,
    /// What could not be read, one line each.
    pub faults: Vec<String>,
    /// What lets banned containers start on this node, or was meant to and does not. The text
    /// output shows these lines.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// Notes on what lets banned containers start on this node, and on a break-glass file that has no
/// effect. Audit mode and an open break-glass are only noted if they change a verdict.
pub fn notes<'a>(
    judgements: impl Iterator<Item = &'a Judgement>,
    settings: Option<&Settings>,
    glass: Option<&BreakGlass>,
    now: Timestamp,
) -> Vec<String> {
    let withheld = judgements
        .filter(|judgement| judgement.withheld.is_some())
        .count()
        > 0;
    let makes_a_difference = |leniency: &Leniency<'_>| match leniency {
        Leniency::NotArmed | Leniency::Shut(_) => true,
        Leniency::Open(_) | Leniency::Audit => withheld,
    };
    leniency::all(settings, glass, now)
        .iter()
        .filter(|leniency| makes_a_difference(leniency))
        .map(ToString::to_string)
        .collect()
}

/// One container or image, with the verdict on it.
#[derive(Debug, Serialize)]
pub struct FoundSubject {
    kind: &'static str,
    engine: Engine,
    place: String,
    id: Option<String>,
    names: Vec<String>,
    asked_for: Option<String>,
    running: Option<bool>,
    /// Whether the container or image is banned.
    pub outcome: CheckOutcome,
    /// Whether the gate would let it start.
    starts: bool,
    made_of: Option<MadeOf>,
    fault: Option<String>,
    bans: Vec<BanFound>,
    messages: Vec<String>,
}

/// The digests and labels of an image.
#[derive(Debug, Serialize)]
struct MadeOf {
    name: Option<String>,
    image_id: Option<String>,
    manifests: Vec<String>,
    layers: Vec<LayerAnswer>,
    evidence: Option<&'static str>,
    source: Option<String>,
    revision: Option<String>,
}

/// One layer.
#[derive(Debug, Serialize)]
struct LayerAnswer {
    /// `None` if the engine kept only chain IDs.
    diff_id: Option<String>,
    chain_id: String,
}

impl FoundSubject {
    /// Describes the verdict on one container or image. Without `settings` the node is not armed.
    #[must_use]
    pub fn new(subject: &Subject, judged: &Judged, settings: Option<&Settings>) -> Self {
        let Judged {
            bans,
            judgement,
            labels,
        } = judged;
        let origin = subject.origin.as_ref().ok();
        let (kind, id, names, asked_for, running) = match &subject.kind {
            Kind::Container {
                id,
                names,
                asked,
                runs,
            } => (
                "container",
                Some(id.to_string()),
                names.clone(),
                asked.clone(),
                Some(*runs),
            ),
            Kind::Image => ("image", None, Vec::new(), None, None),
        };
        let starts = match judgement.verdict {
            Verdict::Admit(_) => true,
            Verdict::Refuse(_) => settings.is_none(),
        };
        let refusal = match &judgement.verdict {
            Verdict::Refuse(refusal) => Some(refusal),
            Verdict::Admit(_) => judgement.withheld.as_ref(),
        };
        let mut messages: Vec<_> = match (settings, bans) {
            // A node that is not armed refuses nothing and sends no event.
            (None, Bans::Known(_)) => verdict::pull_doubt(origin, bans).into_iter().collect(),
            (None, Bans::Missing(_)) => vec![
                "only a ban list can tell whether it is banned, and this node has none".to_owned(),
            ],
            (Some(_), Bans::Known(_) | Bans::Missing(_)) => {
                let events = judgement.events.iter().map(|event| event.message.clone());
                refusal
                    .map(|refusal| refusal.line().to_owned())
                    .into_iter()
                    .chain(events)
                    .collect()
            }
        };
        messages.dedup();
        Self {
            kind,
            engine: subject.engine,
            place: subject.place.to_string_lossy().into_owned(),
            id,
            names,
            asked_for,
            running,
            outcome: CheckOutcome::of(subject, bans, judgement),
            starts,
            made_of: origin.and_then(|origin| MadeOf::new(origin, labels)),
            fault: subject.origin.as_ref().err().map(|fault| causes(fault)),
            bans: judgement
                .findings
                .iter()
                .map(|finding| BanFound::new(finding, origin))
                .collect(),
            messages,
        }
    }

    fn lines(&self) -> Vec<String> {
        let called = self
            .names
            .iter()
            .map(|own| name(own.trim_start_matches('/')));
        let place = format!("({} in {})", self.engine, name(&self.place));
        let mut lines = Vec::new();
        match (&self.id, self.running) {
            (Some(id), runs) => {
                let state = if runs == Some(true) {
                    "running"
                } else {
                    "not running"
                };
                let called: Vec<_> = called.chain([id.clone()]).collect();
                lines.push(line(
                    "container",
                    &format!("{} {place}, {state}", called.join(" ")),
                ));
            }
            (None, _) => lines.push(line("image", &place)),
        }
        match (&self.made_of, &self.fault) {
            (Some(made_of), _) => lines.extend(made_of.lines()),
            (None, Some(fault)) => lines.push(line("made of", fault)),
            (None, None) => lines.push(line("made of", "no image")),
        }
        let consequence = match (self.starts, self.running) {
            (true, _) => "",
            (false, Some(true)) => ": it runs, and would not start again",
            (false, Some(false) | None) => ": it would not start",
        };
        lines.push(line(
            "verdict",
            &format!("{}{consequence}", self.outcome.word()),
        ));
        for ban in &self.bans {
            lines.extend([
                line("", &ban.sentence),
                line("", &format!("  reason: {}", ban.reason)),
            ]);
        }
        // A ban in effect is printed already, with its reason. A ban that is not in effect is
        // printed too, and leaves no doubt.
        if self.bans.is_empty() || self.outcome == CheckOutcome::Unknown {
            lines.extend(self.messages.iter().map(|message| line("", message)));
        }
        lines
    }
}

impl MadeOf {
    fn new(origin: &Origin, labels: &SourceLabels) -> Option<Self> {
        let of = |facts: &ImageFacts, layers, evidence| Self {
            name: facts.name.clone(),
            image_id: facts.image_id.map(|id| id.to_string()),
            manifests: facts.manifests.iter().map(ToString::to_string).collect(),
            layers,
            evidence,
            source: labels.source.clone(),
            revision: labels.revision.clone(),
        };
        match origin {
            Origin::NoImage => None,
            Origin::NoLayers(facts) => Some(of(facts, Vec::new(), None)),
            Origin::Image(image) => {
                let of_layer = |(diff_id, chain_id): (Option<DiffId>, ChainId)| LayerAnswer {
                    diff_id: diff_id.map(|id| id.to_string()),
                    chain_id: chain_id.to_string(),
                };
                let layers = image.chain.layers().map(of_layer);
                Some(of(
                    &image.facts,
                    layers.collect(),
                    Some(image.evidence.word()),
                ))
            }
        }
    }

    fn lines(&self) -> Vec<String> {
        let called = self
            .name
            .as_deref()
            .map_or_else(|| "an image".to_owned(), name);
        let image = self
            .image_id
            .as_ref()
            .map_or_else(|| called.clone(), |id| format!("{called}, image ID {id}"));
        let layers = match (self.layers.last(), self.evidence) {
            (Some(top), evidence) => {
                let count = if self.layers.len() == 1 {
                    "1 layer".to_owned()
                } else {
                    format!("{} layers", self.layers.len())
                };
                format!(
                    "{count}, top chain ID {}, by evidence of {}",
                    top.chain_id,
                    evidence.unwrap_or("nothing")
                )
            }
            (None, _) => "no layers".to_owned(),
        };
        let mut lines = vec![line("made of", &image), line("", &layers)];
        for (word, label) in [("source", &self.source), ("revision", &self.revision)] {
            lines.extend(
                label
                    .as_ref()
                    .map(|label| line("", &format!("{word} {}", name(label)))),
            );
        }
        lines
    }
}

impl Answer {
    /// The answer as text, without a line feed at the end.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for found in &self.found {
            lines.extend(found.lines());
            lines.push(String::new());
        }
        let list = self
            .list
            .as_ref()
            .map_or_else(|| "none".to_owned(), List::text);
        let fault = self
            .list_fault
            .as_ref()
            .map(|fault| format!(" ({fault})"))
            .unwrap_or_default();
        lines.push(line("list", &format!("{list}{fault}")));
        lines.extend(note_lines(&self.notes));
        lines.join("\n")
    }

    /// The answer as one JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        crate::report::json::pretty(self)
    }
}

/// Formats each note as a line.
pub(super) fn note_lines(notes: &[String]) -> Vec<String> {
    notes.iter().map(|note| line("note", note)).collect()
}

/// One line of the answer, escaped: a heading and a text.
fn line(head: &str, rest: &str) -> String {
    format!("{head:<9} {}", one_line(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::ImageLineage;
    use crate::lineage::chain::Chain;
    use crate::lineage::digest::Digest;

    #[test]
    fn a_container_whose_image_is_gone_has_the_layers_that_its_engine_kept_the_names_of() {
        let (base, top) = (ChainId(Digest::of(b"base")), ChainId(Digest::of(b"top")));
        let chain = Chain::from_chain_ids(vec![base, top]).unwrap();
        let origin = Origin::Image(ImageLineage {
            chain,
            facts: ImageFacts::default(),
            evidence: Evidence::Claimed,
        });
        let made_of = MadeOf::new(&origin, &SourceLabels::default()).unwrap();
        let layers: Vec<_> = made_of
            .layers
            .iter()
            .map(|layer| (layer.diff_id.clone(), layer.chain_id.clone()))
            .collect();
        assert_eq!(layers, [(None, base.to_string()), (None, top.to_string())]);
        let expected = format!(
            "          2 layers, top chain ID {top}, by evidence of {}",
            Evidence::Claimed.word()
        );
        assert_eq!(made_of.lines(), ["made of   an image".to_owned(), expected]);
    }
}
