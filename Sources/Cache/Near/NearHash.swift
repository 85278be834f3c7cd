import Bytes

/// A hash of names that nobody outside can foresee: multiplication and folding (as wyhash does), begun with a secret.
struct NearHash {
    private let seed: UInt64

    /// Takes the secret, which is drawn at random in every process.
    init(seed: UInt64 = .random(in: 0 ... .max)) {
        self.seed = seed
    }

    /// The hash of `name`.
    ///
    /// - Complexity: O(n), eight bytes a step.
    func callAsFunction(_ name: ByteView) -> UInt64 {
        var state = seed ^ NearHash.fold(UInt64(name.count) ^ 0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db)
        var index = 0
        while index + 8 <= name.count {
            state = NearHash.fold(state ^ name.word(at: index), 0x8ebc_6af0_9c88_c6e3 ^ seed)
            index += 8
        }
        var rest: UInt64 = 0
        while index < name.count {
            rest = rest << 8 | UInt64(name[index])
            index += 1
        }
        state = NearHash.fold(state ^ rest, 0x5899_65cc_7537_4cc3)
        return NearHash.fold(state, seed | 1) ^ state >> 32
    }

    private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (high, low) = left.multipliedFullWidth(by: right)
        return high ^ low
    }
}
