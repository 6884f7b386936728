//! Which task a free stream does next. Tasks wait for others; among those that can be done, the earlier in kind comes
//! first: an index as soon as its table has its rows, so that no stream waits for all tables.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Mutex, PoisonError},
};

use contract::import::Stage;
use tokio::sync::Notify;

use super::{super::plan::Plan, ledger::Done};
use crate::{Error, Result};

/// One thing that a stream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Loads a part of a table.
    Part {
        /// The table, by place.
        table: usize,
        /// The part, by number.
        part: usize,
    },
    /// Makes the parents that a table's rows name and nobody has, and looks whether two rows have one key.
    Parents {
        /// The table, by place.
        table: usize,
    },
    /// Runs statements after the rows.
    Step {
        /// The step, by place.
        step: usize,
    },
}

struct Entry {
    task: Task,
    /// Lower comes first.
    rank: (u8, i64),
    /// How many tasks it waits for.
    waits: usize,
    /// Tasks that wait for it.
    before: Vec<usize>,
}

impl Entry {
    /// Its place among those that can be done, the first in kind on top.
    fn turn(&self, number: usize) -> Turn {
        (Reverse(self.rank), Reverse(number))
    }
}

type Turn = (Reverse<(u8, i64)>, Reverse<usize>);

/// All tasks of a load.
pub(super) struct Schedule {
    entries: Mutex<State>,
    changed: Notify,
}

struct State {
    entries: Vec<Entry>,
    /// Those that wait for nothing and are not taken.
    ready: BinaryHeap<Turn>,
    /// Those that are taken and not done.
    taken: usize,
    left: usize,
}

impl Schedule {
    /// The tasks that are not done yet.
    pub fn new(plan: &Plan, done: &Done) -> Self {
        let mut tasks = Tasks::default();
        let mut loads: Vec<Vec<usize>> = vec![Vec::new(); plan.tables.len()];
        let mut last_parents: Vec<usize> = Vec::new();
        for place in parents_first(plan) {
            let table = &plan.tables[place];
            let parts = &mut loads[place];
            for part in 0..table.parts() {
                if !done.parts.contains_key(&(place as i32, part as i32)) {
                    parts.push(tasks.add(Task::Part { table: place, part }, (2, -table.bytes)));
                }
            }
            let parents = table
                .existing
                .as_ref()
                .is_some_and(|existing| !existing.parents.is_empty() || existing.repeats);
            if parents && !done.parents.contains_key(&(place as i32)) {
                let task = tasks.add(Task::Parents { table: place }, (1, 0));
                parts.iter().for_each(|part| tasks.order(task, *part));
                // Two that make the same parents at once would wait for each other.
                tasks.all_before(&last_parents, &[task]);
                last_parents = vec![task];
                parts.push(task);
            }
        }
        steps(plan, done, &loads, &mut tasks);
        let entries = tasks.0;
        let ready = entries.iter().enumerate().filter(|(_, entry)| entry.waits == 0);
        Self {
            entries: Mutex::new(State {
                ready: ready.map(|(number, entry)| entry.turn(number)).collect(),
                taken: 0,
                left: entries.len(),
                entries,
            }),
            changed: Notify::new(),
        }
    }

    /// How many tasks there are.
    pub fn tasks(&self) -> usize {
        self.state().entries.len()
    }

