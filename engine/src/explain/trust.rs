//! Whose code runs when a statement is planned or run.
//!
//! To plan is to run: the planner calls immutable and stable functions on constants, also those behind views, policies, checks,
//! index expressions, casts and operators. The console's role may be mightier than the one who made them, and no `set role`
//! holds back a function that sets it anew. So nothing is planned that names code of others than superusers and the console's
//! own role. What is named is read from the letters of the statement: every function, type and table of such a name that could
//! be meant counts, which is too much rather than too little.

use sqlx::PgConnection;

use crate::{
    Error, Result,
    target::{
        Target,
        look::{query_as, query_scalar},
    },
};

use super::statement::Statement;

/// Refuses a statement that would run code of others.
///
/// # Errors
/// `Conflict` with whose code it is; the target's failures.
pub(super) async fn check(
    connection: &mut PgConnection,
    target: &Target,
    statement: &Statement,
    schemas: &[String],
) -> Result<()> {
    const RUNS_TEXT: [&str; 2] = ["ts_stat", "ts_rewrite"];
    let runs_text = statement.names.iter().find(|name| {
        RUNS_TEXT.contains(&name.as_str())
            || ["_to_xml", "_to_xmlschema", "_to_xml_and_xmlschema"]
                .iter()
                .any(|end| name.ends_with(end))
    });
    if let Some(name) = runs_text {
        return Err(Error::conflict(
            format!("It names {name}, which reads what stands in a text, where nothing can look after it."),
            "Run EXPLAIN in a session of your own, and paste the plan here.",
        ));
    }
    let found: Option<(String, String)> = query_as(CODE_OF_OTHERS)
        .bind(&statement.names)
        .bind(schemas)
        .fetch_optional(&mut *connection)
        .await
        .map_err(|source| target.error(source))?;
    let Some((what, owner)) = found else { return Ok(()) };
    let me: String = query_scalar("select current_user::text")
        .fetch_one(connection)
        .await
        .map_err(|source| target.error(source))?;
    Err(Error::conflict(
        format!("Planning it would run code of the role {owner} as the console's role {me}: {what}."),
        format!(
            "Run EXPLAIN as {owner} in a session of your own, and paste the plan here. Or let {me} or a superuser own that \
             code, once you have read it."
        ),
    ))
}

/// What the statement may reach of others' code: what it is, and whose. `$1` are the names in the statement, `$2` the schemas in
/// which a name is looked for.
const CODE_OF_OTHERS: &str = "with recursive
         reachable (oid) as (
             select oid
               from pg_namespace
              where nspname = any ($2::text[])
                 or nspname = any ($1::text[])
         ),
         trusted (oid) as (
             select oid from pg_roles where rolsuper or rolname = current_user
         ),
         -- The relations of these names, and those that are read with each: heirs, and what a view reads.
         relations (oid) as (
             select oid
               from pg_class
              where relname = any ($1::text[])
                and relkind in ('r', 'p', 'v', 'm', 'f')
                and relnamespace in (select oid from reachable)
                and relnamespace <> 'pg_catalog'::regnamespace
              union
             select next.oid
               from relations,
                    lateral (
                        select inhrelid as oid
                          from pg_inherits
                         where inhparent = relations.oid
                         union all
                        select depend.refobjid
                          from pg_rewrite as rule
                          join pg_depend as depend
                            on depend.classid = 'pg_rewrite'::regclass
                           and depend.objid = rule.oid
                           and depend.refclassid = 'pg_class'::regclass
                         where rule.ev_class = relations.oid
                    ) as next
         ),
         -- The types of their columns and those that are named, with what each is made of.
         types (oid) as (
             select found.oid
               from (
                    select atttypid as oid
                      from pg_attribute
                      join relations on relations.oid = attrelid
                     where attnum > 0
                       and not attisdropped
                     union
                    select oid
                      from pg_type
                     where typname = any ($1::text[])
                       and typnamespace in (select oid from reachable)
                    ) as found
              union
             select made.oid
               from types
               join pg_type as type on type.oid = types.oid,
                    lateral (values (type.typelem), (type.typbasetype)) as made (oid)
              where made.oid <> 0
         ),
         -- What belongs to them.
         parts (class, oid) as (
             select 'pg_class'::regclass::oid, oid from relations
              union all
             select 'pg_class'::regclass::oid, indexrelid from pg_index join relations on oid = indrelid
              union all
             select 'pg_constraint'::regclass::oid, part.oid
               from pg_constraint as part
               join relations on relations.oid = part.conrelid
              union all
             select 'pg_constraint'::regclass::oid, part.oid
               from pg_constraint as part
               join types on types.oid = part.contypid
              union all
             select 'pg_policy'::regclass::oid, part.oid
               from pg_policy as part
               join relations on relations.oid = part.polrelid
              union all
             select 'pg_rewrite'::regclass::oid, part.oid
               from pg_rewrite as part
               join relations on relations.oid = part.ev_class
              union all
             select 'pg_statistic_ext'::regclass::oid, part.oid
               from pg_statistic_ext as part
               join relations on relations.oid = part.stxrelid
              union all
             select 'pg_attrdef'::regclass::oid, part.oid
               from pg_attrdef as part
               join relations on relations.oid = part.adrelid
              union all
             select 'pg_trigger'::regclass::oid, part.oid
               from pg_trigger as part
               join relations on relations.oid = part.tgrelid
              union all
             select 'pg_type'::regclass::oid, oid from types
         ),
         -- What those name, and what the statement names.
         named (class, oid) as (
             select refclassid, refobjid
               from pg_depend
               join parts on parts.class = classid and parts.oid = objid
              union
             select 'pg_proc'::regclass::oid, oid
               from pg_proc
              where proname = any ($1::text[])
                and pronamespace in (select oid from reachable)
              union
             -- Which operator is meant, the types of its sides say: all count.
             select 'pg_operator'::regclass::oid, oid
               from pg_operator
              where oprnamespace in (select oid from reachable)
              union
             select 'pg_proc'::regclass::oid, castfunc from pg_cast where castfunc <> 0
              union
             select 'pg_foreign_server'::regclass::oid, ftserver
               from pg_foreign_table
               join relations on oid = ftrelid
         ),
         -- Whose it is.
         owned (what, owner) as (
             select 'the function ' || part.oid::regprocedure::text, proowner
               from named
               join pg_proc as part using (oid)
              where class = 'pg_proc'::regclass
              union all
             select 'the operator ' || part.oid::regoperator::text, owner.oid
               from named
               join pg_operator as part using (oid)
               left join pg_proc as code on code.oid = part.oprcode,
                    lateral (values (part.oprowner), (coalesce(code.proowner, part.oprowner))) as owner (oid)
              where class = 'pg_operator'::regclass
              union all
             select 'the operator class ' || opcname::text, opcowner
               from named
               join pg_opclass as part using (oid)
              where class = 'pg_opclass'::regclass
              union all
             select 'the foreign server ' || srvname::text, srvowner
               from named
               join pg_foreign_server as part using (oid)
              where class = 'pg_foreign_server'::regclass
         )
         select owned.what, owned.owner::regrole::text
           from owned
          where owned.owner not in (select oid from trusted)
          order by 1
          limit 1";
