//! Time stands still but for what is waited for: a busy machine makes no call late.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use tokio::time::Instant;

const WAIT: Duration = Duration::from_secs(60);
const BREAKS: i64 = 1_313;

fn lost() -> StoreError {
    StoreError::Unavailable { message: "no answer".to_owned() }
}

/// A group of numbers that answers each with its double, and refuses those below zero; a request for [`BREAKS`] breaks.
struct Doubles {
    group: Arc<Group<i64, i64>>,
    /// A request takes a permit to its end.
    may: Arc<Semaphore>,
    /// Elements of each request.
    requests: Arc<Mutex<Vec<Vec<i64>>>>,
}

impl Doubles {
    fn new(wait: Duration) -> Self {
        let (may, requests) = (Arc::new(Semaphore::new(0)), Arc::<Mutex<Vec<Vec<i64>>>>::default());
        let (permits, log) = (Arc::clone(&may), Arc::clone(&requests));
        let group = Group::new(
            wait,
            lost(),
            |_| None,
            move |numbers: Vec<i64>| {
                let permits = Arc::clone(&permits);
                log.lock().unwrap().push(numbers.clone());
                Box::pin(async move {
                    permits.acquire().await.unwrap().forget();
                    if numbers.contains(&BREAKS) {
                        return Err(StoreError::Unavailable { message: "broken".to_owned() });
                    }
                    let refused = || StoreError::Unavailable { message: "refused".to_owned() };
                    Ok(numbers.into_iter().map(|n| if n < 0 { Err(refused()) } else { Ok(n * 2) }).collect())
                })
            },
        );
        Self { group: Arc::new(group), may, requests }
    }

    fn ask(&self, numbers: &[i64]) -> tokio::task::JoinHandle<StoreResult<Vec<i64>>> {
        let (group, numbers) = (Arc::clone(&self.group), numbers.to_vec());
        tokio::spawn(async move { group.ask(numbers).await })
    }

    fn waiting(&self) -> usize {
        self.group.0.lock().calls.len()
    }

