//! What happens in one seed: runs of an import whose source changes, under faults; then rest; then a whole, quiet look.

mod outside;

use crate::About;
use crate::chance::Chance;
use crate::check;
use crate::fleet::Fleet;
use crate::monitor::{self, IMPORT};
use crate::odds;
use crate::pages::{LATE, Pages, READ_LAG, TIMEOUT};
use crate::process::Setup;
use crate::shape::Shape;
use crate::slant::{Bent, Habits, Slant};
use crate::source::Source;
use crate::tamper;
use crate::timetable::{self, Deed};
use crate::world::World;
use jobpipe_conformance::MemoryStore;
use jobpipe_core::{DocKind, Plan, StateStore, StoreError};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::docs::{self, ImportDoc, Read};
use jobpipe_engine::failpoint::Point;
use jobpipe_engine::{Cx, EngineError, admin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// From a create to its last audit at most.
const DAY: Duration = Duration::from_secs(26 * 3_600);

/// Items at most.
const ITEMS: u32 = 9;

/// The seed's own story.
pub(crate) struct Story {
    chance: Chance,
    world: Arc<World>,
    fleet: Fleet,
    shape: Shape,
    slant: Slant,
    habits: Habits,
    /// Several processes share the store.
    many: bool,
    /// The store may be lost.
    losable: bool,
    /// A backup of the store.
    backup: Option<MemoryStore>,
}

impl Story {
    pub(crate) fn new(seed: u64, about: About, trace: bool) -> Self {
        let chance = Chance::new(seed, 1);
        let slant = about.slant.unwrap_or_else(|| Slant::of(&Chance::new(seed, 3)));
        let mut shape = Shape::new(&chance);
        let processes = *chance.one(&[1, 1, 2, 3]);
        let processes = slant.processes(&chance).unwrap_or(processes);
        // what is known of a store that was lost is only how late it is: then clocks are honest
        let losable = chance.hit(0.5);
        let losable = slant.losable().unwrap_or(losable);
        let mut setup = Setup { settings: odds::settings(&chance, processes > 1) };
        let mut faults = odds::faults(&chance, processes > 1, losable);
        let attaches = matches!(faults.focus, Point::DrainAttach | Point::DrainAttached);
        let losable = losable || attaches && slant == Slant::Any;
        if losable {
            faults.clock = 0.0;
        }
        let mut habits = Slant::habits();
        let bent = Bent { habits: &mut habits, shape: &mut shape, faults: &mut faults, settings: &mut setup.settings };
        slant.bend(&chance, bent);
        let pages = Pages { listed: shape.now.targets.clone(), ..Pages::default() };
        let world = World::new(seed, faults, habits.send_by, about.rule, Source::default(), pages, trace);
        {
            let mut monitor = world.monitor();
            monitor.crash_limit = setup.settings.crash_limit;
            monitor.incremental = shape.ask == "since";
            monitor.ledgers.insert(shape.ledger(), shape.exported().1);
        }
        let world = Arc::new(world);
        let fleet = Fleet::new(Arc::clone(&world), setup, processes);
        Self { chance, world, fleet, shape, slant, habits, many: processes > 1, losable, backup: None }
    }

    /// The whole of it.
    pub(crate) async fn tell(mut self) -> Arc<World> {
        self.world.tell(|| format!("{:?} {:?}", self.slant, self.shape));
        self.world.tell(|| format!("{:?}", self.habits));
        self.world.tell(|| format!("{:?}", self.world.faults));
        let items = self.chance.between(2, u64::from(ITEMS));
        for number in 0..u32::try_from(items).unwrap_or(ITEMS) {
            self.add(number);
        }
        if self.slant == Slant::Timetable {
            self.timetable().await;
        }
        let runs = self.chance.between(self.habits.runs.0, self.habits.runs.1);
        for _ in 0..if self.slant == Slant::Timetable { 0 } else { runs } {
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
        timetable::check(&self.world).await;
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
        self.audit().await;
        self.world
    }

    /// Nobody works for a day, in which people work on the pages; then the audits find it.
    async fn audit(&mut self) {
        if self.world.violation().is_some() {
            return;
        }
        self.fleet.end_all(None, Duration::ZERO).await;
        let tampered = tamper::tamper(&self.world, &self.shape.ledger(), &self.chance).await;
        tokio::time::sleep(DAY).await;
        let until = Instant::now() + Duration::from_secs(300);
        while tamper::is_due(&self.world).await {
            self.fleet.turn().await;
            if Instant::now() > until {
                self.world.violated(|| "I10: an audit is not made".to_owned());
                return;
            }
        }
        self.rest("after an audit").await;
        tamper::check(&self.world, &tampered).await;
    }

    /// Now and then the store is lost, or put back from a backup.
    async fn disaster(&mut self) {
        if self.chance.hit(0.3) {
            self.backup = Some(self.world.store().copy());
        }
        if !self.losable || !self.world.fault("store lost or restored", self.habits.disaster) {
            return;
        }
        let backup = self.backup.take().filter(|_| self.chance.hit(0.7));
        let restored = backup.is_some();
        // nobody deletes a store while calls of its processes are still on their way
        let quiet = self.world.send_by + TIMEOUT + Duration::from_millis(LATE) + READ_LAG;
        let quiet = if restored { Duration::ZERO } else { quiet };
        self.fleet.end_all(self.many.then_some(self.habits.sleep), quiet).await;
        self.world.tell(|| format!("the store is {}", if restored { "put back" } else { "lost" }));
        tokio::time::sleep(quiet).await;
        let store = Arc::new(backup.unwrap_or_default());
        if restored {
            self.renew(&store).await;
        }
        self.world.set_store(store);
        monitor::put_back(&self.world);
    }

    /// What `state restore` does with a backup, before anybody works on it.
    async fn renew(&mut self, backup: &Arc<MemoryStore>) {
        let (_, cx) = self.fleet.client();
        let Some(cx) = Arc::into_inner(cx) else { return self.world.violated(|| "a new client is in use".to_owned()) };
        let cx = Cx { store: Arc::clone(backup) as Arc<dyn StateStore>, ..cx };
        self.world.faulty.store(false, Ordering::Relaxed);
        if let Err(error) = jobpipe_engine::renew_epoch(&cx).await {
            self.world.violated(|| format!("no new epoch: {error}"));
        }
        let import: Option<Read<ImportDoc>> = docs::read(&**backup, DocKind::Import, IMPORT).await.unwrap_or_default();
        if let Some(open) = import.and_then(|import| import.doc.open) {
            admin::cancel(&cx, &open.facts.run).await.ok();
        }
        self.world.faulty.store(true, Ordering::Relaxed);
    }

    async fn one_run(&mut self) {
        self.change_source(self.habits.changes);
        self.change_tokens();
        if self.chance.hit(self.habits.redefine) {
            self.shape.redefine(&self.chance, self.habits.flips);
            self.world.pages().listed.clone_from(&self.shape.now.targets);
            let plan = self.shape.now.clone();
            self.world.tell(|| format!("definition: {plan:?}"));
        }
        let resume = self.chance.hit(0.5);
        let wish = Wish { approved: self.chance.hit(0.7), resume, supersede: !resume, ..Wish::default() };
        self.start(wish).await;
        let patience = Duration::from_secs(self.chance.between(2, self.habits.patience));
        let until = Instant::now() + patience;
        while Instant::now() < until && check::import(&self.world).await.open.is_some() {
            self.fleet.turn().await;
            if self.chance.hit(0.1) {
                self.change_source(2);
            }
            self.meanwhile();
            if self.chance.hit(0.01) {
                self.cancel().await;
            }
            if self.world.violation().is_some() {
                return;
            }
        }
        let until = Instant::now() + Duration::from_secs(*self.chance.one(self.habits.rest));
        while Instant::now() < until && check::unrest(&self.world).await.is_some() {
            self.fleet.turn().await;
            self.meanwhile();
        }
    }

    /// What happens in any turn.
    fn meanwhile(&mut self) {
        if self.chance.hit(self.habits.tokens) {
            self.change_tokens();
        }
        if self.chance.hit(self.habits.backup) {
            self.backup = Some(self.world.store().copy());
        }
    }

    /// The import is launched by its schedule for a while.
    async fn timetable(&mut self) {
        let schedule = timetable::schedule(&self.chance);
        self.world.tell(|| format!("schedule: {schedule}"));
        let plan = |shape: &Shape| Plan { schedule: Some(schedule.clone()), ..shape.plan() };
        self.until_done(Deed::Deploy(Box::new(plan(&self.shape)))).await;
        let until = Instant::now() + Duration::from_secs(self.chance.between(30, 150));
        while Instant::now() < until && self.world.violation().is_none() {
            self.fleet.turn().await;
            self.meanwhile();
            if self.chance.hit(0.05) {
                self.change_source(2);
            }
            if self.chance.hit(0.003) {
                self.cancel().await;
            }
            if self.chance.hit(0.003) {
                self.shape.redefine(&self.chance, true);
                self.world.pages().listed.clone_from(&self.shape.now.targets);
                self.until_done(Deed::Deploy(Box::new(plan(&self.shape)))).await;
            }
            if schedule["overlap"] != "cancel_other" && self.chance.hit(0.004) {
                // whoever triggers does not ask again
                self.attempt(Deed::Trigger).await;
            }
            if self.chance.hit(0.004) {
                self.fleet.end_all(None, Duration::ZERO).await;
                let away = Duration::from_secs(self.chance.between(1, 200));
                self.world.tell(|| format!("nobody is there for {away:?}"));
                tokio::time::sleep(away).await;
            }
        }
        self.until_done(Deed::Withdraw).await;
    }

    /// Somebody asks for something until it is done.
    async fn until_done(&mut self, deed: Deed) {
        let until = Instant::now() + Duration::from_secs(300);
        while self.world.violation().is_none() && !self.attempt(deed.clone()).await {
            if Instant::now() > until {
                self.world.violated(|| format!("I10: it could not be done for 300 s: {deed:?}"));
            }
        }
    }

    /// Somebody asks for something, and may die on the way; true when it is known to be done.
    async fn attempt(&mut self, deed: Deed) -> bool {
        let (gate, cx) = self.fleet.client();
        let asked = tokio::spawn(deed.done(cx));
        while !asked.is_finished() && !gate.is_dead() {
            self.fleet.turn().await;
        }
        if gate.is_dead() {
            asked.abort();
            return false;
        }
        match asked.await {
            Ok(Ok(())) => true,
            Ok(Err(EngineError::Store(StoreError::Unavailable { .. }) | EngineError::Killed(_))) => false,
            other => {
                self.world.violated(|| format!("it could not be done: {other:?}"));
                false
            }
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
                Ok(Err(
                    EngineError::Store(StoreError::Unavailable { .. } | StoreError::Closed { .. })
                    | EngineError::Killed(_),
                )) => {}
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
