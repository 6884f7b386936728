//! Archives of pg_dump as files from anywhere: what one is by its first bytes, and what a tar of one holds. Whoever wrote them may
//! mean harm; nothing here believes more of a file than it has looked at.

mod head;
mod tar;

pub(crate) use self::{
    head::{ENOUGH, look},
    tar::{Member, SCRIPT, TOC, Wrong, is_part, members, unpack},
};
