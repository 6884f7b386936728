//! What the page of an import shows in some of its states only: each in a part of the WebAssembly of its own. Its element says
//! `data-part`, so that the browser fetches it before it takes over a page that shows it.
#![expect(
    clippy::boxed_local,
    reason = "what crosses from one part into another is a pointer"
)]

use leptos::prelude::*;
use wasm_split_helpers::{SplitLoaderError, wasm_split};

use super::{
    decide::{Decide, DecideProps},
    newer::{FollowUpload, FollowUploadProps},
    plan::{Rehearse, RehearseProps},
    proof::{ProofCard, ProofCardProps},
};

/// One of the cards before the start.
pub enum Before {
    /// The second step.
    Decide(DecideProps),
    /// The third.
    Rehearse(Box<RehearseProps>),
}

/// What is decided and rehearsed.
#[wasm_split(import_decide, fallible, preload(load_before))]
pub fn before(card: Before) -> Result<AnyView, SplitLoaderError> {
    Ok(match card {
        Before::Decide(props) => Decide(props).into_any(),
        Before::Rehearse(props) => Rehearse(*props).into_any(),
    })
}

/// What came out.
#[wasm_split(import_proof, fallible, preload(load_proven))]
pub fn proven(card: Box<ProofCardProps>) -> Result<AnyView, SplitLoaderError> {
    Ok(ProofCard(*card).into_any())
}

/// A newer upload of the same file.
#[wasm_split(import_newer, fallible, preload(load_newer))]
pub fn newer(form: Box<FollowUploadProps>) -> Result<AnyView, SplitLoaderError> {
    Ok(FollowUpload(*form).into_any())
}
