//! Every value of every table, looked at.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use data_encoding::HEXLOWER;
use fieldcrypt::sqlite::{
    Cell, OWN_COLUMNS, PlainColumn, PlainForm, RowName, RowValue, Stored, Survey, SurveyError, SurveyedTable,
};

use super::column::{Expected, Tally};
use super::patterns::Form;
use super::report::{ColumnReport, Findings, redacted};
use super::{Detectors, Seen};

/// What the tables hold.
pub(super) struct Tables {
    /// Whose database it is, in words.
    pub(super) is: &'static str,
    pub(super) columns: Vec<ColumnReport>,
    pub(super) unread: Vec<String>,
}

/// Looks at every value; tells `progress` how many bytes of values it has seen.
pub(super) fn look(
    path: &Path,
    detectors: &Detectors,
    findings: &mut Findings,
    seen: &mut Seen,
    progress: &mut dyn FnMut(u64),
) -> Result<Tables, SurveyError> {
    let survey = Survey::open(path)?;
    let tables = survey.tables()?;
    let (is, known) = Known::of(&tables);
    let mut answer = Tables {
        is,
        columns: Vec::new(),
        unread: Vec::new(),
    };
    let keys = data_keys(&survey, &tables)?;
    let mut octets = 0;
    for table in &tables {
        let mut columns: Vec<Column> = table
            .columns
            .iter()
            .map(|column| Column {
                name: format!("{}.{column}", table.name),
                expected: known.expected(&table.name, column),
                tally: Tally::default(),
                told: HashSet::new(),
            })
            .collect();
        let row_keys = known.shows_keys(&table.name);
        let read = survey.each_value(table, &mut |cell| {
            if let Some(column) = columns.get_mut(cell.column) {
                column.look(cell, detectors, &keys, row_keys, findings, seen);
            }
            if cell.offset == 0 {
                octets += cell.octets;
                progress(octets);
            }
        });
        if let Err(error) = read {
            answer.unread.push(format!(
                "table {}: {}",
                table.name,
                crate::causes::with_causes(&error)
            ));
        }
        for column in columns {
            let half = column.tally.is_half_sealed() && matches!(column.expected, Expected::Unknown);
            if half {
                let count = column.tally.values - column.tally.sealed;
                let at = || format!("{count} of {} values", column.tally.values);
                findings.add("plain value among sealed ones", &column.name, at, b"", 0);
            }
            let (class, holds) = column.tally.verdict(&column.expected);
            answer.columns.push(ColumnReport {
                column: column.name,
                values: column.tally.values,
                class,
                holds,
            });
        }
    }
    Ok(answer)
}

/// The numbers of the keys that fields may be sealed with.
fn data_keys(survey: &Survey, tables: &[SurveyedTable]) -> Result<BTreeSet<u32>, SurveyError> {
    let mut keys = BTreeSet::new();
    if let Some(table) = tables.iter().find(|table| table.name == "fieldcrypt_keys") {
        survey.each_value(table, &mut |cell| {
            let name = table.columns.get(cell.column).map(String::as_str);
            if let (Some("number"), Stored::Integer(number)) = (name, cell.value) {
                keys.extend(u32::try_from(number));
            }
        })?;
    }
    Ok(keys)
}

/// Names in SQLite's own tables, of whichever program.
const SCHEMA_NAMES: [PlainColumn; 6] = [
    PlainColumn::new(
        "sqlite_schema",
        "type",
        PlainForm::Names,
        "table, index, view, trigger",
    ),
    PlainColumn::new("sqlite_schema", "name", PlainForm::Names, "names of the schema"),
    PlainColumn::new(
        "sqlite_schema",
        "tbl_name",
        PlainForm::Names,
        "names of the schema",
    ),
    PlainColumn::new("sqlite_sequence", "name", PlainForm::Names, "names of the schema"),
    PlainColumn::new("sqlite_stat1", "tbl", PlainForm::Names, "names of the schema"),
    PlainColumn::new("sqlite_stat1", "idx", PlainForm::Names, "names of the schema"),
];

/// What is known of the columns, by table and column.
struct Known(BTreeMap<(String, String), Expected>);

impl Known {
    fn of(tables: &[SurveyedTable]) -> (&'static str, Self) {
        let has = |name: &str| tables.iter().any(|table| table.name == name);
        let mut known = BTreeMap::new();
        if !has("fieldcrypt_install") {
            return ("SQLite database", Self(known));
        }
        let own = OWN_COLUMNS.iter();
        let sealed = authcore::sealed_columns();
        let is_ours = sealed.iter().all(|column| has(column.table()));
        let ours = if is_ours {
            &authcore::PLAIN_COLUMNS[..]
        } else {
            &[]
        };
        for column in own.chain(ours) {
            let place = (column.table.to_owned(), column.column.to_owned());
            known.insert(place, Expected::Plain(*column));
        }
        if !is_ours {
            return ("database with fields sealed by fieldcrypt", Self(known));
        }
        for column in sealed.iter() {
            let place = (column.table().to_owned(), column.column().to_owned());
            known.insert(place, Expected::Sealed);
        }
        ("Postern database", Self(known))
    }

