"""Draws as include/retort/random.h defines them: Philox4x32-10, written down from its paper."""
MASK = 0xFFFFFFFF


def block(seed, stream, epoch, index, number):
    counter = [number & MASK, (stream << 24 ^ epoch) & MASK, index & MASK, index >> 32]
    keys = [seed & MASK, seed >> 32]
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [second >> 32 ^ counter[1] ^ keys[0], second & MASK, first >> 32 ^ counter[3] ^ keys[1], first & MASK]
        keys = [(keys[0] + 0x9E3779B9) & MASK, (keys[1] + 0xBB67AE85) & MASK]
    return counter


def below(seed, stream, epoch, index, draw, bound):
    words = block(seed, stream, epoch, index, draw)
    return (words[0] << 32 | words[1]) * bound >> 64
