use super::*;
use crate::codec::bytes;
use mongodb::bson::doc;

fn write(id: &str, mark: i64) -> Write {
    Write::insert(id.to_owned(), mark, &doc! { "_id": id }).unwrap()
}

#[test]
fn no_round_names_a_document_twice_and_the_order_stays() {
    let writes = ["a", "b", "a", "c", "a", "b"].into_iter().zip(0..).map(|(id, mark)| write(id, mark)).collect();
    let rounds: Vec<Vec<(usize, i64)>> =
        waves(writes).into_iter().map(|wave| wave.iter().map(|(at, write)| (*at, write.mark)).collect()).collect();
    assert_eq!(rounds, [vec![(0, 0), (1, 1), (3, 3)], vec![(2, 2), (5, 5)], vec![(4, 4)]]);
}

#[test]
fn a_request_is_bounded_in_number_and_bytes() {
    let counts = |documents: &[Document]| -> Vec<usize> {
        let documents: Vec<RawDocumentBuf> = documents.iter().map(|document| raw(document).unwrap()).collect();
        parts(&documents).iter().map(|part| part.count).collect()
    };
    let small: Vec<Document> = (0..2_500).map(|at| doc! { "_id": at }).collect();
    assert_eq!(counts(&small), [1_000, 1_000, 500]);
    let large: Vec<Document> = (0..5).map(|at| doc! { "_id": at, "b": bytes(vec![0; 5 << 20]) }).collect();
    assert_eq!(counts(&large), [2, 2, 1]);
    assert!(counts(&[]).is_empty());
    let error = raw(&doc! { "_id": "x", "b": bytes(vec![0; 16 << 20]) }).unwrap_err();
    assert!(error.to_string().contains("document x") && error.to_string().contains("16 MiB"), "{error}");
}

#[test]
fn an_answer_tells_what_applied_or_that_it_does_not() {
    let (yes, no, unclear) = (Ok(Some(true)), Ok(Some(false)), Ok(None));
    let matching = |count, matched, refused: &[usize], again| {
        matching(count, matched, refused.iter().map(|at| (*at, None)).collect(), again)
    };
    assert_eq!(matching(2, 2, &[], false), [yes.clone(), yes.clone()]);
    assert_eq!(matching(2, 2, &[], true), [yes.clone(), yes.clone()], "both are there, whichever try it was");
    assert_eq!(matching(2, 0, &[], false), [no.clone(), no.clone()]);
    assert_eq!(matching(2, 0, &[], true), [unclear.clone(), unclear.clone()], "the first try may have done it");
    assert_eq!(matching(3, 1, &[2], false), [unclear.clone(), unclear.clone(), no.clone()]);
    assert_eq!(matching(3, 2, &[2], false), [yes.clone(), yes.clone(), no.clone()], "all but the refused one");
    let twice = doc! { "n": 1, "writeErrors": [{ "index": 1, "code": 11000, "errmsg": "E11000" }] };
    assert_eq!(inserted(&twice, 2, false).unwrap(), [yes.clone(), no]);
    assert_eq!(inserted(&twice, 2, true).unwrap(), [yes.clone(), unclear]);
    assert!(inserted(&twice, 3, false).is_err(), "a server that stops at the first refusal has lost one");
    let conflict = doc! { "n": 1, "writeErrors": [{ "index": 1, "code": 112, "errmsg": "conflict" }] };
    assert!(refused(&conflict).unwrap_err().is_passing());
}

#[test]
fn what_a_server_refuses_is_told_to_whom_it_belongs() {
    let refusal = doc! { "n": 1, "writeErrors": [{ "index": 1, "code": 13, "errmsg": "not allowed" }] };
    let word = Err("not allowed (code 13)".to_owned());
    assert_eq!(inserted(&refusal, 2, false).unwrap(), [Ok(Some(true)), word.clone()]);
    assert_eq!(updated(&refusal, 2, false).unwrap(), [Ok(Some(true)), word]);
    assert!(matches!(affected(&refusal), Err(Fault::Answer(word)) if word == "not allowed (code 13)"));
}
