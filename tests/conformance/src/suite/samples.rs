//! Values to fill a store with.

use jobpipe_core::{
    Attempt, Commit, Content, DeadLetter, ErrorClass, HeadBody, HeadWrite, LastEffect, NewTask, Op, Request, Row,
    RowId, RowState, Sighting, Stamps, TaskError, TaskInput, TaskResult, TaskState, Version, Wanted,
};
use serde_json::{Value as Json, json};

/// A task named `id`, ready at 0.
#[must_use]
pub fn task(run: &str, stage: &str, id: &str) -> NewTask {
    let request = Request {
        id: format!("fingerprint of {id}"),
        group: "example.org".to_owned(),
        url: format!("https://example.org/{id}"),
        listing: false,
        attempts: 0,
        body: json!({ "method": "GET" }),
    };
    NewTask {
        id: id.to_owned(),
        run: run.to_owned(),
        stage: stage.to_owned(),
        queue: "default".to_owned(),
        group: "example.org".to_owned(),
        input: TaskInput::Requests(vec![request]),
        not_before: 0,
        crashes: 0,
    }
}

/// A commit of `id` under `fence` that ends in `state`.
#[must_use]
pub fn commit(id: &str, fence: u64, state: TaskState, nonce: u64) -> Commit {
    Commit {
        id: id.to_owned(),
        fence,
        renewal: None,
        state,
        not_before: 0,
        crashes: 0,
        input: None,
        result: TaskResult::default(),
        nonce,
    }
}

/// A failure.
#[must_use]
pub fn error() -> TaskError {
    TaskError {
        class: ErrorClass::Transient,
        code: "JP101".to_owned(),
        message: "it did not answer".to_owned(),
        retry_after_ms: Some(1_500),
    }
}

/// Stamps of a live head that run `seq` made.
#[must_use]
pub fn stamps(version: u64, seq: u64) -> Stamps {
    Stamps {
        version,
        hash: format!("hash {seq}"),
        wanted: Wanted::Live,
        seen_gen: seq,
        changed_gen: seq,
        before: None,
        rank: 0,
        first_gen: seq,
        missed: 0,
        missed_gen: 0,
        held_gen: 0,
    }
}

/// An insert of a live head that run `seq` made, with a body.
#[must_use]
pub fn head(key: &str, version: u64, seq: u64) -> HeadWrite {
    HeadWrite {
        key: key.to_owned(),
        expect: None,
        stamps: stamps(version, seq),
        body: Some(body(json!({ "title": format!("offer {key}") }))),
        add_urls: vec![format!("url of {key}")],
    }
}

/// A body.
#[must_use]
pub fn body(body: Json) -> HeadBody {
    HeadBody { body, url: "https://example.org/jobs".to_owned(), fetched_at: 1_700_000_000_000 }
}

/// Stamps with a value of its own in every field.
#[must_use]
pub fn full_stamps(wanted: Wanted, before: Wanted) -> Stamps {
    Stamps {
        version: (1 << 63) - 1,
        hash: "content".to_owned(),
        wanted,
        seen_gen: 12,
        changed_gen: 11,
        before: Some(Version { hash: "older content".to_owned(), wanted: before, changed_gen: 7 }),
        rank: 3,
        first_gen: 2,
        missed: 4,
        missed_gen: 10,
        held_gen: 9,
    }
}

/// The id of a row of the import `jobs` and the export `facebook`.
#[must_use]
pub fn row_id(target: &str, key: &str) -> RowId {
    RowId { target: target.to_owned(), import: "jobs".to_owned(), export: "facebook".to_owned(), key: key.to_owned() }
}

/// An idle row without a post.
#[must_use]
pub fn row(target: &str, key: &str, version: u64) -> Row {
    Row::blank(row_id(target, key), version, 1)
}

/// A row with a value of its own in every field.
#[must_use]
pub fn full_row(target: &str, key: &str, version: u64) -> Row {
    let content = |hash: &str| Content { hash: Some(hash.to_owned()), identity: "https://example.org/1".to_owned() };
    Row {
        state: RowState::Unknown,
        post: Some("1001_5".to_owned()),
        content: Some(Content { hash: None, identity: "https://example.org/0".to_owned() }),
        posted_at: 1_700_000_000_001,
        attempt: Some(Attempt {
            op: Op::Update,
            content: Some(content("armed")),
            payload: json!({ "message": "we hire", "link": "https://example.org/1" }),
            nonce: 77,
            owner: "worker 1".to_owned(),
            armed_at: 1_700_000_000_002,
            unknown_from: 1_700_000_000_003,
            misses: 1,
            missed_at: 1_700_000_000_004,
            after_unknown_delete: true,
            seq: 6,
        }),
        recheck: true,
        not_before: 1_700_000_000_005,
        rejected: Some(content("refused")),
        vanished: true,
        last: Some(LastEffect { seq: 5, op: Some(Op::Create) }),
        past: ["1001_1".to_owned(), "1001_2".to_owned()].into(),
        extra: ["1001_3".to_owned()].into(),
        seen: Some(Sighting { hash: Some("edited".to_owned()), at: 1_700_000_000_006, told: true }),
        ..Row::blank(row_id(target, key), version, 42)
    }
}

/// A dead letter.
#[must_use]
pub fn letter(id: &str, import: &str, run: &str) -> DeadLetter {
    DeadLetter {
        id: id.to_owned(),
        import: import.to_owned(),
        run: run.to_owned(),
        stage: "normalise".to_owned(),
        task: "task 1".to_owned(),
        url: "https://example.org/9".to_owned(),
        key: "9".to_owned(),
        error: error(),
        at: 1_700_000_000_006,
        input: json!({ "title": "offer 9" }),
    }
}

/// Owned texts.
#[must_use]
pub fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
