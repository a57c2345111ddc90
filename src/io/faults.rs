//! Fault injection: lets a test make the n-th write, rename, fsync or link of a process fail, or end the process there.
//!
//! `MESSKETTE_FAULT=rename:3:EIO` fails the third rename, `any:17:ENOSPC` the seventeenth operation of any kind, and
//! `any:17:KILL` ends the process at that point as `kill -9` would. A test counts up from 1 until a run passes untouched. Release
//! builds have none of it.

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
    /// Sending a document to a server: before it leaves, and when the answer is there.
    Send,
}

#[cfg(debug_assertions)]
mod active {
    use super::Operation;
    use std::io;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Effect {
        NoSpace,
        InputOutput,
        Kill,
    }

    /// Strikes once, at the n-th operation it is for.
    #[derive(Debug)]
    pub struct Fault {
        operation: Option<Operation>,
        nth: u64,
        effect: Effect,
        seen: AtomicU64,
    }

    impl Fault {
        /// Reads `OPERATION:N:EFFECT`.
        pub fn parse(text: &str) -> Option<Self> {
            let mut parts = text.split(':');
            let operation = match parts.next()? {
                "write" => Some(Operation::Write),
                "rename" => Some(Operation::Rename),
                "sync" => Some(Operation::Sync),
                "link" => Some(Operation::Link),
                "remove" => Some(Operation::Remove),
                "send" => Some(Operation::Send),
                "any" => None,
                _ => return None,
            };
            let nth = parts.next()?.parse().ok().filter(|&nth| nth > 0)?;
            let effect = match parts.next()? {
                "ENOSPC" => Effect::NoSpace,
                "EIO" => Effect::InputOutput,
                "KILL" => Effect::Kill,
                _ => return None,
            };
            parts.next().is_none().then_some(Self { operation, nth, effect, seen: AtomicU64::new(0) })
        }
        /// The effect, when this operation is the one.
        pub fn strikes(&self, operation: Operation) -> Option<Effect> {
            let counts = self.operation.is_none_or(|wanted| wanted == operation);
            (counts && self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.nth).then_some(self.effect)
        }
    }

    static FAULT: OnceLock<Result<Option<Fault>, String>> = OnceLock::new();

    pub fn point(operation: Operation) -> io::Result<()> {
        let fault = FAULT.get_or_init(|| match std::env::var("MESSKETTE_FAULT") {
            Ok(text) => Fault::parse(&text).map(Some).ok_or(text),
            Err(_) => Ok(None),
        });
        let fault = match fault {
            Ok(Some(fault)) => fault,
            Ok(None) => return Ok(()),
            // A test with a typing error must not pass.
            Err(text) => return Err(io::Error::other(format!("MESSKETTE_FAULT={text} is not of the form rename:3:EIO"))),
        };
        match fault.strikes(operation) {
            None => Ok(()),
            Some(Effect::NoSpace) => Err(rustix::io::Errno::NOSPC.into()),
            Some(Effect::InputOutput) => Err(rustix::io::Errno::IO.into()),
            Some(Effect::Kill) => {
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                Ok(())
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_fault_strikes_once_at_its_operation() {
            let fault = Fault::parse("rename:2:EIO").unwrap();
            let operations = [Operation::Rename, Operation::Write, Operation::Rename, Operation::Rename];
            let struck: Vec<bool> = operations.map(|operation| fault.strikes(operation).is_some()).to_vec();
            assert_eq!(struck, [false, false, true, false]);
            let any = Fault::parse("any:2:KILL").unwrap();
            assert_eq!((any.strikes(Operation::Sync), any.strikes(Operation::Link)), (None, Some(Effect::Kill)));
            for text in ["", "rename", "rename:0:EIO", "rename:x:EIO", "rename:1:EPERM", "move:1:EIO", "any:1:EIO:1"] {
                assert!(Fault::parse(text).is_none(), "{text}");
            }
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
