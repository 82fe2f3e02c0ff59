//! Spreading loops over worker threads.
//!
//! A forward pass is some hundred short loops, a few microseconds apart. So the workers stay, take
//! their work in small pieces from a common counter, and wait for the next loop awake for a moment
//! before they sleep. Two things follow from the small pieces: a worker that the system interrupts
//! delays one piece and not a whole loop, and a machine that is busy with something else slows a
//! pass down by its share and not by orders of magnitude. The calling thread takes part, and sleeps
//! if others hold the last pieces for long: its core is then free for them.
//!
//! Every item of a loop is computed by one thread in one way, so that results do not depend on the
//! number of threads.
//!
//! Measured against rayon (`benches/threads.rs`, tokens per second of decoding on two cores, the
//! best of seven): with one thread there is no difference; with two SmolLM2-135M writes 496 against
//! 271. Models whose loops are too short to share are computed by one thread either way.
//!
//! Not here: which loops are worth it; a caller only says what an item costs.

use std::any::Any;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// Multiplications below which waking the workers costs more than it saves.
const WORTHWHILE: usize = 1 << 18;
/// Multiplications in a piece: some microseconds, so that nobody waits long for the last one.
const PIECE: usize = 1 << 19;
/// Pieces for each thread at least, where there are so many items.
const SHARE: usize = 4;
/// How long a thread that waits stays awake. The gaps between the loops of a pass are shorter.
const AWAKE: Duration = Duration::from_micros(50);
/// More threads than this never help.
const MAX_THREADS: usize = 1024;

/// Threads to compute with where nobody asks for a number: the cores this process may use, each
/// counted once; or what `RAYON_NUM_THREADS` says.
pub fn default_threads() -> usize {
    let cores = candle_core::utils::get_num_threads();
    if std::env::var_os("RAYON_NUM_THREADS").is_some() {
        return cores.clamp(1, MAX_THREADS);
    }
    let usable = std::thread::available_parallelism().map_or(cores, usize::from);
    cores.min(usable).clamp(1, MAX_THREADS)
}

/// Threads that compute together. Each engine has its own, so that two engines share a machine in
/// the proportion of their [`Pool::threads`]. The workers start when they are first needed and end
/// with the pool.
pub struct Pool {
    common: Arc<Common>,
    /// Locked by the thread whose loop is running.
    workers: Mutex<Vec<PoolWorker>>,
    #[cfg(feature = "rayon")]
    rayon: Option<rayon::ThreadPool>,
}