    fn expected(&self, table: &str, column: &str) -> Expected {
        if let Some(names) = SCHEMA_NAMES
            .iter()
            .find(|known| known.table == table && known.column == column)
        {
            return Expected::Plain(*names);
        }
        let place = (table.to_owned(), column.to_owned());
        self.0.get(&place).copied().unwrap_or(Expected::Unknown)
    }

    /// Whether the table's rows are named by bytes that are no secret.
    fn shows_keys(&self, table: &str) -> bool {
        self.0.iter().any(|((name, _), expected)| {
            let public = matches!(expected, Expected::Plain(column)
                if matches!(column.form, PlainForm::Random { .. } | PlainForm::Hash { .. } | PlainForm::Keys));
            name == table && public
        })
    }
}

struct Column {
    name: String,
    expected: Expected,
    tally: Tally,
    /// What was told of the row that is looked at: a value that comes in pieces is told of once.
    told: HashSet<(u64, &'static str)>,
}

impl Column {
    fn look(
        &mut self,
        cell: &Cell<'_>,
        detectors: &Detectors,
        keys: &BTreeSet<u32>,
        row_keys: bool,
        findings: &mut Findings,
        seen: &mut Seen,
    ) {
        if cell.offset == 0 {
            self.told.clear();
            self.tally.count(cell.value, cell.octets, keys);
        }
        let number;
        let bytes = match cell.value {
            Stored::Null => return,
            Stored::Integer(value) => {
                number = value.to_string().into_bytes();
                &number[..]
            }
            Stored::Real(value) => {
                number = value.to_string().into_bytes();
                &number[..]
            }
            Stored::Text(bytes) | Stored::Blob(bytes) => bytes,
        };
        let mut told = |kind: &'static str, secret: &[u8], length: u64| {
            if self.told.insert((cell.row, kind)) {
                let at = || row_text(cell, detectors, row_keys);
                findings.add(kind, &self.name, at, secret, length);
            }
        };
        let strange = self.expected.complaint(cell.value, cell.octets, keys);
        if let Some(kind) = strange.filter(|_| cell.offset == 0) {
            told(kind, bytes, cell.octets);
        }
        let mut known_forms = Vec::new();
        for found in detectors.patterns.find(bytes) {
            let secret = bytes.get(found.start..found.end).unwrap_or_default();
            match found.form {
                Form::Exposed(kind) => {
                    seen.note(kind, secret);
                    told(kind, secret, secret.len() as u64);
                }
                Form::SlowHash(name) => {
                    if secret.len() as u64 == cell.octets {
                        self.tally.count_slow_hash(name);
                    }
                }
                Form::Harmless => {}
            }
            known_forms.push(found.start..found.end);
        }
        if let Some(words) = &detectors.words {
            let whole = words
                .is(bytes)
                .filter(|_| cell.offset == 0 && !self.expected.is_a_name(bytes));
            let mut guessed = whole.into_iter().collect::<Vec<_>>();
            words.find(bytes, |found| guessed.push(found));
            for found in guessed {
                let secret = bytes
                    .get(found.start..found.start + found.length)
                    .unwrap_or_default();
                seen.note(found.kind, secret);
                told(found.kind, secret, found.length as u64);
                known_forms.push(found.start..found.start + found.length);
            }
        }
        let readable = std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
        let is_text = matches!(cell.value, Stored::Text(_)) || (bytes.len() >= 8 && readable);
        if is_text && !self.expected.may_look_random() {
            for range in super::entropy::random_in(bytes) {
                if !known_forms
                    .iter()
                    .any(|form| form.start < range.end && range.start < form.end)
                {
                    let secret = bytes.get(range).unwrap_or_default();
                    told(
                        "text that looks random: a token or a key",
                        secret,
                        secret.len() as u64,
                    );
                }
            }
        }
    }
}

/// What the row is called: never by a secret.
fn row_text(cell: &Cell<'_>, detectors: &Detectors, keys_are_public: bool) -> String {
    let parts = match cell.row_name() {
        RowName::Id(id) => return format!("row {id}"),
        RowName::Key(parts) => parts,
    };
    let mut sure = true;
    let parts: Vec<String> = parts
        .into_iter()
        .map(|part| match part {
            RowValue::Integer(number) => number.to_string(),
            RowValue::Text(text) if !detectors.find_anything(text.as_bytes()) => format!("{text:?}"),
            RowValue::Blob(bytes) if keys_are_public && bytes.len() <= 64 => HEXLOWER.encode(&bytes),
            RowValue::Text(text) => {
                sure = false;
                redacted(text.as_bytes(), text.len() as u64)
            }
            RowValue::Blob(bytes) => {
                sure = false;
                redacted(&bytes, bytes.len() as u64)
            }
            RowValue::Real(_) | RowValue::Null => {
                sure = false;
                "-".to_owned()
            }
        })
        .collect();
    let name = parts.join(", ");
    if sure {
        format!("row {name}")
    } else {
        format!("row {name}, number {} of the table", cell.row)
    }
}
