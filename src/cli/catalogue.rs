//! `messkette catalogue plan|apply`: catalogues in step with what is released.

use super::settings::{PipelineArg, stop_on_signals};
use super::ui::{Ui, count, print_json};
use crate::catalogue::{self, Catalogue, Item, Outcome, Plan, Report, Requests, SavedRemovals, State, Step};
use crate::error::{Error, Exit, Result};
use crate::ledger::{Ledger, Lock};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use uuid::Uuid;

/// Keep catalogues in step with the released records.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare and say what would be written; writes nothing.
    Plan(PlanArgs),
    /// Write what differs, and prove it by reading again.
    Apply(ApplyArgs),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// Delete records of ours that are no longer released.
    #[arg(long)]
    prune: bool,
    /// Write our record over whatever the catalogue has under this identifier.
    #[arg(long, value_name = "UUID")]
    overwrite: Vec<Uuid>,
}

#[derive(Debug, clap::Args)]
struct PlanArgs {
    #[command(flatten)]
    common: Common,
    /// Save the removals, for `apply --accept-removals`.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with 4 when something would be written.
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, clap::Args)]
struct ApplyArgs {
    #[command(flatten)]
    common: Common,
    /// Delete these, and only these, also where they are many.
    #[arg(long, value_name = "FILE")]
    accept_removals: Option<PathBuf>,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    match &args.command {
        Command::Plan(args) => plan(args, ui),
        Command::Apply(args) => apply(args, ui),
    }
}

fn catalogues(common: &Common) -> Result<(crate::pipeline::Pipeline, Vec<Catalogue>)> {
    let pipeline = common.pipeline.load()?;
    let found = catalogue::configured(&pipeline)?;
    if found.is_empty() {
        return Err(Error::new("mk::catalogue::none", "the pipeline names no catalogue")
            .hint("add [[publish]] with kind = \"csw\" and its endpoint")
            .exit(Exit::Usage));
    }
    Ok((pipeline, found))
}

fn plan(args: &PlanArgs, ui: &Ui) -> Result<Exit> {
    let (pipeline, catalogues) = catalogues(&args.common)?;
    let ledger = Ledger::open_read_only(&pipeline.workspace())?;
    let mut plans = Vec::new();
    for catalogue in &catalogues {
        let choices = catalogue.choices(args.common.prune, args.common.overwrite.iter().copied().collect());
        let (plan, requests) = catalogue.plan(&ledger, &choices)?;
        say_plan(&catalogue.target, &plan, requests, ui)?;
        plans.push((catalogue.target.clone(), plan, requests));
    }
    if let Some(path) = &args.output {
        SavedRemovals::of(plans.iter().map(|(target, plan, _)| (target.as_str(), plan))).save(path)?;
    }
    if ui.json {
        let one = |(target, plan, requests): &(String, Plan, Requests)| json!({ "target": target, "changes": plan.has_changes(), "items": plan.items, "requests": requests, "brake": plan.brake() });
        print_json(&json!({ "catalogues": plans.iter().map(one).collect::<Vec<_>>() }))?;
    }
    let changes = plans.iter().any(|(_, plan, _)| plan.has_changes());
    Ok(if changes && args.exit_code { Exit::Changes } else { Exit::Ok })
}

fn apply(args: &ApplyArgs, ui: &Ui) -> Result<Exit> {
    let (pipeline, catalogues) = catalogues(&args.common)?;
    let workspace = pipeline.workspace();
    let accepted = args.accept_removals.as_deref().map(SavedRemovals::load).transpose()?;
    // Nothing is there to be locked before the first night.
    drop(Ledger::open_read_only(&workspace)?);
    let cancel = Arc::new(AtomicBool::new(false));
    stop_on_signals(&cancel)?;
    let _lock = Lock::take(&workspace, "catalogue apply")?;
    let mut ledger = Ledger::open(&workspace)?;
    let mut reports = Vec::new();
    for catalogue in &catalogues {
        let choices = catalogue.choices(args.common.prune, args.common.overwrite.iter().copied().collect());
        reports.push(catalogue.apply(&mut ledger, &choices, accepted.as_ref(), &cancel)?);
    }
    if ui.json {
        print_json(&json!({ "catalogues": reports }))?;
    }
    say_reports(&reports, ui)?;
    let exits = reports.iter().map(Report::exit);
    Ok(exits.fold(Exit::Ok, |worst, exit| if worst == Exit::Ok { exit } else { worst }))
}

/// A sign for what is done to a record.
fn sign(step: Step) -> char {
    match step {
        Step::Insert => '+',
        Step::Update => '~',
        Step::Delete | Step::Forget => '-',
        Step::Remember => '=',
        Step::None => '!',
    }
}

fn say_plan(target: &str, plan: &Plan, requests: Requests, ui: &Ui) -> Result<()> {
    ui.say(target)?;
    for item in plan.items.iter().filter(|item| item.state != State::InSync || item.step != Step::None) {
        say_item(item, ui)?;
    }
    let number = |step: Step| plan.items.iter().filter(|item| item.step == step).count();
    let same = plan.items.iter().filter(|item| item.state == State::InSync).count();
    ui.say(format!(
        "{} to insert, {} to update, {} to delete, {same} in step, {} left; {} sent",
        number(Step::Insert),
        number(Step::Update),
        number(Step::Delete),
        plan.left().count(),
        count(requests.reads, "request")
    ))?;
    if let Some(why) = plan.brake() {
        ui.say(format!("brake: {why}; `apply` needs --accept-removals with a list saved by `plan -o`"))?;
    }
    Ok(())
}

fn say_item(item: &Item, ui: &Ui) -> Result<()> {
    ui.say(format!("  {} {}  {} ({}): {}", sign(item.step), item.uuid, item.title, item.dataset, item.state.words()))?;
    for line in &item.details {
        ui.say(format!("      {line}"))?;
    }
    Ok(())
}

/// What became of the catalogues, for people.
///
/// # Errors
/// When standard output cannot be written.
pub fn say_reports(reports: &[Report], ui: &Ui) -> Result<()> {
    for report in reports {
        let same = report
            .items
            .iter()
            .filter(|result| result.outcome == Outcome::Done && matches!(result.item.step, Step::None | Step::Remember))
            .count();
        ui.say(format!(
            "catalog  {}: {} inserted, {} updated, {} deleted, {same} in step; {} and {} that write",
            report.target,
            report.written(Step::Insert),
            report.written(Step::Update),
            report.written(Step::Delete),
            count(report.requests.reads, "request"),
            report.requests.writes
        ))?;
        for result in &report.items {
            let (id, title) = (result.item.uuid, &result.item.title);
            match &result.outcome {
                Outcome::Done => {}
                Outcome::Left => tracing::warn!("{id} {title}: {}", result.item.state.words()),
                Outcome::Failed(reason) => tracing::error!("{id} {title}: not taken: {reason}"),
                Outcome::Unknown(reason) => tracing::error!("{id} {title}: not known, the next run looks: {reason}"),
            }
        }
        if let Some(error) = &report.error {
            ui.error(error);
        }
    }
    Ok(())
}
