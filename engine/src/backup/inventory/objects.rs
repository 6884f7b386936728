//! Every object of a database that a dump holds, by its name as PostgreSQL identifies it, with what it is, whose it is, who may do what
//! with it, and its comment. What belongs to an extension is made by the extension and left out, as a dump leaves it out;
//! so is what may hold a secret (options of servers and user mappings), what is outside of the database (roles, tablespaces),
//! and what a restore may number or name anew (the parts of a foreign key in partitions).

use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::{Aspect, Object, short};
use crate::target::look::query_as;

/// Who may do what with `o (oid, owner, acl, kind)` beyond and below what a new object of its kind allows: `+reader=SELECT`. An
/// explicit list that says what is so by default is none, and a privilege that a newer version gives owners is no difference.
pub(super) const GRANTS: &str = r#"
    cross join lateral (
        select string_agg(changes.sign || changes.grantee || '=' || changes.privileges, ', '
                          order by (changes.sign || changes.grantee) collate "C") as text
          from (select change.sign,
                       case change.grantee when 0 then 'public' else pg_get_userbyid(change.grantee)::text end as grantee,
                       string_agg(change.privilege, ' ' order by change.privilege collate "C") as privileges
                  from (select '+' as sign, more.*
                          from (select grantee, privilege_type || case when is_grantable then '*' else '' end
                                  from aclexplode(o.acl)
                                except
                                select grantee, privilege_type || case when is_grantable then '*' else '' end
                                  from aclexplode(acldefault(o.kind, o.owner))) as more (grantee, privilege)
                         union all
                        select '-' as sign, less.*
                          from (select grantee, privilege_type || case when is_grantable then '*' else '' end
                                  from aclexplode(acldefault(o.kind, o.owner))
                                except
                                select grantee, privilege_type || case when is_grantable then '*' else '' end
                                  from aclexplode(o.acl)) as less (grantee, privilege)
                         where o.acl is not null) as change
                 group by change.sign, change.grantee) as changes) as granted"#;

/// Users' schemas, relations that are no extension's, and everything that has an owner or a name of its own.
const OWN: &str = r#"
    own as (
        select oid, nspname, nspowner, nspacl
          from pg_namespace
         where nspname !~ '^pg_'
           and nspname <> 'information_schema'
    ),
    -- What extensions have made.
    member as (
        select classid, objid
          from pg_depend
         where deptype = 'e'
    ),
    rel as (
        select c.*
          from pg_class c
          join own on own.oid = c.relnamespace
         where not exists (select from member where classid = 'pg_class'::regclass and objid = c.oid)
    ),
    every (class, oid, owner, acl, kind) as (
        select 'pg_namespace'::regclass::oid, oid, nspowner, nspacl, 'n'::"char" from own
         union all
        select 'pg_class'::regclass, oid, relowner, relacl, case relkind when 'S' then 's' else 'r' end::"char"
          from rel where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
         union all
        select 'pg_proc'::regclass, p.oid, proowner, proacl, 'f' from pg_proc p join own on own.oid = pronamespace
         union all
        select 'pg_type'::regclass, t.oid, typowner, typacl, 'T'
          from pg_type t
          join own on own.oid = typnamespace
         where typtype in ('b', 'd', 'e', 'r', 'c')
           and (typrelid = 0 or exists (select from pg_class c where c.oid = typrelid and c.relkind = 'c'))
           and not exists (select from pg_type element where element.typarray = t.oid)
         union all
        select 'pg_language'::regclass, oid, lanowner, lanacl, 'l' from pg_language
         union all
        select 'pg_foreign_data_wrapper'::regclass, oid, fdwowner, fdwacl, 'F' from pg_foreign_data_wrapper
         union all
        select 'pg_foreign_server'::regclass, oid, srvowner, srvacl, 'S' from pg_foreign_server
         union all
        select 'pg_operator'::regclass, o.oid, oprowner, null, 'r' from pg_operator o join own on own.oid = oprnamespace
         union all
        select 'pg_opclass'::regclass, o.oid, opcowner, null, 'r' from pg_opclass o join own on own.oid = opcnamespace
         union all
        select 'pg_opfamily'::regclass, o.oid, opfowner, null, 'r' from pg_opfamily o join own on own.oid = opfnamespace
         union all
        select 'pg_collation'::regclass, c.oid, collowner, null, 'r' from pg_collation c join own on own.oid = collnamespace
         union all
        select 'pg_conversion'::regclass, c.oid, conowner, null, 'r' from pg_conversion c join own on own.oid = connamespace
         union all
        select 'pg_ts_config'::regclass, c.oid, cfgowner, null, 'r' from pg_ts_config c join own on own.oid = cfgnamespace
         union all
        select 'pg_ts_dict'::regclass, d.oid, dictowner, null, 'r' from pg_ts_dict d join own on own.oid = dictnamespace
         union all
        select 'pg_statistic_ext'::regclass, s.oid, stxowner, null, 'r' from pg_statistic_ext s join own on own.oid = stxnamespace
         union all
        select 'pg_publication'::regclass, oid, pubowner, null, 'r' from pg_publication
         union all
        select 'pg_event_trigger'::regclass, oid, evtowner, null, 'r' from pg_event_trigger
         union all
        select 'pg_ts_parser'::regclass, p.oid, null, null, 'r' from pg_ts_parser p join own on own.oid = prsnamespace
         union all
        select 'pg_ts_template'::regclass, t.oid, null, null, 'r' from pg_ts_template t join own on own.oid = tmplnamespace
         union all
        select 'pg_cast'::regclass, oid, null, null, 'r' from pg_cast
         union all
        select 'pg_transform'::regclass, oid, null, null, 'r' from pg_transform
         union all
        select 'pg_am'::regclass, oid, null, null, 'r' from pg_am
         union all
        select 'pg_extension'::regclass, oid, null, null, 'r' from pg_extension
    ),
    -- Those of users: numbers below 16384 are the server's own.
    object as (
        select every.*
          from every
         where (oid >= 16384 or (class = 'pg_namespace'::regclass and exists (select from own where own.oid = every.oid)))
           and not exists (select from member where classid = class and objid = every.oid)
    )"#;

