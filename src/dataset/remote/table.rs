//! Tables of a database with PostGIS, read whole in one transaction that sees one state and changes nothing.

use super::Remote;
use super::postgis::{Named, PostgisOption};
use super::rows::{Column, Kind, Writer};
use crate::crs::Crs;
use crate::dataset::FetchContext;
use crate::error::{Error, Result};
use crate::io::postgres::{Connection, name, text};
use std::collections::BTreeSet;
use std::path::Path;

/// Bytes that all tables together may have.
const MAX_BYTES: u64 = 64 << 30;

/// The tables of an option, with what is wanted of them.
pub struct Tables<'o> {
    /// The option.
    pub option: &'o PostgisOption,
    /// Columns that are read where a table has them, in small letters; `None` for all. Geometry and key are read anyway.
    pub columns: Option<BTreeSet<String>>,
}

impl Remote for Tables<'_> {
    fn name(&self) -> String {
        format!("{}/{}", self.option.host, self.option.database)
    }

    fn identity(&self) -> String {
        let PostgisOption { host, port, database, .. } = self.option;
        format!("postgis {host} {port} {database} {:?}", self.option.named())
    }

    fn bring(&self, context: &FetchContext<'_>, folder: &Path) -> Result<()> {
        let mut connection = self.option.reach().connect(context.folder)?;
        // Numbers with all their digits, moments in one zone.
        connection.run("SET extra_float_digits = 3; SET TimeZone = 'UTC'; SET bytea_output = 'hex'")?;
        connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let postgis = postgis(&mut connection)?;
        let mut bytes = 0;
        for named in self.option.named() {
            let mut reading = Reading { connection: &mut connection, postgis: &postgis, named, context, bytes: &mut bytes };
            let full = format!("{}.{}", named.schema, named.table);
            reading.whole(self.columns.as_ref(), &folder.join(named.file())).map_err(|error| {
                let message = format!("table {full}: {}", error.full_message());
                let copy = Error::new(error.code(), message).exit(error.exit_code());
                match error.hint_text() {
                    Some(hint) => copy.hint(hint),
                    None => copy,
                }
            })?;
        }
        connection.run("COMMIT").map(|_| ())
    }
}

fn told(message: impl Into<String>) -> Error {
    Error::new("mk::remote::table", message)
}

fn first(rows: Vec<Vec<Option<String>>>) -> Option<Vec<String>> {
    rows.into_iter().next().map(|row| row.into_iter().map(Option::unwrap_or_default).collect())
}

/// The schema that PostGIS is in; none where the database has no PostGIS: tables without geometry can be read all the same.
fn postgis(connection: &mut Connection) -> Result<Option<String>> {
    let sql = "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'postgis'";
    Ok(first(connection.run(sql)?).and_then(|row| row.into_iter().next()))
}

struct Reading<'r> {
    connection: &'r mut Connection,
    postgis: &'r Option<String>,
    named: Named<'r>,
    context: &'r FetchContext<'r>,
    bytes: &'r mut u64,
}

