//! What is decided in the page and not yet rehearsed. It lives in the browser until a rehearsal saves it.

use crate::prelude::*;
use contract::import::{ColumnChoice, Mapping, TableChoice};

use crate::ui::{Badge, Tone};

/// What outlives a loading of the page: what is decided and not yet saved, and what was sent to be saved.
#[derive(Clone, Copy)]
pub struct Kept {
    edited: RwSignal<Option<Mapping>>,
    sent: StoredValue<Option<Mapping>>,
}

impl Kept {
    /// Nothing decided.
    pub fn new() -> Self {
        Self {
            edited: RwSignal::new(None),
            sent: StoredValue::new(None),
        }
    }
}

/// The decisions at hand, for all parts of the page. Each loading of the page makes them anew from what is kept: the
/// parts of the former one are gone by then, and must not be told of what was loaded.
#[derive(Clone, Copy)]
pub struct Choices {
    kept: Kept,
    saved: StoredValue<Mapping>,
    /// What was sent and is saved now, perhaps without what only repeated a proposal. It is passed over rather than cleared: to
    /// tell what is kept of anything now would wake the parts of the former page.
    taken: StoredValue<Option<Mapping>>,
    /// Whether they can be changed at all: before the start, by who may.
    open: bool,
}

impl Choices {
    /// Takes in what is saved, and whether it can be changed; made known to the parts of the page.
    pub fn provide(kept: Kept, saved: Mapping, open: bool) -> Self {
        let choices = Self {
            kept,
            saved: StoredValue::new(saved),
            taken: StoredValue::new(kept.sent.get_value()),
            open,
        };
        provide_context(choices);
        choices
    }

    /// Reads the decisions.
    pub fn with<T>(self, read: impl FnOnce(&Mapping) -> T) -> T {
        self.kept.edited.with(|edited| match edited {
            Some(mapping) if !self.is_taken(mapping) => read(mapping),
            _ => self.saved.with_value(read),
        })
    }

    fn is_taken(self, edited: &Mapping) -> bool {
        self.taken.with_value(|taken| taken.as_ref() == Some(edited))
    }

    /// The decisions, for a rehearsal.
    pub fn now(self) -> Mapping {
        untrack(|| self.with(Mapping::clone))
    }

    /// Whether they can be changed.
    pub fn is_open(self) -> bool {
        self.open
    }

    /// Decides something.
    pub fn change(self, change: impl FnOnce(&mut Mapping)) {
        let mut mapping = self.now();
        change(&mut mapping);
        self.replace(mapping);
    }

    /// Decides all at once, as a mapping file does.
    pub fn replace(self, mut mapping: Mapping) {
        tidy(&mut mapping);
        let same = self.saved.with_value(|saved| *saved == mapping);
        self.kept.edited.set((!same).then_some(mapping));
    }

    /// Goes back to what is saved.
    pub fn undo(self) {
        self.kept.edited.set(None);
    }

    /// Whether something is decided that is not saved.
    pub fn is_changed(self) -> bool {
        self.kept.edited.with(|edited| {
            edited.as_ref().is_some_and(|edited| {
                !self.is_taken(edited) && self.saved.with_value(|saved| saved != edited)
            })
        })
    }

    /// Remembers what was sent to be saved.
    pub fn sent(self, mapping: Mapping) {
        self.kept.sent.set_value(Some(mapping));
    }
}

/// The decisions of this page.
pub fn use_choices() -> Option<Choices> {
    use_context()
}

/// Changes what is decided for a table.
pub fn change_table(mapping: &mut Mapping, table: &str, change: impl FnOnce(&mut TableChoice)) {
    change(mapping.tables.entry(table.to_owned()).or_default());
}

/// Changes what is decided for a column.
pub fn change_column(
    mapping: &mut Mapping,
    table: &str,
    column: &str,
    change: impl FnOnce(&mut ColumnChoice),
) {
    change_table(mapping, table, |table| {
        change(table.columns.entry(column.to_owned()).or_default());
    });
}

/// What is decided for a column, if anything.
pub fn column<'a>(mapping: &'a Mapping, table: &str, column: &str) -> Option<&'a ColumnChoice> {
    mapping.tables.get(table)?.columns.get(column)
}

/// A name as it was typed: nothing when it is empty or the old one.
pub fn new_name(typed: &str, old: &str) -> Option<String> {
    let typed = typed.trim();
    (!typed.is_empty() && typed != old).then(|| typed.to_owned())
}

/// Leaves out what says nothing, so that two mappings that mean the same are the same.
fn tidy(mapping: &mut Mapping) {
    for table in mapping.tables.values_mut() {
        table
            .columns
            .retain(|_, column| *column != ColumnChoice::default());
    }
    mapping.tables.retain(|_, table| !is_untouched(table));
}

/// Whether nothing is chosen for a table, so that it need not be mentioned.
fn is_untouched(choice: &TableChoice) -> bool {
    !choice.skip && choice.name.is_none() && choice.columns.is_empty()
}

/// What is decided for a table, in a word beside its name.
#[component]
pub fn TableMark(
    /// The table's name in the file.
    name: String,
) -> impl IntoView {
    let Some(choices) = use_choices() else {
        return ().into_any();
    };
    let words = Memo::new(move |_| choices.with(|mapping| mapping.tables.get(&name).map(mark)));
    (move || {
        words
            .get()
            .map(|words| view! { <Badge tone=Tone::Info text=words /> })
    })
    .into_any()
}

fn mark(choice: &TableChoice) -> String {
    match (choice.skip, choice.columns.len()) {
        (true, _) => "left out".to_owned(),
        (false, 0) => "renamed".to_owned(),
        (false, 1) => "1 column changed".to_owned(),
        (false, count) => format!("{count} columns changed"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use contract::import::ColumnType;

    use super::*;

    #[test]
    fn a_choice_that_is_taken_back_leaves_no_trace_in_the_file() {
        let mut mapping = Mapping::default();
        change_column(&mut mapping, "t", "c", |column| {
            column.column_type = Some(ColumnType::Text)
        });
        assert_eq!(
            column(&mapping, "t", "c").and_then(|column| column.column_type),
            Some(ColumnType::Text)
        );
        change_column(&mut mapping, "t", "c", |column| column.column_type = None);
        change_table(&mut mapping, "u", |table| table.skip = false);
        tidy(&mut mapping);
        assert_eq!(mapping, Mapping::default());
    }

    #[test]
    fn a_table_s_mark_says_the_most_that_was_decided() {
        let mut mapping = Mapping::default();
        change_column(&mut mapping, "t", "a", |column| column.skip = true);
        change_column(&mut mapping, "t", "b", |column| column.name = Some("x".into()));
        let words = |mapping: &Mapping| mark(mapping.tables.get("t").unwrap());
        assert_eq!(words(&mapping), "2 columns changed");
        change_table(&mut mapping, "t", |table| table.skip = true);
        assert_eq!(words(&mapping), "left out");
    }

    #[test]
    fn a_name_that_is_typed_again_is_no_new_name() {
        assert_eq!(new_name(" Album ", "Album"), None);
        assert_eq!(new_name("", "Album"), None);
        assert_eq!(new_name("albums", "Album").as_deref(), Some("albums"));
    }
}