/// Tables, views, columns, indexes and sequences.
const RELATIONS: &str = r#"
    definition (class, oid, sub, plain, rendered) as (
        select 'pg_class'::regclass::oid, c.oid, 0,
               concat_ws(' ', c.relpersistence,
                         (select 'using ' || amname from pg_am where pg_am.oid = c.relam and c.relkind in ('r', 'm')),
                         case when c.relrowsecurity then 'row security' end,
                         case when c.relforcerowsecurity then 'forced' end,
                         case when c.relkind in ('r', 'p') then concat('identity ', c.relreplident) end,
                         case when c.relkind = 'm' and not c.relispopulated then 'not populated' end,
                         case when c.reloftype <> 0 then concat('of ', c.reloftype::regtype) end,
                         (select 'with ' || string_agg(option, ', ' order by option) from unnest(c.reloptions) as option),
                         (select 'inherits ' || string_agg(inhparent::regclass::text, ', ' order by inhseqno)
                            from pg_inherits where inhrelid = c.oid),
                         (select 'server ' || srvname
                            from pg_foreign_table join pg_foreign_server s on s.oid = ftserver where ftrelid = c.oid)),
               concat_ws(' ', case c.relkind when 'p' then pg_get_partkeydef(c.oid) end,
                         case when c.relispartition then pg_get_expr(c.relpartbound, c.oid) end,
                         case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end)
          from rel c
         where c.relkind in ('r', 'p', 'v', 'm', 'f')
         union all
        select 'pg_class'::regclass, c.oid, a.attnum,
               concat_ws(' ', format_type(a.atttypid, a.atttypmod),
                         case when a.attnotnull then 'not null' end,
                         case when a.attgenerated <> '' then concat('generated ', a.attgenerated) end,
                         case when a.attidentity <> '' then concat('identity ', a.attidentity) end,
                         case when a.attcollation <> t.typcollation then concat('collate ', a.attcollation::regcollation) end,
                         case when a.attstorage <> t.typstorage then concat('storage ', a.attstorage) end,
                         case when a.attcompression <> '' then concat('compression ', a.attcompression) end,
                         case when coalesce(a.attstattarget, -1) >= 0 then concat('statistics ', a.attstattarget) end,
                         (select 'with ' || string_agg(option, ', ' order by option) from unnest(a.attoptions) as option)),
               pg_get_expr(d.adbin, d.adrelid)
          from rel c
          join pg_attribute a on a.attrelid = c.oid
          join pg_type t on t.oid = a.atttypid
          left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
         where c.relkind in ('r', 'p', 'f')
           and a.attnum > 0
           and not a.attisdropped
         union all
        -- A dump leaves out indexes whose build was broken off.
        select 'pg_class'::regclass, i.indexrelid, 0,
               concat_ws(' ', case when i.indisunique then 'unique' end,
                         case when i.indisprimary then 'primary' end,
                         case when i.indisclustered then 'clustered' end,
                         case when i.indisreplident then 'replica identity' end),
               pg_get_indexdef(i.indexrelid)
          from pg_index i
          join rel c on c.oid = i.indrelid
         where i.indisvalid
           and c.relkind in ('r', 'p', 'm')
         union all
        select 'pg_class'::regclass, c.oid, 0,
               concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
                         case when s.seqcycle then 'cycle' end,
                         (select concat('of ', d.refobjid::regclass, '.', quote_ident(a.attname))
                            from pg_depend d
                            join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
                           where d.classid = 'pg_class'::regclass
                             and d.objid = c.oid
                             and d.refclassid = 'pg_class'::regclass
                             and d.deptype in ('a', 'i'))),
               null
          from pg_sequence s
          join rel c on c.oid = s.seqrelid
    )"#;

