//! Views.

use sqlparser::ast::Statement;

use super::{Outcome, Schema, Table, View, expression::Translator, parse, scope::same};
use crate::quote;

/// `create view` for the SQL of one in SQLite.
pub(super) fn view(sql: &str, schema: &Schema, name: &str) -> Outcome<View> {
    let Statement::CreateView(view) = parse::statement(sql)? else {
        return Err("This is no CREATE VIEW.".to_owned());
    };
    let mut translator = Translator::new(Some(schema), Vec::new());
    let query = translator.query(&view.query)?;
    translator.refuse_random("A view that is read twice")?;
    let mut names: Vec<String> = if view.columns.is_empty() {
        query.columns.iter().map(|(name, _)| name.clone()).collect()
    } else {
        view.columns
            .iter()
            .map(|column| column.name.value.clone())
            .collect()
    };
    if names.len() != query.columns.len() {
        return Err("The view names another number of columns than it has.".to_owned());
    }
    distinguish(&mut names);
    if names.iter().any(|name| name.is_empty() || name.len() > 63) {
        return Err("A column of the view has a name that PostgreSQL does not keep.".to_owned());
    }
    let listed: Vec<String> = names.iter().map(|name| quote::ident(name)).collect();
    let source = parse::last(&view.name)?.value.clone();
    Ok(View {
        sql: format!(
            "create view {}.{} ({}) as\n{}",
            quote::ident(&schema.name),
            quote::ident(name),
            listed.join(", "),
            query.sql
        ),
        table: Table {
            name: name.to_owned(),
            ..query.table(&source, &names)
        },
    })
}

/// Names that occur twice get a number, as SQLite gives them.
fn distinguish(names: &mut [String]) {
    for at in 1..names.len() {
        let (before, rest) = names.split_at_mut(at);
        let Some(name) = rest.first_mut() else { continue };
        let plain = name.clone();
        let mut number = 0;
        while before.iter().any(|other| same(other, name)) {
            number += 1;
            *name = format!("{plain}:{number}");
        }
    }
}
