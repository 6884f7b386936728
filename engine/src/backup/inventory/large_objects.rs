//! Large objects: their bytes, read in pieces so that one of four terabytes fits, their owners and grants.

use sqlx::{PgConnection, postgres::types::Oid};
use twox_hash::xxhash3_128::Hasher;

use super::{LargeObject, LargeObjects, objects::GRANTS};
use crate::target::look::{query_as, query_scalar};
use sqlx::AssertSqlSafe;

/// Bytes of one object that are read at once.
const PIECE: i32 = 256 * 1024;
/// Objects that are asked for at once: with `PIECE`, 4 MB in memory.
const AT_ONCE: usize = 16;
/// More are not listed one by one.
const LISTED: usize = 20_000;

/// Reads them all.
pub(super) async fn read(connection: &mut PgConnection) -> Result<LargeObjects, sqlx::Error> {
    let sql = format!(
        "select o.oid, pg_get_userbyid(o.owner)::text || ' ' || coalesce(granted.text, '')
           from (select oid, lomowner, lomacl, 'L'::\"char\" from pg_largeobject_metadata) as o (oid, owner, acl, kind)
                {GRANTS}
          order by o.oid"
    );
    let known: Vec<(Oid, String)> = query_as(AssertSqlSafe(sql)).fetch_all(&mut *connection).await?;
    let mut found = LargeObjects::default();
    for batch in known.chunks(AT_ONCE) {
        let ids: Vec<Oid> = batch.iter().map(|(id, _)| *id).collect();
        let begun: Vec<Vec<u8>> = query_scalar(
            "select lo_get(asked.id, 0, $2)
               from unnest($1::oid[]) with ordinality as asked (id, place)
              order by asked.place",
        )
        .bind(&ids)
        .bind(PIECE)
        .fetch_all(&mut *connection)
        .await?;
        for ((id, belongs), mut piece) in batch.iter().zip(begun) {
            let mut hasher = Hasher::new();
            hasher.write(&id.0.to_be_bytes());
            hasher.write(belongs.as_bytes());
            hasher.write(&[0]);
            let mut at = 0_i64;
            loop {
                hasher.write(&piece);
                at += piece.len() as i64;
                if piece.len() < PIECE as usize {
                    break;
                }
                piece = query_scalar("select lo_get($1, $2, $3)")
                    .bind(id)
                    .bind(at)
                    .bind(PIECE)
                    .fetch_one(&mut *connection)
                    .await?;
            }
            let hash = hasher.finish_128();
            found.content.add(hash);
            if known.len() <= LISTED {
                found.each.push(LargeObject {
                    id: i64::from(id.0),
                    hash,
                });
            }
        }
    }
    Ok(found)
}