/// What stands on tables and domains.
const PARTS: &str = r#"
    definition (class, oid, sub, plain, rendered) as (
        -- Version 18 has constraints for what columns say, and each version names the parts of a key in partitions itself.
        select 'pg_constraint'::regclass::oid, k.oid, 0,
               concat_ws(' ', k.contype,
                         (select '(' || string_agg(quote_ident(a.attname), ', ' order by key.place) || ')'
                            from unnest(k.conkey) with ordinality as key (number, place)
                            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = key.number
                           where k.contype in ('p', 'u', 'f')),
                         case when k.confrelid <> 0 then concat('references ', k.confrelid::regclass) end,
                         case when k.condeferrable then 'deferrable' end,
                         case when k.condeferred then 'deferred' end,
                         case when not k.convalidated then 'not valid' end),
               pg_get_constraintdef(k.oid)
          from pg_constraint k
          join own on own.oid = k.connamespace
         where k.contype not in ('n', 't')
           and (k.contype <> 'f' or k.conparentid = 0)
           and (k.conrelid = 0 or exists (select from rel where rel.oid = k.conrelid))
           and not exists (select from member where classid = 'pg_type'::regclass and objid = k.contypid)
         union all
        select 'pg_trigger'::regclass, t.oid, 0, concat('enabled ', t.tgenabled), pg_get_triggerdef(t.oid)
          from pg_trigger t
          join rel on rel.oid = t.tgrelid
         where not t.tgisinternal
           and t.tgparentid = 0
         union all
        select 'pg_rewrite'::regclass, r.oid, 0, concat('enabled ', r.ev_enabled), pg_get_ruledef(r.oid)
          from pg_rewrite r
          join rel on rel.oid = r.ev_class
         where r.rulename <> '_RETURN'
         union all
        select 'pg_policy'::regclass, p.oid, 0,
               concat_ws(' ', case when p.polpermissive then 'permissive' else 'restrictive' end, concat('for ', p.polcmd),
                         (select 'to ' || string_agg(role.name, ', ' order by role.name collate "C")
                            from (select case polled when 0 then 'public' else pg_get_userbyid(polled)::text end
                                    from unnest(p.polroles) as polled) as role (name))),
               concat_ws(' check ', coalesce(pg_get_expr(p.polqual, p.polrelid), ''), pg_get_expr(p.polwithcheck, p.polrelid))
          from pg_policy p
          join rel on rel.oid = p.polrelid
    )"#;

