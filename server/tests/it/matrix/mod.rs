//! The console with PostgreSQL 14 to 18, and with what stands between it and a server. `make matrix` does more of this.

mod neighbours;
mod path;
mod versions;
