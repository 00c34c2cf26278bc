//! What changes outside meanwhile: the source, and the tokens of pages.

use super::{ITEMS, Story};
use crate::pages::Page;
use crate::source::key;

impl Story {
    pub(super) fn add(&self, number: u32) {
        let listed = if self.shape.exported().1[1] {
            *self.chance.one(&[[true, true], [true, false], [true, true], [false, true]])
        } else {
            [true, false]
        };
        let lang = *self.chance.one(&["x", "y"]);
        let steady = lang == "x" && listed[0] && self.chance.hit(0.5);
        if steady {
            self.world.monitor().steady.insert(key(number));
        }
        let now = self.world.now();
        self.world.source().add(number, listed, lang, steady, now);
    }

    /// Changes some of the source; each change is one that an honest site makes.
    pub(super) fn change_source(&self, most: u64) {
        for _ in 0..self.chance.between(0, most) {
            let now = self.world.now();
            let mut source = self.world.source();
            let numbers: Vec<u32> = source.items.keys().copied().collect();
            let mut number = *self.chance.one(&numbers);
            let version = source.version();
            let kind = *self.chance.one(self.habits.kinds);
            if kind == 0 && numbers.len() < usize::try_from(ITEMS).unwrap_or(0) + 3 {
                drop(source);
                self.add(u32::try_from(numbers.len()).unwrap_or(0));
                continue;
            }
            if kind == 11 {
                source.featured = Some(number).filter(|_| source.featured.is_none());
                continue;
            }
            if kind == 1 || kind == 10 || kind == 15 {
                let url = match self.chance.index(3) {
                    0 if kind != 15 => format!("a/list/{}", number / 3),
                    _ => format!("a/item/{}", key(number)),
                };
                if !source.failing.remove(&url) {
                    source.failing.insert(url);
                }
                continue;
            }
            if kind == 14 {
                // one whose page fails goes while it does
                let fails = |number: &&u32| source.failing.contains(&format!("a/item/{}", key(**number)));
                number = numbers.iter().find(fails).copied().unwrap_or(number);
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
                14 if !item.steady => {
                    item.listed = [false; 2];
                    item.since = [now; 2];
                }
                9 | 12 if self.shape.exported().1[1] => {
                    item.listed[1] = !item.listed[1];
                    item.since[1] = now;
                }
                _ => item.title = version,
            }
            self.world.tell(|| format!("source: {} {item:?}", key(number)));
        }
    }

    pub(super) fn mend_tokens(&self) {
        for page in self.world.pages().pages.values_mut() {
            page.token = page.takes;
        }
    }

    pub(super) fn mend_source(&self) {
        let now = self.world.now();
        let mut source = self.world.source();
        source.failing.clear();
        for item in source.items.values_mut().filter(|item| item.bad || item.toxic) {
            item.bad = false;
            item.toxic = false;
            item.modified = now;
        }
    }

    pub(super) fn change_tokens(&self) {
        for page in self.world.pages().pages.values_mut() {
            self.change_token(page);
        }
    }

    fn change_token(&self, page: &mut Page) {
        if page.token != page.takes && self.habits.mended {
            page.takes = page.token;
        } else if page.token != page.takes {
            page.token = page.takes;
        } else if self.world.fault("token refused", 0.1) {
            page.takes += 1;
        }
    }
}
