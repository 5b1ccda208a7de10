//! The machines of `proto-bittorrent` behind the traits of [`shape`](crate::shape), and the peer
//! wire as a codec.

use proto_bittorrent::stream::Transmit;
use proto_bittorrent::tracker::{http, udp};
use proto_bittorrent::{datagram, peer};

crate::stream_machine!(peer::Connection, peer::Event, peer::Error, Transmit { Data(data), Shutdown });
crate::stream_machine!(http::Client, http::ClientEvent, http::ClientError, Transmit { Data(data), Shutdown });
crate::stream_machine!(http::Server, http::ServerEvent, http::ServerError, Transmit { Data(data), Shutdown });
crate::datagram_machine!(datagram, udp::Client, udp::ClientEvent);
crate::datagram_machine!(datagram, udp::Server, udp::ServerEvent);

#[cfg(feature = "tokio")]
pub use codec::{BtPeerCodec, BtPeerError, BtPeerItem};

#[cfg(feature = "tokio")]
mod codec {
    use bytes::BytesMut;
    use proto_bittorrent::wire::{
        DecodeError, Decoder as Messages, Handshake, HandshakeError, Message,
    };
    use tokio_util::codec::{Decoder, Encoder};

    /// One side of a connection of peers: a handshake, then messages.
    ///
    /// For recorders and proxies; what the messages mean is for
    /// [`peer::Connection`](proto_bittorrent::peer::Connection) to say.
    #[derive(Clone, Debug, Default)]
    pub struct BtPeerCodec {
        is_greeted: bool,
        messages: Messages,
    }

    impl BtPeerCodec {
        /// A codec that expects a handshake first, with the default bounds.
        #[must_use]
        pub fn new() -> Self {
            Self::default()
        }
    }

    /// What a peer sends.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum BtPeerItem {
        /// The first thing.
        Handshake(Handshake),
        /// All that follows.
        Message(Message),
    }

    /// Why a stream of messages ended.
    #[derive(Debug, thiserror::Error)]
    #[non_exhaustive]
    pub enum BtPeerError {
        /// The other side speaks another protocol.
        #[error(transparent)]
        Handshake(#[from] HandshakeError),
        /// A message that is none. There is no way on.
        #[error(transparent)]
        Message(#[from] DecodeError),
        /// The transport failed, or ended inside a message.
        #[error(transparent)]
        Io(#[from] std::io::Error),
    }

    impl Decoder for BtPeerCodec {
        type Item = BtPeerItem;
        type Error = BtPeerError;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<BtPeerItem>, BtPeerError> {
            if !self.is_greeted {
                let handshake = Handshake::decode(src)?;
                self.is_greeted = handshake.is_some();
                return Ok(handshake.map(BtPeerItem::Handshake));
            }
            Ok(self.messages.decode(src)?.map(BtPeerItem::Message))
        }
    }

    impl Encoder<&BtPeerItem> for BtPeerCodec {
        type Error = BtPeerError;

        fn encode(&mut self, item: &BtPeerItem, dst: &mut BytesMut) -> Result<(), BtPeerError> {
            match item {
                BtPeerItem::Handshake(handshake) => handshake.encode(dst),
                BtPeerItem::Message(message) => message.encode(dst),
            }
            Ok(())
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use proto_bittorrent::hash::{PeerId, Sha1Hash};
        use proto_bittorrent::wire::{Block, Reserved};

        #[test]
        fn items_come_out_as_they_went_in_however_they_are_cut() {
            let items = [
                BtPeerItem::Handshake(Handshake {
                    reserved: Reserved::default().with_fast(),
                    info_hash: Sha1Hash([1; 20]),
                    peer_id: PeerId([2; 20]),
                }),
                BtPeerItem::Message(Message::HaveAll),
                BtPeerItem::Message(Message::KeepAlive),
                BtPeerItem::Message(Message::Request(Block::new(1, 2, 3))),
                BtPeerItem::Message(Message::Piece {
                    piece: 1,
                    begin: 2,
                    data: vec![7; 20_000].into(),
                }),
            ];
            let mut wire = BytesMut::new();
            for item in &items {
                BtPeerCodec::new().encode(item, &mut wire).unwrap();
            }
            for cut in [1, 7, 5000, wire.len()] {
                let (mut codec, mut input, mut out) =
                    (BtPeerCodec::new(), BytesMut::new(), Vec::new());
                for piece in wire.chunks(cut) {
                    input.extend_from_slice(piece);
                    while let Some(item) = codec.decode(&mut input).unwrap() {
                        out.push(item);
                    }
                }
                assert_eq!(out, items);
                assert!(codec.decode_eof(&mut input).unwrap().is_none());
            }
        }

        #[test]
        fn another_protocol_ends_the_stream() {
            let mut input = BytesMut::from("GET / HTTP/1.1\r\n");
            let error = BtPeerCodec::new().decode(&mut input).unwrap_err();
            assert!(matches!(
                error,
                BtPeerError::Handshake(HandshakeError { offset: 0 })
            ));
        }
    }
}
