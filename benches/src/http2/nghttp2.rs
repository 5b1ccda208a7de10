//! libnghttp2 as Debian has it, by its C interface.

#![allow(unsafe_code, reason = "there is no other way to call a library in C")]

use super::stories::{Blocks, Story};
use super::{REQUEST, RESPONSE};
use core::ffi::{c_int, c_void};
use core::ptr::{null, null_mut};
use core::slice;

pub(super) const NAME: &str = "nghttp2 1.52 (C)";

#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Nv {
    name: *mut u8,
    value: *mut u8,
    name_len: usize,
    value_len: usize,
    flags: u8,
}

impl Nv {
    fn new(name: &[u8], value: &[u8]) -> Self {
        Self {
            name: name.as_ptr().cast_mut(),
            value: value.as_ptr().cast_mut(),
            name_len: name.len(),
            value_len: value.len(),
            flags: 0,
        }
    }
}

/// The beginning of a `nghttp2_frame`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct FrameHead {
    length: usize,
    stream: i32,
    kind: u8,
    flags: u8,
    reserved: u8,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct SettingsEntry {
    id: i32,
    value: u32,
}

type Read =
    extern "C" fn(*mut c_void, i32, *mut u8, usize, *mut u32, *mut c_void, *mut c_void) -> isize;

#[repr(C)]
struct DataProvider {
    source: *mut c_void,
    read: Read,
}

#[link(name = "nghttp2")]
unsafe extern "C" {
    fn nghttp2_hd_inflate_new(inflater: *mut *mut c_void) -> c_int;
    fn nghttp2_hd_inflate_del(inflater: *mut c_void);
    fn nghttp2_hd_inflate_hd2(
        inflater: *mut c_void,
        out: *mut Nv,
        flags: *mut c_int,
        input: *const u8,
        len: usize,
        is_final: c_int,
    ) -> isize;
    fn nghttp2_hd_inflate_end_headers(inflater: *mut c_void) -> c_int;
    fn nghttp2_hd_deflate_new(deflater: *mut *mut c_void, max_table: usize) -> c_int;
    fn nghttp2_hd_deflate_del(deflater: *mut c_void);
    fn nghttp2_hd_deflate_bound(deflater: *mut c_void, fields: *const Nv, count: usize) -> usize;
    fn nghttp2_hd_deflate_hd(
        deflater: *mut c_void,
        out: *mut u8,
        len: usize,
        fields: *const Nv,
        count: usize,
    ) -> isize;
    fn nghttp2_session_callbacks_new(callbacks: *mut *mut c_void) -> c_int;
    fn nghttp2_session_callbacks_del(callbacks: *mut c_void);
    fn nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks: *mut c_void,
        call: extern "C" fn(*mut c_void, *const FrameHead, *mut c_void) -> c_int,
    );
    fn nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks: *mut c_void,
        call: extern "C" fn(*mut c_void, u8, i32, *const u8, usize, *mut c_void) -> c_int,
    );
    fn nghttp2_session_callbacks_set_on_header_callback(
        callbacks: *mut c_void,
        call: extern "C" fn(
            *mut c_void,
            *const FrameHead,
            *const u8,
            usize,
            *const u8,
            usize,
            u8,
            *mut c_void,
        ) -> c_int,
    );
    fn nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks: *mut c_void,
        call: extern "C" fn(*mut c_void, i32, u32, *mut c_void) -> c_int,
    );
    fn nghttp2_session_client_new(
        session: *mut *mut c_void,
        callbacks: *const c_void,
        user: *mut c_void,
    ) -> c_int;
    fn nghttp2_session_server_new(
        session: *mut *mut c_void,
        callbacks: *const c_void,
        user: *mut c_void,
    ) -> c_int;
    fn nghttp2_session_del(session: *mut c_void);
    fn nghttp2_submit_settings(
        session: *mut c_void,
        flags: u8,
        entries: *const SettingsEntry,
        count: usize,
    ) -> c_int;
    fn nghttp2_session_set_local_window_size(
        session: *mut c_void,
        flags: u8,
        stream: i32,
        size: i32,
    ) -> c_int;
    fn nghttp2_submit_request(
        session: *mut c_void,
        priority: *const c_void,
        fields: *const Nv,
        count: usize,
        data: *const DataProvider,
        user: *mut c_void,
    ) -> i32;
    fn nghttp2_submit_response(
        session: *mut c_void,
        stream: i32,
        fields: *const Nv,
        count: usize,
        data: *const DataProvider,
    ) -> c_int;
    fn nghttp2_session_mem_recv(session: *mut c_void, input: *const u8, len: usize) -> isize;
    fn nghttp2_session_mem_send(session: *mut c_void, data: *mut *const u8) -> isize;
}

