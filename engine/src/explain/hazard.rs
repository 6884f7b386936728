//! What a statement does that rolling back does not undo, as far as that can be seen before it runs.

use sqlx::PgConnection;

use super::statement::Statement;
use crate::{
    Error, Result,
    target::{Target, look::query_as},
};

/// What is to be said before a statement runs.
#[derive(Debug, Default)]
pub(super) struct Hazards {
    /// What somebody must agree to.
    pub to_accept: Vec<String>,
    /// What is told with the plan.
    pub notes: Vec<String>,
}

/// Functions of the server that act on it and its files, on other sessions, or on the session beyond the transaction: none of
/// that has anything to do with a plan. Beginnings of names.
const ACTS_OUTSIDE: [&str; 33] = [
    "lo_import",
    "lo_export",
    "pg_advisory_lock",
    "pg_advisory_unlock",
    "pg_backup_",
    "pg_cancel_backend",
    "pg_copy_",
    "pg_create_",
    "pg_current_logfile",
    "pg_drop_",
    "pg_file_",
    "pg_import_",
    "pg_log_",
    "pg_logfile_rotate",
    "pg_logical_",
    "pg_ls_",
    "pg_promote",
    "pg_read_",
    "pg_reload_conf",
    "pg_replication_",
    "pg_rotate_logfile",
    "pg_start_backup",
    "pg_stat_clear",
    "pg_stat_file",
    "pg_stat_reset",
    "pg_stat_statements_reset",
    "pg_stop_backup",
    "pg_switch_wal",
    "pg_sync_",
    "pg_terminate_backend",
    "pg_try_advisory_lock",
    "pg_wal_replay_",
    "query_to_xml",
];

/// Looks at a statement before it is run.
///
/// # Errors
/// `Conflict` for what is never run here; the target's failures.
pub(super) async fn of(
    connection: &mut PgConnection,
    target: &Target,
    statement: &Statement,
    schemas: &[String],
) -> Result<Hazards> {
    if let Some(name) = statement.names.iter().find(|name| acts_outside(name)) {
        return Err(Error::conflict(
            format!(
                "It names {name}, which acts on the server or the session and is not undone by rolling back."
            ),
            "Ask for the plan without ANALYZE: then it is planned and not run.",
        ));
    }
    let failed = |source| target.error(source);
    let mut hazards = Hazards::default();
    if statement.changes {
        hazards.to_accept.push(
            "It changes rows: they are locked for others until it is rolled back, and what it wrote is left as dead rows for VACUUM"
                .to_owned(),
        );
    }
    let calls = |name: &str| statement.calls.iter().any(|call| call == name);
    if calls("nextval") || calls("setval") {
        hazards
            .to_accept
            .push("It takes or sets numbers of a sequence, which are not given back".to_owned());
    }
    let functions: Vec<(String, String)> = query_as(
        "select distinct schema.nspname::text, proc.proname::text
           from pg_proc as proc
           join pg_namespace as schema on schema.oid = proc.pronamespace
          where proc.proname = any ($1::text[])
            and (schema.nspname = any ($2::text[]) or schema.nspname = any ($3::text[]))
            and schema.nspname <> 'pg_catalog'
            and proc.provolatile = 'v'
          order by 1, 2
          limit 20",
    )
    .bind(&statement.calls)
    .bind(schemas)
    .bind(&statement.names)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    for (schema, name) in functions {
        hazards.to_accept.push(match name.starts_with("dblink") {
            true => format!("{name} acts on another server, where nothing is rolled back"),
            false => format!(
                "{schema}.{name} is volatile: what it does outside of this database's rows (files, other servers, numbers of \
                 sequences) stays done"
            ),
        });
    }
    if statement.changes {
        let attached: Vec<(String, String, String)> = query_as(
            "select 'trigger', class.relname::text, trigger.tgname::text
               from pg_trigger as trigger
               join pg_class as class on class.oid = trigger.tgrelid
               join pg_namespace as schema on schema.oid = class.relnamespace
              where class.relname = any ($1::text[])
                and (schema.nspname = any ($2::text[]) or schema.nspname = any ($1::text[]))
                and not trigger.tgisinternal
                and trigger.tgenabled <> 'D'
              union all
             select 'foreign', class.relname::text, server.srvname::text
               from pg_foreign_table as part
               join pg_class as class on class.oid = part.ftrelid
               join pg_foreign_server as server on server.oid = part.ftserver
               join pg_namespace as schema on schema.oid = class.relnamespace
              where class.relname = any ($1::text[])
                and (schema.nspname = any ($2::text[]) or schema.nspname = any ($1::text[]))
              union all
             select 'sequence', class.relname::text, attribute.attname::text
               from pg_attribute as attribute
               join pg_class as class on class.oid = attribute.attrelid
               join pg_namespace as schema on schema.oid = class.relnamespace
               left join pg_attrdef as value
                 on value.adrelid = attribute.attrelid
                and value.adnum = attribute.attnum
              where class.relname = any ($1::text[])
                and (schema.nspname = any ($2::text[]) or schema.nspname = any ($1::text[]))
                and class.relkind in ('r', 'p')
                and attribute.attnum > 0
                and not attribute.attisdropped
                and (attribute.attidentity <> '' or pg_get_expr(value.adbin, value.adrelid) like '%nextval(%')
              limit 50",
        )
        .bind(&statement.names)
        .bind(schemas)
        .fetch_all(connection)
        .await
        .map_err(failed)?;
        for (kind, table, name) in attached {
            match kind.as_str() {
                "trigger" => hazards.to_accept.push(format!(
                    "the trigger {name} on {table} may run: what it does outside of this database's rows stays done"
                )),
                "foreign" => hazards.to_accept.push(format!(
                    "{table} is a foreign table: whether the server {name} rolls back is that server's matter"
                )),
                _ if statement.inserts => hazards.notes.push(format!(
                    "{table}.{name} takes numbers from a sequence, and those that were taken are not given back."
                )),
                _ => {}
            }
        }
    }
    hazards.notes.push(
        "It was run and rolled back. What a function does by itself outside of the transaction cannot be seen from here, and would \
         not be undone."
            .to_owned(),
    );
    Ok(hazards)
}

fn acts_outside(name: &str) -> bool {
    ACTS_OUTSIDE.iter().any(|begin| name.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::acts_outside;

    #[test]
    fn what_acts_on_the_server_is_known_by_name() {
        for name in [
            "pg_read_file",
            "pg_read_binary_file",
            "pg_terminate_backend",
            "pg_stat_reset_shared",
            "pg_stat_statements_reset",
            "pg_advisory_lock",
            "pg_advisory_lock_shared",
            "pg_try_advisory_lock",
            "lo_export",
            "pg_create_restore_point",
        ] {
            assert!(acts_outside(name), "{name}");
        }
        for name in [
            "pg_advisory_xact_lock",
            "pg_sleep",
            "pg_size_pretty",
            "orders",
            "lower",
        ] {
            assert!(!acts_outside(name), "{name}");
        }
    }
}