    /// Waits until `count` calls are in the queue and `requests` were sent.
    async fn until(&self, count: usize, requests: usize) {
        while self.waiting() != count || self.requests.lock().unwrap().len() != requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn told(answer: Result<StoreResult<Vec<i64>>, tokio::task::JoinError>) -> Result<Vec<i64>, String> {
    answer.unwrap().map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn what_comes_meanwhile_goes_together_and_each_call_gets_its_own() {
    let doubles = Doubles::new(WAIT);
    let first = doubles.ask(&[1]);
    doubles.until(0, 1).await;
    let calls: Vec<_> = [&[2, 3][..], &[4], &[-1, 5], &[6, -1, 7], &[8]].map(|numbers| doubles.ask(numbers)).into();
    doubles.until(5, 1).await;
    doubles.may.add_permits(2);
    assert_eq!(told(first.await), Ok(vec![2]));
    let mut answers = Vec::new();
    for call in calls {
        answers.push(told(call.await));
    }
    assert_eq!((&answers[0], &answers[1], &answers[4]), (&Ok(vec![4, 6]), &Ok(vec![8]), &Ok(vec![16])));
    for refused in &answers[2..4] {
        assert!(refused.as_ref().is_err_and(|word| word.contains("refused")), "{answers:?}");
    }
    assert_eq!(doubles.requests.lock().unwrap()[1], [2, 3, 4, -1, 5, 6, -1, 7, 8], "in their order");
    assert!(doubles.group.ask(Vec::new()).await.unwrap().is_empty(), "nothing needs no request");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_breaks_is_told_to_all_of_it_and_to_no_other() {
    let doubles = Doubles::new(WAIT);
    let first = doubles.ask(&[1]);
    doubles.until(0, 1).await;
    let (broken, beside) = (doubles.ask(&[BREAKS]), doubles.ask(&[2]));
    doubles.until(2, 1).await;
    doubles.may.add_permits(3);
    assert_eq!(told(first.await), Ok(vec![2]));
    assert!(told(broken.await).is_err_and(|word| word.contains("broken")));
    assert!(told(beside.await).is_err_and(|word| word.contains("broken")));
    assert_eq!(told(doubles.ask(&[3]).await), Ok(vec![6]), "the next one is led again");
}

#[tokio::test(start_paused = true)]
async fn requests_are_bounded_and_a_large_call_waits_for_nobody() {
    let doubles = Doubles::new(WAIT);
    let _held = doubles.ask(&[1]);
    doubles.until(0, 1).await;
    let large: Vec<i64> = (0..LARGE as i64).collect();
    let _large = doubles.ask(&large);
    doubles.until(0, 2).await;
    let almost = &large[1..];
    let calls: Vec<_> = (0..11).map(|_| doubles.ask(almost)).collect();
    doubles.until(11, 2).await;
    doubles.may.add_permits(9);
    for call in calls {
        assert_eq!(told(call.await).unwrap().len(), LARGE - 1);
    }
    let counts: Vec<usize> = doubles.requests.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(counts, [1, LARGE, 5 * 99, 5 * 99, 99]);
    const { assert!(5 * (LARGE - 1) <= MOST && 6 * (LARGE - 1) > MOST) };
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_answers_holds_nobody_up_and_is_told_as_lost() {
    let wait = Duration::from_millis(200);
    let doubles = Doubles::new(wait);
    let begun = Instant::now();
    let silent = doubles.ask(&[1]);
    doubles.until(0, 1).await;
    let gone = doubles.ask(&[3]);
    doubles.until(1, 1).await;
    let beside = doubles.ask(&[2]);
    doubles.until(2, 1).await;
    gone.abort();
    doubles.until(0, 2).await;
    assert!(begun.elapsed() >= LATE, "as long as a request gets");
    assert_eq!(doubles.requests.lock().unwrap()[1], [2], "whose caller has gone is not sent");
    assert!(told(silent.await).is_err_and(|word| word.contains("no answer")));
    assert!(told(beside.await).is_err_and(|word| word.contains("no answer")));
    assert!(begun.elapsed() >= LATE + wait);
    doubles.may.add_permits(3);
    assert_eq!(told(doubles.ask(&[4]).await), Ok(vec![8]));
}

#[tokio::test(start_paused = true)]
async fn calls_about_the_same_go_one_after_the_other_and_hold_up_nobody_else() {
    let (may, requests) = (Arc::new(Semaphore::new(0)), Arc::<Mutex<Vec<String>>>::default());
    let (permits, log) = (Arc::clone(&may), Arc::clone(&requests));
    let about = |word: &&'static str| word.get(..1);
    let group = Arc::new(Group::new(WAIT, lost(), about, move |words: Vec<&'static str>| {
        let permits = Arc::clone(&permits);
        log.lock().unwrap().push(words.join(" "));
        Box::pin(async move {
            permits.acquire().await.unwrap().forget();
            Ok(words.into_iter().map(Ok).collect())
        })
    }));
    let ask = |words: &[&'static str]| {
        let (group, words) = (Arc::clone(&group), words.to_vec());
        tokio::spawn(async move { group.ask(words).await })
    };
    let mut calls = vec![ask(&["x"])];
    while requests.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for words in [&["a1", "a2", "b1"][..], &["c1"], &["b2", "d1"], &["a3"], &["e1"], &["b3"]] {
        calls.push(ask(words));
        while group.0.lock().calls.len() + 1 != calls.len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    may.add_permits(4);
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(*requests.lock().unwrap(), ["x", "a1 a2 b1 c1 e1", "b2 d1 a3", "b3"]);
}

/// Thousands of calls from both threads, answered at once: none is lost between the end of one leader and the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_forgotten() {
    let (sent, asked) = (Arc::new(AtomicUsize::new(0)), 20_000_usize);
    let counted = Arc::clone(&sent);
    let group = Arc::new(Group::new(
        WAIT,
        lost(),
        |_| None,
        move |numbers: Vec<usize>| {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move { Ok(numbers.into_iter().map(Ok).collect()) })
        },
    ));
    let calls: Vec<_> = (0..asked)
        .map(|n| {
            let group = Arc::clone(&group);
            tokio::spawn(async move { group.ask(vec![n]).await.unwrap() == [n] })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
    assert!(sent.load(Ordering::Relaxed) <= asked);
}
