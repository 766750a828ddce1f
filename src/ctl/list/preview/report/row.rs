//! Describes one container or image of a preview.
//!
//! In: the verdicts on the container or image; names, reasons and paths in them come from others
//! and are hostile. Out: the cells of one row of a table, escaped, or fields for programs.

use serde::Serialize;

use super::super::PreviewedImage;
use crate::container::engine::Engine;
use crate::ctl::impact::{Surveyed, restart};
use crate::lineage::Origin;
use crate::node::subject::Kind;
use crate::report::line::name;
use crate::verdict::listed::BanFound;
use crate::verdict::{Grounds, short};

/// How many characters of an image ID are shown: `sha256:` and 12 digits.
const SHORT_IMAGE_ID: usize = 19;

/// What would happen to one container or image under the draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Prediction {
    /// The container or image would start: no ban in effect refuses it.
    Starts,
    /// The container or image would not start.
    Refused,
    /// The lineage is not known, so the verdict is not known either.
    Unknown,
}

/// A container or image that the output lists.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) outcome: Prediction,
    /// Why the draft refuses the container or image.
    #[serde(skip)]
    grounds: Option<Grounds>,
    /// Whether the list in force bans the container or image already.
    pub(super) refused_already: bool,
    engine: Engine,
    /// containerd's namespace. `None` for every other engine.
    namespace: Option<String>,
    place: String,
    id: Option<String>,
    names: Vec<String>,
    image: Option<String>,
    image_id: Option<String>,
    pause: bool,
    /// Whether a user controls the container. Such a container is shown, but is not counted.
    of_user: bool,
    /// The name of the restart policy by which the engine starts the container again.
    restart: Option<&'static str>,
    pub(super) message: Option<String>,
    pub(super) bans: Vec<BanFound>,
}

impl Row {
    pub(super) fn of_container(one: &Surveyed) -> Self {
        let mut row = Self::new(one);
        if let Kind::Container {
            id, names, asked, ..
        } = &one.subject.kind
        {
            row.id = Some(id.to_string());
            for name in names {
                row.names.push(name.trim_start_matches('/').to_owned());
            }
            row.image = row.image.or(asked.clone());
            let subject = &one.subject;
            row.restart = restart::policy(subject.engine, &subject.place, id).restarting();
        }
        row
    }

    pub(super) fn of_image(image: &PreviewedImage) -> Self {
        Self {
            names: image.names.clone(),
            ..Self::new(&image.judged)
        }
    }

    fn new(one: &Surveyed) -> Self {
        let origin = one.subject.origin.as_ref().ok();
        let facts = origin.and_then(Origin::facts);
        let outcome = match (one.is_refused(), one.is_known()) {
            (true, _) => Prediction::Refused,
            (false, false) => Prediction::Unknown,
            (false, true) => Prediction::Starts,
        };
        let (image, image_id) = match facts {
            Some(facts) => (
                facts.name.clone(),
                facts.image_id.as_ref().map(ToString::to_string),
            ),
            None => (None, None),
        };
        Self {
            outcome,
            grounds: one.grounds(),
            refused_already: one.is_refused() && !one.is_newly_refused(),
            engine: one.subject.engine,
            namespace: one.subject.namespace.clone(),
            place: one.subject.place.to_string_lossy().into_owned(),
            id: None,
            names: Vec::new(),
            image,
            image_id,
            pause: one.is_pause,
            of_user: !one.is_trusted,
            restart: None,
            message: one.message(),
            bans: one
                .draft
                .judgement
                .findings
                .iter()
                .map(|finding| BanFound::new(finding, origin))
                .collect(),
        }
    }

    pub(super) fn called(&self) -> String {
        match (self.names.first(), &self.id) {
            (Some(called), _) => name(called),
            (None, Some(id)) => name(short(id)),
            (None, None) => "(no name)".to_owned(),
        }
    }

    /// The name and, if there is a namespace, the engine and the namespace: for a line that does
    /// not show them in another column.
    pub(super) fn full_name(&self) -> String {
        match &self.namespace {
            Some(_) => format!("{}, {}", self.called(), self.place_in_engine()),
            None => self.called(),
        }
    }

    /// The engine, and the namespace in it if there is one.
    fn place_in_engine(&self) -> String {
        self.engine.in_namespace(self.namespace.as_deref())
    }

    /// Why it is refused, where no ban in its line says that.
    fn other_grounds(&self) -> Option<&'static str> {
        match self.grounds? {
            Grounds::Banned => Some("banned, and the bans are more than a start reads"),
            Grounds::OverdueList => Some("list overdue"),
            Grounds::CorruptStore
            | Grounds::MissingList
            | Grounds::UnknownImage
            | Grounds::NoImage
            | Grounds::Settings => None,
        }
    }

    /// The cells of the row in the table.
    pub(super) fn cells(&self) -> [String; 7] {
        let ban = self.bans.iter().find(|ban| ban.standing == "in-effect");
        let mut remarks = Vec::new();
        for (is_so, remark) in [
            (self.refused_already, "banned already"),
            (self.pause, "PAUSE CONTAINER"),
            (self.of_user, "a user's"),
        ] {
            if is_so {
                remarks.push(remark.to_owned());
            }
        }
        if let Some(policy) = self.restart {
            remarks.push(format!("restarts: {policy}"));
        }
        // The name column already names an image, so this cell has the image ID.
        let image = match (&self.id, &self.image_id) {
            (Some(_), _) => self.image.as_deref().map(name),
            (None, image_id) => image_id
                .as_ref()
                .map(|id| id.chars().take(SHORT_IMAGE_ID).collect()),
        };
        let [mut id, mut severity, mut successor] = [const { String::new() }; 3];
        match ban {
            Some(ban) => {
                id = name(&ban.id);
                severity.push_str(ban.severity);
                successor = ban.successor.as_deref().map(name).unwrap_or_default();
            }
            None => remarks.extend(self.other_grounds().map(str::to_owned)),
        }
        [
            self.called(),
            self.place_in_engine(),
            or_dash(image.unwrap_or_default()),
            or_dash(id),
            or_dash(severity),
            or_dash(successor),
            remarks.join(", "),
        ]
    }
}

/// A cell that is not empty.
fn or_dash(cell: String) -> String {
    if cell.is_empty() {
        "-".to_owned()
    } else {
        cell
    }
}

/// The rows that are worth printing, sorted by name.
pub(super) fn remarkable(mut rows: Vec<Row>) -> Vec<Row> {
    rows.retain(|row| {
        row.outcome != Prediction::Starts || row.bans.iter().any(|ban| ban.standing != "lapsed")
    });
    rows.sort_by_key(Row::full_name);
    rows
}
