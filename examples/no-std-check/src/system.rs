//! What a board support package would bring: memory, a place to write to, an end.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::{c_int, c_void};

#[link(name = "c")]
// The precompiled liballoc refers to the unwinder, though nothing here unwinds.
#[link(name = "gcc_s")]
unsafe extern "C" {
    fn aligned_alloc(align: usize, size: usize) -> *mut c_void;
    fn free(pointer: *mut c_void);
    fn write(file: c_int, data: *const c_void, len: usize) -> isize;
    fn abort() -> !;
}

struct System;

// SAFETY: the C library's allocator keeps its promises, and `aligned_alloc` gets an alignment of at
// least a pointer's and a size that is a multiple of it.
unsafe impl GlobalAlloc for System {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let align = layout.align().max(size_of::<usize>());
        let Some(size) = layout.size().checked_next_multiple_of(align) else {
            return core::ptr::null_mut();
        };
        unsafe { aligned_alloc(align, size) }.cast()
    }

    unsafe fn dealloc(&self, pointer: *mut u8, _: Layout) {
        unsafe { free(pointer.cast()) }
    }
}

#[global_allocator]
static ALLOCATOR: System = System;

/// Writes a line to standard output.
pub fn print(line: &str) {
    for text in [line, "\n"] {
        // SAFETY: the pointer and the length are those of a string.
        unsafe { write(1, text.as_ptr().cast(), text.len()) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    print("panicked");
    // SAFETY: always sound.
    unsafe { abort() }
}

#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
