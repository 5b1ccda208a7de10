//! What the example programs share. The programs themselves are in `src/bin`, one idea each.
