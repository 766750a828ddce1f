//! Describes one container or image in an answer of `embargo check`.
//!
//! In: what the container or image is made of, and the verdict on it; names, reasons and paths in
//! both are hostile. Out: a few lines for people, or fields for programs, which are stable. Text is
//! escaped line by line.

use serde::Serialize;

use crate::banlist::store::Bans;
use crate::container::engine::Engine;
use crate::lineage::digest::{ChainId, DiffId};
use crate::lineage::image::SourceLabels;
use crate::lineage::{Evidence, Origin};
use crate::node::judged::Judged;
use crate::node::subject::{Kind, Subject};
use crate::report::line::{causes, name, one_line};
use crate::report::{Exit, amount};
use crate::settings::Settings;
use crate::verdict::listed::BanFound;
use crate::verdict::{self, Judgement, Verdict};

/// Whether a container or an image is banned. The worst outcome is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// The container or image is not banned.
    Clear,
    /// No container or image with this name was found.
    NotFound,
    /// Nobody can tell whether the container or image is banned.
    Unknown,
    /// A ban in effect matches the container or image.
    Banned,
}

impl CheckOutcome {
    /// The outcome of a verdict. A container or image that starts only because of audit mode,
    /// break-glass or a lenient setting is not clear.
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

/// One container or image, with the verdict on it.
#[derive(Debug, Serialize)]
pub struct FoundSubject {
    kind: &'static str,
    engine: Engine,
    /// containerd's namespace. `None` for every other engine.
    namespace: Option<String>,
    place: String,
    id: Option<String>,
    names: Vec<String>,
    asked_for: Option<String>,
    running: Option<bool>,
    /// Whether the container or image is banned.
    pub outcome: CheckOutcome,
    /// Whether the gate would let the container or image start.
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

impl LayerAnswer {
    fn new((diff_id, chain_id): (Option<DiffId>, ChainId)) -> Self {
        Self {
            diff_id: diff_id.as_ref().map(ToString::to_string),
            chain_id: chain_id.to_string(),
        }
    }
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
        let (made_of, fault) = match &subject.origin {
            Ok(origin) => (MadeOf::new(origin, labels), None),
            Err(fault) => (None, Some(causes(fault))),
        };
        let mut bans_found = Vec::new();
        for finding in &judgement.findings {
            bans_found.push(BanFound::new(finding, origin));
        }
        Self {
            kind,
            engine: subject.engine,
            namespace: subject.namespace.clone(),
            place: subject.place.to_string_lossy().into_owned(),
            id,
            names,
            asked_for,
            running,
            outcome: CheckOutcome::of(subject, bans, judgement),
            starts,
            made_of,
            fault,
            bans: bans_found,
            messages: messages(judged, origin, settings),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let engine = self.engine.in_namespace(self.namespace.as_deref());
        let place = format!("({engine} in {})", name(&self.place));
        let mut lines = Vec::new();
        match (&self.id, self.running) {
            (Some(id), runs) => {
                let state = if runs == Some(true) {
                    "running"
                } else {
                    "not running"
                };
                let mut called = String::new();
                for own in &self.names {
                    called += &format!("{} ", name(own.trim_start_matches('/')));
                }
                let text = format!("{called}{id} {place}, {state}");
                lines.push(line("container", &text));
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
            for message in &self.messages {
                lines.push(line("", message));
            }
        }
        lines
    }
}

/// What the gate would report at a start.
fn messages(judged: &Judged, origin: Option<&Origin>, settings: Option<&Settings>) -> Vec<String> {
    let Judged {
        bans, judgement, ..
    } = judged;
    let mut lines = Vec::new();
    match (settings, bans) {
        // A node that is not armed refuses nothing and sends no event.
        (None, Bans::Known(_)) => lines.extend(verdict::pull_doubt(origin, bans)),
        (None, Bans::Missing(_)) => lines.push(
            "only a ban list can tell whether it is banned, and this node has none".to_owned(),
        ),
        (Some(_), Bans::Known(_) | Bans::Missing(_)) => {
            let refusal = match &judgement.verdict {
                Verdict::Refuse(refusal) => Some(refusal),
                Verdict::Admit(_) => judgement.withheld.as_ref(),
            };
            if let Some(refusal) = refusal {
                lines.push(refusal.line().to_owned());
            }
            for event in &judgement.events {
                lines.push(event.message.clone());
            }
            lines.dedup();
        }
    }
    lines
}

impl MadeOf {
    fn new(origin: &Origin, labels: &SourceLabels) -> Option<Self> {
        let (facts, layers, evidence) = match origin {
            Origin::NoImage => return None,
            Origin::NoLayers(facts) => (facts, Vec::new(), None),
            Origin::Image(image) => {
                let layers = image.chain.layers().map(LayerAnswer::new).collect();
                (&image.facts, layers, Some(image.evidence.word()))
            }
        };
        Some(Self {
            name: facts.name.clone(),
            image_id: facts.image_id.as_ref().map(ToString::to_string),
            manifests: facts.manifests.iter().map(ToString::to_string).collect(),
            layers,
            evidence,
            source: labels.source.clone(),
            revision: labels.revision.clone(),
        })
    }

    fn lines(&self) -> Vec<String> {
        let mut image = match &self.name {
            Some(called) => name(called),
            None => "an image".to_owned(),
        };
        if let Some(id) = &self.image_id {
            image += &format!(", image ID {id}");
        }
        let layers = match self.layers.last() {
            Some(top) => format!(
                "{}, top chain ID {}, by evidence of {}",
                amount(self.layers.len(), "layer"),
                top.chain_id,
                self.evidence.unwrap_or("nothing")
            ),
            None => "no layers".to_owned(),
        };
        let mut lines = vec![line("made of", &image), line("", &layers)];
        for (what, label) in [("source", &self.source), ("revision", &self.revision)] {
            if let Some(label) = label {
                lines.push(line("", &format!("{what} {}", name(label))));
            }
        }
        lines
    }
}

/// One line of the answer, escaped: a heading and a text.
pub(super) fn line(head: &str, rest: &str) -> String {
    format!("{head:<9} {}", one_line(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::chain::Chain;
    use crate::lineage::digest::Digest;
    use crate::lineage::{ImageFacts, ImageLineage};

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