/// Everything else that has a name.
const OTHERS: &str = r#"
    definition (class, oid, sub, plain, rendered) as (
        select o.class, o.oid, 0,
               case o.class
                    when 'pg_proc'::regclass then (
                        select concat_ws(' ', p.prokind, (select lanname from pg_language l where l.oid = p.prolang),
                                         case when p.prosecdef then 'security definer' end,
                                         case when p.proleakproof then 'leakproof' end,
                                         case when p.proisstrict then 'strict' end,
                                         p.provolatile, p.proparallel, p.procost, p.prorows, p.proconfig::text,
                                         case when p.prokind <> 'a' then p.prosrc end,
                                         p.probin,
                                         (select concat_ws(' ', a.aggtransfn::oid::regprocedure, a.aggfinalfn, a.aggtranstype::regtype,
                                                           a.agginitval, a.aggkind)
                                            from pg_aggregate a
                                           where a.aggfnoid = p.oid))
                          from pg_proc p
                         where p.oid = o.oid)
                    when 'pg_type'::regclass then (
                        select concat_ws(' ', t.typtype,
                                         (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
                                            from pg_enum e
                                           where e.enumtypid = t.oid),
                                         case when t.typbasetype <> 0 then format_type(t.typbasetype, t.typtypmod) end,
                                         case when t.typnotnull then 'not null' end,
                                         (select concat_ws(' ', r.rngsubtype::regtype, r.rngcanonical, r.rngsubdiff)
                                            from pg_range r
                                           where r.rngtypid = t.oid),
                                         (select string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', '
                                                            order by a.attnum)
                                            from pg_attribute a
                                           where a.attrelid = t.typrelid
                                             and a.attnum > 0
                                             and not a.attisdropped),
                                         case t.typtype when 'b' then concat_ws(' ', t.typinput, t.typoutput, t.typlen, t.typalign) end)
                          from pg_type t
                         where t.oid = o.oid)
                    when 'pg_extension'::regclass then (
                        select e.extversion || ' in ' || n.nspname
                          from pg_extension e
                          join pg_namespace n on n.oid = e.extnamespace
                         where e.oid = o.oid)
                    when 'pg_publication'::regclass then (
                        select concat_ws(' ', p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot, p.puballtables)
                          from pg_publication p
                         where p.oid = o.oid)
                    when 'pg_event_trigger'::regclass then (
                        select concat_ws(' ', e.evtevent, e.evtfoid::regprocedure, e.evtenabled, e.evttags::text)
                          from pg_event_trigger e
                         where e.oid = o.oid)
                    when 'pg_cast'::regclass then (
                        select concat_ws(' ', c.castfunc::regprocedure, c.castcontext, c.castmethod)
                          from pg_cast c
                         where c.oid = o.oid)
                    when 'pg_operator'::regclass then (select oprcode::text from pg_operator where pg_operator.oid = o.oid)
                    when 'pg_foreign_server'::regclass then (
                        select concat_ws(' ', w.fdwname, s.srvtype, s.srvversion)
                          from pg_foreign_server s
                          join pg_foreign_data_wrapper w on w.oid = s.srvfdw
                         where s.oid = o.oid)
               end,
               case o.class
                    when 'pg_proc'::regclass then (
                        select concat_ws(' ', pg_get_function_result(p.oid), pg_get_function_arguments(p.oid),
                                         pg_get_function_sqlbody(p.oid))
                          from pg_proc p
                         where p.oid = o.oid)
                    when 'pg_type'::regclass then (select typdefault from pg_type where pg_type.oid = o.oid)
                    when 'pg_statistic_ext'::regclass then pg_get_statisticsobjdef(o.oid)
                    when 'pg_publication'::regclass then (
                        select string_agg(concat(to_jsonb(t) - 'pubname' - 'attnames',
                                                 (select string_agg(quote_ident(column_name), ', ' order by column_name)
                                                    from jsonb_array_elements_text(to_jsonb(t) -> 'attnames') as column_name)),
                                          ' ' order by t.schemaname, t.tablename)
                          from pg_publication p
                          join pg_publication_tables t on t.pubname = p.pubname
                         where p.oid = o.oid
                           and not p.puballtables)
               end
          from object o
         where o.class <> 'pg_class'::regclass
    )"#;

const NAMED: &str = "
    select named.type as kind, named.identity as name, d.plain, d.rendered
      from definition d
     cross join lateral pg_identify_object(d.class, d.oid, d.sub) as named
     where named.identity is not null";

/// Who may connect to what server as whom; not with which password.
const MAPPINGS: &str = "
    select 'user mapping' as kind, usename::text || ' on ' || srvname::text as name, null::text as plain, null::text as rendered
      from pg_user_mappings
     where umid >= 16384";

/// `pg_database_owner`, or who made the cluster, has the schema `public` of a new database. Only superusers own what is left out: a
/// restore by another role makes it its own.
const OWNERS: &str = "
    select named.type as kind, named.identity as name,
           case when o.class = 'pg_namespace'::regclass and o.oid < 16384
                     and (o.owner = 10 or pg_get_userbyid(o.owner) = 'pg_database_owner')
                then '(as in a new database)'
                else pg_get_userbyid(o.owner)::text
           end as plain,
           null::text as rendered
      from object o
     cross join lateral pg_identify_object(o.class, o.oid, 0) as named
     where o.owner is not null
       and o.class not in ('pg_publication'::regclass, 'pg_event_trigger'::regclass, 'pg_foreign_data_wrapper'::regclass)
       and named.identity is not null";

