/// Who is at the other end of a connection: by the kernel's word, and by the socket that was connected to.
public struct Caller: Hashable, Sendable {
    /// The user's id when the connection was made.
    public let userID: UInt32
    /// Ids of the user's group and supplementary groups when the connection was made.
    public let groups: Set<UInt32>
    /// Name of the socket.
    public let socket: String
    /// The group that the socket's file belongs to, whose members may connect; nil where there is none.
    public let socketGroup: UInt32?

    /// The id that the kernel shows for every user who is not known in this process' user namespace
    /// (user_namespaces(7)): whoever it is, it is nobody in particular.
    public static let unmapped: UInt32 = 65534

    /// Describes a caller.
    public init(userID: UInt32, groups: Set<UInt32>, socket: String, socketGroup: UInt32?) {
        self.userID = userID
        self.groups = groups
        self.socket = socket
        self.socketGroup = socketGroup
    }

    /// Whether nobody can tell who it is.
    public var isUnmapped: Bool { userID == Caller.unmapped || userID == .max }
}
