//! Names of header fields.

/// The longest name that is known.
const MAX_LEN: usize = 27;

/// The name of a header field, when it is a known one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FieldName {
    /// `Date`.
    Date,
    /// `From`.
    From,
    /// `Sender`.
    Sender,
    /// `Reply-To`.
    ReplyTo,
    /// `To`.
    To,
    /// `Cc`.
    Cc,
    /// `Bcc`.
    Bcc,
    /// `Message-ID`.
    MessageId,
    /// `In-Reply-To`.
    InReplyTo,
    /// `References`.
    References,
    /// `Subject`.
    Subject,
    /// `Comments`.
    Comments,
    /// `Keywords`.
    Keywords,
    /// `Return-Path`.
    ReturnPath,
    /// `Received`.
    Received,
    /// `Resent-Date`.
    ResentDate,
    /// `Resent-From`.
    ResentFrom,
    /// `Resent-Sender`.
    ResentSender,
    /// `Resent-To`.
    ResentTo,
    /// `Resent-Cc`.
    ResentCc,
    /// `Resent-Bcc`.
    ResentBcc,
    /// `Resent-Message-ID`.
    ResentMessageId,
    /// `MIME-Version`.
    MimeVersion,
    /// `Content-Type`.
    ContentType,
    /// `Content-Transfer-Encoding`.
    ContentTransferEncoding,
    /// `Content-ID`.
    ContentId,
    /// `Content-Description`.
    ContentDescription,
    /// `Content-Disposition`.
    ContentDisposition,
    /// `Content-Language`.
    ContentLanguage,
    /// `Content-Location`.
    ContentLocation,
    /// `Content-MD5`.
    ContentMd5,
    /// `Content-Duration`.
    ContentDuration,
    /// `List-Id`.
    ListId,
    /// `List-Help`.
    ListHelp,
    /// `List-Subscribe`.
    ListSubscribe,
    /// `List-Unsubscribe`.
    ListUnsubscribe,
    /// `List-Post`.
    ListPost,
    /// `List-Owner`.
    ListOwner,
    /// `List-Archive`.
    ListArchive,
    /// `Delivered-To`.
    DeliveredTo,
    /// `Disposition-Notification-To`.
    DispositionNotificationTo,
    /// `Auto-Submitted`.
    AutoSubmitted,
    /// `Original-Recipient`.
    OriginalRecipient,
    /// `DKIM-Signature`.
    DkimSignature,
    /// `Authentication-Results`.
    AuthenticationResults,
    /// `Received-SPF`.
    ReceivedSpf,
    /// Any other.
    Other,
}

