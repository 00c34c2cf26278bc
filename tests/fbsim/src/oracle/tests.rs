use super::*;
use crate::settings::Options;
use crate::state::Write;

fn world() -> World {
    World::open(&Options::default()).unwrap()
}

fn write(op: WriteOp, post: Option<&str>, message: &str, published: bool) -> Write {
    Write {
        op,
        page: "p".to_owned(),
        post: post.map(str::to_owned),
        message: message.to_owned(),
        link: Some("https://jobs.test/1?a=b&jp=MARK".to_owned()),
        published,
        scheduled_ms: None,
        app: Some("1000".to_owned()),
    }
}

fn create(world: &mut World, message: &str) -> String {
    world.execute(write(WriteOp::Create, None, message, true)).unwrap().post.clone()
}

#[test]
fn an_edit_is_no_duplicate_and_neither_is_a_post_after_a_deleted_one() {
    let mut world = world();
    let first = create(&mut world, "a");
    world.execute(write(WriteOp::Update, Some(&first), "b", true)).unwrap();
    world.execute(write(WriteOp::Delete, Some(&first), "b", true)).unwrap();
    create(&mut world, "c");
    let report = report(&world, None);
    assert_eq!((report.totals.dup_now, report.totals.dup_ever), (0, 0));
    let wanted = MarkerReport {
        page: "p".to_owned(),
        marker: "MARK".to_owned(),
        visible_now: 1,
        visible_max_ever: 1,
        creates: 2,
        updates: 1,
        deletes: 1,
    };
    assert_eq!(report.markers, [wanted]);
}

#[test]
fn two_posts_at_once_are_a_duplicate_for_ever() {
    let mut world = world();
    let first = create(&mut world, "a");
    create(&mut world, "a again");
    assert_eq!(report(&world, None).totals.dup_now, 1);
    world.execute(write(WriteOp::Delete, Some(&first), "a", true)).unwrap();
    let totals = report(&world, None).totals;
    assert_eq!((totals.dup_now, totals.dup_ever, totals.visible), (0, 1, 1));
}

#[test]
fn a_draft_is_visible_only_once_it_is_published() {
    let mut world = world();
    let draft = world.execute(write(WriteOp::Create, None, "a", false)).unwrap().post.clone();
    create(&mut world, "b");
    assert_eq!(report(&world, None).totals.dup_ever, 0);
    world.execute(write(WriteOp::Update, Some(&draft), "a", true)).unwrap();
    assert_eq!(report(&world, None).totals.dup_now, 1);
}

#[test]
fn a_scheduled_post_is_visible_from_its_hour_on() {
    let mut world = world();
    create(&mut world, "now");
    let mut later = write(WriteOp::Create, None, "later", false);
    later.scheduled_ms = Some(world.now_ms() + 3_600_000);
    world.execute(later).unwrap();
    assert_eq!(report(&world, None).totals.dup_ever, 0);
    let mut due = write(WriteOp::Create, None, "due", false);
    due.scheduled_ms = Some(world.now_ms() - 1);
    world.execute(due).unwrap();
    assert_eq!(report(&world, None).totals.dup_ever, 1);
}

#[test]
fn expected_posts_are_matched_one_to_one_and_a_stale_one_counts_on_both_sides() {
    let mut world = world();
    create(&mut world, "stale");
    let post = |message: &str| ExpectedPost {
        message: Some(message.to_owned()),
        link: Some("https://jobs.test/1?a=b".to_owned()),
        marker: None,
    };
    let expect = |posts: Vec<ExpectedPost>| Expectation { expected: [("p".to_owned(), posts)].into() };
    let count = |world: &World, posts| {
        let report = report(world, Some(&expect(posts)));
        (report.lost, report.unexpected)
    };
    assert_eq!(count(&world, vec![post("stale")]), (Some(0), Some(0)));
    assert_eq!(count(&world, vec![post("fresh")]), (Some(1), Some(1)));
    assert_eq!(count(&world, vec![]), (Some(0), Some(1)));
    create(&mut world, "stale");
    assert_eq!(count(&world, vec![post("stale")]), (Some(0), Some(1)));
    let marked = |marker: &str| ExpectedPost { marker: Some(marker.to_owned()), ..ExpectedPost::default() };
    assert_eq!(count(&world, vec![marked("MARK"), post("stale")]), (Some(0), Some(0)));
    assert_eq!(count(&world, vec![marked("OTHER"), post("stale")]), (Some(1), Some(1)));
    let elsewhere = Expectation { expected: [("q".to_owned(), vec![post("stale")])].into() };
    let report = report(&world, Some(&elsewhere));
    assert_eq!((report.lost, report.unexpected), (Some(1), Some(2)));
    assert_eq!(report.lost_posts[0].0, "q");
}