    /// The next task, once there is one; none when all are done.
    ///
    /// # Errors
    /// Internal when the tasks that are left wait for each other.
    pub async fn next(&self) -> Result<Option<(usize, Task)>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that nothing is missed between the two.
            changed.as_mut().enable();
            {
                let mut state = self.state();
                if state.left == 0 {
                    return Ok(None);
                }
                if let Some((_, Reverse(number))) = state.ready.pop() {
                    state.taken += 1;
                    return Ok(Some((number, state.entries[number].task)));
                }
                if state.taken == 0 {
                    return Err(Error::internal("loading", "tasks wait for each other"));
                }
            }
            changed.await;
        }
    }

    /// Notes that a task is done.
    pub fn finish(&self, number: usize) {
        let mut state = self.state();
        state.left -= 1;
        state.taken -= 1;
        let before = std::mem::take(&mut state.entries[number].before);
        for waiting in before {
            state.entries[waiting].waits -= 1;
            let entry = &state.entries[waiting];
            if entry.waits == 0 {
                let turn = entry.turn(waiting);
                state.ready.push(turn);
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tables by place, each after those whose rows have to be there before its own: in any other order two tasks could wait for
/// each other.
fn parents_first(plan: &Plan) -> Vec<usize> {
    let after = |place: usize| {
        let existing = plan.tables[place].existing.as_ref();
        existing.map_or(&[][..], |existing| &existing.after)
    };
    let mut order = Vec::new();
    let mut placed = vec![false; plan.tables.len()];
    while order.len() < plan.tables.len() {
        let before = order.len();
        for place in 0..plan.tables.len() {
            if !placed[place] && after(place).iter().all(|it| placed[*it]) {
                placed[place] = true;
                order.push(place);
            }
        }
        if order.len() == before {
            // Not reached: the plan breaks rings.
            order.extend((0..plan.tables.len()).filter(|place| !placed[*place]));
        }
    }
    order
}

/// Steps in their order: indexes of a table after its rows, its keys after its indexes, foreign keys after the keys of both
/// tables, and the rest after everything.
fn steps(plan: &Plan, done: &Done, loads: &[Vec<usize>], tasks: &mut Tasks) {
    let due = |stage: Stage| {
        plan.steps
            .iter()
            .enumerate()
            .filter(move |(place, step)| step.stage == stage && !done.steps.contains_key(&(*place as i32)))
    };
    let mut ready = loads.to_vec();
    let mut built: Vec<Vec<usize>> = vec![Vec::new(); plan.tables.len()];
    for (place, step) in due(Stage::Index) {
        let Some(table) = step.table else { continue };
        let task = tasks.add(Task::Step { step: place }, (0, -plan.tables[table].bytes));
        tasks.all_before(&loads[table], &[task]);
        built[table].push(task);
    }
    for (table, built) in built.into_iter().enumerate() {
        ready[table].extend(built);
    }
    for (place, step) in due(Stage::Constrain) {
        let Some(table) = step.table else { continue };
        let task = tasks.add(Task::Step { step: place }, (3, 0));
        // Each waits for those before it: they lock the table.
        tasks.all_before(&ready[table], &[task]);
        ready[table].push(task);
    }
    // Parents that are made on the way take numbers, which must be those after the numbers that came in.
    for (place, table) in plan.tables.iter().enumerate() {
        for before in table.existing.iter().flat_map(|existing| &existing.after) {
            tasks.all_before(&ready[*before], &loads[place]);
        }
    }
    let mut last = None;
    for (place, step) in due(Stage::Relate) {
        let task = tasks.add(Task::Step { step: place }, (4, 0));
        for table in [step.table, step.other].into_iter().flatten() {
            tasks.all_before(&ready[table], &[task]);
        }
        // One after the other: two that lock each other's tables would wait for ever.
        tasks.all_before(&Vec::from_iter(last), &[task]);
        last = Some(task);
    }
    let everything: Vec<usize> = (0..tasks.0.len()).collect();
    let mut last = None;
    for (place, step) in due(Stage::Finish) {
        let task = tasks.add(Task::Step { step: place }, (5, 0));
        match step.table {
            Some(table) => tasks.all_before(&ready[table], &[task]),
            None => {
                tasks.all_before(&everything, &[task]);
                tasks.all_before(&Vec::from_iter(last), &[task]);
                last = Some(task);
            }
        }
    }
}

#[derive(Default)]
struct Tasks(Vec<Entry>);

impl Tasks {
    fn add(&mut self, task: Task, rank: (u8, i64)) -> usize {
        self.0.push(Entry {
            task,
            rank,
            waits: 0,
            before: Vec::new(),
        });
        self.0.len() - 1
    }

    fn order(&mut self, first: usize, then: usize) {
        self.0[first].before.push(then);
        self.0[then].waits += 1;
    }

    fn all_before(&mut self, first: &[usize], then: &[usize]) {
        for first in first {
            for then in then {
                self.order(*first, *then);
            }
        }
    }
}
