//! Fault injection: lets a test make the n-th write, rename, fsync or link of a process fail, or end the process there.
//!
//! `MESSKETTE_FAULT=rename:3:EIO` fails the third rename, `any:17:ENOSPC` the seventeenth operation of any kind, and
//! `any:17:KILL` ends the process at that point as `kill -9` would. Release builds have none of it.

use std::io;

/// An operation that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Creating or writing a file or folder.
    Write,
    /// Moving a file.
    Rename,
    /// Bringing a file or folder to disk.
    Sync,
    /// Making a hard or symbolic link.
    Link,
    /// Deleting.
    Remove,
}

#[cfg(debug_assertions)]
mod active {
    use super::Operation;
    use std::io;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Fault {
        operation: Option<Operation>,
        nth: u64,
        kind: String,
        seen: AtomicU64,
    }

    static FAULT: OnceLock<Option<Fault>> = OnceLock::new();

    fn parse(text: &str) -> Option<Fault> {
        let mut parts = text.split(':');
        let operation = match parts.next()? {
            "write" => Some(Operation::Write),
            "rename" => Some(Operation::Rename),
            "sync" => Some(Operation::Sync),
            "link" => Some(Operation::Link),
            "remove" => Some(Operation::Remove),
            "any" => None,
            _ => return None,
        };
        Some(Fault { operation, nth: parts.next()?.parse().ok()?, kind: parts.next()?.to_owned(), seen: AtomicU64::new(0) })
    }

    pub fn point(operation: Operation) -> io::Result<()> {
        let fault = FAULT.get_or_init(|| std::env::var("MESSKETTE_FAULT").ok().as_deref().and_then(parse));
        let Some(fault) = fault else { return Ok(()) };
        if fault.operation.is_some_and(|wanted| wanted != operation) || fault.seen.fetch_add(1, Ordering::SeqCst) + 1 != fault.nth
        {
            return Ok(());
        }
        match fault.kind.as_str() {
            "KILL" => {
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                Ok(())
            }
            "ENOSPC" => Err(io::Error::from_raw_os_error(28)),
            _ => Err(io::Error::from_raw_os_error(5)),
        }
    }
}

/// Called before each operation; fails when a test says so.
///
/// # Errors
/// The injected one.
#[cfg(debug_assertions)]
pub fn point(operation: Operation) -> io::Result<()> {
    active::point(operation)
}

/// Called before each operation; does nothing in release builds.
///
/// # Errors
/// Never.
#[cfg(not(debug_assertions))]
#[inline]
pub fn point(_operation: Operation) -> io::Result<()> {
    Ok(())
}