/// Octets of names and values of all fields.
pub(super) fn inflated(stories: &[Blocks]) -> u64 {
    const FINAL: c_int = 1;
    const EMIT: c_int = 2;
    let mut sum = 0;
    for blocks in stories {
        let mut inflater = null_mut();
        // SAFETY: the inflater lives until it is deleted; each block outlives the calls that read it.
        unsafe {
            assert_eq!(nghttp2_hd_inflate_new(&mut inflater), 0);
            for block in blocks {
                let mut input = &block[..];
                loop {
                    let (mut field, mut flags) = (Nv::new(b"", b""), 0);
                    let len = nghttp2_hd_inflate_hd2(
                        inflater,
                        &mut field,
                        &mut flags,
                        input.as_ptr(),
                        input.len(),
                        1,
                    );
                    input = &input[usize::try_from(len).unwrap()..];
                    if flags & EMIT != 0 {
                        sum += field.name_len + field.value_len;
                    }
                    if flags & FINAL != 0 {
                        nghttp2_hd_inflate_end_headers(inflater);
                        break;
                    }
                }
            }
            nghttp2_hd_inflate_del(inflater);
        }
    }
    sum as u64
}

/// Octets that all stories are compressed to.
pub(super) fn deflated(stories: &[Story]) -> u64 {
    let (mut fields, mut block, mut sum) = (Vec::new(), Vec::new(), 0);
    for story in stories {
        let mut deflater = null_mut();
        // SAFETY: the deflater lives until it is deleted; names and values outlive the calls, which
        // do not write to them; the block is as large as the bound that was asked for.
        unsafe {
            assert_eq!(nghttp2_hd_deflate_new(&mut deflater, 4096), 0);
            for list in story {
                fields.clear();
                fields.extend(list.iter().map(|(name, value)| Nv::new(name, value)));
                let bound = nghttp2_hd_deflate_bound(deflater, fields.as_ptr(), fields.len());
                block.resize(bound.max(block.len()), 0);
                let len = nghttp2_hd_deflate_hd(
                    deflater,
                    block.as_mut_ptr(),
                    block.len(),
                    fields.as_ptr(),
                    fields.len(),
                );
                sum += usize::try_from(len).unwrap();
            }
            nghttp2_hd_deflate_del(deflater);
        }
    }
    sum as u64
}

/// What the callbacks of a session note.
#[derive(Debug, Default)]
struct Notes {
    octets: usize,
    fields: usize,
    closed: usize,
    requests: Vec<i32>,
}

fn notes<'a>(user: *mut c_void) -> &'a mut Notes {
    // SAFETY: `user` is what `session` was given: notes in a box of their own that lives longer
    // than the session, and that nobody else looks at during a call.
    unsafe { &mut *user.cast::<Notes>() }
}

extern "C" fn on_frame(_: *mut c_void, frame: *const FrameHead, user: *mut c_void) -> c_int {
    // SAFETY: a frame begins with its head.
    let head = unsafe { *frame };
    // HEADERS of a request, with or without its end.
    if head.kind == 1 {
        notes(user).requests.push(head.stream);
    }
    0
}

extern "C" fn on_data(
    _: *mut c_void,
    _: u8,
    _: i32,
    _: *const u8,
    len: usize,
    user: *mut c_void,
) -> c_int {
    notes(user).octets += len;
    0
}

extern "C" fn on_header(
    _: *mut c_void,
    _: *const FrameHead,
    _: *const u8,
    name: usize,
    _: *const u8,
    value: usize,
    _: u8,
    user: *mut c_void,
) -> c_int {
    notes(user).fields += name + value;
    0
}

extern "C" fn on_close(_: *mut c_void, _: i32, _: u32, user: *mut c_void) -> c_int {
    notes(user).closed += 1;
    0
}

/// Gives the next part of a body, whose length is counted down in the stream's own place.
extern "C" fn read_body(
    _: *mut c_void,
    _: i32,
    into: *mut u8,
    len: usize,
    flags: *mut u32,
    source: *mut c_void,
    _: *mut c_void,
) -> isize {
    // SAFETY: `source` points to the place that `Body` was boxed to; `into` has room for `len`.
    unsafe {
        let body = &mut **source.cast::<*mut Body>();
        let rest = &body.octets[body.sent..];
        let count = rest.len().min(len);
        slice::from_raw_parts_mut(into, count).copy_from_slice(&rest[..count]);
        body.sent += count;
        if body.sent == body.octets.len() {
            *flags |= 1;
        }
        isize::try_from(count).unwrap()
    }
}

#[derive(Debug)]
struct Body {
    octets: &'static [u8],
    sent: usize,
}

