//! A PostgreSQL of the test's own, with PostGIS: what `psql` says of it is independent of us.
//!
//! The cluster lies in a temporary folder and belongs to `nobody` where the test runs as root, which PostgreSQL refuses. Where the
//! packages are missing the reason is printed.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "tests may panic, and say what they skip")]

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; it ends with the value.
pub struct Cluster {
    child: Child,
    programs: PathBuf,
    folder: tempfile::TempDir,
    root: bool,
    pub port: u16,
}

/// The role that may do everything, by the socket only.
const OWNER: &str = "amt";
/// The database of the tests.
pub const DATABASE: &str = "geo";

/// The programs of the newest PostgreSQL that has PostGIS.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let versions = versions.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let whole = |version: &u32| {
        Path::new(&format!("/usr/lib/postgresql/{version}/bin/postgres")).exists()
            && Path::new(&format!("/usr/share/postgresql/{version}/extension/postgis.control")).exists()
    };
    let newest = versions.filter(whole).max();
    if newest.is_none() {
        let required = std::env::var_os("MESSKETTE_REQUIRE_ORACLES").is_some_and(|value| value == "1");
        assert!(!required, "PostgreSQL with PostGIS is missing; scripts/setup --tests installs it");
        println!("skipped: PostgreSQL with PostGIS is missing; scripts/setup --tests installs it");
    }
    newest.map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
}

impl Cluster {
    /// A server with a database that has PostGIS, and further lines for `pg_hba.conf` and settings; `prepare` may put files into its
    /// folder before it starts.
    pub fn start(access: &[&str], settings: &[&str], prepare: impl Fn(&Path)) -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().metadata().unwrap().uid() == 0;
        let own = |path: &Path| {
            if root {
                std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        };
        own(folder.path());
        let data = folder.path().join("data");
        let mut init = as_other(Command::new(programs.join("initdb")), root, folder.path());
        init.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions", "--username", OWNER, "-D"]);
        let done = init.arg(&data).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let mut lines = vec!["local all amt trust".to_owned()];
        lines.extend(access.iter().map(|line| (*line).to_owned()));
        std::fs::write(data.join("pg_hba.conf"), lines.join("\n") + "\n").unwrap();
        prepare(&data);
        for entry in std::fs::read_dir(&data).unwrap().flatten() {
            own(&entry.path());
        }
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = as_other(Command::new(programs.join("postgres")), root, folder.path());
        server.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-p", &port.to_string()]);
        // Nothing is to be kept longer than the test, and nothing writes but who is asked to.
        for setting in [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "autovacuum=off",
            "wal_level=minimal",
            "max_wal_senders=0",
            "shared_buffers=16MB",
        ] {
            server.args(["-c", setting]);
        }
        for setting in settings {
            server.args(["-c", setting]);
        }
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = server.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let cluster = Self { child, programs, folder, root, port };
        let begun = Instant::now();
        while cluster.ask("postgres", "SELECT 1").is_err() {
            assert!(begun.elapsed() < Duration::from_mins(1), "PostgreSQL does not start: {}", cluster.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        cluster.ask("postgres", &format!("CREATE DATABASE {DATABASE}")).unwrap();
        cluster.psql("CREATE EXTENSION postgis");
        Some(cluster)
    }

    /// The folder of its socket.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// All that the server wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What `psql` answers, as the owner of everything: rows as lines, columns between `|`.
    #[track_caller]
    pub fn psql(&self, sql: &str) -> String {
        self.ask(DATABASE, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// As [`Cluster::psql`], for what may fail.
    pub fn try_psql(&self, sql: &str) -> Result<String, String> {
        self.ask(DATABASE, sql)
    }

    fn ask(&self, database: &str, sql: &str) -> Result<String, String> {
        use std::io::Write;
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", OWNER, "-d", database, "-f", "-"]);
        command
            .arg("-h")
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string()])
            .env("PGOPTIONS", "--client-min-messages=warning");
        let mut psql = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = psql.stdin.take().unwrap();
        let text = sql.to_owned();
        let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
        let output = psql.wait_with_output().unwrap();
        let _ = writer.join();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The server's own processes end with it; its folder is gone in a moment.
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// User and group `nobody`.
const NOBODY: u32 = 65534;

fn as_other(mut command: Command, root: bool, folder: &Path) -> Command {
    if root {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir(folder);
    command
}
