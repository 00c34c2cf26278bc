//! What happens in one seed: runs of an import whose source changes, under faults; then rest; then a whole, quiet look.

use crate::chance::Chance;
use crate::check;
use crate::fleet::Fleet;
use crate::pages::{LATE, Page, Pages, READ_LAG, SEND_BY, TIMEOUT};
use crate::process::Setup;
use crate::shape::Shape;
use crate::source::Source;
use crate::world::{Faults, World};
use jobpipe_conformance::MemoryStore;
use jobpipe_core::StoreError;
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::failpoint::Point;
use jobpipe_engine::sabotage::Rule;
use jobpipe_engine::{EngineError, EngineSettings, admin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Items at most.
const ITEMS: u32 = 9;

/// The seed's own story.
pub(crate) struct Story {
    chance: Chance,
    world: Arc<World>,
    fleet: Fleet,
    shape: Shape,
    /// Several processes share the store.
    many: bool,
    /// The store may be lost.
    losable: bool,
    /// A backup of the store.
    backup: Option<MemoryStore>,
}

fn faults(chance: &Chance, fleet: bool, steady: bool) -> Faults {
    let some = |most: f64| if chance.hit(0.6) { most * chance.fraction() } else { 0.0 };
    Faults {
        store_refuses: some(0.01),
        store_lies: some(0.01),
        store_late: if fleet { some(0.02) } else { 0.0 },
        failpoint: some(0.01),
        focus: chance.index(Point::ALL.len()),
        die_there: *chance.one(&[0.0, 0.2, 0.5]),
        stop_there: if fleet { *chance.one(&[0.0, 0.1, 0.3]) } else { 0.0 },
        hint: some(0.2),
        page: some(0.5),
        read: some(0.3),
        source: some(0.15),
        kill: some(0.06),
        pause: some(0.06),
        clock: if steady { 0.0 } else { some(0.05) },
        broker: some(0.03),
    }
}

fn settings(chance: &Chance, fleet: bool) -> EngineSettings {
    let size = |of: &[usize]| *chance.one(of);
    EngineSettings {
        slots: size(&[1, 2, 4]),
        drains: size(&[1, 2, 4]),
        window: size(&[1, 2, 8, 64]),
        batch_records: size(&[1, 2, 5]),
        page: size(&[1, 2, 5, 50]),
        round: size(&[1, 3, 64]),
        crash_limit: u32::try_from(size(&[2, 3, 5, 12])).unwrap_or(5),
        lease_ttl: fleet.then_some(Duration::from_millis(*chance.one(&[1_200, 3_000]))),
        tick: Duration::from_millis(400),
        sweep_every: Duration::from_millis(1_200),
        keep_runs: size(&[1, 3]),
        ..EngineSettings::default()
    }
}

impl Story {
    pub(crate) fn new(seed: u64, rule: Option<Rule>, trace: bool) -> Self {
        let chance = Chance::new(seed, 1);
        let shape = Shape::new(&chance);
        let processes = *chance.one(&[1, 1, 2, 3]);
        // what is known of a store that was lost is only how late it is: then clocks are honest
        let losable = chance.hit(0.5);
        let setup = Setup { settings: settings(&chance, processes > 1) };
        let world =
            World::new(seed, faults(&chance, processes > 1, losable), rule, Source::default(), Pages::default(), trace);
        {
            let mut monitor = world.monitor();
            monitor.crash_limit = setup.settings.crash_limit;
            monitor.incremental = shape.ask == "since";
            monitor.ledgers.insert(shape.ledger(), shape.exported().1);
        }
        let world = Arc::new(world);
        let fleet = Fleet::new(Arc::clone(&world), setup, processes);
        Self { chance, world, fleet, shape, many: processes > 1, losable, backup: None }
    }

    /// The whole of it.
    pub(crate) async fn tell(mut self) -> Arc<World> {
        self.world.tell(|| format!("{:?}", self.shape));
        self.world.tell(|| format!("{:?}", self.world.faults));
        let items = self.chance.between(2, u64::from(ITEMS));
        for number in 0..u32::try_from(items).unwrap_or(ITEMS) {
            self.add(number);
        }
        let runs = self.chance.between(2, 4);
        for _ in 0..runs {
            self.one_run().await;
            self.disaster().await;
            if self.world.violation().is_some() {
                return self.world;
            }
        }
        self.world.faulty.store(false, Ordering::Relaxed);
        self.world.tell(|| "faults stop".to_owned());
        self.mend_tokens();
        self.rest("after the last fault").await;
        check::ledger(&self.world).await;
        self.mend_source();
        let more = self.shape.gone.map_or(1, |gone| gone.after + 1);
        for _ in 0..more {
            if self.world.violation().is_some() {
                return self.world;
            }
            self.start(Wish { approved: true, supersede: true, ..Wish::default() }).await;
            self.rest("after a run without faults").await;
        }
        check::ledger(&self.world).await;
        check::outside(&self.world, &self.shape);
        check::changes(&self.world, &self.shape).await;
        self.world
    }

    fn add(&self, number: u32) {
        let listed = if self.shape.exported().1[1] {
            *self.chance.one(&[[true, true], [true, false], [true, true], [false, true]])
        } else {
            [true, false]
        };
        let lang = *self.chance.one(&["x", "y"]);
        let steady = lang == "x" && listed[0] && self.chance.hit(0.5);
        if steady {
            self.world.monitor().steady.insert(crate::source::key(number));
        }
        let now = self.world.now();
        self.world.source().add(number, listed, lang, steady, now);
    }

    /// Changes some of the source; each change is one that an honest site makes.
    fn change_source(&self, most: u64) {
        for _ in 0..self.chance.between(0, most) {
            let now = self.world.now();
            let mut source = self.world.source();
            let numbers: Vec<u32> = source.items.keys().copied().collect();
            let number = *self.chance.one(&numbers);
            let version = source.version();
            let kind = self.chance.index(13);
            if kind == 0 && numbers.len() < usize::try_from(ITEMS).unwrap_or(0) + 3 {
                drop(source);
                self.add(u32::try_from(numbers.len()).unwrap_or(0));
                continue;
            }
            if kind == 11 {
                source.featured = Some(number).filter(|_| source.featured.is_none());
                continue;
            }
            if kind == 1 || kind == 10 {
                let url = match self.chance.index(3) {
                    0 => format!("a/list/{}", number / 3),
                    _ => format!("a/item/{}", crate::source::key(number)),
                };
                if !source.failing.remove(&url) {
                    source.failing.insert(url);
                }
                continue;
            }
            let Some(item) = source.items.get_mut(&number) else { continue };
            item.modified = now;
            match kind {
                2 => {
                    item.bad = !item.bad;
                    item.good = now;
                }
                3 if self.chance.hit(0.5) => {
                    item.toxic = !item.toxic;
                    item.good = now;
                }
                4 if !item.steady => item.link += 1,
                5 | 6 if !item.steady => item.open = !item.open,
                7 | 8 if !item.steady => {
                    item.listed[0] = !item.listed[0];
                    item.since[0] = now;
                }
                9 | 12 if self.shape.exported().1[1] => {
                    item.listed[1] = !item.listed[1];
                    item.since[1] = now;
                }
                _ => item.title = version,
            }
            self.world.tell(|| format!("source: {} {item:?}", crate::source::key(number)));
        }
    }

    fn mend_tokens(&self) {
        for page in self.world.pages().pages.values_mut() {
            page.token = page.takes;
        }
    }

    fn mend_source(&self) {
        let now = self.world.now();
        let mut source = self.world.source();
        source.failing.clear();
        for item in source.items.values_mut().filter(|item| item.bad || item.toxic) {
            item.bad = false;
            item.toxic = false;
            item.modified = now;
        }
    }

    fn change_tokens(&self) {
        for page in self.world.pages().pages.values_mut() {
            self.change_token(page);
        }
    }

    fn change_token(&self, page: &mut Page) {
        if page.token != page.takes {
            page.token = page.takes;
        } else if self.world.fault("token refused", 0.1) {
            page.takes += 1;
        }
    }

    /// Now and then the store is lost, or put back from a backup.
    async fn disaster(&mut self) {
        if self.chance.hit(0.3) {
            self.backup = Some(self.world.store().copy());
        }
        if !self.losable || !self.world.fault("store lost or restored", 0.15) {
            return;
        }
        self.fleet.end_all(self.many).await;
        let backup = self.backup.take().filter(|_| self.chance.hit(0.7));
        let restored = backup.is_some();
        self.world.tell(|| format!("the store is {}", if restored { "put back" } else { "lost" }));
        if !restored {
            // nobody deletes a store while calls of its processes are still on their way
            tokio::time::sleep(SEND_BY + TIMEOUT + Duration::from_millis(LATE) + READ_LAG).await;
        }
        self.world.set_store(backup.unwrap_or_default());
        self.world.monitor().stores += 1;
        self.world.faulty.store(false, Ordering::Relaxed);
        if restored {
            let (_, cx) = self.fleet.client();
            if let Err(error) = jobpipe_engine::renew_epoch(&cx).await {
                self.world.violated(|| format!("no new epoch: {error}"));
            }
            if let Some(open) = check::import(&self.world).await.open {
                admin::cancel(&cx, &open.facts.run).await.ok();
            }
        }
        self.world.faulty.store(true, Ordering::Relaxed);
    }

    async fn one_run(&mut self) {
        self.change_source(6);
        self.change_tokens();
        if self.chance.hit(0.25) {
            self.shape.redefine(&self.chance);
            let plan = self.shape.now.clone();
            self.world.tell(|| format!("definition: {plan:?}"));
        }
        let resume = self.chance.hit(0.5);
        let wish = Wish { approved: self.chance.hit(0.7), resume, supersede: !resume, ..Wish::default() };
        self.start(wish).await;
        let patience = Duration::from_secs(self.chance.between(2, 60));
        let until = Instant::now() + patience;
        while Instant::now() < until && check::import(&self.world).await.open.is_some() {
            self.fleet.turn().await;
            if self.chance.hit(0.1) {
                self.change_source(2);
            }
            if self.chance.hit(0.05) {
                self.change_tokens();
            }
            if self.chance.hit(0.01) {
                self.cancel().await;
            }
            if self.world.violation().is_some() {
                return;
            }
        }
        let until = Instant::now() + Duration::from_secs(*self.chance.one(&[0, 1, 5, 40]));
        while Instant::now() < until && check::unrest(&self.world).await.is_some() {
            self.fleet.turn().await;
        }
    }

    /// Admits a run, however often the one who asks dies on the way.
    async fn start(&mut self, wish: Wish) {
        let until = Instant::now() + Duration::from_secs(300);
        while Instant::now() < until && self.world.violation().is_none() {
            let (gate, cx) = self.fleet.client();
            let (plan, wish) = (self.shape.plan(), wish.clone());
            let asked = tokio::spawn(async move { admission::admit(&cx, &plan, &wish).await });
            while !asked.is_finished() && !gate.is_dead() {
                self.fleet.turn().await;
            }
            if gate.is_dead() {
                asked.abort();
                // whoever asked does not always ask again: what was admitted goes on without him
                if self.chance.hit(0.5) && check::import(&self.world).await.open.is_some() {
                    return;
                }
                continue;
            }
            match asked.await {
                Ok(Ok(Admitted::Started(_) | Admitted::Resumed { .. })) => return,
                Ok(Ok(Admitted::Superseding(_))) => self.fleet.turn().await,
                Ok(Err(EngineError::Store(StoreError::Unavailable { .. }) | EngineError::Killed(_))) => {}
                // refused: the open run has read its source to the end
                Ok(Err(EngineError::Refused { .. })) => self.fleet.turn().await,
                other => self.world.violated(|| format!("a run could not be admitted: {other:?}")),
            }
        }
        self.world.violated(|| "I10: no run could be admitted for 300 s".to_owned());
    }

    async fn cancel(&mut self) {
        let Some(open) = check::import(&self.world).await.open else { return };
        self.world.tell(|| format!("somebody cancels {}", open.facts.run));
        let (gate, cx) = self.fleet.client();
        let asked = tokio::spawn(async move { admin::cancel(&cx, &open.facts.run).await });
        while !asked.is_finished() && !gate.is_dead() {
            self.fleet.turn().await;
        }
        asked.abort();
    }

    /// I10: without faults everything comes to rest.
    async fn rest(&mut self, when: &str) {
        let until = Instant::now() + Duration::from_secs(900);
        loop {
            if self.world.violation().is_some() {
                return;
            }
            self.fleet.turn().await;
            let unrest = check::unrest(&self.world).await;
            if self.chance.hit(0.2)
                && let Some(run) = check::waits(&self.world).await
            {
                let (_, cx) = self.fleet.client();
                let done = admin::approve(&cx, &run).await;
                self.world.monitor().approved = true;
                self.world.tell(|| format!("somebody approves {run}: {done:?}"));
                continue;
            }
            let waits = check::waits(&self.world).await.map(|run| format!("{run} waits for approval"));
            let Some(unrest) = unrest.or(waits) else { return };
            if Instant::now() > until {
                self.world.violated(|| format!("I10: no rest {when}: {unrest}"));
            }
        }
    }
}
