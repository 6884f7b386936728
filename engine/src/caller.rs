//! Who asks. Every operation takes a `&Caller` first.

use contract::{
    Code, Fault,
    session::{Identity, Permission, Role},
};
use uuid::Uuid;

use crate::{
    Error, Result,
    audit::{Refusal, Refusals},
};

/// A proven caller. It can be built only by `session` (from a verified token and a live session row, or for the
/// command line, whose user can read the data folder) so that forgetting the check hardly compiles.
#[derive(Clone, Debug)]
pub struct Caller {
    identity: Identity,
    session: Option<Uuid>,
    address: Option<String>,
    refusals: Refusals,
}

impl Caller {
    /// Only for `session`.
    pub(crate) fn new(
        identity: Identity,
        session: Option<Uuid>,
        address: Option<String>,
        refusals: Refusals,
    ) -> Self {
        Self {
            identity,
            session,
            address,
            refusals,
        }
    }

    /// Asks for a permission; the first line of every operation. That a role does not have it is written into the audit
    /// log.
    ///
    /// # Errors
    /// `Forbidden`, naming the permission and the weakest role that has it.
    pub fn permit(&self, permission: Permission) -> Result<()> {
        if self.identity.must_change_password && permission != Permission::OwnAccount {
            return Err(Error::Refused(
                Fault::new(Code::Forbidden, "Choose a password of your own first.")
                    .hint("Open Settings, and change the one that was given to you."),
            ));
        }
        if self.identity.role.may(permission) {
            return Ok(());
        }
        self.refusals
            .tell(Refusal::of_role(&self.identity, self.address(), permission));
        Err(Error::Refused(
            Fault::new(
                Code::Forbidden,
                format!(
                    "The role {} may not do this ({}).",
                    self.identity.role.name(),
                    permission.name()
                ),
            )
            .hint(format!(
                "Ask someone with the role {}.",
                permission.weakest_role().name()
            )),
        ))
    }

    /// Who this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The log-in name.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// The role at this moment.
    pub fn role(&self) -> Role {
        self.identity.role
    }

    /// The session, when it is a browser's.
    pub fn session(&self) -> Option<Uuid> {
        self.session
    }

    /// The network address the request came from, if any.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }
}
