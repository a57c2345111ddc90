//! What servers have, fetched before a night reads it: pages of features, tables of databases.
//!
//! What is fetched are files like any other, kept in the workspace. Only a whole delivery takes the place of the last one, and one that
//! is the same leaves it: an unchanged theme is an unchanged source.

mod pages;
mod postgis;
mod rows;
mod table;

pub use pages::{EndpointOption, unit_of};
pub use postgis::PostgisOption;
pub use table::Tables;

use super::{FetchContext, Fetched};
use crate::error::{Exit, Rejection, Result};
use crate::io::{Digest, Source, atomic};
use std::collections::BTreeSet;
use std::path::Path;

/// A server that has something.
pub trait Remote {
    /// What its files are called before the `!`.
    fn name(&self) -> String;
    /// What decides what is fetched: what was fetched from elsewhere is no earlier delivery.
    fn identity(&self) -> String;
    /// Writes all there is into an empty folder.
    ///
    /// # Errors
    /// When it is not all, or nothing.
    fn bring(&self, context: &FetchContext<'_>, folder: &Path) -> Result<()>;
}

/// True for a table of a database that was fetched: a file that this program has written.
pub fn is_table(source: &Source) -> bool {
    source.member.is_none() && source.name.contains('!')
}

/// Fetches what servers have, or takes what was fetched last.
///
/// # Errors
/// Only when what is kept cannot be read or written; a server that fails is a refused source.
pub fn fetch(remotes: &[&dyn Remote], context: &FetchContext<'_>) -> Result<Fetched> {
    let mut fetched = Fetched::default();
    let mut used = BTreeSet::new();
    for remote in remotes {
        let folder = Digest::of(remote.identity().as_bytes()).short();
        let kept = context.keep.join(&folder);
        used.insert(folder);
        if !context.look
            && let Err(error) = renew(*remote, context, &kept)?
        {
            fetched.refused.push(Rejection::of("file", &error.in_file(&remote.name())));
        }
        for name in files(&kept) {
            fetched.sources.push(Source::of_file(&kept.join(&name), &format!("{}!{name}", remote.name()))?);
        }
    }
    if !context.look && fetched.refused.is_empty() {
        for other in files(context.keep).into_iter().filter(|name| !used.contains(name)) {
            atomic::remove_tree(&context.keep.join(other))?;
        }
    }
    Ok(fetched)
}

/// Fetches into a folder of its own, and takes that over where it is another delivery. The inner error is the server's.
fn renew(remote: &dyn Remote, context: &FetchContext<'_>, kept: &Path) -> Result<Result<()>> {
    let (aside, new) = (kept.with_extension("alt"), kept.with_extension("neu"));
    // A crash between two renames left the last delivery aside.
    if !kept.is_dir() && aside.is_dir() {
        atomic::rename(&aside, kept)?;
    }
    atomic::remove_tree(&new)?;
    atomic::create_dir_all(&new)?;
    let brought = remote.bring(context, &new);
    match brought {
        Ok(()) if same(kept, &new)? => {}
        Ok(()) => {
            atomic::sync_path(&new)?;
            atomic::remove_tree(&aside)?;
            if kept.is_dir() {
                atomic::rename(kept, &aside)?;
            }
            atomic::rename(&new, kept)?;
            atomic::remove_tree(&aside)?;
        }
        Err(error) if error.exit_code() == Exit::Cancelled => return Err(error),
        Err(_) => {}
    }
    atomic::remove_tree(&new)?;
    Ok(brought)
}

/// The files of a folder, or none, in order.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// True when two folders have the same files.
fn same(one: &Path, other: &Path) -> Result<bool> {
    let names = files(other);
    if files(one) != names {
        return Ok(false);
    }
    for name in names {
        if Digest::of_file(&one.join(&name))? != Digest::of_file(&other.join(&name))? {
            return Ok(false);
        }
    }
    Ok(true)
}