/// Grants on columns have no default; defaults for one schema add to nothing.
const GRANTED: &str = r#"
    privileged (class, oid, sub, owner, acl, kind) as (
        select class, oid, 0, owner, acl, kind
          from object
         where acl is not null
         union all
        select 'pg_class'::regclass, c.oid, a.attnum, c.relowner, a.attacl, 'c'
          from rel c
          join pg_attribute a on a.attrelid = c.oid
         where a.attacl is not null
           and a.attnum > 0
           and not a.attisdropped
         union all
        select 'pg_default_acl'::regclass, d.oid, 0, case when d.defaclnamespace = 0 then d.defaclrole else 0 end,
               d.defaclacl,
               case when d.defaclnamespace <> 0 then 'c' when d.defaclobjtype = 'S' then 's' else d.defaclobjtype end
          from pg_default_acl d
    )"#;

const LISTED: &str = "
    select named.type as kind, named.identity as name, granted.text as plain, null::text as rendered
      from privileged o";

const LISTED_NAMED: &str = "
     cross join lateral pg_identify_object(o.class, o.oid, o.sub) as named
     where granted.text is not null
       and named.identity is not null";

/// Comments of the database's own objects; the server's are its own. Roles, tablespaces and databases are elsewhere.
const COMMENTS: &str = "
    select named.type as kind, named.identity as name, d.description as plain, null::text as rendered
      from pg_description d
     cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) as named
     where (d.objoid >= 16384 or (d.classoid = 'pg_namespace'::regclass and exists (select from own where own.oid = d.objoid)
                                  -- An older dump does not hold that of the schema `public`.
                                  and current_setting('server_version_num')::int >= 150000))
       and not exists (select from member where classid = d.classoid and objid = d.objoid)
       -- A partition's trigger comes from its parent's, and no dump holds a comment of its own.
       and not exists (select from pg_trigger t
                        where d.classoid = 'pg_trigger'::regclass and t.oid = d.objoid and t.tgparentid <> 0)
       and named.identity is not null";

/// Every role that the database names.
const ROLES: &str = "
    select distinct pg_get_userbyid(roles.oid)::text
      from (select owner from object
             union
            select (aclexplode(acl)).grantee from object where acl is not null
             union
            select (aclexplode(a.attacl)).grantee from pg_attribute a where a.attacl is not null
             union
            select unnest(polroles) from pg_policy
             union
            select defaclrole from pg_default_acl
             union
            select (aclexplode(defaclacl)).grantee from pg_default_acl
             union
            select lomowner from pg_largeobject_metadata
             union
            select (aclexplode(lomacl)).grantee from pg_largeobject_metadata where lomacl is not null
             union
            select umuser from pg_user_mappings where umid >= 16384
             union
            -- Of what belongs to extensions, and of what has no owner of its own here.
            select refobjid
              from pg_shdepend
             where refclassid = 'pg_authid'::regclass
               and dbid = (select oid from pg_database where datname = current_database())) as roles (oid)
     where exists (select from pg_roles where pg_roles.oid = roles.oid)
     order by 1";

/// Reads the names of all roles that the database names.
pub(super) async fn roles(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    crate::target::look::query_scalar(AssertSqlSafe(format!("with {OWN} {ROLES}")))
        .fetch_all(connection)
        .await
}

#[derive(FromRow)]
struct Row {
    kind: String,
    name: String,
    plain: Option<String>,
    rendered: Option<String>,
}

/// Reads them all.
pub(super) async fn read(connection: &mut PgConnection) -> Result<Vec<Object>, sqlx::Error> {
    let defined = |definition| format!("with {OWN}, {definition} {NAMED}");
    let queries = [
        (Aspect::Definition, defined(RELATIONS)),
        (Aspect::Definition, defined(PARTS)),
        (Aspect::Definition, defined(OTHERS)),
        (Aspect::Definition, MAPPINGS.to_owned()),
        (Aspect::Owner, format!("with {OWN} {OWNERS}")),
        (
            Aspect::Grants,
            format!("with {OWN}, {GRANTED} {LISTED} {GRANTS} {LISTED_NAMED}"),
        ),
        (Aspect::Comment, format!("with {OWN} {COMMENTS}")),
    ];
    let mut found = Vec::new();
    for (aspect, sql) in queries {
        let rows: Vec<Row> = query_as(AssertSqlSafe(sql)).fetch_all(&mut *connection).await?;
        found.extend(rows.into_iter().map(|row| Object {
            aspect,
            kind: row.kind,
            name: row.name,
            // What people wrote is compared, and not told.
            plain: row.plain.map(|text| {
                if aspect == Aspect::Comment {
                    super::hashed(&text)
                } else {
                    short(text)
                }
            }),
            rendered: row.rendered.filter(|text| !text.is_empty()).map(short),
        }));
    }
    found.sort_unstable_by(|one, other| {
        (one.aspect, &one.kind, &one.name).cmp(&(other.aspect, &other.kind, &other.name))
    });
    Ok(found)
}
