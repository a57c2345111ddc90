//! Writing so that a crash at any instant leaves the old state or the new one, never half of one.

#![expect(clippy::disallowed_methods, reason = "here is where files are renamed and linked")]

use super::faults::{Operation, point};
use crate::error::{Error, Place, Result};
use rayon::prelude::*;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

/// From so many files or folders on, the file system is asked for all at once.
const MANY: usize = 64;

/// Set when what is written need not outlast the process.
static PASSING: AtomicBool = AtomicBool::new(false);

/// From now on nothing waits for the disk: for a command whose workspace is gone when it ends. What it leaves behind is to be
/// brought to disk with [`keep`].
pub fn let_pass() {
    PASSING.store(true, Ordering::Relaxed);
}

/// True after [`let_pass`].
pub fn passes() -> bool {
    PASSING.load(Ordering::Relaxed)
}

fn sync(file: &File) -> io::Result<()> {
    point(Operation::Sync)?;
    if passes() { Ok(()) } else { file.sync_all() }
}

/// Brings a file or folder to disk, also after [`let_pass`].
///
/// # Errors
/// When that fails.
pub fn keep(path: &Path) -> Result<()> {
    let work = || point(Operation::Sync).and_then(|()| File::open(path)).and_then(|file| file.sync_all());
    work().map_err(failed("cannot bring the result to disk", path))
}

/// Files on their way to disk.
#[derive(Debug)]
#[must_use = "whether they came there is told by waiting"]
pub struct Begun(JoinHandle<Result<()>>);

/// Those that are waited for at the end of the command.
static LEFT: Mutex<Vec<Begun>> = Mutex::new(Vec::new());

/// Begins to bring finished files to disk, also after [`let_pass`], while other things are done with them. Of many none: they are brought
/// there together, with [`sync_all`].
///
/// # Errors
/// When a file cannot be opened.
pub fn begin_to_keep(files: &[PathBuf]) -> Result<Begun> {
    // Opened here: a file may soon have another name.
    let open = |path: &PathBuf| match File::open(path) {
        Ok(file) => Ok((file, path.clone())),
        Err(error) => Err(failed("cannot bring the result to disk", path)(error)),
    };
    let few = if files.len() < MANY { files } else { &[] };
    let files = few.iter().map(open).collect::<Result<Vec<_>>>()?;
    let keep = |(file, path): (File, PathBuf)| file.sync_all().map_err(failed("cannot bring the result to disk", &path));
    Ok(Begun(std::thread::spawn(move || files.into_iter().try_for_each(keep))))
}

impl Begun {
    /// Waits until they are there. The system tells once what went wrong on the way: who asks for a file again later is told nothing,
    /// so that no file may get its name before.
    ///
    /// # Errors
    /// When a file could not be brought to disk.
    pub fn wait(self) -> Result<()> {
        let cannot = || Error::new("mk::io::write", "cannot bring the results to disk");
        point(Operation::Sync).map_err(|error| cannot().because(error))?;
        self.0.join().unwrap_or_else(|_| Err(cannot().because("the thread for it ended")))
    }

    /// Leaves the waiting to [`wait_for_the_rest`].
    pub fn leave(self) {
        LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }
}

/// Waits for all that was left.
///
/// # Errors
/// As [`Begun::wait`].
pub fn wait_for_the_rest() -> Result<()> {
    let left = std::mem::take(&mut *LEFT.lock().unwrap_or_else(PoisonError::into_inner));
    left.into_iter().try_for_each(Begun::wait)
}

fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let (what, name) = (what.to_owned(), path.display().to_string());
    move |error| {
        let full = error.kind() == io::ErrorKind::StorageFull;
        let error = Error::new("mk::io::write", what).at(Place::file(name)).because(error);
        if full { error.hint("the disk is full: make room, then run the same command again") } else { error }
    }
}

/// Makes a folder and its parents.
///
/// # Errors
/// When it cannot be made.
pub fn create_dir_all(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    point(Operation::Write).and_then(|()| fs::create_dir_all(path)).map_err(failed("cannot make the folder", path))
}

