//! A database in step with what is released.

use super::geopackage::{self, Column, Kind, Table};
use super::{MOST_NAME, Options, rows};
use crate::error::{Error, Exit, Place, Result};
use crate::io::Digest;
use crate::io::postgres::{Connection, name, text};
use crate::publish::{Outside, OutsideInput};
use crate::release::Manifest;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is added to the name of a schema when its tables are replaced: it stays for a night.
pub const BEFORE: &str = "_before";
/// What the comment of a schema of ours begins with, and the form of what is in it.
const MARK: &str = "messkette 1";
/// Columns that are asked for: with an index.
const SOUGHT: [&str; 2] = ["oid", "flstkennz"];

/// A schema that is to be there.
pub struct Wish {
    /// The dataset.
    pub dataset: String,
    /// Its schema.
    pub schema: String,
    /// False where the options leave the dataset out.
    pub asked: bool,
    /// Its GeoPackages.
    files: Vec<PathBuf>,
    /// Digest of their content and of what the options say of it.
    digest: String,
}

/// A schema for each released dataset with a GeoPackage.
///
/// # Errors
/// When the release cannot be read, the options name a dataset that is not there, or a name is too long.
pub fn wishes(options: &Options, input: &OutsideInput<'_>) -> Result<Vec<Wish>> {
    let wrong = |message: String, hint: &str| Err(Error::new("mk::publish::datasets", message).hint(hint).exit(Exit::Usage));
    let known: BTreeSet<&str> = input.pipeline.datasets.iter().map(|dataset| dataset.id.as_str()).collect();
    if let Some(unknown) = options.datasets.iter().find(|id| !known.contains(id.as_str())) {
        return wrong(format!("the pipeline has no dataset '{unknown}'"), "name it by its id");
    }
    let mut found: BTreeMap<String, Vec<(PathBuf, Digest)>> = BTreeMap::new();
    for file in Manifest::read(&input.current)?.files {
        let mut parts = file.path.splitn(3, '/');
        if let (Some(audience), Some(dataset), Some(rest)) = (parts.next(), parts.next(), parts.next())
            && audience == options.folder()
            && known.contains(dataset)
            && Path::new(rest).extension().is_some_and(|extension| extension == "gpkg")
        {
            found.entry(dataset.to_owned()).or_default().push((input.current.join(&file.path), file.blake3));
        }
    }
    let mut wishes = Vec::new();
    for (dataset, files) in found {
        let schema = format!("{}{}", options.schema_prefix, dataset.replace('-', "_"));
        if schema.len() > MOST_NAME {
            return wrong(format!("the name of the schema {schema} is too long"), "shorten schema_prefix, or the dataset's id");
        }
        let digests: Vec<String> = files.iter().map(|(_, digest)| digest.to_string()).collect();
        let digest = Digest::of(format!("{digests:?} {:?}", options.readers).as_bytes()).short();
        let asked = options.datasets.is_empty() || options.datasets.contains(&dataset);
        wishes.push(Wish { dataset, schema, asked, files: files.into_iter().map(|(path, _)| path).collect(), digest });
    }
    Ok(wishes)
}

/// The comparison of a database with a release.
pub struct Sync<'a> {
    options: &'a Options,
    pipeline: &'a str,
    connection: &'a mut Connection,
}

/// A schema of ours, as its comment tells.
struct Mark {
    digest: String,
    tables: Vec<String>,
}

/// What lies under the name of a schema.
enum Found {
    Nothing,
    Ours(Mark),
    Foreign,
}

impl<'a> Sync<'a> {
    /// For the schemas of a pipeline.
    pub fn new(options: &'a Options, pipeline: &'a str, connection: &'a mut Connection) -> Self {
        Self { options, pipeline, connection }
    }

    /// One dataset.
    ///
    /// # Errors
    /// When the database does not answer or does not take something: then everything is as it was.
    pub fn bring(&mut self, wish: &Wish, outside: &mut Outside) -> Result<()> {
        if let Found::Ours(mark) = self.look(&wish.schema)?
            && mark.digest == wish.digest
        {
            return Ok(());
        }
        self.connection.run("BEGIN")?;
        match self.load(wish) {
            Ok(Ok(told)) => {
                self.connection.run("COMMIT")?;
                outside.changed.push(told);
                Ok(())
            }
            Ok(Err(why)) => {
                self.connection.run("ROLLBACK")?;
                outside.left.push((wish.dataset.clone(), why));
                Ok(())
            }
            Err(error) => {
                // A line that broke has rolled back by itself.
                let _ = self.connection.run("ROLLBACK");
                Err(error)
            }
        }
    }

