//! Tokens with which programs tell of deployments. The deployments themselves are marks on the charts.

pub mod api;
mod make;
mod tokens;

pub use tokens::TokensCard;
