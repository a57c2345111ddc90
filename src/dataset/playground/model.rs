//! The tables of the kind: their columns with types, titles and value lists, and which of them the public may see.

use super::{enrich, photos};
use crate::dataset::features::FieldType::{self, Boolean, Date, Integer, Number, Text};
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A row: values by column; what has none is not there. The geometry is well-known text under [`GEOMETRY`].
pub type Row = BTreeMap<String, Value>;

/// The rows of all tables.
pub type Tables = BTreeMap<&'static str, BTreeMap<Uuid, Row>>;

/// The column with the geometry.
pub const GEOMETRY: &str = "geom";
/// The column that counts the changes of a row.
pub const VERSION: &str = "row_version";

pub const SITE: &str = "spielplatz";
pub const DEVICE: &str = "spielgeraet";
pub const OUTFIT: &str = "ausstattung";
pub const INSPECTION: &str = "pruefung";
pub const DEFECT: &str = "mangel";
pub const PHOTO: &str = "foto";
pub const PLAN: &str = "pruefplan";
pub const CONFLICT: &str = "konflikt";
pub const NOTE: &str = "hinweis";

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub field_type: FieldType,
    /// German title, with the unit.
    pub title: &'static str,
    /// Unit of the values, where they have one.
    pub unit: Option<&'static str>,
    /// Name of the value list.
    pub list: Option<&'static str>,
    /// True when everybody may see it.
    pub public: bool,
    /// Where it comes from: `Some` with the names that it has in files, or computed here.
    pub names: Option<&'static [&'static str]>,
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Name.
    pub name: &'static str,
    /// German title.
    pub title: &'static str,
    /// True with a geometry.
    pub shape: bool,
    /// True when the field may change it.
    pub editable: bool,
    /// True when everybody may see its public columns.
    pub public: bool,
    /// Columns but for `uuid`, the geometry and `row_version`.
    pub columns: &'static [Column],
}

const fn column(name: &'static str, field_type: FieldType, title: &'static str) -> Column {
    Column { name, field_type, title, unit: None, list: None, public: false, names: None }
}

impl Column {
    const fn public(mut self) -> Self {
        self.public = true;
        self
    }
    const fn list(mut self, name: &'static str) -> Self {
        self.list = Some(name);
        self
    }
    const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }
    const fn of(mut self, names: &'static [&'static str]) -> Self {
        self.names = Some(names);
        self
    }
}

