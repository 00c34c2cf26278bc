//! Whether the server's compare-and-set is one: of rivals that replace the same document only one may be told that it did.
//!
//! Everything rests on that, and there is a server of MongoDB's protocol that does not hold it (FerretDB 1 on SQLite reads,
//! compares and writes in steps of its own). So a new database is asked once, before anything is kept in it.

use super::META;
use crate::bulk::{self, Write};
use crate::call::Link;
use futures::future::try_join_all;
use jobpipe_core::{Ids, StoreResult, SystemIds};
use mongodb::bson::doc;
use std::sync::Arc;

/// Rivals in a round.
const RIVALS: i64 = 8;
/// Rounds. One alone may go well by chance: the first ones come over one connection.
const ROUNDS: i64 = 16;

/// Refuses a server that lets several rivals win.
pub(super) async fn meet(link: &Arc<Link>) -> StoreResult<()> {
    // several processes may ask at the same time
    let id = format!("rivals-{}", SystemIds.nonce());
    let first = Write::insert(id.clone(), 0, &doc! { "_id": &id, "version": 0_i64 })?;
    bulk::apply_one(link, META, "version", first).await?;
    let met = rounds(async |from, to| {
        let change = doc! { "q": { "_id": &id, "version": from }, "u": { "$set": { "version": to } } };
        bulk::apply_one(link, META, "version", Write::update(id.clone(), to, &change)?).await
    })
    .await;
    bulk::delete(link, META, doc! { "_id": &id }).await?;
    match met? {
        None => Ok(()),
        Some(winners) => Err(link.place.unusable(&format!(
            "{winners} of {RIVALS} that replaced the same document at the same time were told that they did, where one may be: \
             records would be lost and posts be made twice here; use MongoDB, or a server whose updates of one document are atomic"
        ))),
    }
}

/// Rivals all set what is there to a number of their own, round after round; how many were told that they did, where it
/// was not one.
async fn rounds(set: impl AsyncFn(i64, i64) -> StoreResult<bool>) -> StoreResult<Option<usize>> {
    let mut from = 0;
    for round in 0..ROUNDS {
        let rivals = (1..=RIVALS).map(|rival| round * RIVALS + rival);
        let set = &set;
        let told = try_join_all(rivals.map(async |to| Ok((to, set(from, to).await?)))).await?;
        let winners: Vec<i64> = told.into_iter().filter(|(_, won)| *won).map(|(to, _)| to).collect();
        match winners.as_slice() {
            [winner] => from = *winner,
            _ => return Ok(Some(winners.len())),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, Ordering};

    #[tokio::test]
    async fn one_winner_a_round_is_right() {
        let stored = AtomicI64::new(0);
        let set = async |from, to| {
            tokio::task::yield_now().await;
            Ok(stored.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok())
        };
        assert_eq!(rounds(set).await.unwrap(), None);
        assert!(stored.load(Ordering::SeqCst) > (ROUNDS - 1) * RIVALS);
    }

    #[tokio::test]
    async fn a_server_that_compares_and_writes_in_two_steps_is_found() {
        let stored = AtomicI64::new(0);
        let set = async |from, to| {
            let same = stored.load(Ordering::SeqCst) == from;
            tokio::task::yield_now().await;
            stored.store(to, Ordering::SeqCst);
            Ok(same)
        };
        assert_eq!(rounds(set).await.unwrap(), Some(8));
    }

    #[tokio::test]
    async fn a_server_that_lets_nobody_win_is_found() {
        assert_eq!(rounds(async |_, _| Ok(false)).await.unwrap(), Some(0));
    }
}