impl FieldName {
    /// Recognises a name, in any case.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        let mut buffer = [0; MAX_LEN];
        let Some(lower) = buffer.get_mut(..name.len()) else {
            return Self::Other;
        };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"date" => Self::Date,
            b"from" => Self::From,
            b"sender" => Self::Sender,
            b"reply-to" => Self::ReplyTo,
            b"to" => Self::To,
            b"cc" => Self::Cc,
            b"bcc" => Self::Bcc,
            b"message-id" => Self::MessageId,
            b"in-reply-to" => Self::InReplyTo,
            b"references" => Self::References,
            b"subject" => Self::Subject,
            b"comments" => Self::Comments,
            b"keywords" => Self::Keywords,
            b"return-path" => Self::ReturnPath,
            b"received" => Self::Received,
            b"resent-date" => Self::ResentDate,
            b"resent-from" => Self::ResentFrom,
            b"resent-sender" => Self::ResentSender,
            b"resent-to" => Self::ResentTo,
            b"resent-cc" => Self::ResentCc,
            b"resent-bcc" => Self::ResentBcc,
            b"resent-message-id" => Self::ResentMessageId,
            b"mime-version" => Self::MimeVersion,
            b"content-type" => Self::ContentType,
            b"content-transfer-encoding" => Self::ContentTransferEncoding,
            b"content-id" => Self::ContentId,
            b"content-description" => Self::ContentDescription,
            b"content-disposition" => Self::ContentDisposition,
            b"content-language" => Self::ContentLanguage,
            b"content-location" => Self::ContentLocation,
            b"content-md5" => Self::ContentMd5,
            b"content-duration" => Self::ContentDuration,
            b"list-id" => Self::ListId,
            b"list-help" => Self::ListHelp,
            b"list-subscribe" => Self::ListSubscribe,
            b"list-unsubscribe" => Self::ListUnsubscribe,
            b"list-post" => Self::ListPost,
            b"list-owner" => Self::ListOwner,
            b"list-archive" => Self::ListArchive,
            b"delivered-to" => Self::DeliveredTo,
            b"disposition-notification-to" => Self::DispositionNotificationTo,
            b"auto-submitted" => Self::AutoSubmitted,
            b"original-recipient" => Self::OriginalRecipient,
            b"dkim-signature" => Self::DkimSignature,
            b"authentication-results" => Self::AuthenticationResults,
            b"received-spf" => Self::ReceivedSpf,
            _ => Self::Other,
        }
    }

    /// The name as the standards write it; empty for [`Other`](Self::Other).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Date => "Date",
            Self::From => "From",
            Self::Sender => "Sender",
            Self::ReplyTo => "Reply-To",
            Self::To => "To",
            Self::Cc => "Cc",
            Self::Bcc => "Bcc",
            Self::MessageId => "Message-ID",
            Self::InReplyTo => "In-Reply-To",
            Self::References => "References",
            Self::Subject => "Subject",
            Self::Comments => "Comments",
            Self::Keywords => "Keywords",
            Self::ReturnPath => "Return-Path",
            Self::Received => "Received",
            Self::ResentDate => "Resent-Date",
            Self::ResentFrom => "Resent-From",
            Self::ResentSender => "Resent-Sender",
            Self::ResentTo => "Resent-To",
            Self::ResentCc => "Resent-Cc",
            Self::ResentBcc => "Resent-Bcc",
            Self::ResentMessageId => "Resent-Message-ID",
            Self::MimeVersion => "MIME-Version",
            Self::ContentType => "Content-Type",
            Self::ContentTransferEncoding => "Content-Transfer-Encoding",
            Self::ContentId => "Content-ID",
            Self::ContentDescription => "Content-Description",
            Self::ContentDisposition => "Content-Disposition",
            Self::ContentLanguage => "Content-Language",
            Self::ContentLocation => "Content-Location",
            Self::ContentMd5 => "Content-MD5",
            Self::ContentDuration => "Content-Duration",
            Self::ListId => "List-Id",
            Self::ListHelp => "List-Help",
            Self::ListSubscribe => "List-Subscribe",
            Self::ListUnsubscribe => "List-Unsubscribe",
            Self::ListPost => "List-Post",
            Self::ListOwner => "List-Owner",
            Self::ListArchive => "List-Archive",
            Self::DeliveredTo => "Delivered-To",
            Self::DispositionNotificationTo => "Disposition-Notification-To",
            Self::AutoSubmitted => "Auto-Submitted",
            Self::OriginalRecipient => "Original-Recipient",
            Self::DkimSignature => "DKIM-Signature",
            Self::AuthenticationResults => "Authentication-Results",
            Self::ReceivedSpf => "Received-SPF",
            Self::Other => "",
        }
    }

    /// Whether it may stand in a header only once (RFC 5322 section 3.6, RFC 2045 section 3).
    #[must_use]
    pub const fn is_singular(self) -> bool {
        matches!(
            self,
            Self::Date
                | Self::From
                | Self::Sender
                | Self::ReplyTo
                | Self::To
                | Self::Cc
                | Self::Bcc
                | Self::MessageId
                | Self::InReplyTo
                | Self::References
                | Self::Subject
                | Self::MimeVersion
                | Self::ContentType
                | Self::ContentTransferEncoding
                | Self::ContentId
                | Self::ContentDescription
                | Self::ContentDisposition
                | Self::ContentMd5
        )
    }

    /// A bit of its own, for [`is_singular`](Self::is_singular) names.
    pub(super) const fn bit(self) -> u32 {
        match self {
            Self::Date => 1 << 0,
            Self::From => 1 << 1,
            Self::Sender => 1 << 2,
            Self::ReplyTo => 1 << 3,
            Self::To => 1 << 4,
            Self::Cc => 1 << 5,
            Self::Bcc => 1 << 6,
            Self::MessageId => 1 << 7,
            Self::InReplyTo => 1 << 8,
            Self::References => 1 << 9,
            Self::Subject => 1 << 10,
            Self::MimeVersion => 1 << 11,
            Self::ContentType => 1 << 12,
            Self::ContentTransferEncoding => 1 << 13,
            Self::ContentId => 1 << 14,
            Self::ContentDescription => 1 << 15,
            Self::ContentDisposition => 1 << 16,
            Self::ContentMd5 => 1 << 17,
            _ => 0,
        }
    }
}
