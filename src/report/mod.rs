//! The report of a night: one page that says what happened and what is to do, its JSON twin, and metrics.
//!
//! Pure: [`ReportData`] comes from the ledger, texts go out. The JSON twin is the data as it is; the page shows a part of it, in
//! German or English, and stays small whatever the night was like.

mod html;
mod language;
mod metrics;
mod model;

pub use html::{html, html_alone};
pub use language::Language;
pub use metrics::prometheus;
pub use model::{
    ArtefactReport, Change, DatasetReport, ErrorReport, FindingGroup, GridReport, Light, Machine, MapUnit, Night,
    OperationReport, Picture, PreviewPair, QuarantinedUnit, ReleaseReport, ReportData, RunReport, SCHEMA_VERSION, SourceReport,
    UnitReport, UnitState, Usage,
};
