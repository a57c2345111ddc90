//! The memory budget: units say what they need, and start when it is free.

use std::sync::{Condvar, Mutex, PoisonError};

/// A budget in MiB, shared by threads.
#[derive(Debug)]
pub struct Budget {
    total: u64,
    free: Mutex<u64>,
    changed: Condvar,
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub struct Share<'a> {
    budget: &'a Budget,
    size: u64,
}

impl Budget {
    /// A budget of `total` MiB, at least one.
    pub fn new(total: u64) -> Self {
        let total = total.max(1);
        Self { total, free: Mutex::new(total), changed: Condvar::new() }
    }

    /// Waits until `size` MiB are free and takes them. What asks for more than there is gets all of it, alone.
    pub fn take(&self, size: u64) -> Share<'_> {
        let size = size.clamp(1, self.total);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free < size {
            free = self.changed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= size;
        Share { budget: self, size }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.budget.free.lock().unwrap_or_else(PoisonError::into_inner) += self.size;
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn shares_never_exceed_the_budget_and_the_greedy_get_their_turn() {
        let budget = Budget::new(10);
        let (held, most, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for size in [3, 4, 5, 6, 99, 1, 10, 2] {
                let (budget, held, most, done) = (&budget, &held, &most, &done);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let share = budget.take(size);
                        most.fetch_max(held.fetch_add(share.size, Ordering::SeqCst) + share.size, Ordering::SeqCst);
                        held.fetch_sub(share.size, Ordering::SeqCst);
                    }
                    done.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(done.load(Ordering::SeqCst), 8);
        assert!(most.load(Ordering::SeqCst) <= 10);
    }
}