/// All tables, in the order of the files.
pub static TABLES: [Table; 9] = [
    Table {
        name: SITE,
        title: "Spielplätze",
        shape: true,
        editable: true,
        public: true,
        columns: &[
            column("kennung", Text, "Kennung").public().of(&["spielplatz_id", "spielplatznr", "objekt_id", "nummer", "nr", "id"]),
            column("name", Text, "Name").public().of(&["bezeichnung", "spielplatz", "place"]),
            column("adresse", Text, "Adresse").public().of(&["strasse", "straße", "anschrift", "address"]),
            column("altersgruppe", Text, "Altersgruppe").public().of(&["alter"]),
            column("flaeche_m2", Number, "Fläche (m²)").unit("m²").public().of(&["flaeche", "fläche"]),
            column("flurstueckskennzeichen", Text, "Flurstückskennzeichen").public().of(&["flurstueck", "flstkennz"]),
            column("ausstattung", Text, "Ausstattung (Freitext)").of(&["details", "geraete", "geräte"]),
            column("geraetetypen", Text, "Gerätetypen").public(),
            column(enrich::PARCEL, Text, "Flurstück nach Kataster").public(),
            column(enrich::ADDRESS, Text, "Adresse nach Kataster").public(),
            column(enrich::ADDRESS_M, Number, "Entfernung zur Adresse (m)"),
            column(enrich::DISTRICT, Text, "Ortsteil").public(),
            column(enrich::MEASURED, Number, "Fläche der Geometrie (m²)").public(),
            column(enrich::PICTURE, Text, "Luftbild (Pfad)"),
            column("ausgesetzt_von", Date, "Prüfung ausgesetzt von").of(&["gesperrt_von"]),
            column("ausgesetzt_bis", Date, "Prüfung ausgesetzt bis").of(&["gesperrt_bis"]),
        ],
    },
    Table {
        name: DEVICE,
        title: "Spielgeräte",
        shape: true,
        editable: true,
        public: true,
        columns: &[
            column("kennung", Text, "Kennung").public().of(&["geraet_id", "spielgeraet_id", "geraetenr", "nummer", "nr", "id"]),
            column("spielplatz", Text, "Kennung des Spielplatzes").public().of(&["spielplatz_id", "spielplatznr"]),
            column("spielplatz_uuid", Text, "Spielplatz").public(),
            column("art", Text, "Art").public().of(&["geraeteart", "geräteart", "typ", "bezeichnung"]),
            column("geraetetyp", Text, "Gerätetyp").public().list("geraetetyp"),
            column("norm", Text, "Norm").public().of(&["din"]),
            column("hersteller", Text, "Hersteller").of(&["lieferant"]),
            column("baujahr", Integer, "Baujahr").public().of(&["jahr"]),
            column("fallhoehe_cm", Number, "Freie Fallhöhe (cm)").unit("cm").of(&["fallhoehe", "fallhöhe"]),
            column("fallschutz", Text, "Fallschutz").of(&["untergrund", "bodenmaterial"]),
            column("fallschutz_dicke_cm", Number, "Schichtdicke (cm)").unit("cm").of(&["schichtdicke", "fallschutz_dicke"]),
            column("fallschutz_boden", Text, "Bodenmaterial nach Norm").list("boden"),
            column("fallschutz_urteil", Text, "Fallschutz nach Tabelle").list("fallschutz_urteil"),
            column(enrich::MEASURED, Number, "Fläche der Geometrie (m²)"),
            column("intervall_visuell_tage", Integer, "Abstand der Sichtkontrollen (Tage)").unit("d").of(&[]),
            column("intervall_operativ_monate", Integer, "Abstand der Verschleißkontrollen (Monate)").unit("mon").of(&[]),
            column("intervall_haupt_monate", Integer, "Abstand der Hauptinspektionen (Monate)").unit("mon").of(&[]),
            column("nicht_pruefen", Boolean, "wird nicht geprüft").of(&["pruefung_entfaellt"]),
        ],
    },
    Table {
        name: OUTFIT,
        title: "Ausstattung aus Freitext",
        shape: false,
        editable: false,
        public: false,
        columns: &[
            column("spielplatz_uuid", Text, "Spielplatz"),
            column("text", Text, "Text"),
            column("geraetetyp", Text, "Gerätetyp").list("geraetetyp"),
            column("norm", Text, "Norm"),
        ],
    },
    Table {
        name: INSPECTION,
        title: "Prüfungen",
        shape: false,
        editable: true,
        public: false,
        columns: &[
            column("kennung", Text, "Kennung").of(&["pruefung_id", "pruefnr", "nummer", "nr", "id"]),
            column("geraet", Text, "Kennung des Geräts").of(&["geraet_id", "spielgeraet_id", "geraetenr"]),
            column("geraet_uuid", Text, "Gerät"),
            column("spielplatz", Text, "Kennung des Spielplatzes").of(&["spielplatz_id", "spielplatznr"]),
            column("spielplatz_uuid", Text, "Spielplatz"),
            column("pruefart_text", Text, "Prüfart wie geliefert").of(&["pruefart", "prüfart", "inspektionsart"]),
            column("pruefart", Text, "Prüfart").list("pruefart"),
            column("datum", Date, "Datum").of(&["pruefdatum", "tag"]),
            column("pruefer", Text, "Prüfende Person").of(&["prüfer", "inspektor"]),
            column("ergebnis", Text, "Ergebnis").of(&["befund"]),
            column("mangel", Text, "Mangel").of(&["maengel", "mängel", "beschreibung"]),
            column("fotos", Text, "Fotos wie geliefert").of(&["foto", "bild", "bilder"]),
        ],
    },
    Table {
        name: DEFECT,
        title: "Mängel",
        shape: false,
        editable: true,
        public: false,
        columns: &[
            column("pruefung_uuid", Text, "Prüfung"),
            column("geraet_uuid", Text, "Gerät"),
            column("spielplatz_uuid", Text, "Spielplatz"),
            column("beschreibung", Text, "Beschreibung"),
            column("festgestellt_am", Date, "Festgestellt am"),
            column("behoben_am", Date, "Behoben am"),
            column("status", Text, "Status").list("status"),
        ],
    },
    Table {
        name: PHOTO,
        title: "Fotos",
        shape: false,
        editable: true,
        public: false,
        columns: &[
            column("mangel_uuid", Text, "Mangel"),
            column("pruefung_uuid", Text, "Prüfung"),
            column("pfad", Text, "Foto"),
            column("bemerkung", Text, "Bemerkung"),
            column(photos::FILE, Text, "Datei im Büro"),
            column(photos::BLAKE3, Text, "BLAKE3 der Datei"),
            column(photos::SHA256, Text, "SHA-256 der Datei"),
            column(photos::SIZE, Integer, "Größe (Bytes)").unit("B"),
        ],
    },
    Table {
        name: PLAN,
        title: "Prüfplan",
        shape: false,
        editable: false,
        public: false,
        columns: &[
            column("spielplatz_uuid", Text, "Spielplatz"),
            column("geraet_uuid", Text, "Gerät"),
            column("pruefart", Text, "Prüfart").list("pruefart"),
            column("letzte", Date, "Letzte Prüfung"),
            column("faellig", Date, "Fällig am"),
            column("vorlauf_tage", Integer, "Gelb so viele Tage vorher"),
            column("ausgesetzt_von", Date, "Ausgesetzt von"),
            column("ausgesetzt_bis", Date, "Ausgesetzt bis"),
        ],
    },
    Table {
        name: CONFLICT,
        title: "Konflikte",
        shape: false,
        editable: false,
        public: false,
        columns: &[
            column("aenderung", Text, "Kennung der Änderung"),
            column("datei", Text, "Kennung der Datei"),
            column("geraet_client", Text, "Mobilgerät"),
            column("tabelle", Text, "Tabelle"),
            column("objekt", Text, "Objekt"),
            column("art", Text, "Art der Änderung").list("aenderungsart"),
            column("feld", Text, "Feld"),
            column("alt", Text, "Wert beim Bearbeiten"),
            column("neu", Text, "Gewünschter Wert"),
            column("jetzt", Text, "Geltender Wert"),
            column("grund", Text, "Grund"),
        ],
    },
    Table {
        name: NOTE,
        title: "Hinweise",
        shape: false,
        editable: false,
        public: false,
        columns: &[
            column("tabelle", Text, "Tabelle"),
            column("objekt", Text, "Objekt"),
            column("kennung", Text, "Kennung"),
            column("hinweis", Text, "Hinweis"),
        ],
    },
];