impl Reading<'_> {
    fn whole(&mut self, wanted: Option<&BTreeSet<String>>, path: &Path) -> Result<()> {
        let Named { schema, table } = self.named;
        let sql = format!(
            "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {} AND c.relname = {} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
            text(schema),
            text(table)
        );
        let oid = first(self.connection.run(&sql)?).and_then(|row| row.into_iter().next()).ok_or_else(|| {
            told("there is no such table").hint("a name stands as it is stored: in small letters, unless it was made in quotes")
        })?;
        let oid: u32 = oid.parse().map_err(|_| told("the database answers what was not asked"))?;
        let columns = self.columns(oid, wanted)?;
        let place = columns.iter().find(|column| matches!(column.kind, Kind::Place { .. }));
        let crs = place.map(|place| self.crs(place)).transpose()?.flatten();
        let order = self.key(oid)?;
        let values: Vec<String> =
            columns.iter().map(|column| format!("{} AS {}", self.value(column), name(&column.name))).collect();
        let from = format!("FROM {}.{} AS t", name(schema), name(table));
        let sql = if order.is_empty() {
            // A view has no key: its rows as texts have an order too.
            format!("SELECT r.* FROM (SELECT {} {from}) AS r ORDER BY r::text COLLATE \"C\"", values.join(", "))
        } else {
            format!("SELECT {} {from} ORDER BY {}", values.join(", "), order.join(", "))
        };
        let mut writer = Writer::create(path, &columns, crs)?;
        let (cancel, bytes) = (self.context.cancel, &mut *self.bytes);
        self.connection.each(&sql, &mut |row| {
            if writer.rows() % 1024 == 0 {
                crate::dataset::check(cancel)?;
            }
            *bytes += row.iter().flatten().map(|value| value.len() as u64).sum::<u64>();
            if *bytes > MAX_BYTES {
                return Err(told("the tables have more than 64 GiB"));
            }
            writer.add(row)
        })?;
        if writer.rows() == 0 {
            return Err(told("it has no row").hint("an empty delivery never removes what is published"));
        }
        writer.finish()
    }

    /// Its columns that are read, in their order.
    fn columns(&mut self, oid: u32, wanted: Option<&BTreeSet<String>>) -> Result<Vec<Column>> {
        // A domain counts as what it is made of.
        let sql = format!(
            "SELECT a.attname, coalesce(b.typname, t.typname), coalesce(bn.nspname, tn.nspname), \
             CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE a.atttypmod END \
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace \
             LEFT JOIN pg_type b ON b.oid = t.typbasetype LEFT JOIN pg_namespace bn ON bn.oid = b.typnamespace \
             WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        );
        let mut columns: Vec<Column> = Vec::new();
        for row in self.connection.run(&sql)? {
            let row: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            let [name, of, schema, modifier] = &row[..] else { continue };
            let of_postgis = self.postgis.as_deref() == Some(schema);
            let kind = match (of.as_str(), of_postgis) {
                ("geometry", true) => Kind::Place { geography: false },
                ("geography", true) => Kind::Place { geography: true },
                ("int2" | "int4" | "int8" | "oid", _) => Kind::Whole,
                ("float4" | "float8", _) => Kind::Real,
                ("numeric", _) => numeric(modifier.parse().unwrap_or(-1)),
                ("bool", _) => Kind::Truth,
                ("date", _) => Kind::Day,
                // Bytes are no value of a feature.
                ("bytea", _) | ("raster", true) => continue,
                _ => Kind::Text,
            };
            let place = matches!(kind, Kind::Place { .. });
            if place && columns.iter().any(|column| matches!(column.kind, Kind::Place { .. })) {
                return Err(told("it has several columns with geometries").hint("make a view with one of them, and name that"));
            }
            if place || wanted.is_none_or(|wanted| wanted.contains(&name.to_lowercase())) {
                columns.push(Column { name: name.clone(), kind });
            }
        }
        if columns.is_empty() {
            return Err(told("it has none of the columns that are asked for"));
        }
        Ok(columns)
    }

    /// The statement's expression for a column.
    fn value(&self, column: &Column) -> String {
        let own = format!("t.{}", name(&column.name));
        match (column.kind, self.postgis) {
            (Kind::Place { .. }, Some(postgis)) => {
                format!("{}.ST_AsBinary({}, 'NDR')", name(postgis), geometry(column, postgis))
            }
            (Kind::Text, _) => format!("{own}::text"),
            _ => own,
        }
    }

    /// The one CRS of all geometries; none where they have none.
    fn crs(&mut self, column: &Column) -> Result<Option<Crs>> {
        let Some(postgis) = self.postgis else { return Ok(None) };
        let (here, full) = (name(postgis), format!("{}.{}", name(self.named.schema), name(self.named.table)));
        let geometry = geometry(column, postgis);
        let sql = format!(
            "SELECT s.srid, coalesce(r.auth_name, ''), coalesce(r.auth_srid, 0) FROM \
             (SELECT DISTINCT {here}.ST_SRID({geometry}) AS srid FROM {full} AS t WHERE t.{} IS NOT NULL) AS s \
             LEFT JOIN {here}.spatial_ref_sys AS r ON r.srid = s.srid ORDER BY 1 LIMIT 3",
            name(&column.name)
        );
        let rows: Vec<Vec<String>> =
            self.connection.run(&sql)?.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect();
        match &rows[..] {
            [] => Ok(None),
            [only] => match &only[..] {
                [srid, ..] if srid == "0" => Ok(None),
                [_, authority, code] if authority == "EPSG" => Ok(code.parse().ok().map(Crs)),
                other => {
                    let message = format!("its SRID {} has no EPSG code", other.first().map_or("", String::as_str));
                    Err(told(message).hint("make a view with ST_Transform(geom, 25832), and name that"))
                }
            },
            several => {
                let srids: Vec<&str> = several.iter().filter_map(|row| row.first()).map(String::as_str).collect();
                Err(told(format!("its geometries are in several CRSs: SRID {}", srids.join(", ")))
                    .hint("make a view with ST_Transform(geom, 25832), and name that"))
            }
        }
    }

    /// What its rows are ordered by: the primary key.
    fn key(&mut self, oid: u32) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT a.attname, a.attcollation <> 0 FROM pg_index i JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place) ON true \
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
             WHERE i.indrelid = {oid} AND i.indisprimary ORDER BY k.place"
        );
        let column = |row: Vec<Option<String>>| {
            let mut row = row.into_iter().map(Option::unwrap_or_default);
            let (column, collates) = (row.next().unwrap_or_default(), row.next().is_some_and(|it| it == "t"));
            // An order of letters that no update of the server's libraries changes.
            format!("t.{}{}", name(&column), if collates { " COLLATE \"C\"" } else { "" })
        };
        Ok(self.connection.run(&sql)?.into_iter().map(column).collect())
    }
}

/// The expression of a geometry.
fn geometry(column: &Column, postgis: &str) -> String {
    let own = format!("t.{}", name(&column.name));
    if column.kind == (Kind::Place { geography: true }) { format!("{own}::{}.geometry", name(postgis)) } else { own }
}

/// Whole numbers of up to 18 digits are such, longer ones texts; all others are rounded as numbers are here.
fn numeric(modifier: i32) -> Kind {
    if modifier < 4 {
        return Kind::Real;
    }
    let (digits, scale) = (((modifier - 4) >> 16) & 0xffff, (modifier - 4) & 0x7ff);
    match (scale, digits) {
        (0, ..=18) => Kind::Whole,
        (0, _) => Kind::Text,
        _ => Kind::Real,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let of = |digits: i32, scale: i32| numeric(((digits << 16) | (scale & 0x7ff)) + 4);
        assert_eq!((of(18, 0), of(19, 0), of(8, 2), of(5, -2)), (Kind::Whole, Kind::Text, Kind::Real, Kind::Real));
        assert_eq!(numeric(-1), Kind::Real);
    }
}
