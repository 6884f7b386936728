//! New tokens for old: rotation, and the detection of a token that was used twice.

use std::{net::IpAddr, time::Duration};

use contract::audit::{Outcome, Severity};
use uuid::Uuid;

use super::{
    Session, Tokens, log_in, no_session,
    store::sessions::{self, End},
    token::{Proof, Refresh},
};
use crate::{Result, audit};

/// How long the refresh token before the present one is still answered: the requests that a tab has sent at once, all
/// with the same cookie.
pub(super) const GRACE: Duration = Duration::from_secs(20);

impl Session<'_> {
    /// Gives new tokens for a refresh token, which is used up by that. Within 20 seconds the one before gives a new
    /// access token and the present refresh token; an older one has been stolen from someone, so it ends the session.
    ///
    /// # Errors
    /// `Unauthenticated` when the token is wrong, used up, or its session has ended; the store's failures.
    #[crate::boxed]
    pub async fn refresh(&self, refresh_token: &str, address: Option<IpAddr>) -> Result<Tokens> {
        let token = Refresh::parse(refresh_token).ok_or_else(no_session)?;
        let mut transaction = self.0.store().begin().await?;
        let row = sessions::for_refresh(&mut transaction, token.session)
            .await?
            .ok_or_else(no_session)?;
        if !row.live || !self.0.keys().is_ours(&token, &row.seed) {
            return Err(no_session());
        }
        let generation = match row.generation - token.generation {
            0 => sessions::rotate(&mut transaction, token.session).await?,
            1 if row.in_grace => row.generation,
            // Only a store that was put back to an earlier state does not know a token that we made.
            ..0 => return Err(no_session()),
            1.. => {
                let address = address.map(|address| address.to_canonical().to_string());
                self.reused(
                    &mut transaction,
                    token.session,
                    &row.user_name,
                    address.as_deref(),
                )
                .await?;
                transaction.commit().await?;
                return Err(no_session());
            }
        };
        transaction.commit().await?;
        let proof = Proof {
            user: row.user,
            session: token.session,
        };
        let refresh = self.0.keys().refresh(token.session, generation, &row.seed)?;
        log_in::tokens(self.0, proof, refresh, row.expires)
    }

    /// Two hold the same session, and nobody can tell which of them is the user.
    async fn reused(
        &self,
        connection: &mut sqlx::PgConnection,
        session: Uuid,
        user: &str,
        address: Option<&str>,
    ) -> Result<()> {
        sessions::end(connection, session, End::RefreshReused).await?;
        audit::record(
            connection,
            audit::Entry {
                event_type: "session.refresh",
                severity: Severity::Warning,
                outcome: Outcome::Denied,
                user: Some(user),
                address,
                target: None,
                object: None,
                detail: Some("A refresh token came that had been used up: someone may have copied it. The session was ended."),
                job: None,
            },
        )
        .await?;
        tracing::warn!(
            user.name = user,
            address,
            "a refresh token was used twice; its session was ended"
        );
        Ok(())
    }
}
