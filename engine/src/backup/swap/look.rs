//! What a swap would do, and what keeps it from being made: asked by a page, and again by the job before it begins.

use chrono::Utc;
use contract::{
    Code, Fault, format,
    swap::{SpareList, SwapPreview},
};
use sqlx::PgConnection;

use super::{
    carry::{self, Carry},
    catalog::{self, InTheWay, Side},
    kept_name, no_such_database,
    run::settle,
    store::{self, Spare},
};
use crate::{
    Engine, Error, Result, quote,
    target::{Target, identity::Identity},
};

/// Both databases as the server has them, and all that follows.
pub(super) struct Looked {
    pub live: Side,
    pub coming: Side,
    pub kept_as: String,
    pub carry: Vec<Carry>,
    pub refusals: Vec<Fault>,
    pub in_the_way: InTheWay,
}

/// Looks at both databases, from a session in any database of their server.
///
/// # Errors
/// `Conflict` when one of them is not there; what server and store said.
pub(super) async fn look(
    engine: &Engine,
    target: &Target,
    connection: &mut PgConnection,
    live: &Identity,
    spare: &Spare,
) -> Result<Looked> {
    let failed = |source| target.error(source);
    let server = catalog::server(connection).await.map_err(failed)?;
    let sides = catalog::sides(connection, &[live.oid, spare.oid])
        .await
        .map_err(failed)?;
    let side = |oid: i64, name: &str| {
        sides
            .iter()
            .find(|side| side.oid == oid && side.name == name)
            .cloned()
            .ok_or_else(|| Error::Refused(no_such_database(name)))
    };
    let (live_side, coming) = (
        side(live.oid, target.database())?,
        side(spare.oid, &spare.database)?,
    );
    let in_the_way = catalog::sessions(connection, &[live.oid, spare.oid])
        .await
        .map_err(failed)?;
    let carry = carry::plan(connection, &live_side, &coming)
        .await
        .map_err(failed)?;
    let taken = catalog::names_like(connection, "").await.map_err(failed)?;
    let mut refusals = of_server(&server, &live_side, &coming);
    if spare.partial {
        refusals.push(conflict(store::PARTIAL, "Drop it, and restore again."));
    }
    refusals.extend([&live_side, &coming].into_iter().flat_map(of_side));
    if !coming.allows_connections {
        refusals.push(conflict(
            format!("{} lets nobody in.", coming.name),
            format!(
                "alter database {} allow_connections true;",
                quote::ident(&coming.name)
            ),
        ));
    }
    if in_the_way.beyond_us > 0 {
        refusals.push(conflict(
            format!(
                "The console's user {} may not end {} of the sessions in the way: they belong to superusers or to roles that it \
                 is no member of.",
                server.role, in_the_way.beyond_us
            ),
            format!(
                "Have them ended, or: grant pg_signal_backend to {}; a superuser's session only a superuser ends.",
                quote::ident(&server.role)
            ),
        ));
    }
    let incoming = Identity {
        system: live.system.clone(),
        oid: spare.oid,
    };
    if let Some(name) = store::managed_as(engine.store(), &incoming).await? {
        refusals.push(conflict(
            format!("{} is managed under the name {name}, or a job is at work on it.", coming.name),
            "Take it out of the configuration, stop the console that manages it, wait a minute, and try again.",
        ));
    }
    Ok(Looked {
        kept_as: kept_name(&live_side.name, Utc::now(), &taken),
        live: live_side,
        coming,
        carry,
        refusals,
        in_the_way,
    })
}

fn of_server(server: &catalog::Server, live: &Side, coming: &Side) -> Vec<Fault> {
    let mut refusals = Vec::new();
    if server.standby {
        refusals.push(conflict(
            "This server is a standby, where no database can be renamed.",
            "Swap on the primary; the standby follows.",
        ));
    }
    for side in [live, coming].into_iter().filter(|side| !side.owned) {
        refusals.push(conflict(
            format!(
                "The console's user {} does not own {}, and only its owner {} may rename it.",
                server.role, side.name, side.owner
            ),
            format!(
                "grant {} to {};",
                quote::ident(&side.owner),
                quote::ident(&server.role)
            ),
        ));
    }
    if !server.may_rename {
        refusals.push(conflict(
            format!(
                "The console's user {} lacks the right CREATEDB, without which nobody renames a database.",
                server.role
            ),
            format!("alter role {} createdb;", quote::ident(&server.role)),
        ));
    }
    refusals
}

