//! The sentence at the top, and what is to do: the two things that everybody reads.

use super::clip;
use crate::report::{DatasetReport, FindingGroup, Language, Light, ReportData};

/// Something to do.
pub(super) struct Action {
    /// The dataset it belongs to: the anchor of its section.
    pub dataset: Option<String>,
    /// What it is about.
    pub title: String,
    /// What happened and what helps.
    pub text: String,
    /// A command to run afterwards.
    pub command: Option<&'static str>,
    /// How much it presses.
    pub urgency: Urgency,
}

/// How much an action presses: what failed, what a supplier must send, what has to be mended at its source, what mends itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    Failed,
    HeldBack,
    Missing,
    Rejected,
    Waiting,
}

const RETRY: &str = "messkette run PIPELINE --retry";

/// What happened in one sentence, and what follows from it in another.
pub(super) fn headline(data: &ReportData, l: Language) -> (String, String) {
    let sum = |get: fn(&DatasetReport) -> u64| data.datasets.iter().map(get).sum::<u64>();
    let held = sum(|dataset| dataset.units.quarantined.max(dataset.quarantined.len() as u64));
    let rejected = sum(|dataset| dataset.counts.total().rejected);
    let done = sum(|dataset| dataset.units.done);
    let all = done + held + sum(|dataset| dataset.units.reused);
    let datasets = data.datasets.len() as u64;
    let still = match (data.release.as_ref().or(data.previous.as_ref()), l) {
        (Some(current), Language::De) => format!("Zu sehen ist weiter die Ausgabe {}.", current.id),
        (Some(current), Language::En) => format!("Readers still see release {}.", current.id),
        (None, _) => l.t("Es gibt noch keine Ausgabe.", "There is no release yet.").to_owned(),
    };
    if data.run.exit == 130 {
        let sentence = l.t("Der Lauf wurde angehalten.", "The run was stopped.").to_owned();
        let rest = l.t("Der nächste Lauf macht dort weiter.", "The next run goes on from there.");
        return (sentence, format!("{still} {rest}"));
    }
    let failed = data.datasets.iter().filter(|dataset| dataset.error.is_some()).count() as u64;
    if data.light() == Light::Red {
        // Without an error of the run or of a dataset only what comes after the release can have failed.
        if data.release.is_some() && data.run.error.is_none() && failed == 0 {
            let sentence = l.t("Veröffentlicht, aber nicht überall gemeldet.", "Published, but not everybody was told.");
            let rest =
                l.t("Ein Katalog oder Kartenserver ließ sich nicht erneuern.", "A catalogue or map server could not be renewed.");
            return (sentence.to_owned(), rest.to_owned());
        }
        return (l.t("Diese Nacht wurde nichts veröffentlicht.", "Nothing was published this night.").to_owned(), still);
    }
    if failed > 0 {
        let sentence = match l {
            Language::De => {
                let datasets = l.count(failed, ("Datensatz konnte", "Datensätze konnten"), ("", ""));
                format!("Veröffentlicht, aber {datasets} nicht erneuert werden.")
            }
            Language::En => {
                format!("Published, but {} could not be renewed.", l.count(failed, ("", ""), ("dataset", "datasets")))
            }
        };
        let rest = l.t("Dort bleibt der letzte gute Stand zu sehen.", "Their last good state stays published.");
        return (sentence, rest.to_owned());
    }
    if data.light() == Light::Yellow {
        let mut lost = Vec::new();
        if held > 0 {
            lost.push(l.count(held, ("Teil", "Teile"), ("unit", "units")));
        }
        if rejected > 0 {
            lost.push(l.count(rejected, ("Objekt", "Objekte"), ("object", "objects")));
        }
        let sentence = match (lost.as_slice(), l) {
            ([], _) => l.t("Veröffentlicht, aber nicht alles war da.", "Published, but not everything was there.").to_owned(),
            (lost, Language::De) => {
                format!(
                    "Veröffentlicht, aber {} {} zurück.",
                    lost.join(" und "),
                    if held + rejected == 1 { "blieb" } else { "blieben" }
                )
            }
            (lost, Language::En) => format!("Published, but {} stayed behind.", lost.join(" and ")),
        };
        let stale = sum(|dataset| dataset.units.stale);
        let rest = if stale > 0 {
            l.t(
                "Wo Neues nicht zu gebrauchen war, bleibt der letzte gute Stand zu sehen.",
                "Where the new was of no use, the last good state stays published.",
            )
        } else {
            l.t("Alles andere ist auf dem neuesten Stand.", "Everything else is up to date.")
        };
        return (sentence, rest.to_owned());
    }
    if done == 0 {
        let sentence = match l {
            Language::De => format!(
                "Nichts Neues: {} auf dem Stand der Lieferungen.",
                if datasets == 1 { "der Datensatz ist".to_owned() } else { format!("alle {datasets} Datensätze sind") }
            ),
            Language::En => format!(
                "Nothing new: {} as delivered.",
                if datasets == 1 { "the dataset is".to_owned() } else { format!("all {datasets} datasets are") }
            ),
        };
        return (sentence, l.t("Es ist nichts zu tun.", "There is nothing to do.").to_owned());
    }
    let sentence = match l {
        Language::De => format!(
            "Alles in Ordnung: {} veröffentlicht, {} von {} neu gerechnet.",
            l.count(datasets, ("Datensatz", "Datensätze"), ("", "")),
            l.number(done),
            l.count(all, ("Teil", "Teilen"), ("", ""))
        ),
        Language::En => format!(
            "All is well: {} published, {} of {} done anew.",
            l.count(datasets, ("", ""), ("dataset", "datasets")),
            l.number(done),
            l.count(all, ("", ""), ("unit", "units"))
        ),
    };
    (sentence, l.t("Es ist nichts zu tun.", "There is nothing to do.").to_owned())
}

