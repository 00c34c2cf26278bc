//! The cases. Each takes an empty store (or broker) of its own.

pub mod broker;
pub mod claims;
pub mod dead;
pub mod docs;
pub mod groups;
pub mod head_pages;
pub mod heads;
pub mod rows;
pub mod samples;
pub mod seen;
pub mod task_pages;
pub mod tasks;
pub mod values;

use jobpipe_core::{Broker, StateStore};
use std::sync::Arc;

/// The store that a case tries.
pub type Store = Arc<dyn StateStore>;
/// The broker that a case tries.
pub type Hints = Arc<dyn Broker>;

/// One `#[tokio::test]` for each case of the store, in a module for each part of the port.
///
/// `make` is the name of an `async fn()` that gives `(Arc<dyn StateStore>, guard)`: an empty store, and whatever must
/// live as long as the case (a temporary folder).
#[macro_export]
macro_rules! store_suite {
    ($make:ident) => {
        $crate::each_case! { $make;
            docs:
                inserts_if_absent, replaces_where_the_version_holds, deletes, keeps_kinds_apart,
                pages_by_prefix, lists_what_is_due, tells_the_time,
                loses_no_update_under_eight_writers;
            tasks:
                starts_ready_and_open, inserts_if_absent, gives_them_in_the_order_asked, keeps_inherited_crashes,
                closes_only_what_is_terminal, finishes_in_one_write, is_open_until_the_last_is_closed, cancels_what_is_ready,
                keeps_every_field_of_a_result;
            claims:
                takes_what_is_ready_and_due, takes_each_task_once_under_eight_claimers, raises_the_fence,
                renews_only_under_the_fence, commits_only_under_the_fence, commits_only_with_the_renewal,
                says_which_commits_applied, keeps_the_nonce_of_the_commit_that_won, leaves_or_replaces_the_input,
                lets_one_of_eight_committers_win, goes_from_retry_to_a_new_claim;
            task_pages:
                lists_ready_ones_by_id, lists_ready_ones_page_by_page,
                lists_open_ones_by_state, lists_a_run_and_a_stage, counts_by_stage_and_state;
            groups:
                lists_groups_that_wait, lists_each_of_many_groups_once;
            seen:
                claims_are_read_back, is_apart_by_run_and_stage, gives_each_fingerprint_to_one_of_eight,
                keeps_the_first_batch, purges_one_run_alone;
            heads:
                inserts_if_absent, writes_where_the_version_holds, keeps_the_body_unless_given_one,
                confirms_what_is_as_it_was, gives_stamps_in_the_order_asked, keeps_every_stamp, takes_a_key_twice_in_a_bulk,
                lets_one_of_eight_writers_win, drops_one_ledger_alone;
            head_pages:
                lists_the_unseen, walks_by_change_and_key, moves_in_the_walk_when_it_changes, lists_the_live,
                finds_by_url, counts;
            rows:
                inserts_if_absent, writes_where_the_version_holds, keeps_every_field, lists_what_needs_attention,
                lists_a_target_page_by_page, counts_what_is_posted, lets_one_of_eight_writers_win;
            dead:
                replaces_the_same_letter, lists_by_import_and_run, deletes;
            values:
                take_a_megabyte, take_any_text_as_a_key, take_nothing_for_an_answer, are_ordered_bytewise,
                keep_numbers_exactly, keep_key_order_and_depth;
        }
    };
}

/// As [`store_suite!`], for brokers: `make` gives `(Arc<dyn Broker>, guard)`.
#[macro_export]
macro_rules! broker_suite {
    ($make:ident) => {
        $crate::each_case! { $make;
            broker:
                delivers_what_was_published, keeps_queues_apart, gives_at_most_so_many, wakes_who_waits,
                wakes_who_waits_on_one_of_many_queues, counts_what_waits, takes_any_ack, takes_nothing,
                shares_a_queue_among_eight, survives_a_flood, loses_nothing_when_a_wait_is_given_up,
                delivers_each_priority;
        }
    };
}

/// The tests of [`store_suite!`] and [`broker_suite!`].
#[doc(hidden)]
#[macro_export]
macro_rules! each_case {
    ($make:ident; $($part:ident: $($case:ident),+;)+) => {
        $(
            mod $part {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $case() {
                        let (tried, _guard) = super::$make().await;
                        $crate::suite::$part::$case(tried).await;
                    }
                )+
            }
        )+
    };
}