struct PoolWorker {
    asleep: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

/// Counters that different threads write to lie in different cache lines.
#[repr(align(128))]
struct CacheLine<T>(T);

struct Common {
    /// Threads in use, the calling one included.
    threads: AtomicUsize,
    /// Pieces of the running loop that nobody has taken yet. Taking one is also what makes reading
    /// `job` sound: a loop does not end, and `job` does not change, before every piece taken from
    /// it is done.
    untaken: CacheLine<AtomicUsize>,
    /// Pieces of the running loop that are not done.
    undone: CacheLine<AtomicUsize>,
    job: UnsafeCell<LoopJob>,
    /// Who waits for the last piece, if it sleeps.
    waiting: AtomicBool,
    caller: Mutex<Option<Thread>>,
    /// The first panic of the running loop.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    stop: AtomicBool,
}

/// The running loop.
#[derive(Clone, Copy)]
struct LoopJob {
    pieces: usize,
    /// Valid until the last piece is done.
    work: *const (dyn Fn(usize) + Sync),
}

// SAFETY: `job` is written only while no piece can be taken, and read only by threads that have
// taken one (see `untaken`); the function it points to is `Sync`. Everything else is `Sync` itself.
unsafe impl Sync for Common {}
// SAFETY: as above; the pointer is not used from the thread that drops this.
unsafe impl Send for Common {}

thread_local! {
    static POOL: RefCell<Option<Arc<Pool>>> = const { RefCell::new(None) };
    /// Whether this thread is inside a piece, where a loop cannot be spread once more.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

impl Pool {
    /// A pool of `threads` threads, the one that calls included.
    pub fn new(threads: usize) -> Arc<Pool> {
        fn nothing(_: usize) {}
        Arc::new(Pool {
            common: Arc::new(Common {
                threads: AtomicUsize::new(threads.clamp(1, MAX_THREADS)),
                untaken: CacheLine(AtomicUsize::new(0)),
                undone: CacheLine(AtomicUsize::new(0)),
                job: UnsafeCell::new(LoopJob {
                    pieces: 0,
                    work: &nothing,
                }),
                waiting: AtomicBool::new(false),
                caller: Mutex::new(None),
                panic: Mutex::new(None),
                stop: AtomicBool::new(false),
            }),
            workers: Mutex::new(Vec::new()),
            #[cfg(feature = "rayon")]
            rayon: None,
        })
    }

    /// A pool that leaves its loops to rayon, the calling thread taking part: only to measure the
    /// one against the other (`benches/threads.rs`).
    #[cfg(feature = "rayon")]
    pub fn with_rayon(threads: usize) -> Result<Arc<Pool>, rayon::ThreadPoolBuildError> {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let mut pool = Pool::new(threads);
        if let Some(pool) = Arc::get_mut(&mut pool) {
            pool.rayon = Some(builder.build()?);
        }
        Ok(pool)
    }

    /// Threads in use, the calling one included.
    pub fn threads(&self) -> usize {
        self.common.threads.load(Relaxed)
    }

    /// Sets the number of threads, from the next loop on.
    pub fn set_threads(&self, threads: usize) {
        self.common
            .threads
            .store(threads.clamp(1, MAX_THREADS), Relaxed);
    }

    /// The loops of the calling thread use this pool from now on.
    pub fn enter(self: &Arc<Self>) {
        POOL.set(Some(Arc::clone(self)));
    }

    /// Calls `work` once for each number below `pieces`, on the pool's threads, and returns when
    /// all calls have. A panic in one of them continues in the calling thread.
    fn run(&self, pieces: usize, work: &(dyn Fn(usize) + Sync)) {
        #[cfg(feature = "rayon")]
        if let Some(pool) = &self.rayon {
            use rayon::prelude::*;
            let pieces = (0..pieces).into_par_iter().with_max_len(1);
            return pool.install(|| pieces.for_each(work));
        }
        // A loop that is running already (of another thread, or around this one) keeps the workers.
        let workers = if INSIDE.get() || pieces < 2 {
            None
        } else {
            self.workers.try_lock().ok()
        };
        let Some(mut workers) = workers else {
            (0..pieces).for_each(work);
            return;
        };
        let helpers = (self.threads() - 1).min(pieces - 1);
        while workers.len() < helpers {
            match self.hire(workers.len()) {
                Ok(worker) => workers.push(worker),
                // Fewer threads compute the same.
                Err(_) => break,
            }
        }
        let common = &*self.common;
        // SAFETY: nobody holds a piece, so nobody reads `job`. The lifetime is taken off `work`,
        // which outlives every call: this function returns after the last.
        unsafe {
            let work = std::mem::transmute::<
                *const (dyn Fn(usize) + Sync + '_),
                *const (dyn Fn(usize) + Sync + 'static),
            >(work);
            *common.job.get() = LoopJob { pieces, work };
        }
        common.undone.0.store(pieces, Relaxed);
        common.untaken.0.store(pieces, SeqCst);
        for worker in workers.iter().take(helpers) {
            if worker.asleep.load(SeqCst) {
                worker.handle.thread().unpark();
            }
        }
        while common.take_one() {}
        common.wait();
        let panic = common.panic.lock().map_or(None, |mut panic| panic.take());
        drop(workers);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    fn hire(&self, index: usize) -> std::io::Result<PoolWorker> {
        let asleep = Arc::new(AtomicBool::new(false));
        let (common, flag) = (Arc::clone(&self.common), Arc::clone(&asleep));
        let handle = std::thread::Builder::new()
            .name(format!("compute-{index}"))
            .spawn(move || common.serve(index, &flag))?;
        Ok(PoolWorker { asleep, handle })
    }
}

impl Common {
    /// Takes a piece of the running loop and does it. `false` if there is none.
    fn take_one(&self) -> bool {
        let mut untaken = self.untaken.0.load(Relaxed);
        loop {
            if untaken == 0 {
                return false;
            }
            let taken =
                (self.untaken.0).compare_exchange_weak(untaken, untaken - 1, Acquire, Relaxed);
            match taken {
                Ok(_) => break,
                Err(now) => untaken = now,
            }
        }
        // SAFETY: a piece is taken and not done (see `untaken`), so `job` is this loop's, and what
        // it points to is alive.
        let (pieces, work) = unsafe {
            let job = *self.job.get();
            (job.pieces, &*job.work)
        };
        let outside = INSIDE.replace(true);
        let done = catch_unwind(AssertUnwindSafe(|| work(pieces - untaken)));
        INSIDE.set(outside);
        if let Err(panic) = done
            && let Ok(mut first) = self.panic.lock()
        {
            first.get_or_insert(panic);
        }
        if self.undone.0.fetch_sub(1, SeqCst) == 1
            && self.waiting.load(SeqCst)
            && let Ok(caller) = self.caller.lock()
            && let Some(caller) = &*caller
        {
            caller.unpark();
        }
        true
    }

    /// Waits until the last piece is done.
    fn wait(&self) {
        if awake_until(|| self.undone.0.load(Acquire) == 0) {
            return;
        }
        if let Ok(mut caller) = self.caller.lock() {
            *caller = Some(std::thread::current());
        }
        self.waiting.store(true, SeqCst);
        while self.undone.0.load(SeqCst) > 0 {
            std::thread::park();
        }
        self.waiting.store(false, Relaxed);
    }

    /// What a worker does all its life.
    fn serve(&self, index: usize, asleep: &AtomicBool) {
        let wanted = || index + 1 < self.threads.load(Relaxed);
        let stopped = || self.stop.load(SeqCst);
        while !stopped() {
            if wanted() {
                while self.take_one() {}
                if awake_until(|| self.untaken.0.load(Relaxed) > 0 || stopped()) {
                    continue;
                }
            }
            asleep.store(true, SeqCst);
            // A thread that starts a loop after this check sees that this one sleeps.
            if !(stopped() || wanted() && self.untaken.0.load(SeqCst) > 0) {
                std::thread::park();
            }
            asleep.store(false, SeqCst);
        }
    }
}

/// Polls `condition` for [`AWAKE`] and says whether it came true. Another thread that wants to run on this core
/// comes first: on a busy machine that is often the very thread that is waited for.
fn awake_until(condition: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    loop {
        for _ in 0..32 {
            if condition() {
                return true;
            }
            std::hint::spin_loop();
        }
        if started.elapsed() > AWAKE {
            return false;
        }
        std::thread::yield_now();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.common.stop.store(true, SeqCst);
        let workers = match self.workers.get_mut() {
            Ok(workers) => workers,
            Err(poisoned) => poisoned.into_inner(),
        };
        for worker in workers.drain(..) {
            worker.handle.thread().unpark();
            // Panics inside pieces are caught; there is nothing to tell.
            let _ = worker.handle.join();
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}

/// The calling thread's pool, or a common one.
fn pool() -> Arc<Pool> {
    static COMMON: OnceLock<Arc<Pool>> = OnceLock::new();
    let own = POOL.with_borrow(|pool| pool.clone());
    own.unwrap_or_else(|| Arc::clone(COMMON.get_or_init(|| Pool::new(default_threads()))))
}

/// Threads that loops of the calling thread are spread over.
pub fn threads() -> usize {
    pool().threads()
}

/// Calls `work` on ranges that together cover `0..items`, each item once, on the threads of the
/// calling thread's pool, if `items` times the `multiplications` of one are
/// worth it. What one item computes must not depend on which others are in its range.
pub fn split(items: usize, multiplications: usize, work: impl Fn(Range<usize>) + Sync) {
    let pool = pool();
    let threads = pool.threads();
    if threads == 1 || items < 2 || items.saturating_mul(multiplications) < WORTHWHILE {
        return work(0..items);
    }
    let even = items.div_ceil(threads * SHARE);
    let size = (PIECE / multiplications.max(1)).clamp(1, even);
    pool.run(items.div_ceil(size), &|piece| {
        let start = piece * size;
        work(start..items.min(start + size));
    });
}

/// A place that pieces write results to, each to elements of its own.
pub struct SharedOutput<'a, T = f32> {
    start: *mut T,
    len: usize,
    slice: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: the pointer is only written through, under the contract of the functions below.
unsafe impl<T: Send> Sync for SharedOutput<'_, T> {}

impl<'a, T> SharedOutput<'a, T> {
    /// Lends out a slice for writing in pieces.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            slice: std::marker::PhantomData,
        }
    }

    /// Writes one element.
    ///
    /// # Safety
    /// No other thread uses this element at the same time.
    pub unsafe fn set(&self, index: usize, value: T) {
        assert!(index < self.len, "element {index} of {}", self.len);
        // SAFETY: inside the slice, which is mutably borrowed for `'a`.
        unsafe { self.start.add(index).write(value) };
    }

    /// Some elements.
    ///
    /// # Safety
    /// Nobody else uses these elements while the slice lives.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: inside the slice, which is mutably borrowed for `'a`.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user would lose: right numbers. Whatever the numbers of items and threads, every item is
    /// visited exactly once, also while the number of threads changes.
    #[test]
    fn every_item_is_visited_once() {
        let pool = Pool::new(4);
        pool.enter();
        for round in 0..200 {
            pool.set_threads(1 + round % 5);
            for (items, cost) in [(0, 1), (1, 1 << 20), (10, 1), (37, 1 << 18), (1000, 100)] {
                let visits: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
                split(items, cost, |range| {
                    for i in range {
                        visits[i].fetch_add(1, Relaxed);
                    }
                });
                assert!(visits.iter().all(|v| v.load(Relaxed) == 1));
            }
        }
    }

    /// A user would lose: an engine that keeps running after an error, instead of hanging.
    #[test]
    fn a_panic_comes_back_and_the_pool_goes_on() {
        let pool = Pool::new(3);
        for at in [0, 17, 63] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.run(64, &|piece| assert_ne!(piece, at, "piece {at}"));
            }));
            let panic = result.unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            assert!(text.contains(&format!("piece {at}")), "{text}");
            let count = AtomicUsize::new(0);
            pool.run(64, &|_| {
                count.fetch_add(1, Relaxed);
            });
            assert_eq!(count.into_inner(), 64);
        }
    }

    #[test]
    fn loops_inside_loops_and_two_callers_at_once_are_served() {
        let pool = Pool::new(3);
        let count = AtomicUsize::new(0);
        let loops = || {
            pool.enter();
            for _ in 0..50 {
                split(8, 1 << 20, |outer| {
                    for _ in outer {
                        split(8, 1 << 20, |inner| {
                            count.fetch_add(inner.len(), Relaxed);
                        });
                    }
                });
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(loops);
            scope.spawn(loops);
        });
        assert_eq!(count.into_inner(), 2 * 50 * 64);
    }

    /// A user would lose: an engine that answers after a pause. Workers and caller both fall
    /// asleep here.
    #[test]
    fn sleepers_wake() {
        let pool = Pool::new(2);
        for _ in 0..20 {
            std::thread::sleep(AWAKE * 4);
            pool.run(4, &|piece| {
                if piece == 3 {
                    std::thread::sleep(AWAKE * 20);
                }
            });
        }
    }

    #[test]
    fn workers_end_with_their_pool() {
        let pool = Pool::new(3);
        pool.run(64, &|_| {});
        let common = Arc::downgrade(&pool.common);
        drop(pool);
        assert_eq!(common.strong_count(), 0);
    }
}