fn of_side(side: &Side) -> Vec<Fault> {
    let mut refusals = Vec::new();
    let name = &side.name;
    if side.is_broken() {
        refusals.push(conflict(
            format!("{name} was half dropped and cannot be used."),
            "Drop it.",
        ));
    }
    if side.prepared > 0 {
        refusals.push(conflict(
            format!(
                "{name} has {}, which no session holds and nobody can end but by name.",
                counted(side.prepared, "prepared transaction", "prepared transactions")
            ),
            "Look into pg_prepared_xacts, and commit or roll back each of them in that database.",
        ));
    }
    if !side.slots.is_empty() {
        refusals.push(conflict(
            format!(
                "Changes of {name} are read through the replication slots {}, which would go on reading the database that is \
                 kept.",
                side.slots.join(", ")
            ),
            "Stop those who read, drop the slots, swap, and set them up anew.",
        ));
    }
    if !side.subscriptions.is_empty() {
        refusals.push(conflict(
            format!(
                "{name} has the subscriptions {}, which would go on filling the database under its other name.",
                side.subscriptions.join(", ")
            ),
            "Drop them there, swap, and set them up anew.",
        ));
    }
    if side.template {
        refusals.push(conflict(
            format!("{name} is a template for new databases."),
            format!("alter database {} is_template false;", quote::ident(name)),
        ));
    }
    refusals
}

fn conflict(message: impl Into<String>, hint: impl Into<String>) -> Fault {
    Fault::new(Code::Conflict, message).hint(hint)
}

/// The same for a page.
pub(super) async fn preview(engine: &Engine, target: &Target, spare: &Spare) -> Result<SwapPreview> {
    let live = live_identity(target).await?;
    let mut connection = target.look().await?;
    let looked = look(engine, target, &mut connection, &live, spare).await?;
    let mut warnings = Vec::new();
    if looked.live.text_as != looked.coming.text_as {
        warnings.push(format!(
            "Texts are kept and sorted in another way: {} now, {} after the swap.",
            looked.live.text_as, looked.coming.text_as
        ));
    }
    Ok(SwapPreview {
        target: target.name().to_owned(),
        live: looked.live.name,
        coming: looked.coming.name,
        origin: spare.origin,
        kept_as: looked.kept_as,
        refusals: looked.refusals,
        warnings,
        carried: looked.carry.into_iter().map(|carry| carry.words).collect(),
        sessions: looked.in_the_way.sessions,
        more_sessions: looked.in_the_way.more,
        own_sessions: looked.in_the_way.own,
    })
}

/// A number with its word.
pub(super) fn counted(count: i64, one: &str, many: &str) -> String {
    format::counted(usize::try_from(count).unwrap_or(usize::MAX), one, many)
}

/// What the live database is.
pub(super) async fn live_identity(target: &Target) -> Result<Identity> {
    target
        .last_identity()
        .await?
        .ok_or_else(|| Error::internal("looking at a live database", "it was never reached"))
}

/// The databases beside a live one, as they are on the server now. What is gone from it is forgotten.
pub(super) async fn spares(engine: &Engine, target: &Target) -> Result<SpareList> {
    let asked = target.look().await;
    let live = target.database_id(true).await?;
    let mut list = SpareList {
        target: target.name().to_owned(),
        live: target.database().to_owned(),
        databases: Vec::new(),
        unknown: None,
    };
    let mut look = match asked {
        Ok(look) => look,
        Err(error) => {
            list.unknown = Some(error.fault());
            let known = store::spares(engine.store(), live).await?;
            list.databases = known.into_iter().map(Spare::view).collect();
            return Ok(list);
        }
    };
    let system = live_identity(target).await?.system;
    let left = store::left_open(engine.store(), target.name()).await?;
    for swap in left.iter().filter(|swap| swap.system == system) {
        settle(engine, target, &mut look, swap).await?;
    }
    let known = store::spares(engine.store(), live).await?;
    let oids: Vec<i64> = known.iter().map(|spare| spare.oid).collect();
    let sides = catalog::sides(&mut look, &oids)
        .await
        .map_err(|source| target.error(source))?;
    for spare in known {
        let Some(side) = sides.iter().find(|side| side.oid == spare.oid) else {
            store::forget(engine.store(), live, spare.oid).await?;
            continue;
        };
        let mut view = spare.view();
        view.bytes = side.bytes;
        if side.name != view.database {
            view.unusable = Some(format!("Somebody renamed it to {}.", side.name));
        } else if side.is_broken() {
            view.unusable = Some("It was half dropped: drop it again.".to_owned());
        }
        list.databases.push(view);
    }
    Ok(list)
}
