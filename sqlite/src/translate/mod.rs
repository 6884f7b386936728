//! Schema SQL of SQLite as SQL of PostgreSQL, where the meaning is kept for sure.
//!
//! SQLite compares and computes loosely, PostgreSQL strictly, and columns have changed their types on the way. So each
//! expression is translated together with what SQLite thought of it, and whatever cannot be carried over for sure is
//! refused with the reason.

mod aggregate;
mod assign;
mod case;
mod compare;
mod expression;
mod function;
mod join;
mod json;
mod membership;
mod moment;
mod operator;
mod order;
mod parse;
mod pattern;
mod query;
mod raise;
mod scope;
mod select;
mod spelling;
mod statement;
mod subquery;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod trigger;
mod value;
mod view;
mod written;

use contract::import::{Affinity, ColumnType, Conversion};
use sqlparser::ast::{Expr, OrderBySort, Statement};

use self::{
    expression::Translator,
    scope::{Scope, Source, same},
    value::{Level, Value},
};

/// How the tables of the file are called and typed in PostgreSQL.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// The schema that they are in.
    pub name: String,
    /// The tables, and the views that were made so far.
    pub tables: Vec<Table>,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name in SQLite.
    pub source: String,
    /// Its name in PostgreSQL.
    pub name: String,
    /// Its columns in order.
    pub columns: Vec<Column>,
    /// The `INTEGER PRIMARY KEY` column, by its name in SQLite.
    pub rowid_alias: Option<String>,
    /// Columns that it has in SQLite alone, by their names there.
    pub missing: Vec<String>,
    /// The columns of each unique key over plain columns, by their names in SQLite.
    pub keys: Vec<Vec<String>>,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name in SQLite.
    pub source: String,
    /// Its name in PostgreSQL.
    pub name: String,
    /// Its type in PostgreSQL.
    pub column_type: ColumnType,
    /// How its values got there.
    pub conversion: Option<Conversion>,
    /// What SQLite made of values written into it and compared with it.
    pub affinity: Affinity,
    /// One of its times as stored, when all of its times are spelled alike. Without it most comparisons of a timestamp
    /// with a text are refused, since `T` and a space, or a missing fraction, order texts otherwise than times.
    pub spelling: Option<String>,
    /// Whether its collation is NOCASE.
    pub nocase: bool,
    /// Its collation, when it is neither BINARY nor NOCASE.
    pub strange: Option<String>,
    /// Whether SQLite computes it from others.
    pub computed: bool,
    /// What its values tell.
    pub facts: Facts,
}

/// What the values of a column tell about expressions over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Truth values were words, or anything but the numbers 0 and 1, so that SQLite did not take them for true or false.
    pub words: bool,
    /// Values that differ in SQLite may be equal here, or stand in another order.
    pub unlike: bool,
    /// There are integers that no double holds.
    pub beyond_double: bool,
    /// UUIDs were bytes.
    pub bytes: bool,
    /// Every number is a real in SQLite, which divides integers otherwise.
    pub real: bool,
}

impl Facts {
    /// What holds for values of both.
    fn joined(self, other: Self) -> Self {
        Self {
            words: self.words || other.words,
            unlike: self.unlike || other.unlike || self.bytes != other.bytes,
            beyond_double: self.beyond_double || other.beyond_double,
            bytes: self.bytes || other.bytes,
            real: self.real && other.real,
        }
    }
}

/// What was translated, or why it cannot be carried over, in one sentence.
pub type Outcome<T> = Result<T, String>;

/// The keys and the condition of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexSql {
    /// Each key.
    pub keys: Vec<IndexKey>,
    /// The condition of a partial index.
    pub predicate: Option<String>,
}

/// One key of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexKey {
    /// The key, ready for the list in parentheses.
    pub sql: String,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether it is in descending order.
    pub descending: bool,
    /// The columns that it is made of, by their names in SQLite.
    pub columns: Vec<String>,
    /// Whether it is a column as it is.
    pub plain: bool,
}

/// A translated trigger.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// `create function` and `create trigger`, in this order.
    pub create: Vec<String>,
    /// What takes both away.
    pub drop: String,
}

/// A translated view.
#[derive(Clone, Debug)]
pub struct View {
    /// The whole `create view`.
    pub sql: String,
    /// Its columns, for later views and triggers to be translated with.
    pub table: Table,
}

/// An expression for `default …` of the column's type; none when it means NULL.
///
/// # Errors
///
/// Says why the default cannot be carried over.
pub fn default(sql: &str, column: &Column) -> Outcome<Option<String>> {
    roomy(|| default_here(sql, column))
}

fn default_here(sql: &str, column: &Column) -> Outcome<Option<String>> {
    let expression = parse::expression(sql)?;
    let mut translator = Translator::new(None, Vec::new());
    // SQLite takes a bare word as text.
    let value = match parse::unnested(&expression) {
        Expr::Identifier(word) if !parse::is_clock(&word.value) => Value::text_literal(&word.value),
        // The usual way to make a random UUID out of pieces: its text is what the type is made of.
        _ if column.column_type == ColumnType::Uuid && sql.to_ascii_lowercase().contains("randomblob") => {
            return Ok(Some("gen_random_uuid()".to_owned()));
        }
        other => translator.expression(other)?,
    };
    if value.kind.is_none() {
        return Ok(None);
    }
    assign::stored_default(&value, column).map(Some)
}

/// An expression for `check (…)`.
///
/// # Errors
///
/// Says why the condition cannot be carried over.
pub fn check(expression: &str, table: &Table) -> Outcome<String> {
    roomy(|| check_here(expression, table))
}

fn check_here(expression: &str, table: &Table) -> Outcome<String> {
    let mut translator = Translator::of_table(table);
    let condition = translator.condition(&parse::expression(expression)?)?;
    translator.refuse_random("A check")?;
    Ok(condition.sql)
}