/// The table of that name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// The value lists: name, then value and German text of each.
pub fn lists() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let plain = |values: &[(&'static str, &str)]| values.iter().map(|(value, text)| (*value, (*text).to_owned())).collect();
    vec![
        (
            "geraetetyp",
            super::equipment::TYPES.iter().map(|kind| (kind.code, format!("{} ({})", kind.title, kind.norm))).collect(),
        ),
        ("boden", super::surface::GROUNDS.iter().map(|ground| (ground.code, ground.title.to_owned())).collect()),
        ("fallschutz_urteil", plain(&super::surface::VERDICTS)),
        ("pruefart", super::plan::KINDS.iter().map(|kind| (kind.code, kind.title.to_owned())).collect()),
        ("status", plain(&[("offen", "offen"), ("behoben", "behoben")])),
        ("aenderungsart", plain(&[("create", "angelegt"), ("patch", "geändert"), ("delete", "gelöscht")])),
    ]
}

/// The text of a value, if it is one.
pub fn text<'r>(row: &'r Row, column: &str) -> Option<&'r str> {
    row.get(column).and_then(Value::as_str)
}

/// A day of a row.
pub fn day(row: &Row, column: &str) -> Option<jiff::civil::Date> {
    text(row, column)?.parse().ok()
}

/// A row of the values that there are.
pub fn row<const N: usize>(values: [(&str, Option<Value>); N]) -> Row {
    values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