#[derive(Debug)]
struct Session {
    session: *mut c_void,
    notes: Box<Notes>,
}

impl Session {
    fn new(is_server: bool) -> Self {
        let (mut callbacks, mut session) = (null_mut(), null_mut());
        let mut notes = Box::<Notes>::default();
        let user: *mut Notes = &mut *notes;
        let entries = [
            SettingsEntry { id: 3, value: 1000 },
            SettingsEntry {
                id: 4,
                value: 16 << 20,
            },
        ];
        // SAFETY: all pointers live during the calls; the notes live as long as the session.
        unsafe {
            assert_eq!(nghttp2_session_callbacks_new(&mut callbacks), 0);
            nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
            nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
            nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
            nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
            let made = if is_server {
                nghttp2_session_server_new(&mut session, callbacks, user.cast())
            } else {
                nghttp2_session_client_new(&mut session, callbacks, user.cast())
            };
            assert_eq!(made, 0);
            nghttp2_session_callbacks_del(callbacks);
            assert_eq!(nghttp2_submit_settings(session, 0, entries.as_ptr(), 2), 0);
            nghttp2_session_set_local_window_size(session, 0, 0, 1 << 30);
        }
        Self { session, notes }
    }

    fn receive(&mut self, octets: *const u8, len: usize) {
        // SAFETY: the caller has octets of that length.
        let taken = unsafe { nghttp2_session_mem_recv(self.session, octets, len) };
        assert_eq!(usize::try_from(taken), Ok(len));
    }

    /// Moves what this side has to say to the other.
    fn speak(&mut self, other: &mut Self) {
        loop {
            let mut data = null();
            // SAFETY: the octets are there until the next call on this session.
            let len = unsafe { nghttp2_session_mem_send(self.session, &mut data) };
            match usize::try_from(len).unwrap() {
                0 => return,
                len => other.receive(data, len),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: it was made by this library and is not used any more.
        unsafe { nghttp2_session_del(self.session) }
    }
}

/// Both ends in memory.
#[derive(Debug)]
pub(super) struct Pair {
    client: Session,
    server: Session,
    request: Vec<Nv>,
    response: Vec<Nv>,
    body: &'static [u8],
    bodies: Vec<Body>,
}

impl Pair {
    pub(super) fn new(body: usize) -> Self {
        let list = |fields: &[(&'static str, &'static str)]| {
            fields
                .iter()
                .map(|(name, value)| Nv::new(name.as_bytes(), value.as_bytes()))
                .collect()
        };
        Self {
            client: Session::new(false),
            server: Session::new(true),
            request: list(&REQUEST),
            response: list(&RESPONSE),
            body: vec![b'x'; body].leak(),
            bodies: Vec::new(),
        }
    }

    pub(super) fn run(&mut self, streams: usize) -> u64 {
        *self.client.notes = Notes::default();
        self.bodies.clear();
        self.bodies.reserve(streams);
        for _ in 0..streams {
            // SAFETY: the fields live as long as the pair.
            let id = unsafe {
                nghttp2_submit_request(
                    self.client.session,
                    null(),
                    self.request.as_ptr(),
                    self.request.len(),
                    null(),
                    null_mut(),
                )
            };
            assert!(id > 0);
        }
        while self.client.notes.closed < streams {
            self.client.speak(&mut self.server);
            for id in core::mem::take(&mut self.server.notes.requests) {
                self.bodies.push(Body {
                    octets: self.body,
                    sent: 0,
                });
                // The vector has room for all: they do not move.
                let provider = DataProvider {
                    source: core::ptr::from_mut(self.bodies.last_mut().unwrap()).cast(),
                    read: read_body,
                };
                let data = if self.body.is_empty() {
                    null()
                } else {
                    &raw const provider
                };
                // SAFETY: fields and bodies live until all streams are closed.
                let done = unsafe {
                    nghttp2_submit_response(
                        self.server.session,
                        id,
                        self.response.as_ptr(),
                        self.response.len(),
                        data,
                    )
                };
                assert_eq!(done, 0);
            }
            self.server.speak(&mut self.client);
        }
        assert!(self.client.notes.fields > 0);
        (self.client.notes.octets + streams) as u64
    }
}

/// A server that hears this; requests and octets of bodies.
pub(super) fn served(wire: &[u8]) -> u64 {
    let mut server = Session::new(true);
    server.receive(wire.as_ptr(), wire.len());
    loop {
        let mut data = null();
        // SAFETY: nothing is read from the octets.
        if unsafe { nghttp2_session_mem_send(server.session, &mut data) } <= 0 {
            break;
        }
    }
    (server.notes.requests.len() + server.notes.octets) as u64
}