    /// The new schema in the place of the old one, or why that is not to be.
    fn load(&mut self, wish: &Wish) -> Result<Result<String, String>> {
        let (schema, before) = (wish.schema.clone(), format!("{}{BEFORE}", wish.schema));
        // Two runs at once would wait for each other in the midst of it.
        self.connection.run(&format!("SELECT pg_advisory_xact_lock(hashtextextended({}, 0))", text(&schema)))?;
        let postgis = self.postgis()?;
        for place in [&before, &schema] {
            let mark = match self.look(place)? {
                Found::Nothing => continue,
                Found::Foreign => {
                    return Ok(Err(format!("das Schema „{place}“ ist dort schon und nicht von uns, es bleibt unberührt")));
                }
                Found::Ours(mark) => mark,
            };
            let strangers = self.strangers(place, &mark.tables)?;
            if !strangers.is_empty() {
                let list = strangers.join(", ");
                return Ok(Err(format!(
                    "an den Tabellen im Schema „{place}“ hängt, was nicht von uns ist ({list}): sie bleiben, wie sie sind"
                )));
            }
            if *place == before {
                self.take_away(place, &mark.tables)?;
            } else {
                self.connection.run(&format!("ALTER SCHEMA {} RENAME TO {}", name(&schema), name(&before)))?;
            }
        }
        self.connection.run(&format!("CREATE SCHEMA {}", name(&schema)))?;
        let (mut tables, mut count) = (Vec::new(), 0);
        for file in &wish.files {
            let base = geopackage::open(file)?;
            for table in geopackage::tables(&base, file)? {
                if tables.contains(&table.name) {
                    let message = format!("two tables of the dataset '{}' have the name {}", wish.dataset, table.name);
                    return Err(Error::new("mk::publish::table", message).at(Place::file(file.display().to_string())));
                }
                count += self.table(&schema, &postgis, &base, &table)?;
                tables.push(table.name);
            }
        }
        for reader in &self.options.readers {
            let (schema, reader) = (name(&schema), name(reader));
            self.connection.run(&format!(
                "GRANT USAGE ON SCHEMA {schema} TO {reader}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}"
            ))?;
        }
        let comment = format!("{} {}\n{}\n{}", self.mark(), wish.digest, self.pipeline, tables.join(" "));
        self.connection.run(&format!("COMMENT ON SCHEMA {} IS {}", name(&schema), text(&comment)))?;
        Ok(Ok(format!("{schema} with {} tables and {count} rows", tables.len())))
    }

    /// One table with its rows, key and indexes; gives the number of rows.
    fn table(&mut self, schema: &str, postgis: &str, base: &rusqlite::Connection, table: &Table) -> Result<u64> {
        let full = format!("{}.{}", name(schema), name(&table.name));
        let declared = |column: &Column| {
            let kind = match &column.kind {
                Kind::Text => "text".to_owned(),
                Kind::Whole => "integer".to_owned(),
                Kind::Large => "bigint".to_owned(),
                Kind::Real => "double precision".to_owned(),
                Kind::Truth => "boolean".to_owned(),
                Kind::Date => "date".to_owned(),
                Kind::Moment => "timestamp with time zone".to_owned(),
                Kind::Bytes => "bytea".to_owned(),
                Kind::Geometry(kind, _) if kind.is_empty() => format!("{postgis}.geometry"),
                Kind::Geometry(kind, srid) => format!("{postgis}.geometry({kind}, {srid})"),
            };
            format!("{} {kind}", name(&column.name))
        };
        let columns: Vec<String> = table.columns.iter().map(declared).collect();
        self.connection.run(&format!("CREATE TABLE {full} ({})", columns.join(", ")))?;
        let failed = |error| Error::new("mk::publish::gpkg", "cannot read a released GeoPackage").because(error);
        let names: Vec<String> = table.columns.iter().map(|column| name(&column.name)).collect();
        let order = table.columns.iter().find(|column| column.key).map_or("rowid".to_owned(), |column| name(&column.name));
        let sql = format!("SELECT {} FROM {} ORDER BY {order}", names.join(", "), name(&table.native));
        let mut rows = base.prepare(&sql).map_err(failed)?;
        let mut rows = rows.query([]).map_err(failed)?;
        let (mut given, mut begun) = (0_u64, false);
        let taken = self.connection.copy(&format!("COPY {full} FROM STDIN WITH (FORMAT binary)"), |out| {
            if !begun {
                out.extend_from_slice(rows::HEAD);
                begun = true;
            }
            if let Some(row) = rows.next().map_err(failed)? {
                given += 1;
                rows::add(out, table, row)?;
                return Ok(true);
            }
            out.extend_from_slice(rows::END);
            Ok(false)
        })?;
        if taken != given {
            let message = format!("the database says that it took {taken} rows of {given} of the table {}", table.name);
            return Err(Error::new("mk::publish::rows", message).exit(Exit::Unavailable));
        }
        let mut after = String::new();
        for column in &table.columns {
            let column_name = name(&column.name);
            if column.key {
                after.push_str(&format!("ALTER TABLE {full} ADD PRIMARY KEY ({column_name}); "));
            } else if matches!(column.kind, Kind::Geometry(..)) {
                after.push_str(&format!("CREATE INDEX ON {full} USING gist ({column_name}); "));
            } else if SOUGHT.contains(&column.name.as_str()) {
                after.push_str(&format!("CREATE INDEX ON {full} ({column_name}); "));
            }
        }
        self.connection.run(&format!("{after}COMMENT ON TABLE {full} IS {}; ANALYZE {full}", text(&table.title)))?;
        Ok(taken)
    }