/// Replaces a file by new content: a temporary file beside it, brought to disk, then renamed.
///
/// # Errors
/// When it cannot be written; the old file is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let work = || -> io::Result<()> {
        point(Operation::Write)?;
        let mut file = tempfile::Builder::new().prefix(".messkette-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        sync(file.as_file())?;
        point(Operation::Rename)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    work().map_err(failed("cannot write the file", path))?;
    sync_path(folder)
}

/// Writes a new file in a folder that nobody sees yet: no rename; the folder is synchronised as a whole later.
///
/// # Errors
/// When it cannot be written.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let work = || -> io::Result<()> {
        point(Operation::Write)?;
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        sync(&file)
    };
    work().map_err(failed("cannot write the file", path))
}

/// Creates a file in a folder that nobody sees yet, to be written bit by bit; it is brought to disk when the store takes it.
///
/// # Errors
/// When it cannot be created.
pub fn create_unseen(path: &Path) -> Result<File> {
    point(Operation::Write).and_then(|()| File::create(path)).map_err(failed("cannot create the file", path))
}

/// Writes a whole file in a folder that nobody sees yet, and makes folders on the way to it; it is brought to disk when the store takes it.
///
/// # Errors
/// When it cannot be written.
pub fn write_unseen(path: &Path, bytes: &[u8]) -> Result<()> {
    path.parent().map_or(Ok(()), create_dir_all)?;
    point(Operation::Write).and_then(|()| fs::write(path, bytes)).map_err(failed("cannot write the file", path))
}

/// Makes a finished file read-only; [`sync_all`] brings it to disk.
///
/// # Errors
/// When that fails.
pub fn seal(path: &Path) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).map_err(failed("cannot finish the file", path))
}

/// Brings files or folders of one file system to disk: few of them one after the other; for many, one order brings all that the file
/// system has not written yet, which takes it a fraction of the time.
///
/// # Errors
/// When that fails (of many, as Linux tells since 5.8).
pub fn sync_all(paths: &[impl AsRef<Path>]) -> Result<()> {
    let [first, ..] = paths else { return Ok(()) };
    if paths.len() < MANY {
        return paths.iter().try_for_each(|path| sync_path(path.as_ref()));
    }
    let whole = || -> io::Result<()> {
        point(Operation::Sync)?;
        if passes() { Ok(()) } else { Ok(rustix::fs::syncfs(File::open(first.as_ref())?)?) }
    };
    whole().map_err(failed("cannot bring the files to disk", first.as_ref()))
}

/// Moves a file or folder on the same file system and brings the move to disk.
///
/// # Errors
/// When it cannot be moved.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    rename_unsynced(from, to)?;
    to.parent().map_or(Ok(()), sync_path)
}

/// Moves a file or folder on the same file system; [`sync_all`] of the folder brings the move to disk.
///
/// # Errors
/// When it cannot be moved.
pub fn rename_unsynced(from: &Path, to: &Path) -> Result<()> {
    point(Operation::Rename).and_then(|()| fs::rename(from, to)).map_err(failed("cannot move the file", from))
}

/// Makes a second name for a file; copies where the file system has no hard links.
///
/// # Errors
/// When neither works.
pub fn hard_link_or_copy(from: &Path, to: &Path) -> Result<()> {
    let work = || -> io::Result<()> {
        point(Operation::Link)?;
        match fs::hard_link(from, to) {
            Err(error) if matches!(error.raw_os_error(), Some(1 | 18 | 31 | 95)) => {
                // EPERM, EXDEV, EMLINK, EOPNOTSUPP
                point(Operation::Write)?;
                fs::copy(from, to)?;
                sync(&File::open(to)?)
            }
            result => result,
        }
    };
    work().map_err(failed("cannot give the file a second name", to))
}

/// Points a symbolic link to another target, in one step.
///
/// # Errors
/// When it cannot be switched; it then points where it did.
pub fn symlink_swap(link: &Path, target: &Path) -> Result<()> {
    let folder = link.parent().unwrap_or(Path::new("."));
    let temporary = folder.join(format!(".messkette-link-{}", std::process::id()));
    let work = || -> io::Result<()> {
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        point(Operation::Link)?;
        std::os::unix::fs::symlink(target, &temporary)?;
        point(Operation::Rename)?;
        fs::rename(&temporary, link)
    };
    work().map_err(failed("cannot switch the link", link))?;
    sync_path(folder)
}

