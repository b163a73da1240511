//! Zeroed memory on cache-line boundaries, on huge pages where it is large.

use std::alloc::{alloc, dealloc, handle_alloc_error, Layout};
use std::ops::{Deref, DerefMut};

/// One cache line and one AVX-512 register.
pub const LINE_BYTES: usize = 64;
const HUGE_PAGE_BYTES: usize = 2 << 20;

mod sealed {
    /// Types for which all bit patterns are values, so zeroed memory is one.
    pub trait Plain: Copy + Send + Sync + 'static {}
    impl Plain for u8 {}
    impl Plain for i32 {}
    impl Plain for i64 {}
    impl Plain for u64 {}
    impl Plain for f64 {}
    impl Plain for [i8; 4] {}
}
pub use sealed::Plain;

pub struct Aligned<T: Plain> {
    start: *mut T,
    length: usize,
}

// Sole owner of its memory, like a boxed slice.
unsafe impl<T: Plain> Send for Aligned<T> {}
unsafe impl<T: Plain> Sync for Aligned<T> {}

impl<T: Plain> Aligned<T> {
    pub fn zeroed(length: usize) -> Self {
        let layout = Self::layout(length);
        let start = unsafe { alloc(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        advise_huge_pages(start, layout.size());
        unsafe { start.write_bytes(0, layout.size()) };
        Self { start: start.cast(), length }
    }

    fn layout(length: usize) -> Layout {
        let bytes = (length * size_of::<T>()).max(LINE_BYTES);
        let alignment = if bytes >= HUGE_PAGE_BYTES { HUGE_PAGE_BYTES } else { LINE_BYTES };
        Layout::from_size_align(bytes, alignment).expect("the size of an array in memory")
    }
}

impl<T: Plain> Drop for Aligned<T> {
    fn drop(&mut self) {
        unsafe { dealloc(self.start.cast(), Self::layout(self.length)) }
    }
}

impl<T: Plain> Deref for Aligned<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

impl<T: Plain> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }
}

#[cfg(target_os = "linux")]
fn advise_huge_pages(start: *mut u8, bytes: usize) {
    use std::ffi::{c_int, c_void};
    extern "C" {
        fn madvise(start: *mut c_void, bytes: usize, advice: c_int) -> c_int;
    }
    const MADV_HUGEPAGE: c_int = 14;
    if bytes >= HUGE_PAGE_BYTES {
        // Only an advice: a refusal changes the speed, not the result.
        unsafe { madvise(start.cast(), bytes, MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_start: *mut u8, _bytes: usize) {}
