/* A look at all of a JPEG file's segments before a decoder sees them. Decoders are many and old; what has made them
 * stumble is a wrong table of code lengths, a segment that claims more than the file has, and thousands of scans over
 * one large image. */
#include <stdbool.h>

#include "datasets/decode.h"

enum {
    START_OF_FRAME = 0xc0,
    HUFFMAN_TABLES = 0xc4,
    JPEG_EXTENSION = 0xc8,
    ARITHMETIC_TABLES = 0xcc,
    LAST_FRAME = 0xcf,
    FIRST_RESTART = 0xd0,
    LAST_RESTART = 0xd7,
    END_OF_IMAGE = 0xd9,
    START_OF_SCAN = 0xda,
    QUANTISATION_TABLES = 0xdb,
    MOST_SCANS = 64
};

static size_t big_endian(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

/* Tables of code lengths: at most 256 symbols, and no more codes of a length than there are left. */
static const char *check_huffman(const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        if (size < 17)
            return "a Huffman table is cut short";
        size_t symbols = 0, room = 1;
        for (size_t length = 1; length <= 16; ++length) {
            room *= 2;
            if (bytes[length] > room)
                return "a Huffman table has more codes than there can be";
            room -= bytes[length];
            symbols += bytes[length];
        }
        if (symbols > 256 || symbols > size - 17)
            return "a Huffman table has more symbols than its segment";
        if ((bytes[0] & 0x0f) > 3 || bytes[0] >> 4 > 1)
            return "a Huffman table has a number beyond 3";
        bytes += 17 + symbols;
        size -= 17 + symbols;
    }
    return NULL;
}

static const char *check_quantisation(const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        size_t table = bytes[0] >> 4 ? 129 : 65;
        if (bytes[0] >> 4 > 1 || (bytes[0] & 0x0f) > 3 || size < table)
            return "a quantisation table is not one";
        bytes += table;
        size -= table;
    }
    return NULL;
}

static const char *check_frame(uint8_t marker, const uint8_t *bytes, size_t size, rt_jpeg_facts *facts)
{
    if (facts->width > 0)
        return "it has two frames";
    if (marker > START_OF_FRAME + 2)
        return "a kind of JPEG that is not read (lossless, hierarchical or arithmetic)";
    if (size < 6 || size != 6 + 3 * (size_t)bytes[5])
        return "its frame header has the wrong length";
    if (bytes[0] != 8)
        return "its samples do not have 8 bits";
    if (bytes[5] != 1 && bytes[5] != 3 && bytes[5] != 4)
        return "it has neither 1 nor 3 nor 4 components";
    facts->height = big_endian(bytes + 1);
    facts->width = big_endian(bytes + 3);
    return facts->height > 0 && facts->width > 0 ? NULL : "its frame header says no height or width";
}

/* From behind a scan's header to the next marker that is none of its own: of what is compressed, 0xff 0x00 stands for
 * 0xff. */
static size_t skip_compressed(const uint8_t *bytes, size_t size, size_t at)
{
    for (; at + 1 < size; ++at) {
        uint8_t next = bytes[at + 1];
        if (bytes[at] == 0xff && next != 0 && next != 0xff && (next < FIRST_RESTART || next > LAST_RESTART))
            return at;
    }
    return size;
}

static const char *check_segment(uint8_t marker, const uint8_t *bytes, size_t size, rt_jpeg_facts *facts)
{
    if (marker == HUFFMAN_TABLES)
        return check_huffman(bytes, size);
    if (marker == QUANTISATION_TABLES)
        return check_quantisation(bytes, size);
    if (marker >= START_OF_FRAME && marker <= LAST_FRAME && marker != JPEG_EXTENSION && marker != ARITHMETIC_TABLES)
        return check_frame(marker, bytes, size, facts);
    if (marker == START_OF_SCAN && facts->width == 0)
        return "a scan comes before the frame header";
    return NULL;
}

const char *rt_jpeg_scan(const uint8_t *bytes, size_t size, rt_jpeg_facts *facts)
{
    size_t at = 2, scans = 0;
    *facts = (rt_jpeg_facts){0};
    for (;;) {
        while (at + 1 < size && bytes[at] == 0xff && bytes[at + 1] == 0xff)
            ++at;
        if (at + 1 >= size)
            return scans ? "it ends before its end marker: it was cut short" : "it ends within its headers";
        if (bytes[at] != 0xff)
            return "there is no marker where one must be";
        uint8_t marker = bytes[at + 1];
        at += 2;
        if (marker == END_OF_IMAGE)
            return scans > 0 ? NULL : "it has no image";
        if (at + 2 > size || big_endian(bytes + at) < 2 || big_endian(bytes + at) > size - at)
            return "a segment is longer than the file";
        size_t length = big_endian(bytes + at);
        const char *wrong = check_segment(marker, bytes + at + 2, length - 2, facts);
        if (wrong)
            return wrong;
        at += length;
        if (marker != START_OF_SCAN)
            continue;
        if (++scans > MOST_SCANS)
            return "it has more than 64 scans";
        at = skip_compressed(bytes, size, at);
    }
}