/// What is to do, the most urgent first.
pub(super) fn actions(data: &ReportData, l: Language) -> Vec<Action> {
    let mut actions = Vec::new();
    if let Some(error) = &data.run.error {
        let place = error.place.to_string();
        let place = if place.is_empty() { String::new() } else { format!(" ({place})") };
        let hint = error.hint.as_deref().map(|hint| format!(" → {hint}")).unwrap_or_default();
        actions.push(Action {
            dataset: None,
            title: l.t("Der Lauf brach ab:", "The run failed:").to_owned(),
            text: format!("{}. {}", clip(&format!("{}{place}{hint}", error.message), 600), l.t("Danach", "Then")),
            command: Some(RETRY),
            urgency: Urgency::Failed,
        });
    }
    for dataset in &data.datasets {
        of_dataset(dataset, l, &mut actions);
    }
    actions.sort_by_key(|action| action.urgency);
    // A long list is not read; the datasets' sections have everything.
    actions.truncate(12);
    actions
}

fn of_dataset(dataset: &DatasetReport, l: Language, actions: &mut Vec<Action>) {
    let mut push = |urgency, text: String, command| {
        actions.push(Action {
            dataset: Some(dataset.id.clone()),
            title: format!("{}:", clip(&dataset.title, 80)),
            urgency,
            text,
            command,
        });
    };
    if let Some(error) = &dataset.error {
        let hint = error.hint.as_deref().map(|hint| format!(" → {hint}")).unwrap_or_default();
        let text = format!("{}. {}", clip(&format!("{}{hint}", error.message), 600), l.t("Danach", "Then"));
        push(Urgency::Failed, text, Some(RETRY));
    }
    if let Some(first) = dataset.quarantined.first() {
        let held = l.count(dataset.quarantined.len() as u64, ("Teil", "Teile"), ("unit", "units"));
        let place = Some(first.place.to_string()).filter(|place| !place.is_empty()).unwrap_or_else(|| first.key.clone());
        let more = if dataset.quarantined.len() > 1 { l.t(" als Erstes ", " first ") } else { " " };
        let text = match l {
            Language::De => {
                format!(
                    "{held} nicht übernommen,{more}{}: {}. Datei prüfen oder neu anfordern, danach",
                    clip(&place, 120),
                    clip(&first.reason, 240)
                )
            }
            Language::En => format!(
                "{held} held back,{more}{}: {}. Check the file or ask for it again, then",
                clip(&place, 120),
                clip(&first.reason, 240)
            ),
        };
        push(Urgency::HeldBack, text, Some(RETRY));
    }
    let rejected = dataset.counts.total().rejected;
    if rejected > 0 {
        let objects = l.count(rejected, ("Objekt", "Objekte"), ("object", "objects"));
        let most = FindingGroup::group(&dataset.rejections).into_iter().next();
        let most = most.map(|group| format!("{}× {} ({})", l.number(group.count), clip(&group.reason, 160), group.object_type));
        let text = match (most, l) {
            (Some(most), Language::De) => {
                format!("{objects} abgewiesen, vor allem {most}. Der Lieferstelle melden; Liste mit Koordinaten unten.")
            }
            (None, Language::De) => format!("{objects} abgewiesen."),
            (Some(most), Language::En) => {
                format!("{objects} rejected, mostly {most}. Tell the supplier; the list with coordinates is below.")
            }
            (None, Language::En) => format!("{objects} rejected."),
        };
        push(Urgency::Rejected, text, None);
    }
    let sources = &dataset.sources;
    if sources.falls_short() || !sources.missing.is_empty() {
        let short =
            sources.expected.map_or(0, |expected| expected.saturating_sub(sources.count)).max(sources.missing.len() as u64);
        let mut names: Vec<String> = sources.missing.iter().take(5).map(|name| clip(name, 80)).collect();
        if sources.missing.len() > 5 {
            names.push("…".to_owned());
        }
        let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        let files = l.count(short, ("Datei", "Dateien"), ("file", "files"));
        push(
            Urgency::Missing,
            match l {
                Language::De => format!(
                    "{files} der Lieferung {}{names}. Bei der Lieferstelle nachfragen.",
                    if short == 1 { "fehlt" } else { "fehlen" }
                ),
                Language::En => format!("{files} of the delivery missing{names}. Ask the supplier."),
            },
            None,
        );
    } else if sources.late {
        push(
            Urgency::Missing,
            l.t("Die Lieferung kam nicht zur erwarteten Zeit.", "The delivery did not come in time.").to_owned(),
            None,
        );
    }
    if let Some(first) = sources.waiting.first() {
        let files = l.count(sources.waiting.len() as u64, ("Datei wurde", "Dateien wurden"), ("file was", "files were"));
        let first = clip(first, 100);
        push(
            Urgency::Waiting,
            match l {
                Language::De => format!("{files} noch geschrieben ({first}); der nächste Lauf nimmt sie mit."),
                Language::En => format!("{files} still being written ({first}); the next run takes them."),
            },
            None,
        );
    }
}