/// An expression for `generated always as (…) stored`, immutable in PostgreSQL.
///
/// # Errors
///
/// Says why the expression cannot be carried over.
pub fn generated(expression: &str, column: &Column, table: &Table) -> Outcome<String> {
    roomy(|| generated_here(expression, column, table))
}

fn generated_here(expression: &str, column: &Column, table: &Table) -> Outcome<String> {
    let mut translator = Translator::of_table(table);
    let value = translator.expression(&parse::expression(expression)?)?;
    if translator.computed {
        return Err("It is computed from another generated column, which PostgreSQL refuses.".to_owned());
    }
    let sql = assign::assigned(&value, column)?;
    if value.instant.as_ref() == Some(&sql) {
        translator.settle(&sql);
    }
    translator.refuse_unsteady("A generated column")?;
    Ok(sql)
}

/// The keys and the condition of a `create index`.
///
/// # Errors
///
/// Says why the index cannot be carried over.
pub fn index(create_index_sql: &str, table: &Table) -> Outcome<IndexSql> {
    roomy(|| index_here(create_index_sql, table))
}

fn index_here(create_index_sql: &str, table: &Table) -> Outcome<IndexSql> {
    let Statement::CreateIndex(index) = parse::statement(create_index_sql)? else {
        return Err("This is no CREATE INDEX.".to_owned());
    };
    let mut translator = Translator::of_table(table);
    // An index that is only a way to the rows serves the queries that people write, `lower(x)`. A unique one is a rule,
    // so it folds ASCII letters alone, as SQLite does.
    translator.any_letters = !index.unique;
    let mut keys = Vec::new();
    for column in &index.columns {
        translator.touched.clear();
        let (sql, value) = translator.index_key(&column.column.expr)?;
        keys.push(IndexKey {
            column_type: value.kind.unwrap_or(ColumnType::Text),
            plain: value.column && !sql.contains('('),
            sql,
            descending: matches!(column.column.options.sort, Some(OrderBySort::Desc)),
            columns: std::mem::take(&mut translator.touched),
        });
    }
    let predicate = match &index.predicate {
        Some(predicate) => {
            translator.any_letters = false;
            Some(translator.condition(predicate)?.sql)
        }
        None => None,
    };
    translator.refuse_unsteady("An index")?;
    Ok(IndexSql { keys, predicate })
}

/// A whole `create view "schema"."name" (…) as …`, and its columns.
///
/// # Errors
///
/// Says why the view cannot be carried over.
pub fn view(create_view_sql: &str, schema: &Schema, name: &str) -> Outcome<View> {
    roomy(|| view::view(create_view_sql, schema, name))
}

/// A trigger in PostgreSQL, and its function, both of this name, for the SQL of one in SQLite.
///
/// # Errors
///
/// Says why the trigger cannot be carried over.
pub fn trigger(create_trigger_sql: &str, schema: &Schema, name: &str) -> Outcome<Trigger> {
    roomy(|| trigger::trigger(create_trigger_sql, schema, name))
}

/// Room for a deep tree, which the stack of a worker need not have: the SQL of a file may be anybody's.
const STACK: usize = 16 << 20;

fn roomy<T: Send>(work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work);
        let thread = thread.map_err(|error| format!("There is no room to translate it: {error}."))?;
        thread
            .join()
            .unwrap_or_else(|_| Err("Its SQL could not be read.".to_owned()))
    })
}

impl<'a> Translator<'a> {
    /// A translator of expressions over the columns of one table.
    fn of_table(table: &Table) -> Self {
        Self::new(
            None,
            vec![Scope {
                sources: vec![Source::bare(table)],
                aliases: Vec::new(),
            }],
        )
    }

    /// A time that is used as one and not as text depends on no setting, unless it is the present.
    fn settle(&mut self, instant: &str) {
        self.unsteady = instant.contains("statement_timestamp()");
    }

    /// One key of an index: a column, or an expression in parentheses.
    fn index_key(&mut self, expression: &Expr) -> Outcome<(String, Value)> {
        let (expression, collation) = match parse::unnested(expression) {
            Expr::Collate { expr, collation } => (parse::unnested(expr), Some(collation.to_string())),
            other => (other, None),
        };
        // A name in double quotes that is no column would be a text, the same for each row.
        let value = self.expression(expression)?;
        if value.literal.is_some() {
            return Err("The index has a key that is the same for each row.".to_owned());
        }
        let collation = collation
            .as_deref()
            .map(parse::bare_name)
            .or_else(|| value.strange.clone());
        let fold = match collation {
            None => value.nocase && value.is_text(),
            Some(collation) if same(&collation, "nocase") => value.is_text(),
            Some(collation) if same(&collation, "binary") => false,
            Some(collation) if same(&collation, "rtrim") && value.is_text() => {
                return Ok((format!("rtrim({})", value.sql), value));
            }
            Some(collation) => {
                return Err(format!(
                    "The collation {collation} is known to its own program alone."
                ));
            }
        };
        if fold {
            return Ok((self.folded(&value, "lower").sql, value));
        }
        // A text that stands for a time is indexed as the time.
        if let Some(instant) = value.instant.clone() {
            self.settle(&instant);
            let value = Value::atom(format!("({instant})"), ColumnType::Timestamp);
            return Ok((value.sql.clone(), value));
        }
        let callable = value.level == Level::Atom && value.sql.ends_with(')') && !value.sql.contains("::");
        let plain = value.column && value.sql.ends_with('"') || callable && !value.sql.starts_with('(');
        let sql = if plain {
            value.sql.clone()
        } else {
            format!("({})", value.sql)
        };
        Ok((sql, value))
    }
}