/// Brings a file, or a folder's entries, to disk.
///
/// # Errors
/// When that fails.
pub fn sync_path(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| sync(&file)).map_err(failed("cannot bring to disk what was written", path))
}

/// Deletes a file; one that is gone already is no error.
///
/// # Errors
/// When it cannot be deleted.
pub fn remove_file(path: &Path) -> Result<()> {
    match point(Operation::Remove).and_then(|()| fs::remove_file(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("cannot delete the file", path)(error)),
        _ => Ok(()),
    }
}

/// Deletes a folder with all it has; one that is gone already is no error.
///
/// # Errors
/// When it cannot be deleted.
pub fn remove_tree(path: &Path) -> Result<()> {
    match point(Operation::Remove).and_then(|()| fs::remove_dir_all(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("cannot delete the folder", path)(error)),
        _ => Ok(()),
    }
}

/// Deletes the files below a folder, several at a time, as far as they can be: for a folder that is deleted next. The system needs a
/// tenth of a second to forget a hundred megabytes.
pub fn remove_files_below(path: &Path) {
    let entries = walkdir::WalkDir::new(path).into_iter().flatten();
    let files: Vec<_> = entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect();
    files.par_iter().for_each(|file| {
        let _ = fs::remove_file(file);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        assert_eq!(write_atomic(&path, b"one").unwrap_err().code(), "mk::io::write");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(write_atomic(Path::new("/no/such/folder/a"), b"").unwrap_err().code(), "mk::io::write");
    }

    #[test]
    fn a_linked_file_is_the_same_file_and_a_second_link_is_refused() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        write_new(&from, b"one").unwrap();
        seal(&from).unwrap();
        hard_link_or_copy(&from, &to).unwrap();
        assert_eq!(fs::metadata(&from).unwrap().ino(), fs::metadata(&to).unwrap().ino());
        assert!(fs::metadata(&to).unwrap().permissions().readonly());
        assert!(hard_link_or_copy(&from, &to).is_err());
        rename(&to, &folder.path().join("c")).unwrap();
        assert!(rename(&to, &from).is_err() && from.is_file());
    }

    #[test]
    fn what_is_on_its_way_to_disk_may_be_renamed_and_what_is_not_there_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["a", "b"].map(|name| folder.path().join(name));
        fs::write(&from, b"one").unwrap();
        let begun = begin_to_keep(std::slice::from_ref(&from)).unwrap();
        rename_unsynced(&from, &to).unwrap();
        begun.wait().unwrap();
        let error = begin_to_keep(std::slice::from_ref(&from)).unwrap_err();
        assert!(error.full_message().contains("cannot bring the result to disk"), "{}", error.full_message());
        assert!(Begun(std::thread::spawn(|| Err(Error::new("mk::io::write", "no room")))).wait().is_err());
    }

    #[test]
    fn few_files_and_many_are_brought_to_disk() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..=MANY).map(|number| folder.path().join(number.to_string())).collect();
        for path in &paths {
            fs::write(path, b"one").unwrap();
            seal(path).unwrap();
        }
        for part in [&paths[..0], &paths[..3], &paths[..]] {
            sync_all(part).unwrap();
        }
        assert_eq!(sync_all(&[folder.path().join("none")]).unwrap_err().code(), "mk::io::write");
        fs::remove_file(&paths[0]).unwrap();
        assert_eq!(sync_all(&paths).unwrap_err().code(), "mk::io::write");
    }

    #[test]
    fn a_link_switches_and_what_is_gone_can_be_deleted_again() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("current");
        for target in ["r1", "r2"] {
            symlink_swap(&link, Path::new(target)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        }
        remove_file(&link).unwrap();
        remove_file(&link).unwrap();
        remove_tree(&folder.path().join("none")).unwrap();
    }
}