    /// Schemas of ours that are no longer released.
    ///
    /// # Errors
    /// When the database does not answer or does not take something.
    pub fn clear(&mut self, wishes: &[Wish], outside: &mut Outside) -> Result<()> {
        let sql =
            "SELECT nspname FROM pg_namespace WHERE obj_description(oid, 'pg_namespace') LIKE 'messkette %' ORDER BY nspname";
        let schemas: Vec<String> =
            self.connection.run(sql)?.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
        for schema in schemas {
            let bare = schema.strip_suffix(BEFORE).unwrap_or(&schema);
            let Some(id) = bare.strip_prefix(&self.options.schema_prefix) else { continue };
            let Found::Ours(mark) = self.look(&schema)? else { continue };
            if wishes.iter().any(|wish| wish.schema == bare) {
                continue;
            }
            if !self.options.prune {
                if schema == bare {
                    let why = format!("das Schema „{schema}“ ist nicht mehr veröffentlicht und steht noch da");
                    outside.left.push((id.to_owned(), why));
                }
                continue;
            }
            let strangers = self.strangers(&schema, &mark.tables)?;
            if strangers.is_empty() {
                self.connection.run("BEGIN")?;
                let done = self.take_away(&schema, &mark.tables);
                self.connection.run(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
                done?;
                outside.changed.push(format!("{schema} removed"));
            } else {
                let list = strangers.join(", ");
                let why = format!(
                    "das Schema „{schema}“ ist nicht mehr veröffentlicht, aber daran hängt, was nicht von uns ist ({list})"
                );
                outside.left.push((id.to_owned(), why));
            }
        }
        Ok(())
    }

    /// What the comment of a schema of ours begins with.
    fn mark(&self) -> String {
        format!("{MARK} {}", self.options.folder())
    }

    fn look(&mut self, schema: &str) -> Result<Found> {
        let sql = format!("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = {}", text(schema));
        let Some(row) = self.connection.run(&sql)?.into_iter().next() else { return Ok(Found::Nothing) };
        let comment = row.into_iter().next().flatten().unwrap_or_default();
        let mut lines = comment.lines();
        let digest = lines.next().and_then(|line| line.strip_prefix(&self.mark())).map(str::trim);
        Ok(match (digest, lines.next(), lines.next()) {
            (Some(digest), Some(pipeline), tables) if pipeline == self.pipeline => {
                let tables = tables.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
                Found::Ours(Mark { digest: digest.to_owned(), tables })
            }
            _ => Found::Foreign,
        })
    }

    /// What others have put into a schema of ours, and views and keys of others that need its tables: the swap would leave them with
    /// the old rows, and the night after would have to delete them.
    fn strangers(&mut self, schema: &str, tables: &[String]) -> Result<Vec<String>> {
        let ours: Vec<String> = tables.iter().map(|table| text(table)).chain(["''".to_owned()]).collect();
        let (schema, ours) = (text(schema), ours.join(", "));
        let sql = format!(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {schema} AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND c.relname NOT IN ({ours}) \
             UNION SELECT r.ev_class::regclass::text FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid \
             JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {schema} AND r.ev_class <> c.oid \
             UNION SELECT k.conrelid::regclass::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {schema} AND k.contype = 'f' ORDER BY 1"
        );
        Ok(self.connection.run(&sql)?.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    }

    /// Deletes our tables and the schema; never with what depends on them.
    fn take_away(&mut self, schema: &str, tables: &[String]) -> Result<()> {
        let full: Vec<String> = tables.iter().map(|table| format!("{}.{}", name(schema), name(table))).collect();
        if !full.is_empty() {
            self.connection.run(&format!("DROP TABLE IF EXISTS {}", full.join(", ")))?;
        }
        self.connection.run(&format!("DROP SCHEMA {}", name(schema))).map(|_| ())
    }

    /// The schema that PostGIS is in, quoted.
    fn postgis(&mut self) -> Result<String> {
        let sql =
            "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'postgis'";
        let found = self.connection.run(sql)?.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        found.map(|schema| name(&schema)).ok_or_else(|| {
            Error::new("mk::publish::postgis", "the database has no PostGIS")
                .hint("as its owner: CREATE EXTENSION postgis;")
                .exit(Exit::Usage)
        })
    }
}
