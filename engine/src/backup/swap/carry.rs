//! What hangs on a database itself and not on its contents: owner, settings, rights, comment, limit. A dump holds none of it,
//! and applications rely on it; so the database that comes in takes it over from the live one, in the same transaction.

use sqlx::PgConnection;

use super::catalog::{self, Grant, Settings, Side};
use crate::{quote, target::look};

/// One statement that makes the incoming database as the live one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Carry {
    /// In words, for who looks before.
    pub words: String,
    /// The statement.
    pub sql: String,
}

/// Settings whose value is a list of names. A list as one text would be one name.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// What the incoming database lacks or has too much against the live one.
///
/// # Errors
/// What the server said.
pub(super) async fn plan(
    connection: &mut PgConnection,
    live: &Side,
    coming: &Side,
) -> Result<Vec<Carry>, sqlx::Error> {
    let mut plan = of_sides(live, coming);
    let (had, has) = (
        catalog::settings(connection, live.oid).await?,
        catalog::settings(connection, coming.oid).await?,
    );
    plan.extend(of_settings(&coming.name, &had, &has));
    let (had, has) = (
        catalog::grants(connection, live.oid).await?,
        catalog::grants(connection, coming.oid).await?,
    );
    plan.extend(of_grants(&coming.name, &had, &has));
    Ok(plan)
}

fn of_sides(live: &Side, coming: &Side) -> Vec<Carry> {
    let name = quote::ident(&coming.name);
    let mut plan = Vec::new();
    if live.owner != coming.owner {
        plan.push(Carry {
            words: format!("Its owner becomes {} (was {}).", live.owner, coming.owner),
            sql: format!("alter database {name} owner to {}", quote::ident(&live.owner)),
        });
    }
    if live.connection_limit != coming.connection_limit {
        plan.push(Carry {
            words: match live.connection_limit {
                -1 => "Its number of connections is not limited any more.".to_owned(),
                limit => format!("Its number of connections is limited to {limit}."),
            },
            sql: format!("alter database {name} connection limit {}", live.connection_limit),
        });
    }
    if live.comment != coming.comment {
        let comment = live
            .comment
            .as_deref()
            .map_or_else(|| "null".to_owned(), quote::literal);
        plan.push(Carry {
            words: "Its comment becomes that of the live database.".to_owned(),
            sql: format!("comment on database {name} is {comment}"),
        });
    }
    plan
}

fn of_settings(coming: &str, had: &[Settings], has: &[Settings]) -> Vec<Carry> {
    if had == has {
        return Vec::new();
    }
    let name = quote::ident(coming);
    let whose = |role: &Option<String>| match role {
        Some(role) => format!("alter role {} in database {name}", quote::ident(role)),
        None => format!("alter database {name}"),
    };
    let mut plan = Vec::new();
    for too_much in has.iter().filter(|one| !had.contains(one)) {
        plan.push(Carry {
            words: format!("It loses its own settings{}.", of_role(&too_much.role)),
            sql: format!("{} reset all", whose(&too_much.role)),
        });
    }
    for lacking in had.iter().filter(|one| !has.contains(one)) {
        for (setting, value) in lacking.settings.iter().filter_map(|one| one.split_once('=')) {
            plan.push(Carry {
                words: format!("It gets the setting {setting}{}.", of_role(&lacking.role)),
                sql: format!(
                    "{} set {} to {}",
                    whose(&lacking.role),
                    quote::ident(setting),
                    value_of(setting, value)
                ),
            });
        }
    }
    plan
}

fn of_role(role: &Option<String>) -> String {
    role.as_ref()
        .map(|role| format!(" of the role {role}"))
        .unwrap_or_default()
}

fn value_of(setting: &str, value: &str) -> String {
    if !LISTS.iter().any(|list| setting.eq_ignore_ascii_case(list)) {
        return quote::literal(value);
    }
    let names: Vec<String> = look::names(value)
        .iter()
        .map(|name| quote::literal(name))
        .collect();
    match names.is_empty() {
        true => quote::literal(""),
        false => names.join(", "),
    }
}

fn of_grants(coming: &str, had: &[Grant], has: &[Grant]) -> Vec<Carry> {
    if had == has {
        return Vec::new();
    }
    let name = quote::ident(coming);
    let whom = |grantee: &Option<String>| grantee.as_deref().map_or("public".to_owned(), quote::ident);
    let who = |grantee: &Option<String>| grantee.as_deref().unwrap_or("everyone").to_owned();
    let mut plan = Vec::new();
    for grant in has.iter().filter(|one| !had.contains(one)) {
        plan.push(Carry {
            words: format!(
                "{} loses the right {} on it.",
                capital(&who(&grant.grantee)),
                grant.privilege
            ),
            sql: format!(
                "revoke {} on database {name} from {} cascade",
                grant.privilege,
                whom(&grant.grantee)
            ),
        });
    }
    for grant in had.iter().filter(|one| !has.contains(one)) {
        plan.push(Carry {
            words: format!(
                "{} gets the right {} on it.",
                capital(&who(&grant.grantee)),
                grant.privilege
            ),
            sql: format!(
                "grant {} on database {name} to {}{}",
                grant.privilege,
                whom(&grant.grantee),
                if grant.grantable { " with grant option" } else { "" }
            ),
        });
    }
    plan
}

fn capital(name: &str) -> String {
    match name {
        "everyone" => "Everyone".to_owned(),
        name => format!("The role {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(role: Option<&str>, of: &[&str]) -> Settings {
        Settings {
            role: role.map(str::to_owned),
            settings: of.iter().map(|&one| one.to_owned()).collect(),
        }
    }

    #[test]
    fn settings_are_written_so_that_each_means_what_it_meant() {
        let had = [
            settings(None, &["search_path=shop, \"A b\", public", "work_mem=8MB"]),
            settings(Some("r'o\"le"), &["app.tenant=it's", "search_path=\"\""]),
        ];
        let has = [settings(None, &["work_mem=1MB"])];
        let sql: Vec<String> = of_settings("new\"", &had, &has)
            .into_iter()
            .map(|one| one.sql)
            .collect();
        assert_eq!(
            sql,
            [
                "alter database \"new\"\"\" reset all",
                "alter database \"new\"\"\" set \"search_path\" to 'shop', 'A b', 'public'",
                "alter database \"new\"\"\" set \"work_mem\" to '8MB'",
                "alter role \"r'o\"\"le\" in database \"new\"\"\" set \"app.tenant\" to 'it''s'",
                "alter role \"r'o\"\"le\" in database \"new\"\"\" set \"search_path\" to ''",
            ]
        );
        assert!(of_settings("new", &had, &had).is_empty());
    }

    #[test]
    fn a_database_that_was_closed_to_everyone_stays_closed() {
        let grant = |grantee: Option<&str>, privilege: &str| Grant {
            grantee: grantee.map(str::to_owned),
            privilege: privilege.to_owned(),
            grantable: false,
        };
        let had = [grant(Some("app"), "CONNECT")];
        let has = [grant(None, "CONNECT"), grant(None, "TEMPORARY")];
        let sql: Vec<String> = of_grants("new", &had, &has)
            .into_iter()
            .map(|one| one.sql)
            .collect();
        assert_eq!(
            sql,
            [
                "revoke CONNECT on database \"new\" from public cascade",
                "revoke TEMPORARY on database \"new\" from public cascade",
                "grant CONNECT on database \"new\" to \"app\"",
            ]
        );
    }
}
